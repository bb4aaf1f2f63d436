using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Net.Tls;

/// <summary>
/// The names that a certificate holds, read without an exception: one that verifies may hold a name that is not of the kind that it says it is (a `*` in
/// a PrintableString, X.680 section 41.4), and is told of as if it held none.
/// </summary>
internal static class CertificateNames
{
    /// <summary>The whole subject, as RFC 4514 writes it; empty where it cannot be read.</summary>
    public static string Subject(X500DistinguishedName subject) => Read(subject, static s => s.Name) ?? "";

    /// <summary>
    /// The first common name of the subject and nothing in its stead (the platform's "simple name" falls back on organisations and addresses,
    /// which an issuer may have checked less). Empty where there is none, or one that is not text.
    /// </summary>
    public static string Common(X500DistinguishedName subject) => Read(subject, FirstCommonName) ?? "";

    /// <summary>The alternative DNS names (RFC 5280 section 4.2.1.6); null where it has no alternative names at all, be they DNS names or not.</summary>
    public static IReadOnlyList<string>? Alternative(X509Certificate2 certificate) =>
        certificate.Extensions.OfType<X509SubjectAlternativeNameExtension>().FirstOrDefault() is { } names
            ? Read(names, static n => (string[])[.. n.EnumerateDnsNames()]) ?? []
            : null;

    private static string FirstCommonName(X500DistinguishedName subject)
    {
        const string commonName = "2.5.4.3";
        foreach (X500RelativeDistinguishedName part in subject.EnumerateRelativeDistinguishedNames(reversed: false))
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

    private static TNames? Read<TFrom, TNames>(TFrom from, Func<TFrom, TNames> read)
        where TNames : class
    {
        try
        {
            return read(from);
        }
        catch (Exception e) when (e is CryptographicException or AsnContentException or ArgumentException)
        {
            return null;
        }
    }
}
