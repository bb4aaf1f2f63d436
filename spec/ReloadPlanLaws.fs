module Bitflow.Spec.ReloadPlanLaws

open System.Collections.Generic
open System.Text.Json
open FSharp.Reflection
open Xunit
open Bitflow.Domain

let private snapshot (ConfigSeed(config, digests)) =
    { Config = config; Digests = dict digests |> fun d -> Dictionary<string, string>(d) :> IReadOnlyDictionary<_, _> }

let private plan before after = ReloadPlan.make (snapshot before) (snapshot after)
let private names (ConfigSeed(config, _)) = config.Proxies |> List.map _.Name
let private addresses (ConfigSeed(config, _)) = config.Proxies |> List.map _.Listener.Address
let private textOf (plan: ReloadPlan) = ReloadReport.describe plan |> Seq.map _.Text |> List.ofSeq
let private fate (plan: ReloadPlan) name = plan.Proxies |> List.find (fun p -> p.Name = name) |> _.Fate

[<Fact>]
let ``reading the same file again changes nothing`` () =
    Law.Holds(fun (seed: ConfigSeed) ->
        let plan = plan seed seed
        plan.ChangesNothing && List.last (List.ofSeq (textOf plan)) = "nothing changes")

[<Fact>]
let ``a listening socket whose address stays is never closed, whatever else changes and whichever proxy has it`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let plan = plan before after
        let stays = addresses before |> List.filter (fun a -> List.contains a (addresses after))
        stays |> List.forall (fun address ->
            plan.Sockets |> List.filter (fun s -> s.Address = address) |> List.forall (fun s -> s.Fate = HeldFate.Kept)))

[<Fact>]
let ``after a reload exactly the addresses of the new file are open`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let plan = plan before after
        let these fate = plan.Sockets |> List.filter (fun s -> s.Fate = fate) |> List.map (fun s -> string s.Address) |> set
        let opened, closed, kept = these HeldFate.Opened, these HeldFate.Closed, these HeldFate.Kept
        let was, willBe = addresses before |> List.map string |> set, addresses after |> List.map string |> set
        Set.union kept opened = willBe && Set.union kept closed = was && Set.isEmpty (Set.intersect opened was) && Set.isEmpty (Set.intersect closed willBe))

[<Fact>]
let ``each proxy of either file has one fate`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let plan = plan before after
        (plan.Proxies |> List.map _.Name) = names after @ (names before |> List.except (names after))
        && plan.Proxies |> List.forall (fun p ->
            match p.Fate with
            | ProxyFate.Started -> not (List.contains p.Name (names before)) && List.contains p.Name (names after)
            | ProxyFate.Stopped -> List.contains p.Name (names before) && not (List.contains p.Name (names after))
            | ProxyFate.Kept | ProxyFate.Replaced _ -> List.contains p.Name (names before) && List.contains p.Name (names after)))

[<Fact>]
let ``a proxy is made of what the new file says of it, where it starts or is replaced, and nowhere else`` () =
    Law.Holds(fun (ConfigSeed(beforeConfig, _) as before) (ConfigSeed(afterConfig, _) as after) ->
        (plan before after).Proxies |> List.forall (fun p ->
            let find (config: Config) = config.Proxies |> List.tryFind (fun proxy -> proxy.Name = p.Name)
            let willBe = find afterConfig
            p.IsMade = (willBe.IsSome && p.Fate <> ProxyFate.Kept)
            && Some p.Config = (if willBe.IsSome then willBe else find beforeConfig)))

[<Fact>]
let ``a proxy is kept exactly when neither its settings nor the contents of its files differ`` () =
    Law.Holds(fun (ConfigSeed(beforeConfig, beforeDigests) as before) (ConfigSeed(afterConfig, afterDigests) as after) ->
        let plan = plan before after
        let digest digests path = digests |> List.tryFind (fun (p, _) -> p = path) |> Option.map snd
        let files (p: ProxyConfig) = ReloadPlan.files { afterConfig with Proxies = [ p ] }
        names after |> List.forall (fun name ->
            let find (config: Config) = config.Proxies |> List.tryFind (fun p -> p.Name = name)
            match find beforeConfig, find afterConfig with
            | Some a, Some b ->
                let same = a = b && files b |> Seq.forall (fun path -> digest beforeDigests path = digest afterDigests path)
                (fate plan name = ProxyFate.Kept) = same
            | _ -> true))

[<Fact>]
let ``going back undoes: what one plan opens and starts, the plan back closes and stops`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let there, back = plan before after, plan after before
        let sockets (p: ReloadPlan) fate = p.Sockets |> List.filter (fun s -> s.Fate = fate) |> List.map (fun s -> string s.Address) |> set
        let proxies (p: ReloadPlan) fate = p.Proxies |> List.filter (fun s -> s.Fate = fate) |> List.map _.Name |> set
        sockets there HeldFate.Opened = sockets back HeldFate.Closed
        && sockets there HeldFate.Kept = sockets back HeldFate.Kept
        && proxies there ProxyFate.Started = proxies back ProxyFate.Stopped
        && proxies there ProxyFate.Kept = proxies back ProxyFate.Kept
        && there.EngineNeedsRestart = back.EngineNeedsRestart
        && there.Application = back.Application)

