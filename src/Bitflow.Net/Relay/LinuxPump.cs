using System.Buffers;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Relay;

/// <summary>
/// What <see cref="Pump"/> does, for two connections on one Linux loop: moved by callbacks, received into the loop's one buffer and sent at once;
/// what does not go out is copied aside. A stream between plain ones may be spliced
/// through a pipe, or move into the loop's ring (<see cref="RingStream"/>), as its <see cref="StreamPace"/> says.
/// </summary>
internal sealed class LinuxPump : IReadyHandler
{
    private readonly LoopConnection _from;
    private readonly LoopConnection _to;
    private readonly LinuxConnection? _splicedFrom;
    private readonly LinuxConnection? _splicedTo;
    private readonly LinuxLoop _loop;
    private readonly Side _side;
    private readonly SideStamps _fromStamps;
    private readonly SideStamps _toStamps;
    private readonly IRelayObserver _observer;
    private byte[]? _rented;
    private ReadOnlyMemory<byte> _left;
    private SplicePipe? _pipe;
    private RingStream? _ringStream;
    private StreamPace _pace = StreamPaceModule.Start;
    private bool _over;

    private LinuxPump(
        LoopConnection from, LoopConnection to, LinuxLoop loop, Side side, SideStamps fromStamps, SideStamps toStamps, IRelayObserver observer)
    {
        _from = from;
        _to = to;
        _splicedFrom = from as LinuxConnection;
        _splicedTo = to as LinuxConnection;
        _loop = loop;
        _side = side;
        _fromStamps = fromStamps;
        _toStamps = toStamps;
        _observer = observer;
    }

    /// <summary>Begins to pump if the two connections are of the kind; whatever happens then is told to the observer.</summary>
    /// <param name="early">Bytes of the side that were read before the relay began; delivered first, and not to be changed before.</param>
    public static bool TryBegin(
        Connection from,
        Connection to,
        Side side,
        SideStamps fromStamps,
        SideStamps toStamps,
        IRelayObserver observer,
        ReadOnlyMemory<byte> early)
    {
        if (from is not LoopConnection source || to is not LoopConnection sink || from.Loop != to.Loop || from.Loop is not LinuxLoop { IsCurrent: true } loop)
            return false;
        new LinuxPump(source, sink, loop, side, fromStamps, toStamps, observer).Begin(early);
        return true;
    }

    /// <summary>Whether something waits for room towards the receiver, and nothing is received meanwhile.</summary>
    private bool IsHeld => _fromStamps.IsHeld;

    public void OnReadable()
    {
        if (IsHeld || _over)
            return;
        if (_ringStream is not null)
        {
            // What comes in the ring epoll does not tell of: this is something else.
            _ringStream.End();
            return;
        }

        while (_from.MayReceiveNow())
        {
            if (_pace.IsForSplice && !_from.MaySplice)
                StopSplicing();
            if (_pace.IsForSplice)
                _pipe ??= _loop.Pipes.TryRent(_loop.Now);
            if (!(_pipe is null ? CopyOnce() : SpliceOnce()))
                return;
        }
    }

    public void OnWritable()
    {
        if (!IsHeld || _over)
            return;
        if (_pipe is { Filled: > 0 } ? !DrainPipe() : !Deliver(_left.Span))
            return;
        Resume();
        OnReadable();
    }

    public void OnClosed(LoopConnection which)
    {
        // What was received before its sender went is still delivered.
        if (which == _to || !IsHeld)
            Leave();
    }

    private void Begin(ReadOnlyMemory<byte> early)
    {
        if (_from.IsClosed || _to.IsClosed)
            return;
        _from.Reader = this;
        _to.Writer = this;
        Received(early.Length);
        _left = early;
        if (early.IsEmpty || Deliver(early.Span))
            OnReadable();
    }

    /// <summary>One receive and its sends. False when nothing more is to be done now.</summary>
    private bool CopyOnce()
    {
        byte[] buffer = _loop.Scratch;
        if (!_from.TryReceive(buffer, out IoResult got))
            return false;
        if (got.Fault != IoFault.None)
            return Fail(got.Fault);
        if (got.IsEnd)
            return Finish(_side, RelayEvent.Ended);
        Received(got.Bytes);

        // An end that came with the last bytes goes on with them, in one segment.
        bool isLast = got.Bytes < buffer.Length && _from.HasOnlyItsEndLeft;
        if (!Deliver(buffer.AsSpan(0, got.Bytes), isLast))
            return false;
        if (isLast)
            return Finish(_side, RelayEvent.Ended);
        _pace = StreamPaceModule.Copied(got.Bytes, got.Bytes == buffer.Length && _from.MaySplice && _splicedTo is not null, _pace);
        return !_pace.IsForRing || !MovesIntoRing();
    }

    private bool MovesIntoRing()
    {
        if (_splicedFrom is null || _splicedTo is null)
            return false;
        _pace = StreamPaceModule.AskedRing(_pace);
        _ringStream = RingStream.TryBegin(this, _loop, _splicedFrom, _splicedTo);
        return _ringStream is not null;
    }

    /// <summary>The stay in the ring is over; what was left there comes back next (<see cref="TakeBack"/>).</summary>
    internal void LeaveRing()
    {
        _ringStream = null;
        _pace = StreamPaceModule.LeftRing(_pace);
    }

    /// <summary>Delivers what the ring had received and not sent.</summary>
    internal void TakeBack(ReadOnlySpan<byte> data)
    {
        if (_over)
            return;
        if (IsHeld)
            Append(data);
        else
            _ = Deliver(data);
    }

