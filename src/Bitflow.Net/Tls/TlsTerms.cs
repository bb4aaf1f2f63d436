using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>What a handshake has settled.</summary>
/// <param name="Alpn">The protocol agreed on; empty for none.</param>
/// <param name="PeerSubject">The subject of the certificate that the peer showed; empty for none.</param>
internal sealed record TlsTerms(TlsVersion Version, TlsCipherSuite CipherSuite, string Alpn, string PeerSubject, PresentedCertificate? Presented)
{
    /// <summary>`1.2` or `1.3`.</summary>
    public string VersionText => Version.IsTls12 ? "1.2" : "1.3";

    public static TlsTerms Of(SslStream ssl)
    {
        X509Certificate? certificate = ssl.RemoteCertificate;
        ReadOnlyMemory<byte> protocol = ssl.NegotiatedApplicationProtocol.Protocol;
        return new TlsTerms(
            ssl.SslProtocol == SslProtocols.Tls12 ? TlsVersion.Tls12 : TlsVersion.Tls13,
            ssl.NegotiatedCipherSuite,
            protocol.IsEmpty ? "" : Encoding.ASCII.GetString(protocol.Span),
            certificate?.Subject ?? "",
            certificate is X509Certificate2 read ? new PresentedCertificate(CommonName(read), verified: true) : null);
    }

    /// <summary>What a PROXY header tells of it. A certificate that was accepted from a client has been verified.</summary>
    public TerminatedTls Describe(string serverName) =>
        new(Version, CipherSuite.ToString(), Alpn, serverName, OptionModule.OfObj(Presented));

    /// <summary>
    /// The first common name of the subject and nothing in its stead (the platform's "simple name" falls back on organisations and addresses,
    /// which an issuer may have checked less). Empty where there is none, or one that is not text.
    /// </summary>
    private static string CommonName(X509Certificate2 certificate)
    {
        const string commonName = "2.5.4.3";
        foreach (X500RelativeDistinguishedName part in certificate.SubjectName.EnumerateRelativeDistinguishedNames(reversed: false))
        {
            if (!part.HasMultipleElements && part.GetSingleElementType().Value == commonName)
                return part.GetSingleElementValue() ?? "";
        }

        return "";
    }
}
