namespace Bitflow.Net.Tls;

/// <summary>What the library is told of a peer's certificate.</summary>
internal enum CertificateVerdict
{
    Accepted,
    Refused,

    /// <summary>It is judged elsewhere; the handshake goes on when it has been.</summary>
    Pending,
}
