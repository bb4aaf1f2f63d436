using System.Runtime.InteropServices;

namespace Bitflow.Net.Linux;

/// <summary>
/// Whether the platform's cryptography has the library that it stands on. Where it has not, its first use ends the process: so it is looked for before, by whatever
/// is about to ask for TLS or for a digest, and by nobody else.
/// </summary>
internal static class PlatformTls
{
    public const string Missing = "TLS needs OpenSSL, and this machine has none; install libssl3 (openssl-libs, libssl) and try again";

    /// <summary>The versions that the runtime looks for on its own.</summary>
    private static readonly string[] Versions = ["3", "1.1"];

    private static readonly Lazy<bool> Found = new(Look);

    public static bool IsThere => Found.Value;

    private static bool Look()
    {
        if (!OperatingSystem.IsLinux())
            return true;

        // As the runtime has it, this one comes first.
        string? named = Environment.GetEnvironmentVariable("CLR_OPENSSL_VERSION_OVERRIDE");
        return (named is { Length: > 0 } ? [named, .. Versions] : Versions).Any(static version => NativeLibrary.TryLoad($"libssl.so.{version}", out _));
    }
}
