using System.Buffers.Binary;
using System.Buffers.Text;
using System.Runtime.InteropServices;

namespace Bitflow.Bench.Load;

/// <summary>
/// What the proxies connect to: one thread and one epoll for every connection of every proxy. It answers each question of
/// <see cref="Exchange"/>, reads a PROXY header if one comes first, and ends its side when the peer has ended.
/// </summary>
internal sealed unsafe class Target : IDisposable
{
    private const int BufferBytes = Pattern.MaximumBytes;
    private const int MaximumEvents = 256;

    /// <summary>How much the kernel may throw away in one call.</summary>
    private const int DiscardBytes = 4 << 20;

    private const ulong Listener = 1UL << 63;

    private readonly int epoll = Kernel.Checked(Kernel.EpollCreate(Kernel.CloseOnExec), "epoll_create1");
    private readonly byte* buffer = (byte*)NativeMemory.Alloc(BufferBytes);
    private readonly byte* answer = (byte*)NativeMemory.AllocZeroed(Exchange.AnswerBytes);
    private readonly List<(int Descriptor, byte Name)> listeners = [];
    private readonly Thread thread;
    private Guest[] guests = new Guest[1024];
    private volatile bool stopping;
    private int open;

    public Target()
    {
        for (int i = 0; i < Exchange.AnswerBytes; i++)
            answer[i] = (byte)(i * 7);
        thread = new Thread(Serve) { IsBackground = true, Name = "bench target" };
        thread.Start();
    }

    /// <summary>Connections that have not ended; 0 says that every proxied connection is gone.</summary>
    public int Open => Volatile.Read(ref open);

    /// <summary>Why connections ended that should not have; null as long as none did.</summary>
    public string? Fault { get; private set; }

    /// <summary>Listens on a port of 127.0.0.1 (0: any) under a name that its answers carry. Answers the port.</summary>
    public int Listen(byte name, int port = 0)
    {
        int descriptor = Kernel.Checked(
            Kernel.Socket(Kernel.AfInet, Kernel.SockStream | Kernel.NonBlocking | Kernel.CloseOnExec, 0), "socket");
        int on = 1;
        Kernel.Checked(Kernel.SetOption(descriptor, Kernel.SolSocket, Kernel.SoReuseAddr, &on, sizeof(int)), "setsockopt");
        var address = Kernel.Address4.Loopback(port);
        Kernel.Checked(Kernel.Bind(descriptor, &address, sizeof(Kernel.Address4)), "bind");
        Kernel.Checked(Kernel.Listen(descriptor, 4096), "listen");
        int length = sizeof(Kernel.Address4);
        Kernel.Checked(Kernel.LocalAddress(descriptor, &address, &length), "getsockname");
        lock (listeners)
        {
            listeners.Add((descriptor, name));
            Kernel.Watch(epoll, descriptor, Listener | (uint)(listeners.Count - 1));
        }
        return address.HostPort;
    }

    public void Dispose()
    {
        stopping = true;
        thread.Join();
        foreach ((int descriptor, _) in listeners)
            _ = Kernel.Close(descriptor);
        _ = Kernel.Close(epoll);
        NativeMemory.Free(buffer);
        NativeMemory.Free(answer);
    }

    private void Serve()
    {
        Kernel.Event* events = stackalloc Kernel.Event[MaximumEvents];
        while (!stopping)
        {
            int ready = Kernel.Wait(epoll, events, MaximumEvents, 50_000_000);
            for (int i = 0; i < ready; i++)
            {
                ulong data = events[i].Data;
                if ((data & Listener) != 0)
                    AcceptAll((int)(data & ~Listener));
                else if (guests[data] is { } guest)
                    Advance(guest, (events[i].Events & Kernel.EpollEnded) != 0);
            }
        }
    }

