using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport;

/// <summary>What is set on a socket before it is used. TCP_NODELAY is always set on TCP.</summary>
/// <param name="KeepAliveSeconds">Idle time and interval of TCP keep-alive; 0 is off.</param>
/// <param name="UserTimeout">TCP_USER_TIMEOUT; zero leaves the kernel's own.</param>
/// <param name="SpeaksFirst">
/// Whether bytes are sent as soon as it is connected. The acknowledgement that ends the handshake then goes with them and not before them: a
/// segment less (TCP_QUICKACK off; the kernel sends it after 200 ms at the latest).
/// </param>
internal readonly record struct SocketSettings(int KeepAliveSeconds, Duration UserTimeout, bool SpeaksFirst = false)
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

    /// <summary>For <see cref="SpeaksFirst"/>, before it is connected; Linux alone knows the option.</summary>
    public static void SetSpeaksFirst(Socket socket)
    {
        if (OperatingSystem.IsLinux() && socket.AddressFamily != AddressFamily.Unix)
            socket.SetRawSocketOption(Libc.IpProtoTcp, Libc.TcpQuickAck, BitConverter.GetBytes(0));
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
