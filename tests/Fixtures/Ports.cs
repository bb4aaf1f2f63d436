using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// Ports for peers that cannot bind port 0 and say which they got. From below the kernel's ephemeral range, so that no outgoing
/// connection takes one meanwhile; each is given out once a run.
/// </summary>
internal static class Ports
{
    private const int First = 23_000;
    private const int Last = 23_999;

    private static int _next = First + Environment.ProcessId % 500;

    public static int Next()
    {
        for (int tries = 0; tries <= Last - First; tries++)
        {
            int port = First + (Interlocked.Increment(ref _next) - First) % (Last - First + 1);
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Any, port));
                return port;
            }
            catch (SocketException)
            {
                // Taken: the next one.
            }
        }

        throw new InvalidOperationException("no port is free");
    }

    /// <summary>Whether anybody listens there. Looked up, not tried: a connection for trial would be one that the peer talks about.</summary>
    public static bool Listens(int port)
    {
        string wanted = $":{port:X4}";
        return new[] { "/proc/net/tcp", "/proc/net/tcp6" }
            .SelectMany(File.ReadLines)
            .Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(columns => columns[1].EndsWith(wanted, StringComparison.Ordinal) && columns[3] == "0A");
    }
}
