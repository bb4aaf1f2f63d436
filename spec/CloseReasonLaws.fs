module Bitflow.Spec.CloseReasonLaws

open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private all =
    [ for who in CloseReason.allWho do for phase in CloseReason.allPhases do for cause in CloseReason.allCauses -> CloseReason.make who phase cause ]

let private casesOf<'T> =
    [ for case in FSharp.Reflection.FSharpType.GetUnionCases typeof<'T> -> FSharp.Reflection.FSharpValue.MakeUnion(case, [||]) :?> 'T ]

[<Fact>]
let ``the reasons are made of everyone, every phase and every cause that there is, in their order`` () =
    Law.HoldsFor([ CloseReason.allWho, CloseReason.allPhases, CloseReason.allCauses ], fun (who, phases, causes) ->
        who = casesOf<Who> && phases = casesOf<Phase> && causes = casesOf<Cause>)

[<Fact>]
let ``a connection is admitted, introduces itself, is dialled for and relayed, in this order`` () =
    Law.HoldsFor(
        List.pairwise [ Phase.Admission; Phase.ProxyHeader; Phase.Hello; Phase.Handshake; Phase.Dial; Phase.Relay ],
        fun (earlier, later) -> earlier < later)

[<Fact>]
let ``every reason is written who dot phase dot cause, and reads back`` () =
    Law.HoldsFor(all, fun reason ->
        Regex.IsMatch(string reason, @"^(client|target|bitflow)\.(admission|proxy_header|hello|handshake|dial|relay)\.[a-z_]+$")
        && CloseReason.tryParse (string reason) = ValueSome reason)

[<Fact>]
let ``a reason's text as a tag is its text in the log`` () =
    Law.HoldsFor(all, fun reason -> CloseReason.text reason = string reason)

[<Fact>]
let ``no two reasons are written alike`` () =
    Law.HoldsFor([ all ], fun all -> (all |> List.map string |> List.distinct).Length = all.Length)

[<Fact>]
let ``what is no reason reads as none`` () =
    Law.Holds(fun (HostileText text) ->
        match CloseReason.tryParse text with
        | ValueSome reason -> string reason = text
        | ValueNone -> true)

[<Fact>]
let ``whose connection can say how TLS was broken is known from the dial on`` () =
    Law.HoldsFor(all, fun reason ->
        CloseReason.isOfBrokenTls reason = (Regex.IsMatch(string reason, @"\.(dial|relay)\.protocol$")))

[<Fact>]
let ``a name of a reason is all of it, or ends it after a dot`` () =
    Law.HoldsFor(
        [ "client.relay.reset", true; "relay.reset", true; "reset", true; "eset", false; "client.relay", false; "", false; ".reset", false ],
        fun (words, isNamed) -> CloseReason.isNamed words "client.relay.reset" = isNamed)

[<Fact>]
let ``only an end in good order and a probe are nothing to worry about, and a target that ends what was dialled is neither`` () =
    Law.HoldsFor(all, fun reason -> CloseReason.isOrderly reason = Regex.IsMatch(string reason, @"^(?!target\.dial\.).*\.(ended|probe)$"))

[<Fact>]
let ``a refusal says by which rule`` () =
    Law.HoldsFor(
        [ "bitflow.admission.refused", "authorized_sources"
          "bitflow.hello.refused", "server name"
          "client.hello.refused", "offers no TLS version"
          "target.dial.refused", "refused the connection"
          "bitflow.admission.limit", "connection_limit" ],
        fun (text, words) -> (CloseReason.explain (CloseReason.tryParse text).Value).Contains words
    )

[<Fact>]
let ``every phase is told in words of its own`` () =
    Law.HoldsFor([ Cause.Ended; Cause.Reset; Cause.Lifetime ], fun cause ->
        let told = CloseReason.allPhases |> List.map (fun phase -> CloseReason.explain (CloseReason.make Who.Client phase cause))
        List.distinct told = told)

[<Fact>]
let ``who gives TLS up by an alert has broken nothing, and what the alert says of a certificate is told with the next step`` () =
    let required = "error:0A00045C:SSL routines::tlsv13 alert certificate required"
    let bad = "error:0A000412:SSL routines::sslv3 alert bad certificate"
    let byClient = "; it does not accept the certificate that it was shown: mind the names and dates of that one, and the client's authorities"
    let byTarget = "; it does not accept the certificate that it was shown: mind the dates and the authority of the one in its tls_context"
    Law.HoldsFor(
        [ Who.Target, Phase.Relay, required, $"the target gave TLS up by an alert during the relay: {required}; give its tls_context a certificate and key to show"
          Who.Client, Phase.Relay, required, $"the client gave TLS up by an alert during the relay: {required}"
          Who.Target, Phase.Relay, bad, $"the target gave TLS up by an alert during the relay: {bad}{byTarget}"
          Who.Client, Phase.Dial, "tlsv1 alert unknown ca", $"the client gave TLS up by an alert while the target was dialled: tlsv1 alert unknown ca{byClient}"
          Who.Client, Phase.Handshake, bad, $"the client gave TLS up by an alert during the TLS handshake: {bad}{byClient}"
          Who.Client, Phase.Handshake, "tlsv1 alert internal error", "the client gave TLS up by an alert during the TLS handshake: tlsv1 alert internal error"
          Who.Target, Phase.Relay, "bad record mac", "the target broke the protocol during the relay: bad record mac"
          Who.Client, Phase.Hello, "a bad alert here", "the client broke the protocol before its TLS hello was read: a bad alert here"
          Who.Client, Phase.Handshake, "no shared cipher", "the client broke the protocol during the TLS handshake, or has no cipher suite, group or kind of key in common with us: no shared cipher" ],
        fun (who, phase, detail, told) -> CloseReason.explainWith (CloseReason.make who phase Cause.Protocol) detail = told)

[<Fact>]
let ``each side has one other side, and it is not itself`` () =
    Law.HoldsFor([ Side.Client; Side.Target ], fun side ->
        Side.other side <> side && Side.other (Side.other side) = side && (Side.who side = Who.Client) = (side = Side.Client))

[<Fact>]
let ``the end of a connection is said as loudly as somebody should hear of it`` () =
    Law.HoldsFor(
        [ "bitflow.dial.exhausted", LogLevel.Error
          "bitflow.relay.fault", LogLevel.Error
          "client.relay.ended", LogLevel.Debug
          "client.hello.probe", LogLevel.Debug
          "bitflow.relay.lifetime", LogLevel.Debug
          "client.handshake.protocol", LogLevel.Debug
          "bitflow.hello.refused", LogLevel.Debug
          "bitflow.admission.limit", LogLevel.Warn
          "target.dial.refused", LogLevel.Warn
          "target.dial.ended", LogLevel.Warn
          "client.dial.probe", LogLevel.Debug
          "client.relay.reset", LogLevel.Warn
          "bitflow.relay.shutdown", LogLevel.Warn ],
        fun (text, level) -> CloseReason.level (CloseReason.tryParse text).Value = level)
