using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>
/// The kernel calls of the load generator, for Linux on x86-64. It is written against the kernel rather than against
/// <c>System.Net.Sockets</c> so that it costs as little as it can beside the proxies, which share its cores, and so that it
/// has nothing in common with what it measures.
/// </summary>
internal static unsafe partial class Kernel
{
    public const int AfInet = 2;
    public const int SockStream = 1;
    public const int NonBlocking = 0x800;
    public const int CloseOnExec = 0x80000;
    public const int SolSocket = 1;
    public const int SoReuseAddr = 2;
    public const int TcpLevel = 6;
    public const int TcpNoDelay = 1;
    public const int NoSignal = 0x4000;
    public const int Truncate = 0x20;
    public const int ShutWrite = 1;

    public const int Again = 11;
    public const int InProgress = 115;
    public const int ConnectionReset = 104;
    public const int BrokenPipe = 32;

    public const int EpollAdd = 1;
    public const uint EpollIn = 1;
    public const uint EpollOut = 4;
    public const uint EpollPeerEnded = 0x2000;

    /// <summary>EPOLLRDHUP, EPOLLHUP or EPOLLERR: after such an edge there may be no other.</summary>
    public const uint EpollEnded = EpollPeerEnded | 0x10 | 0x8;
    public const uint EpollEdge = 1u << 31;

    public const int SetTimerSlack = 29;

    /// <summary>struct epoll_event: packed on x86-64 alone.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    public struct Event
    {
        public uint Events;
        public ulong Data;
    }

    [StructLayout(LayoutKind.Sequential)]
    public struct Time
    {
        public long Seconds;
        public long Nanoseconds;
    }

    /// <summary>struct sockaddr_in.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public struct Address4
    {
        public ushort Family;
        public ushort Port;
        public uint Host;
        public ulong Zero;

        public static Address4 Loopback(int port) =>
            new() { Family = AfInet, Port = Swap((ushort)port), Host = 0x0100007F };

        public readonly int HostPort => Swap(Port);

        private static ushort Swap(ushort value) => System.Buffers.Binary.BinaryPrimitives.ReverseEndianness(value);
    }

    [LibraryImport("libc", EntryPoint = "socket", SetLastError = true)]
    public static partial int Socket(int domain, int type, int protocol);

    [LibraryImport("libc", EntryPoint = "bind", SetLastError = true)]
    public static partial int Bind(int descriptor, Address4* address, int length);

    [LibraryImport("libc", EntryPoint = "listen", SetLastError = true)]
    public static partial int Listen(int descriptor, int backlog);

    [LibraryImport("libc", EntryPoint = "accept4", SetLastError = true)]
    public static partial int Accept(int descriptor, Address4* address, int* length, int flags);

    [LibraryImport("libc", EntryPoint = "connect", SetLastError = true)]
    public static partial int Connect(int descriptor, Address4* address, int length);

    [LibraryImport("libc", EntryPoint = "getsockname", SetLastError = true)]
    public static partial int LocalAddress(int descriptor, Address4* address, int* length);

    [LibraryImport("libc", EntryPoint = "setsockopt", SetLastError = true)]
    public static partial int SetOption(int descriptor, int level, int name, int* value, int length);

    [LibraryImport("libc", EntryPoint = "recv", SetLastError = true)]
    public static partial nint Receive(int descriptor, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "send", SetLastError = true)]
    public static partial nint Send(int descriptor, byte* buffer, nint length, int flags);

    [LibraryImport("libc", EntryPoint = "shutdown", SetLastError = true)]
    public static partial int Shutdown(int descriptor, int how);

    [LibraryImport("libc", EntryPoint = "close", SetLastError = true)]
    public static partial int Close(int descriptor);

    [LibraryImport("libc", EntryPoint = "epoll_create1", SetLastError = true)]
    public static partial int EpollCreate(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl", SetLastError = true)]
    public static partial int EpollControl(int epoll, int operation, int descriptor, Event* change);

    [LibraryImport("libc", EntryPoint = "epoll_pwait2", SetLastError = true)]
    public static partial int EpollWait(int epoll, Event* events, int count, Time* timeout, void* signals);

    [LibraryImport("libc", EntryPoint = "prctl", SetLastError = true)]
    public static partial int ProcessControl(int option, nuint a, nuint b, nuint c, nuint d);

    [LibraryImport("libc", EntryPoint = "clock_gettime", SetLastError = true)]
    public static partial int ClockTime(int clock, Time* time);

    [LibraryImport("libc", EntryPoint = "kill", SetLastError = true)]
    public static partial int Kill(int process, int signal);

    /// <summary>The answer of a call that cannot fail in a healthy run; anything else ends the run with the call's name.</summary>
    public static int Checked(int answer, string call) =>
        answer >= 0 ? answer : throw new BenchException($"{call} failed with errno {Marshal.GetLastPInvokeError()}");

    /// <summary>Waits for events, at most for the given nanoseconds; an interrupted wait is an empty one.</summary>
    public static int Wait(int epoll, Event* events, int count, long nanoseconds)
    {
        var timeout = new Time { Seconds = nanoseconds / 1_000_000_000, Nanoseconds = nanoseconds % 1_000_000_000 };
        int ready = EpollWait(epoll, events, count, &timeout, null);
        return ready >= 0 || Marshal.GetLastPInvokeError() == 4 ? Math.Max(ready, 0) : Checked(ready, "epoll_pwait2");
    }

    /// <summary>Watches for every edge of a descriptor, once and for all.</summary>
    public static void Watch(int epoll, int descriptor, ulong data)
    {
        var change = new Event { Events = EpollIn | EpollOut | EpollPeerEnded | EpollEdge, Data = data };
        Checked(EpollControl(epoll, EpollAdd, descriptor, &change), "epoll_ctl");
    }

    public static void NoDelay(int descriptor)
    {
        int on = 1;
        Checked(SetOption(descriptor, TcpLevel, TcpNoDelay, &on, sizeof(int)), "setsockopt");
    }
}
