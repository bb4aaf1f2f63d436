using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Managed;

/// <summary>The portable engine's one loop: no thread of its own; work runs on the thread pool and timers on one platform timer.</summary>
internal sealed class ManagedLoop : EventLoop, IDisposable
{
    private readonly Lock _gate = new();
    private readonly TimerQueue _timers = new();
    private readonly Timer _alarm;
    private Instant _alarmAt = Instant.Never;
    private bool _isInGrace;

    public ManagedLoop()
        : base(place: 0) =>
        _alarm = new Timer(static state => ((ManagedLoop)state!).RunTimers(), this, Timeout.Infinite, Timeout.Infinite);

    public override Instant Now => MonotonicClock.Now;

    public override bool IsCurrent => true;

    public override void Arm(LoopTimer timer, Instant at)
    {
        lock (_gate)
        {
            _timers.Set(timer, at);
            SetAlarm();
        }
    }

    public override void Post(Action work) => ThreadPool.UnsafeQueueUserWorkItem(static work => work(), work, preferLocal: false);

    public override ValueTask<IoFault> ConnectAsync(EndPoint remote, in SocketSettings settings, out Connection connection)
    {
        Socket? socket = null;
        try
        {
            socket = new Socket(
                remote.AddressFamily, SocketType.Stream, remote.AddressFamily == AddressFamily.Unix ? ProtocolType.Unspecified : ProtocolType.Tcp);
            Configure(socket, settings);
        }
        catch (SocketException e)
        {
            socket?.Dispose();
            connection = new DeadConnection(this);
            return new(PlatformFaults.OfSocket(e.SocketErrorCode));
        }

        var managed = new ManagedConnection(this, socket);
        connection = managed;
        return managed.ConnectAsync(remote);
    }

    public override IoFault Adopt(int descriptor, in SocketSettings settings, out Connection connection)
    {
        SharedSocket.NeverWaits(descriptor);
        var handle = new SafeSocketHandle(descriptor, ownsHandle: true);
        try
        {
            var socket = new Socket(handle);
            Configure(socket, settings);
            connection = new ManagedConnection(this, socket, inherited: true);
            return IoFault.None;
        }
        catch (SocketException e)
        {
            handle.Dispose();
            connection = new DeadConnection(this);
            return PlatformFaults.OfStream(e.SocketErrorCode);
        }
    }

    public void Dispose() => _alarm.Dispose();

    internal static void Configure(Socket socket, in SocketSettings settings)
    {
        if (socket.AddressFamily == AddressFamily.Unix)
            return;
        socket.NoDelay = true;
        SocketSettings.TakeUrgentInPlace(socket);
        if (settings.KeepAliveSeconds > 0)
            SocketSettings.SetKeepAlive(socket, settings.KeepAliveSeconds);
    }

    private void SetAlarm()
    {
        // The alarm that ends a grace is set.
        if (_isInGrace)
            return;
        Instant next = _timers.Next;
        if (next >= _alarmAt)
            return;
        _alarmAt = next;
        _alarm.Change((next - Now).ToTimerSpan(), Timeout.InfiniteTimeSpan);
    }

    private void RunTimers()
    {
        lock (_gate)
        {
            Instant now = Now;
            _isInGrace = !_isInGrace && LateAlarm.IsVeryLate(_alarmAt, now);
            if (_isInGrace)
            {
                _alarmAt = now + LateAlarm.Grace;
                _alarm.Change(LateAlarm.Grace.ToTimerSpan(), Timeout.InfiniteTimeSpan);
                return;
            }

            _alarmAt = Instant.Never;
        }

        while (true)
        {
            LoopTimer? due;
            Instant now = Now;
            lock (_gate)
            {
                due = _timers.TakeDue(now);
                if (due is null)
                {
                    SetAlarm();
                    return;
                }
            }

            due.Fire(now);
        }
    }
}
