using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// A connection on a descriptor of its own, told by edges: the kernel reports a change once, and what it reported is remembered (<see cref="Incoming"/>) until
/// a call finds it used up.
/// </summary>
/// <remarks>
/// After a read that came back short the next one is not tried: a new edge will come. Not so once the kernel has reported an end, a fault or
/// urgent data together with the bytes, since for these no further edge comes; nor on Unix sockets, where a read also stops at passed descriptors.
/// </remarks>
internal sealed class LinuxConnection : LoopConnection, IEventSink
{
    private const uint ReceiveEvents = Libc.EpollIn | Libc.EpollPri | Libc.EpollRdHup | Libc.EpollEdge;
    private const uint AllEvents = ReceiveEvents | Libc.EpollOut;

    /// <summary>
    /// While the ring receives: what epoll tells of unasked (EPOLLERR, EPOLLHUP). Not urgent data: whoever asks for it is woken by all data, and the ring
    /// goes on behind its mark by itself.
    /// </summary>
    private const uint EventsBesideRing = Libc.EpollEdge;
    private const uint Endings = Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr;

    /// <summary>Bytes that fit a segment on any path in use: the smallest default is 536 (RFC 9293, section 3.7.1).</summary>
    private const int SurelyOneSegment = 512;

    private readonly int _family;
    private readonly bool _inherited;
    private readonly int _keepAliveSeconds;
    private readonly EndPoint? _target;
    private AddressBytes _acceptedFrom;
    private int _acceptedFromBytes;
    private Endpoint? _local;
    private Endpoint? _remote;

    private int _descriptor;
    private ulong _number;
    private readonly long _begunBehind;
    private bool _isRegistered;
    private Incoming _incoming;
    private bool _writable;
    private bool _watchesWritable;
    private Nagle _nagle;
    private PeerFate _fate = PeerFateModule.Unknown;
    private LoopOperation? _reset;
    private bool _connecting;
    private bool _hasReceivedAll;

    /// <summary>Whether the socket is no longer as the kernel made it, Nagle's algorithm apart.</summary>
    private bool _isAltered;
    private IRingUser? _ringUser;

    /// <param name="keepAliveSeconds">Idle time and interval of TCP keep-alive; 0 is off.</param>
    public LinuxConnection(LinuxLoop loop, int descriptor, int family, EndPoint? target = null, int keepAliveSeconds = 0, bool inherited = false)
        : base(loop)
    {
        _descriptor = descriptor;
        _family = family;
        _target = target;
        _nagle = target is IPEndPoint ? Nagle.NothingSent : Nagle.Off;
        _keepAliveSeconds = family == Libc.FamilyUnix ? 0 : keepAliveSeconds;
        _inherited = inherited;
    }

    /// <summary>A connection that is dialled with a socket that another has left.</summary>
    public LinuxConnection(LinuxLoop loop, in SpareSocket socket, IPEndPoint target, int keepAliveSeconds)
        : this(loop, socket.Descriptor, socket.Family, target, keepAliveSeconds)
    {
        _number = socket.Number;
        _isRegistered = true;
        _begunBehind = loop.LooksAtEpoll;
        if (socket.HasNoDelay)
            _nagle = Nagle.Off;
    }

    /// <summary>An accepted connection; its address is kept as the kernel wrote it until someone asks.</summary>
    public LinuxConnection(LinuxLoop loop, int descriptor, int family, ReadOnlySpan<byte> from, Endpoint? local, int keepAliveSeconds)
        : this(loop, descriptor, family, keepAliveSeconds: keepAliveSeconds)
    {
        _local = local;
        if (from.Length > AddressBytes.Length)
            return;
        _acceptedFromBytes = from.Length;
        from.CopyTo(_acceptedFrom);
        _incoming = Incoming.Untried;
    }

    public override int Descriptor => _descriptor;

    public override Endpoint Local => _local ??= ReadLocal();

    public override Endpoint Remote => _remote ??= ReadRemote();

    public override int UnsentBytes
    {
        get
        {
            Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
            return _descriptor >= 0 ? Libc.UnsentBytes(_descriptor) : 0;
        }
    }

