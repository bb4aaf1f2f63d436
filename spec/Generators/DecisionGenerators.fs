namespace Bitflow.Spec

open System.Net
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// A usable proxy with small numbers, so that its limits meet: few targets, attempts and milliseconds.
type SmallProxy = SmallProxy of ProxyConfig

/// What the far end of each attempt does, in order (repeated where more are asked for): how long it takes, and the fault
/// (none: it answers).
type Outcomes = Outcomes of (Duration * DialFault option) list

/// Things that may happen to a connection, wanted or not: milliseconds since the one before, and the event.
type AnyEvents = AnyEvents of (int * Event) list

/// A configuration with digests of files, of few names, addresses and values, so that two of them share much.
type ConfigSeed = ConfigSeed of Config * (string * string) list

/// What two sides of a relay do.
type RelayScript = RelayScript of (Side * RelayEvent) list

/// What the shell may have stamped, and the configured timeouts.
[<NoComparison; NoEquality>]
type StampedRelay =
    { Now: Instant
      ClientRead: Duration
      ClientWrite: Duration
      TargetRead: Duration
      TargetWrite: Duration
      ClientSide: SideActivity
      TargetSide: SideActivity }

/// What happens to a process that accepts.
[<RequireQualifiedAccess; NoComparison>]
type ScarcityEvent =
    /// A client is taken who has a descriptor of that number, and what a count finds then.
    | Taken of descriptor: int * count: DescriptorCount
    | RanOut
    /// A connection has closed, and what a count finds then.
    | Closed of count: DescriptorCount
    /// What a look finds, where one is to come.
    | Look of count: DescriptorCount

/// A limit on descriptors, and what happens under it, mostly close to it.
type ScarcityScript = ScarcityScript of int64 * ScarcityEvent list

/// Words of configurations by hand, for laws that name their case.
[<RequireQualifiedAccess>]
module Sample =
    let milliseconds (n: int) = Duration.OfMilliseconds(int64 n)

    let targetAddress text = TargetAddress.tryParse text |> Result.defaultWith (fun e -> failwith (Address.describe e))

    let dialName text = DialName.tryOf text |> ValueOption.defaultWith (fun () -> failwith text)

    let socksWord bytes = SocksWord.tryOf bytes |> ValueOption.defaultWith (fun () -> failwith $"{Array.length bytes} bytes")

    let dialAddress text = match targetAddress text with TargetAddress.Dialled address -> address | TargetAddress.Descriptor _ -> failwith text

    let listener =
        { Address = Address.Tcp(TcpFamily.Either, Host.Any, 8080)
          ReadTimeout = Duration.Zero
          WriteTimeout = Duration.Zero
          HandshakeTimeout = Defaults.handshakeTimeout
          AuthorizedSources = IpNetworkSet.Empty
          TrustedProxies = IpNetworkSet.Empty
          Tls = None }

    let target name =
        { Name = name
          Address = targetAddress "127.0.0.1:9000"
          Proxy = None
          ConnectAttempts = 1
          ConnectBackoff = Duration.Zero
          ConnectTimeout = Defaults.connectTimeout
          ResolveTimeout = Duration.Zero
          ReadTimeout = Duration.Zero
          WriteTimeout = Duration.Zero
          KeepAlive = KeepAlive.Every Defaults.keepAliveSeconds
          Tls = None }

    let options =
        { ConnectionLimit = 0
          ConnectionLifetime = Duration.Zero
          ConnectionLog = None
          LoadBalancer = Policy.None
          ProxyHeader = None
          DualStack = false }

    let proxy name = { Name = name; Listener = listener; Targets = [ target "a" ]; Options = options }

    let listenerTls =
        { VerifyMode = VerifyMode.None
          Certificates = [ { ListenerCertificate.Shown = { Certificate = "cert.pem"; Key = "key.pem" }; Authority = None } ]
          ApplicationProtocols = []
          MinVersion = Defaults.minVersion }

    let application =
        { SentryDsn = None
          Metrics = None
          LogLevel = None
          LogFormat = LogFormat.Text
          ShutdownTimeout = Duration.Zero
          Admin = None
          Engine = Engine.Auto }

    let sentryDsn text = match SentryDsn.parse text with Ok dsn -> dsn | Error e -> failwith $"%A{e}"
    let ip (text: string) = Endpoint.OfIp(IPAddress.Parse text, 50_000)
    let networks (texts: string list) =
        IpNetworkSet(texts |> List.map (fun text -> match IpNetwork.tryParse text with Ok struct (n, _) -> n | Error e -> failwith $"%A{e}"))

    let serverName text = match ServerName.tryCreate text with Ok name -> name | Error e -> failwith $"%A{e}"

