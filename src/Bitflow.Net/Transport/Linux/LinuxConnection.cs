using System.Diagnostics;
using System.Net;
using System.Runtime.CompilerServices;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// A connection on a descriptor of its own, told by edges: the kernel reports a change once, and what it reported is remembered here until
/// a call finds it used up.
/// </summary>
/// <remarks>
/// After a read that came back short the next one is not tried: a new edge will come. Not so once the kernel has reported an end, a fault or
/// urgent data together with the bytes, since for these no further edge comes; nor on Unix sockets, where a read also stops at passed descriptors.
/// </remarks>
internal sealed class LinuxConnection : Connection, IEventSink
{
    private const uint ReceiveEvents = Libc.EpollIn | Libc.EpollPri | Libc.EpollRdHup | Libc.EpollEdge;
    private const uint AllEvents = ReceiveEvents | Libc.EpollOut;
    private const uint Endings = Libc.EpollRdHup | Libc.EpollHup | Libc.EpollErr;

    /// <summary>Reads that may succeed at once in one turn of the loop, so that one fast sender does not keep the others waiting.</summary>
    private const int ReadsPerTurn = 16;

    /// <summary>Bytes that fit a segment on any path in use: the smallest default is 536 (RFC 9293, section 3.7.1).</summary>
    private const int SurelyOneSegment = 512;

    private readonly LinuxLoop _loop;
    private readonly int _family;
    private readonly bool _inherited;
    private readonly EndPoint? _target;
    private AddressBytes _acceptedFrom;
    private int _acceptedFromBytes;
    private Endpoint? _local;
    private Endpoint? _remote;

    private int _descriptor;
    private ulong _number;
    private bool _registered;
    private bool _readable;
    private bool _untried;
    private bool _writable;
    private bool _delays;
    private bool _sentOnce;
    private bool _watchesWritable;
    private bool _shortReadsProveNothing;
    private bool _sawUrgent;
    private bool _dataReported;
    private bool _endingReported;
    private bool _peerEnded;
    private IoFault _fault;
    private int _turn;
    private int _turnReads;

    private LoopOperation? _receive;
    private LoopOperation? _send;
    private LoopOperation? _reset;
    private Memory<byte> _receiveInto;
    private ReadOnlyMemory<byte> _sendFrom;
    private bool _receiveIsWait;
    private bool _connecting;

    public LinuxConnection(LinuxLoop loop, int descriptor, int family, EndPoint? target = null, bool inherited = false)
        : base(loop)
    {
        _loop = loop;
        _descriptor = descriptor;
        _family = family;
        _target = target;
        _delays = target is IPEndPoint;
        _inherited = inherited;
        _shortReadsProveNothing = family == Libc.FamilyUnix;
    }

    /// <summary>An accepted connection; its address is kept as the kernel wrote it until someone asks.</summary>
    public LinuxConnection(LinuxLoop loop, int descriptor, int family, ReadOnlySpan<byte> from, Endpoint? local)
        : this(loop, descriptor, family)
    {
        _local = local;
        if (from.Length > AddressBytes.Length)
            return;
        _acceptedFromBytes = from.Length;
        from.CopyTo(_acceptedFrom);
        _untried = true;
    }

    public override int Descriptor => _descriptor;

    public override Endpoint Local => _local ??= ReadLocal();

    public override Endpoint Remote => _remote ??= ReadRemote();

