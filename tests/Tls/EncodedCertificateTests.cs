using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Net.Tls;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>What Bitflow reads of a certificate is what the platform reads, which has more ways to be asked.</summary>
public sealed class EncodedCertificateTests
{
    /// <summary>All that this machine trusts: made by a hundred different hands in thirty years.</summary>
    [Fact]
    public void The_machines_authorities_are_read_as_the_platform_reads_them()
    {
        string[] texts = [.. Directory.EnumerateFiles("/etc/ssl/certs", "*.pem").Select(File.ReadAllText)];
        byte[][] all = [.. texts.SelectMany(PemFile.Certificates)];
        Assert.InRange(all.Length, 100, 10_000);
        Assert.All(all, AreReadAlike);
    }

    [Theory]
    [InlineData("CN=a.example")]
    [InlineData("O=Org, CN=a.example, OU=unit")]
    [InlineData("CN=first.example, CN=second.example")]
    [InlineData("CN=Bücher")]
    [InlineData("O=Org")]
    [InlineData("")]
    public void A_subject_is_read_as_the_platform_reads_it(string subject) =>
        AreReadAlike(TestAuthority.Trusted.Issue("a.example", moreNames: 3, subject: new X500DistinguishedName(subject)).Certificate.RawData);

    /// <summary>From 2050 on a time is written in another form (RFC 5280 section 4.1.2.5).</summary>
    [Fact]
    public void A_time_is_read_in_either_of_its_forms() =>
        AreReadAlike(TestAuthority.Trusted.Issue("a.example", validFor: new DateTimeOffset(2051, 2, 3, 4, 5, 6, TimeSpan.Zero) - DateTimeOffset.UtcNow).Certificate.RawData);

    /// <summary>RFC 5280 section 4.2.1.3.</summary>
    [Theory]
    [InlineData(X509KeyUsageFlags.None, true)]
    [InlineData(X509KeyUsageFlags.DigitalSignature, true)]
    [InlineData(X509KeyUsageFlags.NonRepudiation, true)]
    [InlineData(X509KeyUsageFlags.KeyCertSign, true)]
    [InlineData(X509KeyUsageFlags.CrlSign, true)]
    [InlineData(X509KeyUsageFlags.KeyAgreement, false)]
    [InlineData(X509KeyUsageFlags.KeyAgreement | X509KeyUsageFlags.DecipherOnly, false)]
    [InlineData(X509KeyUsageFlags.KeyAgreement | X509KeyUsageFlags.DigitalSignature, true)]
    public void A_key_on_a_curve_that_is_for_agreements_alone_is_of_no_use(X509KeyUsageFlags usage, bool isOfUse)
    {
        using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
        var request = new CertificateRequest("CN=a.example", key, HashAlgorithmName.SHA256);
        request.CertificateExtensions.Add(new X509KeyUsageExtension(usage, critical: true));
        using X509Certificate2 certificate = request.Create(
            request.SubjectName, X509SignatureGenerator.CreateForECDsa(key), DateTimeOffset.UtcNow, DateTimeOffset.UtcNow.AddDays(1), [1]);
        using ECDsa? platform = certificate.GetECDsaPublicKey();
        Assert.Equal(isOfUse, platform is not null);
        Assert.Equal(isOfUse ? CertificateKey.EllipticCurve : CertificateKey.Other, new EncodedCertificate(certificate.RawData).Key);
    }

    /// <summary>No client would verify it (RFC 5280 section 4.1.2.5.2).</summary>
    [Theory]
    [InlineData("205102030405.6Z")]
    [InlineData("2051020304.506Z")]
    [InlineData("2051020304+0000")]
    public void A_time_that_is_not_in_whole_seconds_of_UTC_is_refused(string time)
    {
        byte[] encoded = TestAuthority.Trusted.Issue("a.example", validFor: new DateTimeOffset(2051, 2, 3, 4, 5, 6, TimeSpan.Zero) - DateTimeOffset.UtcNow).Certificate.RawData;
        Encoding.ASCII.GetBytes(time).CopyTo(encoded, encoded.AsSpan().IndexOf("2051020304050"u8));
        Assert.Throws<AsnContentException>(() => new EncodedCertificate(encoded));
    }

    [Fact]
    public void A_name_that_is_no_text_hides_none_of_the_others()
    {
        byte[] encoded = TestAuthority.Trusted.Issue("a.example", moreNames: 2).Certificate.RawData;
        encoded[encoded.AsSpan().IndexOf("0.a.example"u8)] = 0xFC;
        Assert.Equal(["a.example", "1.a.example"], new EncodedCertificate(encoded).AlternativeNames());
    }

    [Fact]
    public void Bytes_that_are_no_certificate_are_refused()
    {
        byte[] sound = TestAuthority.Trusted.Issue("a.example").Certificate.RawData;
        for (int length = 0; length < sound.Length; length++)
            IsRefused(sound[..length]);
        IsRefused([.. sound, 0]);

        static void IsRefused(byte[] bytes)
        {
            Exception? refusal = Record.Exception(() => new EncodedCertificate(bytes));
            Assert.True(refusal is CryptographicException or AsnContentException, $"{bytes.Length} bytes: {refusal}");
        }
    }

    private static void AreReadAlike(byte[] encoded)
    {
        var ours = new EncodedCertificate(encoded);
        using X509Certificate2 theirs = X509CertificateLoader.LoadCertificate(encoded);
        Assert.Equal(theirs.SubjectName.RawData, ours.Subject.ToArray());
        Assert.Equal(theirs.IssuerName.RawData, ours.Issuer.ToArray());
        Assert.Equal(theirs.NotBefore.ToUniversalTime(), ours.NotBefore.UtcDateTime);
        Assert.Equal(theirs.NotAfter.ToUniversalTime(), ours.NotAfter.UtcDateTime);
        Assert.Equal(theirs.GetRSAPublicKey() is not null, ours.Key == CertificateKey.Rsa);
        Assert.Equal(theirs.GetECDsaPublicKey() is not null, ours.Key == CertificateKey.EllipticCurve);
        Assert.Equal(theirs.GetECDsaPublicKey()?.ExportParameters(false).Curve.Oid.FriendlyName ?? "", ours.Curve.Length == 0 ? "" : Oid.FromOidValue(ours.Curve, OidGroup.PublicKeyAlgorithm).FriendlyName);
        Assert.Equal(theirs.Extensions.OfType<X509SubjectAlternativeNameExtension>().SingleOrDefault()?.EnumerateDnsNames(), ours.AlternativeNames());
        IEnumerable<string?> names = theirs.SubjectName.EnumerateRelativeDistinguishedNames(reversed: false)
            .Where(static part => !part.HasMultipleElements && part.GetSingleElementType().Value == "2.5.4.3").Select(static part => part.GetSingleElementValue());
        Assert.Equal(names.FirstOrDefault() ?? "", CertificateNames.Common(ours.Subject));
    }
}
