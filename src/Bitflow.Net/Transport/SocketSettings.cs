using System.Net.Sockets;
using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>What is set on a socket before it is used. TCP_NODELAY is always set on TCP.</summary>
/// <param name="KeepAliveSeconds">Idle time and interval of TCP keep-alive; 0 is off.</param>
/// <param name="UserTimeout">TCP_USER_TIMEOUT; zero leaves the kernel's own.</param>
internal readonly record struct SocketSettings(int KeepAliveSeconds, Duration UserTimeout)
{
    public static void SetKeepAlive(Socket socket, int seconds)
    {
        socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, seconds);
        socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, seconds);
    }
}
