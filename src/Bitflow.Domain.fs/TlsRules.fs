namespace Bitflow.Domain

/// What a listener makes of a hello before the handshake begins.
[<RequireQualifiedAccess>]
type HelloAnswer =
    /// Shake hands with this certificate of the listener, and this protocol if any.
    | Serve of certificate: int * protocol: AlpnName voption
    | Refuse of alert: TlsAlert * reason: string

/// A listener's rules for TLS, worked out once: its settings, and the names of its certificates in their order.
/// Everything is decided here, by our reading of the hello, and handed to the TLS library as settled: its own view of a
/// hello is not reliable (TLS-20).
[<Sealed; AllowNullLiteral>]
type ListenerTlsRules(tls: ListenerTls, certificateNames: string seq seq) =
    let certificates = CertificateTable certificateNames
    let preferred = tls.ApplicationProtocols |> List.choose (AlpnName.tryOfText >> ValueOption.toOption)

    let accepts (offer: TlsOffer) =
        match tls.MinVersion with
        | TlsVersion.Tls13 -> offer.Tls13
        | TlsVersion.Tls12 -> offer.Tls12 || offer.Tls13

    /// `name` and `protocols` as the hello has them.
    member _.Answer(offer: TlsOffer, name: ServerName voption, protocols: AlpnName list) : HelloAnswer =
        if not (accepts offer) then
            let least = match tls.MinVersion with TlsVersion.Tls12 -> "1.2" | TlsVersion.Tls13 -> "1.3"
            HelloAnswer.Refuse(TlsAlert.ProtocolVersion, $"the client does not speak TLS {least}, the listener's min_version")
        else
            match offer.LargeGroup, Alpn.choose preferred protocols with
            | "", AlpnChoice.Absent -> HelloAnswer.Serve(certificates.Choose name, ValueNone)
            | "", AlpnChoice.Chosen protocol -> HelloAnswer.Serve(certificates.Choose name, ValueSome protocol)
            | "", AlpnChoice.Refused ->
                let offered = protocols |> Alpn.shown |> String.concat ", "
                HelloAnswer.Refuse(TlsAlert.NoApplicationProtocol, $"the client offers {offered}, none of the listener's application_protocols")
            | group, _ -> HelloAnswer.Refuse(TlsAlert.HandshakeFailure, $"the client wants keys exchanged in {group}, which a listener does not speak")

/// What a look at a peer's certificate found.
type PeerFinding =
    { Presented: bool
      /// Its chain ends in an authority that decides here.
      Anchored: bool
      /// It is for the name that was dialled; of no meaning for clients.
      IsForName: bool
      /// Its extended key usage, and those of its issuers, allow what it is shown for (RFC 5280 section 4.2.1.12).
      IsForUse: bool
      /// What else is wrong with it or its chain, in the library's words.
      Problems: string list }

/// Whether a peer's certificate will do.
[<RequireQualifiedAccess>]
module PeerCertificate =
    let private flaw (usage: string) (finding: PeerFinding) =
        let problems =
            if finding.IsForUse then finding.Problems
            else $"its extended key usage, or an issuer's, does not allow {usage}" :: finding.Problems
        if not problems.IsEmpty then ValueSome(String.concat "; " problems)
        elif not finding.Anchored then ValueSome "its chain leads to no authority that is trusted here"
        else ValueNone

    /// What a client is told that should have presented one; in the connection log it tells such a client from one whose certificate will not do.
    let noneOfClient = "the client presented no certificate, and verify_mode is strict"

    /// Why a client is refused; none: it may go on.
    [<CompiledName "ClientRefusal">]
    let clientRefusal (mode: VerifyMode) (finding: PeerFinding) : string voption =
        match mode with
        | VerifyMode.None -> ValueNone
        | VerifyMode.Relaxed when not finding.Presented -> ValueNone
        | _ when not finding.Presented -> ValueSome noneOfClient
        | _ -> flaw "client authentication" finding |> ValueOption.map (fun text -> $"the client's certificate does not verify: {text}")

    /// Why a target is refused; none: it may be used.
    [<CompiledName "TargetRefusal">]
    let targetRefusal (mode: VerifyMode) (name: string) (finding: PeerFinding) : string voption =
        match mode with
        | VerifyMode.None -> ValueNone
        | _ when not finding.Presented -> ValueSome "it presented none"
        | _ ->
            match flaw "server authentication" finding with
            | ValueNone when not finding.IsForName -> ValueSome $"it is not for the name {name}"
            | verdict -> verdict

/// A session that a target gave before and is offered now, so that hands need not be shaken in full (RFC 8446 section 2.2).
[<RequireQualifiedAccess>]
module OfferedSession =
    /// Whether a handshake may have failed for it: then the target is dialled once more, and offered none. With a session comes the certificate that began it; and a
    /// target that can do nothing with one should ignore it (RFC 8446 section 4.2.11), but may answer with an alert. Not where the certificate that is why is known to
    /// be what the target shows now, nor where the connection beneath broke: neither would be any better without.
    [<CompiledName "MayBeWhy">]
    let mayBeWhy (offered: bool) (isShownNow: bool) (beneath: IoFault) : bool = offered && not isShownNow && beneath = IoFault.None

/// The name that a TLS target is asked for and verified by.
[<RequireQualifiedAccess>]
module TargetName =
    /// The configured one, else the host of the target's address; empty where there is neither (such a target cannot
    /// be verified). Address literals are verified as such, and no server name is sent for them.
    [<CompiledName "Of">]
    let ofTarget (target: TargetConfig) (tls: TargetTls) : string =
        // No dot stands at its end (RFC 6066 section 3).
        let withoutDot (name: string) = if name.EndsWith '.' then name.Substring(0, name.Length - 1) else name
        if tls.ServerName <> "" then
            withoutDot tls.ServerName
        else
            match target.Address with
            | Address.Tcp(_, Host.Name name, _) -> withoutDot name
            | Address.Tcp(_, Host.Literal address, _) -> string address
            | _ -> ""
