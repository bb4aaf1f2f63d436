namespace Bitflow.Domain

open System
open System.Net

/// What would be decided for a described client, for people and as JSON.
[<RequireQualifiedAccess>]
module Explain =
    /// A schedule has up to a thousand attempts a target; more than these are counted, not written out.
    let maxAttemptsShown = 50

    /// One answer, as one line of text and as members of one JSON object.
    [<NoComparison; NoEquality>]
    type private Part =
        { Title: string
          Text: string
          More: string list
          Json: (string * Json) list }

    let private part title text json = { Title = title; Text = text; More = []; Json = json }
    let private ms (d: Duration) = Json.Number d.ExactMilliseconds
    let private time (d: Duration) = if d = Duration.Max then "never" else string d

    /// Whether the client is let in, and by which rule.
    [<NoComparison; NoEquality>]
    type private Verdict =
        | Admitted of rule: string
        | Refused of rule: string
        | Undecided of rule: string

    /// The first network of a set that holds an endpoint, in the order of the file.
    let private matching (set: IpNetworkSet) (endpoint: Endpoint) =
        match endpoint with
        | Endpoint.Ip(address, _) -> set.FirstMatch address |> Option.map string
        | _ -> None

    let private lacksHeader (life: Life) = match life.CloseReason with ValueSome { Phase = Phase.ProxyHeader } -> true | _ -> false

    let private verdict (rules: Rules) (question: Question) (life: Life) =
        match life.CloseReason with
        | ValueSome { Phase = Phase.Admission; Cause = Cause.Limit } -> Refused $"connection_limit: {question.Client.OpenConnections} of {rules.ConnectionLimit} are open"
        | ValueSome { Phase = Phase.Admission } -> Refused "authorized_sources: no entry matches"
        | _ when lacksHeader life -> Undecided "no PROXY header says who the client is"
        | _ when life.FromTrustedProxy && question.Client.Header = ValueSome ProxyOrigin.TheSender -> Admitted "LOCAL: admitted as the trusted proxy's own connection"
        | _ ->
            match matching rules.Proxy.Listener.AuthorizedSources life.Source with
            | Some network -> Admitted $"authorized_sources: {network}"
            | None -> Admitted "everyone is admitted: no authorized_sources"

    let private tellVerdict (rules: Rules) (question: Question) verdict =
        let limit = if rules.ConnectionLimit = 0 then "no connection_limit" else $"{question.Client.OpenConnections} of {rules.ConnectionLimit} open"
        let text, admitted, rule =
            match verdict with
            | Admitted rule -> $"admitted ({rule}; {limit})", Json.Boolean true, rule
            | Refused rule -> $"refused ({rule}), with a reset", Json.Boolean false, rule
            | Undecided rule -> $"not decided ({rule})", Json.Null, rule
        part "admission" text [ "admitted", admitted; "rule", Json.Text rule ]

    let private admission (rules: Rules) (question: Question) (forecast: Forecast) =
        let life = forecast.Life
        [ yield
              part "client" $"{life.Source}" [
                  "source", Json.Text(string life.Source)
                  "peer", Json.Text(string life.Peer)
                  "destination", Json.Text(string life.Destination)
              ]
          if life.FromTrustedProxy then
              let network = matching rules.Proxy.Listener.TrustedProxies life.Peer |> Option.defaultValue ""
              let ask = if lacksHeader life then "; say with --header what it sends" else ""
              yield
                  part "PROXY header" $"must come first: {life.Peer} is a trusted proxy ({network}){ask}" [
                      "trusted_proxy", Json.Text network
                  ]
          if Forecast.leavesHeaderUnread life question.Client then
              let but = if rules.ReadsHello then ", which are no hello" else ""
              yield
                  part "PROXY header" $"not read: {life.Peer} is no trusted proxy, and its header is taken for the client's own bytes{but}" [
                      "header_read", Json.Boolean false
                  ]
          yield tellVerdict rules question (verdict rules question life) ]

    /// The certificate that a client of today is shown, and what others are.
    let private certificate (tls: ListenerTls) (listener: ListenerTlsRules) (client: DescribedClient) (index: int) =
        let file index = tls.Certificates[index].Shown.Certificate
        let where index = $"{file index} (entry {index + 1} of {tls.Certificates.Length})"
        let others =
            [ for key, who, taken in [ "certificate_of_rsa_alone", "no ECDSA key", [ KeyKind.Rsa ]; "certificate_of_ecdsa_alone", "no RSA key", KeyKind.ecdsa ] do
                  match listener.Answer({ client.TlsOffer with Keys = taken }, client.ServerName, client.AlpnOffer) with
                  | HelloAnswer.Serve(other, _) when other <> index -> key, $"{where other} where the client takes {who}", file other
                  | _ -> () ]
        { part "certificate" (where index) [ yield "certificate", Json.Text(file index)
                                             for key, _, file in others do yield key, Json.Text file ] with
            More = [ for _, line, _ in others -> line ] }

    let private hello (rules: Rules) (listener: ListenerTlsRules voption) (question: Question) (forecast: Forecast) =
        let asked = match question.Client.ServerName with ValueSome name -> name.Text | ValueNone -> ""
        [ if rules.ReadsHello && not (Forecast.leavesHeaderUnread forecast.Life question.Client) then
              yield part "server name" (if asked = "" then "none" else asked) [ "server_name", Json.Text asked ]
          match forecast.Hello, rules.Proxy.Listener.Tls, listener with
          | ValueSome(HelloAnswer.Serve(index, protocol)), Some tls, ValueSome listener ->
              yield certificate tls listener question.Client index
              match protocol with
              | ValueSome protocol -> yield part "application protocol" (string protocol) [ "application_protocol", Json.Text(string protocol) ]
              | ValueNone -> ()
              match tls.VerifyMode with
              | VerifyMode.None -> ()
              | VerifyMode.Relaxed ->
                  yield
                      part "client certificate" "asked for, and verified if one is given (verify_mode relaxed)" [
                          "client_certificate", Json.Text "optional"
                      ]
              | VerifyMode.Strict ->
                  yield
                      part "client certificate" "required (verify_mode strict); what follows is for a client with a valid one" [
                          "client_certificate", Json.Text "required"
                      ]
          | ValueSome(HelloAnswer.Refuse(alert, reason)), _, _ ->
              yield
                  part "hello" $"refused with the alert {TlsAlert.describe alert}: {reason}" [
                      "hello_refused", Json.Text reason
                  ]
          | _ -> () ]

    /// Why a target stands where it does in the order.
    let private why (rules: Rules) (client: DescribedClient) place index =
        let count = rules.Targets.Length
        match rules.Proxy.Options.LoadBalancer with
        | Policy.None -> "none: the first target alone"
        | Policy.Failover -> $"failover: place {index + 1} in the file"
        | Policy.RoundRobin when place = 0 -> $"round-robin: ticket {client.Ticket} of {count} targets"
        | Policy.RoundRobin -> "round-robin: next round the list"
        | Policy.Sni ->
            match ServerName.tryPattern rules.Targets[index].Name with
            | ValueSome NamePattern.Any -> "sni: * takes every name, and clients without one"
            | ValueSome(NamePattern.Wildcard suffix) -> $"sni: *.{suffix} covers the name"
            | _ -> "sni: the name itself"

    let private orderOf (life: Life) =
        match life.Step with
        | Step.Attempt plan
        | Step.Wait plan -> plan.Order
        | _ -> [||]

    let private targets (rules: Rules) (question: Question) (life: Life) (order: int[]) =
        let allDown = set question.Down
        let lines =
            [ for place, index in Seq.indexed order do
                  let target = rules.Targets[index]
                  let through = match target.Proxy with Some proxy -> $" through {proxy.Address}" | None -> ""
                  let down = allDown.Contains target.Name
                  let reason = why rules question.Client place index
                  let state = if down then ", down" else ""
                  let noRoute = match Forecast.noRoute life index with ValueSome fault -> DialFault.describe fault | ValueNone -> ""
                  let but = if noRoute = "" then "" else $"; it {noRoute}"
                  $"{place + 1}. {target.Name} ({target.Address}{through}){state}: {reason}{but}",
                  Json.Object [
                      "name", Json.Text target.Name
                      "address", Json.Text(string target.Address)
                      "down", Json.Boolean down
                      "reason", Json.Text reason
                      if noRoute <> "" then "no_route", Json.Text noRoute
                  ] ]
        { Title = "targets"
          Text = "in this order"
          More = List.map fst lines
          Json = [ "targets", Json.Array(List.map snd lines) ] }

    /// Every attempt if each fails: as early as it can begin (nothing listens) and as late (nothing answers).
    let private schedule (rules: Rules) (life: Life) =
        let early, earlyEnd = Forecast.dial Forecast.refusing life
        let late, lateEnd = Forecast.dial Forecast.silent life
        // A lifetime may end the late ones before they began.
        let lateAt index = List.tryItem index late |> Option.map _.At
        let shown =
            [ for index, attempt in Seq.indexed early |> Seq.truncate maxAttemptsShown do
                  let target = rules.Targets[attempt.Target]
                  let until = if target.ConnectTimeout.IsPositive then $"up to {target.ConnectTimeout}" else "no connect_timeout"
                  let latest = match lateAt index with Some at -> $"at the latest {at}" | None -> "or never, for the lifetime is over"
                  $"at {attempt.At} ({latest}): {target.Name}, attempt {attempt.Attempt} of {target.ConnectAttempts}, {until}",
                  Json.Object [
                      yield "target", Json.Text target.Name
                      yield "attempt", Json.Number(decimal attempt.Attempt)
                      yield "earliest_ms", ms attempt.At
                      match lateAt index with
                      | Some at -> yield "latest_ms", ms at
                      | None -> ()
                  ] ]
        let rest = early.Length - shown.Length
        let reasonOf (life: Life) = match life.CloseReason with ValueSome reason -> string reason | ValueNone -> ""
        let ending =
            match reasonOf earlyEnd, reasonOf lateEnd with
            | early, late when early = late -> early
            | early, late -> $"{early}; where nothing answers, {late}"
        { Title = "dialling"
          Text = $"if every attempt fails, {early.Length} in all"
          More =
            [ yield! List.map fst shown
              if rest > 0 then yield $"and {rest} more"
              yield $"then {ending}" ]
          Json = [ "attempts", Json.Array(List.map snd shown); "attempts_in_all", Json.Number(decimal early.Length) ] }

    /// What stands for the destination of a client's header that was not said: the listener's address, with the family of the source.
    let private exampleDestination (source: IPAddress) (local: Endpoint) =
        match local with
        | Endpoint.Ip(address, port) when IpAddress.isV4 address = IpAddress.isV4 source -> IPEndPoint(address, port)
        | Endpoint.Ip(_, port) -> IPEndPoint((if IpAddress.isV4 source then IPAddress.Any else IPAddress.IPv6Any), port)
        | _ -> IPEndPoint((if IpAddress.isV4 source then IPAddress.Any else IPAddress.IPv6Any), 0)

    /// The header that the client sends, where it says who the client is: its addresses stand in the one that is sent on.
    let private inbound (client: DescribedClient) =
        match client.Header with
        | ValueSome(ProxyOrigin.Stated(Endpoint.Ip(s, sp), Endpoint.Ip(d, dp))) ->
            Some(ProxyHeader.BinaryTcp(IPEndPoint(s, sp), IPEndPoint(d, dp), ProxyTlvs.None))
        | ValueSome(ProxyOrigin.Stated(Endpoint.Ip(s, sp), Endpoint.Unknown)) ->
            Some(ProxyHeader.BinaryTcp(IPEndPoint(s, sp), exampleDestination s client.Local, ProxyTlvs.None))
        | ValueSome(ProxyOrigin.Stated(Endpoint.Unix source, Endpoint.Unix destination)) -> Some(ProxyHeader.BinaryUnix(source, destination, ProxyTlvs.None))
        | ValueSome(ProxyOrigin.Stated(Endpoint.Unix source, Endpoint.Unknown)) -> Some(ProxyHeader.BinaryUnix(source, "", ProxyTlvs.None))
        | _ -> None

    let private announcement (rules: Rules) (question: Question) (forecast: Forecast) =
        match rules.Proxy.Options.ProxyHeader with
        | None -> []
        | Some version ->
            let life = forecast.Life
            let inbound = if life.FromTrustedProxy then inbound question.Client else None
            // Where nobody said what the destination is, the listener's address stands for it; where that is every address, for one of them.
            let example =
                match inbound, question.Client.Header, question.Client.Local with
                | Some(ProxyHeader.BinaryTcp _), ValueSome(ProxyOrigin.Stated(_, Endpoint.Unknown)), _ ->
                    Some "the destination of the client's header stands there; --header SOURCE,DESTINATION says it"
                | None, _, Endpoint.Ip(address, _) when address.Equals IPAddress.Any || address.Equals IPAddress.IPv6Any ->
                    Some "the address that the client connected to stands there; --destination says it"
                | _ -> None
            let tls =
                if not rules.TerminatesTls then
                    None
                else
                    Some
                        { Version = TlsVersion.Tls13
                          Cipher = "TLS_AES_256_GCM_SHA384"
                          Alpn = (match forecast.Hello with ValueSome(HelloAnswer.Serve(_, ValueSome protocol)) -> protocol.Text | _ -> "")
                          ServerName = (match question.Client.ServerName with ValueSome name -> name.Text | ValueNone -> "")
                          ClientCertificate = None }
            let bytes = ProxyHeaderCodec.encode (OutboundHeader.choose version life.Peer question.Client.Local inbound tls)
            let hex = Convert.ToHexStringLower bytes
            let text = Printable.ofBytes (ReadOnlySpan bytes)
            [ { Title = "PROXY header sent"
                Text = $"{bytes.Length} bytes, before anything else on the target's connection"
                More =
                  [ yield hex
                    if version = ProxyHeaderVersion.V1 then yield text
                    match example with
                    | Some what -> yield $"(with the listener's address as an example: {what})"
                    | None -> ()
                    if tls.IsSome && version = ProxyHeaderVersion.V2 then
                        yield "(with a cipher, version and certificate as an example: those of the handshake stand there)" ]
                Json =
                  [ "proxy_header",
                    Json.Object [
                        "hex", Json.Text hex
                        "text", Json.Text text
                        if example.IsSome then "destination_is_example", Json.Boolean true
                    ] ] } ]

    /// How hands are shaken with the targets that TLS is spoken to, once connected and behind the PROXY header.
    let private targetTls (rules: Rules) (order: int[]) =
        let spoken = [ for index in order do for tls in Option.toList rules.Targets[index].Tls -> rules.Targets[index], tls ]
        let lines =
            [ for target, tls in spoken do
                  let name = TargetName.ofTarget target tls
                  let asked = TargetName.asked name
                  let isJudged = PeerCertificate.isJudged tls.VerifyMode
                  let protocols = tls.ApplicationProtocols |> List.map string
                  let shown = tls.Shown |> Option.map _.Certificate
                  let how =
                      [ if asked = "" then "no server name is sent" else $"asked for {asked}"
                        if isJudged then $"its certificate must be for {name}" else $"any certificate will do (verify_mode {tls.VerifyMode})"
                        $"TLS {tls.MinVersion} at least"
                        if not protocols.IsEmpty then $"""ALPN {String.concat ", " protocols}"""
                        match shown with
                        | Some file -> $"shown {file} where it asks for one"
                        | None -> () ]
                  $"""{target.Name}: {String.concat "; " how}""",
                  Json.Object [
                      yield "target", Json.Text target.Name
                      yield "server_name", Json.Text asked
                      yield "verify_mode", Json.Text(string tls.VerifyMode)
                      if isJudged then yield "verified_name", Json.Text name
                      yield "min_version", Json.Text(string tls.MinVersion)
                      yield "application_protocols", Json.Array(protocols |> List.map Json.Text)
                      match shown with
                      | Some file -> yield "certificate", Json.Text file
                      | None -> ()
                  ] ]
        if lines.IsEmpty then []
        else
            [ { Title = "TLS to targets"
                Text = "hands are shaken before anything of the client's is passed on"
                More = List.map fst lines
                Json = [ "target_tls", Json.Array(List.map snd lines) ] } ]

    let private timeouts (rules: Rules) (life: Life) (order: int[]) =
        let listener, options = rules.Proxy.Listener, rules.Proxy.Options
        let limits =
            [ if rules.ReadsHello || life.FromTrustedProxy then
                  yield "listener.handshake_timeout", listener.HandshakeTimeout
              yield "listener.read_timeout", listener.ReadTimeout
              yield "listener.write_timeout", listener.WriteTimeout
              yield "options.connection_lifetime", options.ConnectionLifetime
              for index in order do
                  let target = rules.Targets[index]
                  yield $"targets[{target.Name}].connect_timeout", target.ConnectTimeout
                  if options.DualStack then yield $"targets[{target.Name}].resolve_timeout", target.ResolveTimeout
                  yield $"targets[{target.Name}].read_timeout", target.ReadTimeout
                  yield $"targets[{target.Name}].write_timeout", target.WriteTimeout ]
        { Title = "timeouts"
          Text = "in force (none where nothing is said)"
          More = limits |> List.filter (fun (_, limit) -> limit.IsPositive) |> List.map (fun (key, limit) -> $"{key}: {time limit}")
          Json = [ "timeouts_ms", Json.Object [ for key, limit in limits -> key, ms limit ] ] }

    let private outcome (rules: Rules) (question: Question) (forecast: Forecast) =
        let allDown = set question.Down
        let isDown index = allDown.Contains rules.Targets[index].Name
        let attempts, life = Forecast.connect isDown forecast
        match life.CloseReason with
        | ValueSome reason ->
            part "result" $"{reason}: {CloseReason.explain reason}" [ "result", Json.Text "ended"; "reason", Json.Text(string reason) ]
        | ValueNone ->
            let target = rules.Targets[life.LastTarget.Value]
            let last = List.last attempts
            part "result" $"relayed to {target.Name} ({target.Address}), with attempt {attempts.Length} at {last.At}" [
                "result", Json.Text "relayed"
                "target", Json.Text target.Name
                "dial_attempts", Json.Number(decimal attempts.Length)
            ]

    let private parts (rules: Rules) (tls: ListenerTlsRules voption) (question: Question) =
        let forecast = Forecast.untilDial rules tls question.Client
        let order = orderOf forecast.Life
        [ yield
              part "proxy" $"{rules.Proxy.Name}, listening on {rules.Proxy.Listener.Address}" [
                  "proxy", Json.Text rules.Proxy.Name
                  "listener", Json.Text(string rules.Proxy.Listener.Address)
              ]
          yield! admission rules question forecast
          yield! hello rules tls question forecast
          if order.Length > 0 then
              yield targets rules question forecast.Life order
              yield schedule rules forecast.Life
              yield! announcement rules question forecast
              yield! targetTls rules order
              yield timeouts rules forecast.Life order
          yield outcome rules question forecast ]

    /// For people: a line a decision, with what belongs to it indented. Names are the file's to choose, and are shown as other words of it are.
    [<CompiledName "Text">]
    let text (rules: Rules) (tls: ListenerTlsRules voption) (question: Question) : string =
        parts rules tls question
        |> List.collect (fun part -> $"{part.Title}: {part.Text}" :: (part.More |> List.map (fun line -> "    " + line)))
        |> List.map (fun line -> Shown.escaped line + "\n")
        |> String.concat ""

    [<CompiledName "ToJson">]
    let json (rules: Rules) (tls: ListenerTlsRules voption) (question: Question) : string =
        parts rules tls question |> List.collect _.Json |> Json.Object |> Json.format
