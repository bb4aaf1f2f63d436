namespace Bitflow.Domain

open System.Collections.Generic

/// What a listener makes of a hello before the handshake begins.
[<RequireQualifiedAccess>]
type HelloAnswer =
    /// Shake hands with this certificate of the listener, and this protocol if any.
    | Serve of certificate: int * protocol: AlpnName voption
    | Refuse of alert: TlsAlert * reason: string

/// A listener's rules for TLS, worked out once: its settings, and its certificates in their order.
/// Everything is decided here, by our reading of the hello, and handed to the TLS library as settled: its own view of a
/// hello is not reliable (TLS-20).
[<Sealed; AllowNullLiteral>]
type ListenerTlsRules(tls: ListenerTls, certificates: IReadOnlyList<CertificateChoice>) =
    let certificates = CertificateTable certificates

    let accepts (offer: TlsOffer) =
        match tls.MinVersion with
        | TlsVersion.Tls13 -> offer.Tls13
        | TlsVersion.Tls12 -> offer.Tls12 || offer.Tls13

    /// `name` and `protocols` as the hello has them.
    member _.Answer(offer: TlsOffer, name: ServerName voption, protocols: AlpnName list) : HelloAnswer =
        if not (accepts offer) then
            let least = string tls.MinVersion
            HelloAnswer.Refuse(TlsAlert.ProtocolVersion, $"the client does not speak TLS {least}, the listener's min_version")
        else
            match offer.LargeGroup, Alpn.choose tls.ApplicationProtocols protocols with
            | "", AlpnChoice.Absent -> HelloAnswer.Serve(certificates.Choose(name, offer.Keys), ValueNone)
            | "", AlpnChoice.Chosen protocol -> HelloAnswer.Serve(certificates.Choose(name, offer.Keys), ValueSome protocol)
            | "", AlpnChoice.Refused ->
                let offered = protocols |> Alpn.shown |> String.concat ", "
                HelloAnswer.Refuse(TlsAlert.NoApplicationProtocol, $"the client offers {offered}, none of the listener's application_protocols")
            | group, _ -> HelloAnswer.Refuse(TlsAlert.HandshakeFailure, $"the client wants keys exchanged in {group}, which a listener does not speak")
