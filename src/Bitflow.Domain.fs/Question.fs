namespace Bitflow.Domain

/// What `bitflow explain` is asked: a client, and which targets to take for down.
[<NoComparison; NoEquality>]
type Question =
    { Client: DescribedClient
      Down: string list }

/// From the options of `bitflow explain` to what they ask.
[<RequireQualifiedAccess>]
module Question =
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

    let private destination (request: ExplainRequest) (peer: Endpoint) =
        endpoint "destination" request.Destination
        |> Result.bind (fun local ->
            if peer.Protocol = local.Protocol then Ok local
            else Error(DescribedClient.ofTwoFamilies $"--source {request.Source}" $"--destination {request.Destination}"))

    let private protocols (names: string list) =
        match names |> List.tryFind (fun name -> (AlpnName.tryOfText name).IsNone) with
        | Some name -> Error $"--alpn {Printable.ofText name} is no protocol; a name has 1 to {AlpnName.maxLength} bytes"
        | None -> Ok(names |> List.choose (AlpnName.tryOfText >> ValueOption.toOption))

    let private connectedTo (request: ExplainRequest) (listener: ListenerConfig) (peer: Endpoint) =
        if request.Destination = "" then DescribedClient.reach listener $"--source {request.Source}" peer else destination request peer

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
        DescribedClient.proxyOf config "--proxy" request.Proxy
        |> Result.bind (fun proxy ->
            match DescribedClient.unknownTargets proxy request.Down with
            | fault :: _ -> Error fault
            | [] -> clientOf proxy.Listener request |> Result.map (fun client -> struct (proxy, { Client = client; Down = request.Down })))
        |> Result.mapError Shown.escaped
