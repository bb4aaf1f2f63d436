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
    /// For the platform, which reads all the machine's authorities to make it (tens of milliseconds): not before it is needed.
    /// </summary>
    public SslStreamCertificateContext Context => _context.Value;

    /// <summary>For the TLS library itself; null where the platform shows the certificate.</summary>
    public OpenSslContext? Library { get; }

    public CertificateFacts Facts { get; }

    /// <param name="files">Which they are.</param>
    /// <param name="named">Where they are read.</param>
    /// <param name="byLibrary">Whether the TLS library shows it itself; else the platform does.</param>
    /// <exception cref="TlsFileException">One of the files cannot be used.</exception>
    public static CertificateChain Load(CertificateFiles files, NamedFiles named, bool byLibrary)
    {
        IReadOnlyList<EncodedCertificate> all = PemFile.Certificates(named, files.Certificate);
        string key = PemFile.Key(named, files.Key);
        EncodedCertificate leaf = all[0];
        if (leaf.IsForAgreementsAlone)
            throw new TlsFileException($"{files.Certificate}: the certificate's key usage does not let its key sign, as every handshake asks of it; renew it with digitalSignature among its uses");
        if (leaf.Key == CertificateKey.Other)
            throw new TlsFileException($"{files.Certificate}: the certificate's key is neither RSA (rsaEncryption) nor ECDSA, the kinds that listeners and clients have here");
        using var filed = new FiledCertificates(all);
        var issuers = new List<EncodedCertificate>();
        var issuerFacts = new List<IssuerFacts>();
        foreach (int place in Issuance.Chain(filed))
        {
            EncodedCertificate issuer = all[place];
            issuers.Add(issuer);
            issuerFacts.Add(new IssuerFacts(place + 1, issuer.NotBefore, issuer.NotAfter));
        }

        IReadOnlyList<string>? alternative = leaf.AlternativeNames();
        var facts = new CertificateFacts(
            names: ListModule.OfSeq(alternative ?? (CertificateNames.Common(leaf.Subject) is { Length: > 0 } common ? [common] : [])),
            hasAlternativeNames: alternative is not null,
            notBefore: leaf.NotBefore,
            notAfter: leaf.NotAfter,
            isRsa: leaf.Key == CertificateKey.Rsa,
            curve: leaf.Curve,
            issuers: ListModule.OfSeq(issuerFacts),
            chainBreaksAfter: Issuance.BreaksAfter(filed));
        return byLibrary ? ForLibrary(files, all, issuers, facts, key) : ForPlatform(files, all, facts, key);
    }

    private static CertificateChain ForLibrary(
        CertificateFiles files, IReadOnlyList<EncodedCertificate> all, IReadOnlyList<EncodedCertificate> issuers, CertificateFacts facts, string text)
    {
        EncodedCertificate leaf = all[0];
        LibraryKey? key = null;
        try
        {
            key = LibraryKey.Read(text);
            key.DemandOf(leaf);
        }
        catch (CryptographicException e)
        {
            throw OpenSsl.HasReadableKey(leaf.Encoded.Span)
                ? NotOf(leaf, files, key?.Kind ?? CertificateKey.Other, e)
                : new TlsFileException($"{files.Certificate}: its first certificate is damaged: nobody can read the key that it is for ({e.Message}); it must be issued, or copied, anew", e);
        }

        if (!key.IsWhole())
            throw new TlsFileException($"{files.Key}: the key is damaged: its parts do not go together; copy it anew, or have the certificate issued for another");
        try
        {
            return new CertificateChain(new(() => Shown(PlatformCertificate.WithKey(leaf, key), all)), OpenSslContext.Showing(leaf, key, issuers), facts);
        }
        catch (CryptographicException e)
        {
            throw new TlsFileException($"{files.Certificate}: {e.Message}; renew it with a key of 2048 bits (RSA) or 256 (ECDSA), signed by SHA-256", e);
        }
    }

    private static CertificateChain ForPlatform(CertificateFiles files, IReadOnlyList<EncodedCertificate> all, CertificateFacts facts, string text)
    {
        try
        {
            X509Certificate2 leaf = PlatformCertificate.WithKey(all[0], text);
            return new CertificateChain(new(() => Shown(leaf, all)), null, facts);
        }
        catch (CryptographicException e)
        {
            throw NotOf(all[0], files, PlatformCertificate.KindOf(text), e);
        }
    }

    /// <summary>Offline: nothing is ever fetched, neither missing issuers nor OCSP answers: a certificate may name a server that never answers.</summary>
    private static SslStreamCertificateContext Shown(X509Certificate2 leaf, IReadOnlyList<EncodedCertificate> all) =>
        SslStreamCertificateContext.Create(leaf, [.. all.Skip(1).Select(static c => c.ForPlatform())], offline: true);

    private static TlsFileException NotOf(EncodedCertificate leaf, CertificateFiles files, CertificateKey held, CryptographicException e)
    {
        string why = held != CertificateKey.Other && held != leaf.Key
            ? $"it holds an {Name(held)} key, and the first certificate of {files.Certificate} is for an {Name(leaf.Key)} key; name the key that belongs to it"
            : $"the key does not belong to the first certificate of {files.Certificate}, or cannot be read ({e.Message})";
        return new TlsFileException($"{files.Key}: {why}", e);

        static string Name(CertificateKey kind) => kind == CertificateKey.Rsa ? "RSA" : "EC";
    }
}
