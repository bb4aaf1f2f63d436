using System.Net;
using System.Net.Sockets;
using System.Threading.Tasks.Sources;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Transport.Managed;

/// <summary>A connection on the platform's own socket.</summary>
internal sealed class ManagedConnection : Connection
{
    /// <summary>
    /// The platform's asynchronous send completes only when everything was taken; in pieces of this size a slow reader that moves is never
    /// mistaken for one that does not (`write_timeout`).
    /// </summary>
    private const int PieceBytes = 16 * 1024;

    private readonly Socket _socket;
    private readonly bool _inherited;
    private readonly Lock _learning = new();
    private readonly SocketOperation _receive;
    private readonly SocketOperation _send;
    private ResetWatch? _resetWatch;
    private Endpoint? _local;
    private Endpoint? _remote;
    private volatile IoFault _fault;
    private volatile bool _failedBehindItsEnd;

    /// <summary>Receives in a row that had something at once.</summary>
    private int _receivesAtOnce;

    /// <summary>Whether our own end was sent: after the other side's, TCP is through then.</summary>
    private volatile bool _ended;
    private int _closed;

    /// <summary>After so many, others come first: what is received runs on the thread that waits for all sockets, and a fast sender would have it for itself.</summary>
    private const int MostReceivesAtOnce = 16;

    public ManagedConnection(EventLoop loop, Socket socket, bool inherited = false)
        : base(loop)
    {
        _socket = socket;
        _inherited = inherited && OperatingSystem.IsLinux();
        _socket.Blocking = false;
        _receive = new SocketOperation(this);
        _send = new SocketOperation(this);
    }

    public override int Descriptor => (int)_socket.Handle;

    public override Endpoint Local => _local ??= Read(static s => s.LocalEndPoint);

    public override Endpoint Remote => _remote ??= Read(static s => s.RemoteEndPoint);

    public override int UnsentBytes => OperatingSystem.IsLinux() && _closed == 0 ? Ask(Libc.UnsentBytes) : 0;

    /// <summary>The kernel tells of a fault once, and the first one is the truth: whoever asks after another was told must hear of it too.</summary>
    /// <returns>The fault that was given.</returns>
    public IoFault Remember(IoFault fault)
    {
        if (fault != IoFault.Aborted)
            Interlocked.CompareExchange(ref _fault, fault, IoFault.None);
        return fault;
    }

    public override IoFault Fault => IsClosed ? IoFault.Aborted : _fault;

    public bool IsClosed => Volatile.Read(ref _closed) != 0;

    public async ValueTask<IoFault> ConnectAsync(EndPoint remote)
    {
        // A peer that resets at once leaves nobody to ask where he was.
        _remote = Endpoints.FromPlatform(remote);
        _send.RemoteEndPoint = remote;
        _send.SetBuffer(Memory<byte>.Empty);
        _send.Prepare();
        IoFault fault;
        try
        {
            fault = _socket.ConnectAsync(_send) ? await _send.PendingFault.ConfigureAwait(false) : _send.Outcome.Fault;
        }
        catch (SocketException e)
        {
            fault = FaultOfConnect(e.SocketErrorCode);
        }
        catch (Exception e) when (IsRefusal(e, out IoFault refusal))
        {
            fault = refusal;
        }

        if (fault == IoFault.Reset && !IsClosed)
        {
            // It was accepted and reset before we looked: what it sent first is there to be received, and then the reset.
            Remember(IoFault.Reset);
            return IoFault.None;
        }

        if (fault != IoFault.None)
            Close();
        return fault;
    }

    public override ValueTask<IoFault> WaitReadableAsync()
    {
        _receive.SetBuffer(Memory<byte>.Empty);
        _receive.Prepare();
        try
        {
            return _socket.ReceiveAsync(_receive) ? _receive.PendingFault : new(_receive.Outcome.Fault);
        }
        catch (Exception e) when (IsRefusal(e, out IoFault fault))
        {
            return new(fault);
        }
    }

