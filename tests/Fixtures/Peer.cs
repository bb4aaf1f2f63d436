using System.Net;
using System.Net.Sockets;

namespace Bitflow.Tests.Fixtures;

/// <summary>A target that a test plays itself: it listens, and hands each connection to the test.</summary>
internal sealed class Peer : IDisposable
{
    private readonly Socket _listener;
    private volatile Xunit.Sdk.XunitException? _failed;

    public Peer(EndPoint? at = null)
    {
        at ??= new IPEndPoint(IPAddress.Loopback, 0);
        _listener = new Socket(at.AddressFamily, SocketType.Stream, at is UnixDomainSocketEndPoint ? ProtocolType.Unspecified : ProtocolType.Tcp);
        _listener.Bind(at);
        _listener.Listen(512);
    }

    public Peer(IPAddress address, int port = 0)
        : this(new IPEndPoint(address, port))
    {
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
                catch (Exception e) when (e is ObjectDisposedException or SocketException { SocketErrorCode: SocketError.OperationAborted })
                {
                    return;
                }
                catch (SocketException)
                {
                    // No descriptor is left, for a moment: whoever waits in the queue must not wait for ever.
                    await Task.Delay(10);
                    continue;
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
            catch (Xunit.Sdk.XunitException e)
            {
                peer._failed = e;
                socket.Dispose();
            }
        }
    }

    /// <summary>Whether somebody has connected whom nobody has accepted: the kernel completes a connection without us.</summary>
    public bool IsWanted => _listener.Poll(0, SelectMode.SelectRead);

    public async Task<Socket> AcceptAsync() => (await _listener.AcceptAsync().WaitAsync(Eventually.Patience)).Patient();

    /// <summary>The same on this very thread.</summary>
    public Socket Accept() => _listener.Poll(Eventually.Patience, SelectMode.SelectRead) ? _listener.Accept().Patient() : throw new TimeoutException("nobody connected");

    /// <summary>
    /// Closes, and returns once nobody can connect any more: an accept that is pending holds the socket a moment longer, and whoever connects in it is reset.
    /// </summary>
    public async Task CloseAsync()
    {
        EndPoint at = _listener.LocalEndPoint!;
        Dispose();
        await Eventually.IsTrueAsync(IsRefused, "connections are refused");

        bool IsRefused()
        {
            using Socket late = new Socket(at.AddressFamily, SocketType.Stream, ProtocolType.Unspecified).Patient();
            try
            {
                late.Connect(at);
                return false;
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
            {
                return true;
            }
        }
    }

    /// <exception cref="Xunit.Sdk.XunitException">What it was to find with a client it did not.</exception>
    public void Dispose()
    {
        _listener.Dispose();
        if (_failed is { } failed)
            System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failed);
    }
}
