module Bitflow.Spec.ReplayLaws

open System.Text.Json
open Xunit
open Bitflow.Domain
open Bitflow.Spec.DescribedClients

/// The record of a connection that fared as it was foreseen, the target tried once.
let private recorded (p: ProxyConfig) (client: DescribedClient) : ConnectionRecord =
    let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
    let _, life = Forecast.connect (fun _ -> false) forecast
    let helloRead = life.Rules.ReadsHello && (match life.CloseReason with ValueSome { Phase = Phase.Admission } -> false | _ -> true)
    { ConnectionRecord.Empty with
        Name = p.Name
        Peer = client.Peer
        Source = life.Source
        Local = client.Local
        SourceTransport = (if p.Listener.Tls.IsSome then SideTransport.Tls else SideTransport.Plaintext)
        ServerName = (match client.ServerName with ValueSome name when life.Rules.ReadsHello -> name.Text | _ -> "")
        Header = (match life.CloseReason with ValueSome { Cause = Cause.Limit } -> ValueNone | _ -> client.Header)
        OpenConnections = int64 client.OpenConnections
        RoundRobinTicket = life.Ticket
        HelloRead = helloRead
        TlsOffer = (if helloRead then ValueSome client.TlsOffer else ValueNone)
        DestinationTransport = (if life.IsRelaying then SideTransport.Plaintext else SideTransport.Unknown)
        DialAttempts = life.Attempts
        Target = (match life.LastTarget with ValueSome target -> p.Targets[target].Name | ValueNone -> "")
        CloseReason = (if life.IsOver then life.CloseReason else ValueSome(CloseReason.make Who.Client Phase.Relay Cause.Ended)) }

let private judge (p: ProxyConfig) record =
    let rules = System.Func<string, Rules>(fun name -> if name = p.Name then Rules p else null)
    Replay.judge rules (System.Func<string, ListenerTlsRules>(fun _ -> ValueOption.toObj (tlsOf p))) record

let private show p record =
    match judge p record with
    | ReplayVerdict.Same -> "same"
    | ReplayVerdict.Refused reason -> $"refused {reason}"
    | ReplayVerdict.Admitted target -> $"admitted {target}"
    | ReplayVerdict.RefusedOtherwise reason -> $"otherwise {reason}"
    | ReplayVerdict.Elsewhere target -> $"elsewhere {target}"
    | ReplayVerdict.NoProxy -> "no proxy"
    | ReplayVerdict.Unknowable _ -> "unknowable"

/// The same client, turned away for what it sent, where the configuration reads that.
let private stopped (p: ProxyConfig) (client: DescribedClient) (phase: Phase) (cause: Cause) : ConnectionRecord =
    let record = recorded p client
    { record with
        Target = ""
        DialAttempts = 0
        DestinationTransport = SideTransport.Unknown
        RoundRobinTicket = ValueNone
        Header = (if phase = Phase.ProxyHeader then ValueNone else record.Header)
        HelloRead = (phase = Phase.Handshake)
        TlsOffer = (if phase = Phase.Handshake then ValueSome client.TlsOffer else ValueNone)
        ClientCertificateSubject = ""
        CloseReason = ValueSome(CloseReason.make Who.Client phase cause) }

let private clientsAre mode (p: ProxyConfig) = { p with Listener = { p.Listener with Tls = p.Listener.Tls |> Option.map (fun tls -> { tls with VerifyMode = mode }) } }

