using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// A connection on a descriptor of its own, told by edges: the kernel reports a change once, and what it reported is remembered (<see cref="Incoming"/>) until
/// a call finds it used up.
/// </summary>
/// <remarks>
/// After a read that came back short the next one is not tried: a new edge will come. Not so once the kernel has reported an end, a fault or
/// urgent data together with the bytes, since for these no further edge comes; nor on Unix sockets, where a read also stops at passed descriptors.
/// </remarks>
internal sealed partial class LinuxConnection : LoopConnection, IEventSink
{
    private const uint ReceiveEvents = Libc.EpollIn | Libc.EpollPri | Libc.EpollRdHup | Libc.EpollEdge;
    private const uint AllEvents = ReceiveEvents | Libc.EpollOut;
    private const uint Endings = Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr;

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

    /// <summary>Whether the socket is no longer as the kernel made it, Nagle's algorithm apart.</summary>
    private bool _isAltered;

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
        _hasReceivedAll && !_isAltered && !_watchesWritable && _fate.Fault == IoFault.None && _target is IPEndPoint target && SparesModule.MayServe(target.Address);

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

    internal override void ComeBack() => OnEvents(0);

    /// <summary>What epoll is to tell from here on; what of it is so by now it tells at once.</summary>
    private void ChangeInterest()
    {
        uint events = (_ringUser is null ? ReceiveEvents : EventsBesideRing) | (_watchesWritable ? Libc.EpollOut : 0);

        // Changing a registration that exists needs nothing that could run out.
        int answer = OwnLoop.Change(_descriptor, events, _number);
        Debug.Assert(answer >= 0, "the descriptor is registered");
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

    /// <summary>Room for sockaddr_in6; the longer names of Unix clients are asked for again when they are needed.</summary>
    [InlineArray(Length)]
    private struct AddressBytes
    {
        public const int Length = 28;

        private byte _first;
    }
}
