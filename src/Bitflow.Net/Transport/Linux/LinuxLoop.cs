using System.Collections.Concurrent;
using System.Diagnostics;
using System.Net;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.Extensions.Logging;
using Microsoft.Win32.SafeHandles;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// One thread, one epoll, and everything that lives on them: connections, timers, posted work. Whatever happens on a connection happens here,
/// one thing after the other, so nothing below needs a lock.
/// </summary>
internal sealed partial class LinuxLoop : EventLoop
{
    private const int EventsPerTurn = 256;
    private const ulong WakeNumber = ulong.MaxValue;

    private static readonly TimeSpan StopPatience = TimeSpan.FromSeconds(5);

    private readonly ILogger _logger;
    private readonly Thread _thread;
    private readonly int _epoll;
    private readonly int _wake;

    /// <summary>
    /// Closes the eventfd once nobody can post any more: closed with the loop, a late post might write into whoever has its number next.
    /// </summary>
    private readonly SafeFileHandle _wakeOwner;
    private readonly TimerQueue _timers = new();
    private readonly SinkTable _sinks = new();
    private readonly LateKeepAlive _keepAlive;
    private readonly ConcurrentQueue<Action> _posted = new();
    private readonly LoopWatch _watch = new();

    /// <summary>The listening sockets that are accepted from, by their numbers.</summary>
    private readonly Dictionary<ulong, int> _listeners = [];
    private List<LoopOperation> _deferred = [];
    private List<LoopOperation> _completing = [];
    private List<LoopConnection> _again = [];
    private List<LoopConnection> _resuming = [];
    private Instant _now;
    private int _threadId;
    private int _asleep;
    private int _newcomers;
    private int _eventCursor;
    private int _eventCount;
    private bool _isInGrace;
    private Instant _graceEnds;
    private bool _stopping;

    /// <exception cref="RefusedCallException">The kernel does not let it be; nothing stays open.</exception>
    public LinuxLoop(int place, int loops, ILogger logger, int ringBuffers)
        : base(place)
    {
        _logger = logger;
        _ringBuffers = ringBuffers;
        _keepAlive = new LateKeepAlive(this, _sinks);
        Pipes = new PipePool(logger, place, loops);
        Spares = new SpareSockets(this, DescriptorBudget.MostSpareSockets(Libc.DescriptorLimit(), loops));
        _now = MonotonicClock.Now;
        _epoll = Checked(Libc.EpollCreate(), "epoll_create1");
        try
        {
            _wake = Checked(Libc.EventFd(), "eventfd2");
            _wakeOwner = new SafeFileHandle(_wake, ownsHandle: true);

            // On the edge, every write is an event of its own: the counter never needs to be read.
            Checked(Libc.EpollCtl(_epoll, Libc.EpollCtlAdd, _wake, Libc.EpollIn | Libc.EpollEdge, WakeNumber), "epoll_ctl");
            _thread = new Thread(Run) { IsBackground = true, Name = $"bitflow-{place}" };
            _thread.Start();
        }
        catch (Exception e) when (e is RefusedCallException or OutOfMemoryException)
        {
            _wakeOwner?.Dispose();
            _ = Libc.Close(_epoll);
            if (e is OutOfMemoryException)
                throw new RefusedCallException("clone", Errno.EAGAIN);
            throw;
        }
    }

    public override Instant Now => IsCurrent ? _now : MonotonicClock.Now;

    /// <summary>
    /// The time at this moment, and the loop's from here on. What a limit is counted from is stamped with it: the time at which the turn began
    /// lies before the bytes, and the limit would end early.
    /// </summary>
    internal Instant ReadClock() => _now = MonotonicClock.Now;

    public override bool IsCurrent => Environment.CurrentManagedThreadId == _threadId;

    /// <summary>Descriptors that live here. Other loops read it to share out connections; it may be a moment old.</summary>
    public int Load { get; private set; }

    /// <summary>Connections that other loops have accepted for this one, and that it has not begun with.</summary>
    public int Newcomers => Volatile.Read(ref _newcomers);

    /// <summary>
    /// What is received goes here first, whoever it came from: an idle connection holds no buffer, and a busy one finds it warm. Belongs to
    /// whoever runs on the loop until it returns.
    /// </summary>
    internal byte[] Scratch { get; } = GC.AllocateUninitializedArray<byte>(StreamPaceModule.PieceBytes, pinned: true);

    internal PipePool Pipes { get; }

