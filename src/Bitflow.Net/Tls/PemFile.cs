using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using Bitflow.Net.Files;

namespace Bitflow.Net.Tls;

/// <summary>Reads PEM files (RFC 7468): certificates in their order, and a private key.</summary>
internal static class PemFile
{
    private const string Begin = "-----BEGIN CERTIFICATE-----";
    private const string End = "-----END CERTIFICATE-----";

    /// <exception cref="TlsFileException">The file cannot be read, holds none, or one that is damaged.</exception>
    public static IReadOnlyList<EncodedCertificate> Certificates(NamedFiles files, string path)
    {
        string text = Read(files, path);
        var all = new List<EncodedCertificate>();
        try
        {
            foreach (byte[] block in Blocks(text))
                all.Add(new EncodedCertificate(block));
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException)
        {
            throw new TlsFileException($"{path}: one of its certificates cannot be read ({e.Message}); it must be issued, or copied, anew", e);
        }

        // A block that is cut off, or has a letter wrong, is none.
        int begun = text.AsSpan().Count(Begin);
        if (all.Count < begun)
            throw new TlsFileException($"{path}: of its {begun} certificates {all.Count} can be read; one is cut off or damaged, or the file is still being written");
        if (all.Count == 0)
            throw new TlsFileException($"{path}: it holds no certificate; a PEM file has a line {Begin}");
        return all;
    }

    /// <summary>
    /// What is in its blocks with certificates (section 5); what is cut off, or not in base 64, is left out. The platform's own way of finding them (`PemEncoding`) is made for all there is, of
    /// generic code that a start would have to compile first (decision 10).
    /// </summary>
    public static IEnumerable<byte[]> Blocks(string text)
    {
        int at = 0;
        while (text.IndexOf(Begin, at, StringComparison.Ordinal) is var begin and >= 0)
        {
            at = begin + Begin.Length;

            // No letter of base 64 is a hyphen: the next one begins the last line, or the block has none.
            int end = text.IndexOf('-', at);
            if (end < 0 || !text.AsSpan(end).StartsWith(End))
                continue;
            byte[] block = new byte[end - at];
            if (Convert.TryFromBase64Chars(text.AsSpan(at, end - at), block, out int bytes))
                yield return block[..bytes];
        }
    }

    /// <summary>The text of a file with a private key.</summary>
    /// <exception cref="TlsFileException">The file cannot be read, or holds none that is usable.</exception>
    public static string Key(NamedFiles files, string path)
    {
        string text = Read(files, path);
        if (text.Contains("BEGIN ENCRYPTED PRIVATE KEY", StringComparison.Ordinal) || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
            throw new TlsFileException($"{path}: the key is encrypted, and there is nobody to ask for its passphrase; decrypt it with \"openssl pkey\"");
        return text.AsSpan().Count("PRIVATE KEY-----") switch
        {
            0 => throw new TlsFileException($"{path}: it holds no private key; a PEM file has a line -----BEGIN PRIVATE KEY-----"),
            > 2 => throw new TlsFileException($"{path}: it holds more than one private key; leave the one that belongs to the certificate"),
            _ => text,
        };
    }

    private static string Read(NamedFiles files, string path) =>
        files.Read(path, out string problem) is { } bytes
            // Some editors begin a file with a byte order mark, which would hide its first block.
            ? Encoding.UTF8.GetString(bytes.Span).TrimStart('\uFEFF')
            : throw new TlsFileException(problem);
}
