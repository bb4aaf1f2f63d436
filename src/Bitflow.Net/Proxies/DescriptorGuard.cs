using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Pauses accepting while descriptors are scarce, and resumes it by itself, as the core says (<see cref="DescriptorScarcity"/>): it counts descriptors, sets the timer,
/// and knows the acceptors. Costs two comparisons a connection.
/// </summary>
internal sealed class DescriptorGuard : IDescriptorGuard, IDisposable
{
    private readonly Lock _gate = new();
    private readonly HashSet<Acceptor> _acceptors = [];
    private readonly IServerLog _log;
    private readonly Func<int> _open;
    private readonly Timer _timer;

    /// <summary>Written under the gate alone.</summary>
    private volatile DescriptorScarcity _scarcity;

    /// <summary>How many connections may still be accepted, as the core last allowed. Counted down without the gate.</summary>
    private int _allowance;

    /// <summary>How many have closed since, during an episode. Counted without the gate.</summary>
    private int _closed;

    /// <summary>Descriptors that are about to be opened.</summary>
    private int _owed;

    /// <param name="log">Is told of each episode.</param>
    /// <param name="open">How many connections are open now.</param>
    public DescriptorGuard(IServerLog log, Func<int> open)
    {
        _open = open;
        _log = log;
        Limit = Libc.DescriptorLimit();
        _scarcity = DescriptorScarcityModule.Start(Limit);
        _timer = new Timer(static state => ((DescriptorGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>RLIMIT_NOFILE, the soft limit in force.</summary>
    public long Limit { get; }

    /// <summary>Whether accepting pauses now.</summary>
    public bool IsPausing => DescriptorScarcityModule.IsHeld(_scarcity);

    public void Watch(Acceptor acceptor)
    {
        lock (_gate)
        {
            _acceptors.Add(acceptor);
            if (DescriptorScarcityModule.IsHeld(_scarcity))
                acceptor.Pause();
        }
    }

    public void Forget(Acceptor acceptor)
    {
        lock (_gate)
            _acceptors.Remove(acceptor);
    }

    /// <summary>A client was accepted: it will want a descriptor more for its target, until <see cref="Settle"/>.</summary>
    /// <param name="descriptor">The number of its descriptor.</param>
    /// <returns>False where no more may be accepted now.</returns>
    public bool OnTaken(int descriptor)
    {
        int owed = Interlocked.Increment(ref _owed);
        int left = Interlocked.Decrement(ref _allowance);
        return DescriptorScarcityModule.GoesOn(descriptor, owed, left, _scarcity) || MayTakeMore(descriptor);
    }

    /// <summary>A client that was accepted has its target, or will never have one.</summary>
    public void Settle() => Interlocked.Decrement(ref _owed);

    /// <summary>A connection has closed its descriptors. Costs nothing while there are enough.</summary>
    public void OnClosed()
    {
        if (!DescriptorScarcityModule.Lasts(_scarcity) || !DescriptorScarcityModule.AsksAgain(Interlocked.Increment(ref _closed), _scarcity))
            return;
        lock (_gate)
            Follow(DescriptorScarcityModule.Closed(_closed, _scarcity));
    }

    /// <summary>
    /// Listening sockets and connection logs are about to be opened: from now on accepting leaves so many descriptors alone. Where nothing is to be opened nothing
    /// stands in the way.
    /// </summary>
    /// <param name="loops">How many loops the engine has.</param>
    /// <param name="descriptors">How many are to be opened.</param>
    /// <param name="shortage">Why they cannot be, with the next step.</param>
    /// <returns>What is left alone until it is open; null where they cannot be opened.</returns>
    public DescriptorClaim? Claim(int loops, int descriptors, out string shortage)
    {
        lock (_gate)
        {
            DescriptorCount count = Count();
            if (DescriptorBudget.OpeningShortage(Limit, loops, (long)count.Open + count.Owed, count.Connections, descriptors) is { IsSome: true, Value: var why })
            {
                shortage = why;
                return null;
            }

            shortage = "";
            return Leave(descriptors);
        }
    }

    /// <summary>Something else is about to open so many: accepting leaves them alone until they are given back.</summary>
    public DescriptorClaim LeaveFor(int descriptors)
    {
        lock (_gate)
            return Leave(descriptors);
    }

    /// <summary>What was claimed is open, or will not be: so many count no longer as still to be opened.</summary>
    public void GiveBack(int descriptors) => Interlocked.Add(ref _owed, -descriptors);

    /// <summary>Accepting failed for want of a descriptor.</summary>
    public void OnRanOut()
    {
        lock (_gate)
            Follow(DescriptorScarcityModule.RanOut(_scarcity));
    }

    public void Dispose() => _timer.Dispose();

    private bool MayTakeMore(int descriptor)
    {
        lock (_gate)
        {
            // Asked anew: another loop may have been first, or a look.
            Follow(DescriptorScarcityModule.Taken(descriptor, Volatile.Read(ref _owed), _allowance, _closed, _scarcity));
            return !DescriptorScarcityModule.IsHeld(_scarcity);
        }
    }

    /// <summary>Under the gate.</summary>
    private DescriptorClaim Leave(int descriptors)
    {
        Interlocked.Add(ref _owed, descriptors);

        // What was allowed before did not know of them.
        Follow(DescriptorScarcityModule.Counted(Count(), _scarcity));
        return new DescriptorClaim(this, descriptors);
    }

    private void Look()
    {
        lock (_gate)
            Follow(DescriptorScarcityModule.Looked(Count(), _scarcity));
    }

    private DescriptorCount Count()
    {
        // First: a target that is connected in between is counted twice, and not left out.
        int owed = Volatile.Read(ref _owed);
        return new DescriptorCount(Libc.DescriptorsInUse(), owed, _open());
    }

    /// <summary>Under the gate, so that the last line of the log is what holds.</summary>
    private void Follow((DescriptorScarcity State, FSharpList<ScarcityOrder> Orders) step)
    {
        _scarcity = step.State;
        foreach (ScarcityOrder order in step.Orders)
            ScarcityOrderModule.CarryOut(this, order);
    }

    void IDescriptorGuard.Allow(int connections) => (_allowance, _closed) = (connections, 0);

    void IDescriptorGuard.Count() => Follow(DescriptorScarcityModule.Counted(Count(), _scarcity));

    void IDescriptorGuard.Pause()
    {
        foreach (Acceptor acceptor in _acceptors)
            acceptor.Pause();
    }

    void IDescriptorGuard.Resume()
    {
        foreach (Acceptor acceptor in _acceptors)
            acceptor.Resume();
    }

    void IDescriptorGuard.LookIn(Duration wait) => _timer.Change(wait.ToTimerSpan(), Timeout.InfiniteTimeSpan);

    void IDescriptorGuard.LogPaused() => _log.AcceptPaused(Limit);

    void IDescriptorGuard.LogResumed() => _log.AcceptResumed();
}
