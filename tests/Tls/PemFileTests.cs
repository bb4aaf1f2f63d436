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
            var loading = new TlsLoading("tls_context", new NamedFiles(), DateTimeOffset.UtcNow, FSharpOption<FSharpList<string>>.None, findings, null);
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
        Assert.NotNull(CertificateChain.Load(new CertificateFiles(certificates, key), new NamedFiles()).Library);
    }

    [Fact]
    public void A_key_is_encrypted_only_where_its_block_says_so()
    {
        string plain = TestAuthority.Trusted.Write("plain.key", "# this key is NOT ENCRYPTED\n" + File.ReadAllText(Issued.Key));
        Assert.NotNull(CertificateChain.Load(new CertificateFiles(Issued.File, plain), new NamedFiles()).Library);
        using var key = Issued.Certificate.GetECDsaPrivateKey()!;
        string locked = TestAuthority.Trusted.Write("locked.key", key.ExportEncryptedPkcs8PrivateKeyPem("a word", new(System.Security.Cryptography.PbeEncryptionAlgorithm.Aes128Cbc, System.Security.Cryptography.HashAlgorithmName.SHA256, 1000)));
        Assert.Contains("the key is encrypted", Assert.Throws<TlsFileException>(() => PemFile.Key(new NamedFiles(), locked)).Message, StringComparison.Ordinal);
    }
}
