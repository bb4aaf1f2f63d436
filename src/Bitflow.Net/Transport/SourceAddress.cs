using System.Net;
using System.Net.Sockets;

namespace Bitflow.Net.Transport;

/// <summary>The address of this machine's from which another is spoken to.</summary>
internal static class SourceAddress
{
    /// <summary>
    /// Whether there is one, or none is needed. No packet is sent: connecting a datagram socket chooses the source, and takes no port of TCP's (connect(2)).
    /// </summary>
    public static bool IsThereFor(EndPoint? remote)
    {
        if (remote is not IPEndPoint)
            return true;
        try
        {
            using var probe = new Socket(remote.AddressFamily, SocketType.Dgram, ProtocolType.Udp);
            probe.Connect(remote);
            return true;
        }
        catch (SocketException e)
        {
            // Whatever else it lacks, a descriptor perhaps, says nothing of the source.
            return e.SocketErrorCode != SocketError.AddressNotAvailable;
        }
    }
}
