module Bitflow.Spec.ScenarioLaws

open System.Text.Json
open Xunit
open Bitflow.Domain
open Bitflow.Spec.DescribedClients

let private read text = ScenarioFile.read "cases.yaml" (System.ReadOnlyMemory(System.Text.Encoding.UTF8.GetBytes(text: string)))
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
        let _, life = Forecast.connect (fun _ -> false) forecast
        match life.CloseReason with
        | ValueSome reason ->
            run p (caseFor p peer $"refused: {reason}") && run p (caseFor p peer "refused: true") && run p (caseFor p peer "refused: Yes")
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
          "cases:\n  - client:\n    expect: {target: a}\n", "2:12", "missing; write \"client: 10.1.2.3\""
          "cases:\n  - client: 10.1.2.3\n    header: '::1,10.1.2.3'\n    expect: {target: a}\n", "3:13", "::1,10.1.2.3"
          "cases:\n  - client: 10.1.2.3\n    expect: {target: a, refused: true}\n", "3:13", "not both"
          "cases:\n  - client: 10.1.2.3\n    alive: [a]\n    down: [b]\n    expect: {target: a}\n", "2:5", "write alive or down, not both"
          "cases:\n  - client: nowhere\n    expect: {target: a}\n", "2:13", "nowhere"
          "cases:\n  - client: 10.1.2.3\n    open: many\n    expect: {target: a}\n", "3:11", "many"
          "cases:\n  - client: 10.1.2.3\n    alpn: [h2, '']\n    expect: {target: a}\n", "3:16", "write an ALPN name"
          "cases:\n  - client: 10.1.2.3\n    expect: {refused: bitflow.admision.refused}\n", "3:23", "did you mean bitflow.admission.refused?"
          "cases:\n  - client: 10.1.2.3\n    expect: {refused: false}\n", "3:23", "\"false\" is no close reason"
          "cases:\n  - client: 10.1.2.3\n    expect: {refused: ''}\n", "3:23", "\"\" is no close reason"
          "cases: []\n", "1:8", "write a case at least"
          "{}\n", "1:1", "cases: missing"
          "cases:\n  - client: 10.1.2.3\n    open: -1\n    expect: {target: a}\n", "3:11", "-1"
          "cases:\n  - client: 10.1.2.3\n    open: 99999999999\n    expect: {target: a}\n", "3:11", "a whole number from 0 to 2147483647"
          "cases:\n  - client: 10.1.2.3\n    ticket: ' +5 '\n    expect: {target: a}\n", "3:13", "a whole number from 0 to"
          "cases:\n  - client: 10.1.2.3\n    expect: {target: a, attempts: 2147483648}\n", "3:35", "a whole number from 0 to"
          "case: []\n", "1:1", "did you mean \"cases\""
          "- a\n", "1:1", "mapping" ],
        fun (text, place, word) -> read text |> fun file -> file.Errors |> Seq.exists (fun e -> e.StartsWith $"cases.yaml:{place}:" && e.Contains word)
    )

[<Fact>]
let ``what is wrong with a case is told once, by its key and its place`` () =
    let case lines = "cases:\n  - client: 10.1.2.3\n" + lines
    Law.HoldsFor(
        [ case "    expect: 5\n", [ "3:13: cases[0].expect: a plain value stands where a mapping (what is expected) belongs; write \"{target: …}\", for example" ]
          case "    expect:\n", [ "3:12: cases[0].expect: missing; write \"expect: {target: …}\", for example" ]
          case "    expect: {taget: a}\n", [ "3:14: cases[0].expect.taget: this key is not known; did you mean \"target\"?" ]
          case "    expect: {target: ''}\n", [ "3:22: cases[0].expect.target: the text is empty; write a target's name, for example \"web\"" ]
          case "    expect: {target: a}\n    sni: a b\n", [ "4:10: cases[0].sni: \"a b\" is no server name: the server name holds the byte 0x20; only A-Z a-z 0-9 . - _ are allowed" ]
          case "    expect: {attempts: many}\n    down: [a, ~]\n    open: *no\n",
          [ "3:24: cases[0].expect.attempts: \"many\" is not a whole number from 0 to 2147483647; write decimal digits alone, as in 3"
            "4:15: cases[0].down[1]: the entry is empty; write a target's name, for example \"web\", or remove it"
            "5:11: cases[0].open: no anchor \"&no\" stands above; define it before its alias \"*no\"" ]
          "", [ "1:1: cases: missing; write \"cases: [{client: …}]\", for example" ]
          "cases: 5\n", [ "1:8: cases: a plain value stands where a list belongs; begin each entry with \"- \", or write \"[{client: …}]\", for example" ] ],
        fun (text, lines) -> List.ofSeq (read text).Errors = List.map ((+) "cases.yaml:") lines)

