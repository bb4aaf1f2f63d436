using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Relay;

/// <summary>
/// What one side of a relay has been doing: plain fields that the pumps write as bytes move, read when a timer asks. A torn or late
/// read can only make a timer look once more.
/// </summary>
internal sealed class SideStamps
{
    /// <summary>Nanoseconds of the loop's clock when a byte last came from the side or was taken by it.</summary>
    public long LastMoved;

    /// <summary>Nanoseconds when the kernel last took a byte for the side, or the pending write began.</summary>
    public long LastTaken;

    /// <summary>Bytes received from the side.</summary>
    public long BytesFrom;

    /// <summary>Bytes that the kernel took for the side. What goes through a ring counts as it is asked for, and is taken back where it was refused.</summary>
    public long BytesTo;

    /// <summary>Whether a write to the side is pending.</summary>
    public bool WritePending;

    /// <summary>Whether nothing is received from the side because a write to the other is pending.</summary>
    public bool Held;

    /// <summary>Whether the side has a write_timeout: what the kernel holds for it is looked at then.</summary>
    private bool _hasWriteTimeout;

    private FSharpValueOption<Standstill> _standstill = FSharpValueOption<Standstill>.None;

    public void BeginRelay(Connection side, Duration writeTimeout)
    {
        _hasWriteTimeout = writeTimeout.IsPositive;
        if (_hasWriteTimeout)
            side.KeepQueueShort();
    }

    /// <param name="side">The connection with it, which may have heard of bytes that the pumps have not seen yet.</param>
    /// <param name="now">When this is asked.</param>
    public SideActivity Activity(Connection side, Instant now)
    {
        if (_hasWriteTimeout && side.AskQueue() is { IsSome: true } queue)
            _standstill = RelayClock.Looked(_standstill, now, queue.Value);
        return new(Instant.OfNanoseconds(Math.Max(LastMoved, side.LastHeard.Nanoseconds)), Held, WritePending, Instant.OfNanoseconds(LastTaken), _standstill);
    }
}
