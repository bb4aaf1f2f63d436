using System.Globalization;
using System.Net;

namespace Bitflow.Tests.Fixtures;

/// <summary>`openssl s_client`, the client that says what it saw.</summary>
internal static class OpenSsl
{
    /// <summary>Connects, sends a line, and stays until the server ends. Everything it said.</summary>
    public static async Task<string> ClientAsync(IPEndPoint to, params string[] arguments)
    {
        (_, string output, string errors) = await ChildProcess.RunAsync(
            "openssl",
            ["s_client", "-connect", string.Create(CultureInfo.InvariantCulture, $"{to}"), "-ign_eof", "-CAfile", TestAuthority.Trusted.RootFile, .. arguments],
            "hello\n");
        return output + errors;
    }

    /// <summary>What makes it show a certificate with its chain.</summary>
    public static string[] Showing(IssuedCertificate certificate) =>
        ["-cert", certificate.Alone, "-key", certificate.Key, "-cert_chain", certificate.File];
}