    private void AcceptAll(int index)
    {
        (int descriptor, byte name) = default((int, byte));
        lock (listeners)
            (descriptor, name) = listeners[index];
        while (true)
        {
            int accepted = Kernel.Accept(descriptor, null, null, Kernel.NonBlocking | Kernel.CloseOnExec);
            if (accepted < 0)
            {
                if (Marshal.GetLastPInvokeError() != Kernel.Again)
                    Fault ??= $"the target could not accept: errno {Marshal.GetLastPInvokeError()}";
                return;
            }
            Kernel.NoDelay(accepted);
            if (accepted >= guests.Length)
                Array.Resize(ref guests, Math.Max(accepted + 1, guests.Length * 2));
            guests[accepted] = new Guest { Stream = new Stream { Descriptor = accepted }, Target = name };
            Interlocked.Increment(ref open);
            Kernel.Watch(epoll, accepted, (ulong)accepted);
        }
    }

    private void Leave(Guest guest)
    {
        guests[guest.Stream.Descriptor] = null!;
        guest.Stream.Close();
        Interlocked.Decrement(ref open);
    }

    /// <summary>
    /// Goes as far as the guest's socket allows. A short read has emptied its queue and the next bytes make an edge of their own, so it
    /// is not read again, unless the edge told of the end as well.
    /// </summary>
    private void Advance(Guest guest, bool ended)
    {
        bool more = true;
        while (true)
        {
            if (guest.ToSend > 0 && !SendAnswer(guest))
                return;
            if (!more)
                return;
            int room;
            int count;
            if (guest.Upload > 0)
            {
                room = (int)Math.Min(guest.Upload, guest.Compare ? BufferBytes : DiscardBytes);
                count = guest.Compare ? guest.Stream.Receive(buffer, room) : guest.Stream.Discard(buffer, room);
            }
            else
            {
                room = Guest.MaximumKept - guest.Kept;
                count = guest.Stream.Receive(buffer + guest.Kept, room);
            }
            if (count == Stream.Later)
                return;
            if (count <= 0)
            {
                Leave(guest);
                return;
            }
            if (guest.Upload > 0)
                Take(guest, new ReadOnlySpan<byte>(buffer, guest.Compare ? count : 0), count);
            else if (!Hear(guest, count))
                return;
            more = ended || count == room;
        }
    }

    /// <summary>Counts uploaded bytes, compares those it was given, and answers after the last.</summary>
    private static void Take(Guest guest, ReadOnlySpan<byte> bytes, int count)
    {
        fixed (byte* start = bytes)
            guest.Intact &= !guest.Compare || Pattern.Holds(start, count, guest.Moved);
        guest.Moved += count;
        guest.Upload -= count;
        if (guest.Upload == 0)
            Say(guest, guest.Intact ? Answer.Good : Answer.Mangled, (ulong)guest.Moved, Exchange.FrameBytes);
    }

    /// <summary>Understands what arrived; false when the guest was shown out.</summary>
    private bool Hear(Guest guest, int count)
    {
        int length = guest.Kept + count;
        byte* at = buffer;
        if (guest.Kept > 0)
            guest.Pending.AsSpan(0, guest.Kept).CopyTo(new Span<byte>(buffer, guest.Kept));
        guest.Kept = 0;
        while (length > 0)
        {
            int used = HearOne(guest, new ReadOnlySpan<byte>(at, length));
            if (used < 0)
            {
                Fault ??= $"the target received what nobody sent: {Convert.ToHexString(new ReadOnlySpan<byte>(at, Math.Min(length, 32)))}";
                Leave(guest);
                return false;
            }
            if (used == 0)
                break;
            at += used;
            length -= used;
        }
        if (length > 0)
        {
            guest.Pending ??= new byte[Guest.MaximumKept];
            new ReadOnlySpan<byte>(at, length).CopyTo(guest.Pending);
            guest.Kept = length;
        }
        return true;
    }