[<Fact>]
let ``plans compose: two reloads leave open what one straight to the last file leaves open`` () =
    Law.Holds(fun (first: ConfigSeed) (second: ConfigSeed) (third: ConfigSeed) ->
        let carryOut (plan: ReloadPlan) (openNow: Set<string>) =
            plan.Sockets |> List.fold (fun openNow s ->
                match s.Fate with
                | HeldFate.Opened -> Set.add (string s.Address) openNow
                | HeldFate.Closed -> Set.remove (string s.Address) openNow
                | HeldFate.Kept -> openNow) openNow
        let start = addresses first |> List.map string |> set
        let straight, twice = plan first third, start |> carryOut (plan first second) |> carryOut (plan second third)
        carryOut straight start = twice
        // What neither step of two touches, the straight way does not touch.
        && names third |> List.forall (fun name ->
            not (List.contains name (names first) && List.contains name (names second))
            || fate (plan first second) name <> ProxyFate.Kept
            || fate (plan second third) name <> ProxyFate.Kept
            || fate straight name = ProxyFate.Kept))

[<Fact>]
let ``a renewed certificate in the same file replaces the proxies that name it, once or twice, and no other`` () =
    let ofListener, ofTarget = [ "cert.pem"; "key.pem"; "ca.pem" ], [ "client.pem"; "client.key"; "root.pem" ]
    let entry : ListenerCertificate = { Shown = { Certificate = "cert.pem"; Key = "key.pem" }; Authority = Some "ca.pem" }
    let terminating = { Sample.listenerTls with Certificates = [ entry; entry ] }
    let connecting =
        { TargetTls.VerifyMode = VerifyMode.Strict
          Certificates = [ { Shown = None; Authority = Some "root.pem" }; { Shown = Some { Certificate = "client.pem"; Key = "client.key" }; Authority = None } ]
          ApplicationProtocols = []
          MinVersion = Defaults.minVersion
          ServerName = None }
    let config =
        { Application = Sample.application
          Proxies =
            [ { Sample.proxy "a" with Listener = { Sample.listener with Tls = Some terminating } }
              { Sample.proxy "b" with Listener = { Sample.listener with Address = Address.UnixPath "/b" } }
              { Sample.proxy "c" with Listener = { Sample.listener with Address = Address.UnixPath "/c" }; Targets = [ { Sample.target "t" with Tls = Some connecting } ] } ] }
    Law.HoldsFor(ofListener @ ofTarget, fun path ->
        let plan = plan (ConfigSeed(config, [ path, "1" ])) (ConfigSeed(config, [ path, "2" ]))
        let expected files = if List.contains path files then ProxyFate.Replaced [ $"contents of {path}" ] else ProxyFate.Kept
        fate plan "a" = expected ofListener && fate plan "b" = ProxyFate.Kept && fate plan "c" = expected ofTarget)

let private at text = match Address.tryParse text with Ok a -> a | Error _ -> failwith text

/// One proxy, or none, and the admin server, or none.
let private listening proxy admin =
    ConfigSeed(
        { Application = { Sample.application with Admin = (if admin = "" then None else Some(at admin)) }
          Proxies = [ if proxy <> "" then { Sample.proxy "a" with Listener = { Sample.listener with Address = at proxy } } ] },
        [])

let private fails (plan: ReloadPlan) =
    let lines = textOf plan
    let said = lines |> Seq.exists _.Contains("cannot be opened")
    let summed = Seq.last lines = "as it stands this reload fails, and everything stays as it is"
    if plan.IsObstructed = said && said = summed && not (said && lines |> Seq.exists _.Contains("in force at once")) then said
    else failwith (String.concat "\n" lines)

