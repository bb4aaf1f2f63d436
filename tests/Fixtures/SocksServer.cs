using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// A SOCKS5 proxy that says what the test tells it to, whatever it is asked, and keeps what it was told. Each connection gets the next
/// behaviour; the last one repeats.
/// </summary>
internal sealed class SocksServer : IDisposable
{
    public static readonly byte[] NoAuthentication = [5, 0];
    public static readonly byte[] AskForPassword = [5, 2];
    public static readonly byte[] PasswordAccepted = [1, 0];
    public static readonly byte[] Succeeded = [5, 0, 0, 1, 0, 0, 0, 0, 0, 0];

    private readonly Peer _backend;
    private readonly Func<Socket, Task>[] _behaviours;
    private int _served;

    public SocksServer(params Func<Socket, Task>[] behaviours)
        : this(null, behaviours)
    {
    }

    public SocksServer(IPAddress? address, params Func<Socket, Task>[] behaviours)
    {
        _backend = address is null ? new Peer() : new Peer(address);
        _behaviours = behaviours;
        _ = ServeAsync();
    }

    public string Address => _backend.Address;

    /// <summary>Connections taken so far.</summary>
    public int Served => Volatile.Read(ref _served);

    /// <summary>Greets, lets the client in, says yes, and goes on with the test's own words as the target.</summary>
    public static Func<Socket, Task> Willing(Action<byte[]> onRequest, Func<Socket, Task> target) => async socket =>
    {
        await socket.ReadUpToAsync(3);
        await socket.SendAllAsync(NoAuthentication);
        onRequest(await RequestAsync(socket));
        await socket.SendAllAsync(Succeeded);
        await target(socket);
    };

    /// <summary>Greets, lets the client in, hears its request, and never answers it.</summary>
    public static Func<Socket, Task> Silent(Action<byte[]> onRequest) => async socket =>
    {
        await socket.ReadUpToAsync(3);
        await socket.SendAllAsync(NoAuthentication);
        onRequest(await RequestAsync(socket));
        await socket.EndingAsync();
    };

    /// <summary>Waits for something to be said, answers with these bytes, and keeps the connection open.</summary>
    public static Func<Socket, Task> Answering(params byte[][] answers) => async socket =>
    {
        foreach (byte[] answer in answers)
        {
            if ((await socket.ReadOnceAsync()).Length == 0)
                return;
            await socket.SendAllAsync(answer);
        }

        await socket.EndingAsync();
    };

    /// <summary>The same, and ends the connection after the last answer.</summary>
    public static Func<Socket, Task> AnsweringThenGone(params byte[][] answers) => async socket =>
    {
        foreach (byte[] answer in answers)
        {
            await socket.ReadOnceAsync();
            await socket.SendAllAsync(answer);
        }
    };

    /// <summary>A whole request: its length depends on its address type.</summary>
    public static async Task<byte[]> RequestAsync(Socket socket)
    {
        byte[] head = await socket.ReadUpToAsync(5);
        int rest = head[3] switch
        {
            1 => 3 + 2,
            4 => 15 + 2,
            _ => head[4] + 2,
        };
        return [.. head, .. await socket.ReadUpToAsync(rest)];
    }

    public void Dispose() => _backend.Dispose();

    private async Task ServeAsync()
    {
        while (true)
        {
            Socket socket;
            try
            {
                socket = await _backend.AcceptAsync();
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException or TimeoutException)
            {
                return;
            }

            int number = Interlocked.Increment(ref _served) - 1;
            _ = BehaveAsync(socket, _behaviours[Math.Min(number, _behaviours.Length - 1)]);
        }
    }

    private static async Task BehaveAsync(Socket socket, Func<Socket, Task> behaviour)
    {
        using (socket)
        {
            try
            {
                await behaviour(socket);
            }
            catch (Exception e) when (e is SocketException or TimeoutException or ObjectDisposedException)
            {
                // The proxy left: its own side of the test says whether it should have.
            }
        }
    }
}
