using System.Diagnostics;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>The loop's ring, once something has asked for one: it waits there, and for epoll through it.</summary>
internal sealed partial class LinuxLoop
{
    /// <summary>The epoll's, where the ring watches it: no place in the table has it.</summary>
    private const ulong EpollNumber = 0x3fff_ffff;

    private readonly int _ringBuffers;
    private IoRing? _ring;
    private bool _epollReady;
    private bool _watchesEpoll;
    private Accelerator _mayHaveRing = AcceleratorModule.Start;

    /// <summary>Whether something is under way in the ring.</summary>
    internal bool IsRingBusy => _ring is { IsBusy: true };

    /// <summary>This loop's ring, made when it is first asked for; null where the kernel has none for it, or none now.</summary>
    internal IoRing? TryRing()
    {
        Debug.Assert(IsCurrent, "the ring belongs to the loop");
        if (_ring is not null || !AcceleratorModule.MayAsk(_now, _mayHaveRing))
            return _ring;
        _ring = IoRing.TryMake(_ringBuffers, out int errno);
        if (_ring is not null)
        {
            MoveListeners(_ring);
            return _ring;
        }

        _mayHaveRing = AcceleratorModule.WithoutRing(_now, errno);
        if (_mayHaveRing.IsForbiddenForGood)
            LinuxLog.NoRing(_logger, Place, Marshal.GetPInvokeErrorMessage(errno));
        return null;
    }

    /// <summary>
    /// Before a descriptor is closed: nothing that the kernel has not been told yet may name it, or whoever has its number next would be meant.
    /// </summary>
    internal void SubmitToRing()
    {
        while (_ring is { HasUnsubmitted: true } ring)
            ring.Submit();
    }

    /// <summary>
    /// A loop that waits in its ring is asleep nowhere that epoll knows of, and would be woken for each connection together with all others: its ring
    /// watches the listeners.
    /// </summary>
    private void MoveListeners(IoRing ring)
    {
        foreach ((ulong number, int descriptor) in _listeners)
            MoveListener(ring, descriptor, number);
    }

    private void MoveListener(IoRing ring, int descriptor, ulong number)
    {
        _ = Libc.EpollCtl(_epoll, Libc.EpollCtlDel, descriptor, 0, 0);
        ring.Watch(descriptor, number, isExclusive: true);
    }

    /// <summary>Hands the ring what was asked of it in the turn before, and waits for it and, through it, for epoll.</summary>
    private void WaitInRing(IoRing ring)
    {
        if (!_watchesEpoll)
        {
            _watchesEpoll = true;
            ring.Watch(_epoll, EpollNumber, isExclusive: false);
        }

        ring.SubmitAndWait(Patience());
        _eventCount = 0;
        _eventCursor = 0;
    }

    private unsafe void DispatchRing(byte* events)
    {
        if (_ring is not { } ring)
            return;
        ring.Settle();
        while (ring.TryTake(out RingCompletion completion))
        {
            switch (completion.Event)
            {
                case RingEvent.Received:
                    if (_sinks.Find(completion.Number) is LinuxConnection connection)
                    {
                        _watch.Begin();
                        connection.OnReceivedByRing(completion);
                        _watch.End(connection);
                    }
                    else if (completion.HasBuffer)
                    {
                        ring.Release(completion.Buffer);
                    }

                    break;
                case RingEvent.SendFailed:
                    // Of something handed over in the midst of this turn; what was handed over before is settled.
                    ring.TakeSender(completion.Buffer)?.OnSendFailed(completion.Result);
                    break;
                case RingEvent.Ready when completion.Number == EpollNumber:
                    _watchesEpoll = false;
                    _epollReady = true;
                    break;
                case RingEvent.Ready:
                    DispatchListener(ring, completion);
                    break;
                case RingEvent.NothingToCancel:
                    break;
            }
        }

        if (!_epollReady || _eventCount > 0)
            return;

        // What was received does not wait for what epoll brings.
        _epollReady = false;
        SubmitToRing();
        WaitInEpoll(events, 0);
    }

    private void DispatchListener(IoRing ring, in RingCompletion ready)
    {
        if (_sinks.Find(ready.Number) is not { } sink)
            return;
        if (ready.Result < 0)
        {
            // A ring that cannot watch it leaves it to epoll.
            int answer = Libc.EpollCtl(_epoll, Libc.EpollCtlAdd, _listeners[ready.Number], Libc.EpollIn | Libc.EpollExclusive, ready.Number);
            if (answer < 0)
                ((IListenerSink)sink).OnUnwatched(IoFaults.OfEpoll(-answer));
            return;
        }

        try
        {
            _watch.Begin();
            sink.OnEvents((uint)ready.Result);
            _watch.End(sink);
        }
        finally
        {
            if (_listeners.TryGetValue(ready.Number, out int descriptor))
                ring.Watch(descriptor, ready.Number, isExclusive: true);
        }
    }
}
