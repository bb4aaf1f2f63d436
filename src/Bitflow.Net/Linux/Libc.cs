using System.Buffers.Text;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Microsoft.FSharp.Core;
using Microsoft.Win32.SafeHandles;

[assembly: System.Runtime.CompilerServices.DisableRuntimeMarshalling]

namespace Bitflow.Net.Linux;

/// <summary>
/// Every system call of Bitflow's own, and what it asks of the C library besides. Numbers and layouts are those of Linux on x86-64 and arm64, both little-endian, which agree in what is used here.
/// </summary>
/// <remarks>
/// Calls of the data path answer as the kernel does: zero or more, or the negative errno, which is cheaper than
/// <see cref="Marshal.GetLastPInvokeError"/> and cannot be looked at too late. The few others answer -1 with errno there.
/// </remarks>
internal static unsafe partial class Libc
{
    public const int FamilyUnix = 1;
    public const int FamilyInet = 2;
    public const int FamilyInet6 = 10;

    public const int EpollCtlAdd = 1;
    public const int EpollCtlDel = 2;
    public const int EpollCtlMod = 3;

    public const uint EpollIn = 0x1;
    public const uint EpollPri = 0x2;
    public const uint EpollOut = 0x4;
    public const uint EpollErr = 0x8;
    public const uint EpollHup = 0x10;
    public const uint EpollRdHup = 0x2000;
    public const uint EpollExclusive = 1u << 28;
    public const uint EpollEdge = 1u << 31;

    public const int MsgPeek = 0x2;
    public const int MsgDontWait = 0x40;
    public const int MsgWaitAll = 0x100;
    public const int MsgNoSignal = 0x4000;
    public const int MsgMore = 0x8000;

    public const int ShutWrite = 1;
    public const int ShutBoth = 2;

    public const int SoError = 4;
    public const int SoKeepAlive = 9;

    /// <summary>Urgent data is taken in its place among the rest (socket(7)).</summary>
    public const int SoOobInline = 10;
    public const int SoLinger = 13;
    public const int SoReceiveTimeout = 20;
    public const int SoSendTimeout = 21;
    public const int SoDomain = 39;
    public const int TcpNoDelay = 1;
    public const int TcpKeepIdle = 4;
    public const int TcpKeepInterval = 5;

    public const int FGetFl = 3;
    public const int FSetFl = 4;
    public const int FSetPipeSize = 1031;
    public const int NonBlocking = 0x800;

    public const uint SpliceNonBlock = 2;

    private const int SockStream = 1;
    public const int CloseOnExec = 0x80000;

    public const int OpenWriteOnly = 0x1;
    public const int OpenCreate = 0x40;
    public const int OpenNoTerminal = 0x100;
    public const int OpenAppend = 0x400;

    private static bool OnX64 => RuntimeInformation.ProcessArchitecture == Architecture.X64;

    /// <summary>struct epoll_event is packed on x86-64 alone (12 bytes); elsewhere its data is aligned (16 bytes).</summary>
    public static readonly int EpollEventBytes = OnX64 ? 12 : 16;

    private static readonly int EpollEventDataOffset = OnX64 ? 4 : 8;

    public const int SolSocket = 1;
    public const int SoReuseAddr = 2;
    public const int SoAcceptConn = 30;
    public const int IpProtoTcp = 6;
    public const int TcpInfo = 11;
    public const int TcpQuickAck = 12;
    public const int TcpNotSentLowAt = 25;

    public const nuint SiocOutq = 0x5411;

    public const int FGetFd = 1;
    public const int FSetFd = 2;
    public const int FdCloexec = 1;

    // Numbers of the calls made by number: x86-64 has a table of its own, arm64 the generic one (asm-generic/unistd.h).
    private static readonly nint ReceiveFromNumber = OnX64 ? 45 : 207;
    private static readonly nint SendToNumber = OnX64 ? 44 : 206;
    private static readonly nint ConnectNumber = OnX64 ? 42 : 203;
    private static readonly nint Accept4Number = OnX64 ? 288 : 242;
    private static readonly nint CloseNumber = OnX64 ? 3 : 57;
    private static readonly nint EpollPwaitNumber = OnX64 ? 281 : 22;
    private static readonly nint SpliceNumber = OnX64 ? 275 : 76;
    private static readonly nint MapNumber = OnX64 ? 9 : 222;
    private static readonly nint UnmapNumber = OnX64 ? 11 : 215;
    private const nint RingSetupNumber = 425;
    private const nint RingEnterNumber = 426;
    private const nint RingRegisterNumber = 427;

