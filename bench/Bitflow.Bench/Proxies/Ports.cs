using System.Globalization;
using System.Net;
using System.Net.Sockets;

namespace Bitflow.Bench.Proxies;

/// <summary>
/// Ports for listeners, below those that the kernel gives to outgoing connections, so that no connection of the bench itself can take one
/// between its choice and its use. <c>BENCH_PORTS</c> moves the range.
/// </summary>
internal sealed class Ports
{
    private const int Span = 900;
    private readonly int first =
        int.Parse(Environment.GetEnvironmentVariable("BENCH_PORTS") ?? "26000", CultureInfo.InvariantCulture);
    private int next;

    public int Next()
    {
        for (int tries = 0; tries < Span; tries++)
        {
            int port = first + next++ % Span;
            using var probe = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
            try
            {
                probe.Bind(new IPEndPoint(IPAddress.Loopback, port));
                return port;
            }
            catch (SocketException)
            {
                // In use: the next one.
            }
        }
        throw new BenchException($"no free port between {first} and {first + Span}; set BENCH_PORTS");
    }
}
