namespace Bitflow.Domain

/// What the configuration of a proxy means for each of its connections: worked out once, the same for all of them.
[<Sealed; AllowNullLiteral>]
type Rules(proxy: ProxyConfig) =
    let targets = List.toArray proxy.Targets
    let names = NameTable(proxy.Targets |> List.map (fun t -> t.Name))
    let terminates = proxy.Listener.Tls.IsSome
    let readsHello = proxy.ReadsHello
    member _.Proxy = proxy
    member _.Targets = targets
    /// The targets' names as server names are matched with them.
    member _.TargetNames = names
    member _.TerminatesTls = terminates
    member _.ReadsHello = readsHello
    member _.ConnectionLimit = proxy.Options.ConnectionLimit
