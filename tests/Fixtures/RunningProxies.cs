using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Files;
using Bitflow.Net.Observing;
using Bitflow.Net.Proxies;
using Bitflow.Net.Tls;
using Xunit;

namespace Bitflow.Tests.Fixtures;

/// <summary>Proxies from a configuration's text, running in this process on an engine of their own.</summary>
internal sealed class RunningProxies : IDisposable
{
    private readonly Server _server;
    private readonly Observer _observer = new();

    private RunningProxies(Config config, EngineKind engine, Resolver resolver, IConnectionLogs? logs)
    {
        _server = new Server(engine.Start(), _observer, new SilentLog(), logs, new Dialer(resolver));
        LoadedTls tls = LoadedTls.Load(config, new NamedFiles(), TimeProvider.System);
        Assert.Empty(tls.Findings);
        Preparation? preparation = _server.Prepare(new ConfigSnapshot(config, new Dictionary<string, string>()), tls, out IReadOnlyList<string> problems);
        Problems = problems;

        // Nothing is dropped by a start, so there is nothing to wait for.
        if (preparation is not null)
            Assert.True(_server.CommitAsync(preparation).IsCompleted);
    }

    /// <summary>Why they did not start; empty where they did.</summary>
    public IReadOnlyList<string> Problems { get; }

    public int OpenConnections => _server.OpenConnections;

    /// <summary>Clients that were let in since the start.</summary>
    public long Admitted => _server.Running().Sum(static proxy => proxy.State.Admitted);

    /// <summary>A configuration that is in order.</summary>
    public static Config Read(string yaml)
    {
        ConfigReading reading = ConfigFile.Read("test.yaml", Encoding.UTF8.GetBytes(yaml));
        Assert.True(reading.IsUsable, string.Join('\n', reading.Errors));
        return reading.Config;
    }

    /// <param name="yaml">A whole configuration; listeners on port 0 get a port of their own.</param>
    /// <param name="names">What names resolve to; the machine's own resolver where it is left out.</param>
    /// <param name="logs">Who opens connection logs; without one there are none.</param>
    public static RunningProxies Start(string yaml, EngineKind engine = EngineKind.Linux, Func<string, IPAddress[]>? names = null, IConnectionLogs? logs = null)
    {
        var running = new RunningProxies(Read(yaml), engine, names is null ? new Resolver() : new Resolver(names), logs);
        Assert.Empty(running.Problems);
        return running;
    }

    /// <summary>One proxy with one target.</summary>
    /// <param name="listener">Lines under `listener:`, each ended.</param>
    public static RunningProxies One(
        string target, EngineKind engine = EngineKind.Linux, string listener = "", string targetKeys = "", string options = "", string address = "127.0.0.1:0",
        Func<string, IPAddress[]>? names = null, IConnectionLogs? logs = null) =>
        Start(
            $"""
            server:
              proxies:
                - name: p
                  listener:
                    address: "{address}"
            {Indent(listener, 8)}
                  targets:
                    - name: t
                      address: "{target}"
            {Indent(targetKeys, 10)}
                  options:
                    connection_load_balancer: none
            {Indent(options, 8)}
            """,
            engine,
            names,
            logs);

    public EndPoint EndPoint(int listener = 0) => _server.Listeners[listener].Socket.Socket.LocalEndPoint!;

    public int Port(int listener = 0) => ((IPEndPoint)EndPoint(listener)).Port;

    public async Task<Socket> ConnectAsync(IPAddress? from = null)
    {
        EndPoint to = EndPoint();
        if (to is IPEndPoint { Address: var any } ip && any.Equals(IPAddress.IPv6Any))
            to = new IPEndPoint(from?.AddressFamily == AddressFamily.InterNetworkV6 ? IPAddress.IPv6Loopback : IPAddress.Loopback, ip.Port);
        var socket = new Socket(to.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        if (from is not null)
            socket.Bind(new IPEndPoint(from, 0));
        await socket.ConnectAsync(to).Patiently();
        return socket;
    }

    /// <summary>The record of the connection that ends next.</summary>
    public Task<ConnectionRecord> EndedAsync() => _observer.Ended.Reader.ReadAsync().Patiently();

    /// <summary>Why attempts failed, in order.</summary>
    public IReadOnlyList<string> FailedAttempts
    {
        get
        {
            lock (_observer.Attempts)
                return [.. _observer.Attempts];
        }
    }

    public void Dispose()
    {
        bool isReset = _server.ResetAllAsync().Wait(Eventually.Patience);
        using var atOnce = new CancellationTokenSource();
        atOnce.Cancel();
        bool isDrained = _server.DrainAsync(atOnce.Token).Wait(Eventually.Patience);
        int left = _server.OpenConnections;
        _server.Dispose();
        Assert.True(isReset && isDrained && left == 0, $"all connections are reset: {isReset}, the drain ends: {isDrained}, connections left: {left}");
        Assert.Empty(_observer.Faults);
    }

    private static string Indent(string lines, int columns) =>
        string.Join('\n', lines.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => new string(' ', columns) + line));

    private sealed class Observer : ISessionObserver
    {
        public Channel<ConnectionRecord> Ended { get; } = Channel.CreateUnbounded<ConnectionRecord>();

        public List<string> Attempts { get; } = [];

        public List<Exception> Faults { get; } = [];

        public void OnEnded(Session session) => Ended.Writer.TryWrite(ConnectionRecords.Of(session));

        public void OnAttemptFailed(Session session, Life at, DialFault fault, bool isLast)
        {
            lock (Attempts)
                Attempts.Add(DialFaultModule.Describe(fault));
        }

        public void OnReachedAgain(Session session, Duration after)
        {
        }

        public void OnInternalFault(Session session, Exception exception) => Faults.Add(exception);
    }

    private sealed class SilentLog : IServerLog
    {
        public void Listening(string proxy, Endpoint local)
        {
        }

        public void Limits(ProxyConfig proxy)
        {
        }

        public void ListenerClosed(string proxy, Endpoint local)
        {
        }

        public void AcceptFailed(string proxy, Endpoint local, IoFault fault)
        {
        }

        public void ClientLost(string proxy, Endpoint local, Endpoint client, IoFault fault)
        {
        }

        public void TurnedAway(string proxy, Endpoint local, int clients)
        {
        }

        public void AuthoritiesUnread(string problem)
        {
        }

        public void AcceptPaused(long descriptorLimit)
        {
        }

        public void AcceptResumed()
        {
        }
    }
}
