module Bitflow.Spec.ExplainLaws

open System.Text.Json
open Xunit
open Bitflow.Domain
open Bitflow.Spec.DescribedClients

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
          json "::1", "\"no_route\": \"has no usable address: its address is IPv4", true
          json "127.0.0.1", "\"no_route\": \"has no usable address: its address is IPv6", true
          ended, "result: target.dial.unresolved", true ],
        fun (explained, words, isSaid) -> explained.Contains words = isSaid
    )

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
    let secret = { User = Sample.socksWord "alice"B; Password = Sample.socksWord "hunter2"B }
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) ->
        let p = { p with Targets = p.Targets |> List.map (fun t -> { t with Proxy = Some { Address = DialAddress.UnixPath "/socks"; Credentials = Some secret } }) }
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

[<Fact>]
let ``a trusted proxy that sends no header is foreseen to be refused for it, and the explanation says what to add`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    let explained header = Explain.text (Rules proxy) ValueNone (question { describe (Sample.ip "10.1.2.3") ValueNone 0 0L with Header = header } [])
    let named = ValueSome(ProxyOrigin.Stated(Sample.ip "192.0.2.7", Endpoint.Unknown))
    Law.HoldsFor(
        [ ValueNone, "result: client.proxy_header.protocol", true
          ValueNone, "say with --header what it sends", true
          ValueNone, "admission: not decided", true
          named, "result: relayed to a", true
          named, "--header", false
          ValueSome ProxyOrigin.Unstated, "result: bitflow.admission.refused", true ],
        fun (header, words, isSaid) -> (explained header).Contains words = isSaid
    )

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
            let header = if header = "" then ValueNone else DescribedClient.tryHeader header
            let question = question { describe (Sample.ip peer) ValueNone 0 0L with Header = header } []
            (Explain.text (Rules p) (tlsOf p) question).Contains words = isSaid
            && (Explain.json (Rules p) (tlsOf p) question).Contains "\"header_read\": false" = (Explain.text (Rules p) (tlsOf p) question).Contains "not read"
    )

[<Fact>]
let ``an explanation gives the reason of each target, who is trusted, and whether it is admitted`` () =
    let sni names = { Sample.proxy "p" with Targets = List.map Sample.target names; Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let policy policy = { Sample.proxy "p" with Targets = List.map Sample.target [ "a"; "b" ]; Options = { Sample.options with LoadBalancer = policy } }
    let trusting = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ] } }
    let narrow = { Sample.proxy "p" with Listener = { Sample.listener with AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    let full = { Sample.proxy "p" with Options = { Sample.options with ConnectionLimit = 1 } }
    let text p name = Explain.text (Rules p) ValueNone (question (describe (Sample.ip "10.1.2.3") name 0 1L) [])
    let asked name = ValueSome(Sample.serverName name)
    Law.HoldsFor(
        [ sni [ "a.example" ], asked "a.example", "sni: the name itself", true; sni [ "*.example" ], asked "a.example", "sni: *.example covers the name", true
          sni [ "*" ], asked "a.example", "sni: * takes every name", true; policy Policy.Failover, ValueNone, "failover: place 2 in the file", true
          policy Policy.RoundRobin, ValueNone, "1. b (127.0.0.1:9000): round-robin: ticket 1 of 2 targets", true; policy Policy.RoundRobin, ValueNone, "round-robin: next round the list", true
          policy Policy.None, ValueNone, "none: the first target alone", true; trusting, ValueNone, "PROXY header: must come first: 10.1.2.3:50000 is a trusted proxy (10.1.0.0/16)", true
          sni [ "*" ], ValueNone, "server name: none", true; sni [ "*" ], asked "a.example", "server name: a.example", true; policy Policy.None, asked "a.example", "server name", false
          policy Policy.None, ValueNone, "PROXY header", false; narrow, ValueNone, "refused (authorized_sources: no entry matches)", true
          full, ValueNone, "(everyone is admitted: no authorized_sources; 0 of 1 open)", true; policy Policy.None, ValueNone, "; no connection_limit)", true
          narrow, ValueNone, "targets:", false; narrow, ValueNone, "dialling:", false; policy Policy.None, ValueNone, "everyone is admitted", true ],
        fun (p, name, words, isSaid) -> (text p name).Contains words = isSaid
    )
    let wide = { Sample.proxy "p" with Listener = { Sample.listener with AuthorizedSources = Sample.networks [ "10.0.0.0/8" ] } }
    Law.HoldsFor(
        [ narrow, ValueNone, "false", "authorized_sources: no entry matches"; wide, ValueNone, "true", "authorized_sources: 10.0.0.0/8"
          full, ValueNone, "false", "connection_limit: 1 of 1 are open"; policy Policy.None, ValueNone, "true", "everyone is admitted: no authorized_sources"
          trusting, ValueSome ProxyOrigin.Unstated, "true", "everyone is admitted: no authorized_sources"
          trusting, ValueSome ProxyOrigin.TheSender, "true", "LOCAL: admitted as the trusted proxy's own connection"
          trusting, ValueNone, "null", "no PROXY header says who the client is" ],
        fun (p, header, admitted, rule) ->
            let client = { describe (Sample.ip "10.1.2.3") ValueNone 1 0L with Header = header }
            let told = Explain.json (Rules p) ValueNone (question client [])
            told.Contains $"\"admitted\": {admitted}" && told.Contains $"\"rule\": \"{rule}\"")

[<Fact>]
let ``of a long schedule fifty attempts are written out and the others counted`` () =
    let patient attempts = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = attempts } ] }
    Law.HoldsFor([ 50, 50, false; 51, 50, true; 1_000, 50, true; 3, 3, false ], fun (attempts, written, isCut) ->
        let text = Explain.text (Rules(patient attempts)) ValueNone (question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) [])
        (text.Split '\n' |> Array.filter (fun line -> line.Contains ": a, attempt ")).Length = written
        && text.Contains $"{attempts} in all"
        && text.Contains $"and {attempts - written} more" = isCut)

[<Fact>]
let ``a schedule ends with what it comes to where nothing listens, and where nothing answers if that is something else`` () =
    let trying lifetime =
        { Sample.proxy "p" with
            Targets = [ { Sample.target "a" with ConnectAttempts = 2 } ]
            Options = { Sample.options with ConnectionLifetime = lifetime } }
    let onlyFour = { fourThenSix with Targets = List.truncate 1 fourThenSix.Targets }
    Law.HoldsFor(
        [ trying Duration.Zero, "target.dial.refused; where nothing answers, target.dial.connect_timeout"
          trying (Duration.OfSeconds 15L), "target.dial.refused; where nothing answers, bitflow.dial.lifetime"
          onlyFour, "target.dial.unresolved" ],
        fun (p, ending) ->
            let text = Explain.text (Rules p) ValueNone (question (describe (Sample.ip "::1") ValueNone 0 0L) [])
            text.Contains $"\n    then {ending}\n")

[<Fact>]
let ``an explanation says whose certificate a target must show, what it is asked for and shown, and of which versions`` () =
    let explained address tls =
        let target = $"{{ name: t, address: '{address}'{tls} }}"
        let file = $"server: {{ proxies: [ {{ name: p, listener: {{ address: ':80' }}, targets: [ {target} ] }} ] }}"
        let proxy = (ConfigFile.Read("a.yaml", System.ReadOnlyMemory(System.Text.Encoding.UTF8.GetBytes file))).Config.Proxies.Head
        let asked = question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) []
        Explain.text (Rules proxy) ValueNone asked, Explain.json (Rules proxy) ValueNone asked
    let tls keys = ", tls_context: { " + keys + " }"
    Law.HoldsFor(
        [ "db.example.:1", tls "", "    t: asked for db.example; its certificate must be for db.example; TLS 1.3 at least\n", "\"verified_name\": \"db.example\""
          "10.0.0.1:1", tls "", "    t: no server name is sent; its certificate must be for 10.0.0.1; TLS 1.3 at least\n", "\"server_name\": \"\""
          "10.0.0.1:1", tls "server_name: db.example, verify_mode: relaxed", "    t: asked for db.example; its certificate must be for db.example;", "\"verify_mode\": \"relaxed\""
          "unix:/s", tls "verify_mode: none, min_version: '1.2'", "    t: no server name is sent; any certificate will do (verify_mode none); TLS 1.2 at least\n", "\"min_version\": \"1.2\""
          "a:1", tls "certificates: [ { authority: ca.pem }, { certificate: c.pem, key: k.pem }, { certificate: d.pem, key: d.key } ], application_protocols: [h2, http/1.1]",
          "; ALPN h2, http/1.1; shown c.pem where it asks for one\n", "\"certificate\": \"c.pem\"" ],
        fun (address, keys, words, json) ->
            let text, asJson = explained address keys
            text.Contains words && asJson.Contains json && asJson.Contains "verified_name" = text.Contains "must be for")
    let text, json = explained "a:1" ""
    Law.HoldsFor([ text; json ], fun plain -> not (plain.Contains "TLS") && not (plain.Contains "target_tls"))

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
let ``the protocol in the header that is shown is what was agreed on, byte for byte`` () =
    Law.HoldsFor([ "h2"; "my proto"; "a\\b"; "é" ], fun text ->
        let name = (AlpnName.tryOfText text).Value
        let tls = { Sample.listenerTls with ApplicationProtocols = [ name ] }
        let p = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some tls }; Options = { Sample.options with ProxyHeader = Some ProxyHeaderVersion.V2 } }
        let client = { describe (Sample.ip "10.9.9.9") ValueNone 0 0L with AlpnOffer = [ name ] }
        let agreed = { Version = TlsVersion.Tls13; Cipher = "TLS_AES_256_GCM_SHA384"; Alpn = text; ServerName = ""; ClientCertificate = None }
        let sent = OutboundHeader.choose ProxyHeaderVersion.V2 (Sample.ip "10.9.9.9") (Sample.ip "10.0.0.1") None (Some agreed) |> ProxyHeaderCodec.encode
        (Explain.text (Rules p) (tlsOf p) (question client [])).Contains(System.Convert.ToHexStringLower sent + "\n"))

[<Fact>]
let ``the header that is shown behind a trusted proxy has the addresses of its own header, an example where they were not said`` () =
    let p = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.9.0.0/16" ] }; Options = { Sample.options with ProxyHeader = Some ProxyHeaderVersion.V1 } }
    let p2 = { p with Options = { p.Options with ProxyHeader = Some ProxyHeaderVersion.V2 } }
    let client peer local header = { describe (Sample.ip peer) ValueNone 0 0L with Header = DescribedClient.tryHeader header; Local = Sample.ip local }
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
            (text p client).Contains words && (text p client).Contains example = isExample && json.Contains "\"destination_is_example\": true" = isExample)

[<Fact>]
let ``where a client connects to every address of a listener, the header that is shown has one as an example, and says so`` () =
    let p = { Sample.proxy "p" with Options = { Sample.options with ProxyHeader = Some ProxyHeaderVersion.V1 } }
    let example = "the address that the client connected to stands there; --destination says it"
    Law.HoldsFor(
        [ "10.9.9.9", "0.0.0.0", true; "2001:db8::1", "::", true; "10.9.9.9", "10.0.0.1", false ],
        fun (peer, local, isExample) ->
            let asked = question { describe (Sample.ip peer) ValueNone 0 0L with Local = Sample.ip local } []
            (Explain.text (Rules p) ValueNone asked).Contains example = isExample
            && (Explain.json (Rules p) ValueNone asked).Contains "\"destination_is_example\": true" = isExample)

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
            let header = if p.Listener.TrustedProxies.IsEmpty then ValueNone else ValueSome(ProxyOrigin.Stated(Sample.ip "10.9.9.8", Sample.ip "10.0.0.1"))
            let client = { describe (Sample.ip "10.9.9.9") ValueNone 0 0L with Header = header }
            (Explain.text (Rules p) (tlsOf p) (question client [])).Contains "listener.handshake_timeout: 10s" = isIn)

[<Fact>]
let ``an explanation says which certificate is shown to whom where they have keys of two kinds`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener =
                { (Sample.proxy "p").Listener with
                    Tls = Some { Sample.listenerTls with Certificates = [ for file in [ "a.pem"; "b.pem" ] -> { Sample.listenerTls.Certificates.Head with Shown = { Certificate = file; Key = "k" } } ] } } }
    let shown first second =
        let tls = ListenerTlsRules(proxy.Listener.Tls.Value, [ for key in [ first; second ] -> { CertificateChoice.Names = [ "a.example" ]; Key = ValueSome key } ])
        let question = question (describe (Sample.ip "10.9.9.9") ValueNone 0 0L) []
        Explain.text (Rules proxy) (ValueSome tls) question, Explain.json (Rules proxy) (ValueSome tls) question
    Law.HoldsFor(
        [ KeyKind.P256, KeyKind.Rsa, "certificate: a.pem (entry 1 of 2)\n    b.pem (entry 2 of 2) where the client takes no ECDSA key\n", "\"certificate_of_rsa_alone\": \"b.pem\""
          KeyKind.Rsa, KeyKind.P384, "certificate: a.pem (entry 1 of 2)\n    b.pem (entry 2 of 2) where the client takes no RSA key\n", "\"certificate_of_ecdsa_alone\": \"b.pem\""
          KeyKind.Rsa, KeyKind.Rsa, "certificate: a.pem (entry 1 of 2)\ntargets: ", "\"certificate\": \"a.pem\",\n  \"targets\"" ],
        fun (first, second, told, json) ->
            let text, written = shown first second
            text.Contains told && written.Contains json)
