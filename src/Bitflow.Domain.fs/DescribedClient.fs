namespace Bitflow.Domain

open System.Net

/// A client, as far as anything is decided by it.
[<NoComparison>]
type DescribedClient =
    { Peer: Endpoint
      /// The address that it connects to.
      Local: Endpoint
      /// What it says in a PROXY header, which it sends first of all, read or not.
      Header: ProxyOrigin voption
      ServerName: ServerName voption
      /// Empty: it does not speak ALPN.
      AlpnOffer: AlpnName list
      /// How it offers to speak TLS.
      TlsOffer: TlsOffer
      /// Connections of the proxy that are open, without this one.
      OpenConnections: int
      /// What round-robin draws for it.
      Ticket: int64 }

/// Clients as people describe them, in a command's options and in a file of cases.
[<RequireQualifiedAccess>]
module DescribedClient =
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
    let tryHeader (text: string) : ProxyOrigin voption =
        match text, text.Split ',' with
        | "local", _ -> ValueSome ProxyOrigin.TheSender
        | "unknown", _ -> ValueSome ProxyOrigin.Unstated
        | _, [| source |] -> tryPeer source |> ValueOption.map (fun source -> ProxyOrigin.Stated(source, Endpoint.Unknown))
        | _, [| source; destination |] ->
            match tryPeer source, tryPeer destination with
            // No header holds addresses of two families, but for IPv6 with one end IPv4-mapped, which is as good as never meant.
            | ValueSome source, ValueSome destination when source.Protocol = destination.Protocol -> ValueSome(ProxyOrigin.Stated(source, destination))
            | _ -> ValueNone
        | _ -> ValueNone

    /// Whether a client of that family can connect to the listener. What an inherited one is, the configuration does not say.
    let private canReach (listener: ListenerConfig) (peer: Endpoint) =
        match listener.Address, peer with
        | Address.Tcp(_, Host.Literal address, _), Endpoint.Ip(source, _) -> IpAddress.isV4 address = IpAddress.isV4 source
        | Address.Tcp(TcpFamily.V4, _, _), Endpoint.Ip(source, _) -> IpAddress.isV4 source
        | Address.Tcp(TcpFamily.V6, _, _), Endpoint.Ip(source, _) -> not (IpAddress.isV4 source)
        | Address.Tcp _, Endpoint.Unix _
        | (Address.UnixPath _ | Address.UnixAbstract _), Endpoint.Ip _ -> false
        | _ -> true

    /// Why no connection leads from the one to the other.
    let ofTwoFamilies (one: string) (other: string) : string =
        $"{one} and {other} are not of one family; no connection leads from the one to the other"

    /// The address that a client connects to where it can connect to the listener; `who` it is stands in the message.
    let reach (listener: ListenerConfig) (who: string) (peer: Endpoint) : Result<Endpoint, string> =
        if canReach listener peer then Ok(localOf listener peer) else Error(ofTwoFamilies who $"the listener's {listener.Address}")

    let private list (names: string list) = String.concat ", " names

    /// The proxy whose client it is, by its name or as the only one; `key` is where its name is written.
    let proxyOf (config: Config) (key: string) (name: string) : Result<ProxyConfig, string> =
        let names = list (config.Proxies |> List.map _.Name)
        match config.TryProxy name with
        | Some proxy -> Ok proxy
        | None when name = "" -> Error $"say which proxy with {key}: {names}"
        | None -> Error $"there is no proxy {name}; there is {names}"

    /// A message for each name that no target of the proxy has.
    let unknownTargets (proxy: ProxyConfig) (names: string list) : string list =
        let known = proxy.Targets |> List.map _.Name
        names |> List.except known |> List.map (fun name -> $"proxy {proxy.Name} has no target {name}; it has {list known}")
