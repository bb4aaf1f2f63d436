using Bitflow.Domain;

namespace Bitflow.Net.Proxies;

/// <summary>
/// The little of a proxy that changes, kept under its name across reloads: how many connections are open, the balancing ticket,
/// what it has relayed since the start, and the connections themselves.
/// </summary>
internal sealed class ProxyState
{
    private readonly Lock _gate = new();
    private int _open;
    private int _count;
    private long _tickets = -1;
    private long _admitted;
    private long _relays;
    private long _sourceSent;
    private long _destinationReceived;
    private Session? _first;
    private TaskCompletionSource? _emptied;

    /// <summary>Connections that count against the limit now.</summary>
    public int Open => Volatile.Read(ref _open);

    /// <summary>The ticket drawn last; -1 before the first.</summary>
    public long LastTicket => Volatile.Read(ref _tickets);

    /// <summary>Connections counted since the start of the program, those open now included.</summary>
    public long Admitted => Volatile.Read(ref _admitted);

    /// <summary>Relays ended since the start of the program, failed ones included.</summary>
    public long Relays => Volatile.Read(ref _relays);

    /// <summary>Bytes received from clients in ended relays.</summary>
    public long SourceSent => Volatile.Read(ref _sourceSent);

    /// <summary>Bytes received from targets in ended relays.</summary>
    public long DestinationReceived => Volatile.Read(ref _destinationReceived);

    /// <summary>Connections in any phase, those among them that count against no limit.</summary>
    public int Count => Volatile.Read(ref _count);

    /// <summary>Counts one more, if the limit lets it in: exact, however many ask at once.</summary>
    public bool TryEnter(int limit, out int openBefore)
    {
        openBefore = Volatile.Read(ref _open);
        while (Admission.IsBelowLimit(limit, openBefore))
        {
            int seen = Interlocked.CompareExchange(ref _open, openBefore + 1, openBefore);
            if (seen == openBefore)
            {
                Interlocked.Increment(ref _admitted);
                return true;
            }

            openBefore = seen;
        }

        return false;
    }

    public void Leave() => Interlocked.Decrement(ref _open);

    public void RelayEnded(long sourceSent, long destinationReceived)
    {
        Interlocked.Increment(ref _relays);
        Interlocked.Add(ref _sourceSent, sourceSent);
        Interlocked.Add(ref _destinationReceived, destinationReceived);
    }

    public long DrawTicket() => Interlocked.Increment(ref _tickets);

    public void Add(Session session)
    {
        lock (_gate)
        {
            _count++;
            session.Next = _first;
            if (_first is not null)
                _first.Previous = session;
            _first = session;
        }
    }

    public void Remove(Session session)
    {
        lock (_gate)
        {
            _count--;
            if (session.Previous is not null)
                session.Previous.Next = session.Next;
            else if (ReferenceEquals(_first, session))
                _first = session.Next;
            if (session.Next is not null)
                session.Next.Previous = session.Previous;
            session.Next = session.Previous = null;
            if (_count == 0)
            {
                _emptied?.SetResult();
                _emptied = null;
            }
        }
    }

    /// <summary>Done at the first moment at which no connection is open in any phase.</summary>
    public Task WhenEmptyAsync()
    {
        lock (_gate)
        {
            return _count == 0
                ? Task.CompletedTask
                : (_emptied ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously)).Task;
        }
    }

    /// <summary>The connections that are open at this moment, whatever phase they are in.</summary>
    public IReadOnlyList<Session> Sessions()
    {
        lock (_gate)
        {
            var all = new List<Session>();
            for (Session? session = _first; session is not null; session = session.Next)
                all.Add(session);
            return all;
        }
    }
}