    private bool SpliceOnce()
    {
        if (!_splicedFrom!.TrySplice(_pipe!, out IoResult got))
        {
            // Nothing more came: others may have the pipe meanwhile.
            ReturnPipe();
            return false;
        }

        if (got.Fault != IoFault.None || got.IsEnd)
        {
            // Splice stops at the mark of urgent data for good, and tells of the end or the fault that is queued behind the bytes behind it; and it may be
            // refused where a receive is not. A receive goes on.
            StopSplicing();
            return true;
        }

        Received(got.Bytes);
        if (!DrainPipe())
            return false;
        _pace = StreamPaceModule.Spliced(got.Bytes, _pace);
        if (!_pace.IsForSplice)
            ReturnPipe();
        return true;
    }

    private void StopSplicing()
    {
        _pace = StreamPaceModule.NotSpliced(_pace);
        ReturnPipe();
    }

    /// <summary>Sends; what the kernel does not take is kept. False when something was kept, or the write failed.</summary>
    /// <param name="endFollows">Whether the end of the stream is passed on at once after these.</param>
    private bool Deliver(ReadOnlySpan<byte> data, bool endFollows = false)
    {
        while (!data.IsEmpty)
        {
            if (!_to.TrySendNow(data, endFollows, out IoResult sent))
            {
                Keep(data);
                Hold();
                return false;
            }

            if (sent.Fault != IoFault.None)
                return Finish(SideModule.Other(_side), RelayEvents.OfSend(sent.Fault));
            Sent(sent.Bytes);
            data = data[sent.Bytes..];
        }

        _left = default;
        ReturnRented();
        return true;
    }

    /// <summary>Empties the pipe. False when bytes stayed in it, or the write failed.</summary>
    private bool DrainPipe()
    {
        while (_pipe!.Filled > 0)
        {
            if (!_splicedTo!.TrySendNow(_pipe, out IoResult sent, out bool isRefused))
            {
                if (isRefused)
                    return DeliverFromPipe();
                Hold();
                return false;
            }

            if (sent.Fault != IoFault.None)
                return Finish(SideModule.Other(_side), RelayEvents.OfSend(sent.Fault));
            Sent(sent.Bytes);
        }

        return true;
    }

    /// <summary>What is in the pipe may not be spliced out of it: it goes on as a copy, and so does what comes after it.</summary>
    private bool DeliverFromPipe()
    {
        byte[] copy = ArrayPool<byte>.Shared.Rent(_pipe!.Filled);
        int bytes = _pipe.Empty(copy);
        bool isWhole = _pipe.Filled == 0;
        StopSplicing();
        bool isDelivered = isWhole ? Deliver(copy.AsSpan(0, bytes)) : Finish(SideModule.Other(_side), RelayEvent.Starved);
        ArrayPool<byte>.Shared.Return(copy);
        return isDelivered;
    }

    internal void Received(int bytes) => _fromStamps.Came(bytes);

    /// <summary>What was counted as sent when the ring was asked to, and was not taken.</summary>
    internal void NotTaken(int bytes) => _toStamps.NotTaken(bytes);

    internal void Sent(int bytes) => _fromStamps.HandOn(bytes, _toStamps, _loop.ReadClock());

    private void Keep(ReadOnlySpan<byte> data)
    {
        if (!_left.IsEmpty)
        {
            // Part of what was kept before went out.
            _left = _left[^data.Length..];
            return;
        }

        _rented = ArrayPool<byte>.Shared.Rent(data.Length);
        data.CopyTo(_rented);
        _left = _rented.AsMemory(0, data.Length);
    }

    /// <summary>Keeps more behind what is kept.</summary>
    private void Append(ReadOnlySpan<byte> data)
    {
        int kept = _left.Length;
        if (_rented is null || !MemoryMarshal.TryGetArray(_left, out ArraySegment<byte> at) || at.Array != _rented || at.Offset + kept + data.Length > _rented.Length)
        {
            byte[] larger = ArrayPool<byte>.Shared.Rent(2 * (kept + data.Length));
            _left.Span.CopyTo(larger);
            ReturnRented();
            _rented = larger;
            at = new ArraySegment<byte>(larger, 0, kept);
        }

        data.CopyTo(_rented.AsSpan(at.Offset + kept));
        _left = _rented.AsMemory(at.Offset, kept + data.Length);
    }

    private void Hold()
    {
        if (IsHeld)
            return;
        _fromStamps.Hold(_toStamps, _loop.ReadClock());
        _observer.OnHeld(_side);
    }

    private void Resume() => _fromStamps.Release(_toStamps, _loop.Now);

    private bool Fail(IoFault fault)
    {
        if (fault == IoFault.Aborted)
            Leave();
        else
            Finish(_side, RelayEvents.OfReceive(fault));
        return false;
    }

    /// <summary>The last act: tells what a side has done.</summary>
    private bool Finish(Side whose, RelayEvent what)
    {
        if (IsHeld)
            Resume();
        Leave();
        _observer.OnRelay(whose, what);
        return false;
    }

    private void Leave()
    {
        if (_over)
            return;
        _over = true;
        _from.Reader = null;
        _to.Writer = null;
        _ringStream?.Drop();
        ReturnPipe();
        ReturnRented();
        _left = default;
    }

    private void ReturnPipe()
    {
        if (_pipe is null)
            return;
        _loop.Pipes.Return(_pipe);
        _pipe = null;
    }

    private void ReturnRented()
    {
        if (_rented is null)
            return;
        ArrayPool<byte>.Shared.Return(_rented);
        _rented = null;
    }
}
