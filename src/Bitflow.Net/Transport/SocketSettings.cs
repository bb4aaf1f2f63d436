using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport;

/// <summary>
/// What is set on a socket before it is used. TCP_NODELAY is always set on TCP. Nothing of a write_timeout: it begins with the relay, and the kernel
/// would count it against connecting as well (TCP_USER_TIMEOUT in SYN-SENT).
/// </summary>
/// <param name="KeepAliveSeconds">Idle time and interval of TCP keep-alive; 0 is off.</param>
internal readonly record struct SocketSettings(int KeepAliveSeconds)
{
    /// <summary>
    /// TCP_NOTSENT_LOWAT of a side with a write_timeout. Without it the kernel takes new bytes only when a third of megabytes has gone out, and
    /// a slow reader that moves all the time would look like one that does not.
    /// </summary>
    public const int UnsentBytesUnderTimeout = 32 * 1024;

    public static void SetKeepAlive(Socket socket, int seconds)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, seconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, seconds);
    }

    /// <summary>For a side with a write_timeout; Linux alone knows these options.</summary>
    public static void SetUserTimeout(Socket socket, Duration timeout)
    {
        if (!timeout.IsPositive || !OperatingSystem.IsLinux() || socket.AddressFamily == AddressFamily.Unix)
            return;
        int milliseconds = (int)Math.Clamp(Math.Ceiling(timeout.TotalMilliseconds), 1, int.MaxValue);
        socket.SetRawSocketOption(Libc.IpProtoTcp, Libc.TcpUserTimeout, BitConverter.GetBytes(milliseconds));
        socket.SetRawSocketOption(Libc.IpProtoTcp, Libc.TcpNotSentLowAt, BitConverter.GetBytes(UnsentBytesUnderTimeout));
    }
}
