using System.Formats.Asn1;
using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
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

    public static TlsTerms Of(SslStream ssl) => Of(
        ssl.SslProtocol == SslProtocols.Tls12,
        ssl.NegotiatedCipherSuite,
        ssl.NegotiatedApplicationProtocol.Protocol.Span,
        ssl.RemoteCertificate as X509Certificate2);

    /// <param name="ssl">The library's own.</param>
    /// <param name="peer">What the peer showed, and was accepted.</param>
    public static TlsTerms Of(nint ssl, X509Certificate2? peer) =>
        Of(OpenSsl.VersionOf(ssl) == OpenSsl.Tls12, (TlsCipherSuite)OpenSsl.CipherSuite(ssl), OpenSsl.Protocol(ssl), peer);

    /// <summary>What a PROXY header tells of it. A certificate that was accepted from a client has been verified.</summary>
    public TerminatedTls Describe(string serverName) =>
        new(Version, CipherName.OpenSsl(CipherSuite.ToString()), Alpn, serverName, OptionModule.OfObj(Presented));

    private static TlsTerms Of(bool isTls12, TlsCipherSuite suite, ReadOnlySpan<byte> protocol, X509Certificate2? peer) => new(
        isTls12 ? TlsVersion.Tls12 : TlsVersion.Tls13,
        suite,
        protocol.IsEmpty ? "" : Encoding.ASCII.GetString(protocol),
        peer is null ? "" : Text(peer, static p => p.Subject),
        peer is null ? null : new PresentedCertificate(Text(peer, CommonName), verified: true));

    /// <summary>
    /// Names are of no meaning for the connection itself: a certificate that verifies may hold one that is not of the kind that it says it is (a `*` in
    /// a PrintableString, X.680 section 41.4), and is told of as if it held none.
    /// </summary>
    private static string Text(X509Certificate2 certificate, Func<X509Certificate2, string> read)
    {
        try
        {
            return read(certificate);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException or ArgumentException)
        {
            return "";
        }
    }

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
            if (part.HasMultipleElements && OfSeveral(part) is { } name)
                return name;
        }

        return "";

        // A part of several elements (X.501 section 9.3), which the platform shows as a whole alone.
        static string? OfSeveral(X500RelativeDistinguishedName part)
        {
            AsnReader elements = new AsnReader(part.RawData, AsnEncodingRules.DER).ReadSetOf();
            while (elements.HasData)
            {
                AsnReader element = elements.ReadSequence();
                if (element.ReadObjectIdentifier() != commonName)
                    continue;
                Asn1Tag tag = element.PeekTag();
                return element.ReadCharacterString((UniversalTagNumber)tag.TagValue);
            }

            return null;
        }
    }
}
