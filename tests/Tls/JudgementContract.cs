using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Tls;

public sealed class ManagedJudgementContract() : JudgementContract(new ManagedEngine());

public sealed class LinuxJudgementContract() : JudgementContract(new LinuxEngine(loops: 2))
{
    /// <summary>By the machine's security level (openssl.cnf), which in Debian wants RSA of 2048 bits.</summary>
    [Theory]
    [InlineData(1024, "EE certificate key too weak")]
    [InlineData(2048, "")]
    public void A_weak_key_is_refused_as_the_machine_has_it(int bits, string refusal)
    {
        IssuedCertificate shown = TestAuthority.Trusted.Issue("server.example", rsa: true, rsaBits: bits);
        using var store = new TrustStore(shown.Chain.Select(static c => new EncodedCertificate(c.RawData)));
        Assert.Equal(2, OpenSslContext.SecurityLevel);
        PeerFinding finding = store.Verify(new ShownChain(shown.Certificate.Handle, 0), Bitflow.Net.Tls.OpenSsl.ClientUse, isForName: true);
        Assert.True(finding.Anchored);
        Assert.Equal(refusal, string.Join("; ", finding.Problems));
        GC.KeepAlive(shown);
    }

    /// <summary>Whoever reads that a certificate has expired looks at the peer's own: the platform says no more.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public Task An_issuer_that_has_expired_is_told_by_its_name(bool isServer) =>
        IsJudgedAsync("with an issuer that has expired", "certificate has expired (that of its issuer CN=", isServer);

    /// <summary>Of a client with one SslStream says what is left in the library's record of errors.</summary>
    [Fact]
    public Task A_client_with_a_damaged_signature_is_refused_for_it() => IsJudgedAsync("with a damaged signature", "certificate signature failure", isServer: true);
}

/// <summary>What becomes of a peer's certificate, for the same reasons and in the same words whoever verifies the chain: the platform, or the TLS library itself.</summary>
public abstract class JudgementContract : IDisposable
{
    private const string ServerUse = "1.3.6.1.5.5.7.3.1";
    private const string ClientUse = "1.3.6.1.5.5.7.3.2";
    private const string AnyUse = "2.5.29.37.0";

    private static readonly IssuedCertificate Ours = TestAuthority.Trusted.Issue("ours.example");

    private protected JudgementContract(Engine engine) => Engine = engine;

    private protected Engine Engine { get; }

    public void Dispose()
    {
        Engine.Dispose();
        GC.SuppressFinalize(this);
    }

    public static TheoryData<string, string> Chains => new()
    {
        { "whole", "" },
        { "for any use", "" },
        { "with a common name of its own", "" },
        { "expired", "certificate has expired" },
        { "not valid yet", "certificate is not yet valid" },
        { "with an issuer that has expired", "certificate has expired" },
        { "for another use", "its extended key usage, or an issuer's, does not allow USE authentication" },
        { "with an issuer for another use", "its extended key usage, or an issuer's, does not allow USE authentication" },
        { "with an issuer that is no authority", "invalid CA certificate" },
        { "with an issuer that may sign no certificates", "key usage does not include certificate signing" },
        { "with an issuer that may speak for other names", "permitted subtree violation" },
        { "without its issuer", "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority" },
        { "of a stranger", "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority" },
        { "that issued itself", "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority" },
        { "of a stranger, and expired", "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority" },
    };

    [Theory]
    [MemberData(nameof(Chains))]
    public Task A_target_is_judged_by_its_chain(string chain, string refusal) => IsJudgedAsync(chain, refusal.Replace("USE", "server", StringComparison.Ordinal), isServer: false);

    [Theory]
    [MemberData(nameof(Chains))]
    public Task A_client_is_judged_by_its_chain(string chain, string refusal) => IsJudgedAsync(chain, refusal.Replace("USE", "client", StringComparison.Ordinal), isServer: true);

