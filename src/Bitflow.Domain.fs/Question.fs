namespace Bitflow.Domain

/// What `bitflow explain` is asked: a client, and which targets to take for down.
[<NoComparison; NoEquality>]
type Question =
    { Client: DescribedClient
      Down: string list }

/// From the options of `bitflow explain` to what they ask.
[<RequireQualifiedAccess>]
module Question =
    let private list (names: string list) = String.concat ", " names

    let private proxyOf (config: Config) (name: string) =
        match config.TryProxy name with
        | Some proxy -> Ok proxy
        | None when name = "" -> Error $"say which proxy with --proxy: {list (config.Proxies |> List.map _.Name)}"
        | None -> Error $"there is no proxy {name}; there is {list (config.Proxies |> List.map _.Name)}"

    let private header (text: string) =
        match text, DescribedClient.tryHeader text with
        | "", _ -> Ok ValueNone
        | _, ValueSome header -> Ok(ValueSome header)
        | _ -> Error $"--header {text} is neither an address, two of one family with a comma between them, local nor unknown"

    let private serverName (text: string) =
        if text = "" then
            Ok ValueNone
        else
            match ServerName.tryCreate text with
            | Ok name -> Ok(ValueSome name)
            | Error fault -> Error $"--sni {text}: {ServerName.describeFault fault}"

    let private endpoint option (text: string) =
        match DescribedClient.tryPeer text with
        | ValueSome endpoint -> Ok endpoint
        | ValueNone -> Error $"--{option} {text} is no address; write 10.1.2.3, 10.1.2.3:5000, [::1]:5000 or unix"

    let private ofTwoFamilies (one: string) (other: string) =
        Error $"{one} and {other} are not of one family; no connection leads from the one to the other"

    let private destination (request: ExplainRequest) (peer: Endpoint) =
        endpoint "destination" request.Destination
        |> Result.bind (fun local ->
            if peer.Protocol = local.Protocol then Ok local
            else ofTwoFamilies $"--source {request.Source}" $"--destination {request.Destination}")

    let private ownAddress (request: ExplainRequest) (listener: ListenerConfig) (peer: Endpoint) =
        if DescribedClient.canReach listener peer then Ok(DescribedClient.localOf listener peer)
        else ofTwoFamilies $"--source {request.Source}" $"the listener's {listener.Address}"

    let private protocols (names: string list) =
        match names |> List.tryFind (fun name -> (AlpnName.tryOfText name).IsNone) with
        | Some name -> Error $"--alpn {Printable.ofText name} is no protocol; a name has 1 to {AlpnName.maxLength} bytes"
        | None -> Ok(names |> List.choose (AlpnName.tryOfText >> ValueOption.toOption))

    let private connectedTo (request: ExplainRequest) (listener: ListenerConfig) (peer: Endpoint) =
        if request.Destination = "" then ownAddress request listener peer else destination request peer

    let private clientOf (listener: ListenerConfig) (request: ExplainRequest) : Result<DescribedClient, string> =
        let peer = endpoint "source" request.Source
        let local = peer |> Result.bind (connectedTo request listener)
        match peer, local, header request.Header, serverName request.ServerName, protocols request.ApplicationProtocols with
        | Ok peer, Ok local, Ok header, Ok name, Ok offer ->
            Ok
                { Peer = peer
                  Local = local
                  Header = header
                  ServerName = name
                  AlpnOffer = offer
                  // What older clients are told, `bitflow inspect hello` and the log say.
                  TlsOffer = TlsOffer.usual
                  OpenConnections = request.Open
                  Ticket = request.Ticket }
        | Error fault, _, _, _, _
        | _, Error fault, _, _, _
        | _, _, Error fault, _, _
        | _, _, _, Error fault, _
        | _, _, _, _, Error fault -> Error fault

    /// The proxy that a request is about and the question that it means, or what is wrong with it.
    [<CompiledName "Ask">]
    let ask (config: Config) (request: ExplainRequest) : Result<struct (ProxyConfig * Question), string> =
        proxyOf config request.Proxy
        |> Result.bind (fun proxy ->
            let known = proxy.Targets |> List.map _.Name
            match request.Down |> List.tryFind (fun name -> not (List.contains name known)) with
            | Some name -> Error $"proxy {proxy.Name} has no target {name}; it has {list known}"
            | None -> clientOf proxy.Listener request |> Result.map (fun client -> struct (proxy, { Client = client; Down = request.Down })))
        |> Result.mapError Shown.escaped
