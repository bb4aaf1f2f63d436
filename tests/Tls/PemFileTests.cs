using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Tls;
using Bitflow.Tests.Fixtures;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;
using Xunit;

namespace Bitflow.Tests.Tls;

/// <summary>Certificates and keys as they lie on disks: edited, copied, cut off.</summary>
public sealed class PemFileTests
{
    private static readonly IssuedCertificate Issued = TestAuthority.Trusted.Issue("pem.example");

    private static string Chain => File.ReadAllText(Issued.File);

    public static TheoryData<string, string> Damaged => new()
    {
        { "cut off", Chain[..(Chain.LastIndexOf("-----BEGIN", StringComparison.Ordinal) + 200)] },
        { "a letter wrong", Chain.Insert(Chain.LastIndexOf("-----BEGIN", StringComparison.Ordinal) + 100, "!") },
        { "its last line wrong", Chain[..Chain.LastIndexOf("-----END", StringComparison.Ordinal)] + "-----END CERTIFICAT-----" },
    };

    /// <summary>A listener that shows its certificate without the issuer's, or a list of authorities with one missing, would look as if all were well.</summary>
    [Theory]
    [MemberData(nameof(Damaged))]
    public void A_file_with_a_damaged_certificate_is_refused_whole(string how, string text)
    {
        string path = TestAuthority.Trusted.Write("damaged.pem", text);
        string said = Assert.Throws<TlsFileException>(() => PemFile.Certificates(new NamedFiles(), path)).Message;
        Assert.StartsWith($"{path}: ", said, StringComparison.Ordinal);
        Assert.True(said.Contains("of its 2 certificates 1 can be read", StringComparison.Ordinal), $"{how}: {said}");
    }

    [Fact]
    public void Of_many_certificates_the_one_that_cannot_be_read_is_told_by_its_place()
    {
        string path = TestAuthority.Trusted.Write("third.pem", $"{Chain}\n-----BEGIN CERTIFICATE-----\nMAAA\n-----END CERTIFICATE-----\n{Chain}");
        string said = Assert.Throws<TlsFileException>(() => PemFile.Certificates(new NamedFiles(), path)).Message;
        Assert.StartsWith($"{path}: its certificate 3 cannot be read", said, StringComparison.Ordinal);
    }

    /// <summary>
    /// A letter that has become another leaves the frame whole, and the platform reads what is within only when it is asked for it: the key, the curve, the names.
    /// </summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_certificate_with_any_one_bit_wrong_is_used_or_refused_by_its_file_and_nothing_is_thrown(bool rsa)
    {
        IssuedCertificate issued = TestAuthority.Trusted.Issue("bits.example", rsa: rsa);
        byte[] sound = issued.Certificate.RawData;
        int refused = 0;
        for (int at = 0; at < sound.Length; at++)
        {
            byte[] damaged = [.. sound];
            damaged[at] ^= 1;
            string path = TestAuthority.Trusted.Write("bit.pem", PemEncoding.WriteString("CERTIFICATE", damaged));
            var findings = new List<TlsFinding>();
            var loading = new TlsLoading("tls_context", new NamedFiles(), DateTimeOffset.UtcNow, FSharpOption<FSharpList<string>>.None, onPlatform: false, findings, null);
            if (loading.Chain(new CertificateFiles(path, issued.Key), "tls_context.certificates[0]") is not null)
            {
                Assert.Empty(findings);
                continue;
            }

            refused++;
            TlsFinding finding = Assert.Single(findings);
            Assert.True(finding.IsError);
            Assert.True(finding.Message.Contains(path, StringComparison.Ordinal) || finding.Message.StartsWith(issued.Key, StringComparison.Ordinal), $"byte {at}: {finding.Message}");
        }

        Assert.InRange(refused, 1, sound.Length);
    }

    [Fact]
    public void A_byte_order_mark_hides_neither_a_certificate_nor_a_key()
    {
        string certificates = TestAuthority.Trusted.Write("marked.pem", '\uFEFF' + Chain);
        string key = TestAuthority.Trusted.Write("marked.key", '\uFEFF' + File.ReadAllText(Issued.Key));
        Assert.Equal(2, PemFile.Certificates(new NamedFiles(), certificates).Count);
        LoadsEitherWay(certificates, key);
    }

