using Bitflow.Net.Dialing;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>One proxy while it runs: the model that new connections get, and the state that outlives models.</summary>
internal sealed class Proxy(ProxyModel model, ProxyState state, Dialer dialer, DescriptorGuard descriptors, ISessionObserver observer)
{
    private static long _lastId;

    private volatile ProxyModel _model = model;

    public ProxyModel Model => _model;

    public ProxyState State { get; } = state;

    /// <summary>New connections get the new settings; those already open keep what they began with.</summary>
    public void Replace(ProxyModel next) => _model = next;

    public void Serve(Connection client) => Session.Begin(Interlocked.Increment(ref _lastId), _model, State, dialer, descriptors, observer, client);
}
