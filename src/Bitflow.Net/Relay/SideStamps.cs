using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Relay;

/// <summary>
/// What one side of a relay has been doing: stamped by the pumps as bytes move, with the loop's clock, and read when a timer asks, from wherever it asks. A torn or
/// late read can only make a timer look once more.
/// </summary>
internal sealed class SideStamps
{
    private Instant _lastMoved;
    private Instant _lastTaken;
    private Instant _heldSince;
    private long _bytesFrom;
    private long _bytesTo;
    private bool _isWritePending;
    private bool _isHeld;

    /// <summary>Whether the side has a write_timeout: what the kernel holds for it is looked at then.</summary>
    private bool _hasWriteTimeout;

    /// <summary>Null where the kernel does not say.</summary>
    private volatile Standstill? _standstill;

    /// <summary>Bytes received from the side.</summary>
    public long BytesFrom => Volatile.Read(ref _bytesFrom);

    /// <summary>Bytes that the kernel took for the side. What goes through a ring counts as it is asked for, and is taken back where it was refused.</summary>
    public long BytesTo => Volatile.Read(ref _bytesTo);

    /// <summary>Whether a write to the side is pending.</summary>
    public bool IsWritePending => Volatile.Read(ref _isWritePending);

    /// <summary>Whether nothing is received from the side because a write to the other is pending.</summary>
    public bool IsHeld => Volatile.Read(ref _isHeld);

    public void BeginRelay(Connection side, Duration writeTimeout, Instant now)
    {
        _lastMoved = now;
        _hasWriteTimeout = writeTimeout.IsPositive;
        if (_hasWriteTimeout)
            side.KeepQueueShort();
    }

    /// <summary>Bytes came from the side. When is stamped with what becomes of them a moment later, handed on or held: that spares a look at the clock.</summary>
    public void Came(int bytes) => _bytesFrom += bytes;

    /// <summary>The kernel took bytes of this side for the other.</summary>
    public void HandOn(int bytes, SideStamps to, Instant now)
    {
        to._bytesTo += bytes;
        to._lastTaken = now;
        to._lastMoved = now;
        // The clock of a side that is held stands still.
        if (!_isHeld)
            _lastMoved = now;
    }

    /// <summary>What a ring was asked to hand to this side, and did not.</summary>
    public void NotTaken(int bytes) => _bytesTo -= bytes;

    /// <summary>The kernel has no room for bytes that came from this side: a write to the other is pending from now on, and nothing more is received.</summary>
    public void Hold(SideStamps to, Instant now)
    {
        _heldSince = now;
        _lastMoved = now;
        to._lastTaken = now;
        to._isWritePending = true;
        _isHeld = true;
    }

    /// <summary>The write is over, well or not.</summary>
    public void Release(SideStamps to, Instant now)
    {
        to._isWritePending = false;
        _lastMoved = RelayClock.Released(_lastMoved, _heldSince, now);
        _isHeld = false;
    }

    /// <param name="side">The connection with it, which may have heard of bytes that the pumps have not seen yet.</param>
    /// <param name="now">When this is asked.</param>
    public SideActivity Activity(Connection side, Instant now)
    {
        if (_hasWriteTimeout && side.AskQueue() is { IsSome: true } queue)
            _standstill = RelayClock.Looked(Found(), now, queue.Value);
        return new(InstantModule.Later(_lastMoved, side.LastHeard), IsHeld, IsWritePending, _lastTaken, Found());
    }

    private FSharpValueOption<Standstill> Found() =>
        _standstill is { } found ? FSharpValueOption<Standstill>.NewValueSome(found) : FSharpValueOption<Standstill>.ValueNone;
}
