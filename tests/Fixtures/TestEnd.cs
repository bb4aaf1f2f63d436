using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Net.Tls;

namespace Bitflow.Tests.Fixtures;

/// <summary>How a stream that was read to its end ended.</summary>
public enum StreamEnding
{
    Ended,
    Reset,

    /// <summary>TLS: the raw end came without close_notify.</summary>
    Truncated,
}

/// <summary>An end of a connection that a test holds, plain or TLS, so that one scenario can be played over both.</summary>
internal sealed class TestEnd : IDisposable
{
    private readonly RawStream _raw;
    private readonly Stream _stream;

    private TestEnd(Socket socket, RawStream raw, Stream stream)
    {
        Socket = socket;
        _raw = raw;
        _stream = stream;
    }

    public Socket Socket { get; }

    public SslStream? Tls => _stream as SslStream;

    public static TestEnd Plain(Socket socket)
    {
        var raw = new RawStream(socket);
        return new TestEnd(socket, raw, raw);
    }

    /// <summary>Shakes hands as a client that trusts everyone.</summary>
    public static async Task<TestEnd> ClientAsync(Socket socket, string name, SslProtocols versions = SslProtocols.None, X509Certificate2? certificate = null)
    {
        var raw = new RawStream(socket);
        var tls = new SslStream(raw, leaveInnerStreamOpen: false, (_, _, _, _) => true);
        var options = new SslClientAuthenticationOptions { TargetHost = name, EnabledSslProtocols = versions, AllowTlsResume = false };
        if (certificate is not null)
            options.ClientCertificates = [certificate];
        await tls.AuthenticateAsClientAsync(options).WaitAsync(Eventually.Patience);
        raw.Turn.LeaveRead();
        return new TestEnd(socket, raw, tls);
    }

    public static async Task<TestEnd> ServerAsync(Socket socket, IssuedCertificate certificate, SslProtocols versions = SslProtocols.None)
    {
        var raw = new RawStream(socket);
        var tls = new SslStream(raw, leaveInnerStreamOpen: false);
        await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
        {
            ServerCertificateContext = SslStreamCertificateContext.Create(certificate.Certificate, [.. certificate.Chain], offline: true),
            EnabledSslProtocols = versions,
        }).WaitAsync(Eventually.Patience);
        raw.Turn.LeaveRead();
        return new TestEnd(socket, raw, tls);
    }

    public Task SendAsync(ReadOnlyMemory<byte> data) => _stream.WriteAsync(data).AsTask().Patiently();

    /// <summary>Half-close: shutdown(SEND), or close_notify.</summary>
    public async Task EndAsync()
    {
        if (Tls is { } tls)
            await _raw.Turn.ShutdownAsync(tls).WaitAsync(Eventually.Patience);
        else
            Socket.Shutdown(SocketShutdown.Send);
    }

    /// <summary>The head of a record of TLS, and less of its body than it says.</summary>
    public Task SendPartOfARecordAsync() => Socket.SendAllAsync(new byte[] { 23, 3, 3, 0x10, 0, 1, 2, 3 });

    /// <summary>Ends the socket's sending direction, whatever TLS has said.</summary>
    public void EndRaw() => Socket.Shutdown(SocketShutdown.Send);

    public void Reset() => Socket.Reset();

    public async Task<byte[]> ReadExactlyAsync(int count)
    {
        byte[] data = new byte[count];
        for (int got = 0; got < count;)
        {
            int bytes = await ReadAsync(data.AsMemory(got)).WaitAsync(Eventually.Patience);
            got += bytes > 0 ? bytes : throw new EndOfStreamException($"the stream ended after {got} of {count} bytes");
        }

        return data;
    }

    /// <summary>Everything until the stream ends, in whatever way.</summary>
    public async Task<(byte[] Data, StreamEnding Ending)> ReadToEndAsync()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            int bytes;
            try
            {
                bytes = await ReadAsync(buffer).WaitAsync(Eventually.Patience);
            }
            catch (IOException e) when (e.InnerException is SocketException { SocketErrorCode: SocketError.ConnectionReset })
            {
                return (all.ToArray(), StreamEnding.Reset);
            }
            catch (IOException) when (_raw.HasEnded)
            {
                return (all.ToArray(), StreamEnding.Truncated);
            }

            if (bytes == 0)
                return (all.ToArray(), _raw.HasEnded && Tls is not null ? StreamEnding.Truncated : StreamEnding.Ended);
            all.Write(buffer, 0, bytes);
        }
    }

    private async Task<int> ReadAsync(Memory<byte> buffer)
    {
        _raw.Turn.EnterRead();
        try
        {
            return await _stream.ReadAsync(buffer);
        }
        finally
        {
            _raw.Turn.LeaveRead();
        }
    }

    public void Dispose()
    {
        Socket.Dispose();
        _stream.Dispose();
    }

    /// <summary>Remembers whether the raw end was seen: SslStream says the same for it as for close_notify.</summary>
    private sealed class RawStream(Socket socket) : NetworkStream(socket, ownsSocket: true)
    {
        public bool HasEnded { get; private set; }

        /// <summary>A test may end its sending while it reads, as the program does.</summary>
        public ShutdownTurn Turn { get; } = new();

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            Turn.LeaveRead();
            int bytes;
            try
            {
                bytes = await base.ReadAsync(buffer, cancellationToken);
            }
            finally
            {
                Turn.EnterRead();
            }

            if (bytes == 0 && !buffer.IsEmpty)
                HasEnded = true;
            return bytes;
        }
    }
}
