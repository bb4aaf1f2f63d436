using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// Whom statsd is sent to. It reads on a thread of its own and without a pause, since what the kernel has no room for is lost, and remembers everything. Gauges come for ever: who waits for
/// something else must not wait for as long as something comes.
/// </summary>
internal sealed class StatsdReceiver : IDisposable
{
    private static readonly TimeSpan Look = TimeSpan.FromMilliseconds(100);

    private readonly Socket _socket;
    private readonly List<string> _datagrams = [];
    private readonly List<string> _lines = [];
    private readonly Thread _reading;
    private volatile bool _ends;

    /// <param name="at">Where; else at a port of its own.</param>
    /// <param name="isIdle">Whether it reads nothing before it is told to (<see cref="Read"/>).</param>
    public StatsdReceiver(EndPoint? at = null, bool isIdle = false)
    {
        at ??= new IPEndPoint(IPAddress.Loopback, 0);
        _socket = new Socket(at.AddressFamily, SocketType.Dgram, ProtocolType.Unspecified).Patient();
        _socket.Bind(at);
        _reading = new Thread(ReadAll) { IsBackground = true };
        if (!isIdle)
            Read();
    }

    /// <summary>Begins to read.</summary>
    public void Read() => _reading.Start();

    /// <summary>As a configuration writes it, where it is a port.</summary>
    public string Address => _socket.LocalEndPoint!.ToString()!;

    public IReadOnlyList<string> Datagrams
    {
        get
        {
            lock (_datagrams)
                return [.. _datagrams];
        }
    }

    /// <summary>In the order in which they came.</summary>
    public List<string> Lines
    {
        get
        {
            lock (_datagrams)
                return [.. _lines];
        }
    }

    /// <summary>Waits until what came is enough: asked whenever there is more, so that the reader has the processor.</summary>
    public Task HearsAsync(Func<List<string>, bool> isEnough, string what)
    {
        int seen = -1;
        return Eventually.IsTrueAsync(
            () =>
            {
                List<string> lines = Lines;
                bool isMore = lines.Count > seen;
                seen = lines.Count;
                return isMore && isEnough(lines);
            },
            () => $"statsd is sent {what}; it was sent:\n{string.Join('\n', Lines)}");
    }

    public Task HearsAsync(string line) => HearsAsync(lines => lines.Contains(line), line);

    public void Dispose()
    {
        _ends = true;
        if (_reading.ThreadState.HasFlag(ThreadState.Unstarted))
            Read();
        _reading.Join(Eventually.Patience);
        _socket.Dispose();
    }

    private void ReadAll()
    {
        byte[] datagram = new byte[64 * 1024];
        while (!_ends)
        {
            if (!_socket.Poll(Look, SelectMode.SelectRead))
                continue;
            string text = Encoding.ASCII.GetString(datagram, 0, _socket.Receive(datagram));
            lock (_datagrams)
            {
                _datagrams.Add(text);
                _lines.AddRange(text.Split('\n'));
            }
        }
    }
}
