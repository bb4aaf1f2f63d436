using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Net.Security;
using System.Net.Sockets;
using System.Runtime.Versioning;
using System.Security.Authentication;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>Which certificates of a target will do, and until when.</summary>
public sealed class TargetCertificateTests
{
    private static string Authority => $"certificates: [ {{ authority: '{TestAuthority.Trusted.RootFile}' }} ]";

    [Theory]
    [InlineData(EngineKind.Linux, "x.localhost", true)]
    [InlineData(EngineKind.Linux, "localhost", false)]
    [InlineData(EngineKind.Linux, "y.x.localhost", false)]
    [InlineData(EngineKind.Managed, "x.localhost", true)]
    [InlineData(EngineKind.Managed, "localhost", false)]
    [InlineData(EngineKind.Managed, "y.x.localhost", false)]
    public async Task A_wildcard_above_a_single_label_covers_one_more_on_either_engine(EngineKind engine, string name, bool covered)
    {
        using Peer target = Showing(TestAuthority.Trusted.Issue("*.localhost"));
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, {Authority} }}\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal(covered ? "served" : "", await AnswerAsync(client));
    }

    /// <summary>RFC 9525, section 1.3: the subject's common name says nothing of whose the certificate is.</summary>
    [Theory]
    [InlineData(EngineKind.Linux, "192.0.2.7", true)]
    [InlineData(EngineKind.Linux, "wanted.example", false)]
    [InlineData(EngineKind.Managed, "192.0.2.7", true)]
    [InlineData(EngineKind.Managed, "wanted.example", false)]
    public async Task A_certificate_is_for_its_alternative_names_and_not_for_its_common_name(EngineKind engine, string name, bool served)
    {
        using Peer target = Showing(TestAuthority.Trusted.Issue("192.0.2.7", subject: new("CN=wanted.example")));
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, {Authority} }}\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal(served ? "served" : "", await AnswerAsync(client));
    }

    /// <summary>A target that shows a certificate, and says "served" to whoever takes it.</summary>
    private static Peer Showing(IssuedCertificate certificate) => Peer.Serving(async socket =>
    {
        using var tls = new SslStream(new NetworkStream(socket));
        try
        {
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = SslStreamCertificateContext.Create(certificate.Certificate, [.. certificate.Chain], offline: true),
            });
            await tls.WriteAsync("served"u8.ToArray());
            await tls.ShutdownAsync();
        }
        catch (Exception e) when (e is IOException or AuthenticationException)
        {
            // The client would not have it.
        }
    });

    /// <summary>
    /// HAProxy with ticket keys of a file resumes what began with the certificate before. That one has expired, or the one that issued it, and the session brings
    /// it along.
    /// </summary>
    [Theory]
    [InlineData(EngineKind.Linux, false)]
    [InlineData(EngineKind.Linux, true)]
    [InlineData(EngineKind.Managed, false)]
    [InlineData(EngineKind.Managed, true)]
    public async Task A_target_that_renewed_its_certificate_in_time_costs_no_client_its_connection(EngineKind engine, bool isIssuer)
    {
        var little = TimeSpan.FromSeconds(6);

        // SslStream keeps sessions by name, for the whole process.
        string name = $"{Guid.NewGuid():N}.example";
        IssuedCertificate old = isIssuer
            ? TestAuthority.Trusted.Issue(name, issuerValidFor: little)
            : TestAuthority.Trusted.Issue(name, validFor: little);
        DateTime expires = (isIssuer ? old.Chain[0] : old.Certificate).NotAfter.ToUniversalTime();
        var target = new TicketTarget();
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, {Authority} }}\n");
        using (await target.ShowAsync(old))
        {
            // A session serves once, and HAProxy gives a ticket only to who came without: after the third there is one again.
            foreach (string expected in new[] { "resumed 0", "resumed 1", "resumed 0" })
                Assert.EndsWith(expected, await AskAsync(bitflow), StringComparison.Ordinal);
            Assert.True(DateTime.UtcNow < expires, "the certificate was good meanwhile");
        }

        using PeerProcess renewed = await target.ShowAsync(TestAuthority.Trusted.Issue(name));
        while (DateTime.UtcNow <= expires.AddSeconds(1))
            await Task.Delay(50);
        Assert.EndsWith("resumed 0", await AskAsync(bitflow), StringComparison.Ordinal);
        Assert.Contains("resumed", await AskAsync(bitflow), StringComparison.Ordinal);
        Assert.Empty(bitflow.FailedAttempts);
    }

    /// <summary>SslStream keeps a session of TLS 1.2 whose certificate it was told to refuse.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_target_that_was_refused_and_shows_a_good_certificate_now_is_used(EngineKind engine)
    {
        string name = $"{Guid.NewGuid():N}.example";
        var target = new TicketTarget("ssl-max-ver TLSv1.2");
        using RunningProxies bitflow = RunningProxies.One(
            target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, min_version: '1.2', {Authority} }}\n");
        using (await target.ShowAsync(TestAuthority.Other.Issue(name)))
        {
            for (int i = 0; i < 2; i++)
                Assert.Equal("", await AskAsync(bitflow));
        }

        using PeerProcess repaired = await target.ShowAsync(TestAuthority.Trusted.Issue(name));
        for (int i = 0; i < 3; i++)
            Assert.Contains("resumed", await AskAsync(bitflow), StringComparison.Ordinal);
        Assert.Equal(2, bitflow.FailedAttempts.Count);
    }

    /// <summary>
    /// OpenSSL answers with an alert where certificates are asked for and nobody has said which sessions belong together (SSL_CTX_set_session_id_context(3)); wolfSSL
    /// closes at a ticket that is longer than it takes.
    /// </summary>
    [Theory]
    [InlineData(EngineKind.Linux, SslProtocols.Tls12, "an alert")]
    [InlineData(EngineKind.Linux, SslProtocols.Tls13, "an alert")]
    [InlineData(EngineKind.Linux, SslProtocols.Tls12, "an end")]
    [InlineData(EngineKind.Linux, SslProtocols.Tls13, "a reset")]
    [InlineData(EngineKind.Managed, SslProtocols.Tls12, "an alert")]
    [InlineData(EngineKind.Managed, SslProtocols.Tls13, "an alert")]
    [InlineData(EngineKind.Managed, SslProtocols.Tls12, "a reset")]
    [InlineData(EngineKind.Managed, SslProtocols.Tls13, "an end")]
    public async Task A_target_that_cannot_do_with_an_offered_session_costs_no_client_its_connection(EngineKind engine, SslProtocols version, string answer)
    {
        string name = $"{Guid.NewGuid():N}.example";
        IssuedCertificate shown = TestAuthority.Trusted.Issue(name);
        var context = SslStreamCertificateContext.Create(shown.Certificate, [.. shown.Chain], offline: true);
        var heard = new ConcurrentQueue<string>();
        int refused = 0;
        using Peer target = Peer.Serving(async socket =>
        {
            byte[] hello = await PeekRecordAsync(socket);
            if (OffersSession(hello))
            {
                Interlocked.Increment(ref refused);
                await socket.ReceiveAsync(hello);
                if (answer == "an alert")
                    await socket.SendAllAsync(new byte[] { 21, 3, 3, 0, 2, 2, 80 });
                else if (answer == "a reset")
                    socket.Close(0);
                return;
            }

            using var tls = new SslStream(new NetworkStream(socket));
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = context, EnabledSslProtocols = version });
            byte[] words = new byte[100];
            heard.Enqueue(Encoding.ASCII.GetString(words, 0, await tls.ReadAsync(words)));
            await tls.WriteAsync("served"u8.ToArray());
            await tls.ShutdownAsync();
        });
        using RunningProxies bitflow = RunningProxies.One(
            target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, min_version: '1.2', {Authority} }}\n");
        for (int i = 0; i < 4; i++)
            Assert.Equal("served", await AskAsync(bitflow));
        Assert.InRange(refused, 1, 4);
        Assert.Equal(Enumerable.Repeat("GET / HTTP/1.0\r\n\r\n", 4), heard);
        Assert.Empty(bitflow.FailedAttempts);
    }

    /// <summary>A web server asks where a path wants to know (RFC 8446 section 4.6.2), once the request is there.</summary>
    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    [SupportedOSPlatform("linux")]
    public async Task A_target_may_ask_for_the_certificate_after_the_handshake(EngineKind engine)
    {
        string name = $"{Guid.NewGuid():N}.example";
        IssuedCertificate shown = TestAuthority.Trusted.Issue(name);
        IssuedCertificate client = TestAuthority.Trusted.Issue("client.example");
        var context = SslStreamCertificateContext.Create(shown.Certificate, [.. shown.Chain], offline: true);
        using Peer target = Peer.Serving(async socket =>
        {
            using var tls = new SslStream(new NetworkStream(socket));
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions
            {
                ServerCertificateContext = context,
                EnabledSslProtocols = SslProtocols.Tls13,
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
            });
            _ = await tls.ReadAsync(new byte[100]);
            await tls.NegotiateClientCertificateAsync();
            await tls.WriteAsync(Encoding.ASCII.GetBytes(tls.RemoteCertificate?.Subject ?? "nobody"));
            await tls.ShutdownAsync();
        });
        using RunningProxies bitflow = RunningProxies.One(
            target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, certificates: [ {{ authority: '{TestAuthority.Trusted.RootFile}' }}, {client.Entry} ] }}\n");
        Assert.Equal("CN=client.example", await AskAsync(bitflow));
    }

    /// <summary>Without a session that could be why there is nothing to be found out by a second dial, which might hide the reason of the first.</summary>
    [Theory]
    [InlineData(EngineKind.Linux, true)]
    [InlineData(EngineKind.Linux, false)]
    [InlineData(EngineKind.Managed, true)]
    [InlineData(EngineKind.Managed, false)]
    public async Task A_target_that_gave_no_session_is_dialled_once_by_each_client_that_it_fails(EngineKind engine, bool isCertificate)
    {
        string name = $"{Guid.NewGuid():N}.example";
        IssuedCertificate shown = TestAuthority.Other.Issue(name);
        var context = SslStreamCertificateContext.Create(shown.Certificate, [.. shown.Chain], offline: true);
        int dialled = 0;
        using Peer target = Peer.Serving(async socket =>
        {
            Interlocked.Increment(ref dialled);
            if (isCertificate)
            {
                using var tls = new SslStream(new NetworkStream(socket));
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = context });
                _ = await tls.ReadAtLeastAsync(new byte[1], 1, throwOnEndOfStream: false);
            }
            else
            {
                await socket.ReceiveAsync(new byte[16 * 1024]);
                await socket.SendAllAsync(new byte[] { 21, 3, 3, 0, 2, 2, 40 });
            }
        });
        using RunningProxies bitflow = RunningProxies.One(target.Address, engine, targetKeys: $"tls_context: {{ server_name: {name}, {Authority} }}\n");
        for (int i = 1; i <= 3; i++)
        {
            Assert.Equal("", await AskAsync(bitflow));
            Assert.Equal(i, dialled);
        }
    }

    /// <summary>What the socket has to read first, and still has afterwards.</summary>
    private static async Task<byte[]> PeekRecordAsync(Socket socket)
    {
        byte[] record = new byte[16 * 1024];
        while (true)
        {
            int bytes = await socket.ReceiveAsync(record, SocketFlags.Peek);
            if (bytes == 0)
                throw new EndOfStreamException();
            if (bytes >= 5 && bytes >= 5 + BinaryPrimitives.ReadUInt16BigEndian(record.AsSpan(3)))
                return record[..bytes];
        }
    }

    /// <summary>Whether a hello in one record has a ticket in it (RFC 5077 section 3.2), or a key shared before (RFC 8446 section 4.2.11).</summary>
    private static bool OffersSession(ReadOnlySpan<byte> hello)
    {
        // Record and message begin with 9 bytes; then version, random, session id, suites, compressions and the extensions' length.
        int at = 9 + 2 + 32;
        at += 1 + hello[at];
        at += 2 + BinaryPrimitives.ReadUInt16BigEndian(hello[at..]);
        at += 1 + hello[at];
        at += 2;
        while (at < hello.Length)
        {
            int bytes = BinaryPrimitives.ReadUInt16BigEndian(hello[(at + 2)..]);
            int kind = BinaryPrimitives.ReadUInt16BigEndian(hello[at..]);
            if (kind == 41 || (kind == 35 && bytes > 0))
                return true;
            at += 4 + bytes;
        }

        return false;
    }

    private static async Task<string> AskAsync(RunningProxies bitflow)
    {
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
        return await AnswerAsync(client);
    }

    /// <summary>Empty where the connection was reset, or ended without a word.</summary>
    private static async Task<string> AnswerAsync(Socket client)
    {
        try
        {
            return Encoding.ASCII.GetString(await client.ReadToEndAsync());
        }
        catch (SocketException)
        {
            return "";
        }
    }

    /// <summary>HAProxy with ticket keys of a file: a session outlives the certificate that it began with. It says whether hands were shaken for one.</summary>
    private sealed class TicketTarget(string bind = "")
    {
        private readonly int _port = Ports.Next();
        private readonly string _keys = string.Join('\n', Enumerable.Range(0, 3).Select(static i => Convert.ToBase64String(SocketWords.Noise(48))));

        public string Address => $"127.0.0.1:{_port}";

        public async Task<PeerProcess> ShowAsync(IssuedCertificate certificate)
        {
            string home = PeerProcess.NewHome();
            await File.WriteAllTextAsync(Path.Combine(home, "keys"), _keys + "\n");
            await File.WriteAllTextAsync(
                Path.Combine(home, "shown.pem"), await File.ReadAllTextAsync(certificate.File) + await File.ReadAllTextAsync(certificate.Key));
            return await Haproxy.StartAsync(
                home,
                $"""
                frontend f
                  mode http
                  bind {Address} ssl crt {home}/shown.pem tls-ticket-keys {home}/keys {bind}
                  http-request return status 200 content-type text/plain lf-string "resumed %[ssl_fc_is_resumed]"
                """,
                _port);
        }
    }
}