    public override ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer)
    {
        _receive.SetBuffer(buffer);
        _receive.Prepare();
        try
        {
            if (!_socket.ReceiveAsync(_receive))
            {
                IoResult received = Judge(_receive.Outcome);
                if (++_receivesAtOnce < MostReceivesAtOnce)
                    return new(received);
                _receivesAtOnce = 0;
                return AfterOthers(received);
            }
        }
        catch (Exception e) when (IsRefusal(e, out IoFault fault))
        {
            return new(IoResult.Failed(fault));
        }

        _receivesAtOnce = 0;
        return AwaitAndJudge(_receive.PendingResult);

        async ValueTask<IoResult> AfterOthers(IoResult received)
        {
            await Loop.NextTurnAsync().ConfigureAwait(false);
            return received;
        }

        async ValueTask<IoResult> AwaitAndJudge(ValueTask<IoResult> pending) => Judge(await pending.ConfigureAwait(false));
    }

    public override ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data)
    {
        try
        {
            int taken = _socket.Send(data.Span, SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
                return new(IoResult.Ok(taken));
            if (error != SocketError.WouldBlock)
                return new(IoResult.Failed(FaultOfSend(error)));
            _send.SetBuffer(System.Runtime.InteropServices.MemoryMarshal.AsMemory(data[..Math.Min(data.Length, PieceBytes)]));
            _send.Prepare();
            return _socket.SendAsync(_send) ? _send.PendingResult : new(_send.Outcome);
        }
        catch (Exception e) when (IsRefusal(e, out IoFault fault))
        {
            return new(IoResult.Failed(fault));
        }
    }

    public override ValueTask<IoFault> EndAsync()
    {
        try
        {
            _ended = true;
            _socket.Shutdown(SocketShutdown.Send);
            return new(IoFault.None);
        }
        catch (SocketException e)
        {
            return new(FaultOf(e.SocketErrorCode));
        }
        catch (ObjectDisposedException)
        {
            return new(IoFault.Aborted);
        }
    }

    public override Readiness Look()
    {
        Span<byte> one = stackalloc byte[1];
        try
        {
            int bytes = _socket.Receive(one, SocketFlags.Peek, out SocketError error);
            if (bytes > 0)
                return Readiness.Data;
            if (error is not (SocketError.Success or SocketError.WouldBlock))
                Remember(FaultOf(error));

            // Asking for the pending error takes it away; it is remembered, so that a later receive still sees it.
            if (TakePendingError() != IoFault.None)
                return Readiness.Failed;
            return error == SocketError.Success ? Readiness.Ended : Readiness.Quiet;
        }
        catch (ObjectDisposedException)
        {
            return Readiness.Failed;
        }
    }

    public override bool FailedBehindItsEnd => _failedBehindItsEnd;

    public override ValueTask<IoFault> WaitResetAsync()
    {
        _resetWatch ??= new ResetWatch(this);
        return _resetWatch.Begin();
    }

    public override void KeepQueueShort()
    {
        try
        {
            SocketSettings.KeepQueueShort(_socket);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // The connection is gone; whoever uses it next hears of it.
        }
    }

    public override FSharpValueOption<SendQueue> AskQueue() =>
        OperatingSystem.IsLinux() && _socket.AddressFamily != AddressFamily.Unix ? Ask(Libc.AskSendQueue) : FSharpValueOption<SendQueue>.None;

    public override void Abort()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        try
        {
            if (_inherited && _socket.AddressFamily == AddressFamily.Unix)
                SharedSocket.End((int)_socket.Handle);
            else if (_inherited)
                SharedSocket.Reset((int)_socket.Handle);
            else if (_socket.AddressFamily != AddressFamily.Unix)
                _socket.LingerState = new LingerOption(true, 0);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Reset by the peer already: there is nothing left to say to it.
        }

        Release();
    }

    public override void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        if (_inherited)
            SharedSocket.End((int)_socket.Handle);
        Release();
    }

    private void Release()
    {
        _socket.Dispose();
        _resetWatch?.End();
    }

    /// <summary>
    /// The kernel tells of a reset once. Where a send on another thread heard of it, a receive meets what looks like an end; but an end leaves the
    /// connection open for what is still to be sent.
    /// </summary>
    private IoResult Judge(IoResult result)
    {
        if (!result.IsEnd)
            return result;
        if (IsClosed)
            return IoResult.Failed(IoFault.Aborted);

        // In this order: an end of ours that another thread sends meanwhile closes the connection too, and is known to be ours by then.
        if (OperatingSystem.IsLinux() && _socket.AddressFamily != AddressFamily.Unix && Ask(static d => Libc.IsClosed(d) ? 1 : 0) == 1 && !_ended && _fault == IoFault.None)
            LearnWhetherItEnded();
        return _fault != IoFault.None && !_failedBehindItsEnd ? IoResult.Failed(_fault) : result;
    }

    /// <summary>With an error of its own still, the kernel tells a receive of an end only where there was one before it.</summary>
    private void LearnWhetherItEnded()
    {
        try
        {
            lock (_learning)
            {
                if (TakeOwnError() != IoFault.None)
                    _failedBehindItsEnd = true;
                else
                    Remember(IoFault.Reset);
            }
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            Remember(IoFault.Reset);
        }
    }

    /// <summary>
    /// What is no answer of the socket's. A socket that has to wait is given to epoll, and where the kernel refuses it for want of watches, or of memory, the
    /// platform says that the process has none.
    /// </summary>
    private bool IsRefusal(Exception e, out IoFault fault)
    {
        fault = e switch
        {
            ObjectDisposedException => IoFault.Aborted,
            OutOfMemoryException => Remember(IoFault.NoWatches),
            _ => IoFault.None,
        };
        return fault != IoFault.None;
    }

    /// <summary>Closing shuts the socket down first, so that a call at work on another thread may see anything: it is our doing all the same.</summary>
    public IoFault FaultOf(SocketError error) => IsClosed ? IoFault.Aborted : PlatformFaults.OfStream(error);

    /// <summary>What connecting came to. Asks for the source address where the answer depends on it.</summary>
    public IoFault FaultOfConnect(SocketError error)
    {
        if (IsClosed)
            return IoFault.Aborted;
        bool hasSource = error != SocketError.AddressNotAvailable || SourceAddress.IsThereFor(_send.RemoteEndPoint);
        return PlatformFaults.OfConnect(_socket.AddressFamily == AddressFamily.Unix, hasSource, error);
    }

    /// <summary>A broken pipe says that the fault was told before, to whoever asked first; where nobody has been told of one, that the reset came behind an end.</summary>
    public IoFault FaultOfSend(SocketError error)
    {
        if (error != SocketError.Shutdown)
            return Remember(FaultOf(error));
        lock (_learning)
        {
            if (Fault != IoFault.None)
                return Fault;
            _failedBehindItsEnd = !_ended;
            return Remember(FaultOf(error));
        }
    }

    /// <summary>What the kernel says of the descriptor; nothing where it is closed already.</summary>
    private T? Ask<T>(Func<int, T> question)
    {
        bool held = false;
        try
        {
            _socket.SafeHandle.DangerousAddRef(ref held);
            return question((int)_socket.SafeHandle.DangerousGetHandle());
        }
        catch (ObjectDisposedException)
        {
            return default;
        }
        finally
        {
            if (held)
                _socket.SafeHandle.DangerousRelease();
        }
    }

    public override void DiscardReceived()
    {
        byte[] nowhere = new byte[4096];
        try
        {
            int left = Farewell.LingerBytes;
            while (left > 0 && _socket.Available > 0)
                left -= _socket.Receive(nowhere);
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            // Closed or reset: there is nothing to be kept from.
        }
    }

    private IoFault TakePendingError()
    {
        if (_fault == IoFault.None)
            TakeOwnError();
        return _fault;
    }

    /// <summary>The error that the kernel has still, noted in the same breath: whoever finds none finds what another took before. None where it has none.</summary>
    private IoFault TakeOwnError()
    {
        lock (_learning)
        {
            if (_socket.GetSocketOption(SocketOptionLevel.Socket, SocketOptionName.Error) is not int error || error == 0)
                return IoFault.None;
            IoFault own = PlatformFaults.OfStream((SocketError)error);

            // EPIPE is how the kernel records a reset that came after the peer's orderly end.
            if (_fault == IoFault.None)
                _failedBehindItsEnd = (SocketError)error == SocketError.Shutdown;
            Remember(own);
            return own;
        }
    }

    private Endpoint Read(Func<Socket, EndPoint?> end)
    {
        try
        {
            return Endpoints.FromPlatform(end(_socket));
        }
        catch (Exception e) when (e is SocketException or ObjectDisposedException)
        {
            return Endpoint.Unknown;
        }
    }

    /// <summary>Looks for a reset from a timer: the platform's sockets tell of one only through a receive, and the relay may not be receiving.</summary>
    private sealed class ResetWatch(ManagedConnection owner) : LoopTimer, IValueTaskSource<IoFault>
    {
        private static readonly Duration Interval = Duration.OfMilliseconds(500);

        private ManualResetValueTaskSourceCore<IoFault> _core;
        private int _pending;

        public ValueTask<IoFault> Begin()
        {
            _core.Reset();
            Volatile.Write(ref _pending, 1);
            if (owner._closed != 0)
                Complete(IoFault.Aborted);
            else if (owner._fault != IoFault.None)
                Complete(owner._fault);
            else
                owner.Loop.Arm(this, owner.Loop.Now + Interval);
            return new(this, _core.Version);
        }

        public void End()
        {
            owner.Loop.Disarm(this);
            Complete(IoFault.Aborted);
        }

        public override void Fire(Instant now)
        {
            if (owner._closed != 0)
            {
                Complete(IoFault.Aborted);
                return;
            }

            IoFault fault;
            try
            {
                fault = owner.TakePendingError();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                Complete(IoFault.Aborted);
                return;
            }

            if (fault != IoFault.None)
                Complete(fault);
            else
                owner.Loop.Arm(this, now + Interval);
        }

        private void Complete(IoFault fault)
        {
            if (Interlocked.Exchange(ref _pending, 0) == 1)
                _core.SetResult(fault);
        }

        public IoFault GetResult(short token) => _core.GetResult(token);

        public ValueTaskSourceStatus GetStatus(short token) => _core.GetStatus(token);

        public void OnCompleted(Action<object?> continuation, object? state, short token, ValueTaskSourceOnCompletedFlags flags) =>
            _core.OnCompleted(continuation, state, token, flags);
    }
}
