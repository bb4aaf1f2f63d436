using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Headers;

/// <summary>`enable_proxy_header`: the target learns who the client is before it hears anything else.</summary>
public sealed class OutboundProxyHeaderTests
{
    private const string V1 = "enable_proxy_header: true\n";
    private const string V2 = V1 + "proxy_header_version: 2\n";

    public static TheoryData<EngineKind> Engines => [EngineKind.Linux, EngineKind.Managed];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_header_comes_first_and_does_not_wait_for_the_client(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V1);
        using Socket client = await bitflow.ConnectAsync();
        using Socket target = await backend.AcceptAsync();
        string expected = $"PROXY TCP4 127.0.0.1 127.0.0.1 {client.Here().Port} {bitflow.Port()}\r\n";
        Assert.Equal(expected, await target.ReadTextAsync(expected.Length));
        await target.SendAllAsync("I speak first");
        Assert.Equal("I speak first", await client.ReadTextAsync(13));
        await client.SendAllAsync("data");
        Assert.Equal("data", await target.ReadTextAsync(4));
        client.Dispose();
        target.Dispose();

        // A header is none of the client's bytes.
        Assert.Equal(4, (await bitflow.EndedAsync()).SourceSentBytes);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Version_2_is_binary(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V2);
        using Socket client = await bitflow.ConnectAsync();
        using Socket target = await backend.AcceptAsync();
        var parsed = Assert.IsType<Parse<ProxyHeader, ProxyHeaderFault>.Done>(ProxyHeaderCodec.Parse(await target.ReadUpToAsync(28)));
        var header = Assert.IsType<ProxyHeader.BinaryTcp>(parsed.value);
        Assert.Equal(client.Here(), header.source);
        Assert.Equal(client.There(), header.destination);
    }

    /// <summary>On a loop; the portable engine sends them apart.</summary>
    [Fact]
    public async Task Bytes_of_the_client_that_are_at_hand_share_the_segment_of_the_header_and_are_its_own()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            backend.Address, EngineKind.Linux, listener: "trusted_proxies: [\"127.0.0.1\"]\n", options: V1);
        for (int i = 0; i < 20; i++)
        {
            using Socket client = await bitflow.ConnectAsync();
            await client.SendAllAsync("PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nfirst words");
            using Socket target = await backend.AcceptAsync();
            Assert.Equal(
                "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\nfirst words", Encoding.ASCII.GetString(await target.ReadOnceAsync()));
            await client.SendAllAsync(", and more");
            Assert.Equal(", and more", await target.ReadTextAsync(10));
            client.Dispose();
            target.Dispose();
            Assert.Equal(21, (await bitflow.EndedAsync()).SourceSentBytes);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_a_client_says_before_its_target_is_there_arrives_whole_behind_the_header(EngineKind engine)
    {
        byte[] said = [.. Enumerable.Range(0, 300_007).Select(static i => (byte)(i * 7 + i / 251))];
        foreach (int bytes in new[] { 1, 2_047, 2_048, 2_049, 300_007 })
        {
            using var backend = new Peer();
            using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V1);
            using Socket client = await bitflow.ConnectAsync();
            Task sending = client.SendAllAsync(said.AsMemory(0, bytes));
            using Socket target = await backend.AcceptAsync();
            string header = $"PROXY TCP4 127.0.0.1 127.0.0.1 {client.Here().Port} {bitflow.Port()}\r\n";
            Assert.Equal(header, await target.ReadTextAsync(header.Length));
            Assert.True((await target.ReadUpToAsync(bytes)).AsSpan().SequenceEqual(said.AsSpan(0, bytes)), $"{bytes} bytes");
            await sending;
            client.Dispose();
            target.Dispose();
            Assert.Equal(bytes, (await bitflow.EndedAsync()).SourceSentBytes);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_IPv4_client_on_a_socket_of_both_families_is_announced_as_IPv4_and_one_of_IPv6_as_IPv6(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V1, address: ":0");
        foreach ((IPAddress from, string family) in new[] { (IPAddress.Loopback, "TCP4 127.0.0.1 127.0.0.1"), (IPAddress.IPv6Loopback, "TCP6 ::1 ::1") })
        {
            using Socket client = await bitflow.ConnectAsync(from);
            using Socket target = await backend.AcceptAsync();
            string expected = $"PROXY {family} {client.Here().Port} {bitflow.Port()}\r\n";
            Assert.Equal(expected, await target.ReadTextAsync(expected.Length));
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_Unix_client_is_UNKNOWN_in_version_1_and_a_path_without_a_source_in_version_2(EngineKind engine)
    {
        string path = Path.Combine(PeerProcess.NewHome(), "listener.sock");
        using var backend = new Peer();
        using (RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V1, address: $"unix:{path}"))
        {
            using Socket client = await bitflow.ConnectAsync();
            using Socket target = await backend.AcceptAsync();
            Assert.Equal("PROXY UNKNOWN\r\n", await target.ReadTextAsync(15));
        }

        using (RunningProxies bitflow = RunningProxies.One(backend.Address, engine, options: V2, address: $"unix:{path}"))
        {
            using Socket client = await bitflow.ConnectAsync();
            using Socket target = await backend.AcceptAsync();
            var parsed = Assert.IsType<Parse<ProxyHeader, ProxyHeaderFault>.Done>(ProxyHeaderCodec.Parse(await target.ReadUpToAsync(232)));
            Assert.Equal(ProxyHeader.NewBinaryUnix("", path, ProxyTlvs.None), parsed.value);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Version_2_tells_of_the_TLS_that_was_terminated_here(EngineKind engine)
    {
        IssuedCertificate own = TestAuthority.Trusted.Issue("front.example");
        IssuedCertificate client1 = TestAuthority.Trusted.Issue("client1.example", usage: "1.3.6.1.5.5.7.3.2");
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            backend.Address,
            engine,
            listener: $"""
            tls_context:
              verify_mode: strict
              application_protocols: [h2]
              certificates:
                - key: '{own.Key}'
                  certificate: '{own.File}'
                  authority: '{TestAuthority.Trusted.RootFile}'
            """,
            options: V2);
        using Socket socket = await bitflow.ConnectAsync();
        using var tls = new SslStream(new NetworkStream(socket));
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "front.example",
            ApplicationProtocols = [SslApplicationProtocol.Http2],
            ClientCertificateContext = SslStreamCertificateContext.Create(client1.Certificate, [.. client1.Chain], offline: true),
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.GetRawCertData().AsSpan().SequenceEqual(own.Certificate.RawData),
        }).Patiently();
        using Socket target = await backend.AcceptAsync();
        byte[] head = await target.ReadUpToAsync(16);
        byte[] block = await target.ReadUpToAsync((head[14] << 8) | head[15]);
        var parsed = Assert.IsType<Parse<ProxyHeader, ProxyHeaderFault>.Done>(ProxyHeaderCodec.Parse([.. head, .. block]));
        var header = Assert.IsType<ProxyHeader.BinaryTcp>(parsed.value);
        Assert.Equal(socket.Here(), header.source);
        Assert.Equal("h2", header.tlvs.Alpn.Value);
        Assert.Equal("front.example", header.tlvs.Authority.Value);
        ProxySsl ssl = header.tlvs.Ssl.Value;
        Assert.True(ssl is { ClientUsedTls: true, CertificateOnConnection: true, CertificateInSession: true, Verified: true });
        Assert.Equal("TLSv1.3", ssl.Version.Value);
        Assert.Equal("client1.example", ssl.CommonName.Value);
        Assert.StartsWith("TLS_", ssl.Cipher.Value, StringComparison.Ordinal);
        await tls.WriteAsync("plain words"u8.ToArray());
        Assert.Equal("plain words", await target.ReadTextAsync(11));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Every_kind_of_target_hears_the_header_and_so_does_one_that_a_failed_attempt_came_before(EngineKind engine)
    {
        string path = Path.Combine(PeerProcess.NewHome(), "target.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(8);
        int nobody = Ports.Next();
        using RunningProxies bitflow = RunningProxies.Start(
            $"""
            server:
              proxies:
                - name: p
                  listener:
                    address: "127.0.0.1:0"
                  targets:
                    - name: down
                      address: "127.0.0.1:{nobody}"
                    - name: up
                      address: "unix:{path}"
                  options:
                    connection_load_balancer: failover
                    enable_proxy_header: true
            """,
            engine);
        using Socket client = await bitflow.ConnectAsync();
        using Socket target = await listener.AcceptAsync().Patiently();
        await client.SendAllAsync("x");
        string expected = $"PROXY TCP4 127.0.0.1 127.0.0.1 {client.Here().Port} {bitflow.Port()}\r\nx";
        Assert.Equal(expected, await target.ReadTextAsync(expected.Length));
    }
}