[<Fact>]
let ``under the file that it was served by, a recorded connection is decided as it was, wherever it came to its end`` () =
    let written record = ConnectionLogLine.format record |> ConnectionLogLine.tryParse |> Result.defaultWith (fun e -> failwith $"%A{e}")
    let isSame p record = (match judge p (written record) with ReplayVerdict.Same -> true | _ -> false)
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (openNow: int) (ticket: uint16) (tls12: bool, tls13: bool, isLarge: bool) ->
        let offer = { TlsOffer.usual with Tls12 = tls12; Tls13 = tls13; LargeGroup = if isLarge then "ffdhe8192" else "" }
        let client = { client p n m openNow ticket with TlsOffer = offer }
        isSame p (recorded p client)
        && [ VerifyMode.None; VerifyMode.Relaxed; VerifyMode.Strict ] |> List.forall (fun mode ->
            let p = clientsAre mode p
            let life = (Forecast.untilDial (Rules p) (tlsOf p) client).Life
            let isHelloFine = not life.IsOver
            let isAdmitted = match life.CloseReason with ValueSome { Phase = Phase.Admission } -> false | _ -> true
            isSame p { recorded p client with ClientCertificate = (mode = VerifyMode.Strict) }
            && [ Phase.ProxyHeader, Admission.isTrustedProxy p.Listener client.Peer && Admission.isBelowLimit p.Options.ConnectionLimit client.OpenConnections
                 Phase.Hello, isAdmitted && life.Rules.ReadsHello
                 Phase.Handshake, isHelloFine && life.Rules.TerminatesTls ]
               |> List.forall (fun (phase, isRead) ->
                   not isRead
                   || ([ Cause.Protocol; Cause.HandshakeTimeout ] |> List.forall (fun cause -> isSame p (stopped p client phase cause))
                       && (phase <> Phase.Handshake || mode = VerifyMode.None
                           || isSame p { stopped p client phase Cause.Certificate with Error = "it does not verify" })))
            && (mode <> VerifyMode.Strict || not isHelloFine || not life.Rules.TerminatesTls
                || isSame p { stopped p client Phase.Handshake Cause.Certificate with Error = PeerCertificate.noneOfClient })))

