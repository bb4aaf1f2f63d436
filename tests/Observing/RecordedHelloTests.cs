using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using Xunit;

namespace Bitflow.Tests.Observing;

/// <summary>The record of a TLS client holds what its hello was answered by: the file that answered it answers the record alike.</summary>
public sealed class RecordedHelloTests
{
    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example");

    [Theory]
    [InlineData("1.3", "-tls1_2", "client.hello.refused")]
    [InlineData("1.2", "-tls1_2", "client.relay.ended")]
    [InlineData("1.3", "-tls1_3", "client.relay.ended")]
    [InlineData("1.2", "-groups ffdhe4096", "client.hello.refused")]
    public async Task A_TLS_client_is_decided_again_from_its_record_as_it_was(string least, string offering, string expected)
    {
        using Peer target = Peer.Serving(async socket =>
        {
            await socket.SendAllAsync("a word\n"u8.ToArray());
            await socket.ReadToEndAsync();
        });
        string yaml =
            $$"""
            server:
              proxies:
                - name: p
                  listener: { address: '127.0.0.1:0', tls_context: { min_version: '{{least}}', certificates: [ {{Server.Entry}} ] } }
                  targets: [ { name: t, address: '{{target.Address}}' } ]
            """;
        using RunningProxies bitflow = RunningProxies.Start(yaml);
        using var client = new ChildProcess("openssl", ["s_client", "-connect", $"{bitflow.EndPoint()}", .. offering.Split(' ')]);
        if (expected == "client.relay.ended")
            await Eventually.IsTrueAsync(() => client.Output.Contains("a word", StringComparison.Ordinal), "the relay has begun");
        client.Input.Close();
        ConnectionRecord record = await bitflow.EndedAsync();
        await client.ExitAsync();
        Assert.Equal(expected, record.CloseReason.Value.ToString());

        ProxyConfig proxy = RunningProxies.Read(yaml).Proxies.Head;
        var tls = new ListenerTlsRules(proxy.Listener.Tls.Value, [new CertificateChoice(ListModule.OfArray(["server.example"]), FSharpValueOption<KeyKind>.Some(KeyKind.P256))]);
        ConnectionRecord read = ConnectionLogLine.TryParse(ConnectionLogLine.Format(record)).ResultValue;
        Assert.True(Replay.Judge(_ => new Rules(proxy), _ => tls, read).IsSame, $"decided otherwise, from {ConnectionLogLine.Format(record)}");
    }
}
