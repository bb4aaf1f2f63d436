using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace Bitflow.Net.Tls;

/// <summary>A certificate together with its key as the platform has them, for SslStream.</summary>
internal static class PlatformCertificate
{
    public static X509Certificate2 WithKey(EncodedCertificate certificate, LibraryKey key)
    {
        byte[] encoded = key.Encode();
        try
        {
            return certificate.Key == CertificateKey.Rsa
                ? WithRsa(certificate, rsa => rsa.ImportRSAPrivateKey(encoded, out _))
                : WithEllipticCurve(certificate, ec => ec.ImportECPrivateKey(encoded, out _));
        }
        finally
        {
            CryptographicOperations.ZeroMemory(encoded);
        }
    }

    /// <summary>Where the TLS library is not there.</summary>
    /// <param name="certificate">For an RSA or an ECDSA key.</param>
    /// <param name="key">PKCS #8 or traditional, in PEM.</param>
    /// <exception cref="CryptographicException">The key is another's, or cannot be read.</exception>
    public static X509Certificate2 WithKey(EncodedCertificate certificate, string key)
    {
        try
        {
            return certificate.Key == CertificateKey.Rsa
                ? WithRsa(certificate, rsa => rsa.ImportFromPem(key))
                : WithEllipticCurve(certificate, ec => ec.ImportFromPem(key));
        }
        catch (ArgumentException e)
        {
            // In its words, without the name of the platform's parameter.
            throw new CryptographicException(e.ParamName is { } name ? e.Message.Replace($" (Parameter '{name}')", "", StringComparison.Ordinal) : e.Message, e);
        }
    }

    /// <summary>What a private key in PEM is for, where the TLS library is not there.</summary>
    public static CertificateKey KindOf(string key)
    {
        using RSA rsa = RSA.Create();
        using ECDsa ec = ECDsa.Create();
        return Holds(rsa, key) ? CertificateKey.Rsa : Holds(ec, key) ? CertificateKey.EllipticCurve : CertificateKey.Other;
    }

    private static X509Certificate2 WithRsa(EncodedCertificate certificate, Action<RSA> import)
    {
        using X509Certificate2 alone = certificate.ForPlatform();
        using RSA key = RSA.Create();
        import(key);
        return alone.CopyWithPrivateKey(key);
    }

    private static X509Certificate2 WithEllipticCurve(EncodedCertificate certificate, Action<ECDsa> import)
    {
        using X509Certificate2 alone = certificate.ForPlatform();
        using ECDsa key = ECDsa.Create();
        import(key);
        return alone.CopyWithPrivateKey(key);
    }

    private static bool Holds(AsymmetricAlgorithm algorithm, string text)
    {
        try
        {
            algorithm.ImportFromPem(text);
            return true;
        }
        catch (Exception e) when (e is ArgumentException or CryptographicException)
        {
            return false;
        }
    }
}