    /// <summary>Sockets for the next dials.</summary>
    internal SpareSockets Spares { get; }

    /// <summary>Counts what epoll was asked, so that who has begun behind an answer can tell that nothing in it is meant for it.</summary>
    internal long LooksAtEpoll { get; private set; }

    /// <summary>Counts the turns, so that a connection can tell how much it has had of this one.</summary>
    internal int TurnNumber { get; private set; }

    public override void Arm(LoopTimer timer, Instant at)
    {
        if (IsCurrent)
            _timers.Set(timer, at);
        else
            PostArm(timer, at);
    }

    /// <summary>Apart, because a method that makes a closure on one of its ways pays for it on all of them.</summary>
    private void PostArm(LoopTimer timer, Instant at) => Post(() => _timers.Set(timer, at));

    public override void Post(Action work)
    {
        _posted.Enqueue(work);

        // The loop says that it sleeps and then looks at the queue; here it is the queue first. One of the two always sees the other.
        Interlocked.MemoryBarrier();
        if (Volatile.Read(ref _asleep) == 1 && Interlocked.Exchange(ref _asleep, 0) == 1)
        {
            // A full counter (EAGAIN) is as good as a write: the loop has an event it has not seen.
            _ = Libc.Signal(_wake);
            GC.KeepAlive(_wakeOwner);
        }
    }

    /// <summary>As <see cref="Post"/>, for a connection that another loop has accepted: it is among the newcomers until then.</summary>
    internal void PostNewcomer(Action begin)
    {
        Interlocked.Increment(ref _newcomers);
        Post(() =>
        {
            Interlocked.Decrement(ref _newcomers);
            begin();
        });
    }

    public override ValueTask<IoFault> ConnectAsync(EndPoint remote, in SocketSettings settings, out Connection connection)
    {
        if (IsCurrent && remote is IPEndPoint target && Spares.TryTake(target) is { } spare)
        {
            var again = new LinuxConnection(this, spare, target, settings.KeepAliveSeconds);
            connection = again;
            return again.ConnectAsync();
        }

        int family = SocketAddresses.FamilyOf(remote);
        int descriptor = Libc.Socket(family);
        if (descriptor < 0)
        {
            connection = new DeadConnection(this);
            return new(IoFaults.OfSocket(-descriptor));
        }

        if (family != Libc.FamilyUnix)
            TakeUrgentInPlace(descriptor);
        var made = new LinuxConnection(this, descriptor, family, remote, settings.KeepAliveSeconds);
        connection = made;
        return made.ConnectAsync();
    }

    public override IoFault Adopt(int descriptor, in SocketSettings settings, out Connection connection)
    {
        Debug.Assert(IsCurrent, "a connection begins on its loop");

        // A descriptor that is no socket was refused when the configuration was carried out; what fails here fails again at the first send.
        if (Libc.GetOption(descriptor, Libc.SolSocket, Libc.SoDomain, out int family) < 0)
            family = Libc.FamilyUnix;
        if (family != Libc.FamilyUnix)
        {
            SetNoDelay(descriptor);
            TakeUrgentInPlace(descriptor);
        }

        SharedSocket.NeverWaits(descriptor);
        _ = Libc.Fcntl(descriptor, Libc.FSetFl, Libc.Fcntl(descriptor, Libc.FGetFl, 0) | Libc.NonBlocking);
        _ = Libc.Fcntl(descriptor, Libc.FSetFd, Libc.FdCloexec);
        var adopted = new LinuxConnection(this, descriptor, family, keepAliveSeconds: settings.KeepAliveSeconds, inherited: true);
        connection = adopted;
        int begun = adopted.Begin();
        return begun < 0 ? IoFaults.OfEpoll(-begun) : IoFault.None;
    }

    /// <summary>On a TCP socket, before it is used. A fault means that it was reset already: its first use says so.</summary>
    internal static void SetNoDelay(int descriptor) => _ = Libc.SetOption(descriptor, Libc.IpProtoTcp, Libc.TcpNoDelay, 1);

    /// <summary>The same: what a peer sends as urgent is a byte of its stream like any other (RFC 6093 section 4), and would be taken out of it.</summary>
    internal static void TakeUrgentInPlace(int descriptor) => _ = Libc.SetOption(descriptor, Libc.SolSocket, Libc.SoOobInline, 1);

