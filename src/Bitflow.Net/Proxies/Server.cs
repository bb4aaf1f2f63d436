using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Observing;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>All proxies of one process: started together or not at all, drained together.</summary>
internal sealed class Server : IDisposable
{
    private readonly Engine _engine;
    private readonly ISessionObserver _observer;
    private readonly IServerLog _log;
    private readonly IConnectionLogs _logs;
    private readonly Dialer _dialer;
    private readonly DescriptorGuard _guard;
    private readonly List<Listener> _listeners = [];
    private readonly Dictionary<string, Proxy> _proxies = new(StringComparer.Ordinal);

    public Server(Engine engine, ISessionObserver observer, IServerLog log, IConnectionLogs? logs = null, Dialer? dialer = null)
    {
        _dialer = dialer ?? new Dialer();
        _logs = logs ?? NoConnectionLogs.Instance;
        Instruments.Observe(Running);
        _engine = engine;
        _observer = observer;
        _log = log;
        _guard = new DescriptorGuard(log);
    }

    public IReadOnlyCollection<Proxy> Proxies => _proxies.Values;

    public IReadOnlyList<Listener> Listeners => _listeners;

    public long DescriptorLimit => _guard.Limit;

    /// <summary>Connections in any phase, over all proxies.</summary>
    public int OpenConnections => _proxies.Values.Sum(p => p.State.Sessions().Count);

    /// <summary>
    /// Opens every socket, then begins to accept on all of them. Empty where everything started; else every reason, each behind the name of
    /// its proxy, and nothing is left open.
    /// </summary>
    /// <param name="tls">What the files of the configuration's TLS contexts hold, without an error among it.</param>
    public IReadOnlyList<string> Start(Config config, LoadedTls tls)
    {
        var problems = new List<string>();
        var opened = new List<(ProxyModel Model, ListeningSocket Socket)>();
        foreach (ProxyConfig proxy in config.Proxies)
        {
            IConnectionLog? log = null;
            try
            {
                log = OpenLog(proxy);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                problems.Add($"proxy {proxy.Name}: cannot open its connection log: {e.Message}");
            }

            var model = new ProxyModel(proxy, generation: 1, tls.Of(proxy), log);
            try
            {
                opened.AddRange(ListeningSocket.Open(proxy.Listener.Address).Select(socket => (model, socket)));
            }
            catch (ListenException e)
            {
                problems.Add($"proxy {proxy.Name}: cannot listen on {e.Message}");
            }

            foreach (TargetConfig target in proxy.Targets)
            {
                if (target.Address is Address.Descriptor inherited && InheritedTargets.WhyUnusable(inherited.number) is { } why)
                    problems.Add($"proxy {proxy.Name}: target {target.Name} cannot be used: {why}");
            }
        }

        if (problems.Count > 0)
        {
            foreach ((_, ListeningSocket socket) in opened)
                socket.Undo();
            return problems;
        }

        foreach ((ProxyModel model, ListeningSocket socket) in opened)
        {
            if (!_proxies.TryGetValue(model.Name, out Proxy? proxy))
                _proxies.Add(model.Name, proxy = new Proxy(model, new ProxyState(), _dialer, _observer));
            _listeners.Add(new Listener(_engine, socket, proxy, _guard, _log));
            _log.Listening(model.Name, socket.Local);
        }

        return problems;
    }

    private IConnectionLog? OpenLog(ProxyConfig proxy) =>
        proxy.Options.ConnectionLog.Length == 0 ? null : _logs.Open(proxy.Options.ConnectionLog, proxy.Name);

    private IEnumerable<(ProxyModel, ProxyState)> Running() => _proxies.Values.Select(static p => (p.Model, p.State));

    /// <summary>Stops accepting (what is queued is accepted still) and waits until every connection has ended by itself, or the token fires.</summary>
    public async Task DrainAsync(CancellationToken giveUp)
    {
        await Task.WhenAll(_listeners.Select(async listener =>
        {
            await listener.CloseAsync().ConfigureAwait(false);
            _log.ListenerClosed(listener.Proxy.Model.Name, listener.Socket.Local);
        })).ConfigureAwait(false);
        _listeners.Clear();
        while (OpenConnections > 0 && !giveUp.IsCancellationRequested)
            await Task.Delay(DrainLook, giveUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>Resets whatever is still open and waits until it is gone.</summary>
    public async Task ResetAllAsync()
    {
        foreach (Proxy proxy in _proxies.Values)
        {
            foreach (Session session in proxy.State.Sessions())
                session.Shutdown();
        }

        using var bound = new CancellationTokenSource(ResetBound);
        while (OpenConnections > 0 && !bound.IsCancellationRequested)
            await Task.Delay(DrainLook, bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public void Dispose()
    {
        _guard.Dispose();
        _dialer.Dispose();
        _engine.Dispose();
    }

    private static readonly TimeSpan DrainLook = TimeSpan.FromMilliseconds(10);

    /// <summary>A reset needs no peer: if one takes longer than this, the process ends all the same.</summary>
    private static readonly TimeSpan ResetBound = TimeSpan.FromSeconds(2);
}
