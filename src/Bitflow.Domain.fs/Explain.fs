namespace Bitflow.Domain

open System
open System.Net

/// What `bitflow explain` is asked: a client, and which targets to take for down.
[<NoComparison; NoEquality>]
type Question =
    { Client: DescribedClient
      Down: string list }

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
    let private ms (d: Duration) = Json.Number(decimal d.TotalNanoseconds / 1_000_000m)
    let private time (d: Duration) = if d = Duration.Max then "never" else string d

    let private admission (rules: Rules) (question: Question) (forecast: Forecast) =
        let listener = rules.Proxy.Listener
        let life = forecast.Life
        let source = life.Source
        let trusted = life.FromTrustedProxy
        let matching (set: IpNetworkSet) (endpoint: Endpoint) =
            match endpoint with
            | Endpoint.Ip(address, _) -> set.FirstMatch address |> Option.map string
            | _ -> None
        let lacksHeader = match life.CloseReason with ValueSome { Phase = Phase.ProxyHeader } -> true | _ -> false
        let isLocal = trusted && (match question.Client.Header with HeaderSeen.Local -> true | _ -> false)
        let admitted, rule =
            match life.CloseReason with
            | ValueSome { Phase = Phase.Admission; Cause = Cause.Limit } ->
                false, $"connection_limit: {question.Client.OpenConnections} of {rules.ConnectionLimit} are open"
            | ValueSome { Phase = Phase.Admission } -> false, "authorized_sources: no entry matches"
            | _ when lacksHeader -> false, "no PROXY header says who the client is"
            | _ when isLocal -> true, "LOCAL: admitted as the trusted proxy's own connection"
            | _ ->
                match matching listener.AuthorizedSources source with
                | Some network -> true, $"authorized_sources: {network}"
                | None -> true, "everyone is admitted: no authorized_sources"
        let limit = if rules.ConnectionLimit = 0 then "no connection_limit" else $"{question.Client.OpenConnections} of {rules.ConnectionLimit} open"
        [ yield
              part "client" $"{source}" [
                  "source", Json.Text(string source)
                  "peer", Json.Text(string life.Peer)
                  "destination", Json.Text(string life.Destination)
              ]
          if trusted then
              let network = matching listener.TrustedProxies life.Peer |> Option.defaultValue ""
              let ask = if lacksHeader then "; say with --header what it sends" else ""
              yield
                  part "PROXY header" $"must come first: {life.Peer} is a trusted proxy ({network}){ask}" [
                      "trustedProxy", Json.Text network
                  ]
          if Forecast.leavesHeaderUnread life question.Client then
              let but = if rules.ReadsHello then ", which are no hello" else ""
              yield
                  part "PROXY header" $"not read: {life.Peer} is no trusted proxy, and its header is taken for the client's own bytes{but}" [
                      "headerRead", Json.Boolean false
                  ]
          let verdict =
              if lacksHeader then $"not decided ({rule})"
              elif admitted then $"admitted ({rule}; {limit})"
              else $"refused ({rule}), with a reset"
          yield
              part "admission" verdict [
                  "admitted", Json.Boolean admitted
                  "rule", Json.Text rule
              ] ]

    let private hello (rules: Rules) (question: Question) (forecast: Forecast) =
        let asked = match question.Client.ServerName with ValueSome name -> name.Text | ValueNone -> ""
        [ if rules.ReadsHello && not (Forecast.leavesHeaderUnread forecast.Life question.Client) then
              yield part "server name" (if asked = "" then "none" else asked) [ "serverName", Json.Text asked ]
          match forecast.Hello, rules.Proxy.Listener.Tls with
          | ValueSome(HelloAnswer.Serve(index, protocol)), Some tls ->
              let file = tls.Certificates[index].Certificate
              yield part "certificate" $"{file} (entry {index + 1} of {tls.Certificates.Length})" [ "certificate", Json.Text file ]
              match protocol with
              | ValueSome protocol -> yield part "application protocol" (string protocol) [ "applicationProtocol", Json.Text(string protocol) ]
              | ValueNone -> ()
              match tls.VerifyMode with
              | VerifyMode.None -> ()
              | VerifyMode.Relaxed ->
                  yield
                      part "client certificate" "asked for, and verified if one is given (verify_mode relaxed)" [
                          "clientCertificate", Json.Text "optional"
                      ]
              | VerifyMode.Strict ->
                  yield
                      part "client certificate" "required (verify_mode strict); what follows is for a client with a valid one" [
                          "clientCertificate", Json.Text "required"
                      ]
          | ValueSome(HelloAnswer.Refuse(alert, reason)), _ ->
              yield
                  part "hello" $"refused with the alert {TlsAlert.describe alert}: {reason}" [
                      "helloRefused", Json.Text reason
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
                      if noRoute <> "" then "noRoute", Json.Text noRoute
                  ] ]
        { Title = "targets"
          Text = "in this order"
          More = List.map fst lines
          Json = [ "targets", Json.Array(List.map snd lines) ] }

    /// Every attempt if each fails: as early as it can begin (nothing listens) and as late (nothing answers).
    let private schedule (rules: Rules) (life: Life) =
        let early, earlyEnd = Forecast.dial Forecast.refusing life
        let late, _ = Forecast.dial Forecast.silent life
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
                      yield "earliestMs", ms attempt.At
                      match lateAt index with
                      | Some at -> yield "latestMs", ms at
                      | None -> ()
                  ] ]
        let rest = early.Length - shown.Length
        let ending = match earlyEnd.CloseReason with ValueSome reason -> string reason | ValueNone -> ""
        { Title = "dialling"
          Text = $"if every attempt fails, {early.Length} in all"
          More =
            [ yield! List.map fst shown
              if rest > 0 then yield $"and {rest} more"
              yield $"then {ending}" ]
          Json = [ "attempts", Json.Array(List.map snd shown); "attemptsInAll", Json.Number(decimal early.Length) ] }

    /// What stands for the destination of a client's header that was not said: the listener's address, with the family of the source.
    let private exampleDestination (source: IPAddress) (local: Endpoint) =
        match local with
        | Endpoint.Ip(address, port) when IpAddress.isV4 address = IpAddress.isV4 source -> IPEndPoint(address, port)
        | Endpoint.Ip(_, port) -> IPEndPoint((if IpAddress.isV4 source then IPAddress.Any else IPAddress.IPv6Any), port)
        | _ -> IPEndPoint((if IpAddress.isV4 source then IPAddress.Any else IPAddress.IPv6Any), 0)

    /// The header that the client sends, where it says who the client is: its addresses stand in the one that is sent on.
    let private inbound (client: DescribedClient) =
        match client.Header with
        | HeaderSeen.Addresses(Endpoint.Ip(s, sp), Endpoint.Ip(d, dp)) ->
            Some(ProxyHeader.BinaryTcp(IPEndPoint(s, sp), IPEndPoint(d, dp), ProxyTlvs.None))
        | HeaderSeen.Addresses(Endpoint.Ip(s, sp), Endpoint.Unknown) ->
            Some(ProxyHeader.BinaryTcp(IPEndPoint(s, sp), exampleDestination s client.Local, ProxyTlvs.None))
        | HeaderSeen.Addresses(Endpoint.Unix source, Endpoint.Unix destination) -> Some(ProxyHeader.BinaryUnix(source, destination, ProxyTlvs.None))
        | HeaderSeen.Addresses(Endpoint.Unix source, Endpoint.Unknown) -> Some(ProxyHeader.BinaryUnix(source, "", ProxyTlvs.None))
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
                | Some(ProxyHeader.BinaryTcp _), HeaderSeen.Addresses(_, Endpoint.Unknown), _ ->
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
                          Alpn = (match forecast.Hello with ValueSome(HelloAnswer.Serve(_, ValueSome protocol)) -> string protocol | _ -> "")
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
                  [ "proxyHeader",
                    Json.Object [
                        "hex", Json.Text hex
                        "text", Json.Text text
                        if example.IsSome then "destinationIsExample", Json.Boolean true
                    ] ] } ]

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
          Json = [ "timeoutsMs", Json.Object [ for key, limit in limits -> key, ms limit ] ] }

    let private outcome (rules: Rules) (question: Question) (forecast: Forecast) =
        let allDown = set question.Down
        let isDown index = allDown.Contains rules.Targets[index].Name
        let attempts, life = if forecast.Life.IsOver then [], forecast.Life else Forecast.connect isDown forecast
        match life.CloseReason with
        | ValueSome reason ->
            part "result" $"{reason}: {CloseReason.explain reason}" [ "result", Json.Text "ended"; "reason", Json.Text(string reason) ]
        | ValueNone ->
            let target = rules.Targets[life.LastTarget]
            let last = List.last attempts
            part "result" $"relayed to {target.Name} ({target.Address}), with attempt {attempts.Length} at {last.At}" [
                "result", Json.Text "relayed"
                "target", Json.Text target.Name
                "dialAttempts", Json.Number(decimal attempts.Length)
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
          yield! hello rules question forecast
          if order.Length > 0 then
              yield targets rules question forecast.Life order
              yield schedule rules forecast.Life
              yield! announcement rules question forecast
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

    /// The address that a client connects to, where only the configuration is known: the listener's own, with the
    /// client's family where it serves both.
    [<CompiledName "LocalOf">]
    let localOf (listener: ListenerConfig) (peer: Endpoint) : Endpoint =
        match listener.Address, peer with
        | Address.Tcp(_, Host.Literal address, port), _ -> Endpoint.OfIp(address, port)
        | Address.Tcp(_, _, port), Endpoint.Ip(address, _) ->
            Endpoint.OfIp((if IpAddress.isV4 address then IPAddress.Any else IPAddress.IPv6Any), port)
        | (Address.UnixPath path), _ -> Endpoint.Unix path
        | (Address.UnixAbstract name), _ -> Endpoint.Unix("@" + name)
        | _ -> Endpoint.Unknown

    /// A client's address as people write it: `10.1.2.3`, `10.1.2.3:5000`, `[::1]:5000`, `::1`, or `unix`.
    [<CompiledName "TryPeer">]
    let tryPeer (text: string) : Endpoint voption =
        let text = if isNull text then "" else text
        if text = "unix" then
            ValueSome(Endpoint.Unix "")
        else
            let isBracketed = text.Length > 2 && text.StartsWith '[' && text.EndsWith ']'
            let bare =
                if isBracketed then IpAddress.tryParse (text.Substring(1, text.Length - 2)) |> ValueOption.filter (IpAddress.isV4 >> not)
                else IpAddress.tryParse text
            match bare with
            | ValueSome address -> ValueSome(Endpoint.OfIp(address, 50_000))
            | ValueNone ->
                match Address.tryParse text with
                | Ok(Address.Tcp(_, Host.Literal address, port)) -> ValueSome(Endpoint.OfIp(address, port))
                | _ -> ValueNone

    /// What a client says of itself in a PROXY header, as people write it: `SOURCE`, `SOURCE,DESTINATION`, `local` or `unknown`.
    let tryHeader (text: string) : HeaderSeen voption =
        match text, text.Split ',' with
        | "local", _ -> ValueSome HeaderSeen.Local
        | "unknown", _ -> ValueSome HeaderSeen.Unknown
        | _, [| source |] -> tryPeer source |> ValueOption.map (fun source -> HeaderSeen.Addresses(source, Endpoint.Unknown))
        | _, [| source; destination |] ->
            match tryPeer source, tryPeer destination with
            // No header holds addresses of two families.
            | ValueSome source, ValueSome destination when source.Protocol = destination.Protocol -> ValueSome(HeaderSeen.Addresses(source, destination))
            | _ -> ValueNone
        | _ -> ValueNone

    let private list (names: string list) = String.concat ", " names

    let private proxyOf (config: Config) (name: string) =
        match config.Proxies |> List.tryFind (fun p -> p.Name = name), config.Proxies with
        | Some proxy, _ -> Ok proxy
        | None, [ proxy ] when name = "" -> Ok proxy
        | None, proxies when name = "" -> Error $"say which proxy with --proxy: {list (proxies |> List.map _.Name)}"
        | None, proxies -> Error $"there is no proxy {name}; there is {list (proxies |> List.map _.Name)}"

    let private header (text: string) =
        match text, tryHeader text with
        | "", _ -> Ok HeaderSeen.None
        | _, ValueSome header -> Ok header
        | _ -> Error $"--header {text} is neither an address, two of one family with a comma between them, local nor unknown"

    let private serverName (text: string) =
        if text = "" then
            Ok ValueNone
        else
            match ServerName.tryCreate text with
            | Ok name -> Ok(ValueSome name)
            | Error fault -> Error $"--sni {text}: {ServerName.describeFault fault}"

    let private endpoint option (text: string) =
        match tryPeer text with
        | ValueSome endpoint -> Ok endpoint
        | ValueNone -> Error $"--{option} {text} is no address; write 10.1.2.3, 10.1.2.3:5000, [::1]:5000 or unix"

    let private ofTwoFamilies (one: string) (other: string) =
        Error $"{one} and {other} are not of one family; no connection leads from the one to the other"

    let private destination (request: ExplainRequest) (peer: Endpoint) =
        endpoint "destination" request.Destination
        |> Result.bind (fun local ->
            if peer.Protocol = local.Protocol then Ok local
            else ofTwoFamilies $"--source {request.Source}" $"--destination {request.Destination}")

    /// Whether a client of that family can connect to the listener. What an inherited one is, the configuration does not say.
    let private isReachableFrom (peer: Endpoint) (listener: ListenerConfig) =
        match listener.Address, peer with
        | Address.Tcp(_, Host.Literal address, _), Endpoint.Ip(source, _) -> IpAddress.isV4 address = IpAddress.isV4 source
        | Address.Tcp(TcpFamily.V4, _, _), Endpoint.Ip(source, _) -> IpAddress.isV4 source
        | Address.Tcp(TcpFamily.V6, _, _), Endpoint.Ip(source, _) -> not (IpAddress.isV4 source)
        | Address.Tcp _, Endpoint.Unix _
        | (Address.UnixPath _ | Address.UnixAbstract _), Endpoint.Ip _ -> false
        | _ -> true

    let private ownAddress (request: ExplainRequest) (listener: ListenerConfig) (peer: Endpoint) =
        if isReachableFrom peer listener then Ok(localOf listener peer)
        else ofTwoFamilies $"--source {request.Source}" $"the listener's {listener.Address}"

    let private protocols (names: string list) =
        match names |> List.tryFind (fun name -> (AlpnName.tryOfText name).IsNone) with
        | Some name -> Error $"--alpn {Printable.ofText name} is no protocol; a name has 1 to {AlpnName.maxLength} bytes"
        | None -> Ok(names |> List.choose (AlpnName.tryOfText >> ValueOption.toOption))

    /// The proxy that a request is about and the question that it means, or what is wrong with it.
    [<CompiledName "Ask">]
    let ask (config: Config) (request: ExplainRequest) : Result<struct (ProxyConfig * Question), string> =
        proxyOf config request.Proxy
        |> Result.bind (fun proxy ->
            let known = proxy.Targets |> List.map _.Name
            match request.Down |> List.tryFind (fun name -> not (List.contains name known)) with
            | Some name -> Error $"proxy {proxy.Name} has no target {name}; it has {list known}"
            | None ->
                endpoint "source" request.Source
                |> Result.bind (fun peer ->
                    (if request.Destination = "" then ownAddress request proxy.Listener peer else destination request peer)
                    |> Result.bind (fun local ->
                        header request.Header
                        |> Result.bind (fun header ->
                            serverName request.ServerName
                            |> Result.bind (fun name ->
                                protocols request.ApplicationProtocols
                                |> Result.map (fun offer ->
                                    let client =
                                        { Peer = peer
                                          Local = local
                                          Header = header
                                          ServerName = name
                                          AlpnOffer = offer
                                          // What older clients are told, `bitflow inspect hello` and the log say.
                                          TlsOffer = TlsOffer.usual
                                          OpenConnections = request.Open
                                          Ticket = request.Ticket }
                                    struct (proxy, { Client = client; Down = request.Down })))))))
        |> Result.mapError Shown.escaped
