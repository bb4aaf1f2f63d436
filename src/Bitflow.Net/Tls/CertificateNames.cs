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
    /// <param name="subject">In DER (X.501 section 9.2): a sequence of sets, mostly of one element each.</param>
    public static string Common(ReadOnlyMemory<byte> subject) => Read(subject, FirstCommonName) ?? "";

    /// <summary>The DNS names among alternative names (RFC 5280 section 4.2.1.6); without those that are not text.</summary>
    /// <param name="names">What the extension holds, in DER.</param>
    public static IReadOnlyList<string> Alternative(ReadOnlyMemory<byte> names) => Read(names, DnsNames) ?? [];

    private static string FirstCommonName(ReadOnlyMemory<byte> subject)
    {
        const string CommonName = "2.5.4.3";
        AsnReader parts = new AsnReader(subject, AsnEncodingRules.BER).ReadSequence();
        while (parts.HasData)
        {
            AsnReader elements = parts.ReadSetOf(skipSortOrderValidation: true);
            while (elements.HasData)
            {
                AsnReader element = elements.ReadSequence();
                if (element.ReadObjectIdentifier() == CommonName)
                    return element.ReadCharacterString((UniversalTagNumber)element.PeekTag().TagValue);
            }
        }

        return "";
    }

    private static List<string> DnsNames(ReadOnlyMemory<byte> names)
    {
        var dnsName = new Asn1Tag(TagClass.ContextSpecific, 2);
        AsnReader all = new AsnReader(names, AsnEncodingRules.BER).ReadSequence();
        var found = new List<string>();
        while (all.HasData)
        {
            ReadOnlyMemory<byte> name = all.ReadEncodedValue();
            if (new AsnReader(name, AsnEncodingRules.BER).PeekTag().HasSameClassAndValue(dnsName)
                && Read(name, encoded => new AsnReader(encoded, AsnEncodingRules.BER).ReadCharacterString(UniversalTagNumber.IA5String, dnsName)) is { } text)
            {
                found.Add(text);
            }
        }

        return found;
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
