using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Bitflow.Domain;

namespace Bitflow.App.Commands.Top;

/// <summary>Asks an admin server, over TCP or a Unix socket.</summary>
internal sealed class TopClient : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    /// <summary>Room for tens of thousands of proxies; who says more than that is no admin server.</summary>
    private const int MaxAnswerBytes = 32 << 20;

    private const string AnswersOtherwise = "it answers, but not as an admin server";

    private readonly HttpClient _http;

    public TopClient(Address admin)
    {
        string? path = admin switch
        {
            Address.UnixPath unix => unix.path,
            Address.UnixAbstract name => "\0" + name.name,
            _ => null,
        };
        var handler = new SocketsHttpHandler { UseProxy = false, AllowAutoRedirect = false };
        if (path is not null)
            handler.ConnectCallback = (_, token) => ConnectAsync(path, token);
        string authority = admin is Address.Tcp tcp ? $"{AddressModule.HostFromHere(tcp.family, tcp.host)}:{tcp.port}" : "localhost";
        _http = new HttpClient(handler)
        {
            BaseAddress = new Uri($"http://{authority}/"),
            Timeout = Patience,
            MaxResponseContentBufferSize = MaxAnswerBytes,
        };
    }

    /// <exception cref="TopException">Nothing answers, or it is no admin server.</exception>
    public async Task<TopSample> ReadAsync(CancellationToken token)
    {
        try
        {
            using HttpResponseMessage ready = await _http.GetAsync(Path("readyz"), token).ConfigureAwait(false);
            if (ready.StatusCode is not (HttpStatusCode.OK or HttpStatusCode.ServiceUnavailable))
                throw new TopException(AnswersOtherwise);
            using JsonDocument proxies = JsonDocument.Parse(await _http.GetByteArrayAsync(Path("proxies"), token).ConfigureAwait(false));
            using JsonDocument connections = JsonDocument.Parse(await _http.GetByteArrayAsync(Path("connections"), token).ConfigureAwait(false));
            return new TopSample(
                Environment.TickCount64 * TimeSpan.TicksPerMillisecond,
                ready.IsSuccessStatusCode,
                [.. proxies.RootElement.EnumerateArray().Select(Proxy)],
                [.. connections.RootElement.EnumerateArray().Select(Connection)]);
        }
        catch (OperationCanceledException) when (!token.IsCancellationRequested)
        {
            throw new TopException($"no answer within {Patience.TotalSeconds:F0} s");
        }
        catch (HttpRequestException e)
        {
            throw new TopException(Problem(e), e);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or KeyNotFoundException or FormatException or OverflowException)
        {
            throw new TopException(AnswersOtherwise, e);
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>That it answers is said only where it did.</summary>
    private static string Problem(HttpRequestException e) => e switch
    {
        { InnerException: TopException known } => known.Message,
        { HttpRequestError: HttpRequestError.ConfigurationLimitExceeded } => "it answers, but at a length that no admin server does",
        { StatusCode: not null } or { HttpRequestError: HttpRequestError.InvalidResponse } => AnswersOtherwise,
        { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError } => $"cannot connect: {e.GetBaseException().Message}",
        { HttpRequestError: HttpRequestError.ResponseEnded } => "it ends the connection without an answer",
        _ => $"no answer: {e.GetBaseException().Message}",
    };

    private static Uri Path(string path) => new(path, UriKind.Relative);

    private static async ValueTask<Stream> ConnectAsync(string path, CancellationToken token)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token).ConfigureAwait(false);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            // The platform's word for ENOENT of a path.
            socket.Dispose();
            throw new TopException("there is no such socket");
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    private static TopProxy Proxy(JsonElement proxy) => new(
        Text(proxy, "name"),
        string.Join(", ", proxy.GetProperty("bound").EnumerateArray().Select(static bound => Shown.Line(bound.GetString() ?? ""))),

        // A program from before the key shows what is configured and nothing else.
        !proxy.TryGetProperty("configured", out JsonElement configured) || configured.GetBoolean(),
        Text(proxy, "policy"),
        string.Join(", ", proxy.GetProperty("targets").EnumerateArray().Select(static target => $"{Text(target, "name")} {Text(target, "address")}")),
        string.Join(", ", proxy.GetProperty("targets").EnumerateArray().Where(Fails).Select(static target => Text(target, "name"))),
        proxy.GetProperty("open_connections").GetInt64(),
        proxy.GetProperty("connection_limit").GetInt64(),
        proxy.GetProperty("admitted").GetInt64(),
        proxy.GetProperty("source_sent_bytes").GetInt64(),
        proxy.GetProperty("destination_receive_bytes").GetInt64());

    /// <remarks>A program from before the key does not say whether it fails.</remarks>
    private static bool Fails(JsonElement target) => target.TryGetProperty("failing_since", out JsonElement since) && since.ValueKind == JsonValueKind.String;

    private static TopConnection Connection(JsonElement connection) => new(
        connection.GetProperty("id").GetInt64(),
        Text(connection, "name"),
        Text(connection, "source"),
        Text(connection, "target"),
        Text(connection, "phase"),
        Text(connection, "sni"),
        TimeSpan.FromMilliseconds(connection.GetProperty("age").GetDouble()),
        connection.GetProperty("source_sent_bytes").GetInt64(),
        connection.GetProperty("destination_receive_bytes").GetInt64());

    /// <summary>Whoever answers need not be a Bitflow: its words steer no terminal.</summary>
    private static string Text(JsonElement element, string key) => Shown.Line(element.GetProperty(key).GetString() ?? "");
}
