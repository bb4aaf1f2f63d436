using System.Diagnostics;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// The io_uring of one loop (io_uring(7)): receives that stay armed and take a buffer only once bytes are there, and sends, handed over in shared
/// memory together with the loop's wait. A request of a kept client costs no call of its own.
/// </summary>
/// <remarks>
/// Everything the kernel does for it is done by the loop's own thread inside <see cref="SubmitAndWait"/> and <see cref="Submit"/>: no thread of the
/// kernel works for it unseen. Sends never wait: each is done by the time its submission returns, and only one that was not taken whole is told of
/// by the kernel, since a completion would end the loop's wait for nothing. The others are announced in the turn that follows (<see cref="Settle"/>).
/// </remarks>
internal sealed unsafe class IoRing
{
    /// <summary>Bytes of one buffer; a receive that fills it is no small message.</summary>
    public const int BufferBytes = StreamPaceModule.MessageBytes;

    /// <summary>Buffers of a ring. They cost memory as they are used; a receive that finds none is over.</summary>
    public const int DefaultBuffers = 512;

    private const uint Entries = 256;
    private const uint CompletionEntries = 4096;
    private const ushort BufferGroup = 0;

    // What a completion is of stands in bits 30 and 31 of its number, which the places of a table never reach.
    private const int EventShift = 30;
    private const ulong EventMask = 3UL << EventShift;

    private readonly IRingUser?[] _senders;
    private readonly List<ushort> _sent = [];
    private readonly int _descriptor;
    private int _registered;
    private readonly int _buffers;
    private readonly byte* _rings;
    private readonly nuint _ringsBytes;
    private readonly byte* _submissions;
    private readonly nuint _submissionsBytes;
    private readonly uint* _submissionHead;
    private readonly uint* _submissionTail;
    private readonly uint* _submissionFlags;
    private readonly uint _submissionMask;
    private readonly uint* _completionHead;
    private readonly uint* _completionTail;
    private readonly uint _completionMask;
    private readonly byte* _completions;
    private readonly byte* _memory;
    private readonly byte* _free;
    private uint _tail;
    private ushort _freeTail;
    private int _settled;
    private int _receiving;
    private bool _settleSoon;

    private IoRing(int buffers, int descriptor, in IoUring.Parameters parameters, byte* rings, nuint ringsBytes, byte* submissions, nuint submissionsBytes, byte* memory)
    {
        _buffers = buffers;
        _senders = new IRingUser?[buffers];
        _descriptor = descriptor;
        _rings = rings;
        _ringsBytes = ringsBytes;
        _submissions = submissions;
        _submissionsBytes = submissionsBytes;
        _submissionHead = (uint*)(rings + parameters.SubmissionHead);
        _submissionTail = (uint*)(rings + parameters.SubmissionTail);
        _submissionFlags = (uint*)(rings + parameters.SubmissionFlags);
        _submissionMask = *(uint*)(rings + parameters.SubmissionMask);
        _completionHead = (uint*)(rings + parameters.CompletionHead);
        _completionTail = (uint*)(rings + parameters.CompletionTail);
        _completionMask = *(uint*)(rings + parameters.CompletionMask);
        _completions = rings + parameters.Completions;

        // The kernel finds a submission through a table of places; here each has its own for good.
        uint* places = (uint*)(rings + parameters.SubmissionPlaces);
        for (uint i = 0; i < parameters.SubmissionEntries; i++)
            places[i] = i;

        // Buffers, and behind them the list in which the kernel finds the free ones: 16 bytes each.
        _memory = memory;
        _free = _memory + buffers * BufferBytes;
        NativeMemory.Clear(_free, (nuint)(buffers * IoUring.BufferEntryBytes));
    }

    /// <summary>Whether a receive or a send is under way, or its last word has not been heard.</summary>
    public bool IsBusy => _receiving > 0 || _sent.Count > 0;

    /// <summary>Whether something was asked for that the kernel has not been told yet.</summary>
    public bool HasUnsubmitted => _tail != Volatile.Read(ref *_submissionHead);

