using System.Net;
using System.Net.Sockets;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Tests.Fixtures;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Transport;

/// <summary>One connection of the engine under test and, at its other end, a plain socket of the platform.</summary>
internal sealed class Wire : IDisposable
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    public static readonly SocketSettings NoSettings = new(0);

    public Wire(Connection connection, Socket peer)
    {
        Connection = connection;
        Peer = peer;
    }

    public Connection Connection { get; }

    public Socket Peer { get; }

    /// <summary>The engine accepts.</summary>
    public static async Task<Wire> AcceptedAsync(Engine engine, Family family, int? peerReceiveBuffer = null)
    {
        ListeningSocket listening = Listen(family);
        var accepted = new AcceptedConnections();
        Acceptor acceptor = engine.Accept(listening, accepted);
        Socket peer = NewSocket(family);
        if (peerReceiveBuffer is { } bytes)
            peer.ReceiveBufferSize = bytes;
        await peer.ConnectAsync(EndPointOf(listening)).Patiently();
        Connection connection = await accepted.NextAsync();
        await acceptor.CloseAsync().WaitAsync(Patience);
        return new Wire(connection, peer);
    }

    /// <summary>The engine connects.</summary>
    public static async Task<Wire> ConnectedAsync(Engine engine, Family family, int? peerReceiveBuffer = null)
    {
        using Socket listener = NewSocket(family);
        if (peerReceiveBuffer is { } bytes)
            listener.ReceiveBufferSize = bytes;
        listener.Bind(family switch
        {
            Family.Tcp4 => new IPEndPoint(IPAddress.Loopback, 0),
            Family.Tcp6 => new IPEndPoint(IPAddress.IPv6Loopback, 0),
            _ => new UnixDomainSocketEndPoint("\0" + Guid.NewGuid().ToString("N")),
        });
        listener.Listen(8);
        Task<Socket> accepting = listener.AcceptAsync();
        EventLoop loop = engine.Loops[0];
        IoFault fault = await loop.ConnectAsync(listener.LocalEndPoint!, NoSettings, out Connection connection).AsTask().WaitAsync(Patience);
        Xunit.Assert.Equal(IoFault.None, fault);
        return new Wire(connection, await accepting.WaitAsync(Patience));
    }

    public static ListeningSocket Listen(Family family) => ListeningSocket.Open(family switch
    {
        Family.Tcp4 => Address.NewTcp(TcpFamily.V4, Host.NewLiteral(IPAddress.Loopback), 0),
        Family.Tcp6 => Address.NewTcp(TcpFamily.V6, Host.NewLiteral(IPAddress.IPv6Loopback), 0),
        _ => Address.NewUnixAbstract(Guid.NewGuid().ToString("N")),
    })[0];

    public static EndPoint EndPointOf(ListeningSocket listening) => listening.Socket.LocalEndPoint!;

    public static Socket NewSocket(Family family) => (family switch
    {
        Family.Tcp4 => new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true },
        Family.Tcp6 => new Socket(AddressFamily.InterNetworkV6, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true },
        _ => new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified),
    }).Patient();

    /// <summary>Runs on the connection's loop what may only be asked there.</summary>
    public async Task<T> OnLoop<T>(Func<Connection, T> ask)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        Connection.Loop.Post(() =>
        {
            try
            {
                answer.SetResult(ask(Connection));
            }
            catch (Exception e)
            {
                answer.SetException(e);
            }
        });
        return await answer.Task.WaitAsync(Patience);
    }

    public Task<IoFault> Readable() => Connection.WaitReadableAsync().AsTask().WaitAsync(Patience);

    public Task<IoResult> Receive(byte[] buffer) => Connection.ReceiveAsync(buffer).AsTask().WaitAsync(Patience);

    public Task<IoResult> Send(ReadOnlyMemory<byte> data) => Connection.SendAsync(data).AsTask().WaitAsync(Patience);

    public Task<IoFault> End() => Connection.EndAsync().AsTask().WaitAsync(Patience);

    public async Task SendAll(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            IoResult sent = await Send(data);
            Xunit.Assert.Equal(IoFault.None, sent.Fault);
            Xunit.Assert.InRange(sent.Bytes, 1, data.Length);
            data = data[sent.Bytes..];
        }
    }

    /// <summary>Receives until the end or a fault; answers the bytes and how it ended.</summary>
    public async Task<(byte[] Bytes, IoFault Ending)> ReceiveAll(int bufferBytes = 4096)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[bufferBytes];
        while (true)
        {
            IoResult got = await Receive(buffer);
            if (got.Fault != IoFault.None || got.IsEnd)
                return (all.ToArray(), got.Fault);
            all.Write(buffer, 0, got.Bytes);
        }
    }

    /// <summary>So many bytes, as the peer reads them.</summary>
    public async Task<byte[]> PeerReceive(int count)
    {
        byte[] bytes = new byte[count];
        for (int got = 0; got < count;)
        {
            int read = await Peer.ReceiveAsync(bytes.AsMemory(got)).AsTask().WaitAsync(Patience);
            got += read > 0 ? read : throw new EndOfStreamException($"the stream ended after {got} of {count} bytes");
        }

        return bytes;
    }

    /// <summary>What the peer reads to its end, and the error it ended with.</summary>
    public async Task<(byte[] Bytes, SocketError Ending)> PeerReceiveAll()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            try
            {
                int read = await Peer.ReceiveAsync(buffer).WaitAsync(Patience);
                if (read == 0)
                    return (all.ToArray(), SocketError.Success);
                all.Write(buffer, 0, read);
            }
            catch (SocketException e)
            {
                return (all.ToArray(), e.SocketErrorCode);
            }
        }
    }

    /// <summary>Closes the peer's end with a reset.</summary>
    public void PeerAborts()
    {
        Peer.LingerState = new LingerOption(true, 0);
        Peer.Dispose();
    }

    public void Dispose()
    {
        Connection.Abort();
        Peer.Dispose();
    }

    /// <summary>Bytes of which every place can be told from its neighbours.</summary>
    public static byte[] Pattern(int length, int seed = 0)
    {
        byte[] bytes = new byte[length];
        new Random(seed).NextBytes(bytes);
        return bytes;
    }

    /// <summary>Waits for something that must come true, within a bound.</summary>
    public static async Task Eventually(Func<Task<bool>> condition, string what)
    {
        using var patience = new CancellationTokenSource(Patience);
        while (!await condition())
        {
            Xunit.Assert.False(patience.IsCancellationRequested, what);
            await Task.Delay(2);
        }
    }
}

/// <summary>Which kind of socket carries a test.</summary>
public enum Family
{
    Tcp4,
    Tcp6,
    Unix,
}

/// <summary>An accept handler that hands over one connection after the other.</summary>
internal sealed class AcceptedConnections : IAcceptHandler
{
    private readonly Channel<Connection> _accepted = Channel.CreateUnbounded<Connection>();
    private int _count;

    public int Count => Volatile.Read(ref _count);

    public List<IoFault> Faults { get; } = [];

    public Action<Connection>? OnEach { get; init; }

    public void OnAccepted(Connection connection)
    {
        Interlocked.Increment(ref _count);
        OnEach?.Invoke(connection);
        _accepted.Writer.TryWrite(connection);
    }

    public void OnAcceptFault(IoFault fault)
    {
        lock (Faults)
            Faults.Add(fault);
    }

    public async Task<Connection> NextAsync() => await _accepted.Reader.ReadAsync().AsTask().WaitAsync(Wire.Patience);
}
