using System.Net;
using System.Net.Sockets;
using Bitflow.App.Metering;
using Bitflow.Net.Transport;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Transport.Sockets;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;

namespace Bitflow.App.Admin;

/// <summary>
/// Kestrel, without the host around it: a host would listen to the signals that are ours, and load what nobody configured. Sockets are opened
/// by the same code as every listener's, so that addresses mean the same here.
/// </summary>
internal sealed class AdminServer : IAsyncDisposable
{
    private const int MaxConnections = 100;
    private const int MaxHeaderBytes = 8 * 1024;

    /// <summary>How long the end of the process waits for answers that are on their way.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<ListeningSocket> _sockets;
    private readonly KestrelServer _kestrel;

    private AdminServer(IReadOnlyList<ListeningSocket> sockets, KestrelServer kestrel)
    {
        _sockets = sockets;
        _kestrel = kestrel;
    }

    public static async Task<AdminServer> StartAsync(IReadOnlyList<ListeningSocket> sockets, LiveState state, MetricStore store)
    {
        var options = new KestrelServerOptions { AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = MaxConnections;
        options.Limits.MaxRequestBodySize = 0;
        options.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        var opened = new Queue<Socket>(sockets.Select(static socket => socket.Socket));
        var transport = new SocketTransportOptions { CreateBoundListenSocket = _ => opened.Dequeue() };
        foreach (ListeningSocket socket in sockets)
        {
            // The socket is bound already, and handed over in this order: what is said here need only be of its kind.
            options.Listen(socket.Socket.LocalEndPoint!, Http1);
        }

        var kestrel = new KestrelServer(Options.Create(options), new SocketTransportFactory(Options.Create(transport), NullLoggerFactory.Instance), NullLoggerFactory.Instance);
        await kestrel.StartAsync(new Application(new AdminRequests(state, store)), CancellationToken.None).ConfigureAwait(false);
        return new AdminServer(sockets, kestrel);

        static void Http1(ListenOptions listen) => listen.Protocols = HttpProtocols.Http1;
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(StopPatience);
        try
        {
            await _kestrel.StopAsync(patience.Token).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // A client that reads its answer too slowly is cut off.
        }

        _kestrel.Dispose();
        foreach (ListeningSocket socket in _sockets)
            socket.Close();
    }

    /// <summary>A request in, its answer out.</summary>
    private sealed class Application(AdminRequests requests) : IHttpApplication<HttpContext>
    {
        public HttpContext CreateContext(Microsoft.AspNetCore.Http.Features.IFeatureCollection contextFeatures) => new DefaultHttpContext(contextFeatures);

        public Task ProcessRequestAsync(HttpContext context) => requests.AnswerAsync(context);

        public void DisposeContext(HttpContext context, Exception? exception)
        {
        }
    }
}