[<Fact>]
let ``another engine and an inherited socket that closes are warnings among the steps, and nothing else is`` () =
    let before = listening ":80" ""
    let (ConfigSeed(config, files)) = before
    let after = ConfigSeed({ config with Application = { config.Application with Engine = Engine.Managed } }, files)
    let held = "closed; it was inherited, and only a restart can bring it back: where its service manager still holds it, clients connect and wait in vain"
    Law.HoldsFor(
        [ plan before after, [ "application.engine: changed, in force only after a restart" ]
          plan (listening "fd:web" "fd:4") before, [ $"listening socket fd:web: {held}"; $"listening socket fd:4: {held}" ]
          plan before (listening "fd:web" ":82"), []
          plan before (listening ":81" ":82"), [] ],
        fun (plan, expected) ->
            let warnings = ReloadReport.describe plan |> Seq.filter _.IsWarning |> Seq.map _.Text |> List.ofSeq
            warnings = expected)

[<Fact>]
let ``what cannot be opened because it overlaps with what closes is said, with the way out`` () =
    Law.HoldsFor(
        [ "127.0.0.1:80", ":80", true
          ":80", "127.0.0.1:80", true
          "[::1]:80", ":80", true
          "localhost:80", "127.0.0.1:80", true
          "localhost:80", "LOCALHOST:80", false
          "127.0.0.1:80", "tcp4:127.0.0.1:80", false
          "tcp4::80", "0.0.0.0:80", false
          ":80", "tcp6::80", true
          "[::1]:80", "0.0.0.0:80", false
          "127.0.0.1:80", "127.0.0.2:80", false
          "127.0.0.1:80", ":81", false
          "127.0.0.1:0", ":0", false
          "unix:/a", ":80", false
          ":80", ":80", false ],
        fun (before, after, obstructed) ->
            let plan = plan (listening before "") (listening after "")
            let said = ReloadReport.obstacle plan (at after) (at before)
            fails plan = obstructed
            && (not obstructed || said.EndsWith $"proxy a listens on {at before} until the new sockets are open; free it with one reload and bring {at after} with the next, or restart")
    )

[<Fact>]
let ``an address that goes between a proxy and the admin server, or is another of the admin server's, is in the way as any other`` () =
    Law.HoldsFor(
        [ ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:2", "127.0.0.1:3"), true
          ("127.0.0.1:1", "127.0.0.1:2"), ("", "127.0.0.1:1"), true
          ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:2", "127.0.0.1:1"), true
          ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:1", ":2"), true
          ("unix:/a", "unix:/b"), ("unix:/b", "unix:/a"), true
          ("fd:3", ""), ("", "fd:3"), true
          ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:1", "127.0.0.1:2"), false
          ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:1", ""), false
          ("127.0.0.1:1", "127.0.0.1:2"), ("127.0.0.1:1", "127.0.0.1:3"), false
          ("127.0.0.1:1", ""), ("127.0.0.1:1", "127.0.0.1:3"), false ],
        fun ((proxy, admin), (proxyThen, adminThen), obstructed) -> fails (plan (listening proxy admin) (listening proxyThen adminThen)) = obstructed)

[<Fact>]
let ``a socket that is only written in another way is kept, a proxy's or the admin server's`` () =
    let fates before after = (plan before after).Sockets |> List.map (fun s -> string s.Address, s.Fate)
    Law.HoldsFor(
        [ listening "127.0.0.1:1" "[::1]:2", listening "tcp4:127.0.0.1:1" "tcp6:[::1]:2", [ "tcp4:127.0.0.1:1", HeldFate.Kept; "tcp6:[::1]:2", HeldFate.Kept ]
          listening "0.0.0.0:1" "", listening "tcp4::1" "", [ "tcp4::1", HeldFate.Kept ]
          listening ":1" "", listening "tcp6::1" "", [ "tcp6::1", HeldFate.Opened; ":1", HeldFate.Closed ] ],
        fun (before, after, expected) -> fates before after = expected)

[<Fact>]
let ``the admin server opens a socket where it had none or another, not where its own is written in another way, and the plan says the same`` () =
    Law.HoldsFor(
        [ "", "", ""
          "", "127.0.0.1:1", "127.0.0.1:1"
          "127.0.0.1:1", "", ""
          "127.0.0.1:1", "127.0.0.1:1", ""
          "127.0.0.1:1", "tcp4:127.0.0.1:1", ""
          "127.0.0.1:1", "127.0.0.1:2", "127.0.0.1:2"
          "127.0.0.1:1", ":1", ":1" ],
        fun (before, after, opened) ->
            let address text = if text = "" then None else Some(at text)
            let planned = (plan (listening ":80" before) (listening ":80" after)).Sockets |> List.tryFind (fun s -> s.Owner = SocketOwner.Admin && s.Fate = HeldFate.Opened)
            ReloadPlan.adminToOpen (address before) (address after) = address opened && (planned |> Option.map _.Address) = address opened)

