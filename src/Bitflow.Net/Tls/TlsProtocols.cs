using System.Security.Authentication;
using Bitflow.Domain;

namespace Bitflow.Net.Tls;

internal static class TlsProtocols
{
    /// <summary>The versions from `min_version` on.</summary>
    public static SslProtocols From(TlsVersion least) => least.IsTls12 ? SslProtocols.Tls12 | SslProtocols.Tls13 : SslProtocols.Tls13;
}
