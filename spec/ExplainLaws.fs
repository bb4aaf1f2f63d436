module Bitflow.Spec.ExplainLaws

open System.Text.Json
open Xunit
open Bitflow.Domain

let private describe peer name openNow ticket : DescribedClient =
    { Peer = peer
      Local = Sample.ip "10.0.0.1"
      Header = HeaderSeen.None
      ServerName = name
      AlpnOffer = []
      TlsOffer = TlsOffer.usual
      OpenConnections = openNow
      Ticket = ticket }

let private peers = [| Sample.ip "10.9.9.9"; Sample.ip "10.1.2.3"; Sample.ip "203.0.113.9"; Endpoint.Unix "" |]
let private names = [| ValueNone; ValueSome(Sample.serverName "a.example"); ValueSome(Sample.serverName "x.example"); ValueSome(Sample.serverName "other.org") |]
let private pick (choices: 'a[]) n = choices[abs (n % choices.Length)]
/// Where it is a trusted proxy it sends a header, one that names nobody.
let private client (p: ProxyConfig) n m openNow (ticket: uint16) =
    let peer = pick peers n
    { describe peer (pick names m) (abs (openNow % 4)) (int64 ticket) with
        Header = (if Admission.isTrustedProxy p.Listener peer then HeaderSeen.Unknown else HeaderSeen.None) }

let private tlsOf (p: ProxyConfig) = p.Listener.Tls |> Option.map (fun tls -> ListenerTlsRules(tls, [ [ "a.example" ] ])) |> ValueOption.ofOption

let private question client down : Question = { Client = client; Down = down }

[<Fact>]
let ``what is foreseen to be refused is what admission refuses, and what no target answers to`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (openNow: int) (ticket: uint16) ->
        let client = client p n m openNow ticket
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        let admitted =
            Admission.isAuthorized p.Listener client.Peer && Admission.isBelowLimit p.Options.ConnectionLimit client.OpenConnections
        let answered =
            p.Options.LoadBalancer <> Policy.Sni || (NameTable(p.Targets |> List.map _.Name).BestMatch client.ServerName).IsSome
        forecast.Life.IsOver = not (admitted && answered))

[<Fact>]
let ``a target that is up takes the client, unless one before it in the order does, or the lifetime is over first`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) (down: int) ->
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        let isDown index = (down >>> index) &&& 1 = 1
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let _, life = Forecast.connect isDown forecast
            (match plan.Order |> Array.tryFind (isDown >> not), life.CloseReason with
             | Some target, ValueNone -> life.LastTarget = ValueSome target
             | _, ValueSome reason -> reason.Cause = Cause.Lifetime || plan.Order |> Array.forall isDown
             | None, ValueNone -> false)
        | _ -> forecast.Life.IsOver)

/// Dual stack over literal addresses: one of IPv4 that is tried twice, and one of IPv6 after it.
let private fourThenSix =
    let at address = match Address.tryParse address with Ok a -> a | Error e -> failwith (Address.describe e)
    { Sample.proxy "p" with
        Targets =
            [ { Sample.target "four" with Address = at "127.0.0.1:20100"; ConnectAttempts = 2 }
              { Sample.target "six" with Address = at "[::1]:20101" } ]
        Options = { Sample.options with LoadBalancer = Policy.Failover; DualStack = true } }

[<Fact>]
let ``what is foreseen of a literal address of the other family, a target's or its proxy's, is what the route to it answers`` () =
    let literals = [| "127.0.0.1:1"; "[::1]:1"; "name:1" |] |> Array.map (Address.tryParse >> Result.defaultWith (fun e -> failwith $"%A{e}"))
    let clients = [| Sample.ip "192.0.2.9"; Sample.ip "2001:db8::9"; Endpoint.Unix "" |]
    Law.Holds(fun (SmallProxy p) (n: int) (ticket: uint16) (addresses: (int * int) list) (isDualStack: bool) ->
        let placed index (target: TargetConfig) =
            let own, proxy = List.tryItem index addresses |> Option.defaultValue (0, 0)
            { target with
                Address = pick literals own
                Proxy = if proxy % 4 = 0 then None else Some { Address = pick literals proxy; Credentials = None } }
        let p =
            { p with
                Listener = { p.Listener with AuthorizedSources = IpNetworkSet.Empty }
                Targets = p.Targets |> List.mapi placed
                Options = { p.Options with DualStack = isDualStack; ConnectionLifetime = Duration.Zero } }
        let client = { client p 0 1 0 ticket with Peer = pick clients n }
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let route index = DialRoute.choose p.Targets[index] isDualStack client.Peer
            let attempts, life = Forecast.connect (fun _ -> false) forecast
            let failing = plan.Order |> Array.takeWhile (route >> Result.isError)
            let inVain = failing |> Array.sumBy (fun index -> max 1 p.Targets[index].ConnectAttempts)
            if failing.Length < plan.Order.Length then
                life.IsRelaying && life.LastTarget = ValueSome plan.Order[failing.Length] && attempts.Length = inVain + 1
            else
                match route plan.Order[failing.Length - 1] with
                | Error fault -> life.CloseReason = ValueSome(DialFault.reason fault) && attempts.Length = inVain
                | Ok _ -> false
        | _ -> forecast.Life.IsOver)

[<Fact>]
let ``a client of the other family is explained to pass a literal target by, attempts and all, and why is said`` () =
    let text client = Explain.text (Rules fourThenSix) ValueNone (question (describe (Sample.ip client) ValueNone 0 0L) [])
    let json client = Explain.json (Rules fourThenSix) ValueNone (question (describe (Sample.ip client) ValueNone 0 0L) [])
    let fourAlone = { fourThenSix with Targets = fourThenSix.Targets |> List.truncate 1 }
    let ended = Explain.text (Rules fourAlone) ValueNone (question (describe (Sample.ip "::1") ValueNone 0 0L) [])
    Law.HoldsFor(
        [ text "::1", "result: relayed to six ([::1]:20101), with attempt 3 at 0s", true
          text "::1", "1. four (127.0.0.1:20100): failover: place 1 in the file; it has no usable address: its address is IPv4, and the client came over IPv6", true
          text "::1", "at 0s (at the latest 0s): six, attempt 1 of 1", true
          text "::1", "place 2 in the file; it", false
          text "127.0.0.1", "result: relayed to four (127.0.0.1:20100), with attempt 1 at 0s", true
          json "::1", "\"noRoute\": \"has no usable address: its address is IPv4", true
          json "127.0.0.1", "\"noRoute\": \"has no usable address: its address is IPv6", true
          ended, "result: target.dial.unresolved", true ],
        fun (explained, words, isSaid) -> explained.Contains words = isSaid
    )

