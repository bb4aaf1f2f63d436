using Bitflow.Domain;
using Bitflow.Net.Dialing;
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
    private readonly Dialer _dialer;
    private readonly Func<int> _open;
    private readonly Timer _timer;

    /// <summary>Written under the gate alone.</summary>
    private volatile DescriptorScarcity _scarcity;

    /// <summary>How many connections may still be accepted, as the core last allowed. Counted down without the gate.</summary>
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
        _scarcity = DescriptorScarcityModule.Start(Limit);
        _timer = new Timer(static state => ((DescriptorGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>RLIMIT_NOFILE, the soft limit in force.</summary>
    public long Limit { get; }

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

    /// <summary>A client was accepted: it will want a descriptor more for its target, until <see cref="Dialer.Settle"/>.</summary>
    /// <param name="descriptor">The number of its descriptor.</param>
    /// <returns>False where no more may be accepted now.</returns>
    public bool OnTaken(int descriptor)
    {
        _dialer.Owe();
        int left = Interlocked.Decrement(ref _allowance);
        return DescriptorScarcityModule.GoesOn(descriptor, _dialer.Owed, left, _scarcity) || MayTakeMore(descriptor);
    }

    /// <summary>A client that was accepted will not be served.</summary>
    public void OnLost() => _dialer.Settle();

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
            Follow(DescriptorScarcityModule.Taken(descriptor, _dialer.Owed, _allowance, _scarcity));
            return !DescriptorScarcityModule.IsHeld(_scarcity);
        }
    }

    private void Look()
    {
        lock (_gate)
            Follow(DescriptorScarcityModule.Looked(Count(), _scarcity));
    }

    private DescriptorCount Count()
    {
        // First: a target that is connected in between is counted twice, and not left out.
        int owed = _dialer.Owed;
        return new DescriptorCount(Libc.DescriptorsInUse(), owed, _open());
    }

    /// <summary>Under the gate, so that the last line of the log is what holds.</summary>
    private void Follow((DescriptorScarcity State, FSharpList<ScarcityOrder> Orders) step)
    {
        _scarcity = step.State;
        foreach (ScarcityOrder order in step.Orders)
            ScarcityOrderModule.CarryOut(this, order);
    }

    void IDescriptorGuard.Allow(int connections) => _allowance = connections;

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
