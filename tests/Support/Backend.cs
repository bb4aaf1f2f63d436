using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Bitflow.Tests.Support;

/// <summary>A target whose connections the test holds in its hand.</summary>
internal sealed class Backend : IDisposable
{
    private readonly Socket _listener;

    public Backend(IPAddress? address = null, int port = 0)
    {
        address ??= IPAddress.Loopback;
        _listener = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        _listener.Bind(new IPEndPoint(address, port));
        _listener.Listen(64);
    }

    public int Port => ((IPEndPoint)_listener.LocalEndPoint!).Port;

    /// <summary>As a configuration names it.</summary>
    public string Address => _listener.LocalEndPoint!.ToString()!;

    public Task<Socket> AcceptAsync() => _listener.AcceptAsync().Patiently();

    public void Dispose() => _listener.Dispose();
}

/// <summary>Words over sockets.</summary>
internal static class Talk
{
    public static async Task SayAsync(this Socket socket, byte[] bytes)
    {
        for (int sent = 0; sent < bytes.Length;)
            sent += await socket.SendAsync(bytes.AsMemory(sent)).Patiently();
    }

    public static Task SayAsync(this Socket socket, string text) => socket.SayAsync(Encoding.Latin1.GetBytes(text));

    /// <summary>Exactly so many bytes, or what came before the end.</summary>
    public static async Task<byte[]> HearAsync(this Socket socket, int length)
    {
        byte[] bytes = new byte[length];
        int have = 0;
        while (have < length)
        {
            int read = await socket.ReceiveAsync(bytes.AsMemory(have)).Patiently();
            if (read == 0)
                break;
            have += read;
        }

        return bytes[..have];
    }

    public static async Task<string> HearTextAsync(this Socket socket, int length) => Encoding.Latin1.GetString(await socket.HearAsync(length));

    /// <summary>What one receive brings.</summary>
    public static async Task<byte[]> HearOnceAsync(this Socket socket)
    {
        byte[] bytes = new byte[64 * 1024];
        int read = await socket.ReceiveAsync(bytes).Patiently();
        return bytes[..read];
    }

    /// <summary>Everything up to the end.</summary>
    public static async Task<string> HearAllAsync(this Socket socket)
    {
        var all = new StringBuilder();
        while (await socket.HearOnceAsync() is { Length: > 0 } bytes)
            all.Append(Encoding.Latin1.GetString(bytes));
        return all.ToString();
    }

    /// <summary>How the connection ends when nothing is said: Success for an end, else the error.</summary>
    public static async Task<SocketError> EndingAsync(this Socket socket)
    {
        try
        {
            while (await socket.HearOnceAsync() is { Length: > 0 })
            {
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
}