[<Fact>]
let ``the help of test names every key of a file of cases`` () =
    let notes = (Usage.commands |> List.find (fun command -> command.Name = "test")).Notes |> String.concat " "
    Law.HoldsFor(KeyTable.paths ScenarioFile.keys, fun (_, key) -> System.Text.RegularExpressions.Regex.IsMatch(notes, $@"\b{key.Name}\b"))

[<Fact>]
let ``no text makes the reading of cases throw, and every fault has a place`` () =
    Law.Holds(fun (HostileText text) -> (read text).Errors |> Seq.forall (fun e -> e.StartsWith "cases.yaml:"))

[<Fact>]
let ``a target that a case names and the proxy does not have is a failure, not a target that is down`` () =
    Law.HoldsFor([ "down: [nosuch]"; "alive: [a, nosuch]" ], fun line ->
        not (run (Sample.proxy "p") $"cases:\n  - client: 10.1.2.3\n    {line}\n    expect: {{target: a}}\n"))

[<Fact>]
let ``a case that is not as expected says what came instead, or which proxy it must name`` () =
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures proxies text =
        Scenario.run { Application = Sample.application; Proxies = proxies } none (read text) |> Seq.collect _.Failures |> String.concat "; "
    let two = [ Sample.proxy "p"; Sample.proxy "q" ]
    let atSix = { Sample.proxy "p" with Listener = { Sample.listener with Address = Address.Tcp(TcpFamily.Either, Host.Literal System.Net.IPAddress.IPv6Loopback, 80) } }
    Law.HoldsFor(
        [ two, "cases:\n  - {client: 10.1.2.3, expect: {target: a}}\n", "say which proxy with proxy: p, q"
          two, "cases:\n  - {client: 10.1.2.3, proxy: z, expect: {target: a}}\n", "no proxy z"
          [ Sample.proxy "p" ], "cases:\n  - {client: 10.1.2.3, expect: {target: z}}\n", "proxy p has no target z; it has "
          [ Sample.proxy "p" ], "cases:\n  - {client: 10.1.2.3, expect: {certificate: x.pem}}\n", "expected certificate x.pem, got none"
          [ Sample.proxy "p" ], "cases:\n  - {client: 10.1.2.3, expect: {refused: yes}}\n", "expected refusal for any reason, got relayed to "
          [ Sample.proxy "p" ], "cases:\n  - {client: 10.1.2.3, expect: {refused: limit}}\n", "expected refusal limit, got relayed to "
          [ atSix ], "cases:\n  - {client: 10.1.2.3, expect: {target: a}}\n", "client 10.1.2.3:50000 and the listener's [::1]:80 are not of one family; no connection leads" ],
        fun (proxies, text, words) -> (failures proxies text).Contains words
    )

[<Fact>]
let ``the targets that are alive are the only ones, and those that are down are all but the others`` () =
    Law.HoldsFor(
        [ TargetsUp.Only [ "a" ], [ "a" ]; TargetsUp.Only [], []; TargetsUp.AllBut [ "a" ], [ "b"; "c" ]; TargetsUp.AllBut [], [ "a"; "b"; "c" ] ],
        fun (up, alive) -> List.filter up.IsUp [ "a"; "b"; "c" ] = alive)

[<Fact>]
let ``a certificate is expected by its path or by its file's name alone`` () =
    let tls = { Sample.listenerTls with Certificates = [ { Shown = { Certificate = "tls/a.pem"; Key = "tls/a.key" }; Authority = None } ] }
    let proxy = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some tls } }
    Law.HoldsFor(
        [ "tls/a.pem", true; "./tls//a.pem", true; "a.pem", true; "pem", false; "b.pem", false; "tls/b.pem", false; "''", false ],
        fun (certificate, holds) -> run proxy (caseFor proxy "10.1.2.3" $"certificate: {certificate}") = holds)