    /// <summary>
    /// A ring, made on the thread that will use it; null where the kernel has none (before Linux 6.1), or forbids it (kernel.io_uring_disabled,
    /// a seccomp filter), or has no memory for it.
    /// </summary>
    /// <param name="buffers">How many buffers it has, a power of two.</param>
    /// <param name="errno">Why there is none.</param>
    public static IoRing? TryMake(int buffers, out int errno)
    {
        errno = 0;
        var parameters = new IoUring.Parameters
        {
            Flags = IoUring.SetupCompletionEntries | IoUring.SetupSubmitAll | IoUring.SetupSingleIssuer | IoUring.SetupDeferTaskRun,
            CompletionEntries = CompletionEntries,
        };
        byte* memory = TryAllocate((nuint)(buffers * (BufferBytes + IoUring.BufferEntryBytes)));
        if (memory is null)
        {
            errno = Errno.ENOMEM;
            return null;
        }

        int descriptor = Libc.RingSetup(Entries, ref parameters);
        if (descriptor < 0)
        {
            errno = -descriptor;
            NativeMemory.AlignedFree(memory);
            return null;
        }

        nuint ringsBytes = Math.Max(
            parameters.SubmissionPlaces + parameters.SubmissionEntries * sizeof(uint),
            parameters.Completions + parameters.CompletionEntries * IoUring.CompletionBytes);
        nuint submissionsBytes = parameters.SubmissionEntries * IoUring.SubmissionBytes;
        byte* rings = Libc.MapRing(descriptor, ringsBytes, IoUring.RingsOffset);
        byte* submissions = rings is null ? null : Libc.MapRing(descriptor, submissionsBytes, IoUring.SubmissionsOffset);
        if (submissions is null)
        {
            errno = Errno.ENOMEM;
            if (rings is not null)
                _ = Libc.Unmap(rings, ringsBytes);
            _ = Libc.Close(descriptor);
            NativeMemory.AlignedFree(memory);
            return null;
        }

        var ring = new IoRing(buffers, descriptor, parameters, rings, ringsBytes, submissions, submissionsBytes, memory);
        int registered = Libc.RegisterBuffers(descriptor, ring._free, buffers, BufferGroup);

        // Last: the thread holds what it has a number for, whoever closes it (IORING_REGISTER_RING_FDS).
        if (registered >= 0)
            registered = ring._registered = Libc.RegisterRing(descriptor);
        if (registered < 0)
        {
            errno = -registered;
            ring.Close();
            return null;
        }

        for (int i = 0; i < buffers; i++)
            ring.Release((ushort)i);
        return ring;
    }

    /// <summary>Null where there is no memory.</summary>
    private static byte* TryAllocate(nuint bytes)
    {
        try
        {
            return (byte*)NativeMemory.AlignedAlloc(bytes, (nuint)Environment.SystemPageSize);
        }
        catch (OutOfMemoryException)
        {
            return null;
        }
    }

    /// <summary>Receives from a descriptor until it is cancelled, ends, fails, or finds no free buffer.</summary>
    /// <param name="number">Which every completion of it carries.</param>
    public void Receive(int descriptor, ulong number)
    {
        Debug.Assert((number & EventMask) == 0, "the places of a table are fewer");
        _receiving++;
        byte* entry = Next();
        entry[0] = IoUring.Receive;
        entry[1] = IoUring.SelectBuffer;
        *(ushort*)(entry + 2) = IoUring.ReceiveMultishot;
        *(int*)(entry + 4) = descriptor;
        *(ulong*)(entry + 32) = number | ((ulong)RingEvent.Received << EventShift);
        *(ushort*)(entry + 40) = BufferGroup;
    }

    /// <summary>Ends a receive: one more completion comes, its last.</summary>
    public void CancelReceive(ulong number) => Cancel(RingEvent.Received, number);

    /// <summary>Reports once that a descriptor is ready to be read, at once if it is.</summary>
    /// <param name="number">Which the completion carries.</param>
    /// <param name="isExclusive">Of several who watch the same one, one is told (EPOLLEXCLUSIVE).</param>
    public void Watch(int descriptor, ulong number, bool isExclusive)
    {
        uint events = Libc.EpollIn | (isExclusive ? Libc.EpollExclusive : 0);
        byte* entry = Next();
        entry[0] = IoUring.Poll;
        *(int*)(entry + 4) = descriptor;
        *(uint*)(entry + 28) = events;
        *(ulong*)(entry + 32) = number | ((ulong)RingEvent.Ready << EventShift);
    }

