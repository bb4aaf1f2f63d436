using Bitflow.Domain;

namespace Bitflow.Net.Observing;

/// <summary>What is recorded of TLS with the client.</summary>
/// <param name="Version">`1.2` or `1.3`; empty where no handshake was completed.</param>
/// <param name="Alpn">The protocol agreed on; empty for none.</param>
/// <param name="ClientCertificateSubject">Empty where the client presented none; of one that was refused too.</param>
/// <param name="ClientCertificate">Whether the client presented one that was accepted.</param>
/// <param name="AlpnOffer">What the client offered, as far as it is recorded (<see cref="Alpn.Shown"/>).</param>
/// <param name="Offer">How the client's hello offered to speak TLS; null where none was read.</param>
internal sealed record TlsFacts(string Version, string Alpn, string ClientCertificateSubject, bool ClientCertificate, IReadOnlyList<string> AlpnOffer, TlsOffer? Offer)
{
    public static readonly TlsFacts None = new("", "", "", false, [], null);
}