/// Who had a socket before; nobody where it is opened.
let private ownerBefore (step: SocketStep) =
    match step.Fate, step.From with
    | _, ValueSome from -> $"proxy {from}"
    | HeldFate.Opened, ValueNone -> ""
    | _, ValueNone -> string step.Owner

[<Fact>]
let ``a socket that stays, stays with its proxy where that is still there, and each socket has one owner before and one after`` () =
    let proxies names = ConfigSeed({ Application = Sample.application; Proxies = [ for name in names -> { Sample.proxy name with Listener = { Sample.listener with Address = at "127.0.0.1:0" } } ] }, [])
    let told before after =
        (plan (proxies before) (proxies after)).Sockets
        |> List.map (fun s -> string s.Owner, ownerBefore s, s.Fate)
    Law.HoldsFor(
        [ [ "b" ], [ "b"; "a" ], [ "proxy b", "proxy b", HeldFate.Kept; "proxy a", "", HeldFate.Opened ]
          [ "b" ], [ "a"; "b" ], [ "proxy a", "", HeldFate.Opened; "proxy b", "proxy b", HeldFate.Kept ]
          [ "a"; "b" ], [ "b" ], [ "proxy b", "proxy b", HeldFate.Kept; "proxy a", "proxy a", HeldFate.Closed ]
          [ "a"; "b" ], [ "c"; "b" ], [ "proxy c", "proxy a", HeldFate.Kept; "proxy b", "proxy b", HeldFate.Kept ]
          [ "a" ], [ "b" ], [ "proxy b", "proxy a", HeldFate.Kept ] ],
        fun (before, after, expected) -> told before after = expected)
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let sockets = (plan before after).Sockets |> List.filter (fun s -> s.Owner <> SocketOwner.Admin)
        let from = sockets |> List.map ownerBefore |> List.filter (fun owner -> owner <> "")
        List.distinct from = from
        && set from = set [ for name in names before -> $"proxy {name}" ]
        && [ for s in sockets do if s.Fate <> HeldFate.Closed then string s.Owner ] = [ for name in names after -> $"proxy {name}" ])

[<Fact>]
let ``a proxy's socket is opened, kept or closed as its fate says, and the admin server's is left to it`` () =
    let carriedOut owner from fate =
        let calls = ResizeArray()
        SocketStep.carryOut
            { new ISocketHolder with
                member _.Open(proxy, address) = calls.Add $"open {address} for {proxy}"
                member _.Keep(from, proxy) = calls.Add $"keep that of {from} for {proxy}"
                member _.Close proxy = calls.Add $"close that of {proxy}" }
            { Address = at ":1"; Owner = owner; From = from; Fate = fate }
        List.ofSeq calls
    Law.HoldsFor(
        [ SocketOwner.Proxy "a", ValueNone, HeldFate.Opened, [ "open :1 for a" ]
          SocketOwner.Proxy "a", ValueNone, HeldFate.Kept, [ "keep that of a for a" ]
          SocketOwner.Proxy "a", ValueSome "b", HeldFate.Kept, [ "keep that of b for a" ]
          SocketOwner.Proxy "a", ValueNone, HeldFate.Closed, [ "close that of a" ]
          for fate in [ HeldFate.Opened; HeldFate.Kept; HeldFate.Closed ] do
              SocketOwner.Admin, ValueNone, fate, [] ],
        fun (owner, from, fate, expected) -> carriedOut owner from fate = expected)

[<Fact>]
let ``from reload to reload the engine that runs is the one of the start, and every file that names another is warned of`` () =
    Law.Holds(fun (first: ConfigSeed) (later: ConfigSeed list) ->
        let started = snapshot first
        let engine (snapshot: ConfigSnapshot) = snapshot.Config.Application.Engine
        let step (served: ConfigSnapshot, holds) seed =
            let next = snapshot seed
            let carried = ReloadPlan.served served next
            carried,
            holds
            && (ReloadPlan.make served next).EngineNeedsRestart = (engine next <> engine started)
            && engine carried = engine started
            && carried.Config.Proxies = next.Config.Proxies
            && (let again = ReloadPlan.make carried next in again.Application.IsEmpty && again.Proxies |> List.forall (fun p -> p.Fate = ProxyFate.Kept))
        later |> List.fold step (started, true) |> snd)

[<Fact>]
let ``each socket is told with whom it serves, the admin server's too`` () =
    let lines before after = textOf (plan before after) |> Seq.filter _.StartsWith("listening socket") |> List.ofSeq
    let before = listening ":1" ":2"
    Law.HoldsFor(
        [ before, [ "listening socket :1: kept open, for a"; "listening socket :2: kept open, for the admin server" ]
          listening ":1" ":3", [ "listening socket :1: kept open, for a"; "listening socket :3: opened, for the admin server"; "listening socket :2: closed; the admin server had it" ]
          listening ":1" "", [ "listening socket :1: kept open, for a"; "listening socket :2: closed; the admin server had it" ] ],
        fun (after, expected) -> lines before after = expected)