[<Fact>]
let ``a replay says of a changed verify_mode whom it lets in, and whom it may not`` () =
    let speaking least = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with MinVersion = least } } }
    let terminating mode = clientsAre mode (speaking TlsVersion.Tls12)
    let unasked, asked, required = terminating VerifyMode.None, terminating VerifyMode.Relaxed, terminating VerifyMode.Strict
    let inTurn = { unasked with Options = { Sample.options with LoadBalancer = Policy.RoundRobin } }
    let tls13 = speaking TlsVersion.Tls13
    let named = { unasked with Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let client = describe (Sample.ip "203.0.113.9") ValueNone 0 0L
    let served = recorded unasked client
    let known = { served with ClientCertificateSubject = "CN=client" }
    let without = { stopped required client Phase.Handshake Cause.Certificate with Error = PeerCertificate.noneOfClient }
    let unverified = { without with Error = "expired"; ClientCertificateSubject = "CN=client" }
    let old = { client with TlsOffer = { TlsOffer.usual with Tls13 = false } }
    Law.HoldsFor(
        [ required, served, "unknowable"
          asked, served, "same"
          required, known, "same"
          required, { served with ClientCertificate = true }, "same"
          unasked, known, "same"
          required, recorded tls13 old, "unknowable"
          clientsAre VerifyMode.Strict named, served, "refused bitflow.hello.refused"
          unasked, without, "admitted a"
          asked, without, "admitted a"
          required, without, "same"
          Sample.proxy "p", without, "admitted a"
          unasked, unverified, "admitted a"
          asked, unverified, "same"
          required, unverified, "same"
          inTurn, without, "unknowable"
          named, without, "otherwise bitflow.hello.refused"
          tls13, { without with TlsOffer = ValueSome old.TlsOffer }, "otherwise client.hello.refused" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``of the reference's records, which name no target, it is known who was served, and not by which of several`` () =
    let plain = { Sample.proxy "p" with Targets = [ Sample.target "a" ] }
    let ofReference = { recorded plain (describe (Sample.ip "10.1.2.3") ValueNone 0 0L) with Target = ""; CloseReason = ValueNone; DialAttempts = 0 }
    let narrow = { plain with Listener = { Sample.listener with AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    Law.HoldsFor(
        [ plain, ofReference, "same"; narrow, ofReference, "refused bitflow.admission.refused"
          { plain with Targets = [ Sample.target "a"; Sample.target "b" ] }, ofReference, "unknowable" ],
        fun (p, record, expected) -> show p record = expected && (expected = "same" || (Replay.line record (judge p record)).Contains ": was served, would be "))

[<Fact>]
let ``who was turned away for what he sent is let in where that is not read any more`` () =
    let client = describe (Sample.ip "10.1.2.3") ValueNone 0 0L
    let plain = { Sample.proxy "p" with Targets = [ Sample.target "a" ] }
    let listening listener = { plain with Listener = listener }
    let trusting = listening { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ] }
    let terminating = listening { Sample.listener with Tls = Some Sample.listenerTls }
    let both = listening { trusting.Listener with Tls = Some Sample.listenerTls }
    let routing = { plain with Targets = [ Sample.target "*" ]; Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let strangers = listening { Sample.listener with AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] }
    Law.HoldsFor(
        [ for cause in [ Cause.Protocol; Cause.HandshakeTimeout ] do
              let headless, helloless, unshaken = stopped trusting client Phase.ProxyHeader cause, stopped terminating client Phase.Hello cause, stopped terminating client Phase.Handshake cause
              plain, headless, "admitted a"
              terminating, headless, "unknowable"
              routing, headless, "unknowable"
              strangers, headless, "otherwise bitflow.admission.refused"
              both, headless, "same"
              plain, helloless, "admitted a"
              routing, helloless, "same"
              trusting, helloless, "unknowable"
              both, helloless, "unknowable"
              plain, unshaken, "admitted a"
              routing, unshaken, "admitted *"
              both, unshaken, "unknowable"
          // Who left of his own accord is the same under every configuration.
          plain, stopped trusting client Phase.ProxyHeader Cause.Probe, "same"
          strangers, stopped terminating client Phase.Hello Cause.Ended, "same" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``a recorded client without a server name is routed again like any other, wherever its hello was read`` () =
    let route names = { Sample.proxy "p" with Targets = List.map Sample.target names; Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let nameless = describe (Sample.ip "203.0.113.9") ValueNone 0 0L
    let was = recorded (route [ "a.example"; "*" ]) nameless
    let refused = recorded (route [ "a.example" ]) nameless
    Law.HoldsFor(
        [ route [ "*"; "a.example" ], was, "same"
          route [ "a.example" ], was, "refused bitflow.hello.refused"
          route [ "a.example"; "*" ], refused, "admitted *"
          route [ "a.example" ], refused, "same"
          // A log that does not say whether a hello was read: what it holds of one says so.
          route [ "a.example" ], { was with HelloRead = false; ServerName = "a.example" }, "elsewhere a.example"
          // Over TLS it had one; which name it asked for nobody knows.
          route [ "*"; "a.example" ], { was with HelloRead = false; SourceTransport = SideTransport.Tls }, "unknowable"
          route [ "*"; "a.example" ], { was with HelloRead = false; AlpnOffer = [ "h2" ] }, "same"
          route [ "*"; "a.example" ], { was with HelloRead = false }, "unknowable" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``a recorded client is decided again by what its hello offered of TLS; where that was not recorded, nothing is made up`` () =
    let terminating least = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with MinVersion = least } } }
    let strict, lenient = terminating TlsVersion.Tls13, terminating TlsVersion.Tls12
    let offering offer = { describe (Sample.ip "203.0.113.9") ValueNone 0 0L with TlsOffer = offer }
    let old = offering { TlsOffer.usual with Tls13 = false }
    let large = offering { TlsOffer.usual with LargeGroup = "ffdhe8192" }
    let unsaid version record = { record with TlsOffer = ValueNone; TlsVersion = version }
    let modern = offering TlsOffer.usual
    Law.HoldsFor(
        [ strict, recorded strict old, "same"
          lenient, recorded strict old, "admitted a"
          strict, recorded lenient old, "refused client.hello.refused"
          lenient, recorded lenient old, "same"
          lenient, recorded strict large, "same"
          Sample.proxy "p", recorded strict large, "admitted a"
          // A log that does not say it: what a handshake agreed on says it, and where none was finished nothing does.
          strict, unsaid "1.3" (recorded strict modern), "same"
          strict, unsaid "1.2" (recorded lenient old), "refused client.hello.refused"
          lenient, unsaid "1.2" (recorded lenient old), "same"
          strict, unsaid "" (recorded strict old), "unknowable"
          lenient, unsaid "" (recorded strict old), "unknowable"
          strict, unsaid "SSLv3" (recorded strict modern), "unknowable" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``a client whose hello is refused drew no round-robin ticket, and none is asked for where it is refused again`` () =
    let terminating least policy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with Tls = Some { Sample.listenerTls with MinVersion = least } }
            Targets = [ Sample.target "a"; Sample.target "b" ]
            Options = { Sample.options with LoadBalancer = policy } }
    let inTurn = terminating TlsVersion.Tls13 Policy.RoundRobin
    let old = recorded inTurn { describe (Sample.ip "203.0.113.9") ValueNone 0 0L with TlsOffer = { TlsOffer.usual with Tls13 = false } }
    Law.HoldsFor(
        [ inTurn, old, "same"
          inTurn, recorded (terminating TlsVersion.Tls13 Policy.None) (describe (Sample.ip "203.0.113.9") ValueNone 0 0L), "unknowable"
          terminating TlsVersion.Tls12 Policy.RoundRobin, old, "unknowable"
          terminating TlsVersion.Tls12 Policy.None, old, "admitted a" ],
        fun (p, record, expected) -> record.RoundRobinTicket.IsNone && show p record = expected
    )

[<Fact>]
let ``an offer of more protocols than are recorded is decided again where those recorded, or the one agreed on, decide`` () =
    let speaks protocols = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with ApplicationProtocols = protocols |> List.choose (AlpnName.tryOfText >> ValueOption.toOption) } } }
    let was = { recorded (speaks []) (describe (Sample.ip "203.0.113.9") ValueNone 0 0L) with AlpnOffer = [ "first"; "and 7 more" ] }
    Law.HoldsFor(
        [ speaks [], was, "same"
          speaks [ "first" ], was, "same"
          speaks [ "h2" ], was, "unknowable"
          speaks [ "h2" ], { was with Alpn = "h2" }, "same"
          speaks [ "h2" ], { was with AlpnOffer = [ "first" ] }, "refused client.hello.refused"
          speaks [ "é" ], { was with AlpnOffer = [ "\\xc3\\xa9" ] }, "same" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``a smaller limit, a narrower list and a lost target show in a replay`` () =
    let proxy = { Sample.proxy "p" with Targets = [ Sample.target "a"; Sample.target "b" ]; Options = { Sample.options with LoadBalancer = Policy.Failover } }
    let record = recorded proxy (describe (Sample.ip "203.0.113.9") ValueNone 7 0L)
    let limited n = { proxy with Options = { proxy.Options with ConnectionLimit = n } }
    let authorized network = { proxy with Listener = { proxy.Listener with AuthorizedSources = Sample.networks [ network ] } }
    let refused = recorded (limited 7) (describe (Sample.ip "203.0.113.9") ValueNone 7 0L)
    Law.HoldsFor(
        [ limited 8, record, "same"
          limited 7, record, "refused bitflow.admission.limit"
          authorized "203.0.113.0/24", record, "same"
          authorized "10.0.0.0/8", record, "refused bitflow.admission.refused"
          { proxy with Targets = [ Sample.target "b"; Sample.target "a" ] }, record, "elsewhere b"
          { proxy with Targets = [ Sample.target "b" ] }, record, "elsewhere b"
          { proxy with Name = "q" }, record, "no proxy"
          { proxy with Targets = [ Sample.target "b"; Sample.target "a" ] }, { record with DialAttempts = 3 }, "same"
          { proxy with Options = { proxy.Options with LoadBalancer = Policy.Sni } }, record, "unknowable"
          { proxy with Listener = { proxy.Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, record, "unknowable"
          // Admission refuses without header or hello, known or not.
          { limited 7 with Listener = { proxy.Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, { record with Header = ValueSome ProxyOrigin.Unstated }, "refused bitflow.admission.limit"
          { limited 7 with Listener = { proxy.Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, record, "refused bitflow.admission.limit"
          { authorized "10.0.0.0/8" with Listener = { (authorized "10.0.0.0/8").Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, record, "unknowable"
          { authorized "10.0.0.0/8" with Options = { proxy.Options with LoadBalancer = Policy.RoundRobin } }, record, "refused bitflow.admission.refused"
          proxy, refused, "admitted a"
          authorized "10.0.0.0/8", refused, "otherwise bitflow.admission.refused"
          limited 7, refused, "same" ],
        fun (p, record, expected) -> show p record = expected
    )

[<Fact>]
let ``a client that reached its target after failures is as before, unless more targets stand before it now than attempts failed`` () =
    let behind targets = { Sample.proxy "p" with Targets = List.map Sample.target (targets @ [ "reached" ]); Options = { Sample.options with LoadBalancer = Policy.Failover } }
    let record attempts =
        { recorded (behind []) (describe (Sample.ip "203.0.113.9") ValueNone 0 0L) with DialAttempts = attempts }
    Law.HoldsFor(
        [ [], 2, "same"; [ "a" ], 2, "same"; [ "a"; "b" ], 2, "unknowable"; [ "a"; "b" ], 3, "same"; [ "a"; "b"; "c" ], 3, "unknowable"
          [ "a" ], 1, "elsewhere a"; [], 1, "same" ],
        fun (before, attempts, expected) -> show (behind before) (record attempts) = expected)

[<Fact>]
let ``a replay sends no client to a literal target of the other family`` () =
    let named name = fourThenSix.Targets |> List.filter (fun target -> target.Name = name)
    let sixAlone = { fourThenSix with Targets = named "six" }
    let fourAlone = { fourThenSix with Targets = named "four" }
    let strangers = { fourAlone with Listener = { fourAlone.Listener with AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    let record p = recorded p (describe (Sample.ip "::1") ValueNone 0 0L)
    Law.HoldsFor(
        [ sixAlone, record sixAlone, "same"
          fourThenSix, record sixAlone, "same"
          fourThenSix, record fourThenSix, "same"
          fourAlone, record sixAlone, "refused target.dial.unresolved"
          fourAlone, record strangers, "otherwise target.dial.unresolved"
          fourAlone, record fourAlone, "same"
          sixAlone, record fourAlone, "elsewhere six" ],
        fun (p, record, expected) -> show p record = expected)

[<Fact>]
let ``a replay counts every connection once, and writes a line for each that fares differently`` () =
    Law.Holds(fun (SmallProxy p) (SmallProxy q) (clients: (int * int * int * uint16) list) ->
        let records = clients |> List.map (fun (n, m, o, t) -> recorded p (client p n m o t))
        let verdicts = records |> List.map (judge q)
        let s = verdicts |> List.fold Replay.add Replay.none
        let lines = List.map2 Replay.line records verdicts |> List.filter ((<>) "")
        s.Connections = records.Length
        && s.Same + s.Refused + s.OverLimit + s.Admitted + s.RefusedOtherwise + s.Elsewhere + s.NoProxy + s.Unknowable = s.Connections
        && lines.Length = s.Connections - s.Same)

[<Fact>]
let ``the sum of a replay says how many fared how, and leaves out what nobody did`` () =
    let reason = (CloseReason.tryParse "bitflow.admission.refused").Value
    let limit = (CloseReason.tryParse "bitflow.admission.limit").Value
    let words = Replay.describe >> List.ofSeq
    Law.HoldsFor(
        [ ReplayVerdict.Refused reason, [ "1 refused that were served" ]; ReplayVerdict.Refused limit, [ "1 over connection_limit that were served" ]
          ReplayVerdict.Admitted "a", [ "1 served that were refused" ]; ReplayVerdict.RefusedOtherwise reason, [ "1 refused for another reason" ]
          ReplayVerdict.Elsewhere "a", [ "1 routed to another target" ]; ReplayVerdict.NoProxy, [ "1 of proxies that are gone" ]
          ReplayVerdict.Unknowable "x", [ "1 that cannot be known from what was recorded" ] ],
        fun (verdict, rest) -> words (Replay.add Replay.none verdict) = [ "1 connection"; "0 as before" ] @ rest
    )
    let unreadable = List.fold Replay.addUnreadable (Replay.add Replay.none ReplayVerdict.Same)
    Law.HoldsFor(
        [ [ 7L ], "1 line that is no connection record: line 7"; [ 7L; 9L; 11L ], "3 lines that are no connection records, the first of them line 7" ],
        fun (lines, rest) -> words (unreadable lines) = [ "1 connection"; "1 as before"; rest ])
    Law.HoldsFor(
        [ Replay.none, false; unreadable [ 7L ], false; Replay.addUnreadable Replay.none 1L, true ],
        fun (summary, isOfNoLog) -> Replay.isOfNoLog summary = isOfNoLog)

[<Fact>]
let ``a replay in JSON has an object where it has a line in words, and its sum counts them by their verdicts`` () =
    let parsed (text: string) = JsonDocument.Parse(text).RootElement
    let textOf (name: string) (line: JsonElement) = match line.TryGetProperty name with | true, value -> value.GetString() | _ -> ""
    Law.Holds(fun (SmallProxy p) (SmallProxy q) (clients: (int * int * int * uint16) list) ->
        let judged = clients |> List.map (fun (n, m, o, t) -> recorded p (client p n m o t)) |> List.map (fun record -> record, judge q record)
        let lines = judged |> List.map (fun (record, verdict) -> Replay.jsonLine record verdict)
        let sum = judged |> List.fold (fun sum (_, verdict) -> Replay.add sum verdict) Replay.none |> Replay.jsonSum |> parsed
        let counted (verdict: string) = sum.GetProperty(verdict).GetInt32()
        let told = lines |> List.filter ((<>) "") |> List.map parsed
        lines |> List.forall (fun line -> not (line.Contains '\n'))
        && List.forall2 (fun (record, verdict) line -> (line = "") = (Replay.line record verdict = "")) judged lines
        && counted "connections" = judged.Length
        && counted "same" = judged.Length - told.Length
        && [ "refused"; "over_limit"; "admitted"; "refused_otherwise"; "elsewhere"; "no_proxy"; "unknowable" ]
           |> List.forall (fun verdict -> counted verdict = (told |> List.filter (fun line -> textOf "verdict" line = verdict) |> List.length))
        && List.forall2 (fun (record: ConnectionRecord, verdict) line ->
            let isTold = line = "" || (let line = parsed line in textOf "name" line = record.Name && textOf "source" line = string record.Source && textOf "recorded_target" line = record.Target)
            isTold
            && match verdict with
               | ReplayVerdict.Refused reason | ReplayVerdict.RefusedOtherwise reason -> textOf "close_reason" (parsed line) = string reason
               | ReplayVerdict.Admitted target | ReplayVerdict.Elsewhere target -> textOf "target" (parsed line) = target
               | ReplayVerdict.Unknowable what -> textOf "unknown" (parsed line) = what
               | ReplayVerdict.NoProxy | ReplayVerdict.Same -> true) judged lines)
    let first (summary: ReplaySummary) = (parsed (Replay.jsonSum summary)).GetProperty("first_unreadable_line").ToString()
    Law.HoldsFor([ Replay.none, ""; Replay.addUnreadable (Replay.addUnreadable Replay.none 7L) 9L, "7" ], fun (summary, line) -> first summary = line)