    /// <summary>Begins to report a descriptor's events. Answers the number to remove it by, or the negative errno.</summary>
    internal int Register(int descriptor, IEventSink sink, uint events, out ulong number)
    {
        Debug.Assert(IsCurrent, "the table belongs to the loop");
        number = _sinks.Add(sink);
        int answer = Libc.EpollCtl(_epoll, Libc.EpollCtlAdd, descriptor, events, number);
        if (answer < 0)
            _sinks.Remove(number);
        Load = _sinks.Count;
        return answer;
    }

    /// <summary>Reports the events of a descriptor to nobody, until <see cref="Occupy"/>.</summary>
    internal void Vacate(ulong number)
    {
        Debug.Assert(IsCurrent, "the table belongs to the loop");
        _sinks.Vacate(number);
        Load = _sinks.Count;
    }

    /// <summary>Reports the events of a descriptor that was left by another.</summary>
    internal void Occupy(ulong number, IEventSink sink)
    {
        Debug.Assert(IsCurrent, "the table belongs to the loop");
        _sinks.Occupy(number, sink);
        Load = _sinks.Count;
    }

    /// <summary>
    /// Begins to report that connections wait at a socket, to one of the loops that sleep (EPOLLEXCLUSIVE). Not on the edge: what a turn leaves in the queue
    /// is told again, here or to another loop. Answers zero or more, or the negative errno.
    /// </summary>
    internal int RegisterListener(int descriptor, IListenerSink sink, out ulong number)
    {
        int answer = Register(descriptor, sink, Libc.EpollIn | Libc.EpollExclusive, out number);
        if (answer < 0)
            return answer;
        _listeners.Add(number, descriptor);
        if (_ring is not null)
            MoveListener(_ring, descriptor, number);
        return answer;
    }

    /// <summary>Stops reporting; when this returns, nothing here holds the socket open.</summary>
    internal void UnregisterListener(int descriptor, ulong number)
    {
        _ = _listeners.Remove(number);
        Unregister(descriptor, number, shared: true);
        _ring?.CancelWatch(number);
    }

    /// <summary>Turns a registered connection's keep-alive on if it lives long enough.</summary>
    internal void KeepAliveLater(LinuxConnection connection, ulong number) => _keepAlive.Add(connection, number);

    internal int Change(int descriptor, uint events, ulong number) => Libc.EpollCtl(_epoll, Libc.EpollCtlMod, descriptor, events, number);

    /// <summary>Stops reporting. Closing a descriptor takes it out of the epoll, unless another process holds it as well.</summary>
    internal void Unregister(int descriptor, ulong number, bool shared)
    {
        Debug.Assert(IsCurrent, "the table belongs to the loop");
        _sinks.Remove(number);
        Load = _sinks.Count;
        if (shared)
            _ = Libc.EpollCtl(_epoll, Libc.EpollCtlDel, descriptor, 0, 0);
    }

    /// <summary>Announces a settled operation later in this turn: whoever closes a connection does not find its own continuations inside the call.</summary>
    internal void Defer(LoopOperation operation) => _deferred.Add(operation);

    /// <summary>Comes back to a connection in the next turn, without an event: it had its share of this one and is not done.</summary>
    internal void ComeBackTo(LoopConnection connection)
    {
        if (connection.IsComeBackTo)
            return;
        connection.IsComeBackTo = true;
        _again.Add(connection);
    }

    /// <summary>Closes what still lives here and ends the thread. Returns when it has ended, or does not come back from a callback.</summary>
    internal void Stop()
    {
        Post(() => _stopping = true);
        if (!IsCurrent)
            _ = _thread.Join(StopPatience);
    }

    private static int Checked(int answer, string call) =>
        answer >= 0 ? answer : throw new RefusedCallException(call, -answer);

    private unsafe void Run()
    {
        _threadId = Environment.CurrentManagedThreadId;

        // Nothing of the ambient is asked for here, and to carry it along costs every await.
        _ = ExecutionContext.SuppressFlow();
        byte* events = (byte*)NativeMemory.Alloc((nuint)(EventsPerTurn * Libc.EpollEventBytes));
        while (!_stopping)
        {
            if (_ring is { } ring)
                WaitInRing(ring);
            else
                WaitInEpoll(events, Patience());
            Volatile.Write(ref _asleep, 0);
            _now = MonotonicClock.Now;
            if (!_isInGrace && LateAlarm.IsVeryLate(_timers.Next, _now))
            {
                _isInGrace = true;
                _graceEnds = _now + LateAlarm.Grace;
            }

            TurnNumber++;
            while (!TryTurn(events))
            {
                // The callback that threw is behind us; the turn goes on with the next.
            }
        }

        foreach (IEventSink sink in _sinks.Snapshot())
            (sink as LinuxConnection)?.Abort();
        AnnounceDeferred();
        RunPosted();
        AnnounceDeferred();
        NativeMemory.Free(events);
        Pipes.Close();
        Spares.Close();
        _ring?.SubmitAndWait(0);
        _ring?.Close();
        _ = Libc.Close(_epoll);
    }

