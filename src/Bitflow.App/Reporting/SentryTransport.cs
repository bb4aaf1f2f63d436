using System.Net.Http.Headers;
using System.Net.Security;
using System.Net.Sockets;
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
            ConnectCallback = ConnectAsync,
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionIdleTimeout = TimeSpan.FromSeconds(30),
            SslOptions = new SslClientAuthenticationOptions
            {
                // A certificate that names a silent server must not stall anything.
                CertificateChainPolicy = new X509ChainPolicy { DisableCertificateDownloads = true, RevocationMode = X509RevocationMode.NoCheck },
            },
        })
    {
        Timeout = Timeout,
    });

    /// <summary>The answer; null, and why, where the network failed or nothing answered in time.</summary>
    /// <param name="report">What to report.</param>
    /// <param name="discards">What was discarded before, to be told with it.</param>
    /// <param name="token">Gives up.</param>
    public async Task<(SentryAnswer? Answer, string Failure)> PostAsync(SentryEvent report, SentryDiscards discards, CancellationToken token)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, dsn.Endpoint);
        request.Headers.TryAddWithoutValidation("X-Sentry-Auth", SentryDsnModule.AuthHeader(dsn, Client));
        request.Headers.TryAddWithoutValidation("User-Agent", Client);
        request.Content = new ByteArrayContent(SentryEnvelope.Make(dsn, DateTimeOffset.UtcNow, discards, report));
        request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/x-sentry-envelope");
        try
        {
            // The body says nothing that is used.
            using HttpResponseMessage response = await _http.Value.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token).ConfigureAwait(false);
            var answer = new SentryAnswer(
                (int)response.StatusCode, Header(response, "X-Sentry-Rate-Limits"), Header(response, "Retry-After"), Header(response, "X-Sentry-Error"));
            return (answer, "");
        }
        catch (Exception e) when (e is HttpRequestException or OperationCanceledException or IOException)
        {
            return (null, e is OperationCanceledException ? $"no answer within {Timeout.TotalSeconds:F0} s" : (e.InnerException ?? e).Message);
        }
    }

    public void Dispose()
    {
        if (_http.IsValueCreated)
            _http.Value.Dispose();
    }

    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken token)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            await socket.ConnectAsync(context.DnsEndPoint, token).ConfigureAwait(false);
        }
        catch
        {
            socket.Dispose();
            throw;
        }

        await PoolThread.EnterAsync().ConfigureAwait(false);
        return new PoolStream(new NetworkStream(socket, ownsSocket: true));
    }

    private static string Header(HttpResponseMessage response, string name) =>
        response.Headers.TryGetValues(name, out IEnumerable<string>? values) ? string.Join(",", values) : "";
}
