using System.Net.Security;
using System.Net.Sockets;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>What Bitflow asks of a target with a `tls_context`, and what it makes of the answers.</summary>
public sealed class TlsTargetTests
{
    private static readonly IssuedCertificate Good = TestAuthority.Trusted.Issue("target.example");

    private static string Authority => $"certificates: [ {{ authority: '{TestAuthority.Trusted.RootFile}' }} ]";

    private static string To(string address, string context, string more = "") =>
        $"""
        - name: web
          listener: {"{ address: '127.0.0.1:0' }"}
          targets: [ {"{"} name: a, address: '{address}', tls_context: {"{"} {context} {"}"}{more} {"}"} ]
        """;

    /// <summary>A TLS server that echoes a line, and keeps what it saw of its client.</summary>
    private static Peer Serving(IssuedCertificate certificate, Action<SslStream>? seen = null, bool asks = false) => Peer.Serving(async socket =>
    {
        using var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(certificate.Certificate, [.. certificate.Chain], offline: true),
                ClientCertificateRequired = asks,
                RemoteCertificateValidationCallback = (_, _, _, _) => true,
                ApplicationProtocols = [new("second"), new("first")],
            });
            seen?.Invoke(tls);
            byte[] buffer = new byte[100];
            int got = await tls.ReadAsync(buffer);
            await tls.WriteAsync(buffer.AsMemory(0, got));
            await tls.ShutdownAsync();
        }
        catch (Exception e) when (e is IOException or System.Security.Authentication.AuthenticationException)
        {
            // The client would not have it.
        }
    });

    private static async Task<string> AskAsync(BitflowProcess bitflow)
    {
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("question"u8.ToArray());
        return Encoding.ASCII.GetString(await client.ReadToEndAsync());
    }

    [Fact]
    public async Task The_second_connection_to_a_target_resumes_the_session_of_the_first()
    {
        int port = Ports.Next();
        using PeerProcess target = await PeerProcess.StartAsync(
            PeerProcess.NewHome(), "openssl", ["s_server", "-accept", $"127.0.0.1:{port}", "-cert", Good.Alone, "-key", Good.Key, "-cert_chain", Good.File, "-www"], port);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To($"127.0.0.1:{port}", "server_name: target.example, " + Authority));
        Assert.Contains("New, TLSv1.3", await PageAsync(), StringComparison.Ordinal);
        Assert.Contains("Reused, TLSv1.3", await PageAsync(), StringComparison.Ordinal);

        async Task<string> PageAsync()
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
            return Encoding.ASCII.GetString(await client.ReadToEndAsync());
        }
    }

    [Fact]
    public async Task A_target_with_the_right_name_and_a_chain_to_the_authority_is_used()
    {
        string? name = null;
        using Peer target = Serving(Good, tls => name = tls.TargetHostName);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To(target.Address, "server_name: target.example, " + Authority));
        Assert.Equal("question", await AskAsync(bitflow));
        Assert.Equal("target.example", name);
    }

    /// <summary>
    /// What a service's dynamic user is where nobody knows its name. Root becomes one, and goes on reading the tests' files; anyone else needs a
    /// namespace of their own to be one.
    /// </summary>
    private static string[] Homeless =>
    [
        "env", "-u", "HOME",
        .. Environment.IsPrivilegedProcess
            ? (string[])["setpriv", "--reuid", "61720", "--regid", "61720", "--clear-groups", "--inh-caps", "+dac_override", "--ambient-caps", "+dac_override"]
            : ["unshare", "--user", "--map-user", "61720", "--map-group", "61720"],
    ];

    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task A_user_without_a_home_or_a_name_verifies_as_any_other_does(string engine)
    {
        using Peer target = Serving(Good);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            To(target.Address, "server_name: target.example, " + Authority), launcher: Homeless, engine: engine);
        Assert.Equal("question", await AskAsync(bitflow));
    }

    /// <summary>The platform looks every five seconds, at the most, whether they have changed.</summary>
    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task The_machines_authorities_decide_as_they_are_at_the_last_reload(string engine)
    {
        using Peer target = Serving(TestAuthority.Other.Issue("target.example"));
        string machine = TestAuthority.Trusted.Write($"machine-{engine}.pem", await File.ReadAllTextAsync(TestAuthority.Trusted.RootFile));
        string folder = Directory.CreateDirectory(machine + ".d").FullName;
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            To(target.Address, "server_name: target.example"),
            environment: new Dictionary<string, string> { ["SSL_CERT_FILE"] = machine, ["SSL_CERT_DIR"] = folder },
            engine: engine);
        Assert.Equal("", await AskAsync(bitflow));
        await bitflow.EndsWithAsync("target.dial.certificate", "no authority that is trusted here");
        await File.AppendAllTextAsync(machine, await File.ReadAllTextAsync(TestAuthority.Other.RootFile));
        string answer = "";
        for (int reloads = 1; answer.Length == 0 && reloads <= 100; reloads++)
        {
            bitflow.Signal("HUP");
            await Eventually.IsTrueAsync(() => bitflow.Errors.Split("is in force").Length > reloads, "it was reloaded");
            await Task.Delay(100);
            answer = await AskAsync(bitflow);
        }

        Assert.Equal("question", answer);
    }

    /// <summary>A folder that may not be read costs no other, and neither does a pipe among certificates, which would be waited for; and what is gone with a reload decides no more.</summary>
    [Fact]
    public async Task A_folder_of_authorities_that_cannot_be_read_is_told_of_and_the_others_decide()
    {
        if (OperatingSystem.IsWindows())
            return;
        using Peer target = Serving(TestAuthority.Other.Issue("target.example"));
        string root = Directory.CreateTempSubdirectory("bitflow-authorities-").FullName;
        string good = Directory.CreateDirectory(Path.Combine(root, "good")).FullName, shut = Path.Combine(root, "shut");
        File.SetUnixFileMode(root, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute | UnixFileMode.OtherRead | UnixFileMode.OtherExecute);
        Directory.CreateDirectory(shut, UnixFileMode.None);
        string authority = Path.Combine(good, "authority.pem");
        File.Copy(TestAuthority.Other.RootFile, authority);
        Assert.Equal(0, (await ChildProcess.RunAsync("mkfifo", [Path.Combine(good, "pipe")])).Status);
        try
        {
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(
                To(target.Address, "server_name: target.example"),
                environment: new Dictionary<string, string> { ["SSL_CERT_FILE"] = "/nowhere", ["SSL_CERT_DIR"] = $"{shut}:{good}" },

                // Root may read whatever the mode says, unless that privilege is taken from it.
                launcher: Environment.IsPrivilegedProcess ? ["setpriv", "--bounding-set", "-dac_override,-dac_read_search"] : null);
            Assert.Equal("question", await AskAsync(bitflow));
            await Eventually.IsTrueAsync(() => bitflow.Errors.Contains($"authorities in {shut} decide over nobody", StringComparison.Ordinal), "it is told");
            File.Delete(authority);
            bitflow.Signal("HUP");
            await Eventually.IsTrueAsync(() => bitflow.Errors.Split("decide over nobody").Length > 2, "they were read again");
            await Eventually.HoldsAsync(async () => (await AskAsync(bitflow)).Length == 0, static () => "it decides no more");
            await bitflow.EndsWithAsync("target.dial.certificate", "no authority that is trusted here");
        }
        finally
        {
            File.SetUnixFileMode(shut, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
            Directory.Delete(root, recursive: true);
        }
    }

    [Fact]
    public async Task The_intermediate_alone_may_be_the_authority()
    {
        using Peer target = Serving(Good);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            To(target.Address, $"server_name: target.example, certificates: [ {{ authority: '{TestAuthority.Trusted.IntermediateFile}' }} ]"));
        Assert.Equal("question", await AskAsync(bitflow));
    }

    [Fact]
    public async Task An_address_is_verified_as_an_address_and_no_server_name_is_sent_for_it()
    {
        string? name = "unset";
        using Peer target = Serving(TestAuthority.Trusted.Issue("127.0.0.1"), tls => name = tls.TargetHostName);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To(target.Address, Authority));
        Assert.Equal("question", await AskAsync(bitflow));
        Assert.Equal("", name);
    }

    [Theory]
    [InlineData("wrong name", "not for the name target.example")]
    [InlineData("untrusted", "no authority that is trusted here")]
    [InlineData("expired", "expired")]
    [InlineData("wrong use", "its extended key usage, or an issuer's, does not allow server authentication")]
    public async Task A_certificate_that_does_not_verify_ends_the_dial_without_another_attempt(string flaw, string words)
    {
        IssuedCertificate certificate = flaw switch
        {
            "wrong name" => TestAuthority.Trusted.Issue("other.example"),
            "untrusted" => TestAuthority.Other.Issue("target.example"),
            "expired" => TestAuthority.Trusted.Issue("target.example", validFor: TimeSpan.FromHours(-1)),
            _ => TestAuthority.Trusted.Issue("target.example", usage: "1.3.6.1.5.5.7.3.2"),
        };
        using Peer target = Serving(certificate);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            To(target.Address, "server_name: target.example, " + Authority, ", connect_attempts: 5"));
        Assert.Equal("", await AskAsync(bitflow));
        string line = await bitflow.EndsWithAsync("target.dial.certificate");
        Assert.Contains(words, line, StringComparison.Ordinal);
        Assert.Contains("after 1 attempt", line, StringComparison.Ordinal);

        // Above `debug` the connection has one line.
        Assert.Single(bitflow.Errors.Split('\n'), l => l.Contains(" WARN proxy web: connection", StringComparison.Ordinal));
    }

    [Fact]
    public async Task With_verify_mode_none_any_certificate_will_do()
    {
        using Peer target = Serving(TestAuthority.Other.Issue("other.example"));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To(target.Address, "verify_mode: none"));
        Assert.Equal("question", await AskAsync(bitflow));
    }

    [Fact]
    public async Task The_first_of_the_targets_own_client_certificates_is_shown_and_its_protocols_are_offered()
    {
        IssuedCertificate client = TestAuthority.Trusted.Issue("client.example"), another = TestAuthority.Trusted.Issue("another.example");
        string subject = "", protocol = "";
        using Peer target = Serving(Good, tls => (subject, protocol) = (tls.RemoteCertificate?.Subject ?? "", tls.NegotiatedApplicationProtocol.ToString()), asks: true);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            To(target.Address, $"server_name: target.example, application_protocols: [ first ], certificates: [ {{ key: '{client.Key}', certificate: '{client.File}', authority: '{TestAuthority.Trusted.RootFile}' }}, {another.Entry} ]"));
        Assert.Equal("question", await AskAsync(bitflow));
        Assert.Equal(("CN=client.example", "first"), (subject, protocol));
    }

    [Fact]
    public async Task A_target_that_speaks_no_TLS_breaks_the_protocol_and_one_that_says_nothing_is_given_up()
    {
        using Peer plain = Peer.Serving(async socket => await socket.SendAllAsync("220 mail.example ESMTP at your service\r\n"u8.ToArray()));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To(plain.Address, "verify_mode: none"));
        Assert.Equal("", await AskAsync(bitflow));
        await bitflow.EndsWithAsync("target.dial.protocol");
        using var silent = new Peer();
        using BitflowProcess other = await BitflowProcess.StartAsync(To(silent.Address, "verify_mode: none", ", connect_timeout: 500ms"));
        Assert.Equal("", await AskAsync(other));
        await other.EndsWithAsync("target.dial.connect_timeout");
    }

    [Fact]
    public async Task Nginx_and_haproxy_are_targets_and_clients()
    {
        IssuedCertificate edge = TestAuthority.Trusted.Issue("edge.example");
        using var temporary = new TemporaryFolder();
        string folder = temporary.Path;
        string both = TestAuthority.Trusted.Write("both.pem", File.ReadAllText(Good.File) + File.ReadAllText(Good.Key));
        string nginxTarget = Path.Combine(folder, "nginx-target"), haproxyTarget = Path.Combine(folder, "haproxy-target");
        using Peer answers = Peer.Serving(async socket =>
        {
            await socket.SendAllAsync("an answer"u8.ToArray());
            socket.Shutdown(SocketShutdown.Send);
            await socket.ReadToEndAsync();
        });
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"""
            - name: to-nginx
              listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} certificates: [ {edge.Entry} ] {"}"} {"}"}
              targets: [ {"{"} name: a, address: 'unix:{nginxTarget}', tls_context: {"{"} server_name: target.example, {Authority} {"}"} {"}"} ]
            - name: to-haproxy
              listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} certificates: [ {edge.Entry} ] {"}"} {"}"}
              targets: [ {"{"} name: a, address: 'unix:{haproxyTarget}', tls_context: {"{"} server_name: target.example, {Authority} {"}"} {"}"} ]
            """);
        string nginxFile = Path.Combine(folder, "nginx.conf"), haproxyFile = Path.Combine(folder, "haproxy.cfg");
        await File.WriteAllTextAsync(
            nginxFile,
            $$"""
            daemon off; pid {{folder}}/nginx.pid; error_log stderr; include /etc/nginx/modules-enabled/*.conf; events {}
            stream {
              server { listen unix:{{nginxTarget}} ssl; ssl_protocols TLSv1.3; ssl_certificate {{Good.File}}; ssl_certificate_key {{Good.Key}}; proxy_pass {{answers.Address}}; }
              server { listen unix:{{folder}}/nginx-client; proxy_pass 127.0.0.1:{{bitflow.Port("to-haproxy")}}; proxy_ssl on; proxy_ssl_protocols TLSv1.3; proxy_ssl_verify on; proxy_ssl_trusted_certificate {{TestAuthority.Trusted.RootFile}}; proxy_ssl_verify_depth 3; proxy_ssl_server_name on; proxy_ssl_name edge.example; }
            }
            """);
        await File.WriteAllTextAsync(
            haproxyFile,
            $"""
            defaults
              mode tcp
              timeout connect 5s
              timeout client 20s
              timeout server 20s
            listen target
              bind unix@{haproxyTarget} ssl crt {both} ssl-min-ver TLSv1.3
              server s {answers.Address}
            listen client
              bind unix@{folder}/haproxy-client
              server s 127.0.0.1:{bitflow.Port("to-nginx")} ssl verify required ca-file {TestAuthority.Trusted.RootFile} sni str(edge.example) verifyhost edge.example

            """);
        using var nginx = new ChildProcess("nginx", ["-e", "stderr", "-c", nginxFile]);
        using var haproxy = new ChildProcess("haproxy", ["-f", haproxyFile]);
        string[] paths = [nginxTarget, haproxyTarget, $"{folder}/nginx-client", $"{folder}/haproxy-client"];
        await Eventually.IsTrueAsync(() => paths.All(File.Exists), $"both listen: {nginx.Errors}{haproxy.Errors}");
        foreach (string path in paths.Skip(2))
        {
            using Socket client = await SocketWords.ConnectAsync(new System.Net.Sockets.UnixDomainSocketEndPoint(path));
            Assert.Equal("an answer", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
        }

        await Eventually.IsTrueAsync(() => bitflow.Errors.Contains("relay.ended", StringComparison.Ordinal), bitflow.Errors);
    }
}