[<Fact>]
let ``who has an address is told with what can be done: two reloads, another address, or a restart where it is inherited`` () =
    let stays = plan (listening "127.0.0.1:1" "") (listening "127.0.0.1:1" "localhost:1")
    let goes = plan (listening "fd:3" "") (listening "127.0.0.1:1" "")
    let changes = plan (listening "fd:3" "") (listening "" "fd:3")
    let isBoth = plan (listening "tcp4::1" "tcp6::1") (listening ":1" "")
    let both = "proxy a listens on tcp4::1, and the admin server listens on tcp6::1 until the new sockets are open; free them with one reload and bring :1 with the next, or restart"
    Law.HoldsFor(
        [ ReloadReport.obstacle stays (at "localhost:1") (at "127.0.0.1:1"), "proxy a listens there with 127.0.0.1:1, and is to go on; one of the two needs another address or port"
          ReloadReport.obstacle goes (at "127.0.0.1:1") (at "fd:3"), "proxy a listens there with fd:3, which is inherited; go on writing fd:3, or restart without it"
          ReloadReport.obstacle isBoth (at ":1") (at "tcp4::1"), both
          ReloadReport.obstacle isBoth (at ":1") (at "tcp6::1"), both
          Seq.find (fun (line: string) -> line.Contains "cannot be opened") (textOf isBoth), $"listening socket :1: cannot be opened, for a, by this reload: {both}"
          ReloadReport.obstacle changes (at "fd:3") (at "fd:3"), "proxy a listens there, and an inherited socket changes hands only with a restart" ],
        fun (said, expected) -> said = expected)

[<Fact>]
let ``an engine changes only with a restart, and every other key of the application at once`` () =
    Law.HoldsFor(
        [ { Sample.application with Engine = Engine.Managed }, [], true
          { Sample.application with SentryDsn = Sample.sentryDsn "https://k@h/1" }, [ "sentry_dsn" ], false
          { Sample.application with LogLevel = Some LogLevel.Debug }, [ "log.level" ], false
          { Sample.application with LogFormat = LogFormat.Json }, [ "log.format" ], false
          { Sample.application with ShutdownTimeout = Duration.OfSeconds 1L }, [ "shutdown_timeout" ], false
          { Sample.application with Admin = Some(Address.UnixPath "/a") }, [ "admin.address" ], false
          { Sample.application with Metrics = Some { Address = MetricsAddress.Udp("h", 1); Prefix = ""; Format = MetricsFormat.Plain } }, [ "metrics" ], false ],
        fun (application, keys, restart) ->
            let config application = ConfigSeed({ Application = application; Proxies = [ Sample.proxy "a" ] }, [])
            let plan = plan (config Sample.application) (config application)
            plan.Application = keys && plan.EngineNeedsRestart = restart && not plan.ChangesNothing
    )

/// Unlike the sample in every field.
let private otherApplication =
    { SentryDsn = Sample.sentryDsn "https://k@h/1"
      Metrics = Some { Address = MetricsAddress.Udp("h", 1); Prefix = ""; Format = MetricsFormat.Plain }
      LogLevel = Some LogLevel.Debug
      LogFormat = LogFormat.Json
      ShutdownTimeout = Duration.OfSeconds 1L
      Admin = Some(Address.UnixPath "/a")
      Engine = Engine.Managed }

let private otherListener =
    { Address = Address.UnixPath "/b"
      ReadTimeout = Duration.OfSeconds 1L
      WriteTimeout = Duration.OfSeconds 1L
      HandshakeTimeout = Duration.OfSeconds 1L
      AuthorizedSources = Sample.networks [ "10.0.0.0/8" ]
      TrustedProxies = Sample.networks [ "10.0.0.0/8" ]
      Tls = Some Sample.listenerTls }

let private otherTls : ListenerTls =
    { VerifyMode = VerifyMode.Strict
      Certificates = []
      ApplicationProtocols = [ (AlpnName.tryOfText "h2").Value ]
      MinVersion = TlsVersion.Tls12 }

let private targetTls : TargetTls =
    { VerifyMode = VerifyMode.None; Certificates = []; ApplicationProtocols = []; MinVersion = TlsVersion.Tls13; ServerName = None }

