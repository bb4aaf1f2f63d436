using System.Runtime.InteropServices;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Those connections of a proxy that live on one loop, and what has been counted of those before them: loops that count for themselves do not wait for each
/// other.
/// </summary>
internal sealed class ProxyShare
{
    private readonly Lock _gate = new();
    private Session? _first;
    private Counts _counts;

    public int Count => Volatile.Read(ref _counts.Open);

    public long Admitted => Volatile.Read(ref _counts.Admitted);

    public long Relays => Volatile.Read(ref _counts.Relays);

    public long SourceSent => Volatile.Read(ref _counts.SourceSent);

    public long DestinationReceived => Volatile.Read(ref _counts.DestinationReceived);

    public void Admit() => Interlocked.Increment(ref _counts.Admitted);

    public void Add(Session session)
    {
        lock (_gate)
        {
            Interlocked.Increment(ref _counts.Open);
            session.Next = _first;
            if (_first is not null)
                _first.Previous = session;
            _first = session;
        }
    }

    /// <summary>Counts what it has relayed, in the same breath: nobody sees it both here and there. True where it was the last.</summary>
    public bool Remove(Session session)
    {
        lock (_gate)
        {
            if (session.HasRelayed)
            {
                _counts.Relays++;
                _counts.SourceSent += session.ClientStamps.BytesFrom;
                _counts.DestinationReceived += session.TargetStamps.BytesFrom;
            }

            if (session.Previous is not null)
                session.Previous.Next = session.Next;
            else if (ReferenceEquals(_first, session))
                _first = session.Next;
            if (session.Next is not null)
                session.Next.Previous = session.Previous;
            session.Next = session.Previous = null;
            return Interlocked.Decrement(ref _counts.Open) == 0;
        }
    }

    /// <summary>The one that was added last; null where none is open.</summary>
    public Session? Newest()
    {
        lock (_gate)
            return _first;
    }

    /// <summary>What ended relays and open connections have brought from clients and targets, in bytes: it never goes back.</summary>
    public (long FromClients, long FromTargets) Moved()
    {
        lock (_gate)
        {
            (long fromClients, long fromTargets) = (_counts.SourceSent, _counts.DestinationReceived);
            for (Session? session = _first; session is not null; session = session.Next)
            {
                fromClients += session.ClientStamps.BytesFrom;
                fromTargets += session.TargetStamps.BytesFrom;
            }

            return (fromClients, fromTargets);
        }
    }

    public void AddTo(List<Session> all)
    {
        lock (_gate)
        {
            for (Session? session = _first; session is not null; session = session.Next)
                all.Add(session);
        }
    }

    /// <summary>Longer than what is in it: the next share has cache lines of its own.</summary>
    [StructLayout(LayoutKind.Sequential, Size = 128)]
    private struct Counts
    {
        public int Open;
        public long Admitted;
        public long Relays;
        public long SourceSent;
        public long DestinationReceived;
    }
}
