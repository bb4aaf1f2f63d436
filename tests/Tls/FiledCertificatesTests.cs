using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Tls;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>What is sent with a certificate: of the certificates of its file those that issued it.</summary>
public sealed class FiledCertificatesTests
{
    private static readonly ECDsa Leaf = NewKey(), Authority = NewKey(), Root = NewKey(), Other = NewKey();
    private static readonly EncodedCertificate Shown = Certificate("CN=a.example", Leaf, "CN=authority", Authority);
    private static readonly EncodedCertificate Issuer = Certificate("CN=authority", Authority, "CN=root", Root);

    [Fact]
    public void The_chain_is_sent_in_its_order_without_its_root_whatever_the_order_in_the_file()
    {
        ECDsa key = NewKey();
        EncodedCertificate leaf = Certificate("CN=b.example", key, "CN=below", Other);
        EncodedCertificate below = Certificate("CN=below", Other, "CN=authority", Authority);
        EncodedCertificate root = Certificate("CN=root", Root, "CN=root", Root);
        Sends([leaf, below, Issuer, root], [1, 2], breaksAfter: 0);
        Sends([leaf, root, Issuer, below], [3, 2], breaksAfter: 1);
        Sends([leaf], [], breaksAfter: 0);
    }

    /// <summary>RFC 5280 section 7.1.</summary>
    [Fact]
    public void Names_are_the_same_in_whatever_letters_blanks_and_kind_of_text()
    {
        EncodedCertificate issuer = Certificate(new X500DistinguishedName("CN=An  AUTHORITY", X500DistinguishedNameFlags.ForceUTF8Encoding), Authority, "CN=root", Root);
        EncodedCertificate leaf = Certificate("CN=a.example", Leaf, "CN=an authority", Authority);
        Assert.False(leaf.IsIssuedBy(issuer));
        Sends([leaf, issuer], [1], breaksAfter: 0);
    }

    /// <summary>An authority that was renewed with another key, and stands in the file with both.</summary>
    [Fact]
    public void Of_two_with_the_issuers_name_the_one_that_signed_is_sent()
    {
        EncodedCertificate before = Certificate("CN=authority", Other, "CN=root", Root);
        Sends([Shown, before, Issuer], [2], breaksAfter: 1);
        Sends([Shown, Issuer, before], [1], breaksAfter: 2);
        Sends([Shown, before], [], breaksAfter: 1);
    }

    /// <summary>A signature that cannot be verified says nothing against it.</summary>
    [Fact]
    public void One_whose_signature_is_of_an_unknown_kind_is_sent_with_the_first_that_has_its_issuers_name()
    {
        byte[] leaf = Shown.Encoded.ToArray();
        // ecdsa-with-SHA256 (1.2.840.10045.4.3.2), in the body and behind it, becomes one that nobody has defined.
        byte[] kind = [0x2A, 0x86, 0x48, 0xCE, 0x3D, 0x04, 0x03, 0x02];
        for (int at; (at = leaf.AsSpan().IndexOf(kind)) >= 0;)
            leaf[at + kind.Length - 1] = 0x7F;
        Sends([new EncodedCertificate(leaf), Certificate("CN=authority", Other, "CN=root", Root), Issuer], [1], breaksAfter: 0);
    }

    /// <summary>RFC 4210 section 4.4.1: a new root that the old one signed, for those who have the old one alone. Its two names are the same.</summary>
    [Fact]
    public void A_new_root_that_the_old_one_signed_is_sent()
    {
        EncodedCertificate leaf = Certificate("CN=a.example", Leaf, "CN=root", Other);
        EncodedCertificate newByOld = Certificate("CN=root", Other, "CN=root", Root);
        EncodedCertificate newByItself = Certificate("CN=root", Other, "CN=root", Other);
        Sends([leaf, newByOld], [1], breaksAfter: 0);
        Sends([leaf, newByItself, newByOld], [2], breaksAfter: 0);
    }

    /// <summary>Its two names are the same, and its signature cannot be its own key's.</summary>
    [Fact]
    public void A_new_root_with_a_key_of_another_kind_that_the_old_one_signed_is_sent()
    {
        using RSA old = RSA.Create(2048);
        EncodedCertificate leaf = Certificate("CN=a.example", Leaf, "CN=root", Other);
        EncodedCertificate newByOld = Certificate(new X500DistinguishedName("CN=root"), Other, "CN=root", X509SignatureGenerator.CreateForRSA(old, RSASignaturePadding.Pkcs1));
        Sends([leaf, newByOld], [1], breaksAfter: 0);
        Sends([newByOld, leaf], [], breaksAfter: 1);
    }

    [Fact]
    public void An_issuer_that_two_authorities_vouch_for_is_sent_with_both() =>
        Sends([Shown, Issuer, Certificate("CN=authority", Authority, "CN=another root", Other)], [1, 2], breaksAfter: 0);

    [Fact]
    public void What_stands_twice_in_the_file_is_sent_once() => Sends([Shown, Issuer, Issuer], [1], breaksAfter: 0);

    [Fact]
    public void What_issued_nobody_is_not_sent() => Sends([Shown, Certificate("CN=stranger", Other, "CN=root", Root), Issuer], [2], breaksAfter: 1);

    private static void Sends(IReadOnlyList<EncodedCertificate> file, int[] places, int breaksAfter)
    {
        using var filed = new FiledCertificates(file);
        Assert.Equal(places, Issuance.Chain(filed));
        Assert.Equal(breaksAfter, Issuance.BreaksAfter(filed));
    }

    private static EncodedCertificate Certificate(string subject, ECDsa key, string issuer, ECDsa signer) => Certificate(new X500DistinguishedName(subject), key, issuer, signer);

    private static EncodedCertificate Certificate(X500DistinguishedName subject, ECDsa key, string issuer, ECDsa signer) =>
        Certificate(subject, key, issuer, X509SignatureGenerator.CreateForECDsa(signer));

    private static EncodedCertificate Certificate(X500DistinguishedName subject, ECDsa key, string issuer, X509SignatureGenerator signer)
    {
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256);
        using X509Certificate2 issued = request.Create(
            new X500DistinguishedName(issuer), signer, DateTimeOffset.UtcNow.AddDays(-1), DateTimeOffset.UtcNow.AddDays(1), [1]);
        return new EncodedCertificate(issued.RawData);
    }

    private static ECDsa NewKey() => ECDsa.Create(ECCurve.NamedCurves.nistP256);
}
