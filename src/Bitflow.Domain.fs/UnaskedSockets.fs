namespace Bitflow.Domain

/// Sockets that a service manager passed on and that a configuration has no use for.
[<RequireQualifiedAccess>]
module UnaskedSockets =
    /// A socket that was passed on and that nothing takes clients from, said with its name, or that it cannot be told which; none where there is none. The service manager
    /// goes on holding it open, so the kernel goes on letting clients in, who then wait in vain.
    [<CompiledName "Describe">]
    let describe (config: Config) (sockets: SystemdSockets) : string voption =
        let asked =
            [ for proxy in config.Proxies do
                  proxy.Listener.Address
                  yield! proxy.Targets |> List.map _.Address.AsAddress ]
        let isAsked (struct (descriptor, name)) =
            List.contains (Address.Descriptor descriptor) asked || List.contains (Address.NamedDescriptor name) asked
        match sockets with
        | SystemdSockets.Given sockets when not (List.forall isAsked sockets) ->
            let unused = sockets |> List.filter (isAsked >> not)
            let names = unused |> List.truncate 20 |> List.map (fun (struct (descriptor, name)) -> $"fd:{descriptor} ({Printable.ofText name})") |> String.concat ", "
            let more = if unused.Length > 20 then $" and {unused.Length - 20} more" else ""
            ValueSome $"inherited, and used by no listener and no target: {names}{more}; clients connect there and wait in vain, until the socket is configured or its socket unit stopped"
        | SystemdSockets.Unreadable error -> ValueSome $"of the sockets that were passed on it cannot be told which are used: {SystemdSockets.describe error}; clients of one that is not wait in vain"
        | _ -> ValueNone