[<Fact>]
let ``a target that a case misnames is told once, and no connection open is a number`` () =
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures text = Scenario.run { Application = Sample.application; Proxies = [ Sample.proxy "p" ] } none (read text) |> Seq.collect _.Failures |> Seq.toList
    Law.HoldsFor(
        [ "cases:\n  - {client: 10.1.2.3, down: [z, z], expect: {target: z}}\n", 1
          "cases:\n  - {client: 10.1.2.3, expect: {certificate: ''}}\n", 0
          "cases:\n  - {client: 10.1.2.3, open: 0, ticket: 0, expect: {target: a}}\n", 0
          "cases:\n  - {client: 10.1.2.3, alpn: [h2, http/1.1], expect: {target: a}}\n", 0
          "cases:\n  - {client: 10.1.2.3, alpn: h2, expect: {target: a}}\n", 0
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
let ``a report in JSON has every case with its line and what is not as expected, and counts both kinds`` () =
    Law.Holds(fun (cases: (uint16 * int list) list) ->
        let results = [| for line, failures in cases -> ({ Line = int line; Name = $"case {line}"; Failures = failures |> List.map (fun n -> $"expected \"{n}\",\n") }: ScenarioResult) |]
        let root = JsonDocument.Parse(Scenario.json "f" results).RootElement
        let number (name: string) (of': JsonElement) = of'.GetProperty(name).GetInt32()
        let read (case: JsonElement) : ScenarioResult =
            { Line = number "line" case
              Name = case.GetProperty("name").GetString()
              Failures = [ for failure in case.GetProperty("failures").EnumerateArray() -> failure.GetString() ] }
        [| for case in root.GetProperty("cases").EnumerateArray() -> read case |] = results
        && root.GetProperty("file").GetString() = "f"
        && number "failed" root = (results |> Array.filter (fun r -> not r.Failures.IsEmpty) |> Array.length)
        && number "passed" root + number "failed" root = results.Length)

[<Fact>]
let ``a case of a trusted proxy that sends no header is refused for it, and its failure says what to add`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    Law.HoldsFor(
        [ "target: a", "", false; "refused: client.proxy_header.protocol", "", true; "target: a", "    header: 192.0.2.7\n", true ],
        fun (expect, header, holds) -> run proxy (caseFor proxy "10.1.2.3" expect + header) = holds)
    let none = System.Func<string, ListenerTlsRules>(fun _ -> null)
    let failures = Scenario.run { Application = Sample.application; Proxies = [ proxy ] } none (read (caseFor proxy "10.1.2.3" "target: a"))
    Law.HoldsFor([ failures[0].Failures.Head ], fun failure -> failure.Contains "got client.proxy_header.protocol" && failure.Contains "say with header")

[<Fact>]
let ``in a case too the header of a peer that is not trusted is its own bytes, and its failure says so`` () =
    let plain = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "10.0.0.0/8" ] } }
    let terminating = { plain with Listener = { plain.Listener with Tls = Some Sample.listenerTls } }
    let routing = { plain with Targets = [ Sample.target "*" ]; Options = { plain.Options with LoadBalancer = Policy.Sni } }
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
let ``a case says which kinds of key its client takes, and is shown the certificate that such a client is`` () =
    let certificate file = { Sample.listenerTls.Certificates.Head with Shown = { Certificate = file; Key = "k" } }
    let proxy = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some { Sample.listenerTls with Certificates = [ certificate "e.pem"; certificate "r.pem" ] } } }
    let tls =
        ListenerTlsRules(
            proxy.Listener.Tls.Value,
            [ for key in [ KeyKind.P256; KeyKind.Rsa ] -> { CertificateChoice.Names = [ "a.example" ]; Key = ValueSome key } ])
    let holds keys file =
        let results = Scenario.run { Application = Sample.application; Proxies = [ proxy ] } (System.Func<string, ListenerTlsRules>(fun _ -> tls)) (read (caseFor proxy "10.1.2.3" $"certificate: {file}" + keys))
        results[0].Failures.IsEmpty
    Law.HoldsFor(
        [ "", "e.pem"; "    keys: rsa\n", "r.pem"; "    keys: [rsa, p256]\n", "e.pem"; "    keys: [p384, rsa]\n", "r.pem"; "    keys: p521\n", "e.pem" ],
        fun (keys, file) -> holds keys file && not (holds keys (if file = "e.pem" then "r.pem" else "e.pem")))
    Law.HoldsFor([ "    keys: ecdsa\n"; "    keys: [rsa, dsa]\n" ], fun keys ->
        let errors = (read (caseFor proxy "10.1.2.3" "target: a" + keys)).Errors
        errors.Count = 1 && errors[0].Contains "write one of \"rsa\", \"p256\", \"p384\", \"p521\"")
