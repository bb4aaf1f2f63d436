using System.Net.Sockets;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport;

/// <summary>
/// What is set on a socket before it is used. TCP_NODELAY is set on TCP besides, by the Linux engine on a socket that is dialled once a second segment can follow a first. Nothing of a write_timeout, which begins with the relay.
/// </summary>
/// <param name="KeepAliveSeconds">Idle time and interval of TCP keep-alive; 0 is off.</param>
internal readonly record struct SocketSettings(int KeepAliveSeconds)
{
    /// <summary>TCP_NOTSENT_LOWAT, where it is set.</summary>
    public const int UnsentBytesOfShortQueue = 32 * 1024;

    /// <summary>What a peer sends as urgent is a byte of its stream like any other (RFC 6093 section 4), and would be taken out of it.</summary>
    public static void TakeUrgentInPlace(Socket socket) => socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.OutOfBandInline, true);

    public static void SetKeepAlive(Socket socket, int seconds)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, seconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, seconds);
    }

    /// <summary>Linux alone knows the option.</summary>
    public static void KeepQueueShort(Socket socket)
    {
        if (OperatingSystem.IsLinux() && socket.AddressFamily != AddressFamily.Unix)
            socket.SetRawSocketOption(Libc.IpProtoTcp, Libc.TcpNotSentLowAt, BitConverter.GetBytes(UnsentBytesOfShortQueue));
    }
}
