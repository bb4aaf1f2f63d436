using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Dialing;

/// <summary>Connected sockets that were inherited as targets. Each serves one connection, ever, across reloads.</summary>
internal sealed class InheritedTargets
{
    private readonly HashSet<int> _used = [];
    private readonly Lock _gate = new();

    /// <summary>Null where the descriptor is a connected stream socket that was inherited; else what it is instead.</summary>
    public static InheritedFault? WhyUnusable(int descriptor)
    {
        if (InheritedSockets.WhyAbsent(descriptor) is { } why)
            return why;
        try
        {
            using var socket = new Socket(new SafeSocketHandle(descriptor, ownsHandle: false));
            if (socket.SocketType != SocketType.Stream)
                return InheritedFault.NoStream;
            if (socket.RemoteEndPoint is null)
                return InheritedFault.NotConnected;
            return Libc.Fcntl(descriptor, Libc.FSetFd, Libc.FdCloexec) == 0 ? null : InheritedFault.NotKept;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode == SocketError.NotConnected ? InheritedFault.NotConnected : InheritedFault.NewNoSocket(e.Message);
        }
    }

    /// <summary>True for the first connection that asks.</summary>
    public bool TryTake(int descriptor)
    {
        lock (_gate)
        {
            if (!_used.Add(descriptor))
                return false;
            InheritedSockets.UseUp(descriptor);
            return true;
        }
    }

    /// <summary>Whether a connection has had it.</summary>
    public bool IsUsed(int descriptor)
    {
        lock (_gate)
            return _used.Contains(descriptor);
    }
}