[<Fact>]
let ``the foreseen attempts are the dial plan's, at the times that its waits add up to`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) ->
        let p = { p with Options = { p.Options with ConnectionLifetime = Duration.Zero } }
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let attempts, _ = Forecast.dial Forecast.refusing forecast.Life
            let schedule = DialPlan.schedule (List.toArray p.Targets) plan.Order |> Seq.toList
            let times = schedule |> List.scan (fun (at: Duration) (struct (_, _, wait)) -> at + wait) Duration.Zero |> List.tail
            (attempts |> List.map (fun a -> struct (a.Target, a.Attempt))) = (schedule |> List.map (fun (struct (t, k, _)) -> struct (t, k)))
            && (attempts |> List.map _.At) = times
        | _ -> true)

[<Fact>]
let ``silence is never found out earlier than a refusal`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) ->
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        let early, _ = Forecast.dial Forecast.refusing forecast.Life
        let late, _ = Forecast.dial Forecast.silent forecast.Life
        late.Length <= early.Length && List.forall2 (fun (e: ForeseenAttempt) (l: ForeseenAttempt) -> e.At <= l.At) (List.truncate late.Length early) late)

[<Fact>]
let ``text and JSON say the same result, and the JSON is JSON`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (openNow: int) (ticket: uint16) (down: int) ->
        let p = { p with Options = { p.Options with ProxyHeader = pick [| None; Some ProxyHeaderVersion.V1; Some ProxyHeaderVersion.V2 |] down } }
        let down = p.Targets |> List.indexed |> List.filter (fun (i, _) -> (down >>> i) &&& 1 = 1) |> List.map (fun (_, t) -> t.Name)
        let question = question (client p n m openNow ticket) down
        let text = Explain.text (Rules p) (tlsOf p) question
        use json = JsonDocument.Parse(Explain.json (Rules p) (tlsOf p) question)
        let field (name: string) = match json.RootElement.TryGetProperty name with | true, e -> Some(e.GetString()) | _ -> None
        match field "result" with
        | Some "relayed" -> text.Contains("result: relayed to " + (field "target").Value + " ")
        | Some "ended" -> text.Contains("result: " + (field "reason").Value + ": ")
        | _ -> false)

[<Fact>]
let ``an explanation tells no secret`` () =
    let secret = { User = "alice"B; Password = "hunter2"B }
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) ->
        let p = { p with Targets = p.Targets |> List.map (fun t -> { t with Proxy = Some { Address = Address.UnixPath "/socks"; Credentials = Some secret } }) }
        let text = Explain.text (Rules p) (tlsOf p) (question (client p n m 0 0us) [])
        not (text.Contains "hunter2") && not (text.Contains "alice"))

[<Fact>]
let ``a request that cannot be meant is refused with its reason`` () =
    let config = { Application = Sample.application; Proxies = [ Sample.proxy "p"; Sample.proxy "q" ] }
    let request =
        { ConfigPath = ""; Proxy = "p"; Source = "10.1.2.3"; Destination = ""; Header = ""; ServerName = ""; ApplicationProtocols = []
          Down = []; Open = 0; Ticket = 0L; AsJson = false }
    Law.HoldsFor(
        [ request, ""
          { request with Header = "10.9.9.9" }, ""
          { request with Header = "local" }, ""
          { request with Header = "10.9.9.9:4444,192.0.2.1:80" }, ""
          { request with Header = "::1,192.0.2.1" }, "--header"
          { request with Header = "10.9.9.9,nonsense" }, "--header"
          { request with Header = "10.9.9.9,192.0.2.1,192.0.2.2" }, "--header"
          { request with Header = "10.9.9.9," }, "--header"
          { request with Source = "[10.1.2.3" }, "--source"
          { request with Source = "[::1]" }, ""
          { request with Source = "[[::1]]" }, "--source"
          { request with Source = "[10.1.2.3]" }, "--source"
          { request with Source = "::1]" }, "--source"
          { request with Proxy = "" }, "--proxy"
          { request with Proxy = "z" }, "no proxy z"
          { request with Source = "nonsense" }, "--source"
          { request with Destination = "nonsense" }, "--destination"
          { request with Header = "nonsense" }, "--header"
          { request with Header = "\027[31m" }, "--header \\u{1B}[31m"
          { request with Proxy = "\027[31m" }, "no proxy \\u{1B}[31m"
          { request with ServerName = "a b" }, "--sni"
          { request with ApplicationProtocols = [ "h2"; String.replicate 256 "x" ] }, "--alpn"
          { request with Down = [ "z" ] }, "no target z" ],
        fun (request, fault) ->
            match Question.ask config request with
            | Ok _ -> fault = ""
            | Error text -> fault <> "" && text.Contains fault
    )

let private read text = Scenario.read "cases.yaml" (System.ReadOnlyMemory(System.Text.Encoding.UTF8.GetBytes(text: string)))
let private caseFor (p: ProxyConfig) peer expect = $"cases:\n  - client: \"{peer}\"\n    proxy: {p.Name}\n    expect: {{{expect}}}\n"
let private run (p: ProxyConfig) text =
    let file = read text
    let tls = System.Func<string, ListenerTlsRules>(fun name -> if name = p.Name then ValueOption.toObj (tlsOf p) else null)
    file.Errors.Count = 0 && (Scenario.run { Application = Sample.application; Proxies = [ p ] } tls file |> Seq.forall (fun r -> r.Failures.IsEmpty))

