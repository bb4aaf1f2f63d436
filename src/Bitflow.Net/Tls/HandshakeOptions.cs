using Bitflow.Domain;

namespace Bitflow.Net.Tls;

/// <summary>What is settled before hands are shaken on a Linux loop.</summary>
internal sealed class HandshakeOptions
{
    public required bool IsServer { get; init; }

    public required TlsVersion MinVersion { get; init; }

    /// <summary>Why a peer is refused for what it showed (null: nothing); null: it is accepted. None where nobody asks. It must neither wait nor throw.</summary>
    public Func<ShownChain?, PeerRefusal?>? Judge { get; init; }

    /// <summary>Whether a client must show a certificate.</summary>
    public bool RequiresCertificate { get; init; }

    /// <summary>The protocol that a server has settled on; empty for none.</summary>
    public ReadOnlyMemory<byte> Protocol { get; init; }

    /// <summary>What a client offers, each with its length in front; empty for nothing.</summary>
    public ReadOnlyMemory<byte> Offer { get; init; }

    /// <summary>The server name that a client asks for; empty for none. A server resumes what began under the same (TLS-23).</summary>
    public ReadOnlyMemory<byte> ServerName { get; init; }

    /// <summary>Whether a client has a certificate to show, which a target may ask for later too.</summary>
    public bool HasCertificate { get; init; }

    /// <summary>Where a client's sessions are kept.</summary>
    public ResumableSession? Session { get; init; }

    /// <summary>Whether a client offers the session that it has, and a server gives tickets and takes them.</summary>
    public bool Resumes { get; init; } = true;

    /// <summary>Sets them, before the first byte.</summary>
    /// <returns>Whether a session is offered.</returns>
    public bool ApplyTo(nint ssl)
    {
        // Refused only where the library was built without these versions; the handshake says so then.
        _ = OpenSsl.SetMinVersion(ssl, MinVersion.IsTls12 ? OpenSsl.Tls12 : OpenSsl.Tls13);
        OpenSsl.SetVerify(ssl, Judge is null ? 0 : OpenSsl.VerifyPeer | (RequiresCertificate ? OpenSsl.FailIfNoPeerCertificate : 0), 0);
        if (!IsServer)
            return BeClient(ssl);
        BeServer(ssl);
        return false;
    }

    private void BeServer(nint ssl)
    {
        OpenSsl.SetAcceptState(ssl);
        if (!ServerName.IsEmpty)
            _ = OpenSsl.SetSessionIdContext(ssl, ServerName.Span);

        if (!Resumes)
            _ = OpenSsl.AddOptions(ssl, OpenSsl.NoTicket);

        // One, where the library gives two: who comes back with it is given the next.
        _ = OpenSsl.SetTicketCount(ssl, Resumes ? 1u : 0u);
    }

    private bool BeClient(nint ssl)
    {
        OpenSsl.SetConnectState(ssl);
        OpenSsl.SetPostHandshakeAuth(ssl, HasCertificate ? 1 : 0);
        if (HasCertificate)
            OpenSslContext.AskBeforeShowing(ssl);

        // What the configuration's rules let through is no longer than the library takes: what fails here fails for want of memory, and shows.
        if (!ServerName.IsEmpty)
            _ = OpenSsl.SetHostName(ssl, ServerName.Span);
        if (!Offer.IsEmpty)
            _ = OpenSsl.SetAlpnProtocols(ssl, Offer.Span, (uint)Offer.Length);
        return Resumes && Session is not null && Session.OfferTo(ssl, isJudged: Judge is not null);
    }
}
