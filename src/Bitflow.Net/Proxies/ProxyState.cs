using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// The little of a proxy that changes, kept under its name across reloads: how many connections are open, the balancing ticket,
/// what it has relayed since the start, and the connections themselves.
/// </summary>
/// <param name="loops">How many loops the engine has.</param>
/// <param name="tags">Under what it is measured: the name, and what else its newest settings say.</param>
internal sealed class ProxyState(int loops, KeyValuePair<string, object?>[] tags)
{
    private readonly ProxyShare[] _shares = NewShares(loops);
    private readonly Lock _gate = new();
    private volatile KeyValuePair<string, object?>[] _tags = tags;
    private int _open;
    private long _tickets = -1;
    private TaskCompletionSource? _emptied;

    public KeyValuePair<string, object?>[] Tags
    {
        get => _tags;
        set => _tags = value;
    }

    /// <summary>What it shows of certificates, by its newest settings.</summary>
    public ProxyTls? Tls { get; set; }

    /// <summary>Connections that count against the limit now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>Connections counted since the start of the program, those open now included.</summary>
    public long Admitted => _shares.Sum(static share => share.Admitted);

    /// <summary>Relays ended since the start of the program, failed ones included.</summary>
    public long Relays => _shares.Sum(static share => share.Relays);

    /// <summary>Bytes received from clients in ended relays.</summary>
    public long SourceSent => _shares.Sum(static share => share.SourceSent);

    /// <summary>Bytes received from targets in ended relays.</summary>
    public long DestinationReceived => _shares.Sum(static share => share.DestinationReceived);

    /// <summary>Bytes received from clients and from targets, in relays that ended and in those that go on: never less than before.</summary>
    public (long FromClients, long FromTargets) Moved()
    {
        (long fromClients, long fromTargets) = (0, 0);
        foreach (ProxyShare share in _shares)
        {
            (long ofClients, long ofTargets) = share.Moved();
            (fromClients, fromTargets) = (fromClients + ofClients, fromTargets + ofTargets);
        }

        return (fromClients, fromTargets);
    }

    /// <summary>Connections in any phase, those among them that count against no limit.</summary>
    public int Count => _shares.Sum(static share => share.Count);

    /// <summary>What is counted on this loop.</summary>
    public ProxyShare On(EventLoop loop) => _shares[loop.Place];

    /// <summary>Counts one more, if the limit lets it in: exact, however many ask at once.</summary>
    public bool TryEnter(int limit, out int openBefore)
    {
        openBefore = Volatile.Read(ref _open);
        while (Admission.IsBelowLimit(limit, openBefore))
        {
            int seen = Interlocked.CompareExchange(ref _open, openBefore + 1, openBefore);
            if (seen == openBefore)
                return true;
            openBefore = seen;
        }

        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _open);

    public long DrawTicket() => Interlocked.Increment(ref _tickets);

    public void Add(Session session) => On(session.Client.Loop).Add(session);

    public void Remove(Session session)
    {
        if (On(session.Client.Loop).Remove(session) && Volatile.Read(ref _emptied) is not null)
            LookWhetherEmpty();
    }

    /// <summary>Done once no connection is open in any phase; to be asked when none is added any more.</summary>
    public Task WhenEmptyAsync()
    {
        Task emptied;
        lock (_gate)
            emptied = (_emptied ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;

        // The last may have gone without having seen that anyone waits.
        LookWhetherEmpty();
        return emptied;
    }

    /// <summary>The connections that are open at this moment, whatever phase they are in.</summary>
    public IReadOnlyList<Session> Sessions()
    {
        var all = new List<Session>();
        foreach (ProxyShare share in _shares)
            share.AddTo(all);
        return all;
    }

    /// <summary>The connection that began last of those that are open; null where none is.</summary>
    public Session? Newest() => _shares.Select(static share => share.Newest()).OfType<Session>().MaxBy(static session => session.Id);

    private void LookWhetherEmpty()
    {
        lock (_gate)
        {
            if (_emptied is null || Count > 0)
                return;
            _emptied.SetResult();
            _emptied = null;
        }
    }

    private static ProxyShare[] NewShares(int loops)
    {
        var shares = new ProxyShare[loops];
        for (int i = 0; i < loops; i++)
            shares[i] = new ProxyShare();
        return shares;
    }
}
