using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>What a client of a listener with a `tls_context` meets, seen by OpenSSL's own client and by raw bytes.</summary>
public sealed class TlsListenerTests
{
    private const string ServerUsage = "1.3.6.1.5.5.7.3.1";
    private const string ClientUsage = "1.3.6.1.5.5.7.3.2";

    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example");

    /// <summary>A target that says a word and ends, so that clients end too.</summary>
    private static Peer Brief() => Peer.Serving(async socket =>
    {
        await socket.SendAllAsync("a word\n"u8.ToArray());
        socket.Shutdown(SocketShutdown.Send);
        await socket.ReadToEndAsync();
    });

    private static string Proxy(Peer target, string context, string name = "web", string more = "") =>
        $"""
        - name: {name}
          listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} {context} {"}"}{more} {"}"}
          targets: [ {"{"} name: a, address: '{target.Address}' {"}"} ]
        """;

    private static string Certificates(params IssuedCertificate[] certificates) => $"certificates: [ {string.Join(", ", certificates.Select(c => c.Entry))} ]";

    private static string Verifying(string mode) =>
        $"verify_mode: {mode}, certificates: [ {{ key: '{Server.Key}', certificate: '{Server.File}', authority: '{TestAuthority.Trusted.RootFile}' }} ]";

    [Fact]
    public async Task TLS_1_3_is_spoken_by_default_and_1_2_is_refused_by_name()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server)));
        string spoken = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "server.example", "-verify_return_error", "-verify_hostname", "server.example");
        Assert.Contains("New, TLSv1.3", spoken, StringComparison.Ordinal);
        Assert.Contains("a word", spoken, StringComparison.Ordinal);
        Assert.Contains("Verify return code: 0 (ok)", spoken, StringComparison.Ordinal);
        Assert.Contains("alert protocol version", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-tls1_2"), StringComparison.Ordinal);
        Assert.Contains("TLS 1.3", await bitflow.EndsWithAsync("client.hello.refused"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_certificate_that_expires_while_it_is_shown_is_told_of_once_and_clients_are_still_answered()
    {
        using Peer target = Brief();
        IssuedCertificate brief = TestAuthority.Trusted.Issue("brief.example", validFor: TimeSpan.FromSeconds(4));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server, brief)));
        string Told() => bitflow.Errors;
        Assert.Contains($"{brief.File}: the certificate expires on ", Told(), StringComparison.Ordinal);
        string expired = $"proxy web: {brief.File}: the certificate expired on ";
        await Eventually.IsTrueAsync(() => Told().Contains(expired, StringComparison.Ordinal), () => $"it is told; it said:\n{Told()}");
        Assert.Contains("certificate has expired", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "brief.example"), StringComparison.Ordinal);
        Assert.Single(Told().Split('\n'), line => line.Contains("the certificate expired on", StringComparison.Ordinal));
    }

    /// <summary>
    /// A client that closes with a ticket unread makes its kernel reset, which would be the end of a dial. The portable engine's library sends its tickets as soon as hands
    /// are shaken.
    /// </summary>
    [Fact]
    public async Task What_a_client_said_before_it_closed_arrives_though_its_target_comes_late()
    {
        using var down = new Refusal();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', tls_context: { {{Certificates(Server)}} } }
              targets: [ { name: a, address: '{{down.Address}}', connect_attempts: 20, connect_backoff: 300ms } ]
            """,
            engine: "linux");
        byte[] words = SocketWords.Noise(3000);
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await using var wire = new NetworkStream(client);
            await using var tls = new SslStream(wire, leaveInnerStreamOpen: true, static (_, _, _, _) => true);
            await tls.AuthenticateAsClientAsync("server.example");
            await bitflow.SaysAsync("attempt 2: ");
            await tls.WriteAsync(words);
            await tls.ShutdownAsync();
        }

        await bitflow.SaysAsync("attempt 4: ");
        down.Dispose();
        using Peer peer = new(IPEndPoint.Parse(down.Address));
        using Socket target = await peer.AcceptAsync();
        Assert.Equal(words, await target.ReadToEndAsync());
        target.Shutdown(SocketShutdown.Send);
        await bitflow.EndsWithAsync("client.relay.ended");
    }

    /// <summary>Over TLS an end without close_notify is no half-close (RFC 8446 section 6.1): nobody is left, and a place under `connection_limit` with it.</summary>
    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task A_client_that_says_nothing_and_leaves_without_close_notify_is_not_dialled_for(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', tls_context: { {{Certificates(Server)}} } }
              targets: [ { name: a, address: '{{blackhole.Address}}', connect_timeout: 1h } ]
            """,
            engine: engine);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await using var wire = new NetworkStream(client);
        await using var tls = new SslStream(wire, leaveInnerStreamOpen: true, static (_, _, _, _) => true);
        await tls.AuthenticateAsClientAsync("server.example");
        client.Shutdown(SocketShutdown.Send);
        await bitflow.EndsWithAsync("client.dial.probe");
    }

    [Fact]
    public async Task With_min_version_1_2_both_are_spoken_and_renegotiation_is_not()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, "min_version: '1.2', " + Certificates(Server)));
        string spoken = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-tls1_2");
        Assert.Contains("New, TLSv1.2", spoken, StringComparison.Ordinal);
        Assert.Contains("a word", spoken, StringComparison.Ordinal);
        Assert.Contains("New, TLSv1.3", await OpenSsl.ClientAsync(bitflow.EndPoint()), StringComparison.Ordinal);
        Assert.Contains("alert protocol version", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), StringComparison.Ordinal);

        // `R` makes the client ask for a renegotiation.
        using Peer waiting = Peer.Serving(async socket =>
        {
            await socket.SendAllAsync("the relay has begun\n"u8.ToArray());
            await socket.ReadToEndAsync();
        });
        using BitflowProcess talking = await BitflowProcess.StartAsync(Proxy(waiting, "min_version: '1.2', " + Certificates(Server)));
        using var client = new ChildProcess("openssl", ["s_client", "-connect", talking.EndPoint().ToString(), "-tls1_2"]);
        await Eventually.IsTrueAsync(() => client.Output.Contains("the relay has begun", StringComparison.Ordinal), "the relay has begun");
        await client.Input.WriteLineAsync("R");
        await client.ExitAsync();
        Assert.Contains("RENEGOTIATING", client.Output + client.Errors, StringComparison.Ordinal);
        await talking.EndsWithAsync("client.relay.protocol");
    }

    [Fact]
    public async Task The_certificate_goes_with_the_server_name_and_its_chain_is_sent_in_full()
    {
        IssuedCertificate other = TestAuthority.Trusted.Issue("other.example", rsa: true);
        IssuedCertificate wild = TestAuthority.Trusted.Issue("*.wild.example");
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server, other, wild)));
        foreach ((string asked, string subject) in new[]
        {
            ("server.example", "server.example"), ("OTHER.example", "other.example"), ("a.wild.example", "*.wild.example"),
            ("a.b.wild.example", "server.example"), ("unknown", "server.example"),
        })
        {
            string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", asked, "-showcerts");
            Assert.Contains($" 0 s:CN = {subject}", said, StringComparison.Ordinal);
            Assert.Contains(" 1 s:CN = trusted intermediate", said, StringComparison.Ordinal);
            Assert.Contains("Verify return code: 0 (ok)", said, StringComparison.Ordinal);
        }

        Assert.Contains(" 0 s:CN = server.example", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-noservername"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_chain_in_disorder_is_sent_in_order_and_without_its_root()
    {
        string file = TestAuthority.Trusted.Write(
            "root-first.pem",
            File.ReadAllText(Server.Alone) + File.ReadAllText(TestAuthority.Trusted.RootFile) + File.ReadAllText(TestAuthority.Trusted.IntermediateFile));
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, $"certificates: [ {{ key: '{Server.Key}', certificate: '{file}' }} ]"));
        string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-showcerts");
        Assert.Contains(" 0 s:CN = server.example", said, StringComparison.Ordinal);
        Assert.Contains(" 1 s:CN = trusted intermediate", said, StringComparison.Ordinal);
        Assert.DoesNotContain(" 2 s:", said, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(true, true)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(false, false)]
    public async Task Keys_are_RSA_or_ECDSA_in_PKCS8_or_traditional_form(bool rsa, bool traditional)
    {
        using Peer target = Brief();
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("server.example", rsa, traditional);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(certificate)));
        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_listeners_order_of_protocols_decides_and_none_in_common_is_refused_by_name()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, "application_protocols: [ h2, http/1.1 ], " + Certificates(Server)));
        Assert.Contains("ALPN protocol: h2", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-alpn", "http/1.1,h2"), StringComparison.Ordinal);
        Assert.Contains("ALPN protocol: http/1.1", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-alpn", "x,http/1.1"), StringComparison.Ordinal);
        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint()), StringComparison.Ordinal);
        Assert.Contains("alert no application protocol", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-alpn", "x,y"), StringComparison.Ordinal);
        Assert.Contains("x, y", await bitflow.EndsWithAsync("client.hello.refused"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_connection_log_has_the_server_name_of_a_hello_that_was_refused()
    {
        using Peer target = Brief();
        string log = TestAuthority.Trusted.Write($"{Guid.NewGuid():N}.log", "");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy(target, "application_protocols: [ h2 ], " + Certificates(Server)) + $"\n  options: {{ connection_log: '{log}' }}");
        await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "old.example", "-tls1_2");
        await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "other.example", "-alpn", "x");
        await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "costly.example", "-groups", "ffdhe8192");
        string[] names = [];
        await Eventually.IsTrueAsync(
            () => (names = [.. File.ReadAllLines(log).Where(l => l.Contains("client.hello.refused", StringComparison.Ordinal)).Select(ServerName)]).Length == 3,
            () => File.ReadAllText(log));
        Assert.Equal(["old.example", "other.example", "costly.example"], names);

        static string ServerName(string line) => System.Text.Json.JsonDocument.Parse(line).RootElement.GetProperty("sni").GetString()!;
    }

    [Fact]
    public async Task Sessions_of_TLS_1_2_resume_each_time_the_client_comes_back()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, "min_version: '1.2', " + Certificates(Server)));
        string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-tls1_2", "-reconnect");
        Assert.Single(said.Split('\n'), l => l.StartsWith("New, TLSv1.2", StringComparison.Ordinal));
        Assert.Equal(5, said.Split('\n').Count(l => l.StartsWith("Reused, TLSv1.2", StringComparison.Ordinal)));
    }

    [Fact]
    public async Task TLS_on_a_plain_listener_is_bytes_like_any_other()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"""
            - name: web
              listener: {"{ address: '127.0.0.1:0' }"}
              targets: [ {"{"} name: a, address: '{target.Address}' {"}"} ]
            """);
        Assert.Contains("wrong version number", await OpenSsl.ClientAsync(bitflow.EndPoint()), StringComparison.Ordinal);

        // Who ends first, the target that has said its word or the client that does not understand it, is left open.
        await bitflow.SaysAsync("7 from the target");
    }

    [Fact]
    public async Task A_hello_that_takes_more_than_64_KB_on_the_wire_is_refused_when_it_has()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server)));
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());

        // A message of 20,000 bytes is none too long; in records of one byte each it is.
        byte[] message = [1, 0, 0x4e, 0x20, 3, 3, .. new byte[32], 0, 0, 2, 0x13, 1, 1, 0, 0x4d, 0xf5, 0, 21, 0x4d, 0xf1, .. new byte[19_953]];
        byte[] wire = [.. message.SelectMany(b => (byte[])[22, 3, 1, 0, 1, b])];
        await client.SendAllAsync(wire.AsMemory(0, 66_000));
        Assert.Equal("1503030002022F", Convert.ToHexString(await client.ReadToEndAsync()));
        Assert.Contains("more than 65536 bytes", await bitflow.EndsWithAsync("client.hello.protocol"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Sessions_resume_and_a_ticket_from_a_listener_that_asks_nothing_opens_no_other()
    {
        using Peer target = Brief();
        IssuedCertificate client = TestAuthority.Trusted.Issue("client.example", usage: ClientUsage);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy(target, Certificates(Server), "open") + "\n" + Proxy(target, Verifying("strict"), "strict"));
        string ticket = TestAuthority.Trusted.Write("ticket", "");
        Assert.Contains("New, TLSv1.3", await OpenSsl.ClientAsync(bitflow.EndPoint("open"), "-sess_out", ticket), StringComparison.Ordinal);
        Assert.Contains("Reused, TLSv1.3", await OpenSsl.ClientAsync(bitflow.EndPoint("open"), "-sess_in", ticket), StringComparison.Ordinal);
        await OpenSsl.ClientAsync(bitflow.EndPoint("strict"), "-sess_in", ticket);
        await bitflow.EndsWithAsync("client.handshake.certificate");
        string shown = await OpenSsl.ClientAsync(bitflow.EndPoint("strict"), ["-sess_in", ticket, .. OpenSsl.Showing(client)]);
        Assert.Contains("New, TLSv1.3", shown, StringComparison.Ordinal);
        Assert.Contains("a word", shown, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Client_certificates_are_asked_for_as_verify_mode_says_and_refused_with_the_reason_in_the_log()
    {
        using Peer target = Brief();
        using var folder = new TemporaryFolder();
        string log = Path.Combine(folder.Path, "log");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy(target, "min_version: '1.2', " + Verifying("strict"), "strict") + "\n" + Proxy(target, Verifying("relaxed"), "relaxed") + $"\n  options: {{ connection_log: '{log}' }}");
        IssuedCertificate good = TestAuthority.Trusted.Issue("good.example", usage: ClientUsage);
        IssuedCertificate plain = TestAuthority.Trusted.Issue("plain.example");
        IssuedCertificate wrongUse = TestAuthority.Trusted.Issue("wrong-use.example", usage: ServerUsage);
        IssuedCertificate expired = TestAuthority.Trusted.Issue("expired.example", validFor: TimeSpan.FromHours(-1));
        IssuedCertificate foreign = TestAuthority.Other.Issue("foreign.example", usage: ClientUsage);
        foreach (string proxy in new[] { "strict", "relaxed" })
        {
            foreach (IssuedCertificate fine in new[] { good, plain })
                Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint(proxy), OpenSsl.Showing(fine)), StringComparison.Ordinal);
            // unsupported_certificate, certificate_expired and unknown_ca.
            foreach ((IssuedCertificate bad, int alert) in new[] { (wrongUse, 43), (expired, 45), (foreign, 48) })
            {
                string said = await OpenSsl.ClientAsync(bitflow.EndPoint(proxy), OpenSsl.Showing(bad));
                Assert.DoesNotContain("a word", said, StringComparison.Ordinal);
                Assert.Contains($"SSL alert number {alert}", said, StringComparison.Ordinal);
            }
        }

        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint("relaxed")), StringComparison.Ordinal);
        Assert.DoesNotContain("a word", await OpenSsl.ClientAsync(bitflow.EndPoint("strict")), StringComparison.Ordinal);
        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint("strict"), ["-tls1_2", .. OpenSsl.Showing(good)]), StringComparison.Ordinal);
        Assert.DoesNotContain("a word", await OpenSsl.ClientAsync(bitflow.EndPoint("strict"), ["-tls1_2", .. OpenSsl.Showing(foreign)]), StringComparison.Ordinal);
        await Eventually.IsTrueAsync(
            () => bitflow.Errors.Split('\n').Count(l => l.Contains("client.handshake.certificate", StringComparison.Ordinal)) == 8, $"eight were refused:\n{bitflow.Errors}");
        foreach (string why in new[] { "presented no certificate", "no authority that is trusted here", "expired", "does not allow client authentication" })
            Assert.Contains(why, bitflow.Errors, StringComparison.Ordinal);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        List<ConnectionRecord> refused =
            [.. (await File.ReadAllLinesAsync(log)).Select(static line => ConnectionLogLine.TryParse(line).ResultValue).Where(static r => r.CloseReason.Value.Cause.IsCertificate)];
        Assert.Equal(["CN=expired.example", "CN=foreign.example", "CN=wrong-use.example"], refused.Select(static r => r.ClientCertificateSubject).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(refused, static r => r.ClientCertificate);
    }

    [Fact]
    public async Task Any_authority_of_the_listener_decides_whichever_certificate_was_served_an_intermediate_too()
    {
        using Peer target = Brief();
        IssuedCertificate second = TestAuthority.Trusted.Issue("second.example");
        IssuedCertificate client = TestAuthority.Trusted.Issue("client.example", usage: ClientUsage);
        string context =
            $"verify_mode: strict, certificates: [ {Server.Entry}, {{ key: '{second.Key}', certificate: '{second.File}', authority: '{TestAuthority.Trusted.IntermediateFile}' }} ]";
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, context));
        string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), ["-servername", "server.example", "-cert", client.Alone, "-key", client.Key]);
        Assert.Contains(" 0 s:CN = server.example", said, StringComparison.Ordinal);
        Assert.Contains("a word", said, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Certificates_that_name_a_server_which_never_answers_make_nobody_wait_and_nothing_is_fetched()
    {
        using var silent = new Peer();
        string url = $"http://{silent.Address}/issuer.cer";

        // On every side there is one whose chain is not whole, so that somebody might want to fetch the rest of it: our own, the clients', the target's.
        IssuedCertificate own = TestAuthority.Trusted.Issue("server.example", issuerUrl: url);
        IssuedCertificate refused = TestAuthority.Other.Issue("refused.example", usage: ClientUsage, issuerUrl: url);
        IssuedCertificate accepted = TestAuthority.Trusted.Issue("accepted.example", usage: ClientUsage, issuerUrl: url);
        IssuedCertificate targets = TestAuthority.Trusted.Issue("target.example", usage: ServerUsage, issuerUrl: url);
        using Peer target = Peer.Serving(async socket =>
        {
            using TestEnd end = await TestEnd.ServerAsync(socket, targets with { Chain = [] });
            await end.SendAsync("a word\n"u8.ToArray());
            await end.EndAsync();
            await end.ReadToEndAsync();
        });
        string verifying = $"verify_mode: strict, certificates: [ {{ key: '{own.Key}', certificate: '{own.Alone}', authority: '{TestAuthority.Trusted.RootFile}' }} ]";
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"""
            - name: web
              listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} {verifying} {"}"} {"}"}
              targets: [ {"{"} name: a, address: '{target.Address}', tls_context: {"{"} server_name: target.example, certificates: [ {"{"} authority: '{TestAuthority.Trusted.IntermediateFile}' {"}"} ] {"}"} {"}"} ]
            - name: incomplete
              listener: {"{"} address: '127.0.0.1:0' {"}"}
              targets: [ {"{"} name: a, address: '{target.Address}', tls_context: {"{"} server_name: target.example, certificates: [ {"{"} authority: '{TestAuthority.Trusted.RootFile}' {"}"} ] {"}"} {"}"} ]
            """);
        long began = System.Diagnostics.Stopwatch.GetTimestamp();
        string alone = "-cert";
        await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => OpenSsl.ClientAsync(bitflow.EndPoint(), alone, refused.Alone, "-key", refused.Key)));
        await Eventually.IsTrueAsync(
            () => bitflow.Errors.Split('\n').Count(l => l.Contains("client.handshake.certificate", StringComparison.Ordinal)) == 8, "eight were refused");
        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint(), OpenSsl.Showing(accepted)), StringComparison.Ordinal);
        await bitflow.EndsWithAsync("target.relay.ended");
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint("incomplete")))
            Assert.Empty(await client.ReadToEndAsync());
        await bitflow.EndsWithAsync("target.dial.certificate");

        // The platform would wait 15 seconds for each answer.
        Assert.InRange(System.Diagnostics.Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 14);

        // What has not been asked for when the program is gone never will be; and had it been, it would be seen.
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.False(silent.IsWanted);
        using Socket asking = await SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Loopback, silent.Port));
        await Eventually.IsTrueAsync(() => silent.IsWanted, "whoever connects is seen");
    }

    public static TheoryData<string, string, string> FirstBytes
    {
        get
        {
            string hello = "010000410303000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f000004c02bc02f0100001400000010000e00000b6578616d706c652e636f6d";
            return new()
            {
                { "CH-2", Convert.ToHexString("GET / HTTP/1.1\r\n\r\n"u8), "" },
                { "CH-3", "802201030300090000001000002f00c02f00c02b000102030405060708090a0b0c0d0e0f", "" },
                { "CH-4", "1602000005", "" },
                { "CH-7", "1603014001", "16" },
                { "CH-8", "1603010000", "0A" },
                { "CH-10", "160301000402000000", "0A" },
                { "CH-11", "1603010004010F0000", "2F" },
                { "CH-12", "160301000401000000", "32" },
                { "CH-13", "16030100300100002C0303000102030405060708090A0B0C0D0E0F101112131415161718191A1B1C1D1E1F000004C02BC02F010000", "32" },
                { "CH-20", "1603010045" + hello.Replace("0010000e00000b", "0010000e01000b", StringComparison.Ordinal), "32" },
                { "CH-23", "1603010045" + hello.Replace("6578616d", "65780061", StringComparison.Ordinal), "70" },
                { "CH-26", "1603010046" + hello + "00", "0A" },
            };
        }
    }

    [Theory]
    [MemberData(nameof(FirstBytes))]
    public async Task Bytes_that_are_no_acceptable_hello_are_answered_with_their_alert_or_not_at_all(string fact, string bytes, string alert)
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server)));
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync(Convert.FromHexString(bytes));
        byte[] answer = await client.ReadToEndAsync();
        Assert.Equal(alert.Length == 0 ? "" : "150303000202" + alert, Convert.ToHexString(answer));
        Assert.NotEmpty(fact);
        await bitflow.EndsWithAsync("client.hello.protocol");
    }

    [Fact]
    public async Task A_client_that_leaves_in_the_midst_of_its_hello_ended_and_one_that_never_spoke_was_a_probe()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server)));
        using (Socket probe = await SocketWords.ConnectAsync(bitflow.EndPoint()))
            probe.Shutdown(SocketShutdown.Send);
        await bitflow.EndsWithAsync("client.hello.probe");
        using (Socket half = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await half.SendAllAsync(Convert.FromHexString("16030100"));
            half.Shutdown(SocketShutdown.Send);
            Assert.Empty(await half.ReadToEndAsync());
        }

        await bitflow.EndsWithAsync("client.hello.ended");
        using (Socket reset = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await reset.SendAllAsync(Convert.FromHexString("16030100"));
            reset.Reset();
        }

        await bitflow.EndsWithAsync("client.hello.reset");
    }

    [Fact]
    public async Task A_client_that_sends_a_byte_now_and_then_is_cut_at_handshake_timeout_in_whichever_phase()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(Server), more: ", handshake_timeout: 700ms"));
        byte[] hello = File.ReadAllLines(Path.Combine(Repository.Root, "spec/hellos/openssl-default.hex"))
            .Where(l => l[0] != '#').SelectMany(Convert.FromHexString).ToArray();
        using Socket slow = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket stalled = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await stalled.SendAllAsync(hello);
        Task feeding = FeedAsync(slow);
        await bitflow.EndsWithAsync("client.hello.handshake_timeout");
        await bitflow.EndsWithAsync("client.handshake.handshake_timeout");
        await feeding;

        async Task FeedAsync(Socket socket)
        {
            try
            {
                foreach (byte b in hello)
                {
                    await socket.SendAllAsync(new[] { b });
                    await Task.Delay(50);
                }

                Assert.Fail("it was never cut");
            }
            catch (SocketException)
            {
                // Cut.
            }
        }
    }

    [Fact]
    public async Task A_thousand_stalled_handshakes_leave_a_working_proxy_and_nothing_behind()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(echo, Certificates(Server), more: ", handshake_timeout: 6s"));
        using (TestEnd warm = await TestEnd.ClientAsync(await SocketWords.ConnectAsync(bitflow.EndPoint()), "server.example"))
        {
            await warm.SendAsync("x"u8.ToArray());
            await warm.EndAsync();
            Assert.Equal("x"u8.ToArray(), (await warm.ReadToEndAsync()).Data);
        }

        await bitflow.EndsWithAsync("client.relay.ended");
        int descriptors = bitflow.Descriptors();
        int threads = Directory.GetDirectories($"/proc/{bitflow.Id}/task").Length;
        byte[] hello = File.ReadAllLines(Path.Combine(Repository.Root, "spec/hellos/curl-h2.hex"))
            .Where(l => l[0] != '#').SelectMany(Convert.FromHexString).ToArray();
        var stalled = new List<Socket>();
        for (int i = 0; i < 1000; i++)
        {
            Socket socket = await SocketWords.ConnectAsync(bitflow.EndPoint());
            stalled.Add(socket);

            // Half stall in the midst of the hello, half after it.
            await socket.SendAllAsync(hello.AsMemory(0, i % 2 == 0 ? hello.Length : i % hello.Length));
        }

        using (TestEnd client = await TestEnd.ClientAsync(await SocketWords.ConnectAsync(bitflow.EndPoint()), "server.example"))
        {
            await client.SendAsync("ping"u8.ToArray());
            Assert.Equal("ping"u8.ToArray(), await client.ReadExactlyAsync(4));
        }

        Assert.InRange(Directory.GetDirectories($"/proc/{bitflow.Id}/task").Length, 1, threads + 16);
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors + 5, $"the descriptors go back to {descriptors}", TimeSpan.FromSeconds(60));
        await bitflow.EndsWithAsync("client.hello.handshake_timeout");
        await bitflow.EndsWithAsync("client.handshake.handshake_timeout");
        stalled.ForEach(s => s.Dispose());
    }

    [Fact]
    public async Task What_the_handshake_was_is_in_the_clients_own_words_when_it_refuses_our_certificate()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, Certificates(TestAuthority.Other.Issue("server.example"))));
        Assert.DoesNotContain("a word", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-verify_return_error"), StringComparison.Ordinal);
        string line = await bitflow.EndsWithAsync("client.handshake.protocol");
        Assert.Contains("unknown ca", line, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Curl_speaks_HTTP_1_1_through_it_with_the_bytes_unchanged()
    {
        using Peer target = Peer.Serving(async socket =>
        {
            byte[] request = new byte[4096];
            int got = await socket.ReceiveAsync(request);
            string first = Encoding.ASCII.GetString(request, 0, got).Split("\r\n")[0];
            await socket.SendAllAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Length: {first.Length}\r\nConnection: close\r\n\r\n{first}"));
            socket.Shutdown(SocketShutdown.Send);
            await socket.ReadToEndAsync();
        });
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, "application_protocols: [ http/1.1 ], " + Certificates(Server)));
        (int status, string output, string errors) = await ChildProcess.RunAsync("curl",
            ["-sS", "--cacert", TestAuthority.Trusted.RootFile, "--resolve", $"server.example:{bitflow.Port()}:127.0.0.1", $"https://server.example:{bitflow.Port()}/path"]);
        Assert.True(status == 0, errors);
        Assert.Equal("GET /path HTTP/1.1", output.Trim());
    }
}