    internal override bool IsClosed => _descriptor < 0;

    /// <summary>
    /// Whether what epoll reported last was reported before the socket was connected again, and says nothing of this connection. What came since is reported next.
    /// </summary>
    internal bool HasBegunBehindEvents => _begunBehind == OwnLoop.LooksAtEpoll;

    /// <summary>When it began to wait for keep-alive (<see cref="LateKeepAlive"/>), which may be when another with its number did.</summary>
    internal Instant YoungSince { get; set; }

    /// <summary>A splice stops at urgent data without a word, and a Unix socket gains nothing by it.</summary>
    internal override bool MaySplice => _family != Libc.FamilyUnix && !_incoming.HasUrgent;

    /// <summary>The kernel tells of an end once all bytes before it are there. On a Unix socket a read stops at passed descriptors as well.</summary>
    internal override bool HasOnlyItsEndLeft => _fate.HasOnlyEnded && !_incoming.HasUrgent && _family != Libc.FamilyUnix;

    /// <summary>A Unix socket's reads stop at passed descriptors, and urgent data is not for the ring, nor anything after an end or a fault was reported.</summary>
    internal bool MayReceiveByRing => MaySplice && _incoming.IsDataAlone && !IsClosed;

    internal bool MaySendByRing => _family != Libc.FamilyUnix && _fate.Fault == IoFault.None && !IsClosed;

    /// <summary>From here on what comes is received by the ring, until that is over.</summary>
    internal void BeginReceivingByRing(IoRing ring, IRingUser user)
    {
        _isAltered = true;
        _ringUser = user;
        _incoming.UseUp();
        ChangeInterest();
        ring.Receive(_descriptor, _number);
    }

    internal void BeginSendingByRing()
    {
        _isAltered = true;
        if (_nagle != Nagle.Off)
            TurnNagleOff();
    }

    internal void CancelReceiveByRing(IoRing ring) => ring.CancelReceive(_number);

    /// <summary>A send of the ring took nothing, for which there may be a fault.</summary>
    internal void NoteSendByRing(int answer)
    {
        if (answer != -Errno.EAGAIN && !IoFaults.IsOfRing(-answer))
            Learn(PeerFateModule.SendFailed(-answer, _fate));
    }

    /// <summary>What the ring received. When it is over, epoll tells of the rest: an end or a fault is there still, or kept here.</summary>
    internal void OnReceivedByRing(in RingCompletion received)
    {
        IRingUser user = _ringUser!;
        try
        {
            if (received.Result > 0)
                user.OnReceived(received.Buffer, received.Result);
        }
        finally
        {
            if (received.IsLast)
                EndReceivingByRing(user, received.Result);
        }
    }

    private void EndReceivingByRing(IRingUser user, int answer)
    {
        if (answer < 0 && answer != -Errno.EAGAIN && !IoFaults.IsOfRing(-answer))
            NoteFault(-answer);
        _ringUser = null;
        if (!IsClosed)
            ChangeInterest();
        user.OnReceiveOver();
    }

    /// <summary>Begins to hear of a connected socket. Answers the negative errno where the kernel cannot, and the connection has been reset then.</summary>
    public int Begin()
    {
        _writable = true;
        return Register(ReceiveEvents);
    }

    public ValueTask<IoFault> ConnectAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        int answer = Connect(address[..SocketAddresses.Write(_target!, address)]);
        if (answer is not (0 or -Errno.EINPROGRESS))
        {
            Close();
            return new(FaultOfConnect(-answer));
        }

