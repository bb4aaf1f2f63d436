using System.Net.Http.Headers;
using System.Net.Security;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;

namespace Bitflow.App.Reporting;

/// <summary>Posts envelopes. The HTTP client is made with the first one: most processes never have an error.</summary>
internal sealed class SentryTransport(SentryDsn dsn) : IDisposable
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);

    private static readonly string Client = $"bitflow/{ProductVersion.Text}";

    private readonly Lazy<HttpClient> _http = new(static () => new HttpClient(
        new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            SslOptions = new SslClientAuthenticationOptions
            {
                // A certificate that names a silent server must not stall anything (section 5 of the design, (f)).
                CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
            },
        })
    {
        Timeout = Timeout,
        MaxResponseContentBufferSize = 64 * 1024,
    });

    /// <summary>Null where the network failed or nothing answered in time.</summary>
    public async Task<SentryAnswer?> PostAsync(SentryEvent report, CancellationToken token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, dsn.Endpoint);
        request.Headers.TryAddWithoutValidation("X-Sentry-Auth", Sentry.AuthHeader(dsn, Client));
        request.Headers.TryAddWithoutValidation("User-Agent", Client);
        request.Content = new ByteArrayContent(Sentry.Envelope(dsn, DateTimeOffset.UtcNow, report));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-sentry-envelope");
        try
        {
            // The body says nothing that is used.
            using HttpResponseMessage response = await _http.Value.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token).ConfigureAwait(false);
            return new SentryAnswer((int)response.StatusCode, Header(response, "X-Sentry-Rate-Limits"), Header(response, "Retry-After"));
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            return null;
        }
    }

    public void Dispose()
    {
        if (_http.IsValueCreated)
            _http.Value.Dispose();
    }

    private static string Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(",", values) : "";
}
