using System.Formats.Asn1;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Net.Tls;

/// <summary>
/// A certificate as a file has it, and what Bitflow itself wants to know of it (RFC 5280 section 4.1). The platform's own type is made to do far more, and a start would wait for all that it
/// stands on (decision 10).
/// </summary>
internal sealed class EncodedCertificate
{
    private const string RsaKey = "1.2.840.113549.1.1.1";
    private const string EllipticCurveKey = "1.2.840.10045.2.1";
    private const string KeyUsage = "2.5.29.15";
    private const string AlternativeName = "2.5.29.17";

    private static readonly Asn1Tag Version = new(TagClass.ContextSpecific, 0);
    private static readonly Asn1Tag Extensions = new(TagClass.ContextSpecific, 3);

    private readonly byte[] _encoded;
    private ReadOnlyMemory<byte>? _usage;
    private ReadOnlyMemory<byte>? _alternative;

    /// <param name="encoded">In DER, which this takes on.</param>
    /// <exception cref="CryptographicException">It is none, or damaged.</exception>
    /// <exception cref="AsnContentException">It is none, or damaged.</exception>
    public EncodedCertificate(byte[] encoded)
    {
        _encoded = encoded;
        DemandWhole(encoded);
        AsnReader whole = Reader(encoded);
        AsnReader body = whole.ReadSequence().ReadSequence();

        // The library reads no further than the certificate, whatever is behind it.
        whole.ThrowIfNotEmpty();
        if (body.PeekTag().HasSameClassAndValue(Version))
            body.ReadEncodedValue();
        body.ReadEncodedValue();
        body.ReadSequence();
        Issuer = body.ReadEncodedValue();
        AsnReader validity = new AsnReader(body.ReadEncodedValue(), AsnEncodingRules.DER).ReadSequence();
        NotBefore = Time(validity);
        NotAfter = Time(validity);
        Subject = body.ReadEncodedValue();
        AsnReader algorithm = body.ReadSequence().ReadSequence();
        string key = algorithm.ReadObjectIdentifier();
        Curve = key == EllipticCurveKey && algorithm.HasData && algorithm.PeekTag() == Asn1Tag.ObjectIdentifier ? algorithm.ReadObjectIdentifier() : "";
        while (body.HasData)
        {
            if (body.PeekTag().HasSameClassAndValue(Extensions))
                ReadExtensions(body.ReadSequence(Extensions).ReadSequence());
            else
                body.ReadEncodedValue();
        }

        IsForAgreementsAlone = key == EllipticCurveKey && !MaySign();
        Key = key == RsaKey ? CertificateKey.Rsa : key == EllipticCurveKey && !IsForAgreementsAlone ? CertificateKey.EllipticCurve : CertificateKey.Other;
    }

    public ReadOnlyMemory<byte> Encoded => _encoded;

    /// <summary>In DER, as <see cref="Subject"/>.</summary>
    public ReadOnlyMemory<byte> Issuer { get; }

    public ReadOnlyMemory<byte> Subject { get; }

    public DateTimeOffset NotBefore { get; }

    public DateTimeOffset NotAfter { get; }

    public CertificateKey Key { get; }

    /// <summary>
    /// Its key is on a curve and not to sign with (section 4.2.1.3): of its uses none is digitalSignature, nonRepudiation, keyCertSign or cRLSign, though some are named.
    /// </summary>
    public bool IsForAgreementsAlone { get; }

    /// <summary>The object identifier of its key's curve; empty where the key has none, or spells its parameters out instead of naming it.</summary>
    public string Curve { get; }

    /// <summary>By the bytes of their names.</summary>
    public bool IsIssuedBy(EncodedCertificate other) => other.Subject.Span.SequenceEqual(Issuer.Span);

    /// <summary>The alternative DNS names (section 4.2.1.6); without those that are not text. Null where it has no alternative names at all, be they DNS names or not.</summary>
    public IReadOnlyList<string>? AlternativeNames() => _alternative is { } names ? CertificateNames.Alternative(names) : null;

    /// <summary>The platform's own; whoever gets it disposes of it.</summary>
    public X509Certificate2 ForPlatform() => X509CertificateLoader.LoadCertificate(_encoded);

    /// <summary>By whoever is to make use of it.</summary>
    private static void DemandWhole(byte[] encoded)
    {
        if (!OpenSsl.IsAvailable)
            X509CertificateLoader.LoadCertificate(encoded).Dispose();
        else if (!OpenSsl.IsCertificate(encoded))
            throw new CryptographicException(OpenSsl.TakeError());
    }

    private void ReadExtensions(AsnReader extensions)
    {
        while (extensions.HasData)
        {
            AsnReader extension = extensions.ReadSequence();
            string kind = extension.ReadObjectIdentifier();
            if (extension.PeekTag() == Asn1Tag.Boolean)
                extension.ReadBoolean();
            byte[] value = extension.ReadOctetString();
            if (kind == AlternativeName)
                _alternative ??= value;
            else if (kind == KeyUsage)
                _usage ??= value;
        }
    }

    private bool MaySign()
    {
        const int Signing = 0b1100_0110;
        if (_usage is not { } usage)
            return true;
        byte[] uses = Reader(usage).ReadBitString(out _);
        return uses.AsSpan().IndexOfAnyExcept((byte)0) < 0 || (uses[0] & Signing) != 0;
    }

    /// <summary>In whole seconds of UTC, and not otherwise (section 4.1.2.5): nobody verifies anything else.</summary>
    private static DateTimeOffset Time(AsnReader validity)
    {
        DateTimeOffset time = validity.PeekTag() == Asn1Tag.UtcTime ? validity.ReadUtcTime() : validity.ReadGeneralizedTime();
        return time.Ticks % TimeSpan.TicksPerSecond == 0 ? time : throw new AsnContentException("a time of its validity has a fraction of a second");
    }

    private static AsnReader Reader(ReadOnlyMemory<byte> encoded) => new(encoded, AsnEncodingRules.BER);
}
