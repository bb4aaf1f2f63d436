using System.Diagnostics;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>A listener with TLS on either engine.</summary>
public sealed class TerminatedTlsTests
{
    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example", moreNames: 1);

    private static string Tls(string more = "") => $"tls_context: {{ min_version: '1.2', certificates: [ {Server.Entry} ] {more} }}\n";

    /// <summary>None of its bytes can be passed on before the last has come; the client is not silent for that.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_client_whose_record_takes_longer_than_read_timeout_is_not_silent_meanwhile(EngineKind engine)
    {
        using var target = new Peer();
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, listener: Tls() + "read_timeout: 800ms\n");
        using Socket socket = await bitflow.ConnectAsync();
        var beneath = new PeerStream(socket);
        using var client = new SslStream(beneath, leaveInnerStreamOpen: false, (_, _, _, _) => true);
        await client.AuthenticateAsClientAsync("server.example").Patiently();
        using Socket relayed = await target.AcceptAsync();
        byte[] data = SocketWords.Noise(16_000);
        beneath.Keep();
        await client.WriteAsync(data);
        foreach (byte[] piece in beneath.Take().Chunk(800))
        {
            await socket.SendAllAsync(piece);
            await Task.Delay(100);
        }

        Assert.Equal(data, await relayed.ReadExactlyAsync(data.Length));
    }

    /// <summary>
    /// A session of another name gets a full handshake (RFC 6066 section 3). SslStream chooses sessions by certificate alone: see decision 12.
    /// </summary>
    [Theory]
    [InlineData(EngineKind.Linux, SslProtocols.Tls12, false)]
    [InlineData(EngineKind.Linux, SslProtocols.Tls13, false)]
    [InlineData(EngineKind.Managed, SslProtocols.Tls12, true)]
    [InlineData(EngineKind.Managed, SslProtocols.Tls13, true)]
    public async Task A_session_is_resumed_under_the_name_that_it_began_with(EngineKind engine, SslProtocols version, bool underOthersToo)
    {
        using Peer target = Peer.Serving(static async socket =>
        {
            await socket.SendAllAsync("a word"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
        });
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, listener: Tls());
        string flag = version == SslProtocols.Tls12 ? "-tls1_2" : "-tls1_3";
        string ticket = TestAuthority.Trusted.Write($"{Guid.NewGuid():N}.ticket", "");
        string longName = string.Join('.', Enumerable.Repeat(new string('l', 50), 4));
        foreach (string[] name in new string[][] { ["-servername", "server.example"], ["-servername", longName], ["-noservername"] })
        {
            Assert.True(await IsNewAsync([.. name, "-sess_out", ticket]));
            Assert.False(await IsNewAsync([.. name, "-sess_in", ticket]));
            Assert.Equal(!underOthersToo, await IsNewAsync("-servername", "0.server.example", "-sess_in", ticket));
            Assert.Equal(!underOthersToo, await IsNewAsync("-servername", longName + "x", "-sess_in", ticket));
        }

        async Task<bool> IsNewAsync(params string[] arguments)
        {
            string said = await OpenSsl.ClientAsync((IPEndPoint)bitflow.EndPoint(), [flag, .. arguments]);
            Assert.Contains("a word", said, StringComparison.Ordinal);
            bool isNew = said.Contains("New, TLSv", StringComparison.Ordinal);
            Assert.NotEqual(isNew, said.Contains("Reused, TLSv", StringComparison.Ordinal));
            return isNew;
        }
    }

    /// <summary>As nginx does with two of `ssl_certificate`, and Go by itself.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task Of_two_certificates_for_a_name_a_client_is_shown_the_first_whose_key_it_takes(EngineKind engine)
    {
        using Peer target = Peer.Serving(static async socket =>
        {
            await socket.SendAllAsync("a word"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
        });
        IssuedCertificate second = TestAuthority.Trusted.Issue("server.example", rsa: true, moreNames: 1);
        using RunningProxies bitflow = RunningProxies.One(
            target.Address, engine, listener: $"tls_context: {{ min_version: '1.2', certificates: [ {Server.Entry}, {second.Entry} ] }}\n");
        foreach (string[] name in new string[][] { ["-servername", "server.example"], ["-servername", "0.server.example"], ["-noservername"] })
        {
            await IsSignedByAsync("ECDSA", [.. name, "-tls1_3"]);
            await IsSignedByAsync("RSA-PSS", [.. name, "-tls1_3", "-sigalgs", "RSA-PSS+SHA256"]);

            // A signature on P-256 is made with SHA-256 alone.
            await IsSignedByAsync("RSA-PSS", [.. name, "-tls1_3", "-sigalgs", "ECDSA+SHA384:RSA-PSS+SHA384"]);
            await IsSignedByAsync("ECDSA", [.. name, "-tls1_2"]);
            await IsSignedByAsync("RSA", [.. name, "-tls1_2", "-sigalgs", "RSA+SHA256"]);
            await IsSignedByAsync("RSA-PSS", [.. name, "-tls1_2", "-cipher", "ECDHE-RSA-AES128-GCM-SHA256"]);
            await IsSignedByAsync("RSA-PSS", [.. name, "-tls1_2", "-curves", "X25519:P-384"]);
        }

        async Task IsSignedByAsync(string kind, string[] arguments)
        {
            string said = await OpenSsl.ClientAsync((IPEndPoint)bitflow.EndPoint(), arguments);
            Assert.Contains("a word", said, StringComparison.Ordinal);
            Assert.Contains($"Peer signature type: {kind}\n", said, StringComparison.Ordinal);
        }
    }

    /// <summary>
    /// With Nagle's algorithm (RFC 896) on, a client keeps its first data until its last words of the handshake are acknowledged, and the kernel, which waits
    /// for an answer to send that with, does not do it for 40 ms. The fastest of some counts: a busy machine makes none faster.
    /// </summary>
    [Theory]
    [InlineData(EngineKind.Linux, SslProtocols.Tls12)]
    [InlineData(EngineKind.Linux, SslProtocols.Tls13)]
    [InlineData(EngineKind.Managed, SslProtocols.Tls12)]
    [InlineData(EngineKind.Managed, SslProtocols.Tls13)]
    public async Task A_client_that_gathers_small_writes_does_not_wait_for_its_first_answer(EngineKind engine, SslProtocols version)
    {
        using Peer target = Peer.Echo();
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, listener: Tls());
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < 20; i++)
        {
            using Socket socket = await bitflow.ConnectAsync();
            socket.NoDelay = false;
            using var client = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false, (_, _, _, _) => true);
            await client.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "server.example", EnabledSslProtocols = version }).Patiently();
            long began = Stopwatch.GetTimestamp();
            await client.WriteAsync("abc"u8.ToArray());
            await client.ReadExactlyAsync(new byte[3]).AsTask().Patiently();
            TimeSpan took = Stopwatch.GetElapsedTime(began);
            fastest = took < fastest ? took : fastest;
        }

        Assert.InRange(fastest.TotalMilliseconds, 0, 30);
    }

    /// <summary>
    /// GnuTLS waits for a ticket before it speaks (gnutls_session_get_data2), for 60 ms. The kernel keeps what it is to send with more for 200 ms. The fastest of some
    /// counts: a busy machine makes none faster.
    /// </summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_client_that_waits_for_its_ticket_before_it_speaks_has_it_soon(EngineKind engine)
    {
        using Peer target = Peer.Echo();
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, listener: Tls());
        TimeSpan fastest = TimeSpan.MaxValue;
        for (int i = 0; i < 10; i++)
        {
            using Socket socket = await bitflow.ConnectAsync();
            using var client = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false, (_, _, _, _) => true);
            await client.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions { TargetHost = "server.example", EnabledSslProtocols = SslProtocols.Tls13 }).Patiently();
            long began = Stopwatch.GetTimestamp();

            // Beneath SslStream, which has had nothing of it: it comes behind the client's last words.
            Assert.NotEqual(0, await socket.ReceiveAsync(new byte[4096]).Patiently());
            TimeSpan took = Stopwatch.GetElapsedTime(began);
            fastest = took < fastest ? took : fastest;
        }

        Assert.InRange(fastest.TotalMilliseconds, 0, 100);
    }

    /// <summary>What the target hears of a client's certificate and of the cipher.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_target_is_told_the_ciphers_usual_name_and_a_common_name_beside_others_in_its_part(EngineKind engine)
    {
        static byte[] Type(byte last) => [0x06, 3, 0x55, 4, last];
        byte[] unit = [0x30, 8, .. Type(11), 0x0c, 1, (byte)'x'];
        byte[] name = [0x30, 12, .. Type(3), 0x0c, 5, .. "multi"u8];
        byte[] subject = [0x30, 26, 0x31, 24, .. unit, .. name];
        IssuedCertificate shown = TestAuthority.Trusted.Issue("client.example", subject: new X500DistinguishedName(subject));
        using var target = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            target.Address,
            engine,
            listener: $"tls_context: {{ min_version: '1.2', verify_mode: strict, certificates: [ {{ key: '{Server.Key}', certificate: '{Server.File}', authority: '{TestAuthority.Trusted.IntermediateFile}' }} ] }}\n",
            options: "enable_proxy_header: true\nproxy_header_version: 2\n");
        using Socket socket = await bitflow.ConnectAsync();
        using TestEnd client = await TestEnd.ClientAsync(socket, "server.example", SslProtocols.Tls12, shown.Certificate);
        using Socket relayed = await target.AcceptAsync();
        string header = Encoding.Latin1.GetString(await relayed.ReadOnceAsync());
        Assert.Contains("ECDHE-ECDSA-AES", header, StringComparison.Ordinal);
        Assert.Contains("\x22\0\x05multi", header, StringComparison.Ordinal);
    }

    /// <summary>As those of a mesh are: who it is for stands in the alternative names alone. `replay` decides by the one, and the other is empty.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_client_certificate_without_a_subject_is_recorded_as_presented(EngineKind engine)
    {
        IssuedCertificate shown = TestAuthority.Trusted.Issue("client.example", subject: new X500DistinguishedName(""));
        using Peer echo = Peer.Echo();
        using RunningProxies bitflow = RunningProxies.One(
            echo.Address,
            engine,
            listener: $"tls_context: {{ verify_mode: relaxed, certificates: [ {{ key: '{Server.Key}', certificate: '{Server.File}', authority: '{TestAuthority.Trusted.IntermediateFile}' }} ] }}\n");
        foreach (bool shows in new[] { true, false })
        {
            using (Socket socket = await bitflow.ConnectAsync())
            using (TestEnd client = await TestEnd.ClientAsync(socket, "server.example", certificate: shows ? shown.Certificate : null))
            {
                await client.SendAsync("x"u8.ToArray());
                Assert.Equal("x"u8.ToArray(), await client.ReadExactlyAsync(1));
            }

            ConnectionRecord record = await bitflow.EndedAsync();
            Assert.Equal("", record.ClientCertificateSubject);
            Assert.Equal(shows, record.ClientCertificate);
        }
    }

    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task The_deadline_of_the_handshake_is_gone_once_hands_are_shaken(EngineKind engine)
    {
        using Peer echo = Peer.Echo();
        using RunningProxies bitflow = RunningProxies.One(
            echo.Address, engine, listener: $"handshake_timeout: 1s\ntls_context: {{ certificates: [ {{ key: '{Server.Key}', certificate: '{Server.File}' }} ] }}\n");
        using Socket socket = await bitflow.ConnectAsync();
        using TestEnd client = await TestEnd.ClientAsync(socket, "server.example");

        // Long past the deadline, nothing having been said.
        await Task.Delay(1_500);
        await client.SendAsync("x"u8.ToArray());
        Assert.Equal("x"u8.ToArray(), await client.ReadExactlyAsync(1));
    }
}