let private otherTargetTls : TargetTls =
    { VerifyMode = VerifyMode.Strict
      Certificates = [ { Shown = None; Authority = Some "root.pem" } ]
      ApplicationProtocols = [ (AlpnName.tryOfText "h2").Value ]
      MinVersion = TlsVersion.Tls12
      ServerName = Some "a.example" }

let private otherTarget =
    { Name = "b"
      Address = Sample.targetAddress "127.0.0.1:9001"
      Proxy = Some { Address = Sample.dialAddress "127.0.0.1:1080"; Credentials = None }
      ConnectAttempts = 2
      ConnectBackoff = Duration.OfSeconds 1L
      ConnectTimeout = Duration.OfSeconds 1L
      ResolveTimeout = Duration.OfSeconds 1L
      ReadTimeout = Duration.OfSeconds 1L
      WriteTimeout = Duration.OfSeconds 1L
      KeepAlive = KeepAlive.Off
      Tls = Some targetTls }

let private otherOptions =
    { ConnectionLimit = 1
      ConnectionLifetime = Duration.OfSeconds 1L
      ConnectionLog = Some "/log"
      LoadBalancer = Policy.Failover
      ProxyHeader = Some ProxyHeaderVersion.V1
      DualStack = true }

/// A record in which one field after the other is as in another one: each must be noticed in the configuration that is made of it.
let private isNoticed (sample: 'T) (other: 'T) (configOf: 'T -> Config) =
    let fields = FSharpType.GetRecordFields typeof<'T>
    Law.HoldsFor(fields, fun field ->
        let values = [| for each in fields -> FSharpValue.GetRecordField(box (if each = field then other else sample), each) |]
        let changed = FSharpValue.MakeRecord(typeof<'T>, values) :?> 'T
        let seed value = ConfigSeed(configOf value, [])
        not (plan (seed sample) (seed changed)).ChangesNothing)

[<Fact>]
let ``no key of a configuration changes unnoticed`` () =
    let proxies proxy : Config = { Application = Sample.application; Proxies = [ proxy ] }
    let listening listener = proxies { Sample.proxy "a" with Listener = listener }
    let dialling target = proxies { Sample.proxy "a" with Targets = [ target ] }
    isNoticed Sample.application otherApplication (fun application -> { proxies (Sample.proxy "a") with Application = application })
    isNoticed Sample.listener otherListener listening
    isNoticed Sample.listenerTls otherTls (fun tls -> listening { Sample.listener with Tls = Some tls })
    isNoticed (Sample.target "a") otherTarget dialling
    isNoticed targetTls otherTargetTls (fun tls -> dialling { Sample.target "a" with Tls = Some tls })
    isNoticed Sample.options otherOptions (fun options -> proxies { Sample.proxy "a" with Options = options })

[<Fact>]
let ``the words of a plan name every proxy and every address, and no secret`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let text = textOf (plan before after) |> String.concat "\n"
        (names before @ names after) |> List.forall (fun name -> text.Contains $"proxy {name}:")
        && (addresses before @ addresses after) |> List.forall (fun address -> text.Contains $"{address}:")
        && not (text.Contains "hunter2"))

[<Fact>]
let ``a plan in JSON has every step of it and no secret, and fails where it is obstructed or the new file is not taken on`` () =
    let wordOf (step: ProxyStep) = match step.Fate with ProxyFate.Kept -> "kept" | ProxyFate.Started -> "started" | ProxyFate.Stopped -> "stopped" | ProxyFate.Replaced _ -> "replaced"
    let changedOf (step: ProxyStep) = match step.Fate with ProxyFate.Replaced differences -> differences | _ -> []
    let wordOfHeld fate = match fate with HeldFate.Kept -> "kept" | HeldFate.Opened -> "opened" | HeldFate.Closed -> "closed"
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) (isTakenOn: bool) ->
        let plan = plan before after
        let json = ReloadReport.json plan (if isTakenOn then [||] else [| "f:1:1: a: wrong" |])
        let root = JsonDocument.Parse(json).RootElement
        let items (name: string) (of': JsonElement) = of'.GetProperty(name).EnumerateArray() |> List.ofSeq
        let text (name: string) (of': JsonElement) = of'.GetProperty(name).GetString()
        let texts name of' = items name of' |> List.map _.GetString()
        (items "proxies" root |> List.map (fun p -> text "name" p, text "fate" p, texts "changed" p)) = [ for step in plan.Proxies -> step.Name, wordOf step, changedOf step ]
        && (items "listening_sockets" root |> List.map (fun s -> text "address" s, text "fate" s, text "proxy" s, texts "blocked_by" s))
           = [ for step in plan.Sockets ->
                   let owner = match step.Owner with SocketOwner.Proxy name -> name | SocketOwner.Admin -> null
                   let blocking = if step.Fate = HeldFate.Opened then [ for other in plan.InTheWay step.Address -> string other.Address ] else []
                   string step.Address, wordOfHeld step.Fate, owner, blocking ]
        && (items "connection_logs" root |> List.map (fun l -> text "path" l, text "fate" l)) = [ for log in plan.Logs -> log.Path, wordOfHeld log.Fate ]
        && texts "application" root = plan.Application
        && root.GetProperty("changes_nothing").GetBoolean() = plan.ChangesNothing
        && root.GetProperty("needs_restart").GetBoolean() = plan.EngineNeedsRestart
        && root.GetProperty("fails").GetBoolean() = (plan.IsObstructed || not isTakenOn)
        && (texts "errors" root).IsEmpty = isTakenOn
        && not (json.Contains "hunter2"))

let private withProxies proxies =
    { Config = { Application = Sample.application; Proxies = proxies }; Digests = Dictionary<string, string>() :> IReadOnlyDictionary<_, _> }

let private logging path name : ProxyConfig = { Sample.proxy name with Options = { Sample.options with ConnectionLog = (if path = "" then None else Some path) } }

[<Fact>]
let ``the log of a reload has what changes as diff prints it, and how much stays in one line`` () =
    Law.Holds(fun (before: ConfigSeed) (after: ConfigSeed) ->
        let plan = plan before after
        let all, logged = ReloadReport.describe plan |> List.ofSeq, ReloadReport.logged plan |> List.ofSeq
        let kept = all |> List.filter _.IsKept
        let changes = all |> List.filter (fun line -> not line.IsKept)
        let saysKept (line: ReloadLine) = line.Text.Contains "kept"
        kept |> List.forall saysKept
        && (if kept.IsEmpty then logged = changes
            else
                let numbers = logged.Head.Text.Substring("kept as they are: ".Length).Split ", " |> Array.sumBy (fun part -> int (part.Split(' ')[0]))
                numbers = kept.Length && logged.Tail = changes))
    let names = [ "a"; "b" ] |> List.map (fun name -> { Sample.proxy name with Listener = { Sample.listener with Address = Address.UnixPath $"/{name}" } })
    let logs = names |> List.map (fun proxy -> { proxy with Options = { Sample.options with ConnectionLog = Some "/log" } })
    let text proxies = ReloadReport.logged (ReloadPlan.make (withProxies proxies) (withProxies proxies)) |> Seq.map _.Text |> List.ofSeq
    Law.HoldsFor(
        [ names, [ "kept as they are: 2 proxies, 2 listening sockets"; "nothing changes" ]
          logs, [ "kept as they are: 2 proxies, 2 listening sockets, 1 connection log"; "nothing changes" ]
          [ logs.Head ], [ "kept as they are: 1 proxy, 1 listening socket, 1 connection log"; "nothing changes" ]
          [], [ "nothing changes" ] ],
        fun (proxies, lines) -> text proxies = lines)

[<Fact>]
let ``a proxy's fate is told in its own words`` () =
    let limited = { Sample.proxy "changed" with Options = { Sample.options with ConnectionLimit = 7 } }
    let plan = ReloadPlan.make (withProxies [ Sample.proxy "same"; Sample.proxy "changed"; Sample.proxy "old" ]) (withProxies [ Sample.proxy "same"; limited; Sample.proxy "new" ])
    Law.HoldsFor(
        [ "same", ProxyFate.Kept, "kept"; "changed", ProxyFate.Replaced [ "options.connection_limit" ], "replaced (options.connection_limit)"
          "old", ProxyFate.Stopped, "stopped"; "new", ProxyFate.Started, "started" ],
        fun (name, becomes, word) ->
            fate plan name = becomes && (textOf plan |> Seq.exists (fun line -> line.StartsWith $"proxy {name}: {word}")))

[<Fact>]
let ``targets that stay in another order are told so, whatever comes or goes beside them`` () =
    let trying names = withProxies [ { Sample.proxy "p" with Targets = List.map Sample.target names; Options = { Sample.options with LoadBalancer = Policy.RoundRobin } } ]
    Law.HoldsFor(
        [ [ "a"; "b" ], [ "b"; "a" ], [ "order of targets" ]
          [ "a"; "b" ], [ "b"; "a"; "c" ], [ "targets[c] added"; "order of targets" ]
          [ "a"; "b"; "c" ], [ "b"; "a" ], [ "targets[c] removed"; "order of targets" ]
          [ "a"; "b"; "c" ], [ "d"; "c"; "a" ], [ "targets[b] removed"; "targets[d] added"; "order of targets" ]
          [ "a"; "b" ], [ "c"; "a"; "b" ], [ "targets[c] added" ]
          [ "a"; "b"; "c" ], [ "a"; "c" ], [ "targets[b] removed" ]
          [ "a"; "b" ], [ "a"; "c" ], [ "targets[b] removed"; "targets[c] added" ] ],
        fun (before, after, differences) -> fate (ReloadPlan.make (trying before) (trying after)) "p" = ProxyFate.Replaced differences)

[<Fact>]
let ``where the first target takes every client, or is tried first, who is first now is told`` () =
    let trying policy names = withProxies [ { Sample.proxy "p" with Targets = List.map Sample.target names; Options = { Sample.options with LoadBalancer = policy } } ]
    Law.HoldsFor(
        [ for policy in [ Policy.None; Policy.Failover ] do
              policy, [ "c"; "a"; "b" ], [ "targets[c] added"; "targets[c] now first" ]
              policy, [ "b"; "c" ], [ "targets[a] removed"; "targets[c] added"; "targets[b] now first" ]
              policy, [ "b" ], [ "targets[a] removed" ]
              policy, [ "a"; "b"; "c" ], [ "targets[c] added" ]
              policy, [ "b"; "a" ], [ "order of targets" ]
          for policy in [ Policy.RoundRobin; Policy.Sni ] do
              policy, [ "c"; "a"; "b" ], [ "targets[c] added" ] ],
        fun (policy, after, differences) -> fate (ReloadPlan.make (trying policy [ "a"; "b" ]) (trying policy after)) "p" = ProxyFate.Replaced differences)

[<Fact>]
let ``a reload opens a descriptor for each socket and each connection log that is new, and none for a socket that was inherited`` () =
    let served (sockets, logs) =
        withProxies [ for i, address in List.indexed sockets -> { logging (List.tryItem i logs |> Option.defaultValue "") $"p{i}" with Listener = { Sample.listener with Address = at address } } ]
    let one = [ "127.0.0.1:1" ], [ "/a" ]
    Law.HoldsFor(
        [ ([], []), one, 2
          one, one, 0
          one, ([], []), 0
          one, ([ "127.0.0.1:1"; "127.0.0.1:2" ], [ "/a"; "/a" ]), 1
          one, ([ "127.0.0.1:2"; "127.0.0.1:3" ], [ "/b"; "/c" ]), 4
          one, ([ "127.0.0.1:1"; "fd:3"; "fd:web"; "unix:/s"; "unix:@a" ], [ "/a" ]), 2 ],
        fun (before, after, descriptors) -> (ReloadPlan.make (served before) (served after)).DescriptorsToOpen = descriptors)

[<Fact>]
let ``a start starts every proxy, and opens every proxy's socket and every connection log`` () =
    Law.Holds(fun seed ->
        let plan = ReloadPlan.ofStart (snapshot seed)
        (plan.Proxies |> List.map _.Name) = names seed
        && plan.Proxies |> List.forall (fun step -> step.Fate = ProxyFate.Started)
        && plan.Sockets |> List.forall (fun step -> step.Owner = SocketOwner.Admin || step.Fate = HeldFate.Opened)
        && plan.Logs |> List.forall (fun step -> step.Fate = HeldFate.Opened))

[<Fact>]
let ``one path of a connection log is one step, however many proxies write to it`` () =
    let steps before after =
        (ReloadPlan.make (withProxies before) (withProxies after)).Logs |> List.map (fun step -> step.Path, step.Fate)
    Law.HoldsFor(
        [ [ logging "/a" "p"; logging "/a" "q" ], [ logging "/a" "p"; logging "/a" "q" ], [ "/a", HeldFate.Kept ]
          [], [ logging "/a" "p"; logging "/a" "q" ], [ "/a", HeldFate.Opened ]
          [ logging "/a" "p"; logging "/a" "q" ], [ logging "" "p" ], [ "/a", HeldFate.Closed ] ],
        fun (before, after, expected) -> steps before after = expected
    )

[<Fact>]
let ``what becomes of a connection log is told, and that a closed one waits for its last connection`` () =
    let told before after =
        textOf (ReloadPlan.make (withProxies before) (withProxies after)) |> Seq.filter _.StartsWith("connection log") |> Seq.toList
    Law.HoldsFor(
        [ [ logging "/a" "p" ], [ logging "/a" "p" ], [ "connection log /a: kept open" ]
          [], [ logging "/a" "p" ], [ "connection log /a: opened" ]
          [ logging "/a" "p" ], [ logging "/b" "p" ], [ "connection log /b: opened"; "connection log /a: closed once the last connection that began with it has ended" ] ],
        fun (before, after, expected) -> told before after = expected)