    /// <summary>Ends a watch. It holds its descriptor open, so the kernel is told, and lets go of it, before this returns.</summary>
    public void CancelWatch(ulong number)
    {
        Cancel(RingEvent.Ready, number);
        while (HasUnsubmitted)
            Submit();

        // From Linux 6.13 on a call does no more than some twenty things of all that wait to be done, and the end of the watch is behind them.
        while (!IsWatchOver(number))
            _ = Enter(0, IoUring.EnterGetEvents, 0);
    }

    /// <summary>
    /// Whether a watch that was cancelled has had its last completion, or had it before. Where there is no room for completions it cannot be seen, and
    /// is not waited for.
    /// </summary>
    private bool IsWatchOver(ulong number)
    {
        uint tail = Volatile.Read(ref *_completionTail);
        for (uint at = *_completionHead; at != tail; at++)
        {
            byte* entry = Completion(at);
            ulong what = *(ulong*)entry;
            if ((what & ~EventMask) != number)
                continue;
            if (EventOf(what) == RingEvent.Ready || (EventOf(what) == RingEvent.NothingToCancel && *(int*)(entry + 8) == -Errno.ENOENT))
                return true;
        }

        return tail - *_completionHead == _completionMask + 1;
    }

    /// <summary>Sends the first bytes of a buffer, as many as there is room for now.</summary>
    public void Send(int descriptor, ushort buffer, int bytes, IRingUser sender)
    {
        byte* entry = Next();
        entry[0] = IoUring.Send;
        entry[1] = IoUring.SkipSuccess;
        *(int*)(entry + 4) = descriptor;
        *(byte**)(entry + 16) = At(buffer);
        *(int*)(entry + 24) = bytes;

        // MSG_WAITALL makes a send that is taken in part a failure; it does not wait.
        *(int*)(entry + 28) = Libc.MsgDontWait | Libc.MsgNoSignal | Libc.MsgWaitAll;
        *(ulong*)(entry + 32) = buffer | ((ulong)RingEvent.SendFailed << EventShift);
        _senders[buffer] = sender;
        _sent.Add(buffer);
    }

    /// <summary>Someone has more to do once what it sends is done: the next wait is none.</summary>
    public void SettleSoon() => _settleSoon = true;

    /// <summary>
    /// Announces the sends that were handed over, to be called before <see cref="TryTake"/>: those that failed first, so that nothing is sent behind
    /// a gap. A callback that throws is behind it when it is called again.
    /// </summary>
    public void Settle()
    {
        if (_sent.Count == 0)
            return;

        // A failure may be among completions that the kernel has no room for yet, or among what it has not been told.
        if (HasUnsubmitted || (Volatile.Read(ref *_submissionFlags) & IoUring.CompletionsOverflow) != 0)
        {
            _settleSoon = true;
            return;
        }

        _settleSoon = false;
        for (uint at = *_completionHead; at != Volatile.Read(ref *_completionTail); at++)
        {
            byte* entry = Completion(at);
            ulong number = *(ulong*)entry;
            if (EventOf(number) == RingEvent.SendFailed)
                TakeSender((ushort)number)?.OnSendFailed(*(int*)(entry + 8));
        }

        int handedOver = _sent.Count;
        while (_settled < handedOver)
            TakeSender(_sent[_settled++])?.OnSent();
        _sent.RemoveRange(0, _settled);
        _settled = 0;
    }

    /// <summary>Whose send a buffer is under way with; null where that is settled.</summary>
    public IRingUser? TakeSender(ushort buffer)
    {
        IRingUser? sender = _senders[buffer];
        _senders[buffer] = null;
        return sender;
    }

    public ReadOnlySpan<byte> Bytes(ushort buffer, int from, int bytes) => new(At(buffer) + from, bytes - from);

    /// <summary>Gives a buffer back to the kernel.</summary>
    public void Release(ushort buffer)
    {
        // struct io_uring_buf: address, length, number; the tail of the list lies in the unused last bytes of its first entry.
        byte* entry = _free + (_freeTail & (_buffers - 1)) * IoUring.BufferEntryBytes;
        *(byte**)entry = At(buffer);
        *(uint*)(entry + 8) = BufferBytes;
        *(ushort*)(entry + 12) = buffer;
        Volatile.Write(ref *(ushort*)(_free + 14), ++_freeTail);
    }

