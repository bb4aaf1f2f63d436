using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Passes a reset on to the other side once the kernel has sent what it holds for it, since a reset discards the queue; for how long that is waited for is
/// <see cref="Farewell"/>'s.
/// </summary>
internal sealed class ResetAfterFlush : LoopTimer
{
    private readonly Connection _to;
    private readonly TaskCompletionSource _done = new();
    private Drain _drain;

    private ResetAfterFlush(Connection to, Duration writeTimeout, Instant lifetimeEnd)
    {
        _to = to;
        _drain = Farewell.BeginDrain(writeTimeout, lifetimeEnd, to.Loop.Now);
    }

    /// <summary>Completes once <paramref name="to"/> has been reset.</summary>
    public static Task ResetAsync(Connection to, Duration writeTimeout, Instant lifetimeEnd)
    {
        var drain = new ResetAfterFlush(to, writeTimeout, lifetimeEnd);
        drain.Fire(to.Loop.Now);
        return drain._done.Task;
    }

    public override void Fire(Instant now)
    {
        if (Farewell.Drained(_drain, now, _to.UnsentBytes) is { IsSome: true } again)
        {
            _drain = again.Value;
            _to.Loop.Arm(this, _drain.LookAt);
            return;
        }

        _to.Abort();
        _done.TrySetResult();
    }
}