        _watchesWritable = answer != 0;
        int registered = answer == 0 ? Begin() : Register(AllEvents);
        if (registered < 0)
            return new(IoFaults.OfEpoll(-registered));
        if (answer == 0)
            return new(IoFault.None);
        _connecting = true;
        return Sending.BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await ConnectAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// On loopback the handshake is over when connect returns, although it answers that it has begun: the socket has its peer then, and an event
    /// and mostly a turn of the loop are saved. Connect is not asked again: where the target has reset meanwhile, it would throw away what came first.
    /// </summary>
    private int Connect(ReadOnlySpan<byte> address)
    {
        int answer = Libc.Connect(_descriptor, address);
        if (answer != -Errno.EINPROGRESS || _target is not IPEndPoint { Address: var ip } || !IPAddress.IsLoopback(ip))
            return answer;
        Span<byte> peer = stackalloc byte[SocketAddresses.MaxBytes];
        return Libc.RemoteAddress(_descriptor, peer) < 0 ? answer : 0;
    }

    public override ValueTask<IoFault> EndAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        if (_family != Libc.FamilyUnix)
            _fate = PeerFateModule.EndedHere(_fate);
        int answer = Libc.Shutdown(_descriptor, Libc.ShutWrite);
        return new(answer == 0 ? IoFault.None : _fate.FaultOr(-answer));

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await EndAsync().ConfigureAwait(false);
        }
    }

    public override Readiness Look()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        if (IsClosed)
            return Readiness.Failed;

        // Reported, not received, and nothing beside it: what the kernel would be asked for twice below.
        if (_incoming.IsCertainlyData)
            return Readiness.Data;
        Span<byte> one = stackalloc byte[1];
        int answer = Libc.Receive(_descriptor, one, Libc.MsgPeek | Libc.MsgDontWait);
        if (answer > 0)
            return Readiness.Data;
        if (answer is < 0 and not -Errno.EAGAIN)
            NoteFault(-answer);
        else
            TakeError();
        if (answer == 0)
            _fate = PeerFateModule.AtEnd(_fate);
        if (_fate.Fault != IoFault.None)
            return Readiness.Failed;
        return answer == 0 ? Readiness.Ended : Readiness.Quiet;
    }

    public override IoFault Fault => IsClosed ? IoFault.Aborted : _fate.Fault;

    public override bool FailedBehindItsEnd => _fate.FailedBehindItsEnd;

    public override ValueTask<IoFault> WaitResetAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        return _fate.Fault != IoFault.None ? new(_fate.Fault) : (_reset ??= new LoopOperation()).BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await WaitResetAsync().ConfigureAwait(false);
        }
    }

    /// <summary>A fault means that it was reset already: its next use says so.</summary>
    public override void KeepQueueShort()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be changed on the loop that closes it");
        if (IsClosed || _family == Libc.FamilyUnix)
            return;
        _isAltered = true;
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpNotSentLowAt, SocketSettings.UnsentBytesOfShortQueue);
    }

    public override FSharpValueOption<SendQueue> AskQueue()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        return IsClosed || _family == Libc.FamilyUnix ? FSharpValueOption<SendQueue>.None : Libc.AskSendQueue(_descriptor);
    }

    /// <summary>Refused where the connection was reset: its next use says so.</summary>
    internal void TurnKeepAliveOn()
    {
        _isAltered = true;
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpKeepIdle, _keepAliveSeconds);
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpKeepInterval, _keepAliveSeconds);
        _ = Libc.SetOption(_descriptor, Libc.SolSocket, Libc.SoKeepAlive, 1);
    }

    public override void Abort()
    {
        if (!OwnLoop.IsCurrent)
        {
            OwnLoop.Post(Abort);
            return;
        }

        bool isReset = !IsClosed && _family != Libc.FamilyUnix;
        if (isReset)
        {
            // Refused where the peer has reset already: there is nothing left to say to it.
            if (_inherited)
                SharedSocket.Reset(_descriptor);
            else
                _ = Libc.SetResetOnClose(_descriptor);
        }

        Close(isReset);
    }

    public override void Close()
    {
        if (!OwnLoop.IsCurrent)
        {
            OwnLoop.Post(Close);
            return;
        }

        Close(isReset: false);
    }

    /// <summary>
    /// Whether another may be connected with the socket: this connection was dialled, to this machine; the target has ended in order, and all it said was received;
    /// and nothing was set on the socket, or asked of the ring, that the next would inherit.
    /// </summary>
    private bool LeavesSpareSocket =>
        _hasReceivedAll && !_isAltered && !_watchesWritable && _fate.Fault == IoFault.None && _target is IPEndPoint target && SpareSockets.MayServe(target);

    private void Close(bool isReset)
    {
        if (IsClosed)
            return;
        int descriptor = _descriptor;
        _descriptor = -1;
        OwnLoop.SubmitToRing();
        if (isReset || !LeavesSpareSocket || !OwnLoop.Spares.TryKeep(new(descriptor, _number, _family, HasNoDelay: _nagle == Nagle.Off), _fate.IsEndedHere))
        {
            if (_isRegistered)
                OwnLoop.Unregister(descriptor, _number, _inherited);
            if (_inherited && !isReset)
                SharedSocket.End(descriptor);
            _ = Libc.Close(descriptor);
        }

        Abandon(_reset);
        AnnounceClosed();
    }

    public void OnEvents(uint events)
    {
        if ((events & (Endings | Libc.EpollPri)) != 0)
        {
            if ((events & Libc.EpollErr) != 0)
                LearnFault();
            else if ((events & (Libc.EpollRdHup | Libc.EpollHup)) == Libc.EpollRdHup)
                _fate = PeerFateModule.HasEnded(_fate);
            if ((events & Libc.EpollPri) != 0)
                _incoming.ReportUrgent();
            else
                _incoming.ReportEnding();
        }

        if ((events & Libc.EpollIn) != 0)
            _incoming.ReportData();

        if ((events & (Libc.EpollOut | Libc.EpollHup | Libc.EpollErr)) != 0)
            _writable = true;

        if (_connecting)
        {
            FinishConnect(events);
            return;
        }

        if (_incoming.IsReported)
            AnnounceReadable();
        if (_writable && !IsClosed)
            AnnounceWritable();
    }

    private void FinishConnect(uint events)
    {
        if ((events & (Libc.EpollOut | Libc.EpollErr | Libc.EpollHup)) == 0)
            return;
        _connecting = false;
        LoopOperation connect = Sending;

        // A connection that was accepted and reset before we looked: what it sent first is there to be received, and then the reset.
        if (_fate.Fault is IoFault.None or IoFault.Reset)
        {
            connect.Complete(IoResult.Ok(0));
            return;
        }

        connect.Settle(IoResult.Failed(_fate.Fault));
        Close();
        connect.CompleteDeferred();
    }

    internal override bool MayHaveBytes => _incoming.IsWorthATry;

    protected override bool HasSomething() => _incoming.IsReported;

    internal override bool TryReceive(Span<byte> buffer, out IoResult result)
    {
        int answer = Libc.Receive(_descriptor, buffer);
        if (answer > 0 && answer < buffer.Length)
        {
            if (_incoming.IsDataAlone && _family != Libc.FamilyUnix)
                _incoming.UseUp();
            _hasReceivedAll |= HasOnlyItsEndLeft;
        }

        return Received(answer, out result);
    }

    public override void DiscardReceived()
    {
        Span<byte> nowhere = stackalloc byte[4096];
        int left = Farewell.LingerBytes;
        while (left > 0 && !IsClosed && MayHaveBytes && TryReceive(nowhere, out IoResult received) && received.Bytes > 0)
            left -= received.Bytes;
    }

    /// <summary>Moves what has come into an empty pipe; false when there is nothing.</summary>
    internal bool TrySplice(SplicePipe pipe, out IoResult result)
    {
        // A pipe may be full of small pieces long before its bytes: a short answer proves nothing.
        int answer = pipe.Fill(_descriptor);
        if (!IoFaults.IsOfSplice(-answer))
            return Received(answer, out result);
        OwnLoop.Pipes.NoteRefusal(-answer);
        result = IoResult.Failed(IoFaults.OfStream(-answer));
        return true;
    }

    internal override bool TrySendNow(ReadOnlySpan<byte> data, bool more, out IoResult result)
    {
        if (_writable && TrySend(data, more, out result))
            return true;
        WatchWritable();
        result = default;
        return false;
    }

    /// <summary>Sends what is in a pipe, as <see cref="LoopConnection.TrySendNow(ReadOnlySpan{byte}, out IoResult)"/>.</summary>
    /// <param name="isRefused">Whether that may not be spliced, which says nothing of the connection: what is in the pipe is to be sent otherwise.</param>
    internal bool TrySendNow(SplicePipe pipe, out IoResult result, out bool isRefused)
    {
        isRefused = false;
        if (_nagle != Nagle.Off)
            BeforeSend(pipe.Filled);
        if (_writable)
        {
            int answer = pipe.Drain(_descriptor);
            if (IoFaults.IsOfSplice(-answer))
            {
                isRefused = true;
                OwnLoop.Pipes.NoteRefusal(-answer);
                result = default;
                return false;
            }

            if (Sent(answer, out result))
                return true;
        }

        WatchWritable();
        result = default;
        return false;
    }

    private bool Received(int answer, out IoResult result)
    {
        _incoming.NoteReceive();
        if (answer > 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        if (answer == 0)
        {
            _hasReceivedAll = true;
            _fate = PeerFateModule.AtEnd(_fate);
            IoFault end = _fate.AtEndOfBytes;
            result = end == IoFault.None ? IoResult.Ok(0) : IoResult.Failed(end);
            return true;
        }

        if (answer == -Errno.EAGAIN)
        {
            _incoming.UseUp();
            result = default;
            return false;
        }

        NoteFault(-answer);
        result = IoResult.Failed(_fate.Fault);
        return true;
    }

    private bool TrySend(ReadOnlySpan<byte> data, bool more, out IoResult result)
    {
        if (_nagle != Nagle.Off)
            BeforeSend(data.Length);
        int answer = Libc.Send(_descriptor, data, more);
        if (answer >= 0 && answer < data.Length)
        {
            _writable = false;
            WatchWritable();
        }

        return Sent(answer, out result);
    }

    /// <summary>
    /// Nagle's algorithm (RFC 9293, section 3.7.4) holds back only what follows bytes that are under way: it is turned off when that may come to be,
    /// which spares a connection of one small request the call.
    /// </summary>
    private void BeforeSend(int bytes)
    {
        if (_nagle == Nagle.NothingSent && bytes <= SurelyOneSegment)
        {
            _nagle = Nagle.SentOnce;
            return;
        }

        TurnNagleOff();
    }

    /// <summary>
    /// Acknowledges what has come, if the kernel still waits for something to send it with. An even number (TCP_QUICKACK, tcp(7)): this once.
    /// </summary>
    internal void AcknowledgeNow()
    {
        if (_family != Libc.FamilyUnix && !IsClosed)
            _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpQuickAck, 2);
    }

    /// <summary>Sends what the kernel keeps because more was said to follow (MSG_MORE): to turn Nagle's algorithm off, even once more, pushes it out (tcp(7)).</summary>
    internal void SendHeld()
    {
        if (_family != Libc.FamilyUnix && !IsClosed)
            TurnNagleOff();
    }

    private void TurnNagleOff()
    {
        _nagle = Nagle.Off;

        // Refused where the connection was reset: the send says so.
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpNoDelay, 1);
    }

    private bool Sent(int answer, out IoResult result)
    {
        if (answer >= 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        if (answer == -Errno.EAGAIN)
        {
            _writable = false;
            result = default;
            return false;
        }

        Learn(PeerFateModule.SendFailed(-answer, _fate));
        result = IoResult.Failed(_fate.FaultOr(-answer));
        return true;
    }

    internal override void ComeBack() => OnEvents(0);

    /// <summary>
    /// From the first time that the kernel took less than it was given: most connections never need it, and without it an accepted one causes no
    /// event before its first bytes. Where there is room by now, the kernel says so at once.
    /// </summary>
    private void WatchWritable()
    {
        if (_watchesWritable)
            return;
        _watchesWritable = true;
        ChangeInterest();
    }

    /// <summary>What epoll is to tell from here on; what of it is so by now it tells at once.</summary>
    private void ChangeInterest()
    {
        uint events = (_ringUser is null ? ReceiveEvents : EventsBesideRing) | (_watchesWritable ? Libc.EpollOut : 0);

        // Changing a registration that exists needs nothing that could run out.
        int answer = OwnLoop.Change(_descriptor, events, _number);
        Debug.Assert(answer >= 0, "the descriptor is registered");
    }

    private int Register(uint events)
    {
        int answer = _isRegistered ? RegisterAgain(events) : OwnLoop.Register(_descriptor, this, events, out _number);
        _isRegistered = answer >= 0;
        if (!_isRegistered)
            Abort();
        else if (_keepAliveSeconds > 0)
            OwnLoop.KeepAliveLater(this, _number);
        return answer;
    }

    /// <summary>The socket's last connection was registered for <see cref="ReceiveEvents"/>.</summary>
    private int RegisterAgain(uint events)
    {
        int answer = events == ReceiveEvents ? 0 : OwnLoop.Change(_descriptor, events, _number);
        if (answer >= 0)
            OwnLoop.Occupy(_number, this);
        else
            OwnLoop.Unregister(_descriptor, _number, shared: false);
        return answer;
    }

    /// <summary>What connecting came to. Asks for the source address where the answer depends on it.</summary>
    private IoFault FaultOfConnect(int errno) =>
        IoFaults.OfConnect(_family == Libc.FamilyUnix, errno != Errno.EADDRNOTAVAIL || SourceAddress.IsThereFor(_target), errno);

    /// <summary>The kernel tells an error once, to whoever asks first; here it is kept for all the others.</summary>
    private void TakeError()
    {
        if (_fate.Fault == IoFault.None && Libc.GetOption(_descriptor, Libc.SolSocket, Libc.SoError, out int errno) >= 0 && errno != 0)
            NoteFault(errno);
    }

    /// <summary>
    /// That the peer reset behind its orderly end the kernel tells (EPIPE) as long as we have not ended ourselves; from then on it says that it was reset, and no more.
    /// A receive that has come to the end of the bytes still knows.
    /// </summary>
    private void LearnFault()
    {
        if (_fate.AsksReceiveFirst)
        {
            Span<byte> one = stackalloc byte[1];
            Learn(PeerFateModule.Peeked(Libc.Receive(_descriptor, one, Libc.MsgPeek | Libc.MsgDontWait), _fate));
        }

        TakeError();
    }

    private void NoteFault(int errno) =>
        Learn(PeerFateModule.Failed(errno, _connecting ? FaultOfConnect(errno) : IoFaults.OfStream(errno), _fate));

    /// <summary>Of the first fault those hear who wait for one.</summary>
    private void Learn(PeerFate fate)
    {
        bool isFirst = _fate.Fault == IoFault.None && fate.Fault != IoFault.None;
        _fate = fate;
        if (isFirst && _reset is { IsPending: true } reset)
        {
            reset.Settle(IoResult.Failed(fate.Fault));
            OwnLoop.Defer(reset);
        }
    }

    private Endpoint ReadLocal()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        int bytes = IsClosed ? 0 : Libc.LocalAddress(_descriptor, address);
        return SocketAddresses.Read(address[..Math.Max(bytes, 0)]);
    }

    private Endpoint ReadRemote()
    {
        if (_acceptedFromBytes > 0)
            return SocketAddresses.Read(((ReadOnlySpan<byte>)_acceptedFrom)[.._acceptedFromBytes]);
        if (_target is not null)
            return Endpoints.FromPlatform(_target);
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        int bytes = IsClosed ? 0 : Libc.RemoteAddress(_descriptor, address);
        return SocketAddresses.Read(address[..Math.Max(bytes, 0)]);
    }

    /// <summary>Nagle's algorithm, on as the kernel made the socket until something may be held back by it.</summary>
    private enum Nagle : byte
    {
        Off,
        NothingSent,
        SentOnce,
    }

    /// <summary>Room for sockaddr_in6; the longer names of Unix clients are asked for again when they are needed.</summary>
    [InlineArray(Length)]
    private struct AddressBytes
    {
        public const int Length = 28;

        private byte _first;
    }
}
