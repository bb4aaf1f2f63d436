using System.Formats.Asn1;
using System.Net.Security;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
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
    public static CertificateChain Load(CertificateFiles files)
    {
        X509Certificate2Collection all = PemFile.Certificates(files.Certificate);
        X509Certificate2 leaf = PemFile.WithKey(all[0], files.Certificate, files.Key);
        var facts = new CertificateFacts(
            names: ListModule.OfSeq(NamesOf(leaf)),
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

    /// <summary>The alternative DNS names; the common name where there are no alternative names at all.</summary>
    private static IEnumerable<string> NamesOf(X509Certificate2 certificate)
    {
        foreach (X509Extension extension in certificate.Extensions)
        {
            if (extension is not X509SubjectAlternativeNameExtension names)
                continue;
            try
            {
                return [.. names.EnumerateDnsNames()];
            }
            catch (Exception e) when (e is AsnContentException or CryptographicException)
            {
                // It names nothing that could be matched; it can still be the first.
                return [];
            }
        }

        string common = certificate.GetNameInfo(X509NameType.SimpleName, forIssuer: false);
        return common.Length > 0 ? [common] : [];
    }
}
