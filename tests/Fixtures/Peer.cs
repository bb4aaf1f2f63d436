using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;

namespace Bitflow.Tests.Fixtures;

/// <summary>A target that a test plays itself: it listens, and hands each connection to the test.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Socket _listener;

    public Peer(EndPoint? at = null)
    {
        at ??= new IPEndPoint(IPAddress.Loopback, 0);
        _listener = new Socket(at.AddressFamily, SocketType.Stream, at is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        _listener.Bind(at);
        _listener.Listen(512);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>As a configuration writes it.</summary>
    public string Address => _listener.LocalEndPoint is IPEndPoint ip ? ip.ToString() : $"unix:{_listener.LocalEndPoint}";

    /// <summary>A target that sends back what comes, for as long as the test lasts.</summary>
    public static Peer Echo(EndPoint? at = null) => Serving(
        async socket =>
        {
            byte[] buffer = new byte[64 * 1024];
            int bytes;
            while ((bytes = await socket.ReceiveAsync(buffer)) > 0)
                await socket.SendAllAsync(buffer.AsMemory(0, bytes));
            socket.Shutdown(SocketShutdown.Send);
        },
        at);

    /// <summary>A target that does the same with every connection, for as long as the test lasts; a fault ends that connection alone.</summary>
    public static Peer Serving(Func<Socket, Task> serve, EndPoint? at = null)
    {
        var peer = new Peer(at);
        _ = AcceptAllAsync();
        return peer;

        async Task AcceptAllAsync()
        {
            while (true)
            {
                Socket socket;
                try
                {
                    socket = await peer._listener.AcceptAsync();
                }
                catch (Exception e) when (e is SocketException or ObjectDisposedException)
                {
                    return;
                }

                _ = ServeAsync(socket);
            }
        }

        async Task ServeAsync(Socket socket)
        {
            try
            {
                await serve(socket);
                socket.Dispose();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or EndOfStreamException)
            {
                socket.Dispose();
            }
        }
    }

    /// <summary>Whether somebody has connected whom nobody has accepted: the kernel completes a connection without us.</summary>
    public bool IsWanted => _listener.Poll(0, SelectMode.SelectRead);

    public async Task<Socket> AcceptAsync() => await _listener.AcceptAsync().WaitAsync(Eventually.Patience);

    public void Dispose() => _listener.Dispose();
}

/// <summary>Short words for what tests do with sockets, each bounded in time.</summary>
internal static class SocketWords
{
    public static async Task<Socket> ConnectAsync(EndPoint to)
    {
        var socket = new Socket(to.AddressFamily, SocketType.Stream, to is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        await socket.ConnectAsync(to).WaitAsync(Eventually.Patience);
        return socket;
    }

    public static async Task SendAllAsync(this Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
            data = data[await socket.SendAsync(data)..];
    }

    /// <summary>Everything until the end of the stream.</summary>
    public static async Task<byte[]> ReadToEndAsync(this Socket socket, TimeSpan? patience = null)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            int bytes = await socket.ReceiveAsync(buffer).WaitAsync(patience ?? Eventually.Patience);
            if (bytes == 0)
                return all.ToArray();
            all.Write(buffer, 0, bytes);
        }
    }

    /// <summary>Exactly this many bytes.</summary>
    public static async Task<byte[]> ReadExactlyAsync(this Socket socket, int count)
    {
        byte[] data = new byte[count];
        for (int got = 0; got < count;)
        {
            int bytes = await socket.ReceiveAsync(data.AsMemory(got)).AsTask().WaitAsync(Eventually.Patience);
            if (bytes == 0)
                throw new EndOfStreamException($"the stream ended after {got} of {count} bytes");
            got += bytes;
        }

        return data;
    }

    /// <summary>Reads on until the connection is reset; the bytes that came before. An orderly end is a failure.</summary>
    public static async Task<byte[]> ReadToResetAsync(this Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                int bytes = await socket.ReceiveAsync(buffer).WaitAsync(Eventually.Patience);
                if (bytes == 0)
                    throw new InvalidOperationException($"the stream ended in good order after {all.Length} bytes; a reset was to come");
                all.Write(buffer, 0, bytes);
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return all.ToArray();
        }
    }

    /// <summary>Connects and sees the connection reset without a byte, be it so soon that connecting itself says so.</summary>
    public static async Task IsResetAtOnceAsync(EndPoint to)
    {
        Socket socket;
        try
        {
            socket = await ConnectAsync(to);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return;
        }

        using (socket)
        {
            if ((await socket.ReadToResetAsync()).Length > 0)
                throw new InvalidOperationException("bytes came before the reset");
        }
    }

    /// <summary>Closes so that the other side sees a reset.</summary>
    public static void Reset(this Socket socket)
    {
        socket.LingerState = new LingerOption(true, 0);
        socket.Dispose();
    }

    /// <summary>Bytes that look like nothing, the same for the same seed.</summary>
    public static byte[] Noise(int bytes, int seed = 1)
    {
        byte[] data = new byte[bytes];
        new Random(seed).NextBytes(data);
        return data;
    }

    public static string Digest(ReadOnlySpan<byte> data) => Convert.ToHexString(SHA256.HashData(data));
}
