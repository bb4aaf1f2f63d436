using System.Net.Sockets;
using System.Text.Json;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>What scanners find, and what those who attack by expensive handshakes do.</summary>
public sealed class TlsScanTests
{
    /// <summary>What testssl.sh finds wrong with the certificate that the test made, which is no business of the listener's.</summary>
    private static readonly Dictionary<string, string> OfTheCertificate = new()
    {
        ["cert_expirationStatus"] = "it lives for a week",
        ["cert_notAfter"] = "the same",
        ["cert_revocation"] = "its authority answers no questions",
    };

    /// <summary>Each must have been looked at, or the scan was none.</summary>
    private static readonly string[] Checks =
    [
        "SSLv2", "SSLv3", "TLS1", "TLS1_1", "TLS1_2", "TLS1_3", "cipherlist_NULL", "cipherlist_aNULL", "cipherlist_EXPORT", "cipherlist_LOW", "cipherlist_STRONG",
        "PFS", "protocol_negotiated", "cipher_negotiated", "cert_chain_of_trust", "cert_trust", "heartbleed", "CCS", "ticketbleed", "ROBOT", "secure_renego",
        "secure_client_renego", "CRIME_TLS", "POODLE_SSL", "fallback_SCSV", "FREAK", "DROWN", "LOGJAM", "BEAST", "LUCKY13", "RC4",
    ];

    private static Peer Brief() => Peer.Serving(async socket =>
    {
        await socket.SendAllAsync("a word\n"u8.ToArray());
        socket.Shutdown(SocketShutdown.Send);
        await socket.ReadToEndAsync();
    });

    private static string Proxy(Peer target, string context) =>
        $"""
        - name: web
          listener: {"{"} address: '127.0.0.1:0', tls_context: {"{"} {context} {"}"} {"}"}
          targets: [ {"{"} name: a, address: '{target.Address}' {"}"} ]
        """;

    [Fact]
    public async Task Testssl_finds_nothing_of_medium_severity_or_above_on_a_default_listener()
    {
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("127.0.0.1", rsa: true);
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, $"certificates: [ {certificate.Entry} ]"));
        string report = Path.Combine(bitflow.Folder, "scan.json");

        // Protocols, categories of ciphers, forward secrecy, preferences, defaults, vulnerabilities.
        (_, string output, string errors) = await ChildProcess.RunAsync(
            "testssl",
            ["--warnings", "off", "--color", "0", "--nodns", "none", "--add-ca", TestAuthority.Trusted.RootFile, "--jsonfile", report, "-p", "-s", "-f", "-P", "-S", "-U", bitflow.EndPoint().ToString()],
            input: "",
            patience: TimeSpan.FromMinutes(8));
        Assert.True(File.Exists(report), output + errors);
        using var json = JsonDocument.Parse(await File.ReadAllTextAsync(report));
        (string Id, string Severity, string Finding)[] findings =
        [
            .. json.RootElement.EnumerateArray().Select(f => (f.GetProperty("id").GetString()!, f.GetProperty("severity").GetString()!, f.GetProperty("finding").GetString()!)),
        ];
        Assert.Empty(Checks.Except(findings.Select(f => f.Id)));
        Assert.DoesNotContain(findings, f => f.Severity is "MEDIUM" or "HIGH" or "CRITICAL" or "FATAL" && !OfTheCertificate.ContainsKey(f.Id));
        Assert.Contains(findings, f => f is { Id: "TLS1_3", Severity: "OK" });

        // The scan has left it as it was.
        Assert.Contains("a word", await OpenSsl.ClientAsync(bitflow.EndPoint()), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Keys_are_exchanged_in_no_large_finite_field_whatever_the_client_would_rather_have()
    {
        using Peer target = Brief();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy(target, $"min_version: '1.2', certificates: [ {TestAuthority.Trusted.Issue("server.example").Entry} ]"));
        foreach (string groups in new[] { "ffdhe4096", "ffdhe6144", "ffdhe8192", "ffdhe8192:X25519" })
        {
            Assert.Contains("alert handshake failure", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-groups", groups), StringComparison.Ordinal);
            await bitflow.EndsWithAsync("client.hello.refused", groups.Split(':')[0]);
        }

        foreach ((string groups, string spoken) in new[] { ("X25519:ffdhe8192", "X25519"), ("P-521", "521 bits"), ("X448", "X448"), ("ffdhe2048", "DH, 2048 bits") })
        {
            string said = await OpenSsl.ClientAsync(bitflow.EndPoint(), "-groups", groups);
            Assert.Contains(spoken, said.Split('\n').Single(l => l.StartsWith("Server Temp Key:", StringComparison.Ordinal)), StringComparison.Ordinal);
        }

        // TLS 1.2 has no finite fields at all.
        Assert.Contains("alert handshake failure", await OpenSsl.ClientAsync(bitflow.EndPoint(), "-tls1_2", "-cipher", "DHE"), StringComparison.Ordinal);
    }
}
