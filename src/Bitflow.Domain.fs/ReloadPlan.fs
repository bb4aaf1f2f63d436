namespace Bitflow.Domain

open System.Collections.Generic

/// A configuration together with what its files held when it was read.
[<NoComparison; NoEquality>]
type ConfigSnapshot =
    { Config: Config
      /// A digest of the contents of each file that the configuration names (`ReloadPlan.files`), by path. A file that
      /// is not in it counts as one without contents.
      Digests: IReadOnlyDictionary<string, string> }

/// What becomes of a proxy, known by its name.
[<RequireQualifiedAccess>]
type ProxyFate =
    /// Nothing of it changed.
    | Kept
    | Started
    /// Its open connections go on until they end.
    | Stopped
    /// New connections get the new settings; open ones keep what they began with. Its count of open connections goes on.
    | Replaced of differences: string list

[<NoComparison>]
type ProxyStep =
    { /// What it is to be; of one that is stopped, what it was.
      Config: ProxyConfig
      Fate: ProxyFate }

    member this.Name = this.Config.Name

    /// Whether it is made anew of its configuration.
    member this.IsMade =
        match this.Fate with
        | ProxyFate.Started
        | ProxyFate.Replaced _ -> true
        | ProxyFate.Kept
        | ProxyFate.Stopped -> false

/// What becomes of what a running configuration holds open.
[<RequireQualifiedAccess>]
type HeldFate =
    /// Never closed, not for a moment: both files name it.
    | Kept
    | Opened
    | Closed

/// Whom a listening socket serves.
[<RequireQualifiedAccess>]
type SocketOwner =
    | Proxy of name: string
    | Admin

    override this.ToString() = match this with Proxy name -> $"proxy {name}" | Admin -> "the admin server"

/// A listening socket, known by its address.
[<NoComparison>]
type SocketStep =
    { Address: Address
      /// Whom it serves from now on; for a closed one, whom it served.
      Owner: SocketOwner
      /// The proxy that had it before, where it is kept for another.
      From: string voption
      Fate: HeldFate }

/// What a shell has for each fate of a proxy's listening socket. A fate more is a member more: no shell is built without it.
type ISocketHolder =
    abstract Open: proxy: string * address: Address -> unit
    /// What the one listened on, the other goes on with: the same proxy, unless it has another name now.
    abstract Keep: from: string * proxy: string -> unit
    abstract Close: proxy: string -> unit

[<RequireQualifiedAccess>]
module SocketStep =
    /// Does what becomes of a proxy's socket. The admin server has its own, and none changes hands between the two.
    [<CompiledName "CarryOut">]
    let carryOut (holder: ISocketHolder) (step: SocketStep) : unit =
        match step.Owner, step.Fate with
        | SocketOwner.Proxy name, HeldFate.Opened -> holder.Open(name, step.Address)
        | SocketOwner.Proxy name, HeldFate.Kept -> holder.Keep(ValueOption.defaultValue name step.From, name)
        | SocketOwner.Proxy name, HeldFate.Closed -> holder.Close name
        | SocketOwner.Admin, _ -> ()

/// What becomes of a connection log, known by its path. One path is one writer.
type LogStep = { Path: string; Fate: HeldFate }

