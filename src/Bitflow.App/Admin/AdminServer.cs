using System.Net;
using System.Net.Sockets;
using System.Text;
using Bitflow.App.Metering;
using Bitflow.Net.Transport;
using Microsoft.AspNetCore.Connections;
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

    /// <summary>
    /// Whoever takes its answers slower is cut off. What the kernel has room for counts as taken: some megabytes, with which a client that does not read
    /// could hold its place for hours at the rate of the platform's choice.
    /// </summary>
    private const double LeastBytesPerSecond = 100_000;

    /// <summary>How long the end of the process waits for answers that are on their way.</summary>
    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<ListeningSocket> _sockets;
    private readonly KestrelServer _kestrel;

    private AdminServer(IReadOnlyList<ListeningSocket> sockets, KestrelServer kestrel)
    {
        _sockets = sockets;
        _kestrel = kestrel;
    }

    /// <summary>How long our own requests may take, at the start.</summary>
    private static readonly TimeSpan RehearsalPatience = TimeSpan.FromSeconds(10);

    /// <summary>What takes different assemblies to answer.</summary>
    private static readonly string[] Rehearsed = ["/", "/metrics", "/readyz", "/proxies", "/connections"];

    /// <summary>Starts. The first of a process asks itself for everything at once, which nobody waits for.</summary>
    public static async Task<AdminServer> StartAsync(IReadOnlyList<ListeningSocket> sockets, LiveState state, MetricStore store, bool isFirst)
    {
        var options = new KestrelServerOptions { AddServerHeader = false };
        options.Limits.MaxConcurrentConnections = MaxConnections;
        options.Limits.MaxRequestBodySize = 0;
        options.Limits.MaxRequestHeadersTotalSize = MaxHeaderBytes;
        options.Limits.KeepAliveTimeout = TimeSpan.FromSeconds(30);
        options.Limits.RequestHeadersTimeout = TimeSpan.FromSeconds(5);
        options.Limits.MinResponseDataRate = new MinDataRate(LeastBytesPerSecond, gracePeriod: TimeSpan.FromSeconds(5));
        foreach (ListeningSocket socket in sockets)
        {
            // What is said here need only be of the socket's kind.
            options.Listen(socket.Socket.LocalEndPoint!, Http1);
        }

        var kestrel = new KestrelServer(Options.Create(options), new Listeners(sockets), NullLoggerFactory.Instance);
        await kestrel.StartAsync(new Application(new AdminRequests(state, store)), CancellationToken.None).ConfigureAwait(false);
        if (isFirst)
            _ = RehearseAsync(sockets[0].Socket.LocalEndPoint!, state.LeaveDescriptors());
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

    /// <summary>
    /// Asks for everything once, so that all the assemblies are loaded while there are descriptors: one that cannot be loaded at its first use is never
    /// tried again by the runtime, and that use may well come when descriptors are scarce.
    /// </summary>
    /// <param name="server">Where it listens.</param>
    /// <param name="descriptors">What clients leave alone meanwhile.</param>
    private static async Task RehearseAsync(EndPoint server, IDisposable descriptors)
    {
        using IDisposable until = descriptors;
        using var patience = new CancellationTokenSource(RehearsalPatience);
        try
        {
            foreach (string path in Rehearsed)
            {
                using var client = new Socket(server.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
                await client.ConnectAsync(server, patience.Token).ConfigureAwait(false);
                await client.SendAsync(Encoding.ASCII.GetBytes($"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"), patience.Token).ConfigureAwait(false);
                byte[] answer = new byte[4096];
                while (await client.ReceiveAsync(answer, patience.Token).ConfigureAwait(false) > 0)
                {
                    // What it is does not matter.
                }
            }
        }
        catch (Exception e) when (e is SocketException or OperationCanceledException or InvalidOperationException)
        {
            // Where it listens we may be kept from reaching it, or the server has gone again.
        }
    }

    /// <summary>The sockets are bound already, and handed over in their order.</summary>
    private sealed class Listeners(IEnumerable<ListeningSocket> sockets) : IConnectionListenerFactory
    {
        private readonly Queue<ListeningSocket> _opened = new(sockets);
        private readonly SocketConnectionContextFactory _connections = new(new SocketConnectionFactoryOptions(), NullLogger.Instance);

        public ValueTask<IConnectionListener> BindAsync(EndPoint endpoint, CancellationToken cancellationToken = default) =>
            ValueTask.FromResult<IConnectionListener>(new AdminListener(_opened.Dequeue(), _connections));
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
