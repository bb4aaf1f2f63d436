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
    public string VersionText => Version.ToString();

    public static TlsTerms Of(SslStream ssl) => Of(
        ssl.SslProtocol == SslProtocols.Tls12,
        ssl.NegotiatedCipherSuite,
        ssl.NegotiatedApplicationProtocol.Protocol.Span,
        (ssl.RemoteCertificate as X509Certificate2)?.SubjectName);

    /// <param name="ssl">The library's own.</param>
    /// <param name="peer">Whose certificate was accepted.</param>
    public static TlsTerms Of(nint ssl, X500DistinguishedName? peer) =>
        Of(OpenSsl.GetVersion(ssl) == OpenSsl.Tls12, (TlsCipherSuite)OpenSsl.CipherSuite(ssl), OpenSsl.Protocol(ssl), peer);

    /// <summary>What a PROXY header tells of it. A certificate that was accepted from a client has been verified.</summary>
    public TerminatedTls Describe(string serverName) =>
        new(Version, CipherName.OpenSsl(CipherSuite.ToString()), Alpn, serverName, OptionModule.OfObj(Presented));

    private static TlsTerms Of(bool isTls12, TlsCipherSuite suite, ReadOnlySpan<byte> protocol, X500DistinguishedName? peer) => new(
        isTls12 ? TlsVersion.Tls12 : TlsVersion.Tls13,
        suite,
        protocol.IsEmpty ? "" : Encoding.UTF8.GetString(protocol),
        peer is null ? "" : CertificateNames.Subject(peer),
        peer is null ? null : new PresentedCertificate(CertificateNames.Common(peer.RawData), verified: true));
}
