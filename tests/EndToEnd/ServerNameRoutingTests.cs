using System.Net.Sockets;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>`connection_load_balancer: sni`, with TLS ended here and with TLS passed through untouched.</summary>
public sealed class ServerNameRoutingTests
{
    private static readonly string[] Targets = ["a.example", "*.example", "*"];

    private static Peer Saying(string word) => Peer.Serving(async socket =>
    {
        await socket.SendAllAsync(Encoding.ASCII.GetBytes($"<{word}>"));
        socket.Shutdown(SocketShutdown.Send);
        await socket.ReadToEndAsync();
    });

    private static string Proxy(string listener, IEnumerable<(string Name, string Address)> targets) =>
        $"""
        - name: web
          listener: {"{"} address: '127.0.0.1:0'{listener} {"}"}
          targets: [ {string.Join(", ", targets.Select(t => $"{{ name: '{t.Name}', address: '{t.Address}' }}"))} ]
          options: {"{ connection_load_balancer: sni }"}
        """;

    [Fact]
    public async Task With_TLS_ended_here_the_exact_name_precedes_the_wildcard_and_that_everyone()
    {
        Peer[] peers = [.. Targets.Select(Saying)];
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("a.example");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy($", tls_context: {{ min_version: '1.2', certificates: [ {certificate.Entry} ] }}", Targets.Zip(peers, (n, p) => (n, p.Address))));
        foreach ((string[] asked, string target) in new[]
        {
            (new[] { "-servername", "a.example" }, "a.example"), (["-servername", "A.EXAMPLE."], "a.example"), (["-servername", "b.example"], "*.example"),
            (["-servername", "x.b.example"], "*"), (["-noservername"], "*"), (["-servername", "127.0.0.1"], "*"), (["-servername", "b.example", "-tls1_2"], "*.example"),
        })
        {
            string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), asked);
            Assert.Contains($"<{target}>", said, StringComparison.Ordinal);
        }

        foreach (Peer peer in peers)
            peer.Dispose();
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_name_that_no_target_has_is_refused_by_name_in_both_modes(bool terminates)
    {
        using Peer target = Saying("never");
        string listener = terminates ? $", tls_context: {{ certificates: [ {TestAuthority.Trusted.Issue("a.example").Entry} ] }}" : "";
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(listener, [("a.example", target.Address), ("127.0.0.1", target.Address)]));
        foreach (string[] asked in new[] { new[] { "-servername", "b.example" }, ["-noservername"], ["-servername", "127.0.0.1"], ["-servername", "x.a.example", "-tls1_2"] })
        {
            string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), asked);
            if (terminates && asked.Contains("-tls1_2"))
                Assert.Contains("alert protocol version", said, StringComparison.Ordinal);
            else
                Assert.Contains("unrecognized name", said, StringComparison.Ordinal);
            Assert.DoesNotContain("<never>", said, StringComparison.Ordinal);
        }

        await bitflow.EndsWithAsync("bitflow.hello.refused");
    }

    [Fact]
    public async Task Without_a_tls_context_the_target_speaks_TLS_itself_and_sees_the_hello_as_it_was_sent()
    {
        IssuedCertificate own = TestAuthority.Trusted.Issue("own.a.example");
        using Peer tls = Peer.Serving(async socket =>
        {
            using TestEnd end = await TestEnd.ServerAsync(socket, own);
            await end.SendAsync("untouched"u8.ToArray());
            await end.EndAsync();
            await end.ReadToEndAsync();
        });
        using var raw = new Peer();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy("", [("*.a.example", tls.Address), ("example.com", raw.Address)]));
        string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "own.a.example");
        Assert.Contains(" 0 s:CN = own.a.example", said, StringComparison.Ordinal);
        Assert.Contains("untouched", said, StringComparison.Ordinal);

        // Real hellos, each as it came and in one-byte pieces and cut into small records, arrive byte for byte.
        foreach (string file in new[] { "chromium", "gnutls-cli", "go", "openssl-tls11" })
        {
            byte[] hello = File.ReadAllLines(Path.Combine(Repository.Root, $"spec/hellos/{file}.hex")).Where(l => l[0] != '#').SelectMany(Convert.FromHexString).ToArray();
            foreach (byte[] sent in new[] { hello, Recut(hello) })
            {
                using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
                client.NoDelay = true;
                for (int i = 0; i < sent.Length; i += i < 100 ? 1 : 97)
                    await client.SendAllAsync(sent.AsMemory(i, Math.Min(i < 100 ? 1 : 97, sent.Length - i)));
                await client.SendAllAsync("more"u8.ToArray());
                client.Shutdown(SocketShutdown.Send);
                using Socket target = await raw.AcceptAsync();
                byte[] received = await target.ReadToEndAsync();
                Assert.Equal(Convert.ToHexString(sent) + "6D6F7265", Convert.ToHexString(received));
                await target.SendAllAsync("answer"u8.ToArray());
                target.Shutdown(SocketShutdown.Send);
                Assert.Equal("answer", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
                await Eventually.IsTrueAsync(
                    () => bitflow.Errors.Contains($"({received.Length} bytes from the client, 6 from the target)", StringComparison.Ordinal), $"the hello counts as the client's bytes:\n{bitflow.Errors}");
            }
        }

        static byte[] Recut(byte[] hello)
        {
            using var cut = new MemoryStream();
            byte[] message = hello[5..];
            for (int at = 0; at < message.Length; at += 100)
            {
                int length = Math.Min(100, message.Length - at);
                cut.Write([22, 3, 1, 0, (byte)length]);
                cut.Write(message, at, length);
            }

            return cut.ToArray();
        }
    }

    [Fact]
    public async Task A_target_that_is_down_is_not_replaced_by_another()
    {
        using Peer everyone = Saying("wrong target");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy($", tls_context: {{ certificates: [ {TestAuthority.Trusted.Issue("a.example").Entry} ] }}", [("a.example", "127.0.0.1:1"), ("*", everyone.Address)]));
        Assert.DoesNotContain("<wrong target>", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-servername", "a.example"), StringComparison.Ordinal);
        await bitflow.EndsWithAsync("target.dial.refused");
    }
}
