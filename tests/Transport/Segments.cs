using System.Net.Sockets;
using Xunit;

namespace Bitflow.Tests.Transport;

/// <summary>What the kernel has counted of a TCP connection.</summary>
internal static class Segments
{
    /// <summary>tcpi_segs_in of TCP_INFO (linux/tcp.h): segments of every kind.</summary>
    public static int ReceivedBy(Socket socket)
    {
        Span<byte> info = stackalloc byte[144];
        Assert.Equal(info.Length, socket.GetRawSocketOption(6, 11, info));
        return BitConverter.ToInt32(info[140..]);
    }
}
