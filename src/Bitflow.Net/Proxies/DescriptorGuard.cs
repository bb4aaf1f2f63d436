using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Pauses accepting while descriptors are scarce, before dials and logs run into EMFILE, and resumes it by itself. Costs two comparisons
/// a connection: descriptors are counted when half of what was free has been given away, and during an episode.
/// </summary>
internal sealed class DescriptorGuard : IDisposable
{
    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(250);

    private readonly Lock _gate = new();
    private readonly HashSet<Acceptor> _acceptors = [];
    private readonly IServerLog _log;
    private readonly Dialer _dialer;
    private readonly Func<int> _open;
    private readonly Timer _timer;

    /// <summary>An episode: once the allowance is used up, accepting is held until the next look.</summary>
    private volatile bool _scarce;
    private bool _held;
    private int _calm;

    /// <summary>How many connections may still be accepted before descriptors are counted anew.</summary>
    private int _allowance;

    /// <param name="log">Is told of each episode.</param>
    /// <param name="dialer">Knows how many connections that were accepted are still to open a descriptor more.</param>
    /// <param name="open">How many connections are open now.</param>
    public DescriptorGuard(IServerLog log, Dialer dialer, Func<int> open)
    {
        _open = open;
        _log = log;
        _dialer = dialer;
        Limit = Libc.DescriptorLimit();
        _timer = new Timer(static state => ((DescriptorGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>RLIMIT_NOFILE, the soft limit in force.</summary>
    public long Limit { get; }

    public void Watch(Acceptor acceptor)
    {
        lock (_gate)
        {
            _acceptors.Add(acceptor);
            if (_held)
                acceptor.Pause();
        }
    }

    public void Forget(Acceptor acceptor)
    {
        lock (_gate)
            _acceptors.Remove(acceptor);
    }

    /// <summary>A client was accepted: it will want a descriptor more for its target, until <see cref="Dialer.Settle"/>.</summary>
    /// <param name="descriptor">The number of its descriptor.</param>
    /// <returns>False where no more may be accepted now.</returns>
    public bool OnTaken(int descriptor)
    {
        _dialer.Owe();
        bool mayBeMore = Interlocked.Decrement(ref _allowance) > 0;
        if (_scarce)
        {
            if (!mayBeMore)
                Hold();
            return mayBeMore;
        }

        // A number tells at once what others have opened since the last count; but it may be that of a gap, with as many in use above it.
        if (!DescriptorBudget.IsScarce(Limit, descriptor + _dialer.Owed) && (mayBeMore || CountAnew()))
            return true;
        Pause();
        return false;
    }

    /// <summary>A client that was accepted will not be served.</summary>
    public void OnLost() => _dialer.Settle();

    /// <summary>An episode begins: nothing is accepted until it is known how many descriptors are free.</summary>
    public void Pause()
    {
        lock (_gate)
        {
            if (_scarce)
                return;
            _scarce = true;
            _calm = 0;
            _allowance = 0;
            Hold();
            _timer.Change(LookAgain, Timeout.InfiniteTimeSpan);

            // Under the gate, so that the last line is what holds.
            _log.AcceptPaused(Limit);
        }
    }

    public void Dispose() => _timer.Dispose();

    /// <returns>False where descriptors are scarce.</returns>
    private bool CountAnew()
    {
        lock (_gate)
        {
            // Another loop was first.
            if (_scarce || _allowance > 0)
                return !_scarce;
            int inUse = InUse();
            _allowance = DescriptorBudget.Allowance(Limit, inUse, _open());
            return !DescriptorBudget.IsScarce(Limit, inUse);
        }
    }

    private int InUse()
    {
        // First: a target that is connected in between is counted twice, and not left out.
        int owed = _dialer.Owed;
        return DescriptorBudget.InUse(Libc.DescriptorsInUse(), owed);
    }

    private void Hold()
    {
        lock (_gate)
        {
            if (_held)
                return;
            _held = true;
            foreach (Acceptor acceptor in _acceptors)
                acceptor.Pause();
        }
    }

    private void Look()
    {
        lock (_gate)
        {
            int inUse = InUse();
            _calm = DescriptorBudget.Calm(Limit, inUse, _calm);
            bool over = DescriptorBudget.IsOver(_calm);
            _scarce = !over;
            _allowance = DescriptorBudget.Allowance(Limit, inUse, _open());
            if (!over)
                _timer.Change(LookAgain, Timeout.InfiniteTimeSpan);
            if (_held && _allowance > 0)
            {
                _held = false;
                foreach (Acceptor acceptor in _acceptors)
                    acceptor.Resume();
            }

            if (over)
                _log.AcceptResumed();
        }
    }
}
