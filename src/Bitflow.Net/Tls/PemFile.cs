using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Net.Files;

namespace Bitflow.Net.Tls;

/// <summary>Reads PEM files: certificates in their order, and the private key that belongs to one of them.</summary>
internal static class PemFile
{
    private const string Begin = "-----BEGIN CERTIFICATE-----";

    /// <exception cref="TlsFileException">The file cannot be read, holds none, or one that is damaged.</exception>
    public static X509Certificate2Collection Certificates(NamedFiles files, string path)
    {
        string text = Read(files, path);
        var all = new X509Certificate2Collection();
        try
        {
            all.ImportFromPem(text);
        }
        catch (CryptographicException e)
        {
            throw new TlsFileException($"{path}: one of its certificates cannot be read ({e.Message})", e);
        }

        // The platform leaves out, without a word, what it cannot frame: a block that is cut off, or one with a letter wrong.
        int begun = text.AsSpan().Count(Begin);
        if (all.Count < begun)
            throw new TlsFileException($"{path}: of its {begun} certificates {all.Count} can be read; one is cut off or damaged, or the file is still being written");
        if (all.Count == 0)
            throw new TlsFileException($"{path}: it holds no certificate; a PEM file has a line {Begin}");
        return all;
    }

    /// <summary>The certificate together with its key: RSA or ECDSA, PKCS#8 or traditional.</summary>
    /// <exception cref="TlsFileException">The file cannot be read, holds no key that is usable, or holds another's.</exception>
    public static X509Certificate2 WithKey(NamedFiles files, X509Certificate2 certificate, string certificatePath, string keyPath)
    {
        string text = Read(files, keyPath);
        if (text.Contains("BEGIN ENCRYPTED PRIVATE KEY", StringComparison.Ordinal) || text.Contains("Proc-Type: 4,ENCRYPTED", StringComparison.Ordinal))
            throw new TlsFileException($"{keyPath}: the key is encrypted, and there is nobody to ask for its passphrase; decrypt it with \"openssl pkey\"");
        if (!text.Contains("PRIVATE KEY-----", StringComparison.Ordinal))
            throw new TlsFileException($"{keyPath}: it holds no private key; a PEM file has a line -----BEGIN PRIVATE KEY-----");
        using RSA? rsaPublic = certificate.GetRSAPublicKey();
        using ECDsa? ecPublic = certificate.GetECDsaPublicKey();
        try
        {
            if (rsaPublic is not null)
            {
                using RSA key = RSA.Create();
                key.ImportFromPem(text);
                return certificate.CopyWithPrivateKey(key);
            }

            if (ecPublic is not null)
            {
                using ECDsa key = ECDsa.Create();
                key.ImportFromPem(text);
                return certificate.CopyWithPrivateKey(key);
            }
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            string held = KindOfKey(text);
            string wanted = rsaPublic is not null ? "RSA" : "EC";
            string why = held.Length > 0 && held != wanted
                ? $"it holds an {held} key, and the first certificate of {certificatePath} is for an {wanted} key; name the key that belongs to it"
                : $"the key does not belong to the first certificate of {certificatePath}, or cannot be read ({WordsOf(e)})";
            throw new TlsFileException($"{keyPath}: {why}", e);
        }

        throw new TlsFileException($"{certificatePath}: the certificate's key is neither RSA (rsaEncryption) nor ECDSA, the kinds that listeners and clients have here");
    }

    /// <summary>Without the name of the platform's parameter.</summary>
    private static string WordsOf(Exception e) => e is ArgumentException { ParamName: { } name } ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message;

    /// <summary>`RSA` or `EC`; empty where it is neither, or cannot be read.</summary>
    private static string KindOfKey(string text)
    {
        using RSA rsa = RSA.Create();
        using ECDsa ec = ECDsa.Create();
        return Holds(rsa, text) ? "RSA" : Holds(ec, text) ? "EC" : "";
    }

    private static bool Holds(AsymmetricAlgorithm algorithm, string text)
    {
        try
        {
            algorithm.ImportFromPem(text);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            return false;
        }
    }

    private static string Read(NamedFiles files, string path) =>
        files.Read(path, out string problem) is { } bytes
            // Some editors begin a file with a byte order mark, which would hide its first block.
            ? Encoding.UTF8.GetString(bytes.Span).TrimStart('\uFEFF')
            : throw new TlsFileException(problem);
}
