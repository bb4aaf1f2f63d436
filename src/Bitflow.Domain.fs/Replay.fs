namespace Bitflow.Domain

open System
open System.Collections.Generic

/// How a recorded connection would fare under another configuration.
[<RequireQualifiedAccess; NoComparison>]
type ReplayVerdict =
    | Same
    /// It was served, and would be refused.
    | Refused of reason: CloseReason
    /// It was refused, and would be served.
    | Admitted of target: string
    /// It would be refused either way, for another reason.
    | RefusedOtherwise of reason: CloseReason
    | Elsewhere of target: string
    /// Its proxy is not in the configuration any more.
    | NoProxy
    /// What the new configuration decides by was not recorded.
    | Unknowable of what: string

/// What `bitflow replay` adds up.
type ReplaySummary =
    { Connections: int
      Same: int
      Refused: int
      OverLimit: int
      Admitted: int
      RefusedOtherwise: int
      Elsewhere: int
      NoProxy: int
      Unknowable: int
      /// Lines that are no connection records.
      Unreadable: int
      /// The number of the first such line, counted from 1; 0: there is none.
      FirstUnreadable: int64 }

/// Recorded connections, decided again under another configuration.
[<RequireQualifiedAccess>]
module Replay =
    let none =
        { Connections = 0; Same = 0; Refused = 0; OverLimit = 0; Admitted = 0; RefusedOtherwise = 0
          Elsewhere = 0; NoProxy = 0; Unknowable = 0; Unreadable = 0; FirstUnreadable = 0L }

    /// As recorded; a log that does not say so says at least what a finished handshake agreed on.
    let private tlsOfferOf (record: ConnectionRecord) = record.TlsOffer |> ValueOption.orElseWith (fun () -> TlsOffer.ofAgreed record.TlsVersion)

    let private describedBy (record: ConnectionRecord) : DescribedClient =
        { Peer = (match record.Peer with Endpoint.Unknown -> record.Source | peer -> peer)
          Local = record.Local
          Header = record.Header
          ServerName = (match ServerName.tryCreate record.ServerName with Ok name -> ValueSome name | Error _ -> ValueNone)
          // What was agreed on had been offered, recorded or not.
          AlpnOffer = record.AlpnOffer @ [ record.Alpn ] |> List.choose (AlpnName.tryOfShown >> ValueOption.toOption)
          TlsOffer = tlsOfferOf record |> ValueOption.defaultValue TlsOffer.usual
          OpenConnections = int (max 0L (min (int64 Int32.MaxValue) record.OpenConnections))
          Ticket = record.RoundRobinTicket |> ValueOption.defaultValue 0L }

    /// Where a client was turned away for what it sent, or for what it did not send in time.
    let private stoppedIn (record: ConnectionRecord) : Phase voption =
        match record.CloseReason with
        | ValueSome { Who = Who.Client
                      Phase = Phase.ProxyHeader | Phase.Hello | Phase.Handshake as phase
                      Cause = Cause.Protocol | Cause.HandshakeTimeout | Cause.Certificate } -> ValueSome phase
        | _ -> ValueNone

    /// Whether the connection was turned away before a target was chosen, by a decision that the configuration takes.
    let private wasRefused (record: ConnectionRecord) =
        match record.CloseReason with
        | ValueSome { Phase = Phase.Admission; Cause = Cause.Refused | Cause.Limit } -> true
        | ValueSome { Phase = Phase.Hello; Cause = Cause.Refused } -> true
        | _ -> (stoppedIn record).IsSome

    let private wasRelayed (record: ConnectionRecord) = record.DestinationTransport <> SideTransport.Unknown

    /// Whether a target was ever chosen for it: a client that left before is the same under every configuration. The reference's records name none.
    let private wasRouted (record: ConnectionRecord) = record.Target <> "" || wasRelayed record

    /// Who presented a certificate that did not verify is taken to present it again, and the authorities to be the same.
    let private isCertificateRefusedAgain (mode: VerifyMode) (record: ConnectionRecord) =
        match mode with
        | VerifyMode.None -> false
        | VerifyMode.Relaxed -> record.Error <> PeerCertificate.noneOfClient
        | VerifyMode.Strict -> true

    /// How far the client comes at most: where it was turned away for what it sent, it is again, if the same is read of it there.
    let private furthest (rules: Rules) (record: ConnectionRecord) (client: DescribedClient) : Phase =
        let isReadAgain phase =
            match phase, rules.Proxy.Listener.Tls with
            | Phase.ProxyHeader, _ -> Admission.isTrustedProxy rules.Proxy.Listener client.Peer
            | Phase.Handshake, Some tls when (record.CloseReason |> ValueOption.exists (fun reason -> reason.Cause = Cause.Certificate)) ->
                isCertificateRefusedAgain tls.VerifyMode record
            | Phase.Handshake, tls -> tls.IsSome
            | _ -> rules.ReadsHello
        match stoppedIn record with
        | ValueSome phase when isReadAgain phase -> phase
        | _ -> Phase.Relay

    /// What is not known of it, and the phase that needs it, the first of them.
    let private missing (rules: Rules) (tls: ListenerTlsRules) (record: ConnectionRecord) (client: DescribedClient) (forecast: Forecast) : (Phase * string) option =
        let headerRead = record.Header.IsSome
        let needsHeader = Admission.isTrustedProxy rules.Proxy.Listener client.Peer
        let wantsMoreOfOffer =
            Alpn.isCut record.AlpnOffer
            && (match forecast.Hello with ValueSome(HelloAnswer.Refuse(TlsAlert.NoApplicationProtocol, _)) -> true | _ -> false)
        let needsCertificate = match rules.Proxy.Listener.Tls with Some { VerifyMode = VerifyMode.Strict } -> true | _ -> false
        // The rest is for logs that do not say it in so many words. Who was relayed over TLS has said a hello, of which the server's name may not have been recorded.
        let isRouted = rules.Proxy.Options.LoadBalancer = Policy.Sni
        let helloRead =
            record.HelloRead || record.ServerName <> "" || not record.AlpnOffer.IsEmpty || (record.SourceTransport = SideTransport.Tls && wasRelayed record && not isRouted)
        if needsHeader && not headerRead then Some(Phase.ProxyHeader, "a PROXY header is expected of it now, and none was read then")
        elif not needsHeader && headerRead then Some(Phase.ProxyHeader, "its PROXY header would be taken for the client's own bytes")
        elif rules.ReadsHello && not helloRead then Some(Phase.Hello, "its hello is needed now, and none was read then")
        elif rules.TerminatesTls && isNull tls then Some(Phase.Hello, "the listener's certificates are not loaded")
        elif rules.TerminatesTls && (tlsOfferOf record).IsNone then Some(Phase.Hello, "what its hello offered of TLS was not recorded")
        elif wantsMoreOfOffer then Some(Phase.Hello, "it offered more protocols than were recorded")
        // What follows is asked of nobody who comes to his end before.
        elif forecast.Life.IsOver then None
        elif needsCertificate && not record.ClientCertificate && record.ClientCertificateSubject = "" then
            Some(Phase.Handshake, "a client certificate is required now, and none was recorded then")
        elif rules.Proxy.Options.LoadBalancer = Policy.RoundRobin && record.RoundRobinTicket.IsNone then
            Some(Phase.Dial, "it drew no round-robin ticket then")
        else None

    let private compare (rules: Rules) (tls: ListenerTlsRules) (record: ConnectionRecord) : ReplayVerdict =
        let client = describedBy record
        let forecast = Forecast.untilDial rules (ValueOption.ofObj tls) client
        // Admission asks for no more than what is always recorded: the peer, or the header that named the source, and the limit.
        let isDecided = match forecast.Life.CloseReason with ValueSome { Phase = Phase.Admission } -> true | _ -> false
        let furthest = furthest rules record client
        let gap = if isDecided then None else missing rules tls record client forecast |> Option.filter (fun (phase, _) -> phase < furthest)
        match forecast.Life.Step, gap with
        | _, Some(_, what) -> if wasRouted record || wasRefused record then ReplayVerdict.Unknowable what else ReplayVerdict.Same
        | Step.Ended(reason, _), None when reason.Phase < furthest ->
            if not (wasRefused record) then (if wasRouted record then ReplayVerdict.Refused reason else ReplayVerdict.Same)
            elif record.CloseReason = ValueSome reason then ReplayVerdict.Same
            else ReplayVerdict.RefusedOtherwise reason
        | Step.Attempt plan, None when furthest = Phase.Relay ->
            let name index = rules.Targets[index].Name
            // With every target up: one of the other family takes no client even so (dual stack).
            let _, connected = Forecast.connect (fun _ -> false) forecast
            let first = name connected.LastTarget.Value
            match connected.CloseReason with
            | ValueSome reason when wasRefused record -> ReplayVerdict.RefusedOtherwise reason
            | ValueSome reason when wasRelayed record -> ReplayVerdict.Refused reason
            | _ when wasRefused record -> ReplayVerdict.Admitted first
            | _ when not (wasRouted record) -> ReplayVerdict.Same
            | _ when record.Target = "" ->
                if rules.Targets.Length = 1 then ReplayVerdict.Same else ReplayVerdict.Unknowable "which target it reached was not recorded"
            // Tried once, it was the first of the order; after several attempts any place of the order may have been reached, but for those behind more targets than attempts failed.
            | _ when record.DialAttempts <= 1 -> if first = record.Target then ReplayVerdict.Same else ReplayVerdict.Elsewhere first
            | _ ->
                match plan.Order |> Array.tryFindIndex (fun index -> name index = record.Target) with
                | None -> ReplayVerdict.Elsewhere first
                | Some place when place >= record.DialAttempts -> ReplayVerdict.Unknowable "of the targets before the one that it reached, not all were tried then"
                | Some _ -> ReplayVerdict.Same
        | _, None -> ReplayVerdict.Same

    /// What a recorded connection would come to. `rules` by the proxy's name, null for none; `tls` likewise.
    [<CompiledName "Judge">]
    let judge (rules: Func<string, Rules>) (tls: Func<string, ListenerTlsRules>) (record: ConnectionRecord) : ReplayVerdict =
        match rules.Invoke record.Name with
        | null -> ReplayVerdict.NoProxy
        | rules -> compare rules (tls.Invoke record.Name) record

    [<CompiledName "Add">]
    let add (summary: ReplaySummary) (verdict: ReplayVerdict) : ReplaySummary =
        let summary = { summary with Connections = summary.Connections + 1 }
        match verdict with
        | ReplayVerdict.Same -> { summary with Same = summary.Same + 1 }
        | ReplayVerdict.Refused { Cause = Cause.Limit } -> { summary with OverLimit = summary.OverLimit + 1 }
        | ReplayVerdict.Refused _ -> { summary with Refused = summary.Refused + 1 }
        | ReplayVerdict.Admitted _ -> { summary with Admitted = summary.Admitted + 1 }
        | ReplayVerdict.RefusedOtherwise _ -> { summary with RefusedOtherwise = summary.RefusedOtherwise + 1 }
        | ReplayVerdict.Elsewhere _ -> { summary with Elsewhere = summary.Elsewhere + 1 }
        | ReplayVerdict.NoProxy -> { summary with NoProxy = summary.NoProxy + 1 }
        | ReplayVerdict.Unknowable _ -> { summary with Unknowable = summary.Unknowable + 1 }

    [<CompiledName "AddUnreadable">]
    let addUnreadable (summary: ReplaySummary) (line: int64) =
        { summary with
            Unreadable = summary.Unreadable + 1
            FirstUnreadable = if summary.Unreadable = 0 then line else summary.FirstUnreadable }

    /// A line for a connection that fares differently; empty for one that does not.
    [<CompiledName "Line">]
    let line (record: ConnectionRecord) (verdict: ReplayVerdict) : string =
        let was =
            match record.CloseReason with
            | ValueSome reason when wasRefused record -> $"{reason}"
            | _ when record.Target <> "" -> $"target {record.Target}"
            | _ when wasRelayed record -> "served"
            | _ -> "no target"
        let willBe =
            match verdict with
            | ReplayVerdict.Same -> ""
            | ReplayVerdict.Refused reason
            | ReplayVerdict.RefusedOtherwise reason -> string reason
            | ReplayVerdict.Admitted target
            | ReplayVerdict.Elsewhere target -> $"target {target}"
            | ReplayVerdict.NoProxy -> "no such proxy"
            | ReplayVerdict.Unknowable what -> $"cannot be known: {what}"
        if willBe = "" then ""
        else Shown.line $"""{JsonText.exactTime record.Timestamp} {record.Name} id {record.Id} {record.Source}: was {was}, would be {willBe}"""

    /// As the sum counts it.
    let private nameOf (verdict: ReplayVerdict) =
        match verdict with
        | ReplayVerdict.Same -> "same"
        | ReplayVerdict.Refused { Cause = Cause.Limit } -> "over_limit"
        | ReplayVerdict.Refused _ -> "refused"
        | ReplayVerdict.Admitted _ -> "admitted"
        | ReplayVerdict.RefusedOtherwise _ -> "refused_otherwise"
        | ReplayVerdict.Elsewhere _ -> "elsewhere"
        | ReplayVerdict.NoProxy -> "no_proxy"
        | ReplayVerdict.Unknowable _ -> "unknowable"

    /// The same for programs: one JSON object.
    [<CompiledName "JsonLine">]
    let jsonLine (record: ConnectionRecord) (verdict: ReplayVerdict) : string =
        if verdict.IsSame then ""
        else
            Json.Object [
                "timestamp", Json.Text(JsonText.exactTime record.Timestamp)
                "name", Json.Text record.Name
                "id", Json.Number(decimal record.Id)
                "source", Json.Text(string record.Source)
                "recorded_target", Json.Text record.Target
                "recorded_close_reason", (match record.CloseReason with ValueSome reason -> Json.Text(string reason) | ValueNone -> Json.Null)
                "verdict", Json.Text(nameOf verdict)
                match verdict with
                | ReplayVerdict.Refused reason
                | ReplayVerdict.RefusedOtherwise reason -> "close_reason", Json.Text(string reason)
                | ReplayVerdict.Admitted target
                | ReplayVerdict.Elsewhere target -> "target", Json.Text target
                | ReplayVerdict.Unknowable what -> "unknown", Json.Text what
                | ReplayVerdict.NoProxy
                | ReplayVerdict.Same -> ()
            ]
            |> Json.line

    /// Whether what was read is something else than a connection log: an empty one is one.
    [<CompiledName "IsOfNoLog">]
    let isOfNoLog (s: ReplaySummary) = s.Connections = 0 && s.Unreadable > 0

    [<CompiledName "Describe">]
    let describe (s: ReplaySummary) : IReadOnlyList<string> =
        let count n what = if n > 0 then [ $"{n} {what}" ] else []
        [| (if s.Connections = 1 then "1 connection" else $"{s.Connections} connections")
           $"{s.Same} as before"
           yield! count s.Refused "refused that were served"
           yield! count s.OverLimit "over connection_limit that were served"
           yield! count s.Admitted "served that were refused"
           yield! count s.RefusedOtherwise "refused for another reason"
           yield! count s.Elsewhere "routed to another target"
           yield! count s.NoProxy "of proxies that are gone"
           yield! count s.Unknowable "that cannot be known from what was recorded"
           yield!
               count s.Unreadable (
                   if s.Unreadable = 1 then $"line that is no connection record: line {s.FirstUnreadable}"
                   else $"lines that are no connection records, the first of them line {s.FirstUnreadable}"
               ) |]
        :> IReadOnlyList<string>

    /// The sum for programs: one JSON object, whose members are named as the verdicts are.
    [<CompiledName "JsonSum">]
    let jsonSum (s: ReplaySummary) : string =
        let counts =
            [ "connections", s.Connections; "same", s.Same; "refused", s.Refused; "over_limit", s.OverLimit; "admitted", s.Admitted
              "refused_otherwise", s.RefusedOtherwise; "elsewhere", s.Elsewhere; "no_proxy", s.NoProxy; "unknowable", s.Unknowable; "unreadable", s.Unreadable ]
        Json.Object [
            for name, count in counts do name, Json.Number(decimal count)
            "first_unreadable_line", (if s.Unreadable = 0 then Json.Null else Json.Number(decimal s.FirstUnreadable))
        ]
        |> Json.line
