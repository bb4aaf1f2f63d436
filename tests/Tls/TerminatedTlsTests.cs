using System.Net.Security;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>A listener with TLS on either engine.</summary>
public sealed class TerminatedTlsTests
{
    private static readonly IssuedCertificate Server = TestAuthority.Trusted.Issue("server.example");

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
}
