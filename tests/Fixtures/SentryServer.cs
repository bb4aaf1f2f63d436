using System.Globalization;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Text;
using System.Text.Json;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// An HTTPS server that plays Sentry: gives each request the answer that the scenario has for it, and keeps what it was sent. Envelopes are cut as
/// the protocol says, by their lengths; one that cannot be cut is a fault of the sender's and fails the test.
/// </summary>
internal sealed class SentryServer : IDisposable
{
    private readonly Peer _peer;
    private readonly IssuedCertificate _certificate;
    private readonly Func<int, string?> _answer;
    private readonly List<Post> _posts = [];
    private readonly TaskCompletionSource _end = new();

    /// <param name="answer">For the n-th request, from 1, the status line's end and headers (`429 Too Many Requests\r\nRetry-After: 9`); null to never answer.</param>
    /// <param name="address">Where to listen; the certificate is for it.</param>
    public SentryServer(Func<int, string?> answer, string address = "127.0.0.1")
    {
        _answer = answer;
        _certificate = TestAuthority.Trusted.Issue(address);
        _peer = Peer.Serving(ServeAsync, new IPEndPoint(IPAddress.Parse(address), 0));
        Host = $"{address}:{_peer.Port}";
    }

    public string Host { get; }

    public const string Secret = "hunter2hunter2";

    /// <summary>As a configuration writes it.</summary>
    public string Dsn => $"https://publickey:{Secret}@{Host}/prefix/42";

    /// <summary>What makes a program trust this server, as a user's own authority is trusted.</summary>
    public static Dictionary<string, string> Trust => new() { ["SSL_CERT_FILE"] = TestAuthority.Trusted.RootFile };

    public IReadOnlyList<Post> Posts
    {
        get
        {
            lock (_posts)
                return [.. _posts];
        }
    }

    public Task HasPostsAsync(int count) =>
        Eventually.IsTrueAsync(() => Posts.Count >= count, () => $"{count} reports arrive; {Posts.Count} did");

    public void Dispose()
    {
        _end.TrySetResult();
        _peer.Dispose();
    }

    private async Task ServeAsync(Socket socket)
    {
        await using var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(_certificate.Certificate, [.. _certificate.Chain], offline: true),
            });
            while (await ReadAsync(tls) is { } post)
            {
                int number;
                lock (_posts)
                {
                    _posts.Add(post);
                    number = _posts.Count;
                }

                if (_answer(number) is not { } answer)
                {
                    await _end.Task;
                    return;
                }

                await tls.WriteAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {answer}\r\nContent-Length: 0\r\n\r\n"));
            }
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // The client went away, or does not trust us.
        }
    }

    private static async Task<Post?> ReadAsync(Stream stream)
    {
        var bytes = new List<byte>();
        byte[] one = new byte[1];
        while (!Encoding.ASCII.GetString([.. bytes]).EndsWith("\r\n\r\n", StringComparison.Ordinal))
        {
            if (await stream.ReadAsync(one) == 0)
                return null;
            bytes.Add(one[0]);
        }

        string[] lines = Encoding.ASCII.GetString([.. bytes]).Split("\r\n", StringSplitOptions.RemoveEmptyEntries);
        var headers = lines.Skip(1).Select(static line => line.Split(": ", 2)).ToDictionary(static h => h[0], static h => h[1], StringComparer.OrdinalIgnoreCase);
        byte[] body = new byte[int.Parse(headers["Content-Length"], CultureInfo.InvariantCulture)];
        await stream.ReadExactlyAsync(body);
        return new Post(lines[0], headers, body);
    }

    /// <param name="Request">The request line.</param>
    internal sealed record Post(string Request, Dictionary<string, string> Headers, byte[] Body)
    {
        public string Text => Encoding.UTF8.GetString(Body);

        public JsonElement Header => Json(Body.AsSpan(0, Body.AsSpan().IndexOf((byte)'\n')));

        /// <summary>The payload of the item of a type; null where the envelope has none.</summary>
        public JsonElement? Item(string type) => Items().FirstOrDefault(item => item.Type == type).Payload is { ValueKind: JsonValueKind.Object } payload ? payload : null;

        private List<(string Type, JsonElement Payload)> Items()
        {
            var items = new List<(string, JsonElement)>();
            ReadOnlySpan<byte> rest = Body.AsSpan(Body.AsSpan().IndexOf((byte)'\n') + 1);
            while (!rest.IsEmpty)
            {
                int end = rest.IndexOf((byte)'\n');
                JsonElement header = Json(rest[..end]);
                rest = rest[(end + 1)..];
                int length = header.GetProperty("length").GetInt32();
                items.Add((header.GetProperty("type").GetString()!, Json(rest[..length])));
                rest = rest[length..];
                if (!rest.IsEmpty && rest[0] != '\n')
                    throw new InvalidDataException("an item is longer than its header says");
                rest = rest.IsEmpty ? rest : rest[1..];
            }

            return items;
        }

        private static JsonElement Json(ReadOnlySpan<byte> text) => JsonDocument.Parse(text.ToArray()).RootElement;
    }
}
