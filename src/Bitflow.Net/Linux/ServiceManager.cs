using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Linux;

/// <summary>
/// Tells the service manager how it goes (sd_notify(3)): ready, reloading, stopping, and that the program is alive. Where nobody asked
/// (NOTIFY_SOCKET is unset) every call does nothing, and no call ever fails.
/// </summary>
internal sealed class ServiceManager : IDisposable
{
    /// <summary>
    /// How long a manager whose queue is full is waited for, to be told what it waits for itself: a start that it never hears of is a failed one. Of the
    /// program being alive it is told again anyway.
    /// </summary>
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(2);

    private readonly UnixDomainSocketEndPoint? _address;
    private readonly Duration _watchdogInterval;
    private Timer? _watchdog;
    private int _unanswered;

    private ServiceManager(UnixDomainSocketEndPoint? address, string? problem, Duration watchdogInterval)
    {
        _address = address;
        Problem = problem;
        _watchdogInterval = watchdogInterval;
    }

    /// <summary>What is wrong with the address in NOTIFY_SOCKET, for the log; null where nothing is, or where there is none.</summary>
    public string? Problem { get; }

    /// <summary>Reads the environment and clears what is there of it: children are not the service.</summary>
    public static ServiceManager FromEnvironment()
    {
        string? text = Environment.GetEnvironmentVariable("NOTIFY_SOCKET");
        FSharpOption<FSharpResult<NotifyAddress, NotifyAddressError>>? address = SystemdNotify.Address(text);
        Duration interval = SystemdNotify.WatchdogInterval(
            Environment.ProcessId, Environment.GetEnvironmentVariable("WATCHDOG_USEC"), Environment.GetEnvironmentVariable("WATCHDOG_PID"))?.Value ?? Duration.Zero;
        foreach (string variable in (string[])["NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"])
            Environment.SetEnvironmentVariable(variable, null);
        return address?.Value switch
        {
            null => new ServiceManager(null, null, Duration.Zero),
            { IsError: true } error => new ServiceManager(null, SystemdNotify.Describe(error.ErrorValue), Duration.Zero),
            { ResultValue: NotifyAddress.Path path } => At(new UnixDomainSocketEndPoint(path.path)),
            { ResultValue: NotifyAddress.Abstract name } => At(Endpoints.OfAbstractName(name.name)),
            _ => new ServiceManager(null, SystemdNotify.Describe(NotifyAddressError.NewNotSupported(text)), Duration.Zero),
        };

        // Who does not listen yet may do so later: it is told nevertheless.
        ServiceManager At(UnixDomainSocketEndPoint at) =>
            new(at, Listens(at) ? null : SystemdNotify.Describe(NotifyAddressError.NewNobodyListens(text)), interval);
    }

    private static bool Listens(UnixDomainSocketEndPoint address)
    {
        try
        {
            using Socket socket = Connect(address);
            return true;
        }
        catch (SocketException)
        {
            return false;
        }
    }

    private static Socket Connect(UnixDomainSocketEndPoint address)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        try
        {
            socket.Connect(address);
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Listening, after a start or a reload, whether that worked or not.</summary>
    public void Ready(string status) => Send(NotifyMessage.NewReady(status), Patience);

    public void Reloading() => Send(NotifyMessage.NewReloading(MonotonicClock.Now), Patience);

    public void Stopping(string status) => Send(NotifyMessage.NewStopping(status), Patience);

    /// <summary>
    /// From now on says that the program is alive, at half of what the service manager waits, and only after every loop has answered: a
    /// stuck loop is a stuck program.
    /// </summary>
    public void Watch(IReadOnlyList<EventLoop> loops)
    {
        if (!_watchdogInterval.IsPositive || _watchdog is not null)
            return;
        TimeSpan interval = _watchdogInterval.ToTimerSpan();
        _watchdog = new Timer(_ => AskLoops(loops), null, TimeSpan.Zero, interval);
    }

    public void Dispose() => _watchdog?.Dispose();

    private void AskLoops(IReadOnlyList<EventLoop> loops)
    {
        if (Interlocked.CompareExchange(ref _unanswered, loops.Count, 0) != 0)
            return;
        foreach (EventLoop loop in loops)
        {
            loop.Post(() =>
            {
                if (Interlocked.Decrement(ref _unanswered) == 0)
                    ThreadPool.UnsafeQueueUserWorkItem(static manager => manager.Send(NotifyMessage.Watchdog, TimeSpan.Zero), this, preferLocal: false);
            });
        }
    }

    private void Send(NotifyMessage message, TimeSpan patience)
    {
        if (_address is null)
            return;
        try
        {
            // Connected, so that waiting is for the manager's queue; and never for longer: one that does not read must not hold us up.
            using Socket socket = Connect(_address);
            byte[] bytes = System.Text.Encoding.UTF8.GetBytes(SystemdNotify.Write(message));
            long began = Stopwatch.GetTimestamp();
            while (socket.Send(bytes, SocketFlags.None, out SocketError error) < bytes.Length && error == SocketError.WouldBlock)
            {
                TimeSpan left = patience - Stopwatch.GetElapsedTime(began);
                if (left <= TimeSpan.Zero || !socket.Poll(left, SelectMode.SelectWrite))
                    return;
            }
        }
        catch (SocketException)
        {
            // Never fatal (SD-9): the manager has timeouts of its own.
        }
    }
}
