using Bitflow.Domain;
using Bitflow.Net.Observing;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>One listening socket at work: hands what it accepts to the proxy that owns the address now.</summary>
internal sealed class Listener : IAcceptHandler
{
    private readonly DescriptorGuard _guard;
    private readonly MemoryGuard _memory;
    private readonly IServerLog _log;
    private volatile Proxy _proxy;

    /// <summary>Of the configuration by which it listens: when it is closed the proxy may have another, with another address.</summary>
    private volatile ProxyMeter _meter;

    public Listener(Engine engine, ListeningSocket socket, Proxy proxy, DescriptorGuard guard, MemoryGuard memory, IServerLog log)
    {
        _guard = guard;
        _memory = memory;
        _log = log;
        _proxy = proxy;
        _meter = proxy.Model.Meter;
        Socket = socket;
        Acceptor = engine.Accept(socket, this);
        guard.Watch(Acceptor);
    }

    public ListeningSocket Socket { get; }

    public Acceptor Acceptor { get; }

    public Proxy Proxy => _proxy;

    /// <summary>A reload may give a socket that stays to another proxy.</summary>
    public void HandTo(Proxy proxy)
    {
        _proxy = proxy;
        _meter = proxy.Model.Meter;
    }

    public void OnAccepted(Connection connection)
    {
        _proxy.Serve(connection);
        _memory.Observe();
    }

    public bool OnTaken(int descriptor) => _guard.OnTaken(descriptor);

    public void OnLost(Endpoint client, IoFault fault)
    {
        _guard.Settle();
        _meter.AcceptFailed();
        _log.ClientLost(_proxy.Model.Name, Socket.Local, client, fault);
    }

    public void OnTurnedAway(int clients)
    {
        // What else ends accepting is told where it does.
        if (_guard.IsPausing)
            _log.TurnedAway(_proxy.Model.Name, Socket.Local, clients);
    }

    public void OnAcceptFault(IoFault fault)
    {
        if (fault == IoFault.NoDescriptors)
            _guard.OnRanOut();
        _meter.AcceptFailed();
        _log.AcceptFailed(_proxy.Model.Name, Socket.Local, fault);
    }

    /// <summary>Accepts what is queued, then closes: the file of a Unix socket is gone when this returns.</summary>
    public async Task CloseAsync()
    {
        await Acceptor.CloseAsync().ConfigureAwait(false);
        _guard.Forget(Acceptor);
        _meter.ListenerClosed();
    }
}