/// What a reload does, decided before anything is opened: everything new is opened first, and one failure leaves all as
/// it was.
[<NoComparison>]
type ReloadPlan =
    { /// In the order of the new file, stopped ones last.
      Proxies: ProxyStep list
      /// Those of proxies in the same order, then the admin server's. Between the two no socket changes hands: an address that goes from one
      /// to the other is closed and opened.
      Sockets: SocketStep list
      Logs: LogStep list
      /// Keys below `application` whose values differ, `engine` excepted.
      Application: string list
      /// The engine differs; it stays as it is until the program is started again.
      EngineNeedsRestart: bool }

    /// Of an address that is to be opened (to be asked of many): the sockets that overlap with it and are closed by the same plan. New sockets are opened before
    /// old ones close, so that a failure can leave everything as it was: together they cannot be.
    member this.InTheWay: Address -> SocketStep list =
        ListenerAddress.overlapping [ for s in this.Sockets do if s.Fate = HeldFate.Closed then s, s.Address ]

    /// Whether it is known beforehand that the reload fails.
    member this.IsObstructed =
        let inTheWay = this.InTheWay
        this.Sockets |> List.exists (fun s -> s.Fate = HeldFate.Opened && not (inTheWay s.Address).IsEmpty)

    /// How many connection logs it opens, each of which takes a descriptor.
    member this.LogsToOpen = this.Logs |> List.filter (fun l -> l.Fate = HeldFate.Opened) |> List.length

    /// How many descriptors it opens before it closes any: one for each new connection log and each new socket that is not inherited. A name that has several
    /// addresses asks for more, which nobody knows before it is resolved.
    member this.DescriptorsToOpen =
        let sockets = this.Sockets |> List.filter (fun s -> s.Fate = HeldFate.Opened && not s.Address.IsInherited)
        sockets.Length + this.LogsToOpen

    member this.ChangesNothing =
        this.Application.IsEmpty
        && not this.EngineNeedsRestart
        && this.Proxies |> List.forall (fun p -> p.Fate = ProxyFate.Kept)
        && this.Sockets |> List.forall (fun s -> s.Fate = HeldFate.Kept)