    [Fact]
    public void A_key_is_encrypted_only_where_its_block_says_so()
    {
        string plain = TestAuthority.Trusted.Write("plain.key", "# this key is NOT ENCRYPTED\n" + File.ReadAllText(Issued.Key));
        LoadsEitherWay(Issued.File, plain);
        using var key = Issued.Certificate.GetECDsaPrivateKey()!;
        string locked = TestAuthority.Trusted.Write("locked.key", key.ExportEncryptedPkcs8PrivateKeyPem("a word", new(System.Security.Cryptography.PbeEncryptionAlgorithm.Aes128Cbc, System.Security.Cryptography.HashAlgorithmName.SHA256, 1000)));
        Assert.Contains("the key is encrypted", Assert.Throws<TlsFileException>(() => PemFile.Key(new NamedFiles(), locked)).Message, StringComparison.Ordinal);
    }

    /// <summary>With the TLS library, and where it is not there.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void A_key_is_read_in_whatever_form_it_is_written(bool rsa, bool traditional)
    {
        IssuedCertificate issued = TestAuthority.Trusted.Issue("form.example", rsa: rsa, traditionalKey: traditional);
        LoadsEitherWay(issued.File, issued.Key);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void A_key_that_is_not_the_certificates_is_told_from_one_of_another_kind_with_the_library_and_without(bool byLibrary)
    {
        IssuedCertificate other = TestAuthority.Trusted.Issue("other.example"), rsa = TestAuthority.Trusted.Issue("rsa.example", rsa: true);
        Assert.Contains("does not belong to the first certificate", Refusal(other.Key), StringComparison.Ordinal);
        Assert.Contains("it holds an RSA key, and the first certificate of", Refusal(rsa.Key), StringComparison.Ordinal);
        Assert.Contains("cannot be read", Refusal(TestAuthority.Trusted.Write("no.key", "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----")), StringComparison.Ordinal);
        Assert.Contains("more than one private key", Refusal(TestAuthority.Trusted.Write("two.key", File.ReadAllText(Issued.Key) + File.ReadAllText(other.Key))), StringComparison.Ordinal);

        string Refusal(string key) =>
            Assert.Throws<TlsFileException>(() => CertificateChain.Load(new CertificateFiles(Issued.File, key), new NamedFiles(), byLibrary)).Message;
    }

    /// <summary>As templates, terminals and other systems leave them.</summary>
    [Theory]
    [InlineData("indented")]
    [InlineData("on one line")]
    [InlineData("an empty line between any two")]
    [InlineData("lines that end as on other systems")]
    [InlineData("a comment that quotes the first line")]
    [InlineData("parameters before it")]
    public void A_key_is_read_however_its_lines_are_laid_out_as_a_certificate_is(string how)
    {
        LoadsEitherWay(TestAuthority.Trusted.Write("laid-out.pem", LaidOut(Chain, "CERTIFICATE")), TestAuthority.Trusted.Write("laid-out.key", LaidOut(File.ReadAllText(Issued.Key), "PRIVATE KEY")));

        string LaidOut(string text, string label) => how switch
        {
            "indented" => string.Join('\n', text.Split('\n').Select(static line => "    " + line)),
            "on one line" => text.Replace("\n", "", StringComparison.Ordinal),
            "an empty line between any two" => text.Replace("\n", "\n\n", StringComparison.Ordinal),
            "lines that end as on other systems" => text.Replace('\n', '\r'),
            "a comment that quotes the first line" => label == "CERTIFICATE" ? text : $"# it begins with -----BEGIN {label}-----\n{text}",
            _ => $"-----BEGIN EC PARAMETERS-----\nBggqhkjOPQMBBw==\n-----END EC PARAMETERS-----\n{text}",
        };
    }

    [Theory]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA", "its private key is cut off or damaged")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAA!A\n-----END PRIVATE KEY-----", "its private key is cut off or damaged")]
    [InlineData("-----BEGIN PRIVATE KEY-----\nAAAA\n-----END EC PRIVATE KEY-----", "its private key is cut off or damaged")]
    [InlineData("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-256-CBC,00\n\nAAAA\n-----END RSA PRIVATE KEY-----", "the key is encrypted")]
    [InlineData("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----", "ssh-keygen -p -m PEM")]
    [InlineData("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----", "has a line -----BEGIN PRIVATE KEY-----, and this one -----BEGIN PUBLIC KEY-----")]
    [InlineData("nothing", "has a line -----BEGIN PRIVATE KEY-----")]
    public void A_file_without_a_key_that_can_be_used_says_what_it_has_instead(string text, string words)
    {
        string path = TestAuthority.Trusted.Write("unusable.key", text);
        string said = Assert.Throws<TlsFileException>(() => PemFile.Key(new NamedFiles(), path)).Message;
        Assert.StartsWith($"{path}: ", said, StringComparison.Ordinal);
        Assert.Contains(words, said, StringComparison.Ordinal);
    }

    /// <summary>Its public half, which alone is compared with the certificate, is whole; the other end would hear of it in every handshake, and nobody before.</summary>
    [Theory]
    [InlineData(false, true)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(true, false)]
    public void A_key_with_one_bit_of_its_private_half_wrong_is_refused_by_its_file(bool rsa, bool byLibrary)
    {
        IssuedCertificate issued = TestAuthority.Trusted.Issue("whole.example", rsa: rsa);
        foreach (string damaged in rsa ? Damaged(issued.Certificate.GetRSAPrivateKey()!) : Damaged(issued.Certificate.GetECDsaPrivateKey()!))
        {
            string path = TestAuthority.Trusted.Write("damaged.key", damaged);
            string said = Assert.Throws<TlsFileException>(() => CertificateChain.Load(new CertificateFiles(issued.File, path), new NamedFiles(), byLibrary)).Message;
            Assert.StartsWith($"{path}: ", said, StringComparison.Ordinal);
            Assert.True(!byLibrary || said.Contains("the key is damaged", StringComparison.Ordinal), said);
        }

        static IEnumerable<string> Damaged(AsymmetricAlgorithm key)
        {
            byte[] sound = key is RSA r ? r.ExportRSAPrivateKey() : ((ECDsa)key).ExportECPrivateKey();
            byte[][] secrets = key is RSA of ? Secrets(of.ExportParameters(true)) : [((ECDsa)key).ExportParameters(true).D!];
            foreach (byte[] secret in secrets)
            {
                // A number is written without its leading zeros.
                int at = sound.AsSpan().IndexOf(secret.AsSpan().TrimStart((byte)0));
                Assert.InRange(at, 1, sound.Length);
                byte[] damaged = [.. sound];
                damaged[at + (secret.Length / 2)] ^= 1;
                yield return PemEncoding.WriteString(key is RSA ? "RSA PRIVATE KEY" : "EC PRIVATE KEY", damaged);
            }
        }

        static byte[][] Secrets(RSAParameters key) => [key.D!, key.P!, key.Q!, key.DP!, key.DQ!, key.InverseQ!];
    }

    [Fact]
    public void A_certificate_whose_own_key_is_damaged_is_refused_by_its_file_and_not_by_the_keys()
    {
        byte[] damaged = Issued.Certificate.RawData;
        damaged[damaged.AsSpan().IndexOf(Issued.Certificate.GetPublicKey()) + 40] ^= 1;
        string path = TestAuthority.Trusted.Write("damaged-key.pem", PemEncoding.WriteString("CERTIFICATE", damaged));
        string said = Assert.Throws<TlsFileException>(() => CertificateChain.Load(new CertificateFiles(path, Issued.Key), new NamedFiles(), byLibrary: true)).Message;
        Assert.StartsWith($"{path}: its first certificate is damaged", said, StringComparison.Ordinal);
    }

    /// <summary>A point written with one of its halves, which the TLS library takes and the platform does not.</summary>
    [Fact]
    public async Task A_key_that_the_platform_cannot_use_is_refused_where_the_platform_shakes_hands()
    {
        (_, string text, _) = await ChildProcess.RunAsync("openssl", ["ec", "-in", Issued.Key, "-conv_form", "compressed"]);
        string key = TestAuthority.Trusted.Write("short-point.key", text);
        Assert.NotNull(CertificateChain.Load(new CertificateFiles(Issued.File, key), new NamedFiles(), byLibrary: true).Library);
        Assert.StartsWith(
            $"{key}: ", Assert.Throws<TlsFileException>(() => CertificateChain.Load(new CertificateFiles(Issued.File, key), new NamedFiles(), byLibrary: false)).Message, StringComparison.Ordinal);
    }

    private static void LoadsEitherWay(string certificate, string key)
    {
        CertificateChain byLibrary = CertificateChain.Load(new CertificateFiles(certificate, key), new NamedFiles(), byLibrary: true);
        CertificateChain byPlatform = CertificateChain.Load(new CertificateFiles(certificate, key), new NamedFiles(), byLibrary: false);
        Assert.NotNull(byLibrary.Library);
        Assert.Null(byPlatform.Library);
        Assert.Equal(byPlatform.Facts, byLibrary.Facts);
        Assert.True(byLibrary.Context.TargetCertificate.HasPrivateKey);
        Assert.Equal(byPlatform.Context.TargetCertificate, byLibrary.Context.TargetCertificate);
        Assert.Equal(byPlatform.Context.IntermediateCertificates, byLibrary.Context.IntermediateCertificates);
    }
}
