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
    private CertificateChain(SslStreamCertificateContext context, OpenSslContext? library, CertificateFacts facts)
    {
        Context = context;
        Library = library;
        Facts = facts;
    }

    /// <summary>For the platform.</summary>
    public SslStreamCertificateContext Context { get; }

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
            chainBreaksAfter: FindBreak(all));
        all.RemoveAt(0);

        // Offline: nothing is ever fetched, neither missing issuers nor OCSP answers (section 5, f).
        SslStreamCertificateContext context = SslStreamCertificateContext.Create(leaf, all, offline: true);
        return new CertificateChain(context, OpenSsl.IsAvailable ? LibraryOf(context, files) : null, facts);
    }

    private static OpenSslContext LibraryOf(SslStreamCertificateContext context, CertificateFiles files)
    {
        try
        {
            return OpenSslContext.Showing(context.TargetCertificate, context.IntermediateCertificates);
        }
        catch (CryptographicException e)
        {
            throw new TlsFileException($"{files.Certificate}: {e.Message}; renew it with a key of 2048 bits (RSA) or 256 (ECDSA), signed by SHA-256", e);
        }
    }

    private static int FindBreak(X509Certificate2Collection all)
    {
        for (int i = 1; i < all.Count; i++)
        {
            if (!all[i - 1].IssuerName.RawData.AsSpan().SequenceEqual(all[i].SubjectName.RawData))
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