    [Fact]
    public Task A_target_with_a_damaged_signature_is_refused_for_it() => IsJudgedAsync("with a damaged signature", "certificate signature failure", isServer: false);

    /// <summary>The platform throws at a name that is none, here an address of three bytes: the certificate is at fault, and is not asked for again.</summary>
    [Fact]
    public Task A_target_with_a_name_that_cannot_be_read_beside_its_own_has_a_certificate_that_does_not_verify() => IsJudgedAsync(
        TestAuthority.Trusted.Issue("server.example", alter: static request =>
        {
            request.CertificateExtensions.RemoveAt(0);
            request.CertificateExtensions.Add(new X509Extension("2.5.29.17", [0x30, 0x15, 0x82, 0x0E, .. "server.example"u8, 0x87, 0x03, 1, 2, 3], critical: false));
        }),
        "ipAddress entry that is not a recognized size",
        isServer: false,
        TestAuthority.Trusted.RootFile);

    [Theory]
    [InlineData("_x.server.example", "_X.server.example", "")]
    [InlineData("*.server.example", "_X.server.example", "")]
    [InlineData("-x.server.example", "_X.server.example", "it is not for the name _X.server.example; have it issued for that one, or write the name that it is for as server_name")]
    [InlineData("server.example.", "server.example", "it is not for the name server.example; have it issued for that one, or write the name that it is for as server_name")]
    [InlineData("127.0.0.1", "server.example", "it is not for the name server.example; have it issued for that one, or write the name that it is for as server_name")]
    [InlineData("127.0.0.1", "127.0.0.1", "")]
    [InlineData("127.0.0.1", "127.0.0.2", "it is not for the name 127.0.0.2; have it issued for that one, or write the name that it is for as server_name")]
    [InlineData("*", "127.0.0.1", "it is not for the name 127.0.0.1; have it issued for that one, or write the name that it is for as server_name")]
    public Task A_target_is_judged_by_its_name(string shown, string name, string refusal) =>
        IsJudgedAsync(TestAuthority.Trusted.Issue(shown), refusal, isServer: false, TestAuthority.Trusted.RootFile, name);

    /// <summary>An intermediate that a configuration names is an authority of its own, as long as it is valid.</summary>
    [Theory]
    [InlineData(8 * 24, "")]
    [InlineData(-1, "certificate has expired")]
    public async Task An_intermediate_that_is_an_authority_of_its_own_decides_as_long_as_it_is_valid(int hours, string refusal)
    {
        IssuedCertificate shown = TestAuthority.Trusted.Issue("server.example", issuerValidFor: TimeSpan.FromHours(hours));
        string authority = TestAuthority.Trusted.Write($"pinned-{Guid.NewGuid():N}.pem", shown.Chain[0].ExportCertificatePem());
        await IsJudgedAsync(shown with { Chain = [] }, refusal, isServer: false, authority);
        await IsJudgedAsync(shown with { Chain = [] }, refusal, isServer: true, authority);
    }

    private protected Task IsJudgedAsync(string chain, string refusal, bool isServer) =>
        IsJudgedAsync(Issue(chain, isServer ? ServerUse : ClientUse), refusal, isServer, TestAuthority.Trusted.RootFile);

