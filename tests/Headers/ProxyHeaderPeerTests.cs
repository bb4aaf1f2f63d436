using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Headers;

/// <summary>PROXY headers with HAProxy and nginx as the other end, both ways; the addresses are checked where they arrive.</summary>
public sealed class ProxyHeaderPeerTests
{
    private const string Trusted = "trusted_proxies: [\"127.0.0.1\"]\n";

    [Theory]
    [InlineData("send-proxy")]
    [InlineData("send-proxy-v2")]
    [InlineData("send-proxy-v2 proxy-v2-options crc32c")]
    [InlineData("send-proxy-v2 proxy-v2-options crc32c,unique-id")]
    public async Task HAProxy_tells_us_who_its_client_is(string how)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted);
        int port = Ports.Next();
        using PeerProcess haproxy = await Haproxy.StartAsync(
            PeerProcess.NewHome(),
            $"""
              listen front
                bind 127.0.0.1:{port}
                unique-id-format %ci.%cp
                server bitflow 127.0.0.1:{bitflow.Port()} {how}
            """,
            port);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, port).Patiently();
        await ConversesAndIsRecordedAsync(client, backend, bitflow, port);
    }

    [Fact]
    public async Task NGINX_tells_us_who_its_client_is()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted);
        int port = Ports.Next();
        using PeerProcess nginx = await NginxStream.StartAsync(
            PeerProcess.NewHome(), $"server {{ listen 127.0.0.1:{port}; proxy_pass 127.0.0.1:{bitflow.Port()}; proxy_protocol on; }}", port);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, port).Patiently();
        await ConversesAndIsRecordedAsync(client, backend, bitflow, port);
    }

    [Fact]
    public async Task HAProxy_tells_us_who_its_TLS_client_is_and_what_its_certificate_says()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted);
        int port = Ports.Next();
        string home = PeerProcess.NewHome();
        using X509Certificate2 server = SelfSigned("CN=haproxy.example");
        using X509Certificate2 known = SelfSigned("CN=client1");
        await File.WriteAllTextAsync(Path.Combine(home, "server.pem"), server.ExportCertificatePem() + "\n" + server.GetRSAPrivateKey()!.ExportPkcs8PrivateKeyPem());
        await File.WriteAllTextAsync(Path.Combine(home, "clients.pem"), known.ExportCertificatePem());
        using PeerProcess haproxy = await Haproxy.StartAsync(
            home,
            $"""
              listen front
                bind 127.0.0.1:{port} ssl crt {home}/server.pem ca-file {home}/clients.pem verify required
                server bitflow 127.0.0.1:{bitflow.Port()} send-proxy-v2-ssl-cn
            """,
            port);
        using var socket = new TcpClient(AddressFamily.InterNetwork);
        await socket.ConnectAsync(IPAddress.Loopback, port).Patiently();
        using var tls = new SslStream(socket.GetStream());
        await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
        {
            TargetHost = "haproxy.example",
            ClientCertificates = [known],
            RemoteCertificateValidationCallback = (_, shown, _, _) => shown!.GetRawCertData().AsSpan().SequenceEqual(server.RawData),
            EnabledSslProtocols = SslProtocols.Tls13,
        }).Patiently();
        await tls.WriteAsync("hello"u8.ToArray());
        using Socket target = await backend.AcceptAsync();
        Assert.Equal("hello", await target.ReadTextAsync(5));
        string here = socket.Client.Here().ToString();
        target.Dispose();
        socket.Dispose();
        Assert.Equal(here, (await bitflow.EndedAsync()).Source.ToString());
    }

    [Fact]
    public async Task A_health_check_of_HAProxy_is_a_connection_of_its_own()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            backend.Address, listener: Trusted + "authorized_sources: [\"192.0.2.0/24\"]\n");
        int port = Ports.Next();
        using PeerProcess haproxy = await Haproxy.StartAsync(
            PeerProcess.NewHome(),
            $"""
              listen front
                bind 127.0.0.1:{port}
                timeout check 60s
                option tcp-check
                tcp-check send PING
                tcp-check expect string PONG
                server bitflow 127.0.0.1:{bitflow.Port()} send-proxy-v2 check check-send-proxy inter 30s
            """,
            port);
        using Socket target = await backend.AcceptAsync();
        Assert.Equal("PING", await target.ReadTextAsync(4));
        await target.SendAllAsync("PONG");
        await target.EndingAsync();
        target.Dispose();
        Assert.True((await bitflow.EndedAsync()).Header.Value.IsTheSender);
    }

    [Theory]
    [InlineData("")]
    [InlineData("proxy_header_version: 2\n")]
    public async Task HAProxy_learns_from_us_who_the_client_is(string version)
    {
        int port = Ports.Next();
        using PeerProcess haproxy = await Haproxy.StartAsync(
            PeerProcess.NewHome(),
            $"""
              listen back
                mode http
                bind 127.0.0.1:{port} accept-proxy
                http-request return status 200 content-type text/plain lf-string "<%[src]:%[src_port] %[dst]:%[dst_port]>"
            """,
            port);
        using RunningProxies bitflow = RunningProxies.One($"127.0.0.1:{port}", options: "enable_proxy_header: true\n" + version);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync("GET / HTTP/1.0\r\n\r\n");
        Assert.Contains($"<{client.Here()} {client.There()}>", await client.ReadTextToEndAsync(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("proxy_header_version: 2\n")]
    public async Task NGINX_learns_from_us_who_the_client_is(string version)
    {
        int port = Ports.Next();
        using PeerProcess nginx = await StartNginxThatTellsAsync(port);
        using RunningProxies bitflow = RunningProxies.One($"127.0.0.1:{port}", options: "enable_proxy_header: true\n" + version);
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal($"<{client.Here()} {client.There()}>", await client.ReadTextToEndAsync());
    }

    [Theory]
    [InlineData("send-proxy", "")]
    [InlineData("send-proxy-v2", "proxy_header_version: 2\n")]
    public async Task Through_HAProxy_and_us_nginx_learns_who_the_client_of_HAProxy_is(string how, string version)
    {
        int back = Ports.Next();
        using PeerProcess nginx = await StartNginxThatTellsAsync(back);
        using RunningProxies bitflow = RunningProxies.One($"127.0.0.1:{back}", listener: Trusted, options: "enable_proxy_header: true\n" + version);
        int front = Ports.Next();
        using PeerProcess haproxy = await Haproxy.StartAsync(
            PeerProcess.NewHome(),
            $"""
              listen front
                bind 127.0.0.1:{front}
                server bitflow 127.0.0.1:{bitflow.Port()} {how}
            """,
            front);
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        await client.ConnectAsync(IPAddress.Loopback, front).Patiently();
        Assert.Equal($"<{client.Here()} {client.There()}>", await client.ReadTextToEndAsync());
    }

    private static Task<PeerProcess> StartNginxThatTellsAsync(int port) =>
        NginxStream.StartAsync(
            PeerProcess.NewHome(),
            $"server {{ listen 127.0.0.1:{port} proxy_protocol; "
            + "return \"<$proxy_protocol_addr:$proxy_protocol_port $proxy_protocol_server_addr:$proxy_protocol_server_port>\"; }",
            port);

    private static async Task ConversesAndIsRecordedAsync(Socket client, Peer backend, RunningProxies bitflow, int port)
    {
        await client.SendAllAsync("ping");
        using Socket target = await backend.AcceptAsync();
        Assert.Equal("ping", await target.ReadTextAsync(4));
        await target.SendAllAsync("pong");
        Assert.Equal("pong", await client.ReadTextAsync(4));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("", await target.ReadTextToEndAsync());
        target.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal(client.Here().ToString(), record.Source.ToString());
        var header = Assert.IsType<ProxyOrigin.Stated>(record.Header.Value);
        Assert.Equal($"127.0.0.1:{port}", header.connectedTo.ToString());
        Assert.Equal(4, record.SourceSentBytes);
    }

    private static X509Certificate2 SelfSigned(string name)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(name, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        return request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1));
    }
}
