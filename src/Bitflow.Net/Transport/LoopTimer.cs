using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>
/// One timer of one owner. Its place in the queue is kept inside it, so that arming, moving and disarming allocate nothing.
/// </summary>
internal abstract class LoopTimer
{
    internal const int NotQueued = -1;

    /// <summary>Position in the queue's heap; owned by <see cref="TimerQueue"/>.</summary>
    internal int QueueIndex = NotQueued;

    /// <summary>When it is due; owned by <see cref="TimerQueue"/>.</summary>
    internal long DueNanoseconds;

    /// <summary>Called on the loop when the time has come. Must not block and must not throw.</summary>
    public abstract void Fire(Instant now);
}
