using Bitflow.Net.Files;
using Bitflow.Net.Tls;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>A certificate with which handshakes fail though its files are in order: said when it is loaded, by `check` and a start alike.</summary>
public sealed class CertificateCurveTests
{
    private const string P224 = "1.3.132.0.33";
    private const string P384 = "1.3.132.0.34";
    private const string Secp256k1 = "1.3.132.0.10";
    private const string BrainpoolP256 = "1.3.36.3.3.2.8.1.1.7";

    [Theory]
    [InlineData(P224, "1.3", true, "on the curve P-224")]
    [InlineData(Secp256k1, "1.3", true, "on the curve secp256k1")]
    [InlineData(BrainpoolP256, "1.3", false, "on the curve brainpoolP256r1")]
    [InlineData(P224, "1.2", false, "on the curve P-224")]
    [InlineData(Secp256k1, "1.2", false, "on the curve secp256k1")]
    [InlineData(BrainpoolP256, "1.2", false, "on the curve brainpoolP256r1")]
    public void A_key_on_a_curve_that_no_usual_client_takes_is_said_with_the_name_of_its_file(string curve, string least, bool isError, string words)
    {
        IssuedCertificate odd = TestAuthority.Trusted.Issue("odd.example", curve: curve);
        TlsFinding finding = Assert.Single(Load(odd, least));
        Assert.Equal(isError, finding.IsError);
        Assert.Equal("server.proxies[0].listener.tls_context.certificates[0].certificate", finding.Path);
        Assert.StartsWith(odd.File + ": ", finding.Message, StringComparison.Ordinal);
        Assert.Contains(words, finding.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(P384)]
    [InlineData(null)]
    public void A_key_on_a_usual_curve_is_passed_over(string? curve) =>
        Assert.Empty(Load(TestAuthority.Trusted.Issue("usual.example", curve: curve), "1.3"));

    [Fact]
    public void An_RSA_key_has_no_curve() => Assert.Empty(Load(TestAuthority.Trusted.Issue("rsa.example", rsa: true), "1.3"));

    private static IReadOnlyList<TlsFinding> Load(IssuedCertificate certificate, string least) =>
        LoadedTls.Load(
            RunningProxies.Read(
                $$"""
                server:
                  proxies:
                    - name: p
                      listener: { address: ':443', tls_context: { min_version: '{{least}}', certificates: [ {{certificate.Entry}} ] } }
                      targets: [ { name: t, address: 'localhost:1' } ]
                """),
            new NamedFiles(),
            TimeProvider.System).Findings;
}
