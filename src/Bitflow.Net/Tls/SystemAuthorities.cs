using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Tls;

/// <summary>
/// The machine's authorities, some hundred files: they are read aside, once a configuration is taken on that has targets verified, and again with each that follows.
/// For the TLS library alone: the platform, which judges for SslStream, reads them by itself.
/// </summary>
internal static class SystemAuthorities
{
    private static readonly Lock Gate = new();
    private static Task? _first;
    private static Task? _last;

    /// <summary>What was read last; a reading that is under way replaces it when it is over. Null before <see cref="ReadyAsync"/>.</summary>
    public static TrustStore? Latest { get; private set; }

    /// <summary>Over once they have been read for the first time. Never fails.</summary>
    public static Task ReadyAsync()
    {
        if (Latest is not null)
            return Task.CompletedTask;
        lock (Gate)
            return _first ??= _last = Task.Run(static () => Read(static _ => { }));
    }

    /// <summary>Reads them as they are now. One reading follows another: the later is the one that counts.</summary>
    /// <param name="warn">Told of what was to be read and cannot be, a line each.</param>
    public static void ReadAnew(Action<string> warn)
    {
        if (!OpenSsl.IsAvailable)
            return;
        lock (Gate)
        {
            if (_first is null)
                _first = _last = Task.Run(() => Read(warn));
            else
                _last = _last!.ContinueWith(_ => Read(warn), TaskScheduler.Default);
        }
    }

    private static void Read(Action<string> warn)
    {
        try
        {
            // One that is replaced may still be in somebody's hands: the finalizer has it.
            Latest = new TrustStore(ReadFiles(warn).Where(static certificate => certificate.IsIssuedBy(certificate)));
        }
        catch (Exception e)
        {
            // Nobody is trusted by what was read before and may be gone.
            Latest = null;
            warn($"the machine's authorities decide over nobody: {e.Message}");
        }
    }

    private static List<EncodedCertificate> ReadFiles(Action<string> warn)
    {
        var read = new List<EncodedCertificate>();

        // Debian has each four times: in its file, by a link that is called after its subject, and in one file with all the others, which is linked to from beside them.
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (string path in Paths(warn))
        {
            // Not everything beside certificates is for us to read.
            if (Libc.IsRegularFile(path) && NamedFile.Read(path, out _) is { } bytes)
                ReadInto(read, seen, Encoding.UTF8.GetString(bytes.Span));
        }

        return read;
    }

    /// <summary>All that can be read of a file in PEM: of a hundred authorities that are not ours to mend one may be damaged.</summary>
    private static void ReadInto(List<EncodedCertificate> read, HashSet<string> seen, string text)
    {
        foreach (byte[] block in PemFile.Certificates(text).Where(block => seen.Add(Convert.ToHexString(SHA256.HashData(block)))))
        {
            try
            {
                read.Add(new EncodedCertificate(block));
            }
            catch (Exception e) when (e is CryptographicException or AsnContentException)
            {
                // The others count.
            }
        }
    }

    /// <summary>Where the library would look (SSL_CTX_set_default_verify_paths(3)), whatever the files of a folder are called.</summary>
    private static IEnumerable<string> Paths(Action<string> warn)
    {
        string file = Environment.GetEnvironmentVariable("SSL_CERT_FILE") ?? OpenSsl.DefaultAuthorityFile;
        string folders = Environment.GetEnvironmentVariable("SSL_CERT_DIR") ?? OpenSsl.DefaultAuthorityFolder;
        return folders.Split(':', StringSplitOptions.RemoveEmptyEntries).SelectMany(folder => FilesOf(folder, warn)).Prepend(file);
    }

    /// <summary>None of a folder that is not there, nor of one that may not be read, which costs the others nothing.</summary>
    private static string[] FilesOf(string folder, Action<string> warn)
    {
        try
        {
            return Directory.GetFiles(folder);
        }
        catch (DirectoryNotFoundException)
        {
            return [];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            warn($"authorities in {Shown.Escaped(folder)} decide over nobody: {e.Message}; let the user that Bitflow runs as read it");
            return [];
        }
    }
}
