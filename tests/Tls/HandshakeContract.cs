using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
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
    /// <summary>A ticket may share a segment with the first data: where there is none, it goes by itself when it is the client's turn.</summary>
    [Fact]
    public async Task A_client_gets_its_ticket_though_nothing_follows_it()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: true, SslProtocols.Tls13);
        int handshake = wire.Beneath.BytesRead;
        Task reading = wire.PeerReceiveAll();
        Task<IoResult> waiting = wire.Receive(new byte[1]);
        await Wire.Eventually(() => Task.FromResult(wire.Beneath.BytesRead > handshake), "the ticket has come");
        wire.Connection.Close();
        await reading;
        Assert.Equal(IoFault.Aborted, (await waiting).Fault);
    }

    /// <summary>The library passes over a server's HelloRequests without an end and without coming back (RFC 5246 section 7.4.1.1), four thousand in a record.</summary>
    [Fact]
    public async Task A_server_that_asks_for_a_hello_in_place_of_answering_it_is_given_up_before_it_keeps_its_loop()
    {
        using Wire wire = await MakeAsync(isServer: false);
        Task<TlsOutcome> shaking = await BeginAsync(wire, isServer: false);
        byte[] requests = [22, 3, 3, 0x40, 0, .. new byte[16 * 1024]];
        Task asking = Task.Run(async () =>
        {
            while (!shaking.IsCompleted)
                await wire.Peer.SendAllAsync(requests);
        });
        await FailsAsync(shaking, IoFault.None);
        Assert.Equal("it sent more than 512 KB, and hands were not shaken", (await shaking).Detail);
        wire.Connection.Abort();
        await Task.WhenAny(asking).Patiently();
    }

    /// <summary>Each certificate costs a parse, and perhaps a signature, on the loop.</summary>
    [Theory]
    [InlineData(16, true)]
    [InlineData(17, false)]
    public async Task A_peer_may_show_no_more_certificates_than_a_chain_ever_has(int count, bool isTaken)
    {
        IssuedCertificate server = TestAuthority.Trusted.Issue("server.example");
        EncodedCertificate[] chain = [.. Enumerable.Range(0, count - 1).Select(i => new EncodedCertificate(server.Chain[i < server.Chain.Length ? i : 0].RawData))];
        using OpenSslContext context = OpenSslContext.ShowingNothing();
        var options = new HandshakeOptions { IsServer = false, MinVersion = TlsVersion.Tls12, Judge = static _ => null };
        using Wire wire = await Wire.ConnectedAsync(Engine, Family.Tcp4);
        using OpenSslContext shows = OpenSslContext.Showing(new EncodedCertificate(server.Certificate.RawData), LibraryKey.Read(File.ReadAllText(server.Key)), chain);
        const int DuplicateWithCloseOnExec = 1030;
        int duplicate = Libc.Fcntl((int)wire.Peer.Handle, DuplicateWithCloseOnExec, 0);
        Assert.True(duplicate > 0);
        LinuxConnection peer = await wire.OnLoop(c =>
        {
            Assert.Equal(IoFault.None, c.Loop.Adopt(duplicate, default, out Net.Transport.Connection adopted));
            return (LinuxConnection)adopted;
        });
        Task<TlsOutcome> answering = LoopHandshake.RunAsync(peer, shows, new HandshakeOptions { IsServer = true, MinVersion = TlsVersion.Tls12 }, default);
        TlsOutcome outcome = await LoopHandshake.RunAsync((LinuxConnection)wire.Connection, context, options, default).WaitAsync(Wire.Patience);
        Assert.Equal(!isTaken, outcome.IsCertificate);
        Assert.Equal(isTaken ? "" : "it came with 17 certificates, and no more than 16 are looked at", outcome.Detail);
        Assert.Equal(isTaken, outcome.Connection is not null);
        wire.Connection.Abort();
        await answering.WaitAsync(Wire.Patience);
        peer.Abort();
    }

    /// <summary>An alert of close_notify (RFC 8446 section 6.1) in place of what belongs here.</summary>
    [Fact]
    public async Task A_peer_that_ends_TLS_before_hands_are_shaken_is_said_to_have_done_that()
    {
        using OpenSslContext context = OpenSslContext.ShowingNothing();
        using Wire wire = await Wire.ConnectedAsync(Engine, Family.Tcp4);
        Task<TlsOutcome> shaking = LoopHandshake.RunAsync(
            (LinuxConnection)wire.Connection, context, new HandshakeOptions { IsServer = false, MinVersion = TlsVersion.Tls12 }, default);
        await wire.Peer.SendAllAsync(new byte[] { 21, 3, 3, 0, 2, 1, 0 });
        Assert.Equal("the peer ended TLS (close_notify) before hands were shaken", (await shaking.WaitAsync(Wire.Patience)).Detail);
        wire.Connection.Abort();
    }

    /// <summary>The library asks about a certificate when a session begins; it may have expired when the session is resumed.</summary>
    [Theory]
    [InlineData(SslProtocols.Tls12)]
    [InlineData(SslProtocols.Tls13)]
    public async Task A_resumed_session_is_judged_again_and_forgotten_where_its_certificate_will_no_longer_do(SslProtocols version)
    {
        PeerRefusal? refusal = null;
        var judged = new List<string>();
        using OpenSslContext context = OpenSslContext.ShowingNothing();
        var options = new HandshakeOptions
        {
            IsServer = false,
            MinVersion = TlsVersion.Tls12,
            Session = new ResumableSession(),
            Judge = shown =>
            {
                judged.Add($"{CertificateNames.Subject(new(Bitflow.Net.Tls.OpenSsl.EncodeSubject(shown!.Value.Leaf)))} among {Bitflow.Net.Tls.OpenSsl.StackCount(shown.Value.Sent)}");
                return refusal;
            },
        };
        IssuedCertificate server = TestAuthority.Trusted.Issue("server.example");
        Assert.False(await IsResumedAsync());
        Assert.True(await IsResumedAsync());
        refusal = new PeerRefusal("it has expired", PeerFlaw.OutOfDates);
        Assert.Null(await IsResumedAsync());
        refusal = null;
        Assert.False(await IsResumedAsync());
        Assert.Equal(Enumerable.Repeat("CN=server.example among 2", 4), judged);
        Task<bool?> IsResumedAsync() => this.IsResumedAsync(context, options, server, version);
    }

    /// <summary>It would be judged again, and refused. Where nobody judges, it is as good as ever.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_session_that_began_with_a_certificate_that_has_expired_is_not_offered_where_it_would_be_refused(bool isJudged)
    {
        using OpenSslContext context = OpenSslContext.ShowingNothing();
        HandshakeOptions options;
        IssuedCertificate server;
        DateTime expires;
        bool? resumed;
        var validity = TimeSpan.FromSeconds(4);
        do
        {
            // Twice as long as the last time: on a machine that is busy it may be over before the session has been resumed.
            validity *= 2;
            Assert.True(validity < TimeSpan.FromMinutes(2));
            options = new HandshakeOptions
            {
                IsServer = false,
                MinVersion = TlsVersion.Tls12,
                Session = new ResumableSession(),
                Judge = isJudged ? static _ => null : null,
            };
            server = TestAuthority.Trusted.Issue("server.example", validFor: validity);
            expires = server.Certificate.NotAfter.ToUniversalTime();
            Assert.False(await IsResumedAsync());
            resumed = await IsResumedAsync();
        }
        while (resumed != true && DateTime.UtcNow >= expires);

        Assert.True(resumed);
        while (DateTime.UtcNow <= expires.AddSeconds(1))
            await Task.Delay(50);
        Assert.Equal(!isJudged, await IsResumedAsync());
        Task<bool?> IsResumedAsync() => this.IsResumedAsync(context, options, server, SslProtocols.Tls13);
    }

    /// <summary>Kept to the end of a test: what resumes the sessions of a certificate that no connection has any more the platform drops for others.</summary>
    private readonly List<SslStream> _peers = [];

    /// <summary>Whether hands were shaken for a session that had been before; null where the certificate was refused, for the reason that the tests give.</summary>
    private async Task<bool?> IsResumedAsync(OpenSslContext context, HandshakeOptions options, IssuedCertificate server, SslProtocols version)
    {
        var shows = SslStreamCertificateContext.Create(server.Certificate, [.. server.Chain], offline: true);
        using Wire wire = await Wire.ConnectedAsync(Engine, Family.Tcp4);
        var peer = new SslStream(new PeerStream(wire.Peer), leaveInnerStreamOpen: false);
        _peers.Add(peer);
        Task answering = AnswerAsync(peer);
        TlsOutcome outcome = await LoopHandshake.RunAsync((LinuxConnection)wire.Connection, context, options, default).WaitAsync(Wire.Patience);
        if (outcome.Connection is not LoopTlsConnection made)
        {
            Assert.True(outcome.IsCertificate);
            Assert.Equal("it has expired", outcome.Detail);
            wire.Connection.Abort();
            await answering.WaitAsync(Wire.Patience).ContinueWith(static _ => { }, TaskScheduler.Default);
            return null;
        }

        var secured = new Wire(made, wire.Peer);
        bool resumed = await secured.OnLoop(c => Bitflow.Net.Tls.OpenSsl.IsResumed(((LoopTlsConnection)c).Library));

        // With the answer come the tickets.
        Assert.Equal(1, (await secured.Receive(new byte[1])).Bytes);
        await answering.WaitAsync(Wire.Patience);
        made.Close();
        return resumed;

        async Task AnswerAsync(SslStream peer)
        {
            await peer.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = shows, EnabledSslProtocols = version });
            await peer.WriteAsync("x"u8.ToArray());
        }
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

    /// <summary>A `*` is no character of a PrintableString; the names that count are the alternative ones.</summary>
    [Fact]
    public async Task A_certificate_that_verifies_will_do_though_its_common_name_is_not_text()
    {
        byte[] name = [0x13, 16, .. "*.server.example"u8];
        byte[] type = [0x06, 3, 0x55, 4, 3];
        byte[] subject = [0x30, 27, 0x31, 25, 0x30, 23, .. type, .. name];
        IssuedCertificate odd = TestAuthority.Trusted.Issue("server.example", subject: new X500DistinguishedName(subject));
        using Wire wire = await MakeAsync(isServer: false);
        Task<TlsOutcome> shaking = Handshake.ShakeAsync(wire, isServer: false, Server, Client);
        using var peer = new SslStream(new PeerStream(wire.Peer), leaveInnerStreamOpen: false);
        var shows = SslStreamCertificateContext.Create(odd.Certificate, [.. odd.Chain], offline: true);
        await peer.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = shows }).WaitAsync(Wire.Patience);
        TlsOutcome outcome = await shaking;
        Assert.Equal("", outcome.Detail);
        Assert.Equal("", outcome.Terms!.Presented!.CommonName);
        outcome.Connection!.Abort();
    }

    private protected Task<Wire> MakeAsync(bool isServer) => isServer ? Wire.AcceptedAsync(Engine, Family.Tcp4) : Wire.ConnectedAsync(Engine, Family.Tcp4);

    /// <summary>Goes on until the peer has had our first flight, and sent no second of its own.</summary>
    private protected static async Task<Task<TlsOutcome>> BeginAsync(Wire wire, bool isServer)
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

    private protected static async Task FailsAsync(Task<TlsOutcome> shaking, IoFault raw)
    {
        TlsOutcome outcome = await shaking;
        Assert.Null(outcome.Connection);
        Assert.Equal(raw, outcome.Raw);
        Assert.False(outcome.IsCertificate);
    }
}
