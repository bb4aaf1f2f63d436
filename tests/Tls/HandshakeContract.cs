using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Tls;

public sealed class ManagedHandshakeContract() : HandshakeContract(new ManagedEngine());

public sealed class LinuxHandshakeContract() : HandshakeContract(new LinuxEngine(loops: 2))
{
    /// <summary>A ticket may share a segment with the first data: where there is none, it goes by itself.</summary>
    [Fact]
    public async Task A_client_gets_its_ticket_though_nothing_follows_it()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: true, SslProtocols.Tls13);
        int handshake = wire.Beneath.BytesRead;
        Task reading = wire.PeerReceiveAll();
        await Wire.Eventually(() => Task.FromResult(wire.Beneath.BytesRead > handshake), "the ticket has come");
        wire.Connection.Close();
        await reading;
    }
}

/// <summary>What a handshake owes whose peer is unkind, over each engine.</summary>
public abstract class HandshakeContract : IDisposable
{
    private const int SendBuffer = 7;

    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example");
    private static readonly IssuedCertificate Client = TestAuthority.Trusted.Issue("client.example");

    private protected HandshakeContract(Engine engine) => Engine = engine;

    private protected Engine Engine { get; }

    public void Dispose()
    {
        Engine.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_that_ends_in_the_midst_of_it_is_truncation(bool isServer)
    {
        using Wire wire = await MakeAsync(isServer);
        Task<TlsOutcome> shaking = await BeginAsync(wire, isServer);
        wire.Peer.Shutdown(SocketShutdown.Send);
        await FailsAsync(shaking, IoFault.Truncated);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_that_resets_in_the_midst_of_it_is_a_reset(bool isServer)
    {
        using Wire wire = await MakeAsync(isServer);
        Task<TlsOutcome> shaking = await BeginAsync(wire, isServer);
        wire.Peer.LingerState = new LingerOption(true, 0);
        wire.Peer.Close();
        await FailsAsync(shaking, IoFault.Reset);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task When_the_connection_is_closed_in_the_midst_of_it_it_ends_as_aborted(bool isServer, bool abort)
    {
        using Wire wire = await MakeAsync(isServer);
        Task<TlsOutcome> shaking = await BeginAsync(wire, isServer);
        if (abort)
            wire.Connection.Abort();
        else
            wire.Connection.Close();
        await FailsAsync(shaking, IoFault.Aborted);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Noise_in_the_midst_of_it_breaks_the_protocol_and_the_reason_is_told(bool isServer)
    {
        using Wire wire = await MakeAsync(isServer);
        Task<TlsOutcome> shaking = await BeginAsync(wire, isServer);
        await wire.Peer.SendAllAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
        await FailsAsync(shaking, IoFault.None);
        Assert.NotEmpty((await shaking).Detail);
    }

    /// <summary>The certificate is larger than what the kernels of both sides take of it before it is read.</summary>
    [Fact]
    public async Task A_handshake_that_finds_no_room_goes_on_when_there_is_some()
    {
        IssuedCertificate large = TestAuthority.Trusted.Issue("server.example", moreNames: 3_000);
        using Wire wire = await Wire.AcceptedAsync(Engine, Family.Tcp4, peerReceiveBuffer: 4096);
        Assert.Equal(0, await wire.OnLoop(static c => Libc.SetOption(c.Descriptor, Libc.SolSocket, SendBuffer, 1)));
        var reads = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var peer = new SslStream(new PeerStream(wire.Peer) { MayRead = reads.Task }, leaveInnerStreamOpen: false, (_, _, _, _) => true);
        Task peerShakes = peer.AuthenticateAsClientAsync("server.example");
        Task<TlsOutcome> shaking = Handshake.ShakeAsync(wire, isServer: true, large, Client);
        await Wire.Eventually(() => wire.OnLoop(static c => c.UnsentBytes > 0), "what is sent waits for room");
        Assert.False(shaking.IsCompleted);
        reads.SetResult();
        await peerShakes.WaitAsync(Wire.Patience);
        TlsOutcome outcome = await shaking;
        Assert.Equal("", outcome.Detail);
        await peer.WriteAsync("x"u8.ToArray());
        byte[] received = new byte[10];
        Assert.Equal(1, (await outcome.Connection!.ReceiveAsync(received).AsTask().WaitAsync(Wire.Patience)).Bytes);
        outcome.Connection.Abort();
    }

    private Task<Wire> MakeAsync(bool isServer) => isServer ? Wire.AcceptedAsync(Engine, Family.Tcp4) : Wire.ConnectedAsync(Engine, Family.Tcp4);

    /// <summary>Goes on until the peer has had our first flight, and sent no second of its own.</summary>
    private static async Task<Task<TlsOutcome>> BeginAsync(Wire wire, bool isServer)
    {
        Task<TlsOutcome> shaking = Handshake.ShakeAsync(wire, isServer, Server, Client);
        if (isServer)
        {
            var silent = new PeerStream(wire.Peer) { KeepsAfter = 1 };
            var peer = new SslStream(silent, leaveInnerStreamOpen: true, (_, _, _, _) => true);
            await peer.AuthenticateAsClientAsync("server.example").WaitAsync(Wire.Patience);
        }
        else
        {
            Assert.NotEqual(0, await wire.Peer.ReceiveAsync(new byte[4096]).WaitAsync(Wire.Patience));
        }

        Assert.False(shaking.IsCompleted);
        return shaking;
    }

    private static async Task FailsAsync(Task<TlsOutcome> shaking, IoFault raw)
    {
        TlsOutcome outcome = await shaking;
        Assert.Null(outcome.Connection);
        Assert.Equal(raw, outcome.Raw);
        Assert.False(outcome.IsCertificate);
    }
}
