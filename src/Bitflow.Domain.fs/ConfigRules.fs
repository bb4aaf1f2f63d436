namespace Bitflow.Domain

open System

/// What is wrong, or doubtful, between keys that are each usable by themselves.
[<RequireQualifiedAccess>]
module internal ConfigRules =
    [<RequireQualifiedAccess; NoComparison>]
    type Finding =
        | Wrong of YamlPath * ConfigFault
        | Doubtful of YamlPath * ConfigWarning

    /// What the rules look at: the values, and what was written at all.
    [<NoComparison; NoEquality>]
    type Subject =
        { Config: Config
          Find: YamlPath -> YamlNode voption }

        member subject.IsWritten path =
            match subject.Find path with
            | ValueSome { Value = YamlValue.Null }
            | ValueNone -> false
            | ValueSome _ -> true

    let private wrong path fault = Finding.Wrong(path, fault)
    let private doubtful path warning = Finding.Doubtful(path, warning)

    // ---- Where things stand

    let private application = YamlPath.Root / "application"
    let private proxies = YamlPath.Root / "server" / "proxies"

    let private proxiesOf subject =
        subject.Config.Proxies |> List.indexed |> List.map (fun (i, proxy) -> proxies / i, proxy)

    let private targetsOf (path: YamlPath, proxy: ProxyConfig) =
        proxy.Targets |> List.indexed |> List.map (fun (i, target) -> path / "targets" / i, target)

    /// A rule about each proxy by itself.
    let private ofProxies rule subject =
        proxiesOf subject |> List.collect (fun (path, proxy) -> rule subject path proxy)

    /// A rule about each target by itself.
    let private ofTargets rule =
        ofProxies (fun subject path proxy ->
            targetsOf (path, proxy) |> List.collect (fun (targetPath, target) -> rule subject path proxy targetPath target))

    /// Every thing of which there was one before, with the path of the first.
    let private repeats (things: (YamlPath * 'T) list) =
        things
        |> List.mapFold
            (fun seen (path, thing) ->
                match Map.tryFind thing seen with
                | Some firstPath -> Some(path, thing, firstPath), seen
                | None -> None, Map.add thing path seen)
            Map.empty
        |> fst
        |> List.choose id

    // ---- Errors

    let private proxyNamesAreUnique subject =
        proxiesOf subject
        |> List.filter (fun (_, proxy) -> proxy.Name <> "")
        |> List.map (fun (path, proxy) -> path, proxy.Name)
        |> repeats
        |> List.map (fun (path, name, first) -> wrong (path / "name") (ConfigFault.DuplicateName(name, first)))

    let private targetNamesAreUnique =
        ofProxies (fun _ path proxy ->
            targetsOf (path, proxy)
            |> List.filter (fun (_, target) -> target.Name <> "")
            |> List.map (fun (path, target) -> path, target.Name)
            |> repeats
            |> List.map (fun (path, name, first) -> wrong (path / "name") (ConfigFault.DuplicateName(name, first))))

    /// Everything that Bitflow itself listens on.
    let private listeners subject =
        [ match subject.Config.Application.Admin with
          | Some address -> application / "admin" / "address", address
          | None -> ()
          for path, proxy in proxiesOf subject do
              path / "listener" / "address", proxy.Listener.Address ]

    /// What a literal listener takes: of a port and a family, one address or (an empty text) every one.
    let private taken address =
        match address with
        | Address.Tcp(family, Host.Any, port) when port <> 0 ->
            [ if family <> TcpFamily.V6 then struct (port, true), ""
              if family <> TcpFamily.V4 then struct (port, false), "" ]
        | Address.Tcp(_, Host.Literal literal, port) when port <> 0 ->
            let literal = IpAddress.canonical literal
            let isEvery = literal.Equals Net.IPAddress.Any || literal.Equals Net.IPAddress.IPv6Any
            [ struct (port, IpAddress.isV4 literal), (if isEvery then "" else string literal) ]
        | _ -> []

    let private listenersDoNotOverlap subject =
        // Of each port and family: the first listener at all, and the first of every address.
        let step (firsts, hosts) (path, address) =
            let addNew key value map = if Map.containsKey key map then map else Map.add key value map
            let met =
                taken address
                |> List.tryPick (fun (key, host) ->
                    if host = "" then Map.tryFind key firsts
                    else Map.tryFind (key, "") hosts |> Option.orElse (Map.tryFind (key, host) hosts))
            let firsts = taken address |> List.fold (fun map (key, _) -> addNew key (path, address) map) firsts
            let hosts = taken address |> List.fold (fun map place -> addNew place (path, address) map) hosts
            met |> Option.map (fun (otherPath, other) -> wrong path (ConfigFault.ListenersOverlap(address, other, otherPath))),
            (firsts, hosts)
        listeners subject |> List.mapFold step (Map.empty, Map.empty) |> fst |> List.choose id

    let private unixPathsAreUnique subject =
        [ for path, address in listeners subject do
              match address with
              | Address.UnixPath _
              | Address.UnixAbstract _ -> path, string address
              | _ -> () ]
        |> repeats
        |> List.map (fun (path, address, first) -> wrong path (ConfigFault.OnePathTwice(address, first)))

    let private descriptorsAreUsedOnce subject =
        [ yield! listeners subject
          for path, proxy in proxiesOf subject do
              for targetPath, target in targetsOf (path, proxy) do
                  targetPath / "address", target.Address ]
        |> List.choose (fun (path, address) ->
            match address with
            | Address.Descriptor _
            | Address.NamedDescriptor _ -> Some(path, string address)
            | _ -> None)
        |> repeats
        |> List.map (fun (path, address, first) -> wrong path (ConfigFault.OneDescriptorTwice(address, first)))

    let private listenerCertificates =
        ofProxies (fun subject path proxy ->
            match proxy.Listener.Tls with
            | None -> []
            | Some tls ->
                let path = path / "listener" / "tls_context"
                [ match subject.Find(path / "certificates") with
                  // What is no list has been complained of.
                  | ValueSome { Value = (YamlValue.Scalar _ | YamlValue.Mapping _) } -> ()
                  | _ -> if tls.Certificates.IsEmpty then wrong path ConfigFault.NoCertificates
                  for i, entry in List.indexed tls.Certificates do
                      let entryPath = path / "certificates" / i
                      if entry.Key = "" then wrong entryPath (ConfigFault.ListenerCertificateWithout "key")
                      if entry.Certificate = "" then wrong entryPath (ConfigFault.ListenerCertificateWithout "certificate")
                  if tls.VerifyMode <> VerifyMode.None && tls.Certificates |> List.forall (fun entry -> entry.Authority = "") then
                      let mode = if tls.VerifyMode = VerifyMode.Strict then "strict" else "relaxed"
                      wrong (path / "verify_mode") (ConfigFault.VerifiesWithoutAuthority mode) ])

    let private targetCertificates =
        ofTargets (fun _ _ _ path target ->
            match target.Tls with
            | None -> []
            | Some tls ->
                [ for i, entry in List.indexed tls.Certificates do
                      let entryPath = path / "tls_context" / "certificates" / i
                      match entry.Key, entry.Certificate with
                      | "", "" -> if entry.Authority = "" then doubtful entryPath (ConfigWarning.NoEffect "the entry names no file")
                      | "", _ -> wrong entryPath (ConfigFault.TargetCertificateWithout "key")
                      | _, "" -> wrong entryPath (ConfigFault.TargetCertificateWithout "certificate")
                      | _ -> () ])

    let private networksNeedAddresses =
        ofProxies (fun _ path proxy ->
            match proxy.Listener.Address with
            | Address.UnixPath _
            | Address.UnixAbstract _ ->
                [ if not proxy.Listener.AuthorizedSources.IsEmpty then
                      wrong (path / "listener" / "authorized_sources") ConfigFault.NetworksOnUnixListener
                  if not proxy.Listener.TrustedProxies.IsEmpty then
                      wrong (path / "listener" / "trusted_proxies") ConfigFault.NetworksOnUnixListener ]
            | _ -> [])

    let private dualStackNeedsAChoice =
        ofTargets (fun _ _ proxy path target ->
            match target.Address with
            | _ when not proxy.Options.DualStack -> []
            | Address.Tcp(TcpFamily.Either, Host.Literal _, _) ->
                [ doubtful (path / "address") (ConfigWarning.LiteralBesideDualStack target.Address) ]
            | Address.Tcp(TcpFamily.Either, _, _) -> []
            | address -> [ wrong (path / "address") (ConfigFault.DualStackTarget address) ])

    let private socksNeedsTcp =
        ofTargets (fun _ _ _ path target ->
            [ if target.Proxy.IsSome && not target.Address.IsTcpAddress then
                  wrong (path / "proxy") (ConfigFault.SocksOnNoTcpTarget target.Address) ])

    let private verificationNeedsAName =
        ofTargets (fun _ _ _ path target ->
            match target.Tls with
            | Some tls when tls.VerifyMode <> VerifyMode.None && tls.ServerName = "" && not target.Address.IsTcpAddress ->
                [ wrong (path / "tls_context") ConfigFault.NoNameToVerify ]
            | _ -> [])

    let private passthroughCarriesTlsAlready =
        ofTargets (fun _ _ proxy path target ->
            [ if proxy.Options.LoadBalancer = Policy.Sni && proxy.Listener.Tls.IsNone && target.Tls.IsSome then
                  wrong (path / "tls_context") ConfigFault.TlsBehindPassthrough ])

    // ---- Warnings

    /// A server name is compared without regard to case and without the dot that may end it.
    let private foldedName (name: string) =
        let name = name.ToLowerInvariant()
        if name.EndsWith '.' && name.Length > 1 then name.Substring(0, name.Length - 1) else name

    let private isServerName (name: string) =
        name <> "" && name |> Seq.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '.' || c = '-' || c = '_')

    let private neverChosen =
        ofProxies (fun _ path proxy ->
            let targets = targetsOf (path, proxy)
            match proxy.Options.LoadBalancer with
            | Policy.None ->
                targets
                |> List.skip (min 1 targets.Length)
                |> List.map (fun (path, _) ->
                    doubtful path (ConfigWarning.NeverChosen "without connection_load_balancer only the first target is used"))
            | Policy.Failover
            | Policy.RoundRobin -> []
            | Policy.Sni ->
                let unmatched =
                    targets
                    |> List.choose (fun (path, target) ->
                        let name = foldedName target.Name
                        let suffix = if name.StartsWith "*." then name.Substring 2 else name
                        if name = "*" || name = "" then
                            None
                        elif (IpAddress.tryParse name).IsSome then
                            Some(path, "an address as server name matches only \"*\"")
                        elif not (isServerName suffix) then
                            Some(path, "no server name is written like its name")
                        else
                            None)
                let repeated =
                    targets
                    |> List.map (fun (path, target) -> path, foldedName target.Name)
                    |> repeats
                    |> List.map (fun (path, _, first) -> path, $"{first} has the same server name")
                unmatched @ repeated
                |> List.distinctBy fst
                |> List.map (fun (path, reason) -> doubtful (path / "name") (ConfigWarning.NeverChosen reason)))

    /// The keys that were written and do nothing, each with the reason.
    let private withoutEffect =
        let listenerKeys (subject: Subject) path (proxy: ProxyConfig) =
            let listener = path / "listener"
            let readsFirst =
                proxy.Listener.Tls.IsSome
                || not proxy.Listener.TrustedProxies.IsEmpty
                || proxy.Options.LoadBalancer = Policy.Sni
            [ if not readsFirst then
                  listener / "handshake_timeout", "this listener reads nothing from a client before dialling"
              match proxy.Listener.Tls with
              | Some tls when tls.VerifyMode = VerifyMode.None ->
                  for i in 0 .. tls.Certificates.Length - 1 do
                      listener / "tls_context" / "certificates" / i / "authority", "verify_mode \"none\" asks for no client certificate"
              | _ -> ()
              if proxy.Options.ProxyHeader.IsNone then
                  path / "options" / "proxy_header_version", "enable_proxy_header is not set" ]
            |> List.filter (fun (key, _) -> subject.IsWritten key)
        let targetKeys (subject: Subject) (proxy: ProxyConfig) path (target: TargetConfig) =
            let isDescriptor = match target.Address with Address.Descriptor _ -> true | _ -> false
            let isUnix = match target.Address with Address.UnixPath _ | Address.UnixAbstract _ -> true | _ -> false
            [ if not proxy.Options.DualStack then
                  path / "resolve_timeout", "it is only read with enable_dual_stack"
              if isDescriptor then
                  path / "connect_attempts", "an inherited descriptor is already connected"
                  path / "connect_backoff", "an inherited descriptor is already connected"
              elif target.ConnectAttempts <= 1 then
                  path / "connect_backoff", "connect_attempts allows one attempt"
              if isUnix then
                  path / "keepalive_interval", "a Unix socket has no keep-alive"
              match target.Tls with
              | Some tls when tls.VerifyMode = VerifyMode.None ->
                  for i in 0 .. tls.Certificates.Length - 1 do
                      path / "tls_context" / "certificates" / i / "authority", "verify_mode \"none\" accepts any certificate"
              | _ -> () ]
            |> List.filter (fun (key, _) -> subject.IsWritten key)
        let applicationKeys (subject: Subject) =
            [ if subject.Config.Application.Metrics.IsNone then
                  application / "metrics" / "prefix", "metrics.address is not set"
                  application / "metrics" / "format", "metrics.address is not set"
              if subject.Config.Application.LogLevel.IsNone then
                  application / "log" / "format", "log.level is not set, so nothing is logged" ]
            |> List.filter (fun (key, _) -> subject.IsWritten key)
        fun subject ->
            [ yield! applicationKeys subject
              for path, proxy in proxiesOf subject do
                  yield! listenerKeys subject path proxy
                  for targetPath, target in targetsOf (path, proxy) do
                      yield! targetKeys subject proxy targetPath target ]
            |> List.map (fun (key, reason) -> doubtful key (ConfigWarning.NoEffect reason))

    /// The clock of a side stands still while a write to the other side is pending: that side's own has to run then.
    let private readTimeoutsHaveAnOpposite =
        ofProxies (fun _ path proxy ->
            let targets = targetsOf (path, proxy)
            [ match targets |> List.tryFind (fun (_, target) -> target.WriteTimeout.IsZero) with
              | Some(targetPath, _) when not proxy.Listener.ReadTimeout.IsZero ->
                  doubtful (path / "listener" / "read_timeout") (ConfigWarning.ReadWithoutWrite("target", targetPath / "write_timeout"))
              | _ -> ()
              if proxy.Listener.WriteTimeout.IsZero then
                  for targetPath, target in targets do
                      if not target.ReadTimeout.IsZero then
                          doubtful (targetPath / "read_timeout") (ConfigWarning.ReadWithoutWrite("client", path / "listener" / "write_timeout")) ])

    let private longestWait = Duration.OfSeconds 3600L
    let private patience = Duration.OfSeconds 30L

    let private add (a: Duration) (b: Duration) : Duration = a + b

    /// How long a target may be dialled before it is given up: all attempts at their full length and the waits
    /// between them, which double up to an hour. None where an attempt has no limit.
    let private longestOfTarget (target: TargetConfig) =
        if target.Address.IsTcpAddress && target.ConnectTimeout.IsZero then
            None
        else
            let rec total attempt (wait: Duration) (sum: Duration) =
                if attempt >= target.ConnectAttempts then
                    sum
                else
                    let next = if wait >= longestWait then longestWait else add wait wait
                    total (attempt + 1) next (add (add sum (min wait longestWait)) target.ConnectTimeout)
            Some(total 1 target.ConnectBackoff target.ConnectTimeout)

    let private diallingEndsInTime =
        ofProxies (fun _ path proxy ->
            let tried =
                match proxy.Options.LoadBalancer with
                | Policy.None -> List.truncate 1 proxy.Targets
                | _ -> proxy.Targets
            let dialled = tried |> List.filter (fun target -> match target.Address with Address.Descriptor _ -> false | _ -> true)
            let each = dialled |> List.map longestOfTarget
            let lifetime = proxy.Options.ConnectionLifetime
            let isBounded = lifetime.IsPositive && lifetime <= patience
            if isBounded || each.IsEmpty then
                []
            elif List.exists Option.isNone each then
                [ if lifetime.IsZero then doubtful (path / "targets") ConfigWarning.NeverGivesUp
                  else doubtful (path / "targets") (ConfigWarning.SlowToGiveUp lifetime) ]
            else
                let each = List.map Option.get each
                let longest = if proxy.Options.LoadBalancer = Policy.Sni then List.max each else List.reduce add each
                let longest = if lifetime.IsPositive then min lifetime longest else longest
                [ if longest > patience then doubtful (path / "targets") (ConfigWarning.SlowToGiveUp longest) ])

    /// Every rule. Their order does not matter: findings are reported in the order of the file.
    let all: (Subject -> Finding list) list =
        [ proxyNamesAreUnique
          targetNamesAreUnique
          listenersDoNotOverlap
          unixPathsAreUnique
          descriptorsAreUsedOnce
          listenerCertificates
          targetCertificates
          networksNeedAddresses
          dualStackNeedsAChoice
          socksNeedsTcp
          verificationNeedsAName
          passthroughCarriesTlsAlready
          neverChosen
          withoutEffect
          readTimeoutsHaveAnOpposite
          diallingEndsInTime ]