    private const int MapReadWrite = 3;
    private const int MapSharedPopulated = 0x8001;

    /// <summary>Where the name stands in a directory's entry, on 64 bits (struct dirent, readdir(3)).</summary>
    private const int DirectoryEntryName = 19;

    private const int RlimitNofile = 7;
    private const int SigTtou = 22;

    private const int AtFdcwd = -100;
    private const int AtSymlinkNofollow = 0x100;
    private const int AtEmptyPath = 0x1000;
    private const short PollOut = 4;
    private const uint StatxBasicStats = 0x7ff;

    [LibraryImport("libc", EntryPoint = "ioctl", SetLastError = true)]
    public static partial int IoctlInt(int descriptor, nuint request, out int value);

    /// <summary>
    /// Bytes sent and not acknowledged, that may still be. On a connection that was reset the kernel's count (SIOCOUTQ) stands still for
    /// ever: there it is none.
    /// </summary>
    public static int UnsentBytes(int descriptor)
    {
        if (IoctlInt(descriptor, SiocOutq, out int bytes) != 0 || bytes == 0)
            return 0;
        return IsClosed(descriptor) ? 0 : bytes;
    }

    [LibraryImport("libc", EntryPoint = "fcntl", SetLastError = true)]
    public static partial int Fcntl(int descriptor, int command, int argument);

