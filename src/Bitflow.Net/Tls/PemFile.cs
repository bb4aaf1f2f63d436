using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.Net.Tls;

/// <summary>Reads PEM files (RFC 7468): certificates in their order, and a private key.</summary>
internal static class PemFile
{
    private const string Certificate = "CERTIFICATE";
    private const string PrivateKey = "PRIVATE KEY";

    /// <exception cref="TlsFileException">The file cannot be read, holds none, or one that is damaged.</exception>
    public static IReadOnlyList<EncodedCertificate> Certificates(NamedFiles files, string path)
    {
        string text = Read(files, path);
        var all = new List<EncodedCertificate>();
        int begun = 0;
        foreach (PemBlock block in PemBlock.All(text))
        {
            if (block.Label != Certificate)
                continue;
            begun++;
            try
            {
                // A block that is cut off, or has a letter wrong, is none.
                if (block.Content is { } content)
                    all.Add(new EncodedCertificate(content));
            }
            catch (Exception e) when (e is CryptographicException or AsnContentException)
            {
                throw new TlsFileException($"{path}: its certificate {begun} cannot be read ({e.Message}); it must be issued, or copied, anew", e);
            }
        }

        if (all.Count < begun)
            throw new TlsFileException($"{path}: of its {begun} certificates {all.Count} can be read; one is cut off or damaged, or the file is still being written");
        if (all.Count == 0)
            throw new TlsFileException($"{path}: it holds no certificate; {Wanted(text, Certificate)}");
        return all;
    }

    /// <summary>The certificates in a text, in DER; what is cut off, or not in base 64, is left out.</summary>
    public static IEnumerable<byte[]> Certificates(string text)
    {
        foreach (PemBlock block in PemBlock.All(text))
        {
            if (block is { Label: Certificate, Content: { } content })
                yield return content;
        }
    }

    /// <summary>The private key of a file, in PEM as others read it too: blanks around its lines, and lines of any length, are ours alone to read.</summary>
    /// <exception cref="TlsFileException">The file cannot be read, or holds none that is usable.</exception>
    public static string Key(NamedFiles files, string path)
    {
        string text = Read(files, path);
        PemBlock? key = null;
        bool isDamaged = false;
        foreach (PemBlock block in PemBlock.All(text))
        {
            if (!block.Label.EndsWith(PrivateKey, StringComparison.Ordinal))
                continue;
            if (block.IsEncrypted)
                throw new TlsFileException($"{path}: the key is encrypted, and there is nobody to ask for its passphrase; decrypt it with \"openssl pkey\"");
            if (block.Content is null)
                isDamaged = true;
            else if (key is not null)
                throw new TlsFileException($"{path}: it holds more than one private key; leave the one that belongs to the certificate");
            else
                key = block;
        }

        if (key is null)
        {
            throw new TlsFileException(isDamaged
                ? $"{path}: its private key is cut off or damaged, or the file is still being written"
                : $"{path}: it holds no private key; {Wanted(text, PrivateKey)}");
        }

        if (key.Label.StartsWith("OPENSSH", StringComparison.Ordinal))
            throw new TlsFileException($"{path}: its private key is in the form of OpenSSH; write it as PEM with \"ssh-keygen -p -m PEM\"");
        return key.Write();
    }

    private static string Wanted(string text, string label)
    {
        string wanted = $"a PEM file has a line {PemBlock.FirstLine(label)}";
        foreach (PemBlock block in PemBlock.All(text))
            return $"{wanted}, and this one {PemBlock.FirstLine(Printable.OfText(block.Label))}";
        return wanted;
    }

    private static string Read(NamedFiles files, string path) =>
        files.Read(path, out string problem) is { } bytes
            // Some editors begin a file with a byte order mark, which would hide its first block.
            ? Encoding.UTF8.GetString(bytes.Span).TrimStart('\uFEFF')
            : throw new TlsFileException(problem);
}
