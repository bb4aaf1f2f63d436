using System.Net;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>How it comes to be: it is connected, and begins to hear of what comes.</summary>
internal sealed partial class LinuxConnection
{
    private bool _isRegistered;
    private bool _connecting;

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
}
