using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Net.Tls;

/// <summary>
/// The machine's authorities. The platform reads all of them for the first chain that it builds, whoever is to decide over it, keeps them for the process, and
/// reads them anew after five minutes, for whichever chain comes next.
/// </summary>
internal static class SystemAuthorities
{
    private static readonly Lazy<Task> Reading = new(static () => Task.Run(Read));

    /// <summary>Has them read for the first time, aside: the first peer to be judged would keep everyone on its loop waiting for as long.</summary>
    public static void ReadAhead() => _ = Reading.Value;

    private static void Read()
    {
        try
        {
            using ECDsa key = ECDsa.Create(ECCurve.NamedCurves.nistP256);
            using X509Certificate2 anyone = new CertificateRequest("CN=nobody", key, HashAlgorithmName.SHA256)
                .CreateSelfSigned(DateTimeOffset.UnixEpoch, DateTimeOffset.UnixEpoch.AddDays(1));
            using var chain = new X509Chain();
            chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
            chain.ChainPolicy.DisableCertificateDownloads = true;
            _ = chain.Build(anyone);
        }
        catch (CryptographicException)
        {
            // Whoever is judged first reads them, or hears why that cannot be.
        }
    }
}
