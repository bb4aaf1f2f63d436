using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Net.Tls;

/// <summary>
/// The machine's authorities, some hundred files: they are read aside, once a configuration is taken on that has certificates judged, and again with each that follows.
/// The platform, which judges for SslStream, keeps what was read for itself too.
/// </summary>
internal static class SystemAuthorities
{
    private static readonly Lazy<Task> First = new(ReadAsync);

    /// <summary>What was read last; a reading that is under way replaces it when it is over. Null before <see cref="ReadyAsync"/>, and where the TLS library is not there.</summary>
    public static TrustStore? Latest { get; private set; }

    /// <summary>Over once they have been read for the first time. Never fails.</summary>
    public static Task ReadyAsync() => First.Value;

    /// <summary>Reads them as they are now.</summary>
    public static void ReadAnew() => _ = First.IsValueCreated ? ReadAsync() : First.Value;

    private static Task ReadAsync() => Task.Run(static () =>
    {
        try
        {
            using var store = new X509Store(StoreName.Root, StoreLocation.LocalMachine, OpenFlags.ReadOnly);
            X509Certificate2Collection read = store.Certificates;

            // One that is replaced may still be in somebody's hands: the finalizer has it.
            if (OpenSsl.IsAvailable)
                Latest = new TrustStore(read);
            foreach (X509Certificate2 certificate in read)
                certificate.Dispose();
        }
        catch (Exception)
        {
            // What cannot be read decides over nobody: whoever is judged by it hears that no authority is trusted.
        }
    });
}