    [LibraryImport("libc", EntryPoint = "statx", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial int Statx(int directory, string path, int flags, uint mask, out StatxBuffer buffer);

    [LibraryImport("libc", EntryPoint = "open", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial SafeFileHandle OpenFile(string path, int flags, int mode);

    [LibraryImport("libc", EntryPoint = "write", SetLastError = true)]
    public static partial nint WriteFile(SafeFileHandle file, byte* bytes, nuint count);

    /// <summary>Waits until a file can be written, has failed, or the time is over, which is not told apart: a write tells.</summary>
    public static void AwaitRoom(SafeFileHandle file, int milliseconds)
    {
        var descriptor = new PollDescriptor { Descriptor = (int)file.DangerousGetHandle(), Events = PollOut };

        // However it ends (EINTR too) the write that follows says what is.
        _ = Poll(&descriptor, 1, milliseconds);
        GC.KeepAlive(file);
    }

    [LibraryImport("libc", EntryPoint = "poll")]
    private static partial int Poll(PollDescriptor* descriptors, nuint count, int milliseconds);

    [LibraryImport("libc", EntryPoint = "unlink", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    public static partial int Unlink(string path);

    [LibraryImport("libc", EntryPoint = "raise")]
    private static partial int Raise(int signal);

    /// <summary>
    /// Stops the process as SIGTSTP would by default; the runtime has that signal, and SIGTTOU means the same. Where nobody could continue it (an orphaned
    /// process group, signal(7)) the kernel does nothing.
    /// </summary>
    public static void StopUntilContinued() => _ = Raise(SigTtou);

    /// <summary>
    /// Gives the whole free pages of the C library's heaps back to the system (malloc_trim(3)), of which it does so by itself only at their ends. Nothing where the library
    /// is another than glibc.
    /// </summary>
    public static void TrimHeaps()
    {
        try
        {
            _ = MallocTrim(0);
        }
        catch (EntryPointNotFoundException)
        {
            // There is nothing to ask for.
        }
    }

    [LibraryImport("libc", EntryPoint = "malloc_trim")]
    private static partial int MallocTrim(nuint pad);

    [LibraryImport("libc", EntryPoint = "getrlimit", SetLastError = true)]
    private static partial int GetRlimit(int resource, out Rlimit limit);

    /// <summary>The soft limit on descriptors (RLIMIT_NOFILE); unlimited where it cannot be read.</summary>
    public static long DescriptorLimit() =>
        OperatingSystem.IsLinux() && GetRlimit(RlimitNofile, out Rlimit limit) == 0 && limit.Soft <= long.MaxValue ? (long)limit.Soft : long.MaxValue;

    /// <summary>
    /// How many descriptors this process has open. Before Linux 6.2 it reads a directory, milliseconds for thousands of them, so not for each
    /// connection; not even that is possible where none is free: then it is all of them. Where nobody says (another system, a /proc that is not there or may not be read) it is none.
    /// </summary>
    public static int DescriptorsInUse()
    {
        if (!OperatingSystem.IsLinux())
            return 0;

        // The size of the directory, from Linux 6.2 on (proc(5)).
        if (Statx(AtFdcwd, "/proc/self/fd", AtSymlinkNofollow, StatxBasicStats, out StatxBuffer status) == 0 && status.Size != 0)
            return (int)status.Size;

        // Not counted: the directory itself.
        if (OpenDescriptors() is { } open)
            return open.Count - 1;
        return Marshal.GetLastPInvokeError() is Errno.EMFILE or Errno.ENFILE ? int.MaxValue : 0;
    }

    /// <summary>
    /// The numbers that are open in this process, that of the directory which says so among them; null where nobody says, with its errno. The platform's own enumeration asks for the attributes of every
    /// entry, ten times the cost, and has a hundred types to load first, at every start (decision 10).
    /// </summary>
    public static List<int>? OpenDescriptors()
    {
        nint directory = OpenDirectory("/proc/self/fd");
        if (directory == 0)
            return null;
        var open = new List<int>();
        for (nint entry; (entry = ReadDirectory(directory)) != 0;)
        {
            ReadOnlySpan<byte> name = MemoryMarshal.CreateReadOnlySpanFromNullTerminated((byte*)entry + DirectoryEntryName);

            // Not "." and "..".
            if (Utf8Parser.TryParse(name, out int descriptor, out _))
                open.Add(descriptor);
        }

        _ = CloseDirectory(directory);
        return open;
    }

    [LibraryImport("libc", EntryPoint = "opendir", SetLastError = true, StringMarshalling = StringMarshalling.Utf8)]
    private static partial nint OpenDirectory(string path);

    [LibraryImport("libc", EntryPoint = "readdir")]
    private static partial nint ReadDirectory(nint directory);

    [LibraryImport("libc", EntryPoint = "closedir")]
    private static partial int CloseDirectory(nint directory);

    public static int EpollCreate() => Answer(EpollCreate1(CloseOnExec));

    /// <summary>Adds, changes or removes a descriptor; events carry <paramref name="data"/>.</summary>
    public static int EpollCtl(int epoll, int operation, int descriptor, uint events, ulong data)
    {
        byte* buffer = stackalloc byte[16];
        *(uint*)buffer = events;
        *(ulong*)(buffer + EpollEventDataOffset) = data;
        return Answer(EpollCtl(epoll, operation, descriptor, buffer));
    }

    /// <summary>Waits for events; <paramref name="events"/> has room for <paramref name="room"/> times <see cref="EpollEventBytes"/>.</summary>
    public static int EpollWait(int epoll, byte* events, int room, int milliseconds) => Answer(SystemCall(EpollPwaitNumber, epoll, (nint)events, room, milliseconds, 0, 0));

    /// <summary>One event of what <see cref="EpollWait"/> filled.</summary>
    public static (uint Events, ulong Data) EpollEventAt(byte* events, int index)
    {
        byte* at = events + index * EpollEventBytes;
        return (*(uint*)at, *(ulong*)(at + EpollEventDataOffset));
    }

    public static int EventFd() => Answer(EventFdNative(0, CloseOnExec | NonBlocking));

    /// <summary>Adds one to an eventfd's counter.</summary>
    public static int Signal(int eventDescriptor)
    {
        ulong one = 1;
        return Answer(WriteNative(eventDescriptor, (byte*)&one, sizeof(ulong)));
    }

    /// <summary>Reads from what is no socket.</summary>
    public static int Read(int descriptor, Span<byte> into)
    {
        fixed (byte* data = into)
            return Answer(ReadNative(descriptor, data, (nuint)into.Length));
    }

    /// <summary>A stream socket, non-blocking, closed on exec.</summary>
    public static int Socket(int family) => Answer(SocketNative(family, SockStream | NonBlocking | CloseOnExec, 0));

    public static int Connect(int descriptor, ReadOnlySpan<byte> address)
    {
        fixed (byte* a = address)
            return Answer(SystemCall(ConnectNumber, descriptor, (nint)a, address.Length, 0, 0, 0));
    }

    public static int Bind(int descriptor, ReadOnlySpan<byte> address)
    {
        fixed (byte* a = address)
            return Answer(BindNative(descriptor, a, (uint)address.Length));
    }

    /// <summary>Makes the second descriptor another of what the first is one of; what it was before is closed.</summary>
    public static int Duplicate(int descriptor, int onto) => Answer(Dup3Native(descriptor, onto, CloseOnExec));

    /// <summary>Accepts one connection, non-blocking and closed on exec, and writes its remote address.</summary>
    public static int Accept(int listener, Span<byte> address, out int addressBytes)
    {
        uint bytes = (uint)address.Length;
        int answer;
        fixed (byte* a = address)
            answer = Answer(SystemCall(Accept4Number, listener, (nint)a, (nint)(&bytes), NonBlocking | CloseOnExec, 0, 0));
        addressBytes = (int)Math.Min(bytes, (uint)address.Length);
        return answer;
    }

    /// <summary>The local address of a socket; answers its bytes.</summary>
    public static int LocalAddress(int descriptor, Span<byte> address)
    {
        uint bytes = (uint)address.Length;
        fixed (byte* a = address)
        {
            int answer = Answer(GetSockNameNative(descriptor, a, &bytes));
            return answer < 0 ? answer : (int)Math.Min(bytes, (uint)address.Length);
        }
    }

    /// <summary>The remote address of a socket; answers its bytes.</summary>
    public static int RemoteAddress(int descriptor, Span<byte> address)
    {
        uint bytes = (uint)address.Length;
        fixed (byte* a = address)
        {
            int answer = Answer(GetPeerNameNative(descriptor, a, &bytes));
            return answer < 0 ? answer : (int)Math.Min(bytes, (uint)address.Length);
        }
    }

    public static int Receive(int descriptor, Span<byte> buffer, int flags = MsgDontWait)
    {
        fixed (byte* b = buffer)
        {
            int answer;
            do
            {
                answer = Answer(SystemCall(ReceiveFromNumber, descriptor, (nint)b, buffer.Length, flags, 0, 0));
            }
            while (answer == -Errno.EINTR);
            return answer;
        }
    }

    /// <param name="more">Whether more follows at once, which may share a segment (MSG_MORE).</param>
    public static int Send(int descriptor, ReadOnlySpan<byte> data, bool more = false) =>
        Send(descriptor, data, more ? MsgDontWait | MsgMore : MsgDontWait);

    public static int Send(int descriptor, ReadOnlySpan<byte> data, int flags)
    {
        flags |= MsgNoSignal;
        fixed (byte* d = data)
        {
            int answer;
            do
            {
                answer = Answer(SystemCall(SendToNumber, descriptor, (nint)d, data.Length, flags, 0, 0));
            }
            while (answer == -Errno.EINTR);
            return answer;
        }
    }

    public static int Shutdown(int descriptor, int how) => Answer(ShutdownNative(descriptor, how));

    /// <summary>The descriptor is gone whatever this answers (close(2), Linux): it is never repeated.</summary>
    public static int Close(int descriptor) => Answer(SystemCall(CloseNumber, descriptor, 0, 0, 0, 0, 0));

    public static int SetOption(int descriptor, int level, int option, int value) =>
        Answer(SetSockOptNative(descriptor, level, option, (byte*)&value, sizeof(int)));

    /// <summary>An option of the socket level as it is, of 16 bytes at most; empty where there is none.</summary>
    public static byte[] GetOption(int descriptor, int option)
    {
        const int MostBytes = 16;
        byte* value = stackalloc byte[MostBytes];
        uint bytes = MostBytes;
        return GetSockOptNative(descriptor, SolSocket, option, value, &bytes) == 0 ? new ReadOnlySpan<byte>(value, (int)bytes).ToArray() : [];
    }

    public static int SetOption(int descriptor, int option, ReadOnlySpan<byte> value)
    {
        fixed (byte* v = value)
            return Answer(SetSockOptNative(descriptor, SolSocket, option, v, (uint)value.Length));
    }

    /// <summary>Whether TCP is through with the connection: reset, or ended by both sides.</summary>
    public static bool IsClosed(int descriptor)
    {
        // tcpi_state is the first byte of struct tcp_info.
        const int StateMask = 0xff;
        const int StateClosed = 7;
        return GetOption(descriptor, IpProtoTcp, TcpInfo, out int info) >= 0 && (info & StateMask) == StateClosed;
    }

    /// <summary>What a TCP connection's queue holds (struct tcp_info of linux/tcp.h); none where the kernel does not say.</summary>
    public static FSharpValueOption<SendQueue> AskSendQueue(int descriptor)
    {
        const int Retransmits = 2;
        const int Probes = 3;
        const int Backoff = 4;
        const int InFlight = 24;
        const int Acknowledged = 120;
        const int Unsent = 144;
        byte* info = stackalloc byte[Unsent + sizeof(uint)];
        uint bytes = Unsent + sizeof(uint);
        if (GetSockOptNative(descriptor, IpProtoTcp, TcpInfo, info, &bytes) != 0 || bytes < Unsent + sizeof(uint))
            return FSharpValueOption<SendQueue>.None;
        return SendQueue.Of(*(long*)(info + Acknowledged), *(uint*)(info + InFlight), *(uint*)(info + Unsent), info[Retransmits], info[Probes], info[Backoff]);
    }

    /// <summary>How many connections wait to be accepted on a listening socket of TCP; negative where nobody says.</summary>
    public static int Waiting(int listener)
    {
        // Of a listening socket, its backlog stands in place of tcpi_unacked.
        const int Backlog = 24;
        byte* info = stackalloc byte[Backlog + sizeof(int)];
        uint bytes = Backlog + sizeof(int);
        int answer = Answer(GetSockOptNative(listener, IpProtoTcp, TcpInfo, info, &bytes));
        return answer < 0 ? answer : *(int*)(info + Backlog);
    }

    /// <summary>Reads an option of one int.</summary>
    public static int GetOption(int descriptor, int level, int option, out int value)
    {
        int v = 0;
        uint bytes = sizeof(int);
        int answer = Answer(GetSockOptNative(descriptor, level, option, (byte*)&v, &bytes));
        value = v;
        return answer;
    }

    /// <summary>Makes close answer with a reset: SO_LINGER, on, zero seconds.</summary>
    public static int SetResetOnClose(int descriptor) => SetLinger(descriptor, isOn: true);

    /// <summary>SO_LINGER, of no time where it is on.</summary>
    public static int SetLinger(int descriptor, bool isOn)
    {
        // struct linger { int l_onoff; int l_linger; }
        long linger = isOn ? 1 : 0;
        return Answer(SetSockOptNative(descriptor, SolSocket, SoLinger, (byte*)&linger, sizeof(long)));
    }

    /// <summary>SO_RCVTIMEO or SO_SNDTIMEO; the kernel rounds it up to its next tick.</summary>
    public static int SetTimeLimit(int descriptor, int option, int microseconds)
    {
        // struct timeval { long tv_sec; long tv_usec; }
        long* time = stackalloc long[] { 0, microseconds };
        return Answer(SetSockOptNative(descriptor, SolSocket, option, (byte*)time, 2 * sizeof(long)));
    }

    /// <summary>Takes a TCP socket from its connection, which is reset where it is not over (connect(2), AF_UNSPEC); of others it is refused.</summary>
    public static int Disconnect(int descriptor)
    {
        Span<byte> unspecified = stackalloc byte[16];
        unspecified.Clear();
        return Connect(descriptor, unspecified);
    }

    /// <summary>A pipe for splice: non-blocking, closed on exec.</summary>
    public static int Pipe(out int readEnd, out int writeEnd)
    {
        int* ends = stackalloc int[2];
        int answer = Answer(PipeNative(ends, NonBlocking | CloseOnExec));
        readEnd = ends[0];
        writeEnd = ends[1];
        return answer;
    }

    /// <summary>Moves bytes between a pipe and a socket without copying them through this process.</summary>
    public static int Splice(int from, int to, int bytes, uint flags) => Answer(SystemCall(SpliceNumber, from, 0, to, 0, bytes, (nint)flags));

    /// <summary>Makes an io_uring (io_uring_setup(2)) for the calling thread alone; the kernel fills the rest of <paramref name="parameters"/>.</summary>
    public static int RingSetup(uint entries, ref IoUring.Parameters parameters)
    {
        fixed (IoUring.Parameters* p = &parameters)
            return Answer(SystemCall(RingSetupNumber, (nint)entries, (nint)p, 0, 0, 0, 0));
    }

    /// <summary>Lets the calling thread name its ring by a number of its own (IORING_REGISTER_RING_FDS), which the kernel finds sooner.</summary>
    public static int RegisterRing(int ring)
    {
        // struct io_uring_rsrc_update: the number (any), reserved, the descriptor. Answers how many were registered, here one.
        ulong* argument = stackalloc ulong[2];
        argument[0] = uint.MaxValue;
        argument[1] = (ulong)ring;
        int answer = Answer(SystemCall(RingRegisterNumber, ring, IoUring.RegisterDescriptor, (nint)argument, 1, 0, 0));
        return answer == 1 ? (int)(uint)argument[0] : Math.Min(answer, -1);
    }

    /// <summary>Hands submissions over and waits for completions (io_uring_enter(2)). Answers how many were taken.</summary>
    /// <param name="ring">The number that <see cref="RegisterRing"/> gave.</param>
    /// <param name="milliseconds">Where events are asked for: how long to wait, -1 for ever.</param>
    public static int RingEnter(int ring, uint submit, uint complete, uint flags, int milliseconds)
    {
        flags |= IoUring.EnterRegistered;
        if (complete == 0 || milliseconds < 0)
            return Answer(SystemCall(RingEnterNumber, ring, (nint)submit, (nint)complete, (nint)flags, 0, 0));

        // struct io_uring_getevents_arg: a mask of signals, its size, padding, and the address of the time.
        long* time = stackalloc long[2];
        time[0] = milliseconds / 1000;
        time[1] = milliseconds % 1000 * 1_000_000L;
        ulong* argument = stackalloc ulong[3];
        argument[0] = 0;
        argument[1] = 0;
        argument[2] = (ulong)time;
        return Answer(SystemCall(
            RingEnterNumber, ring, (nint)submit, (nint)complete, (nint)(flags | IoUring.EnterExtendedArgument), (nint)argument, 3 * sizeof(ulong)));
    }

    /// <summary>Registers a list of buffers from which receives choose (IORING_REGISTER_PBUF_RING); it begins on a page.</summary>
    public static int RegisterBuffers(int ring, byte* list, int entries, ushort group)
    {
        // struct io_uring_buf_reg: address, entries, group, flags, reserved; 40 bytes.
        byte* argument = stackalloc byte[40];
        NativeMemory.Clear(argument, 40);
        *(byte**)argument = list;
        *(int*)(argument + 8) = entries;
        *(ushort*)(argument + 12) = group;
        return Answer(SystemCall(RingRegisterNumber, ring, IoUring.RegisterBuffers, (nint)argument, 1, 0, 0));
    }

    /// <summary>Maps a part of an io_uring; null where there is no memory.</summary>
    public static byte* MapRing(int ring, nuint bytes, long offset)
    {
        nint answer = SystemCall(MapNumber, 0, (nint)bytes, MapReadWrite, MapSharedPopulated, ring, (nint)offset);
        return answer == -1 ? null : (byte*)answer;
    }

    public static int Unmap(byte* address, nuint bytes) => Answer(SystemCall(UnmapNumber, (nint)address, (nint)bytes, 0, 0, 0, 0));

    private static int Answer(nint result) => result >= 0 ? (int)result : -Marshal.GetLastSystemError();

    /// <summary>
    /// The calls of the data path that may wait are made without the library's wrappers: in a program of several threads these turn cancellation
    /// (pthread_cancel) on and off around each call, which nobody here asks for, and which costs more than the way into the kernel.
    /// </summary>
    [LibraryImport("libc", EntryPoint = "syscall")]
    private static partial nint SystemCall(nint number, nint first, nint second, nint third, nint fourth, nint fifth, nint sixth);

    [LibraryImport("libc", EntryPoint = "epoll_create1")]
    private static partial int EpollCreate1(int flags);

    [LibraryImport("libc", EntryPoint = "epoll_ctl")]
    private static partial int EpollCtl(int epoll, int operation, int descriptor, byte* epollEvent);

    [LibraryImport("libc", EntryPoint = "eventfd")]
    private static partial int EventFdNative(uint initial, int flags);

    [LibraryImport("libc", EntryPoint = "read")]
    private static partial nint ReadNative(int descriptor, byte* data, nuint bytes);

    [LibraryImport("libc", EntryPoint = "write")]
    private static partial nint WriteNative(int descriptor, byte* data, nuint bytes);

    [LibraryImport("libc", EntryPoint = "socket")]
    private static partial int SocketNative(int family, int type, int protocol);

    /// <summary>
    /// Undoes that a parent lets this process ignore a signal, as shells do with SIGINT for what they start in the background: the runtime
    /// would respect it.
    /// </summary>
    public static void StopIgnoring(int signal)
    {
        const nint Default = 0;
        const nint Ignored = 1;

        // struct sigaction begins with the handler; it is 152 bytes long.
        nint* action = stackalloc nint[32];
        if (OperatingSystem.IsLinux() && SigactionNative(signal, null, action) == 0 && *action == Ignored)
            _ = SignalNative(signal, Default);
    }

    /// <summary>A signal that means nothing here, and would end the process.</summary>
    public static void Ignore(int signal)
    {
        const nint Ignored = 1;
        if (OperatingSystem.IsLinux())
            _ = SignalNative(signal, Ignored);
    }

    [LibraryImport("libc", EntryPoint = "sigaction")]
    private static partial int SigactionNative(int signal, nint* change, nint* current);

    [LibraryImport("libc", EntryPoint = "signal")]
    private static partial nint SignalNative(int signal, nint handler);

    [LibraryImport("libc", EntryPoint = "bind")]
    private static partial int BindNative(int descriptor, byte* address, uint bytes);

    [LibraryImport("libc", EntryPoint = "dup3")]
    private static partial int Dup3Native(int descriptor, int onto, int flags);

    [LibraryImport("libc", EntryPoint = "getsockname")]
    private static partial int GetSockNameNative(int descriptor, byte* address, uint* bytes);

    [LibraryImport("libc", EntryPoint = "getpeername")]
    private static partial int GetPeerNameNative(int descriptor, byte* address, uint* bytes);

    [LibraryImport("libc", EntryPoint = "shutdown")]
    private static partial int ShutdownNative(int descriptor, int how);

    [LibraryImport("libc", EntryPoint = "setsockopt")]
    private static partial int SetSockOptNative(int descriptor, int level, int option, byte* value, uint bytes);

    [LibraryImport("libc", EntryPoint = "getsockopt")]
    private static partial int GetSockOptNative(int descriptor, int level, int option, byte* value, uint* bytes);

    [LibraryImport("libc", EntryPoint = "pipe2")]
    private static partial int PipeNative(int* ends, int flags);

    /// <summary>What is at a path; null where nothing is or it cannot be seen.</summary>
    /// <param name="path">Where it is.</param>
    /// <param name="throughLink">Whether it is what a link at the path leads to, not the link.</param>
    public static FileIdentity? Identify(string path, bool throughLink = false)
    {
        if (Statx(AtFdcwd, path, throughLink ? 0 : AtSymlinkNofollow, StatxBasicStats, out StatxBuffer buffer) != 0)
            return null;
        return IdentityOf(buffer);
    }

    /// <summary>The same of what is open; null where it cannot be seen.</summary>
    public static FileIdentity? Identify(SafeFileHandle file)
    {
        int answer = Statx((int)file.DangerousGetHandle(), "", AtEmptyPath, StatxBasicStats, out StatxBuffer buffer);
        GC.KeepAlive(file);
        return answer == 0 ? IdentityOf(buffer) : null;
    }

    /// <summary>Whether a file like any other is at a path, links followed: no folder, no device, and no pipe, whose reader might wait for ever.</summary>
    public static bool IsRegularFile(string path) => Statx(AtFdcwd, path, 0, StatxBasicStats, out StatxBuffer buffer) == 0 && (buffer.Mode & 0xF000) == 0x8000;

    private static FileIdentity IdentityOf(in StatxBuffer buffer) => new(buffer.DeviceMajor, buffer.DeviceMinor, buffer.Inode, (buffer.Mode & 0xF000) == 0xC000);

    [StructLayout(LayoutKind.Sequential)]
    private struct PollDescriptor
    {
        public int Descriptor;
        public short Events;
        public short Found;
    }

    [StructLayout(LayoutKind.Sequential)]
    private struct Rlimit
    {
        public ulong Soft;
        public ulong Hard;
    }

    /// <summary>struct statx of linux/stat.h: 256 bytes, the same on every architecture.</summary>
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct StatxBuffer
    {
        [FieldOffset(28)]
        public ushort Mode;

        [FieldOffset(32)]
        public ulong Inode;

        [FieldOffset(40)]
        public ulong Size;

        [FieldOffset(136)]
        public uint DeviceMajor;

        [FieldOffset(140)]
        public uint DeviceMinor;
    }
}
