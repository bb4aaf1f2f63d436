namespace Bitflow.Domain

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

        /// Whether something is written that is not as good as no key.
        member subject.IsGiven path =
            match subject.Find path with
            | ValueSome { Value = YamlValue.Scalar("", _) } -> false
            | _ -> subject.IsWritten path

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

    let private listenersDoNotOverlap subject =
        /// As it is written, or two that are alike in what they mean would be told as one.
        let written path (address: Address) =
            match subject.Find path with
            | ValueSome { Value = YamlValue.Scalar(text, _) } -> text
            | _ -> string address
        ListenerAddress.overlaps (listeners subject)
        |> List.map (fun ((path, address), (otherPath, other)) ->
            wrong path (ConfigFault.ListenersOverlap(written path address, written otherPath other, otherPath)))

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
                  targetPath / "address", target.Address.AsAddress ]
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
                  for i in 0 .. tls.Certificates.Length - 1 do
                      let entryPath = path / "certificates" / i
                      for key in [ "key"; "certificate" ] do
                          if not (subject.IsGiven(entryPath / key)) then wrong entryPath (ConfigFault.ListenerCertificateWithout key)
                  if tls.VerifyMode <> VerifyMode.None && tls.Certificates |> List.forall _.Authority.IsNone then
                      wrong (path / "verify_mode") (ConfigFault.VerifiesWithoutAuthority(string tls.VerifyMode)) ])

    let private targetCertificates =
        ofTargets (fun subject _ _ path target ->
            match target.Tls with
            | None -> []
            | Some tls ->
                [ for i, entry in List.indexed tls.Certificates do
                      let entryPath = path / "tls_context" / "certificates" / i
                      match subject.IsGiven(entryPath / "key"), subject.IsGiven(entryPath / "certificate") with
                      | false, false -> if entry.Authority.IsNone then doubtful entryPath (ConfigWarning.NoEffect "the entry names no file")
                      | false, true -> wrong entryPath (ConfigFault.TargetCertificateWithout "key")
                      | true, false -> wrong entryPath (ConfigFault.TargetCertificateWithout "certificate")
                      | true, true -> () ])

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
            let isLiteral address = match address with DialAddress.Tcp(_, DialHost.Literal _, _) -> true | _ -> false
            let ofProxy (socks: SocksProxy) = if isLiteral socks.Address then [ doubtful (path / "proxy") ConfigWarning.LiteralProxyBesideDualStack ] else []
            match target.Address with
            | _ when not proxy.Options.DualStack -> []
            | TargetAddress.Dialled(DialAddress.Tcp(TcpFamily.Either, _, _) as address) ->
                (if isLiteral address then [ doubtful (path / "address") (ConfigWarning.LiteralBesideDualStack address) ] else [])
                @ (target.Proxy |> Option.map ofProxy |> Option.defaultValue [])
            | address -> [ wrong (path / "address") (ConfigFault.DualStackTarget address) ])

    let private socksNeedsTcp =
        ofTargets (fun _ _ _ path target ->
            [ if target.Proxy.IsSome && not target.Address.IsTcpAddress then
                  wrong (path / "proxy") (ConfigFault.SocksOnNoTcpTarget target.Address) ])

    let private verificationNeedsAName =
        ofTargets (fun _ _ _ path target ->
            match target.Tls with
            | Some tls when tls.VerifyMode <> VerifyMode.None && tls.ServerName.IsNone && not target.Address.IsTcpAddress ->
                [ wrong (path / "tls_context") ConfigFault.NoNameToVerify ]
            | _ -> [])

    let private passthroughCarriesTlsAlready =
        ofTargets (fun _ _ proxy path target ->
            [ if proxy.Options.LoadBalancer = Policy.Sni && proxy.Listener.Tls.IsNone && target.Tls.IsSome then
                  wrong (path / "tls_context") ConfigFault.TlsBehindPassthrough ])

    // ---- Warnings

    /// The places of the targets that can be chosen for some client.
    let private reachable (proxy: ProxyConfig) =
        Balancer.reachable proxy.Options.LoadBalancer (proxy.Targets |> List.map _.Name) |> Set.ofList

    let private neverChosen =
        ofProxies (fun _ path proxy ->
            let reachable = reachable proxy
            let reason (target: TargetConfig) =
                match proxy.Options.LoadBalancer with
                | Policy.Sni when (ServerName.tryPattern target.Name).IsNone -> ServerName.describeNoPattern target.Name
                | Policy.Sni -> "a target above has the same server name"
                | _ -> "without connection_load_balancer only the first target is used"
            targetsOf (path, proxy)
            |> List.indexed
            |> List.filter (fun (i, _) -> not (reachable.Contains i))
            |> List.map (fun (_, (path, target)) -> doubtful path (ConfigWarning.NeverChosen(reason target))))

    /// What other programs write for a name and all below it, and for everyone else.
    let private namesAreAsked =
        ofTargets (fun _ _ proxy path target ->
            let unusual meant = [ doubtful (path / "name") (ConfigWarning.UnusualName(target.Name, meant)) ]
            match proxy.Options.LoadBalancer with
            | Policy.Sni when target.Name.Length > 1 && target.Name[0] = '.' -> unusual $"\"*{target.Name}\" for the names below it, and \"{target.Name.Substring 1}\" for itself"
            | Policy.Sni when target.Name = "default" -> unusual "\"*\" for everyone else"
            | _ -> [])

    let private targetsLeadElsewhere =
        ofTargets (fun _ _ proxy path target ->
            let isLocal (dialled: DialHost) =
                match dialled with
                | DialHost.Literal address -> System.Net.IPAddress.IsLoopback address
                | DialHost.Name name -> name.Text = "localhost"
            let isOwn =
                match proxy.Listener.Address, target.Address with
                | _ when target.Proxy.IsSome -> false
                | Address.Tcp(_, host, port), TargetAddress.Dialled(DialAddress.Tcp(_, dialled, dialledPort)) ->
                    port = dialledPort.Number
                    && (match host, dialled with
                        | Host.Literal own, DialHost.Literal address when own.Equals address -> true
                        | Host.Name own, DialHost.Name name when own = name.Text -> true
                        | Host.Any, _ -> isLocal dialled
                        | Host.Literal own, _ when own.Equals System.Net.IPAddress.Any -> isLocal dialled
                        | Host.Literal own, DialHost.Name _ -> System.Net.IPAddress.IsLoopback own && isLocal dialled
                        | Host.Name own, DialHost.Literal _ -> own = "localhost" && isLocal dialled
                        | _ -> false)
                | (Address.UnixPath _ | Address.UnixAbstract _) as own, address -> own = address.AsAddress
                | _ -> false
            [ if isOwn then doubtful (path / "address") (ConfigWarning.LeadsBack target.Address) ])

    /// Of paths that may be made: where a certificate is not, that is said when it is read.
    let private pathsAreWrittenOut =
        ofProxies (fun _ path proxy ->
            let socket (path: YamlPath) address = match address with Address.UnixPath written -> [ path / "address", written ] | _ -> []
            [ yield! proxy.Options.ConnectionLog |> Option.map (fun written -> path / "options" / "connection_log", written) |> Option.toList
              yield! socket (path / "listener") proxy.Listener.Address
              for targetPath, target in targetsOf (path, proxy) do yield! socket targetPath target.Address.AsAddress ]
            |> List.filter (fun (_, written) -> FilePath.isForAShell written)
            |> List.map (fun (key, _) -> doubtful key ConfigWarning.ForAShell))

    /// The entries of a list of protocols that stand above already.
    let private repeatedProtocols (tlsPath: YamlPath) (names: AlpnName list) =
        let seen = System.Collections.Generic.HashSet<string>()
        [ for i, name in List.indexed names do
              if not (seen.Add(string name)) then tlsPath / "application_protocols" / i, "the same protocol stands above" ]

    /// The keys that were written and do nothing, each with the reason.
    let private withoutEffect =
        /// Times that can never be over before the connection is.
        let outlived (proxy: ProxyConfig) (times: (YamlPath * Duration) list) =
            let lifetime = proxy.Options.ConnectionLifetime
            [ for key, time in times do
                  if lifetime.IsPositive && time.TotalNanoseconds >= lifetime.TotalNanoseconds then
                      key, $"connection_lifetime ends every connection after {lifetime}" ]
        let listenerKeys (subject: Subject) path (proxy: ProxyConfig) =
            let listener = path / "listener"
            [ if not proxy.MayReadFirst then
                  listener / "handshake_timeout", "this listener reads nothing from a client before dialling"
              match proxy.Listener.Tls with
              | Some tls -> yield! repeatedProtocols (listener / "tls_context") tls.ApplicationProtocols
              | None -> ()
              match proxy.Listener.Tls with
              | Some tls when tls.VerifyMode = VerifyMode.None ->
                  for i in 0 .. tls.Certificates.Length - 1 do
                      listener / "tls_context" / "certificates" / i / "authority", "verify_mode \"none\" asks for no client certificate"
              | _ -> ()
              if proxy.Options.ProxyHeader.IsNone then
                  path / "options" / "proxy_header_version", "enable_proxy_header is not set"
              yield! outlived proxy
                  [ if proxy.MayReadFirst then listener / "handshake_timeout", proxy.Listener.HandshakeTimeout
                    listener / "read_timeout", proxy.Listener.ReadTimeout
                    listener / "write_timeout", proxy.Listener.WriteTimeout ] ]
            |> List.filter (fun (key, _) -> subject.IsWritten key)
        let targetKeys (subject: Subject) (proxy: ProxyConfig) path (target: TargetConfig) =
            let isDescriptor = match target.Address with TargetAddress.Descriptor _ -> true | _ -> false
            let isUnix = match target.Address with TargetAddress.Dialled(DialAddress.UnixPath _ | DialAddress.UnixAbstract _) -> true | _ -> false
            [ if not proxy.Options.DualStack then
                  path / "resolve_timeout", "it is only read with enable_dual_stack"
              if isDescriptor then
                  path / "connect_attempts", "an inherited descriptor is already connected"
                  path / "connect_backoff", "an inherited descriptor is already connected"
              elif target.ConnectAttempts <= 1 && target.ConnectBackoff.IsPositive then
                  path / "connect_backoff", "connect_attempts allows one attempt"
              match target.Address with
              | TargetAddress.Dialled(DialAddress.Tcp((TcpFamily.V4 | TcpFamily.V6) as family, DialHost.Name name, _)) when target.Proxy.IsSome ->
                  let held = if family = TcpFamily.V4 then "tcp4:" else "tcp6:"
                  path / "address", $"\"{held}\" is not told to the SOCKS5 proxy, which resolves {name} as it likes"
              | _ -> ()
              if isUnix then
                  path / "keepalive_interval", "a Unix socket has no keep-alive"
              yield! outlived proxy
                  [ path / "connect_timeout", target.ConnectTimeout
                    if proxy.Options.DualStack then path / "resolve_timeout", target.ResolveTimeout
                    path / "read_timeout", target.ReadTimeout
                    path / "write_timeout", target.WriteTimeout ]
              match target.Tls with
              | Some tls -> yield! repeatedProtocols (path / "tls_context") tls.ApplicationProtocols
              | None -> ()
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
            let reachable = reachable proxy
            let targets = targetsOf (path, proxy) |> List.indexed |> List.filter (fun (i, _) -> reachable.Contains i) |> List.map snd
            [ match [ for targetPath, target in targets do if target.WriteTimeout.IsZero then targetPath / "write_timeout" ] with
              | _ :: _ as unlimited when not proxy.Listener.ReadTimeout.IsZero ->
                  doubtful (path / "listener" / "read_timeout") (ConfigWarning.ReadWithoutWrite("target", unlimited))
              | _ -> ()
              if proxy.Listener.WriteTimeout.IsZero then
                  for targetPath, target in targets do
                      if not target.ReadTimeout.IsZero then
                          doubtful (targetPath / "read_timeout") (ConfigWarning.ReadWithoutWrite("client", [ path / "listener" / "write_timeout" ])) ])

    /// Beyond this a client has left, most often, before it is told.
    let private patience = Duration.OfSeconds 30L

    let private diallingEndsInTime =
        ofProxies (fun _ path proxy ->
            let targets = List.toArray proxy.Targets
            let isDialled (target: TargetConfig) = match target.Address with TargetAddress.Descriptor _ -> false | _ -> true
            let reachable = reachable proxy |> Set.toList |> List.filter (fun i -> i < targets.Length && isDialled targets[i])
            let orders =
                match proxy.Options.LoadBalancer with
                | Policy.Sni -> reachable |> List.map Array.singleton
                | _ -> [ List.toArray reachable ]
            let longest = orders |> List.map (DialPlan.longest targets) |> List.fold max Duration.Zero
            let isEndless = reachable |> List.exists (fun i -> targets[i].ConnectTimeout.IsZero)
            let lifetime = proxy.Options.ConnectionLifetime
            let path = path / "targets"
            if lifetime.IsPositive && (isEndless || lifetime < longest) then
                [ if lifetime > patience then doubtful path (ConfigWarning.SlowToGiveUp lifetime) ]
            elif isEndless then
                [ doubtful path ConfigWarning.NeverGivesUp ]
            else
                [ if longest > patience then doubtful path (ConfigWarning.SlowToGiveUp longest) ])

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
          namesAreAsked
          targetsLeadElsewhere
          pathsAreWrittenOut
          withoutEffect
          readTimeoutsHaveAnOpposite
          diallingEndsInTime ]
