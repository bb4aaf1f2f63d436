using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Text;

namespace Bitflow.Tests.Fixtures;

/// <summary>Short words for what tests do with sockets, each bounded in time.</summary>
internal static class SocketWords
{
    public static async Task<Socket> ConnectAsync(EndPoint to)
    {
        var socket = new Socket(to.AddressFamily, SocketType.Stream, to is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        await socket.ConnectAsync(to).WaitAsync(Eventually.Patience);
        return socket.Patient();
    }

    /// <summary>Has what blocks a thread give up in the end, too.</summary>
    public static Socket Patient(this Socket socket)
    {
        socket.ReceiveTimeout = socket.SendTimeout = (int)Eventually.Patience.TotalMilliseconds;
        return socket;
    }

    public static async Task SendAllAsync(this Socket socket, ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
            data = data[await socket.SendAsync(data).Patiently()..];
    }

    public static Task SendAllAsync(this Socket socket, byte[] data) => socket.SendAllAsync((ReadOnlyMemory<byte>)data);

    public static Task SendAllAsync(this Socket socket, string text) => socket.SendAllAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Sends until nothing more is taken anywhere on the way.</summary>
    /// <param name="from">Does not block afterwards.</param>
    /// <param name="plenty">What to send: more than there is room for.</param>
    /// <param name="patience">How long no byte may be taken for the way to count as full.</param>
    /// <returns>How much was sent, and when the last byte was taken.</returns>
    public static async Task<(int Sent, long Full)> FillAsync(this Socket from, byte[] plenty, TimeSpan patience)
    {
        int sent = 0;
        from.Blocking = false;
        long full = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(full) < patience)
        {
            int taken = from.Send(plenty.AsSpan(sent, Math.Min(64 * 1024, plenty.Length - sent)), SocketFlags.None, out SocketError error);
            if (error == SocketError.Success)
            {
                sent += taken > 0 ? taken : throw new InvalidOperationException($"all of {plenty.Length} bytes were taken");
                full = Stopwatch.GetTimestamp();
            }
            else
            {
                if (error != SocketError.WouldBlock)
                    throw new SocketException((int)error);
                await Task.Delay(10);
            }
        }

        return (sent, full);
    }

    /// <summary>What one receive brings; nothing at the end of the stream.</summary>
    public static async Task<byte[]> ReadOnceAsync(this Socket socket)
    {
        byte[] bytes = new byte[64 * 1024];
        int read = await socket.ReceiveAsync(bytes).Patiently();
        return bytes[..read];
    }

    /// <summary>So many bytes, or what came before the end.</summary>
    public static async Task<byte[]> ReadUpToAsync(this Socket socket, int count)
    {
        byte[] data = new byte[count];
        int have = 0;
        while (have < count && await socket.ReceiveAsync(data.AsMemory(have)).Patiently() is > 0 and int read)
            have += read;
        return data[..have];
    }

    /// <summary>So many characters, or what came before the end.</summary>
    public static async Task<string> ReadTextAsync(this Socket socket, int length) => Encoding.Latin1.GetString(await socket.ReadUpToAsync(length));

    /// <summary>Everything until the end of the stream, as text.</summary>
    public static async Task<string> ReadTextToEndAsync(this Socket socket) => Encoding.Latin1.GetString(await socket.ReadToEndAsync());

    /// <summary>How the connection ends, whatever comes before: Success for an end in good order, else the error.</summary>
    public static async Task<SocketError> EndingAsync(this Socket socket)
    {
        try
        {
            while (await socket.ReadOnceAsync() is { Length: > 0 })
            {
                // Only the end matters.
            }

            return SocketError.Success;
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }

    public static IPEndPoint Here(this Socket socket) => (IPEndPoint)socket.LocalEndPoint!;

    public static IPEndPoint There(this Socket socket) => (IPEndPoint)socket.RemoteEndPoint!;

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