    public override int UnsentBytes
    {
        get
        {
            Debug.Assert(_loop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
            return _descriptor >= 0 ? Libc.UnsentBytes(_descriptor) : 0;
        }
    }

    /// <summary>Whether it was closed here.</summary>
    internal bool IsClosed => _descriptor < 0;

    /// <summary>Who receives from this connection by callback; then nobody calls <see cref="ReceiveAsync"/>.</summary>
    internal IReadyHandler? Reader { get; set; }

    /// <summary>Who sends to this connection by callback; then nobody calls <see cref="SendAsync"/>.</summary>
    internal IReadyHandler? Writer { get; set; }

    /// <summary>A splice stops at urgent data without a word, and a Unix socket gains nothing by it.</summary>
    internal bool MaySplice => _family != Libc.FamilyUnix && !_sawUrgent;

    /// <summary>Begins to hear of a connected socket. Answers the negative errno where the kernel cannot, and the connection is closed then.</summary>
    public int Begin()
    {
        _writable = true;
        return Register(ReceiveEvents);
    }

    public ValueTask<IoFault> ConnectAsync()
    {
        if (!_loop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        int answer = Connect(address[..SocketAddresses.Write(_target!, address)]);
        if (answer is not (0 or Libc.InProgress))
        {
            Close();

            // On TCP, EAGAIN means that no local port is free.
            return new(answer == Libc.WouldBlock && _family != Libc.FamilyUnix ? IoFault.NoLocalAddress : IoFaults.OfErrno(-answer));
        }

        _watchesWritable = answer != 0;
        int registered = answer == 0 ? Begin() : Register(AllEvents);
        if (registered < 0)
            return new(IoFaults.OfErrno(-registered));
        if (answer == 0)
            return new(IoFault.None);
        _connecting = true;
        return Operation(ref _send).BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await _loop.SwitchAsync();
            return await ConnectAsync().ConfigureAwait(false);
        }
    }

    /// <summary>
    /// On loopback the handshake is over when connect returns, although it answers that it has begun: asked again, it tells, and an event and
    /// mostly a turn of the loop are saved.
    /// </summary>
    private int Connect(ReadOnlySpan<byte> address)
    {
        int answer = Libc.Connect(_descriptor, address);
        if (answer != Libc.InProgress || _target is not IPEndPoint { Address: var ip } || !IPAddress.IsLoopback(ip))
            return answer;
        answer = Libc.Connect(_descriptor, address);
        switch (answer)
        {
            case Libc.AlreadyInProgress:
                return Libc.InProgress;
            case Libc.ConnectionReset:
                // Accepted, and reset before we looked: what it sent first is there to be received, and then the reset.
                NoteFault(-answer);
                return 0;
            default:
                return answer;
        }
    }

    public override ValueTask<IoFault> WaitReadableAsync()
    {
        if (!_loop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        if (_readable && MayReadOn())
            return new(IoFault.None);
        _receiveIsWait = true;
        return Operation(ref _receive).BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await _loop.SwitchAsync();
            return await WaitReadableAsync().ConfigureAwait(false);
        }
    }

    public override void WakeReader()
    {
        if (!_loop.IsCurrent)
        {
            _loop.Post(WakeReader);
            return;
        }

        if (!_receiveIsWait || _receive is not { IsPending: true } receive)
            return;
        receive.Settle(IoResult.Ok(0));
        _loop.Defer(receive);
    }

    public override ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer)
    {
        if (!_loop.IsCurrent)
            return FromElsewhere(buffer);
        if (IsClosed)
            return new(IoResult.Failed(IoFault.Aborted));
        if ((_readable || _untried) && !buffer.IsEmpty && MayReadOn() && TryReceive(buffer.Span, out IoResult result))
            return new(result);
        if (_readable && buffer.IsEmpty)
            return new(IoResult.Ok(0));

        // An empty buffer asks for readiness alone, as on the platform's streams.
        _receiveIsWait = buffer.IsEmpty;
        _receiveInto = buffer;
        return Operation(ref _receive).BeginResult();

        async ValueTask<IoResult> FromElsewhere(Memory<byte> into)
        {
            await _loop.SwitchAsync();
            return await ReceiveAsync(into).ConfigureAwait(false);
        }
    }

