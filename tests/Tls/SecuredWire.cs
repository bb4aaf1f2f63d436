using System.Net.Security;
using System.Net.Sockets;
using System.Reflection;
using System.Runtime.InteropServices;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Tls;

/// <summary>A secured connection of the engine under test and, at its other end, an SslStream of the platform over a plain socket.</summary>
internal sealed class SecuredWire : IDisposable
{
    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example");
    private static readonly IssuedCertificate Client = TestAuthority.Trusted.Issue("client.example");

    /// <summary>The `SSL` beneath an SslStream.</summary>
    private static readonly FieldInfo Context = typeof(SslStream).GetField("_securityContext", BindingFlags.Instance | BindingFlags.NonPublic)!;

    private readonly Wire _wire;
    private readonly Wire _secured;

    private SecuredWire(Wire wire, Connection connection, SslStream peer, PeerStream beneath)
    {
        _wire = wire;
        _secured = new Wire(connection, wire.Peer);
        Peer = peer;
        Beneath = beneath;
    }

    public Connection Connection => _secured.Connection;

    /// <summary>The connection under the one under test.</summary>
    public Connection Raw => _wire.Connection;

    public SslStream Peer { get; }

    /// <summary>What the peer's TLS is sent and received through.</summary>
    public PeerStream Beneath { get; }

    public Socket PeerSocket => _wire.Peer;

    /// <param name="engine">Whose connection it is.</param>
    /// <param name="isServer">Whether the connection under test is the server's.</param>
    /// <param name="version">The only one that the peer speaks.</param>
    /// <param name="prepare">Says how the peer's bytes are to travel, before the first of them does.</param>
    /// <param name="withPeer">What the peer does when its own handshake is done, before ours need be.</param>
    /// <param name="peerReceiveBuffer">Of the peer's kernel, where ours is the client.</param>
    public static async Task<SecuredWire> MakeAsync(
        Engine engine,
        bool isServer,
        SslProtocols version,
        Action<PeerStream>? prepare = null,
        Func<SslStream, PeerStream, Task>? withPeer = null,
        int? peerReceiveBuffer = null)
    {
        Wire wire = isServer ? await Wire.AcceptedAsync(engine, Family.Tcp4) : await Wire.ConnectedAsync(engine, Family.Tcp4, peerReceiveBuffer);
        wire.Peer.NoDelay = true;
        var beneath = new PeerStream(wire.Peer);
        prepare?.Invoke(beneath);
        var peer = new SslStream(beneath, leaveInnerStreamOpen: false, (_, _, _, _) => true);
        Task shaking = PeerShakesAsync();
        TlsOutcome outcome = await Handshake.ShakeAsync(wire, isServer, Server, Client);
        Assert.Equal("", outcome.Detail);
        await shaking.WaitAsync(Wire.Patience);
        return new SecuredWire(wire, outcome.Connection!, peer, beneath);

        async Task PeerShakesAsync()
        {
            if (isServer)
            {
                await peer.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "server.example", EnabledSslProtocols = version });
            }
            else
            {
                await peer.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
                {
                    ServerCertificateContext = ContextOf(Server),
                    EnabledSslProtocols = version,
                    ClientCertificateRequired = true,
                });
            }

            beneath.Turn.LeaveRead();
            if (withPeer is not null)
                await withPeer(peer, beneath);
        }
    }

    private static SslStreamCertificateContext ContextOf(IssuedCertificate certificate) =>
        SslStreamCertificateContext.Create(certificate.Certificate, [.. certificate.Chain], offline: true);

    /// <summary>Runs on the connection's loop what may only be asked there.</summary>
    public Task<T> OnLoop<T>(Func<Connection, T> ask) => _secured.OnLoop(ask);

    public Task<IoFault> Readable() => _secured.Readable();

    public Task<IoResult> Receive(byte[] buffer) => _secured.Receive(buffer);

    public Task<IoResult> Send(ReadOnlyMemory<byte> data) => _secured.Send(data);

    public Task<IoFault> SendAll(ReadOnlyMemory<byte> data) => Connection.SendAllAsync(data).AsTask().WaitAsync(Wire.Patience);

    public Task<IoFault> End() => _secured.End();

    /// <summary>Receives until the end or a fault; answers the bytes and how it ended.</summary>
    public Task<(byte[] Bytes, IoFault Ending)> ReceiveAll(int bufferBytes = 4096) => _secured.ReceiveAll(bufferBytes);

    /// <summary>So many bytes and not one more.</summary>
    public async Task<byte[]> ReceiveExactly(int count)
    {
        byte[] data = new byte[count];
        for (int have = 0; have < count;)
        {
            byte[] piece = new byte[count - have];
            IoResult got = await Receive(piece);
            Assert.Equal(IoFault.None, got.Fault);
            Assert.False(got.IsEnd, $"the stream ended after {have} of {count} bytes");
            piece.AsSpan(0, got.Bytes).CopyTo(data.AsSpan(have));
            have += got.Bytes;
        }

        return data;
    }

    public Task PeerSend(ReadOnlyMemory<byte> data) => Peer.WriteAsync(data).AsTask().WaitAsync(Wire.Patience);

    /// <summary>Sends close_notify.</summary>
    public Task PeerEnds() => Beneath.Turn.ShutdownAsync(Peer).WaitAsync(Wire.Patience);

    /// <summary>What the peer reads to its end, and whether that was close_notify.</summary>
    public async Task<(byte[] Bytes, bool IsEnd)> PeerReceiveAll()
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[64 * 1024];
        while (true)
        {
            int read;
            try
            {
                read = await PeerReadAsync(buffer);
            }
            catch (IOException)
            {
                return (all.ToArray(), false);
            }

            if (read == 0)
                return (all.ToArray(), !Beneath.HasEnded);
            all.Write(buffer, 0, read);
        }
    }

    public async Task<byte[]> PeerReceiveExactly(int count)
    {
        byte[] data = new byte[count];
        for (int have = 0; have < count;)
        {
            int read = await PeerReadAsync(data.AsMemory(have));
            Assert.True(read > 0, $"the stream ended after {have} of {count} bytes");
            have += read;
        }

        return data;
    }

    /// <summary>Asks the peer's library itself for what SslStream has no word for. Only while the peer neither reads nor writes.</summary>
    public T OfPeersLibrary<T>(Func<nint, T> ask)
    {
        var handle = (SafeHandle)Context.GetValue(Peer)!;
        T answer = ask(handle.DangerousGetHandle());
        GC.KeepAlive(handle);
        return answer;
    }

    public void Dispose()
    {
        Connection.Abort();
        _wire.Dispose();
        Peer.Dispose();
    }

    private async Task<int> PeerReadAsync(Memory<byte> buffer)
    {
        Beneath.Turn.EnterRead();
        try
        {
            return await Peer.ReadAsync(buffer).AsTask().WaitAsync(Wire.Patience);
        }
        finally
        {
            Beneath.Turn.LeaveRead();
        }
    }
}