/// Generators for the chapters on decisions about a connection.
type DecisionGenerators =
    static member private SmallWait = Gen.frequency [ 2, Gen.constant Duration.Zero; 5, Gen.choose (1, 40) |> Gen.map Sample.milliseconds ]

    static member Policy() : Arbitrary<Policy> =
        Gen.elements [ Policy.None; Policy.Failover; Policy.RoundRobin; Policy.Sni ] |> Arb.fromGen

    static member private Hop = Gen.elements [ Hop.Target; Hop.Proxy ]

    static member DialWait() : Arbitrary<DialWait> =
        Gen.oneof [
            DecisionGenerators.Hop |> Gen.map DialWait.Name
            DecisionGenerators.Hop |> Gen.map DialWait.Connection
            Gen.constant (DialWait.SocksAnswer "the greeting")
            Gen.elements [ DialWait.Header; DialWait.Handshake ]
        ]
        |> Arb.fromGen

    static member DialFault() : Arbitrary<DialFault> =
        let io = Gen.elements [ IoFault.Refused; IoFault.Reset; IoFault.TimedOut; IoFault.HostUnreachable; IoFault.NoSuchPath; IoFault.NoDescriptors; IoFault.BacklogFull; IoFault.NoSourceAddress; IoFault.NetworkUnreachable ]
        let wait, hop = DecisionGenerators.DialWait().Generator, DecisionGenerators.Hop
        Gen.frequency [
            6, Gen.map DialFault.Connect io
            2, Gen.map DialFault.Exchange (Gen.oneof [ io; Gen.constant IoFault.None ])
            1, Gen.map (fun fault -> DialFault.SocksExchange(fault, "the greeting")) io
            3, wait |> Gen.map DialFault.ConnectTimeout
            1, hop |> Gen.map DialFault.ResolveTimeout
            1, hop |> Gen.map (fun hop -> DialFault.Unresolved(hop, AddressFault.Unresolved("a.example", ResolveFault.NoSuchNameOrAddress)))
            1, Gen.constant (DialFault.Socks SocksFault.NoAcceptableMethod)
            2, Gen.constant (DialFault.Certificate "expired")
            1, Gen.constant (DialFault.Tls "no common version")
            2, Gen.constant DialFault.UsedUp
        ]
        |> Arb.fromGen

    static member SmallProxy() : Arbitrary<SmallProxy> =
        let wait = DecisionGenerators.SmallWait
        let gen =
            gen {
                let! policy = DecisionGenerators.Policy().Generator
                let! count = Gen.choose (1, 4)
                let! names = Gen.shuffle [| "a.example"; "*.example"; "*"; "b.example"; "c" |]
                let target name =
                    gen {
                        let! attempts = Gen.choose (1, 4)
                        let! backoff = wait
                        let! timeout = Gen.frequency [ 1, Gen.constant Duration.Zero; 4, Gen.choose (1, 60) |> Gen.map Sample.milliseconds ]
                        let! read = wait
                        let! write = wait
                        return
                            { Sample.target name with
                                ConnectAttempts = attempts
                                ConnectBackoff = backoff
                                ConnectTimeout = timeout
                                ReadTimeout = read
                                WriteTimeout = write }
                    }
                let! targets = names |> Array.truncate count |> Array.map target |> Gen.sequenceToList
                let! tls = Gen.elements [ None; None; Some Sample.listenerTls ]
                let! authorized = Gen.elements [ []; []; [ "10.0.0.0/8" ] ]
                let! trusted = Gen.elements [ []; [ "10.1.0.0/16" ]; [ "192.0.2.1" ] ]
                let! handshake = Gen.choose (1, 80) |> Gen.map Sample.milliseconds
                let! lifetime = Gen.frequency [ 3, Gen.constant Duration.Zero; 2, Gen.choose (1, 300) |> Gen.map Sample.milliseconds ]
                let! limit = Gen.choose (0, 3)
                let! read = wait
                let! write = wait
                return
                    SmallProxy
                        { Name = "small"
                          Listener =
                            { Sample.listener with
                                ReadTimeout = read
                                WriteTimeout = write
                                HandshakeTimeout = handshake
                                AuthorizedSources = Sample.networks authorized
                                TrustedProxies = Sample.networks trusted
                                Tls = tls }
                          Targets = targets
                          Options =
                            { Sample.options with
                                ConnectionLimit = limit
                                ConnectionLifetime = lifetime
                                LoadBalancer = policy } }
            }
        let shrink (SmallProxy p) =
            seq {
                if p.Targets.Length > 1 then
                    yield SmallProxy { p with Targets = List.take (p.Targets.Length - 1) p.Targets }
                if p.Options.ConnectionLifetime.IsPositive then
                    yield SmallProxy { p with Options = { p.Options with ConnectionLifetime = Duration.Zero } }
                if p.Listener.Tls.IsSome then
                    yield SmallProxy { p with Listener = { p.Listener with Tls = None } }
            }
        Arb.fromGenShrink (gen, shrink)

    static member ConfigSeed() : Arbitrary<ConfigSeed> =
        let entry = Gen.elements [ for authority in [ None; Some "ca.pem" ] -> { Sample.listenerTls.Certificates.Head with Authority = authority } ]
        let proxy name address =
            gen {
                let! tls = Gen.frequency [ 1, Gen.constant None; 1, entry |> Gen.map (fun entry -> Some { Sample.listenerTls with Certificates = [ entry ] }) ]
                let! limit = Gen.elements [ 0; 0; 5 ]
                let! targets = Gen.elements [ [ "a" ]; [ "a" ]; [ "a"; "b" ]; [ "b"; "a" ] ]
                let! timeout = Gen.elements [ 0; 0; 7 ]
                let! secret = Gen.elements [ None; Some { User = Sample.socksWord "u"B; Password = Sample.socksWord "hunter2"B } ]
                let target name =
                    { Sample.target name with
                        ReadTimeout = Sample.milliseconds timeout
                        Proxy = secret |> Option.map (fun c -> { Address = DialAddress.UnixPath "/socks"; Credentials = Some c }) }
                return
                    { Sample.proxy name with
                        Listener = { Sample.listener with Address = address; Tls = tls }
                        Targets = List.map target targets
                        Options = { Sample.options with ConnectionLimit = limit } }
            }
        gen {
            let! count = Gen.choose (1, 4)
            let! names = Gen.shuffle [| "p"; "q"; "r"; "s"; "t" |]
            let! ports = Gen.shuffle [| 1..5 |]
            let! proxies =
                Array.zip names ports
                |> Array.truncate count
                |> Array.map (fun (name, port) -> proxy name (Address.Tcp(TcpFamily.Either, Host.Any, port)))
                |> Gen.sequenceToList
            let! engine = Gen.elements [ Engine.Auto; Engine.Auto; Engine.Managed ]
            let! level = Gen.elements [ None; Some LogLevel.Info ]
            let! digests = [ "cert.pem"; "key.pem"; "ca.pem" ] |> List.map (fun path -> Gen.elements [ "1"; "1"; "1"; "2" ] |> Gen.map (fun d -> path, d)) |> Gen.sequenceToList
            return ConfigSeed({ Application = { Sample.application with Engine = engine; LogLevel = level }; Proxies = proxies }, digests)
        }
        |> Arb.fromGen

    static member Outcomes() : Arbitrary<Outcomes> =
        let delay = Gen.frequency [ 1, Gen.constant Duration.Zero; 4, Gen.choose (0, 80) |> Gen.map Sample.milliseconds ]
        let outcome = Gen.zip delay (Gen.frequency [ 1, Gen.constant None; 5, Gen.map Some (DecisionGenerators.DialFault().Generator) ])
        Gen.nonEmptyListOf outcome |> Gen.map (List.truncate 20 >> Outcomes) |> Arb.fromGen

    static member RelayScript() : Arbitrary<RelayScript> =
        let event = Gen.elements [ RelayEvent.Ended; RelayEvent.Ended; RelayEvent.Reset; RelayEvent.Truncated; RelayEvent.Vanished; RelayEvent.WriteFailed; RelayEvent.BrokeTls; RelayEvent.Starved; RelayEvent.Left ]
        Gen.listOf (Gen.zip (Gen.elements [ Side.Client; Side.Target ]) event) |> Gen.map RelayScript |> Arb.fromGen

    static member ScarcityScript() : Arbitrary<ScarcityScript> =
        let count limit =
            gen {
                let! free = Gen.frequency [ 3, Gen.choose (0, 31); 3, Gen.choose (32, 63); 5, Gen.choose (64, 90); 1, Gen.constant limit ]
                let! owed = Gen.choose (0, 4)
                let! connections = Gen.frequency [ 1, Gen.constant 0; 5, Gen.choose (1, 9) ]
                let! isCounted = Gen.frequency [ 1, Gen.constant false; 20, Gen.constant true ]
                return { Open = (if isCounted then limit - free else System.Int32.MaxValue); Owed = owed; Connections = connections }
            }
        let event limit =
            Gen.frequency [
                4, Gen.map2 (fun descriptor count -> ScarcityEvent.Taken(descriptor, count)) (Gen.choose (limit / 2, limit - 1)) (count limit)
                4, Gen.map (fun count -> ScarcityEvent.Taken(3, count)) (count limit)
                1, Gen.constant ScarcityEvent.RanOut
                6, Gen.map ScarcityEvent.Closed (count limit)
                8, Gen.map ScarcityEvent.Look (count limit)
            ]
        let shrink (ScarcityScript(limit, events)) = seq { for i in 0 .. events.Length - 1 -> ScarcityScript(limit, List.removeAt i events) }
        let gen =
            gen {
                let! limit = Gen.elements [ 64; 256; 1024 ]
                let! events = Gen.listOf (event limit)
                return ScarcityScript(int64 limit, events)
            }
        Arb.fromGenShrink (gen, shrink)

    static member AnyEvents() : Arbitrary<AnyEvents> =
        let endpoint = Gen.elements [ Sample.ip "10.1.2.3"; Sample.ip "203.0.113.9"; Endpoint.Unknown; Endpoint.Unix "" ]
        let name = Gen.elements [ ValueNone; ValueSome(Sample.serverName "a.example"); ValueSome(Sample.serverName "x.example"); ValueSome(Sample.serverName "other.org") ]
        let event =
            Gen.frequency [
                8, Gen.map Event.Counted (Gen.frequency [ 5, Gen.constant true; 1, Gen.constant false ])
                4, Gen.oneof [ Gen.elements [ ProxyOrigin.TheSender; ProxyOrigin.Unstated ]; Gen.map2 (fun s d -> ProxyOrigin.Stated(s, d)) endpoint endpoint ] |> Gen.map Event.HeaderRead
                1, Gen.constant Event.HeaderMalformed
                4, Gen.map Event.HelloRead name
                1, Gen.elements [ HelloFault.NotTls 0uy; HelloFault.TooLong ] |> Gen.map Event.HelloMalformed
                1, Gen.map2 (fun name alert -> Event.HelloRefused(name, alert)) name (Gen.elements [ TlsAlert.ProtocolVersion; TlsAlert.NoApplicationProtocol ])
                4, Gen.constant Event.HandshakeDone
                1, Gen.map Event.HandshakeFailed (Gen.elements [ true; false ])
                5, Gen.map (int64 >> Event.Ticket) (Gen.choose (0, 9))
                6, Gen.constant Event.Connected
                8, Gen.map Event.AttemptFailed (DecisionGenerators.DialFault().Generator)
                2, Gen.constant Event.ClientSent
                2, Gen.constant Event.ClientEnded
                1, Gen.map Event.ClientFailed (Gen.elements (System.Enum.GetValues<IoFault>()))
                2, Gen.map3 (fun side fault behind -> Event.SideFailed(side, fault, behind)) (Gen.elements [ Side.Client; Side.Target ]) (Gen.elements (System.Enum.GetValues<IoFault>())) (Gen.elements [ true; false ])
                8, Gen.constant Event.TimeUp
                2, DecisionGenerators.DialWait().Generator |> Gen.map Event.AttemptTimeUp
                6, DecisionGenerators.RelayScript().Generator |> Gen.map (fun (RelayScript script) -> match script with (side, event) :: _ -> Event.Relayed(side, event) | [] -> Event.TimeUp)
                1, Gen.elements [ Event.ClockOver(Side.Client, Cause.ReadTimeout); Event.ClockOver(Side.Target, Cause.WriteTimeout) ]
                1, Gen.elements [ Event.Shutdown; Event.InternalFault ]
            ]
        Gen.listOf (Gen.zip (Gen.choose (0, 50)) event) |> Gen.map AnyEvents |> Arb.fromGen

    static member StampedRelay() : Arbitrary<StampedRelay> =
        let wait = DecisionGenerators.SmallWait
        let instant = Gen.choose (0, 60) |> Gen.map (fun ms -> Instant(int64 ms * 1_000_000L))
        let side now =
            gen {
                let! moved = instant
                let! taken = instant
                let! held = Gen.elements [ true; false; false ]
                let! pending = Gen.elements [ true; false ]
                let! stood = instant
                let! others = Gen.elements [ Unacknowledged.Sent; Unacknowledged.Shut; Unacknowledged.Unanswered ]
                let standstill since others = ValueSome { Acknowledged = 0L; Since = since; Others = others }
                let! standstill = Gen.elements [ ValueNone; standstill Instant.Never Unacknowledged.None; standstill (Instant.earlier now stood) others ]
                return
                    { LastMoved = Instant.earlier now moved
                      Held = held
                      WritePending = pending
                      LastTaken = Instant.earlier now taken
                      Standstill = standstill }
            }
        gen {
            let! now = instant
            let! clientRead = wait
            let! clientWrite = wait
            let! targetRead = wait
            let! targetWrite = wait
            let! client = side now
            let! target = side now
            return
                { Now = now
                  ClientRead = clientRead
                  ClientWrite = clientWrite
                  TargetRead = targetRead
                  TargetWrite = targetWrite
                  ClientSide = client
                  TargetSide = target }
        }
        |> Arb.fromGen