    public override ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data)
    {
        if (!_loop.IsCurrent)
            return FromElsewhere(data);
        if (IsClosed)
            return new(IoResult.Failed(IoFault.Aborted));
        if (_writable && TrySend(data.Span, out IoResult result))
            return new(result);
        _sendFrom = data;
        ValueTask<IoResult> pending = Operation(ref _send).BeginResult();
        WatchWritable();
        return pending;

        async ValueTask<IoResult> FromElsewhere(ReadOnlyMemory<byte> from)
        {
            await _loop.SwitchAsync();
            return await SendAsync(from).ConfigureAwait(false);
        }
    }

    public override void HoldSegment(bool hold)
    {
        Debug.Assert(_loop.IsCurrent, "a descriptor may only be changed on the loop that closes it");

        if (IsClosed || _family == Libc.FamilyUnix)
            return;

        // Now, not between two sends: turning Nagle's algorithm off sends what is held (tcp(7), TCP_NODELAY).
        if (hold && _delays)
            TurnDelaysOff();

        // Refused where the connection was reset: the next send says so.
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpCork, hold ? 1 : 0);
    }

    public override ValueTask<IoFault> EndAsync()
    {
        if (!_loop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        int answer = Libc.Shutdown(_descriptor, Libc.ShutWrite);
        return new(answer == 0 ? IoFault.None : FaultOr(-answer));

        async ValueTask<IoFault> FromElsewhere()
        {
            await _loop.SwitchAsync();
            return await EndAsync().ConfigureAwait(false);
        }
    }

    public override Readiness Look()
    {
        Debug.Assert(_loop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        if (IsClosed)
            return Readiness.Reset;

        // Reported, not received, and nothing beside it: what the kernel would be asked for twice below.
        if (_dataReported && !_endingReported)
            return Readiness.Data;
        Span<byte> one = stackalloc byte[1];
        int answer = Libc.Receive(_descriptor, one, Libc.MsgPeek | Libc.MsgDontWait);
        if (answer > 0)
            return Readiness.Data;
        if (answer is < 0 and not Libc.WouldBlock)
            NoteFault(-answer);
        else
            TakeError();
        if (_fault != IoFault.None)
            return Readiness.Reset;
        return answer == 0 ? Readiness.Ended : Readiness.Quiet;
    }

    public override ValueTask<IoFault> WaitResetAsync()
    {
        if (!_loop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        return _fault != IoFault.None ? new(_fault) : Operation(ref _reset).BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await _loop.SwitchAsync();
            return await WaitResetAsync().ConfigureAwait(false);
        }
    }

    public override void SetUserTimeout(Duration timeout)
    {
        Debug.Assert(_loop.IsCurrent, "a descriptor may only be changed on the loop that closes it");
        if (timeout.IsPositive && !IsClosed && _family != Libc.FamilyUnix)
            LinuxLoop.SetUserTimeout(_descriptor, timeout);
    }

    public override void Abort()
    {
        if (!_loop.IsCurrent)
        {
            _loop.Post(Abort);
            return;
        }

        if (!IsClosed && _family != Libc.FamilyUnix)
        {
            // Refused where the peer has reset already: there is nothing left to say to it.
            _ = Libc.SetResetOnClose(_descriptor);
        }

        Close();
    }

    public override void Close()
    {
        if (!_loop.IsCurrent)
        {
            _loop.Post(Close);
            return;
        }

        if (IsClosed)
            return;
        int descriptor = _descriptor;
        _descriptor = -1;
        if (_registered)
            _loop.Unregister(descriptor, _number, _inherited);
        _ = Libc.Close(descriptor);
        Abandon(_receive);
        Abandon(_send);
        Abandon(_reset);
        _receiveInto = default;
        _sendFrom = default;
        Reader?.OnClosed(this);
        Writer?.OnClosed(this);
    }

    public void OnEvents(uint events)
    {
        if ((events & (Endings | Libc.EpollPri)) != 0)
        {
            if ((events & Libc.EpollErr) != 0)
                TakeError();
            else if ((events & (Libc.EpollRdHup | Libc.EpollHup)) == Libc.EpollRdHup)
                _peerEnded = true;
            _shortReadsProveNothing = true;
            _endingReported = true;
            _sawUrgent |= (events & Libc.EpollPri) != 0;
        }

        if ((events & (Libc.EpollIn | Libc.EpollPri | Endings)) != 0)
        {
            _readable = true;
            _dataReported |= (events & Libc.EpollIn) != 0;
        }

        if ((events & (Libc.EpollOut | Libc.EpollHup | Libc.EpollErr)) != 0)
            _writable = true;

        if (_connecting)
        {
            FinishConnect(events);
            return;
        }

        if (_readable)
        {
            if (Reader is { } reader)
                reader.OnReadable();
            else if (_receive is { IsPending: true } receive)
                FinishReceive(receive);
        }

        if (!_writable || IsClosed)
            return;
        if (Writer is { } writer)
        {
            writer.OnWritable();
        }
        else if (_send is { IsPending: true } send && TrySend(_sendFrom.Span, out IoResult sent))
        {
            _sendFrom = default;
            send.Complete(sent);
        }
    }

    private static LoopOperation Operation(ref LoopOperation? operation) => operation ??= new LoopOperation();

    private void FinishConnect(uint events)
    {
        if ((events & (Libc.EpollOut | Libc.EpollErr | Libc.EpollHup)) == 0)
            return;
        _connecting = false;
        LoopOperation connect = _send!;

        // A connection that was accepted and reset before we looked: what it sent first is there to be received, and then the reset.
        if (_fault is IoFault.None or IoFault.Reset)
        {
            connect.Complete(IoResult.Ok(0));
            return;
        }

        connect.Settle(IoResult.Failed(_fault));
        Close();
        connect.CompleteDeferred();
    }

    private void FinishReceive(LoopOperation receive)
    {
        if (_receiveIsWait)
        {
            receive.Complete(IoResult.Ok(0));
        }
        else if (TryReceive(_receiveInto.Span, out IoResult result))
        {
            _receiveInto = default;
            receive.Complete(result);
        }
    }

    /// <summary>
    /// Whether a receive may find something, and this connection may go on receiving in this turn. A client's first bytes often come with its
    /// connection, and are received before epoll has told of them.
    /// </summary>
    internal bool MayReceiveNow() => (_readable || _untried) && !IsClosed && MayReadOn();

    /// <summary>Receives without waiting; false when there is nothing.</summary>
    internal bool TryReceive(Span<byte> buffer, out IoResult result)
    {
        int answer = Libc.Receive(_descriptor, buffer);
        if (answer > 0 && answer < buffer.Length && !_shortReadsProveNothing)
            _readable = false;
        return Received(answer, out result);
    }

    /// <summary>Moves what has come into an empty pipe; false when there is nothing.</summary>
    internal bool TrySplice(SplicePipe pipe, out IoResult result)
    {
        // A pipe may be full of small pieces long before its bytes: a short answer proves nothing.
        return Received(pipe.Fill(_descriptor), out result);
    }

    /// <summary>Sends without waiting, and hears of it when there is room again; false when there is none now.</summary>
    internal bool TrySendNow(ReadOnlySpan<byte> data, out IoResult result)
    {
        if (_writable && TrySend(data, out result))
            return true;
        WatchWritable();
        result = default;
        return false;
    }

    /// <summary>Sends what is in a pipe, as <see cref="TrySendNow(ReadOnlySpan{byte}, out IoResult)"/>.</summary>
    internal bool TrySendNow(SplicePipe pipe, out IoResult result)
    {
        if (_delays)
            BeforeSend(pipe.Filled);
        if (_writable && Sent(pipe.Drain(_descriptor), out result))
            return true;
        WatchWritable();
        result = default;
        return false;
    }

    private bool Received(int answer, out IoResult result)
    {
        _dataReported = false;
        _untried = false;
        if (answer > 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        if (answer == 0)
        {
            // A failed send or a look has taken the kernel's error with it, and what follows looks like an end.
            result = _fault != IoFault.None && !_peerEnded ? IoResult.Failed(_fault) : IoResult.Ok(0);
            return true;
        }

        if (answer == Libc.WouldBlock)
        {
            _readable = false;
            result = default;
            return false;
        }

        NoteFault(-answer);
        result = IoResult.Failed(_fault);
        return true;
    }

    private bool TrySend(ReadOnlySpan<byte> data, out IoResult result)
    {
        if (_delays)
            BeforeSend(data.Length);
        int answer = Libc.Send(_descriptor, data);
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
        if (!_sentOnce && bytes <= SurelyOneSegment)
        {
            _sentOnce = true;
            return;
        }

        TurnDelaysOff();
    }

    private void TurnDelaysOff()
    {
        _delays = false;

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

        if (answer == Libc.WouldBlock)
        {
            _writable = false;
            result = default;
            return false;
        }

        // EPIPE says that the error was taken before; the first one is the truth.
        if (answer != Libc.BrokenPipe)
            NoteFault(-answer);
        result = IoResult.Failed(FaultOr(-answer));
        return true;
    }

    /// <summary>Whether this connection may go on reading in this turn; where it may not, the loop comes back to it in the next.</summary>
    private bool MayReadOn()
    {
        if (_turn != _loop.TurnNumber)
        {
            _turn = _loop.TurnNumber;
            _turnReads = 0;
        }

        if (_turnReads < ReadsPerTurn)
        {
            _turnReads++;
            return true;
        }

        _loop.ComeBackTo(this);
        return false;
    }

    /// <summary>
    /// From the first time that the kernel took less than it was given: most connections never need it, and without it an accepted one causes no
    /// event before its first bytes. Where there is room by now, the kernel says so at once.
    /// </summary>
    private void WatchWritable()
    {
        if (_watchesWritable)
            return;
        _watchesWritable = true;

        // Changing a registration that exists needs nothing that could run out.
        int answer = _loop.Change(_descriptor, AllEvents, _number);
        Debug.Assert(answer >= 0, "the descriptor is registered");
    }

    private int Register(uint events)
    {
        int answer = _loop.Register(_descriptor, this, events, out _number);
        _registered = answer >= 0;
        if (!_registered)
            Close();
        return answer;
    }

    private IoFault FaultOr(int errno) => _fault != IoFault.None ? _fault : IoFaults.OfErrno(errno);

    /// <summary>The kernel tells an error once, to whoever asks first; here it is kept for all the others.</summary>
    private void TakeError()
    {
        if (_fault == IoFault.None && Libc.GetOption(_descriptor, Libc.SolSocket, Libc.SoError, out int errno) >= 0 && errno != 0)
            NoteFault(errno);
    }

    private void NoteFault(int errno)
    {
        if (_fault != IoFault.None)
            return;
        _fault = IoFaults.OfErrno(errno);

        // EPIPE is how the kernel records a reset that came after the peer's orderly end.
        if (errno == -Libc.BrokenPipe)
            _peerEnded = true;
        if (_reset is { IsPending: true } reset)
        {
            reset.Settle(IoResult.Failed(_fault));
            _loop.Defer(reset);
        }
    }

    private void Abandon(LoopOperation? operation)
    {
        if (operation is not { IsPending: true })
            return;
        operation.Settle(IoResult.Failed(IoFault.Aborted));
        _loop.Defer(operation);
    }

    private Endpoint ReadLocal()
    {
        Debug.Assert(_loop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
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
        Debug.Assert(_loop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
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
