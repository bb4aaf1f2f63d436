using System.Formats.Asn1;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Microsoft.FSharp.Collections;

namespace Bitflow.Net.Tls;

/// <summary>A certificate that Bitflow shows, with its key and the chain of its file; made once a configuration.</summary>
internal sealed class CertificateChain
{
    private readonly Lazy<SslStreamCertificateContext> _context;

    private CertificateChain(Lazy<SslStreamCertificateContext> context, OpenSslContext? library, CertificateFacts facts)
    {
        _context = context;
        Library = library;
        Facts = facts;
    }

    /// <summary>
    /// For the platform, which reads all the machine's authorities to make it (tens of milliseconds): where the TLS library is there, not before it is needed.
    /// </summary>
    public SslStreamCertificateContext Context => _context.Value;

    /// <summary>For the TLS library itself; null where it is not there.</summary>
    public OpenSslContext? Library { get; }

    public CertificateFacts Facts { get; }

    /// <exception cref="TlsFileException">One of the files cannot be used.</exception>
    public static CertificateChain Load(CertificateFiles files, NamedFiles named)
    {
        X509Certificate2Collection all = PemFile.Certificates(named, files.Certificate);
        X509Certificate2 leaf = PemFile.WithKey(named, all[0], files.Certificate, files.Key);
        IReadOnlyList<string>? alternative = CertificateNames.Alternative(leaf);
        var facts = new CertificateFacts(
            names: ListModule.OfSeq(alternative ?? (CertificateNames.Common(leaf.SubjectName) is { Length: > 0 } common ? [common] : [])),
            hasAlternativeNames: alternative is not null,
            notBefore: leaf.NotBefore.ToUniversalTime(),
            notAfter: leaf.NotAfter.ToUniversalTime(),
            curve: CurveOf(leaf),
            chainBreaksAfter: FindBreak(all));
        all.RemoveAt(0);

        // Offline: nothing is ever fetched, neither missing issuers nor OCSP answers: a certificate may name a server that never answers.
        var context = new Lazy<SslStreamCertificateContext>(() => SslStreamCertificateContext.Create(leaf, all, offline: true));
        if (OpenSsl.IsAvailable)
            return new CertificateChain(context, LibraryOf(leaf, all, files), facts);
        _ = context.Value;
        return new CertificateChain(context, null, facts);
    }

    private static OpenSslContext LibraryOf(X509Certificate2 leaf, X509Certificate2Collection others, CertificateFiles files)
    {
        try
        {
            return OpenSslContext.Showing(leaf, IssuersOf(leaf, others));
        }
        catch (CryptographicException e)
        {
            throw new TlsFileException($"{files.Certificate}: {e.Message}; renew it with a key of 2048 bits (RSA) or 256 (ECDSA), signed by SHA-256", e);
        }
    }

    /// <summary>
    /// Each the issuer of the one before, as peers expect them (RFC 8446, section 4.4.2), whatever their order in the file. An authority that issued
    /// itself is left out: a peer has it, or does not trust it.
    /// </summary>
    private static IEnumerable<X509Certificate2> IssuersOf(X509Certificate2 leaf, X509Certificate2Collection others)
    {
        List<X509Certificate2> left = [.. others.Where(static c => !IsIssuer(c, of: c))];
        X509Certificate2 last = leaf;
        while (left.Find(c => IsIssuer(c, of: last)) is { } issuer)
        {
            left.Remove(issuer);
            yield return issuer;
            last = issuer;
        }
    }

    private static bool IsIssuer(X509Certificate2 issuer, X509Certificate2 of) =>
        issuer.SubjectName.RawData.AsSpan().SequenceEqual(of.IssuerName.RawData);

    /// <summary>Empty where the key has none, or spells its parameters out instead of naming it.</summary>
    private static string CurveOf(X509Certificate2 certificate)
    {
        const string EllipticCurveKey = "1.2.840.10045.2.1";
        PublicKey key = certificate.PublicKey;
        if (key.Oid.Value != EllipticCurveKey || key.EncodedParameters is not { } parameters)
            return "";
        var reader = new AsnReader(parameters.RawData, AsnEncodingRules.DER);
        return reader.PeekTag() == Asn1Tag.ObjectIdentifier ? reader.ReadObjectIdentifier() : "";
    }

    private static int FindBreak(X509Certificate2Collection all)
    {
        for (int i = 1; i < all.Count; i++)
        {
            if (!IsIssuer(all[i], of: all[i - 1]))
                return i;
        }

        return 0;
    }
}