[<Fact>]
let ``a case that expects what is explained holds, and one that expects anything else does not`` () =
    Law.Holds(fun (SmallProxy p) (n: int) ->
        let peer = pick [| "10.9.9.9"; "203.0.113.9" |] n
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (describe (DescribedClient.tryPeer peer).Value ValueNone 0 0L)
        let _, life = if forecast.Life.IsOver then [], forecast.Life else Forecast.connect (fun _ -> false) forecast
        match life.CloseReason with
        | ValueSome reason ->
            run p (caseFor p peer $"refused: {reason}") && run p (caseFor p peer "refused: true")
            && run p (caseFor p peer $"refused: {(string reason).Substring((string reason).LastIndexOf '.' + 1)}")
            && not (run p (caseFor p peer "refused: limit")) && not (run p (caseFor p peer $"target: \"{p.Targets[0].Name}\""))
        | ValueNone ->
            run p (caseFor p peer $"target: \"{p.Targets[life.LastTarget.Value].Name}\", attempts: 1")
            && not (run p (caseFor p peer "refused: true"))
            && not (run p (caseFor p peer "attempts: 2"))
            && p.Targets |> List.forall (fun t -> t.Name = p.Targets[life.LastTarget.Value].Name || not (run p (caseFor p peer $"target: \"{t.Name}\""))))

[<Fact>]
let ``a case of a client of the other family expects the target that it reaches, with every attempt before it`` () =
    Law.HoldsFor(
        [ "::1", "target: six, attempts: 3", true; "::1", "target: four", false
          "127.0.0.1", "target: four, attempts: 1", true ],
        fun (peer, expect, holds) -> run fourThenSix (caseFor fourThenSix peer expect) = holds)

[<Fact>]
let ``what is no file of cases is refused with a place in it`` () =
    Law.HoldsFor(
        [ "cases:\n  - client: 10.1.2.3\n    expct: {target: a}\n", "3:5", "expct"
          "cases:\n  - expect: {target: a}\n", "2:5", "client"
          "cases:\n  - client: 10.1.2.3\n", "2:5", "expect"
          "cases:\n  - client: 10.1.2.3\n    expect: {}\n", "3:13", "nothing"
          "cases:\n  - client: 10.1.2.3\n    expect: {target: }\n", "3:13", "nothing"
          "cases:\n  - client: 10.1.2.3\n    expect: {refused: ~, attempts: null}\n", "3:13", "nothing"
          "cases:\n  - client:\n    expect: {target: a}\n", "2:5", "a case needs client"
          "cases:\n  - client: 10.1.2.3\n    header: '::1,10.1.2.3'\n    expect: {target: a}\n", "3:13", "::1,10.1.2.3"
          "cases:\n  - client: 10.1.2.3\n    expect: {target: a, refused: true}\n", "3:13", "not both"
          "cases:\n  - client: nowhere\n    expect: {target: a}\n", "2:13", "nowhere"
          "cases:\n  - client: 10.1.2.3\n    open: many\n    expect: {target: a}\n", "3:11", "many"
          "cases:\n  - client: 10.1.2.3\n    alpn: [h2, '']\n    expect: {target: a}\n", "3:11", "no protocol"
          "cases: []\n", "1:8", "at least one"
          "{}\n", "1:1", "cases is missing"
          "cases:\n  - client: 10.1.2.3\n    open: -1\n    expect: {target: a}\n", "3:11", "-1"
          "case: []\n", "1:1", "did you mean cases"
          "- a\n", "1:1", "mapping" ],
        fun (text, place, word) -> read text |> fun file -> file.Errors |> Seq.exists (fun e -> e.StartsWith $"cases.yaml:{place}:" && e.Contains word)
    )

[<Fact>]
let ``no text makes the reading of cases throw, and every fault has a place`` () =
    Law.Holds(fun (HostileText text) -> (read text).Errors |> Seq.forall (fun e -> e.StartsWith "cases.yaml:"))

[<Fact>]
let ``a target that a case names and the proxy does not have is a failure, not a target that is down`` () =
    Law.HoldsFor([ "down: [nosuch]"; "alive: [a, nosuch]" ], fun line ->
        not (run (Sample.proxy "p") $"cases:\n  - client: 10.1.2.3\n    {line}\n    expect: {{target: a}}\n"))

