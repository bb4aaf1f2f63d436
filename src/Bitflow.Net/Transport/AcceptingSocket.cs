using System.Net;
using System.Net.Sockets;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport;

/// <summary>
/// The socket by which the platform accepts what comes to a listening one. For a client's address it has room for as many bytes as the listener's own
/// takes; a Unix client that is bound to a longer name makes it throw on its own thread, which ends the process. So the platform accepts from a Unix
/// listener by a second descriptor, of which it believes that it is bound to the longest name that there is.
/// </summary>
internal static class AcceptingSocket
{
    /// <summary>It does not block. To be disposed of behind the listening socket, which it may be itself.</summary>
    /// <exception cref="SocketException">No descriptor is left, or no name; it may be tried again.</exception>
    public static Socket Of(ListeningSocket listening)
    {
        Socket socket = listening.IsTcp || !OperatingSystem.IsLinux() ? listening.Socket : Another(listening);
        socket.Blocking = false;
        return socket;
    }

    private static Socket Another(ListeningSocket listening)
    {
        var name = new LongestName();
        var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            socket.Bind(name);
            name.IsBound = true;
            socket.Listen();
            return Libc.Duplicate(listening.Descriptor, (int)socket.Handle) >= 0 ? socket : throw new SocketException((int)SocketError.TooManyOpenSockets);
        }
        catch (SocketException)
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Binds to a name of the kernel's choice (unix(7), autobind), and has room for every other one from then on.</summary>
    private sealed class LongestName : EndPoint
    {
        /// <summary>More than sockaddr_un: of a path that fills that to its last byte the kernel says that it is one byte longer.</summary>
        private const int Bytes = 128;

        public bool IsBound { get; set; }

        public override AddressFamily AddressFamily => AddressFamily.Unix;

        public override SocketAddress Serialize() => new(AddressFamily.Unix, IsBound ? Bytes : sizeof(ushort));

        public override EndPoint Create(SocketAddress socketAddress) => new UnixDomainSocketEndPoint("/").Create(socketAddress);
    }
}
