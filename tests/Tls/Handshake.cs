using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Tls;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Microsoft.FSharp.Core;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>Our side of a handshake, by the TLS contexts of a configuration.</summary>
internal static class Handshake
{
    /// <param name="wire">Between both.</param>
    /// <param name="isServer">Whether our side is the server's.</param>
    /// <param name="server">What we show as a server.</param>
    /// <param name="client">What we show as a client.</param>
    /// <param name="authority">Who decides over the peer: over a server's, the trusted root where that is null; a client's is not asked for then.</param>
    public static Task<TlsOutcome> ShakeAsync(Wire wire, bool isServer, IssuedCertificate server, IssuedCertificate client, string? authority = null, string name = "server.example")
    {
        // Made anew each time: a session that goes on has fewer flights.
        ProxyTls contexts = Contexts(server, client, authority, name);
        return (isServer ? AcceptAsync(wire, contexts.Listener!) : contexts.Targets[0]!.ConnectAsync(wire.Connection)).WaitAsync(Wire.Patience);
    }

    /// <summary>As a session does it: the hello has been read before, together with whatever came with it.</summary>
    private static async Task<TlsOutcome> AcceptAsync(Wire wire, ListenerTlsContext context)
    {
        byte[] hello = new byte[4096];
        int read = (await wire.Receive(hello)).Bytes;
        return await context.AcceptAsync(
            wire.Connection, hello.AsMemory(0, read), FSharpValueOption<ServerName>.None, (HelloAnswer.Serve)HelloAnswer.NewServe(0, FSharpValueOption<AlpnName>.None));
    }

    private static ProxyTls Contexts(IssuedCertificate server, IssuedCertificate client, string? authority, string name)
    {
        string listener = authority is not null
            ? $"verify_mode: strict, certificates: [ {{ key: '{server.Key}', certificate: '{server.File}', authority: '{authority}' }} ]"
            : $"certificates: [ {server.Entry} ]";
        Config config = RunningProxies.Read(
            $$"""
            server:
              proxies:
              - name: secured
                listener: { address: '127.0.0.1:0', tls_context: { min_version: '1.2', {{listener}} } }
                targets:
                - name: a
                  address: '127.0.0.1:1'
                  tls_context:
                    min_version: '1.2'
                    server_name: {{name}}
                    certificates: [ {{client.Entry}}, { authority: '{{authority ?? TestAuthority.Trusted.RootFile}}' } ]
            """);
        var loaded = LoadedTls.Load(config, new NamedFiles(), TimeProvider.System);

        // One that has expired decides over nobody, which is for the handshake to show.
        Assert.DoesNotContain(loaded.Findings, static finding => finding.IsError || !finding.Message.Contains("the authority expired on", StringComparison.Ordinal));
        return loaded.Of(config.Proxies[0]);
    }
}