    private unsafe void WaitInEpoll(byte* events, int milliseconds)
    {
        LooksAtEpoll++;
        int answer = Libc.EpollWait(_epoll, events, EventsPerTurn, milliseconds);

        // Stopped and continued (SIGSTOP): what came meanwhile is looked at before any clock is.
        if (answer == -Errno.EINTR)
            answer = Libc.EpollWait(_epoll, events, EventsPerTurn, 0);
        _eventCount = Math.Max(answer, 0);
        _eventCursor = 0;
        if (answer < 0 && answer != -Errno.EINTR)
            throw new InvalidOperationException($"epoll_wait failed with errno {-answer}");
    }

    /// <summary>How long a wait may be, in milliseconds, rounded up so that a timer never makes an idle turn before its time; -1 for ever.</summary>
    private int Patience()
    {
        if (_again.Count > 0 || _deferred.Count > 0)
            return 0;
        Volatile.Write(ref _asleep, 1);
        Interlocked.MemoryBarrier();
        if (!_posted.IsEmpty)
            return 0;
        Instant next = _isInGrace ? _graceEnds : _timers.Next;
        if (next.IsNever)
            return -1;
        long wait = next.Nanoseconds - _now.Nanoseconds;
        return wait <= 0 ? 0 : (int)Math.Min((wait + 999_999) / 1_000_000, int.MaxValue);
    }

    /// <summary>
    /// One turn. False when a callback threw: it alone is lost, and every part of the turn knows where to go on.
    /// </summary>
    private unsafe bool TryTurn(byte* events)
    {
        try
        {
            DispatchRing(events);
            Resume();
            Dispatch(events);
            FireTimers();
            RunPosted();
            AnnounceDeferred();
            return true;
        }
        catch (Exception e)
        {
            LinuxLog.CallbackFailed(_logger, e);
            return false;
        }
    }

    private unsafe void Dispatch(byte* events)
    {
        while (_eventCursor < _eventCount)
        {
            (uint what, ulong number) = Libc.EpollEventAt(events, _eventCursor++);
            if (number == WakeNumber)
                continue;
            if (_sinks.Find(number) is not { } sink || sink is LinuxConnection { HasBegunBehindEvents: true })
                continue;
            _watch.Begin();
            sink.OnEvents(what);
            _watch.End(sink);
        }
    }

    private void Resume()
    {
        if (_resuming.Count == 0)
        {
            if (_again.Count == 0)
                return;
            (_again, _resuming) = (_resuming, _again);
        }

        while (_resuming.Count > 0)
        {
            LoopConnection connection = _resuming[^1];
            _resuming.RemoveAt(_resuming.Count - 1);
            connection.IsComeBackTo = false;
            _watch.Begin();
            connection.ComeBack();
            _watch.End(connection);
        }
    }

    private void FireTimers()
    {
        if (_isInGrace && _now < _graceEnds)
            return;
        _isInGrace = false;
        while (_timers.TakeDue(_now) is { } due)
        {
            _watch.Begin();
            due.Fire(_now);
            _watch.End(due);
        }
    }

    /// <summary>What is queued now; what that posts in its turn waits for the next, so that posting in a circle starves nobody.</summary>
    private void RunPosted()
    {
        for (int left = _posted.Count; left > 0 && _posted.TryDequeue(out Action? work); left--)
        {
            _watch.Begin();
            work();
            _watch.End(work);
        }
    }

    private void AnnounceDeferred()
    {
        while (true)
        {
            if (_completing.Count == 0)
            {
                if (_deferred.Count == 0)
                    return;
                (_completing, _deferred) = (_deferred, _completing);
            }

            LoopOperation operation = _completing[^1];
            _completing.RemoveAt(_completing.Count - 1);
            _watch.Begin();
            operation.CompleteDeferred();
            _watch.End(operation);
        }
    }
}