    /// <summary>One question or header: the bytes it took, 0 when more are needed, -1 when it is neither.</summary>
    private static int HearOne(Guest guest, ReadOnlySpan<byte> bytes)
    {
        if (guest.Upload > 0)
        {
            int taken = (int)Math.Min(bytes.Length, guest.Upload);
            Take(guest, bytes[..taken], taken);
            return taken;
        }
        if (bytes.Length < Exchange.FrameBytes)
            return 0;
        switch (bytes[0])
        {
            case Exchange.AskRequest:
                if (bytes.Length < Exchange.RequestBytes)
                    return 0;
                Say(guest, Answer.Good, BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]), Exchange.AnswerBytes);
                return Exchange.RequestBytes;
            case Exchange.TlsRecord:
                int record = 5 + BinaryPrimitives.ReadUInt16BigEndian(bytes[3..]);
                if (bytes.Length < record)
                    return 0;
                Say(guest, Answer.Good, Exchange.Digest(bytes[..record]), Exchange.AnswerBytes);
                return record;
            case Exchange.AskDownload:
                guest.Moved = 0;
                guest.ToSend = (long)BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
                guest.Opening = default;
                guest.SendsPattern = true;
                return Exchange.FrameBytes;
            case Exchange.AskUpload:
                guest.Moved = 0;
                guest.Upload = (long)BinaryPrimitives.ReadUInt64LittleEndian(bytes[8..]);
                guest.Compare = bytes[1] == 1;
                guest.Intact = true;
                return Exchange.FrameBytes;
            case (byte)'P':
                int end = bytes.IndexOf("\r\n"u8);
                return end < 0 ? 0 : HearHeader(guest, bytes[..end]) ? end + 2 : -1;
            case 0x0D:
                int header = 16 + BinaryPrimitives.ReadUInt16BigEndian(bytes[14..]);
                if (bytes.Length < header)
                    return 0;
                guest.Header = 2;
                guest.HeaderPort = header >= 28 ? BinaryPrimitives.ReadUInt16BigEndian(bytes[24..]) : (ushort)0;
                return header;
            default:
                return -1;
        }
    }

    /// <summary>A version 1 line: its fifth word is the client's port.</summary>
    private static bool HearHeader(Guest guest, ReadOnlySpan<byte> line)
    {
        guest.Header = 1;
        int word = 0;
        foreach (Range range in line.Split((byte)' '))
        {
            if (word++ == 4)
                return Utf8Parser.TryParse(line[range], out guest.HeaderPort, out _);
        }
        return false;
    }

    private static void Say(Guest guest, byte verdict, ulong number, int length)
    {
        guest.Opening = new Answer
        {
            Verdict = verdict,
            Target = guest.Target,
            Header = guest.Header,
            HeaderPort = guest.HeaderPort,
            Number = number,
        };
        guest.SendsPattern = false;
        guest.Moved = 0;
        guest.ToSend = length;
    }

    /// <summary>Sends what is owed; false when it must wait or the guest has gone.</summary>
    private bool SendAnswer(Guest guest)
    {
        while (guest.ToSend > 0)
        {
            byte* from;
            int length = (int)Math.Min(guest.ToSend, Pattern.MaximumBytes);
            if (guest.SendsPattern)
            {
                from = Pattern.At(guest.Moved);
            }
            else
            {
                *(Answer*)answer = guest.Opening;
                from = answer + guest.Moved;
            }
            int sent = guest.Stream.Send(from, length);
            if (sent == Stream.Later)
                return false;
            if (sent <= 0)
            {
                Leave(guest);
                return false;
            }
            guest.Moved += sent;
            guest.ToSend -= sent;
        }
        return true;
    }

    private sealed class Guest
    {
        /// <summary>The longest question, and the longest header before it.</summary>
        public const int MaximumKept = 16 * 1024;

        public Stream Stream;
        public byte Target;
        public byte Header;
        public ushort HeaderPort;
        public bool SendsPattern;
        public bool Compare;
        public bool Intact;
        public int Kept;
        public byte[] Pending = null!;
        public long Upload;
        public long ToSend;
        public long Moved;
        public Answer Opening;
    }
}
