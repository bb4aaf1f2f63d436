using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>An address whose SYNs go unanswered: a listener that nobody accepts from, its backlog full.</summary>
internal sealed class Blackhole : IDisposable
{
    private readonly Socket _listener = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
    private readonly List<Socket> _fillers = [];

    private const int MostFillers = 16;

    public Blackhole()
    {
        _listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        _listener.Listen(0);
        while (_fillers.Count < MostFillers)
        {
            var filler = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { Blocking = false };
            _fillers.Add(filler);
            try
            {
                filler.Connect(_listener.LocalEndPoint!);
            }
            catch (SocketException)
            {
                // In progress: whether it completes is seen below.
            }

            if (!filler.Poll(TimeSpan.FromMilliseconds(200), SelectMode.SelectWrite))
                return;
        }

        throw new InvalidOperationException($"{MostFillers} connections were taken, and none more than the backlog was to be");
    }

    public string Address => _listener.LocalEndPoint!.ToString()!;

    public void Dispose()
    {
        _listener.Dispose();
        _fillers.ForEach(f => f.Dispose());
    }
}
