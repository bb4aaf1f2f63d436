using System.Collections.Concurrent;
using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Observing;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

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
    private readonly MemoryGuard _memory;
    private volatile Listener[] _listeners = [];
    private readonly ConcurrentDictionary<string, Proxy> _proxies = new(StringComparer.Ordinal);
    private readonly Dictionary<string, ProxyState> _states = new(StringComparer.Ordinal);
    private int _generation;

    public Server(Engine engine, ISessionObserver observer, IServerLog log, IConnectionLogs? logs = null, Dialer? dialer = null)
    {
        _dialer = dialer ?? new Dialer();
        _logs = logs ?? NoConnectionLogs.Instance;
        _engine = engine;
        _observer = observer;
        _log = log;
        _guard = new DescriptorGuard(log, () => OpenConnections);
        Instruments.Observe(Running, EverServed, _guard);
        _memory = new MemoryGuard(() => OpenConnections);
    }

    /// <summary>How many proxies the configuration has that is served.</summary>
    public int ProxyCount => _proxies.Count;

    public IReadOnlyList<Listener> Listeners => _listeners;

    public long DescriptorLimit => _guard.Limit;

    /// <summary>Connections in any phase, those of stopped proxies among them.</summary>
    public int OpenConnections
    {
        get
        {
            lock (_states)
                return _states.Values.Sum(static state => state.Count);
        }
    }

    /// <summary>The proxies of the configuration, in no certain order, and behind them those that a reload took out while connections of theirs are open.</summary>
    public IReadOnlyList<RunningProxy> Running()
    {
        var running = _proxies.Values.Select(static proxy => new RunningProxy(proxy.Model, proxy.State, IsConfigured: true)).ToList();
        var names = running.Select(static proxy => proxy.Model.Name).ToHashSet(StringComparer.Ordinal);
        lock (_states)
        {
            foreach ((string name, ProxyState state) in _states)
            {
                if (!names.Contains(name) && state.Newest() is { } newest)
                    running.Add(new RunningProxy(newest.Model, state, IsConfigured: false));
            }
        }

        return running;
    }

    /// <summary>The connections that are open at this moment, whatever phase they are in and whichever configuration they began with.</summary>
    public IEnumerable<Session> Sessions() => EverServed().SelectMany(static state => state.Sessions());

    /// <inheritdoc cref="DescriptorGuard.LeaveFor"/>
    public DescriptorClaim LeaveDescriptors(int descriptors) => _guard.LeaveFor(descriptors);

    /// <summary>What is served now, with the engine that runs; null before the first start.</summary>
    public ConfigSnapshot? Serving { get; private set; }

    /// <summary>What becomes of everything where another configuration is taken on.</summary>
    public ReloadPlan PlanTo(ConfigSnapshot next) => Serving is { } serving ? ReloadPlanModule.Make(serving, next) : ReloadPlanModule.OfStart(next);

    /// <summary>
    /// Opens everything that another configuration needs and this one has not: connection logs and listening sockets. Starting is the same
    /// from nothing. Where anything cannot be opened everything opened is taken back, and nothing has changed. Nothing is opened where descriptors would not do for
    /// all of it: what else runs would miss them first.
    /// </summary>
    /// <param name="next">What is to be served.</param>
    /// <param name="tls">What the files of its TLS contexts hold, without an error among it.</param>
    /// <param name="problems">Every reason why it cannot be, each behind the name of its proxy.</param>
    /// <param name="giveUp">Fires where it is not wanted any more.</param>
    /// <exception cref="OperationCanceledException">It was given up; nothing has changed.</exception>
    public Preparation? Prepare(ConfigSnapshot next, LoadedTls tls, out IReadOnlyList<string> problems, CancellationToken giveUp = default)
    {
        var preparation = new Preparation(PlanTo(next), next);
        using DescriptorClaim? claim = _guard.Claim(_engine.Loops.Count, preparation.Plan.DescriptorsToOpen, out string shortage);
        if (claim is null)
        {
            problems = [shortage];
            return null;
        }

        var faults = new List<string>();
        bool isComplete = false;
        try
        {
            MakeModels(preparation, tls, faults);
            claim.Opened(preparation.Plan.LogsToOpen);
            new SocketPreparation(preparation, _listeners, claim, faults, giveUp).Run();
            isComplete = faults.Count == 0;
        }
        finally
        {
            if (!isComplete)
                preparation.Undo();
        }

        problems = faults;
        return isComplete ? preparation : null;
    }

    private void MakeModels(Preparation preparation, LoadedTls tls, List<string> faults)
    {
        foreach (ProxyStep step in preparation.Plan.Proxies.Where(static step => step.IsMade))
        {
            ProxyConfig config = step.Config;
            if (OpenLog(config, faults, out IConnectionLog? log))
                preparation.Models.Add(config.Name, new ProxyModel(config, _generation + 1, tls.Of(config), log, _proxies.GetValueOrDefault(config.Name)?.Model));
            foreach (TargetConfig target in config.Targets)
            {
                if (target.Address is TargetAddress.Descriptor inherited && WhyUnusable(inherited.number) is { } why)
                    faults.Add($"proxy {config.Name}: target {target.Name} cannot be used: {InheritedFaultModule.Describe(inherited.number, why)}");
            }
        }
    }

    /// <summary>Switches to what was prepared. Nothing can fail any more; listening sockets that are dropped accept what is queued first.</summary>
    public async Task CommitAsync(Preparation preparation)
    {
        _generation++;
        Serving = ReloadPlanModule.Served(Serving ?? preparation.Next, preparation.Next);
        foreach ((string name, ProxyModel model) in preparation.Models)
        {
            ProxyState state = StateOf(name, model.Meter.Tags);
            state.Tls = model.Tls;
            if (_proxies.TryGetValue(name, out Proxy? proxy))
                proxy.Replace(model);
            else
                _proxies.TryAdd(name, new Proxy(model, state, _dialer, _guard, _observer));
        }

        // Of those that stay too: whoever counts may be new.
        foreach (Proxy proxy in _proxies.Values)
            proxy.Model.Meter.Begin();
        if (_engine is LinuxEngine && _proxies.Values.Any(static proxy => proxy.Model.Tls.VerifiesTargets))
            SystemAuthorities.ReadAnew(_log.AuthoritiesUnread);

        var listeners = new List<Listener>();
        foreach ((string name, Listener listener) in preparation.Kept)
        {
            listener.HandTo(_proxies[name]);
            listeners.Add(listener);
        }

        foreach ((string name, ListeningSocket socket) in preparation.Opened)
        {
            listeners.Add(new Listener(_engine, socket, _proxies[name], _guard, _memory, _log));
            _log.Listening(name, socket.Local);
        }

        _listeners = [.. listeners];
        foreach (ProxyModel model in preparation.Models.Values)
            _log.Limits(model.Config);

        foreach (ProxyStep step in preparation.Plan.Proxies.Where(static p => p.Fate.IsStopped))
            _proxies.TryRemove(step.Name, out _);
        await CloseAsync(preparation.Dropped).ConfigureAwait(false);
    }

    /// <summary>The connection logs of the running configuration.</summary>
    public IReadOnlySet<IConnectionLog> NamedLogs() => LogsOf(_proxies.Values.Select(static proxy => proxy.Model));

    /// <summary>The connection logs of the connections that are open, whichever configuration they began with.</summary>
    public IReadOnlySet<IConnectionLog> UsedLogs() => LogsOf(Sessions().Select(static session => session.Model));

    private static HashSet<IConnectionLog> LogsOf(IEnumerable<ProxyModel> models) => [.. models.Select(static model => model.Log).OfType<IConnectionLog>()];

    /// <summary>Stops accepting (what is queued is accepted still) and waits until every connection has ended by itself, or the token fires.</summary>
    public async Task DrainAsync(CancellationToken giveUp)
    {
        await CloseAsync(_listeners).ConfigureAwait(false);
        _listeners = [];
        await WhenEmptyAsync().WaitAsync(giveUp).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>An inherited socket that a connection used up is known by its number: asking the kernel would show whatever has the number now.</summary>
    private InheritedFault? WhyUnusable(int descriptor) => _dialer.Inherited.IsUsed(descriptor) ? null : InheritedTargets.WhyUnusable(descriptor);

    private bool OpenLog(ProxyConfig config, List<string> faults, out IConnectionLog? log)
    {
        log = null;
        if (config.Options.ConnectionLog?.Value is not { } path)
            return true;
        try
        {
            log = _logs.Open(path, config.Name);
            return true;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            faults.Add($"proxy {config.Name}: cannot open its connection log: {e.Message}");
            return false;
        }
    }

    /// <summary>The count of open connections belongs to the name: a proxy that comes back finds those that are still open.</summary>
    private ProxyState StateOf(string name, KeyValuePair<string, object?>[] tags)
    {
        lock (_states)
        {
            if (!_states.TryGetValue(name, out ProxyState? state))
                _states.Add(name, state = new ProxyState(_engine.Loops.Count, tags));
            state.Tags = tags;
            return state;
        }
    }

    /// <summary>Of every proxy since the start of the program, whether it still runs or not.</summary>
    private ProxyState[] EverServed()
    {
        lock (_states)
            return [.. _states.Values];
    }

    private async Task CloseAsync(IEnumerable<Listener> listeners) =>
        await Task.WhenAll(listeners.Select(async listener =>
        {
            await listener.CloseAsync().ConfigureAwait(false);
            _log.ListenerClosed(listener.Proxy.Model.Name, listener.Socket.Local);
        })).ConfigureAwait(false);

    /// <summary>Resets whatever is still open and waits until it is gone.</summary>
    /// <returns>How many connections there were; those that ended by themselves meanwhile are not among them.</returns>
    public async Task<int> ResetAllAsync()
    {
        Task<bool>[] cut = [.. Sessions().Select(static session => session.ShutdownAsync())];
        using var bound = new CancellationTokenSource(ResetBound);
        await Task.WhenAll([WhenEmptyAsync(), .. cut]).WaitAsync(bound.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);

        // Who has not answered by now is reset by the end of the process.
        return cut.Count(static one => !one.IsCompletedSuccessfully || one.Result);
    }

    private Task WhenEmptyAsync()
    {
        lock (_states)
            return Task.WhenAll(_states.Values.Select(static state => state.WhenEmptyAsync()));
    }

    public void Dispose()
    {
        _guard.Dispose();
        _memory.Dispose();
        _dialer.Dispose();
        _engine.Dispose();
    }

    /// <summary>A reset needs no peer: if one takes longer than this, the process ends all the same.</summary>
    private static readonly TimeSpan ResetBound = TimeSpan.FromSeconds(2);
}