/// From what is served and what is to be served to what must be done: the plan that SIGHUP carries out and `bitflow
/// diff` prints.
[<RequireQualifiedAccess>]
module ReloadPlan =
    let private certificateFiles (shown: CertificateFiles option) (authority: string option) =
        [ match shown with
          | Some files -> yield! [ files.Certificate; files.Key ]
          | None -> ()
          yield! Option.toList authority ]

    let private filesOf (proxy: ProxyConfig) =
        [ match proxy.Listener.Tls with
          | Some tls -> for entry in tls.Certificates do yield! certificateFiles (Some entry.Shown) entry.Authority
          | None -> ()
          for target in proxy.Targets do
              match target.Tls with
              | Some tls -> for entry in tls.Certificates do yield! certificateFiles entry.Shown entry.Authority
              | None -> () ]
        |> List.distinct

    /// The files whose contents are part of the configuration.
    [<CompiledName "Files">]
    let files (config: Config) : IReadOnlyList<string> =
        config.Proxies |> List.collect filesOf |> List.distinct |> List.toArray :> IReadOnlyList<string>

    let private listenerDifferences (a: ListenerConfig) (b: ListenerConfig) =
        [ if a.Address <> b.Address then "listener.address"
          if a.ReadTimeout <> b.ReadTimeout then "listener.read_timeout"
          if a.WriteTimeout <> b.WriteTimeout then "listener.write_timeout"
          if a.HandshakeTimeout <> b.HandshakeTimeout then "listener.handshake_timeout"
          if a.AuthorizedSources <> b.AuthorizedSources then "listener.authorized_sources"
          if a.TrustedProxies <> b.TrustedProxies then "listener.trusted_proxies"
          if a.Tls <> b.Tls then "listener.tls_context" ]

    let private targetDifferences (a: TargetConfig) (b: TargetConfig) =
        [ if a.Address <> b.Address then "address"
          if a.Proxy <> b.Proxy then "proxy"
          if a.ConnectAttempts <> b.ConnectAttempts then "connect_attempts"
          if a.ConnectBackoff <> b.ConnectBackoff then "connect_backoff"
          if a.ConnectTimeout <> b.ConnectTimeout then "connect_timeout"
          if a.ResolveTimeout <> b.ResolveTimeout then "resolve_timeout"
          if a.ReadTimeout <> b.ReadTimeout then "read_timeout"
          if a.WriteTimeout <> b.WriteTimeout then "write_timeout"
          if a.KeepAlive <> b.KeepAlive then "keepalive_interval"
          if a.Tls <> b.Tls then "tls_context" ]
        |> List.map (fun key -> $"targets[{a.Name}].{key}")

    let private optionDifferences (a: ProxyOptions) (b: ProxyOptions) =
        [ if a.ConnectionLimit <> b.ConnectionLimit then "options.connection_limit"
          if a.ConnectionLifetime <> b.ConnectionLifetime then "options.connection_lifetime"
          if a.ConnectionLog <> b.ConnectionLog then "options.connection_log"
          if a.LoadBalancer <> b.LoadBalancer then "options.connection_load_balancer"
          if a.ProxyHeader.IsSome <> b.ProxyHeader.IsSome then "options.enable_proxy_header"
          elif a.ProxyHeader <> b.ProxyHeader then "options.proxy_header_version"
          if a.DualStack <> b.DualStack then "options.enable_dual_stack" ]

    let private digest (snapshot: ConfigSnapshot) path =
        match snapshot.Digests.TryGetValue path with
        | true, digest -> digest
        | _ -> ""

    /// Whether every client is sent to the first of several targets, or to it before any other.
    let private startsWithFirst (proxy: ProxyConfig) =
        match proxy.Options.LoadBalancer with
        | Policy.None
        | Policy.Failover -> proxy.Targets.Length > 1
        | Policy.RoundRobin
        | Policy.Sni -> false

    let private differences (before: ConfigSnapshot) (after: ConfigSnapshot) (a: ProxyConfig) (b: ProxyConfig) =
        let names (p: ProxyConfig) = p.Targets |> List.map _.Name
        let removed = names a |> List.except (names b)
        let added = names b |> List.except (names a)
        [ yield! listenerDifferences a.Listener b.Listener
          for name in removed do
              $"targets[{name}] removed"
          for name in added do
              $"targets[{name}] added"
          let old = Dictionary<string, TargetConfig>()
          for target in a.Targets do old.TryAdd(target.Name, target) |> ignore
          for target in b.Targets do
              match old.TryGetValue target.Name with
              | true, before -> yield! targetDifferences before target
              | _ -> ()
          let isInOtherOrder = List.except removed (names a) <> List.except added (names b)
          if isInOtherOrder then
              "order of targets"
          // Where all are sent, or tried first, is what a newcomer in front changes.
          elif startsWithFirst b && List.tryHead (names a) <> List.tryHead (names b) then
              $"targets[{List.head (names b)}] now first"
          yield! optionDifferences a.Options b.Options
          let oldFiles = HashSet(filesOf a)
          for path in filesOf b do
              if oldFiles.Contains path && digest before path <> digest after path then $"contents of {path}" ]

    let private applicationDifferences (a: ApplicationConfig) (b: ApplicationConfig) =
        [ if a.SentryDsn <> b.SentryDsn then "sentry_dsn"
          if a.Metrics <> b.Metrics then "metrics"
          if a.LogLevel <> b.LogLevel then "log.level"
          if a.LogFormat <> b.LogFormat then "log.format"
          if a.ShutdownTimeout <> b.ShutdownTimeout then "shutdown_timeout"
          if a.Admin <> b.Admin then "admin.address" ]

    let private logs (config: Config) =
        config.Proxies |> List.choose _.Options.ConnectionLog |> List.distinct

    /// Where a socket is to be opened for the admin server, between the address that it has and the one that it is to have: none where that is
    /// the same, however it is written.
    [<CompiledName "AdminToOpen">]
    let adminToOpen (before: Address option) (after: Address option) : Address option =
        match before, after with
        | Some was, Some willBe when ListenerAddress.isSame was willBe -> None
        | _ -> after

    let private adminSockets (before: Address option) (after: Address option) =
        let step fate address = { Address = address; Owner = SocketOwner.Admin; From = ValueNone; Fate = fate }
        match adminToOpen before after, after with
        | None, Some kept -> [ step HeldFate.Kept kept ]
        | opened, _ ->
            [ yield! opened |> Option.map (step HeldFate.Opened) |> Option.toList
              yield! before |> Option.map (step HeldFate.Closed) |> Option.toList ]

    /// Whose socket each proxy goes on with, none where one is to be opened; and the proxies whose sockets nobody goes on with. A socket stays with its proxy where that
    /// is still there: several may have the same address with port 0, each a port of its own.
    let private sharedOut (was: ProxyConfig list) (willBe: ProxyConfig list) : (ProxyConfig * string option) list * ProxyConfig list =
        let free = Dictionary<Address, ProxyConfig list>()
        for proxy in List.rev was do
            let address = ListenerAddress.canonical proxy.Listener.Address
            free[address] <- proxy :: (match free.TryGetValue address with | true, others -> others | _ -> [])
        let take isWanted (proxy: ProxyConfig) =
            let address = ListenerAddress.canonical proxy.Listener.Address
            match free.TryGetValue address with
            | true, there ->
                match List.tryFind isWanted there with
                | Some taken ->
                    free[address] <- there |> List.filter (fun other -> not (obj.ReferenceEquals(other, taken)))
                    Some taken.Name
                | None -> None
            | _ -> None
        let own = willBe |> List.map (fun proxy -> proxy, take (fun other -> other.Name = proxy.Name) proxy)
        let kept = own |> List.map (fun (proxy, from) -> proxy, (if from.IsSome then from else take (fun _ -> true) proxy))
        let isFree (proxy: ProxyConfig) =
            free[ListenerAddress.canonical proxy.Listener.Address] |> List.exists (fun other -> obj.ReferenceEquals(other, proxy))
        kept, List.filter isFree was

    /// The plan from one configuration to another.
    [<CompiledName "Make">]
    let make (before: ConfigSnapshot) (after: ConfigSnapshot) : ReloadPlan =
        let was, willBe = before.Config.Proxies, after.Config.Proxies
        let byName (proxies: ProxyConfig list) =
            let table = Dictionary<string, ProxyConfig>()
            for proxy in proxies do table.TryAdd(proxy.Name, proxy) |> ignore
            table
        let wasByName, willBeByName = byName was, byName willBe
        let kept, dropped = sharedOut was willBe
        let oldLogs, newLogs = logs before.Config, logs after.Config
        let wasLogged = HashSet oldLogs
        { Proxies =
            [ for proxy in willBe do
                  let fate =
                      match wasByName.TryGetValue proxy.Name with
                      | false, _ -> ProxyFate.Started
                      | true, old ->
                          match differences before after old proxy with
                          | [] -> ProxyFate.Kept
                          | differences -> ProxyFate.Replaced differences
                  { Config = proxy; Fate = fate }
              for proxy in was do
                  if not (willBeByName.ContainsKey proxy.Name) then { Config = proxy; Fate = ProxyFate.Stopped } ]
          Sockets =
            [ for proxy, from in kept do
                  { Address = proxy.Listener.Address
                    Owner = SocketOwner.Proxy proxy.Name
                    From = from |> Option.filter (fun name -> name <> proxy.Name) |> ValueOption.ofOption
                    Fate = (if from.IsSome then HeldFate.Kept else HeldFate.Opened) }
              for proxy in dropped do
                  { Address = proxy.Listener.Address; Owner = SocketOwner.Proxy proxy.Name; From = ValueNone; Fate = HeldFate.Closed }
              yield! adminSockets before.Config.Application.Admin after.Config.Application.Admin ]
          Logs =
            [ for path in newLogs do
                  { Path = path; Fate = (if wasLogged.Contains path then HeldFate.Kept else HeldFate.Opened) }
              for path in oldLogs |> List.except newLogs do
                  { Path = path; Fate = HeldFate.Closed } ]
          Application = applicationDifferences before.Config.Application after.Config.Application
          EngineNeedsRestart = before.Config.Application.Engine <> after.Config.Application.Engine }

    /// The plan of a start: from nothing, with what the application asks for.
    [<CompiledName "OfStart">]
    let ofStart (config: ConfigSnapshot) : ReloadPlan = make { config with Config = { config.Config with Proxies = [] } } config

    /// What is served once the plan from one to the other has been carried out: the engine is still the one that was started.
    [<CompiledName "Served">]
    let served (before: ConfigSnapshot) (after: ConfigSnapshot) : ConfigSnapshot =
        let application = { after.Config.Application with Engine = before.Config.Application.Engine }
        { after with Config = { after.Config with Application = application } }