/// The record of a connection that fared as it was foreseen, the target tried once.
let private recorded (p: ProxyConfig) (client: DescribedClient) : ConnectionRecord =
    let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
    let _, life = if forecast.Life.IsOver then [], forecast.Life else Forecast.connect (fun _ -> false) forecast
    let helloRead = life.Rules.ReadsHello && (match life.CloseReason with ValueSome { Phase = Phase.Admission } -> false | _ -> true)
    { ConnectionRecord.Empty with
        Name = p.Name
        Peer = client.Peer
        Source = life.Source
        Local = client.Local
        SourceTransport = (if p.Listener.Tls.IsSome then SideTransport.Tls else SideTransport.Plaintext)
        ServerName = (match client.ServerName with ValueSome name when life.Rules.ReadsHello -> name.Text | _ -> "")
        Header = (if life.FromTrustedProxy then HeaderSeen.Unknown else HeaderSeen.None)
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
        Header = (if phase = Phase.ProxyHeader then HeaderSeen.None else record.Header)
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
        let offer = { Tls12 = tls12; Tls13 = tls13; LargeGroup = if isLarge then "ffdhe8192" else "" }
        let client = { client p n m openNow ticket with TlsOffer = offer }
        isSame p (recorded p client)
        && [ VerifyMode.None; VerifyMode.Relaxed; VerifyMode.Strict ] |> List.forall (fun mode ->
            let p = clientsAre mode p
            let life = (Forecast.untilDial (Rules p) (tlsOf p) client).Life
            let isHelloFine = not life.IsOver
            let isAdmitted = match life.CloseReason with ValueSome { Phase = Phase.Admission } -> false | _ -> true
            let shown = if mode = VerifyMode.Strict then "CN=client" else ""
            isSame p { recorded p client with ClientCertificateSubject = shown }
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
    let unverified = { without with Error = "the client's certificate does not verify: expired" }
    let old = { client with TlsOffer = { TlsOffer.usual with Tls13 = false } }
    Law.HoldsFor(
        [ required, served, "unknowable"
          asked, served, "same"
          required, known, "same"
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
          route [ "*"; "a.example" ], { was with HelloRead = false; SourceTransport = SideTransport.Tls }, "same"
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
    let speaks protocols = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with ApplicationProtocols = protocols } } }
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
          { limited 7 with Listener = { proxy.Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, { record with Header = HeaderSeen.Unknown }, "refused bitflow.admission.limit"
          { limited 7 with Listener = { proxy.Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, record, "refused bitflow.admission.limit"
          { authorized "10.0.0.0/8" with Listener = { (authorized "10.0.0.0/8").Listener with TrustedProxies = Sample.networks [ "203.0.113.9" ] } }, record, "unknowable"
          { authorized "10.0.0.0/8" with Options = { proxy.Options with LoadBalancer = Policy.RoundRobin } }, record, "refused bitflow.admission.refused"
          proxy, refused, "admitted a"
          authorized "10.0.0.0/8", refused, "otherwise bitflow.admission.refused"
          limited 7, refused, "same" ],
        fun (p, record, expected) -> show p record = expected
    )

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
let ``hexadecimal text is read however it was pasted`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        let plain = System.Convert.ToHexString bytes
        let spaced = bytes |> Array.map (fun b -> b.ToString "x2") |> String.concat ":" |> fun text -> $" {text}\n"
        bytes.Length = 0 || (Inspect.tryHex plain = ValueSome bytes && Inspect.tryHex ("0x" + plain) = ValueSome bytes && Inspect.tryHex spaced = ValueSome bytes))

[<Fact>]
let ``a file of captured bytes may hold them as they are or as hexadecimal text, with remarks`` () =
    let ascii (text: string) = System.Text.Encoding.ASCII.GetBytes text
    let hex (bytes: byte array) = ascii (System.Convert.ToHexString bytes)
    Law.HoldsFor(
        [ Array.append (ascii "# what sent it\n") (hex "PROXY UNKNOWN\r\n"B), "PROXY UNKNOWN\r\n"B
          Array.append (hex [| 0x16uy; 3uy; 1uy |]) "\n"B, [| 0x16uy; 3uy; 1uy |]
          "PROXY UNKNOWN\r\n"B, "PROXY UNKNOWN\r\n"B
          ProxyHeaderCodec.encode ProxyHeader.BinaryLocal, ProxyHeaderCodec.encode ProxyHeader.BinaryLocal
          [| 0x16uy; 3uy; 1uy; 0uy |], [| 0x16uy; 3uy; 1uy; 0uy |]
          // A form feed stands in no text, however blank it is.
          "16\01203"B, "16\01203"B
          [||], [||] ],
        fun (file, bytes) -> Inspect.ofFile file = bytes
    )

[<Fact>]
let ``what is neither a file nor hexadecimal is taken for a path by its slash or dot alone`` () =
    Law.HoldsFor([ "hello.bin", true; "/tmp/hello", true; "./1603", true; "160301g", false; "16 03 1", false; "hello", false ], fun (text, isPath) -> Inspect.isPath text = isPath)

[<Fact>]
let ``what is not hexadecimal is not guessed at`` () =
    Law.HoldsFor([ ""; " "; "0x"; "abc"; "zz"; "16 03 g1"; "hello.bin" ], fun text -> Inspect.tryHex text = ValueNone)

[<Fact>]
let ``no bytes make an inspection throw, and it calls whole exactly what the parsers do`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        let struct (seenHello, wholeHello) = Inspect.hello bytes
        let struct (seenHeader, wholeHeader) = Inspect.proxyHeader bytes
        let isDone parse = match parse with Parse.Done _ -> true | _ -> false
        seenHello <> "" && seenHeader <> ""
        && wholeHello = isDone (ClientHello.parse (System.ReadOnlySpan bytes))
        && wholeHeader = isDone (ProxyHeaderCodec.parseBytes bytes))

[<Fact>]
let ``a header is shown with its addresses and what follows it`` () =
    let header = ProxyHeaderCodec.encode (ProxyHeader.TextTcp(System.Net.IPEndPoint.Parse "192.0.2.1:56324", System.Net.IPEndPoint.Parse "198.51.100.2:443"))
    Law.HoldsFor([ 0; 1; 7 ], fun extra ->
        let struct (seen, whole) = Inspect.proxyHeader (Array.append header (Array.zeroCreate extra))
        whole && seen.Contains "source: 192.0.2.1:56324" && seen.Contains "destination: 198.51.100.2:443" && seen.Contains $"{extra} bytes after it" = (extra > 0))

[<Fact>]
let ``a trusted proxy's own connection is foreseen to be admitted, whoever else is`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    Law.HoldsFor([ HeaderSeen.Local, false; HeaderSeen.Unknown, true; HeaderSeen.Addresses(Sample.ip "192.0.2.7", Endpoint.Unknown), false ], fun (header, refused) ->
        let client = { describe (Sample.ip "10.1.2.3") ValueNone 0 0L with Header = header }
        (Forecast.untilDial (Rules proxy) ValueNone client).Life.IsOver = refused)

[<Fact>]
let ``a trusted proxy that sends no header is foreseen to be refused for it, and the explanation says what to add`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    let explained header = Explain.text (Rules proxy) ValueNone (question { describe (Sample.ip "10.1.2.3") ValueNone 0 0L with Header = header } [])
    let named = HeaderSeen.Addresses(Sample.ip "192.0.2.7", Endpoint.Unknown)
    Law.HoldsFor(
        [ HeaderSeen.None, "result: client.proxy_header.protocol", true
          HeaderSeen.None, "say with --header what it sends", true
          HeaderSeen.None, "admission: not decided", true
          named, "result: relayed to a", true
          named, "--header", false
          HeaderSeen.Unknown, "result: bitflow.admission.refused", true ],
        fun (header, words, isSaid) -> (explained header).Contains words = isSaid
    )
    Law.HoldsFor(
        [ "target: a", "", false; "refused: client.proxy_header.protocol", "", true; "target: a", "    header: 192.0.2.7\n", true ],
        fun (expect, header, holds) -> run proxy (caseFor proxy "10.1.2.3" expect + header) = holds)
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures = Scenario.run { Application = Sample.application; Proxies = [ proxy ] } none (read (caseFor proxy "10.1.2.3" "target: a"))
    Law.HoldsFor([ failures[0].Failures.Head ], fun failure -> failure.Contains "got client.proxy_header.protocol" && failure.Contains "say with header")

[<Fact>]
let ``the header of a peer that is not trusted is its own bytes: no hello where one is read, nothing to be decided by where none is`` () =
    let plain = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "10.0.0.0/8" ] } }
    let terminating = { plain with Listener = { plain.Listener with Tls = Some Sample.listenerTls } }
    let routing = { plain with Targets = [ Sample.target "*" ]; Options = { plain.Options with LoadBalancer = Policy.Sni } }
    let unread = "PROXY header: not read: 10.9.9.9:50000 is no trusted proxy, and its header is taken for the client's own bytes"
    Law.HoldsFor(
        [ plain, "10.9.9.9", "192.0.2.7", unread + "\n", true
          plain, "10.9.9.9", "192.0.2.7", "result: relayed to a", true
          plain, "10.9.9.9", "local", unread, true
          plain, "10.9.9.9", "", "PROXY header", false
          plain, "10.1.2.3", "10.9.9.9", "not read", false
          terminating, "10.9.9.9", "192.0.2.7", unread + ", which are no hello\n", true
          terminating, "10.9.9.9", "192.0.2.7", "result: client.hello.protocol", true
          terminating, "10.9.9.9", "192.0.2.7", "server name", false
          terminating, "10.9.9.9", "", "result: relayed to a", true
          terminating, "10.1.2.3", "10.9.9.9", "result: relayed to a", true
          routing, "10.9.9.9", "unknown", "result: client.hello.protocol", true
          routing, "192.0.2.9", "10.9.9.9", "result: bitflow.admission.refused", true ],
        fun (p, peer, header, words, isSaid) ->
            let header = if header = "" then HeaderSeen.None else (DescribedClient.tryHeader header).Value
            let question = question { describe (Sample.ip peer) ValueNone 0 0L with Header = header } []
            (Explain.text (Rules p) (tlsOf p) question).Contains words = isSaid
            && (Explain.json (Rules p) (tlsOf p) question).Contains "\"headerRead\": false" = (Explain.text (Rules p) (tlsOf p) question).Contains "not read"
    )
    let header = "    header: 192.0.2.7\n"
    Law.HoldsFor(
        [ plain, "target: a", header, true; terminating, "refused: client.hello.protocol", header, true; terminating, "target: a", header, false
          terminating, "target: a", "", true; routing, "refused: client.hello.protocol", header, true ],
        fun (p, expect, header, holds) -> run p (caseFor p "10.9.9.9" expect + header) = holds)
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures p expect = Scenario.run { Application = Sample.application; Proxies = [ p ] } none (read (caseFor p "10.9.9.9" expect + header))
    Law.HoldsFor([ failures plain "refused: true"; failures routing "target: \"*\"" ], fun results ->
        results[0].Failures.Head.EndsWith "(the client is no trusted proxy: its PROXY header is taken for its own bytes)")

[<Fact>]
let ``the ticket, the server name and the listener's TLS are those that serve`` () =
    Law.Holds(fun (SmallProxy p) (ticket: uint16) ->
        let client = client p 0 1 0 ticket
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        let reached = match forecast.Life.Step with Step.Attempt _ -> true | _ -> false
        not reached
        || (forecast.Hello.IsSome = p.Listener.Tls.IsSome
            && (p.Options.LoadBalancer <> Policy.RoundRobin || forecast.Life.Ticket = ValueSome(int64 ticket))))

[<Fact>]
let ``an attempt that would be answered in the very moment of its deadline has missed it`` () =
    Law.HoldsFor([ 126L, "connect_timeout"; 127L, "connect_timeout"; 128L, "vanished"; 0L, "vanished" ], fun (seconds, cause) ->
        let proxy = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectTimeout = Duration.OfSeconds seconds } ] }
        let _, life = Forecast.dial Forecast.silent (Forecast.untilDial (Rules proxy) ValueNone (describe (Sample.ip "10.9.9.9") ValueNone 0 0L)).Life
        life.CloseReason = CloseReason.tryParse $"target.dial.{cause}")

[<Fact>]
let ``a case that is not as expected says what came instead, or which proxy it must name`` () =
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures proxies text =
        Scenario.run { Application = Sample.application; Proxies = proxies } none (read text) |> Seq.collect _.Failures |> String.concat "; "
    let two = [ Sample.proxy "p"; Sample.proxy "q" ]
    let atSix = { Sample.proxy "p" with Listener = { Sample.listener with Address = Address.Tcp(TcpFamily.Either, Host.Literal System.Net.IPAddress.IPv6Loopback, 80) } }
    Law.HoldsFor(
        [ two, "cases:\n  - {client: 10.1.2.3, expect: {target: a}}\n", "several proxies"
          two, "cases:\n  - {client: 10.1.2.3, proxy: z, expect: {target: a}}\n", "no proxy z"
          [ Sample.proxy "p" ], "cases:\n  - {client: 10.1.2.3, expect: {certificate: x.pem}}\n", "expected certificate x.pem, got none"
          [ atSix ], "cases:\n  - {client: 10.1.2.3, expect: {target: a}}\n", "no connection leads from client 10.1.2.3:50000 to the listener's [::1]:80" ],
        fun (proxies, text, words) -> (failures proxies text).Contains words
    )

[<Fact>]
let ``a target that a case misnames is told once, and no connection open is a number`` () =
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures text = Scenario.run { Application = Sample.application; Proxies = [ Sample.proxy "p" ] } none (read text) |> Seq.collect _.Failures |> Seq.toList
    Law.HoldsFor(
        [ "cases:\n  - {client: 10.1.2.3, down: [z, z], expect: {target: z}}\n", 1
          "cases:\n  - {client: 10.1.2.3, open: 0, ticket: 0, expect: {target: a}}\n", 0
          "cases:\n  - {client: 10.1.2.3, expect: {target: a, attempts: }}\n", 0
          "cases:\n  - {client: 10.1.2.3, header: '10.9.9.9:4444,192.0.2.1:80', expect: {target: a}}\n", 0 ],
        fun (text, count) -> (failures text).Length = count && (read text).Errors.Count = 0
    )

[<Fact>]
let ``a report names each case that is not as expected, and counts`` () =
    let result line failures : ScenarioResult = { Line = line; Name = $"case {line}"; Failures = failures }
    Law.HoldsFor(
        [ [ result 1 [] ], "1 case, all as expected\n"; [ result 1 []; result 2 [] ], "2 cases, all as expected\n"
          [ result 1 []; result 2 [ "a"; "b" ] ], "f:2: case 2: a\nf:2: case 2: b\n2 cases, 1 not as expected\n" ],
        fun (results, report) -> Scenario.report "f" (List.toArray results) = report
    )

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
    Law.HoldsFor([ words (Replay.addUnreadable (Replay.add Replay.none ReplayVerdict.Same)) ], fun words ->
        words = [ "1 connection"; "1 as before"; "1 line that is no connection record" ])

[<Fact>]
let ``an explanation gives the reason of each target, who is trusted, and whether it is admitted`` () =
    let sni names = { Sample.proxy "p" with Targets = List.map Sample.target names; Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let policy policy = { Sample.proxy "p" with Targets = List.map Sample.target [ "a"; "b" ]; Options = { Sample.options with LoadBalancer = policy } }
    let trusting = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ] } }
    let narrow = { Sample.proxy "p" with Listener = { Sample.listener with AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    let text p name = Explain.text (Rules p) ValueNone (question (describe (Sample.ip "10.1.2.3") name 0 1L) [])
    let asked name = ValueSome(Sample.serverName name)
    Law.HoldsFor(
        [ sni [ "a.example" ], asked "a.example", "sni: the name itself", true; sni [ "*.example" ], asked "a.example", "sni: *.example covers the name", true
          sni [ "*" ], asked "a.example", "sni: * takes every name", true; policy Policy.Failover, ValueNone, "failover: place 2 in the file", true
          policy Policy.RoundRobin, ValueNone, "1. b (127.0.0.1:9000): round-robin: ticket 1 of 2 targets", true; policy Policy.RoundRobin, ValueNone, "round-robin: next round the list", true
          policy Policy.None, ValueNone, "none: the first target alone", true; trusting, ValueNone, "PROXY header: must come first: 10.1.2.3:50000 is a trusted proxy (10.1.0.0/16)", true
          sni [ "*" ], ValueNone, "server name: none", true; sni [ "*" ], asked "a.example", "server name: a.example", true; policy Policy.None, asked "a.example", "server name", false
          policy Policy.None, ValueNone, "PROXY header", false; narrow, ValueNone, "refused (authorized_sources: no entry matches)", true
          narrow, ValueNone, "targets:", false; narrow, ValueNone, "dialling:", false; policy Policy.None, ValueNone, "everyone is admitted", true ],
        fun (p, name, words, isSaid) -> (text p name).Contains words = isSaid
    )
    Law.HoldsFor([ narrow, HeaderSeen.None, "false"; trusting, HeaderSeen.Unknown, "true"; trusting, HeaderSeen.None, "false" ], fun (p, header, admitted) ->
        let client = { describe (Sample.ip "10.1.2.3") ValueNone 0 0L with Header = header }
        (Explain.json (Rules p) ValueNone (question client [])).Contains $"\"admitted\": {admitted}")

[<Fact>]
let ``of a long schedule fifty attempts are written out and the others counted`` () =
    let patient attempts = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = attempts } ] }
    Law.HoldsFor([ 50, 50, false; 51, 50, true; 1_000, 50, true; 3, 3, false ], fun (attempts, written, isCut) ->
        let text = Explain.text (Rules(patient attempts)) ValueNone (question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) [])
        (text.Split '\n' |> Array.filter (fun line -> line.Contains ": a, attempt ")).Length = written
        && text.Contains $"{attempts} in all"
        && text.Contains $"and {attempts - written} more" = isCut)

[<Fact>]
let ``the header that is shown is the one that would be sent`` () =
    let announcing version tls = { Sample.proxy "p" with Listener = { Sample.listener with Tls = tls }; Options = { Sample.options with ProxyHeader = Some version } }
    let shown p = Explain.text (Rules p) (tlsOf p) (question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) [])
    let v2 = OutboundHeader.choose ProxyHeaderVersion.V2 (Sample.ip "10.9.9.9") (Sample.ip "10.0.0.1") None None |> ProxyHeaderCodec.encode
    Law.HoldsFor(
        [ announcing ProxyHeaderVersion.V1 None, "PROXY TCP4 10.9.9.9 10.0.0.1 50000 50000"
          announcing ProxyHeaderVersion.V2 None, System.Convert.ToHexStringLower v2 + "\n"
          announcing ProxyHeaderVersion.V2 (Some Sample.listenerTls), "cipher, version and certificate as an example" ],
        fun (p, words) -> (shown p).Contains words
    )

[<Fact>]
let ``the header that is shown behind a trusted proxy has the addresses of its own header, an example where they were not said`` () =
    let p = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.9.0.0/16" ] }; Options = { Sample.options with ProxyHeader = Some ProxyHeaderVersion.V1 } }
    let p2 = { p with Options = { p.Options with ProxyHeader = Some ProxyHeaderVersion.V2 } }
    let client peer local header = { describe (Sample.ip peer) ValueNone 0 0L with Header = (DescribedClient.tryHeader header).Value; Local = Sample.ip local }
    let text p client = Explain.text (Rules p) ValueNone (question client [])
    let example = "the destination of the client's header stands there"
    Law.HoldsFor(
        [ p, "10.9.9.9", "10.0.0.1", "192.0.2.1:4444,192.0.2.2:80", "PROXY TCP4 192.0.2.1 192.0.2.2 4444 80", false
          p, "10.9.9.9", "10.0.0.1", "192.0.2.1:4444", "PROXY TCP4 192.0.2.1 10.0.0.1 4444 50000", true
          p, "10.9.9.9", "10.0.0.1", "[2001:db8::1]:4444", "PROXY TCP6 2001:db8::1 :: 4444 50000", true
          p, "10.9.9.9", "2001:db8::7", "192.0.2.1:4444", "PROXY TCP4 192.0.2.1 0.0.0.0 4444 50000", true
          p, "10.9.9.9", "10.0.0.1", "unknown", "PROXY TCP4 10.9.9.9 10.0.0.1 50000 50000", false
          p, "10.9.9.9", "10.0.0.1", "local", "PROXY TCP4 10.9.9.9 10.0.0.1 50000 50000", false
          p, "10.9.9.9", "10.0.0.1", "unix", "PROXY UNKNOWN", false
          // Nobody's header is read who is no trusted proxy.
          p, "192.0.2.9", "10.0.0.1", "192.0.2.1:4444", "PROXY TCP4 192.0.2.9 10.0.0.1 50000 50000", false
          p2, "10.9.9.9", "10.0.0.1", "192.0.2.1:4444", System.Convert.ToHexStringLower [| 192uy; 0uy; 2uy; 1uy; 10uy; 0uy; 0uy; 1uy |], true
          p2, "10.9.9.9", "10.0.0.1", "unix", "0d0a0d0a000d0a515549540a2131", false ],
        fun (p, peer, local, header, words, isExample) ->
            let client = client peer local header
            let json = Explain.json (Rules p) ValueNone (question client [])
            (text p client).Contains words && (text p client).Contains example = isExample && json.Contains "\"destinationIsExample\": true" = isExample)

[<Fact>]
let ``where a client connects to every address of a listener, the header that is shown has one as an example, and says so`` () =
    let p = { Sample.proxy "p" with Options = { Sample.options with ProxyHeader = Some ProxyHeaderVersion.V1 } }
    let example = "the address that the client connected to stands there; --destination says it"
    Law.HoldsFor(
        [ "10.9.9.9", "0.0.0.0", true; "2001:db8::1", "::", true; "10.9.9.9", "10.0.0.1", false ],
        fun (peer, local, isExample) ->
            let asked = question { describe (Sample.ip peer) ValueNone 0 0L with Local = Sample.ip local } []
            (Explain.text (Rules p) ValueNone asked).Contains example = isExample
            && (Explain.json (Rules p) ValueNone asked).Contains "\"destinationIsExample\": true" = isExample)

[<Fact>]
let ``a client does not come from one family to an address of the other`` () =
    let config = { Application = Sample.application; Proxies = [ Sample.proxy "p" ] }
    let asked source destination =
        Question.ask config
            { ConfigPath = ""; Proxy = ""; Source = source; Destination = destination; Header = ""; ServerName = ""; ApplicationProtocols = []; Down = []; Open = 0; Ticket = 0L; AsJson = false }
    Law.HoldsFor(
        [ "10.1.1.1", "10.0.0.1:80", true; "::1", "[::2]:80", true; "unix", "unix", true; "10.1.1.1", "[::ffff:10.0.0.1]:80", true
          "10.1.1.1", "[::1]:5", false; "::1", "10.0.0.1:80", false; "10.1.1.1", "unix", false ],
        fun (source, destination, isPossible) ->
            match asked source destination with
            | Ok _ -> isPossible
            | Error words -> not isPossible && words.Contains "not of one family")

[<Fact>]
let ``where no destination is said, a client comes from a family that the listener serves, or from any where nothing is known of it`` () =
    let asked address source =
        let listener = { Sample.listener with Address = (Address.tryParse address |> Result.defaultWith (fun e -> failwith $"%A{e}")) }
        Question.ask
            { Application = Sample.application; Proxies = [ { Sample.proxy "p" with Listener = listener } ] }
            { ConfigPath = ""; Proxy = ""; Source = source; Destination = ""; Header = ""; ServerName = ""; ApplicationProtocols = []; Down = []; Open = 0; Ticket = 0L; AsJson = false }
    let four, six, local = "10.1.1.1", "2001:db8::1", "unix"
    Law.HoldsFor(
        [ ":80", [ four; six ], [ local ]
          "name:80", [ four; six ], [ local ]
          "0.0.0.0:80", [ four; "::ffff:10.1.1.1" ], [ six; local ]
          "127.0.0.1:80", [ four ], [ six; local ]
          "[::1]:80", [ six ], [ four; local ]
          "tcp4::80", [ four ], [ six; local ]
          "tcp6:name:80", [ six ], [ four; local ]
          "unix:/run/a", [ local ], [ four; six ]
          "unix:@a", [ local ], [ four; six ]
          "fd:3", [ four; six; local ], []
          "fd:web", [ four; six; local ], [] ],
        fun (address, possible, impossible) ->
            possible |> List.forall (asked address >> Result.isOk)
            && impossible |> List.forall (fun source ->
                match asked address source with
                | Ok _ -> false
                | Error words -> words.StartsWith $"--source {source} and the listener's {address} are not of one family"))

[<Fact>]
let ``an explanation says whether a client certificate is asked for, and what of it follows`` () =
    let p mode = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with VerifyMode = mode } } }
    let text mode = Explain.text (Rules(p mode)) (tlsOf (p mode)) (question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) [])
    Law.HoldsFor(
        [ VerifyMode.Strict, "client certificate: required", true; VerifyMode.Relaxed, "client certificate: asked for", true; VerifyMode.None, "client certificate", false ],
        fun (mode, words, isSaid) -> (text mode).Contains words = isSaid)

[<Fact>]
let ``no name of a file steers the terminal that an explanation is shown on`` () =
    let p = { Sample.proxy "p\u202Eq" with Targets = [ Sample.target "a\027[31m\u202E" ] }
    let text = Explain.text (Rules p) ValueNone (question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) [])
    Law.HoldsFor([ "proxy: p\\u{202E}q"; "relayed to a\\u{1B}[31m\\u{202E}" ], fun words -> text.Contains words)
    Law.HoldsFor(text.Split '\n', fun line -> line = Shown.escaped line)

/// A hello with nothing in it but a version.
let private bareHello (version: uint16) (extensions: byte array) =
    let u16 (n: int) = [| byte (n >>> 8); byte n |]
    let body =
        Array.concat [ u16 (int version); Array.zeroCreate 32; [| 0uy |]; u16 2; u16 0x1301; [| 1uy; 0uy |]; (if extensions.Length = 0 then [||] else Array.append (u16 extensions.Length) extensions) ]
    let message = Array.concat [ [| 1uy; 0uy |]; u16 body.Length; body ]
    Array.concat [ [| 0x16uy; 3uy; 1uy |]; u16 message.Length; message ]

[<Fact>]
let ``an inspection names the versions of a hello as people do, and what it lacks`` () =
    let versions (offered: int list) = Array.concat [ [| 0uy; 43uy; 0uy; byte (2 * offered.Length + 1); byte (2 * offered.Length) |]; offered |> List.toArray |> Array.collect (fun v -> [| byte (v >>> 8); byte v |]) ]
    Law.HoldsFor(
        [ bareHello 0x0300us [||], "versions: SSL 3.0\n"; bareHello 0x0301us [||], "versions: TLS 1.0\n"; bareHello 0x0302us [||], "versions: TLS 1.1\n"
          bareHello 0x0303us [||], "versions: TLS 1.2\n"; bareHello 0x0303us (versions [ 0x0304; 0x0303 ]), "versions: TLS 1.3, TLS 1.2\n"
          bareHello 0x0303us (versions [ 0x7a7a; 0x0304 ]), "versions: GREASE 7a7a, TLS 1.3\n"; bareHello 0x0303us (versions [ 0x7a8a ]), "versions: 7a8a\n"
          bareHello 0x0303us [||], "server name: none\n"; bareHello 0x0303us [||], "application protocols: none\n" ],
        fun (bytes, line) ->
            let struct (seen, whole) = Inspect.hello bytes
            whole && seen.Contains line
    )

[<Fact>]
let ``an inspection of a PROXY header says of which kind it is, and what the sender says of the client's certificate`` () =
    let ip = System.Net.IPEndPoint.Parse "192.0.2.1:1"
    let ssl onConnection inSession verified =
        { ClientUsedTls = true; CertificateOnConnection = onConnection; CertificateInSession = inSession; Verified = verified; Version = Some "TLSv1.3"; CommonName = None; Cipher = None }
    let tcp ssl = ProxyHeader.BinaryTcp(ip, ip, { ProxyTlvs.None with Ssl = Some ssl; Alpn = Some "h2"; Authority = Some "a.example" })
    Law.HoldsFor(
        [ tcp (ssl false false false), "client certificate: none"; tcp (ssl true false true), "client certificate: verified"; tcp (ssl false true true), "client certificate: verified"
          tcp (ssl true true false), "client certificate: not verified"; tcp (ssl true true true), "ALPN: h2"; tcp (ssl true true true), "authority: a.example"; tcp (ssl true true true), "SSL: TLSv1.3"
          ProxyHeader.BinaryUnix("/a", "", ProxyTlvs.None), "version 2, PROXY over a Unix socket\nsource: /a\ndestination: none"; ProxyHeader.BinaryLocal, "LOCAL"
          ProxyHeader.BinaryUnspecified, "UNSPEC"; ProxyHeader.TextUnknown, "version 1, UNKNOWN"; tcp (ssl true true true), "version 2, PROXY over TCP" ],
        fun (header, words) ->
            let struct (seen, whole) = Inspect.proxyHeader (ProxyHeaderCodec.encode header)
            whole && seen.Contains words
    )

[<Fact>]
let ``who a trusted header names is the source, and a header of local health checks names nobody`` () =
    let p = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.9.0.0/16" ] } }
    let source header =
        (Forecast.untilDial (Rules p) ValueNone { describe (Sample.ip "10.9.9.9") ValueNone 0 0L with Header = header }).Life.Source
    Law.HoldsFor(
        [ HeaderSeen.Addresses(Sample.ip "198.51.100.7", Sample.ip "198.51.100.8"), Sample.ip "198.51.100.7"
          HeaderSeen.Local, Sample.ip "10.9.9.9"
          HeaderSeen.Unknown, Sample.ip "10.9.9.9" ],
        fun (header, expected) -> source header = expected)

[<Fact>]
let ``a client connects to the listener's address, with its own family where the listener serves both`` () =
    let at (address: string) peer = DescribedClient.localOf { Sample.listener with Address = (Address.tryParse address |> Result.defaultWith (fun e -> failwith $"%A{e}")) } peer
    let ip (text: string) = Endpoint.OfIp(System.Net.IPAddress.Parse text, 80)
    Law.HoldsFor(
        [ "192.0.2.1:80", Sample.ip "10.1.2.3", ip "192.0.2.1"
          "[2001:db8::1]:80", Sample.ip "10.1.2.3", ip "2001:db8::1"
          ":80", Sample.ip "10.1.2.3", ip "0.0.0.0"
          ":80", Sample.ip "2001:db8::7", ip "::"
          "unix:/run/a", Endpoint.Unix "", Endpoint.Unix "/run/a"
          "unix:@a", Endpoint.Unix "", Endpoint.Unix "@a" ],
        fun (address, peer, expected) -> at address peer = expected)

[<Fact>]
let ``handshake_timeout is among the timeouts in force wherever something is read before dialling, and nowhere else`` () =
    let listener = { Sample.listener with HandshakeTimeout = Duration.OfSeconds 10L }
    let proxy listener = { Sample.proxy "p" with Listener = listener }
    Law.HoldsFor(
        [ proxy listener, false
          proxy { listener with Tls = Some Sample.listenerTls }, true
          proxy { listener with TrustedProxies = Sample.networks [ "10.9.0.0/16" ] }, true ],
        fun (p, isIn) ->
            let header = if p.Listener.TrustedProxies.IsEmpty then HeaderSeen.None else HeaderSeen.Addresses(Sample.ip "10.9.9.8", Sample.ip "10.0.0.1")
            let client = { describe (Sample.ip "10.9.9.9") ValueNone 0 0L with Header = header }
            (Explain.text (Rules p) (tlsOf p) (question client [])).Contains "listener.handshake_timeout: 10s" = isIn)