    private protected async Task IsJudgedAsync(IssuedCertificate shown, string refusal, bool isServer, string authority, string name = "server.example")
    {
        using Wire wire = isServer ? await Wire.AcceptedAsync(Engine, Family.Tcp4) : await Wire.ConnectedAsync(Engine, Family.Tcp4);
        using var peer = new SslStream(new PeerStream(wire.Peer), leaveInnerStreamOpen: false, static (_, _, _, _) => true);
        var shows = SslStreamCertificateContext.Create(shown.Certificate, [.. shown.Chain], offline: true);

        // Nothing is resumed here: what the platform keeps for each certificate would push out what other tests resume by.
        Task answering = isServer
            ? peer.AuthenticateAsClientAsync(new SslClientAuthenticationOptions { TargetHost = "ours.example", ClientCertificateContext = shows, AllowTlsResume = false })
            : peer.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificateContext = shows, AllowTlsResume = false });
        TlsOutcome outcome = await Handshake.ShakeAsync(wire, isServer, Ours, Ours, authority, name);
        Assert.Contains(refusal, outcome.Detail, StringComparison.Ordinal);
        Assert.Equal(refusal.Length > 0, outcome.IsCertificate);
        Assert.Equal(refusal.Length == 0, outcome.Connection is not null);
        wire.Connection.Abort();
        await answering.WaitAsync(Wire.Patience).ContinueWith(static _ => { }, TaskScheduler.Default);
    }

    private static IssuedCertificate Issue(string chain, string otherUse)
    {
        static IssuedCertificate Issued(
            string? usage = null, TimeSpan? validFor = null, TimeSpan? issuerValidFor = null, Action<CertificateRequest>? alterIssuer = null, TestAuthority? by = null, string? subject = null) =>
            (by ?? TestAuthority.Trusted).Issue(
                "server.example", usage: usage, validFor: validFor, issuerValidFor: issuerValidFor, alterIssuer: alterIssuer, subject: subject is null ? null : new(subject));

        switch (chain)
        {
            case "whole":
                return Issued();
            case "for any use":
                return Issued(AnyUse);
            case "with a common name of its own":
                return Issued(subject: "CN=another name");
            case "expired":
                return Issued(validFor: TimeSpan.FromHours(-1));
            case "not valid yet":
                return Issued(validFor: TimeSpan.FromDays(8.5));
            case "with an issuer that has expired":
                return Issued(issuerValidFor: TimeSpan.FromHours(-1));
            case "for another use":
                return Issued(otherUse);
            case "with an issuer for another use":
                return Issued(alterIssuer: request => request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid(otherUse)], critical: false)));
            case "with an issuer that is no authority":
                return Issued(alterIssuer: static request => request.CertificateExtensions.Clear());
            case "with an issuer that may sign no certificates":
                return Issued(alterIssuer: static request => request.CertificateExtensions.Add(new X509KeyUsageExtension(X509KeyUsageFlags.CrlSign, critical: true)));
            case "with an issuer that may speak for other names":
                // NameConstraints (RFC 5280 section 4.2.1.10): permitted is the DNS name "other" and what is beneath it.
                byte[] permitted = [0x30, 11, 0xa0, 9, 0x30, 7, 0x82, 5, .. "other"u8];
                return Issued(alterIssuer: request => request.CertificateExtensions.Add(new X509Extension("2.5.29.30", permitted, critical: true)));
            case "with a damaged signature":
                IssuedCertificate sound = Issued();
                byte[] damaged = sound.Certificate.RawData;
                damaged[^1] ^= 1;
                using (ECDsa key = sound.Certificate.GetECDsaPrivateKey()!)
                    return sound with { Certificate = X509CertificateLoader.LoadCertificate(damaged).CopyWithPrivateKey(key) };
            case "without its issuer":
                return Issued() with { Chain = [] };
            case "of a stranger":
                return Issued(by: TestAuthority.Other);
            case "of a stranger, and expired":
                return Issued(by: TestAuthority.Other, validFor: TimeSpan.FromHours(-1));
            case "that issued itself":
                ECDsa own = ECDsa.Create(ECCurve.NamedCurves.nistP256);
                var request = new CertificateRequest("CN=server.example", own, HashAlgorithmName.SHA256);
                var names = new SubjectAlternativeNameBuilder();
                names.AddDnsName("server.example");
                request.CertificateExtensions.Add(names.Build());
                return Issued() with { Certificate = request.CreateSelfSigned(DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1)), Chain = [] };
            default:
                throw new ArgumentOutOfRangeException(nameof(chain), chain, "no such chain");
        }
    }
}
