namespace Bitflow.Net.Tls;

/// <summary>What a certificate's key, or a private key, is for.</summary>
internal enum CertificateKey
{
    /// <summary>Neither of those that listeners and clients have here.</summary>
    Other,

    /// <summary>rsaEncryption (RFC 8017, appendix C).</summary>
    Rsa,

    /// <summary>A key on a curve that may sign (ECDSA).</summary>
    EllipticCurve,
}