    /// <summary>
    /// Hands over what was asked for, without waiting. A send that fails takes the error of its connection with it, which is kept at once: it is announced
    /// later, and what follows on the connection looks like an orderly end.
    /// </summary>
    public void Submit()
    {
        _ = Enter(0, 0, 0);
        if (_sent.Count == 0)
            return;
        for (uint at = *_completionHead; at != Volatile.Read(ref *_completionTail); at++)
        {
            byte* entry = Completion(at);
            ulong number = *(ulong*)entry;
            if (EventOf(number) == RingEvent.SendFailed)
                _senders[(ushort)number]?.NoteSendFailed(*(int*)(entry + 8));
        }
    }

    /// <summary>Hands over what was asked for, and waits for something to complete.</summary>
    /// <param name="milliseconds">0 does not wait; -1 waits for ever.</param>
    public void SubmitAndWait(int milliseconds)
    {
        if (_settleSoon)
            milliseconds = 0;
        int answer = Enter(milliseconds == 0 ? 0u : 1u, IoUring.EnterGetEvents, milliseconds);

        // Stopped and continued (SIGSTOP), which the answer does not tell where something was handed over: what came meanwhile is looked at before any clock is.
        if (answer == -Errno.EINTR || (milliseconds != 0 && *_completionHead == Volatile.Read(ref *_completionTail)))
            _ = Enter(0, IoUring.EnterGetEvents, 0);
    }

    public bool TryTake(out RingCompletion completion)
    {
        uint head = *_completionHead;
        if (head == Volatile.Read(ref *_completionTail))
        {
            completion = default;
            return false;
        }

        byte* entry = Completion(head);
        ulong number = *(ulong*)entry;
        int result = *(int*)(entry + 8);
        uint flags = *(uint*)(entry + 12);
        Volatile.Write(ref *_completionHead, head + 1);
        RingEvent what = EventOf(number);
        bool isLast = (flags & IoUring.MoreFollows) == 0;
        if (what == RingEvent.Received && isLast)
            _receiving--;
        completion = new RingCompletion(
            what,
            number & ~EventMask,
            result,
            what == RingEvent.SendFailed ? (ushort)number : (ushort)(flags >> 16),
            HasBuffer: (flags & IoUring.HasBuffer) != 0,
            isLast);
        return true;
    }

    public void Close()
    {
        _ = Libc.Close(_descriptor);
        _ = Libc.Unmap(_submissions, _submissionsBytes);
        _ = Libc.Unmap(_rings, _ringsBytes);
        NativeMemory.AlignedFree(_memory);
    }

    private static RingEvent EventOf(ulong number) => (RingEvent)((number & EventMask) >> EventShift);

    private void Cancel(RingEvent what, ulong number)
    {
        byte* entry = Next();
        entry[0] = IoUring.Cancel;
        entry[1] = IoUring.SkipSuccess;
        *(ulong*)(entry + 16) = number | ((ulong)what << EventShift);
        *(ulong*)(entry + 32) = number | ((ulong)RingEvent.NothingToCancel << EventShift);
    }

    private byte* Completion(uint at) => _completions + (at & _completionMask) * IoUring.CompletionBytes;

    private byte* At(ushort buffer) => _memory + buffer * BufferBytes;

    /// <summary>A submission, empty, to be filled before anything else is asked of the ring.</summary>
    private byte* Next()
    {
        // A full queue is taken whole unless the kernel has no memory: then it is asked again.
        while (_tail - Volatile.Read(ref *_submissionHead) == Entries)
            Submit();
        byte* entry = _submissions + (_tail & _submissionMask) * IoUring.SubmissionBytes;
        NativeMemory.Clear(entry, IoUring.SubmissionBytes);
        _tail++;
        return entry;
    }

    private int Enter(uint complete, uint flags, int milliseconds)
    {
        Volatile.Write(ref *_submissionTail, _tail);
        uint submit = _tail - Volatile.Read(ref *_submissionHead);
        int answer = Libc.RingEnter(_registered, submit, complete, flags, milliseconds);

        // A wait that is over, a signal, and a kernel that wants its completions taken first or has no memory now: what was not taken stays in the queue.
        // Anything else is as grave as an epoll_wait that fails.
        if (answer is < 0 and not (-Errno.ETIME or -Errno.EINTR or -Errno.EBUSY or -Errno.EAGAIN))
            throw new InvalidOperationException($"io_uring_enter failed with errno {-answer}");
        return answer;
    }
}