/// <summary>What the peer's TLS writes to: the bytes may be kept, to travel together or piece by piece.</summary>
internal sealed class PeerStream(Socket socket) : NetworkStream(socket, ownsSocket: false)
{
    private readonly List<byte> _held = [];
    private int _writes;

    /// <summary>How many writes go out before the others are kept.</summary>
    public int KeepsAfter { get; set; } = int.MaxValue;

    /// <summary>What a read waits for.</summary>
    public Task MayRead { get; set; } = Task.CompletedTask;

    /// <summary>Whether every byte is sent by itself.</summary>
    public bool Dribbles { get; set; }

    public bool HasEnded { get; private set; }

    public int BytesRead { get; private set; }

    public byte[] Held => [.. _held];

    public ShutdownTurn Turn { get; } = new();

    /// <summary>Keeps everything from here on.</summary>
    public void Keep() => KeepsAfter = 0;

    /// <summary>Forgets what was kept; the test sends it, or not, as it likes.</summary>
    public byte[] Take()
    {
        byte[] held = Held;
        _held.Clear();
        KeepsAfter = int.MaxValue;
        return held;
    }

    /// <summary>Sends what was kept, in one piece.</summary>
    public async Task LetGoAsync()
    {
        byte[] held = Take();
        for (int sent = 0; sent < held.Length;)
            sent += await Socket.SendAsync(held.AsMemory(sent));
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (_writes++ >= KeepsAfter)
        {
            _held.AddRange(buffer.Span);
            return;
        }

        if (!Dribbles)
        {
            await base.WriteAsync(buffer, cancellationToken);
            return;
        }

        for (int i = 0; i < buffer.Length; i++)
        {
            await base.WriteAsync(buffer.Slice(i, 1), cancellationToken);
            if (i % 16 == 0)
                await Task.Yield();
        }
    }

    public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        Turn.LeaveRead();
        int read;
        try
        {
            await MayRead;
            read = await base.ReadAsync(buffer, cancellationToken);
        }
        finally
        {
            Turn.EnterRead();
        }

        BytesRead += read;
        if (read == 0 && !buffer.IsEmpty)
            HasEnded = true;
        return read;
    }
}

/// <summary>What a peer can do with OpenSSL and not with SslStream.</summary>
internal static partial class PeerLibrary
{
    private const string Ssl = "libssl.so.3";

    /// <summary>Asks the other end to change its keys too (SSL_KEY_UPDATE_REQUESTED).</summary>
    public const int Requested = 1;

    /// <summary>The other end need not change its keys (SSL_KEY_UPDATE_NOT_REQUESTED).</summary>
    public const int NotRequested = 0;

    private const int MaxSendFragment = 52;

    [LibraryImport(Ssl, EntryPoint = "SSL_key_update")]
    public static partial int KeyUpdate(nint ssl, int kind);

    [LibraryImport(Ssl, EntryPoint = "SSL_do_handshake")]
    public static partial int Handshake(nint ssl);

    /// <summary>TLS 1.3: a server's next handshake asks for the client's certificate (RFC 8446 section 4.6.2).</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_verify_client_post_handshake")]
    public static partial int AskForCertificate(nint ssl);

    /// <summary>TLS 1.2: a server sends a HelloRequest (RFC 5246 section 7.4.1.1), whatever the platform has forbidden it.</summary>
    public static int AskForHello(nint ssl)
    {
        const ulong NoRenegotiation = 1UL << 30;
        _ = ClearOptions(ssl, NoRenegotiation);
        return Renegotiate(ssl) & Handshake(ssl);
    }

    [LibraryImport(Ssl, EntryPoint = "SSL_clear_options")]
    private static partial ulong ClearOptions(nint ssl, ulong options);

    [LibraryImport(Ssl, EntryPoint = "SSL_renegotiate")]
    private static partial int Renegotiate(nint ssl);

    /// <summary>With the next write goes another ticket.</summary>
    [LibraryImport(Ssl, EntryPoint = "SSL_new_session_ticket")]
    public static partial int NewTicket(nint ssl);

    /// <summary>No record holds more than so many bytes, 512 at least.</summary>
    public static nint LimitRecords(nint ssl, int bytes) => Control(ssl, MaxSendFragment, bytes, 0);

    [LibraryImport(Ssl, EntryPoint = "SSL_ctrl")]
    private static partial nint Control(nint ssl, int command, nint argument, nint pointer);
}
