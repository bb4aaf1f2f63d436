module Bitflow.Spec.TallyLaws

open System
open System.Net
open Xunit
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// A proxy, a client, and what happens to it, in any order; a shutdown always ends it.
type private Story = { Proxy: ProxyConfig; Peer: Endpoint; Events: Event list }

let private networks text = IpNetworkSet [ match IpNetwork.tryParse text with Ok(struct (network, _)) -> network | Error _ -> () ]

let private target name =
    { Name = name
      Address = Sample.targetAddress "t:80"
      Proxy = None
      ConnectAttempts = 2
      ConnectBackoff = Duration.OfMilliseconds 5L
      ConnectTimeout = Duration.OfSeconds 1L
      ResolveTimeout = Duration.Zero
      ReadTimeout = Duration.Zero
      WriteTimeout = Duration.Zero
      KeepAlive = KeepAlive.Off
      Tls = None }

let private proxy authorized trusted tls policy =
    { Name = "p"
      Listener =
        { Address = Address.Tcp(TcpFamily.Either, Host.Any, 80)
          ReadTimeout = Duration.Zero
          WriteTimeout = Duration.Zero
          HandshakeTimeout = Duration.OfSeconds 10L
          AuthorizedSources = authorized
          TrustedProxies = trusted
          Tls =
            (if tls then
                 Some
                     { VerifyMode = VerifyMode.None
                       Certificates = []
                       ApplicationProtocols = []
                       MinVersion = TlsVersion.Tls13 }
             else
                 None) }
      Targets = [ target "a"; target "*" ]
      Options =
        { ConnectionLimit = 1
          ConnectionLifetime = Duration.OfSeconds 60L
          ConnectionLog = None
          LoadBalancer = policy
          ProxyHeader = None
          DualStack = false } }

let private stories =
    let ip (text: string) = Endpoint.OfIp(IPAddress.Parse text, 1000)
    let event =
        let relayed = [ for side in [ Side.Client; Side.Target ] do for happens in Enum.GetValues<RelayEvent>() -> Event.Relayed(side, happens) ]
        Gen.frequency [
            6, Gen.elements [ Event.Counted true; Event.HelloRead ValueNone; Event.HandshakeDone; Event.Ticket 7L; Event.Connected; Event.HeaderRead(ProxyOrigin.Stated(ip "10.0.0.1", ip "10.0.0.2")) ]
            2, Gen.elements [ Event.Counted false; Event.HeaderMalformed; Event.HelloMalformed HelloFault.TooLong; Event.HelloRefused(ValueNone, TlsAlert.ProtocolVersion); Event.HandshakeFailed true
                              Event.HeaderRead(ProxyOrigin.Stated(ip "192.0.2.1", ip "10.0.0.2")); Event.HeaderRead ProxyOrigin.TheSender ]
            3, Gen.elements [ Event.AttemptFailed(DialFault.ConnectTimeout(DialWait.Connection Hop.Target)); Event.AttemptFailed DialFault.UsedUp; Event.TimeUp; Event.ClientSent; Event.ClientEnded; Event.ClientFailed IoFault.Reset; Event.InternalFault ]
            4, Gen.elements relayed
            1, Gen.constant (Event.ClockOver(Side.Client, Cause.ReadTimeout))
        ]
    gen {
        let! authorized = Gen.elements [ IpNetworkSet.Empty; networks "10.0.0.0/8" ]
        let! trusted = Gen.elements [ IpNetworkSet.Empty; networks "192.0.2.0/24" ]
        let! tls = Gen.elements [ true; false ]
        let! policy = Gen.elements [ Policy.None; Policy.Failover; Policy.RoundRobin; Policy.Sni ]
        let! peer = Gen.elements [ ip "10.1.1.1"; ip "192.0.2.9"; ip "203.0.113.5"; Endpoint.Unix "" ]
        let! events = Gen.listOf event
        // Of what happens in any order hardly a relay ever ends on both sides.
        let! ends = Gen.frequency [ 3, Gen.constant []; 1, Gen.constant [ for side in [ Side.Client; Side.Target ] -> Event.Relayed(side, RelayEvent.Ended) ] ]
        return { Proxy = proxy authorized trusted tls policy; Peer = peer; Events = events @ ends @ [ Event.Shutdown ] }
    }

/// Everything counted over a story, as often as it was, and the lives it went through.
let private tell (story: Story) =
    let life = Life.start (Rules story.Proxy) (Instant 0L) story.Peer Endpoint.Unknown
    let times = Seq.initInfinite (fun i -> Instant(int64 i * 7_000_000_000L))
    let lives = (life, Seq.zip times story.Events) ||> Seq.scan (fun life (now, event) -> Life.advance life now event) |> Seq.toList
    let tallies = Tallies.atStart life :: (List.pairwise lives |> List.map (fun (before, after) -> Tallies.between before after))
    (fun (flag: Tally) -> tallies |> List.filter _.HasFlag(flag) |> List.length), lives

let private holds (law: (Tally -> int) -> Life list -> bool) =
    Prop.forAll (Arb.fromGen stories) (fun story -> tell story ||> law)

[<Fact>]
let ``every accepted connection counts exactly one of success, reject and unauthorized`` () =
    Law.Holds(holds (fun count _ -> count Tally.AcceptSuccess + count Tally.AcceptReject + count Tally.AcceptUnauthorized = 1))

[<Fact>]
let ``a connection that began to dial counts one of dial success and dial error, and no other counts either`` () =
    Law.Holds(holds (fun count lives ->
        let dialled = lives |> List.exists (fun life -> match life.Step with Step.Attempt _ -> true | _ -> false)
        count Tally.DialSuccess + count Tally.DialError = (if dialled then 1 else 0)))

[<Fact>]
let ``a relay that both sides ended is a success, and one that a side reset is none`` () =
    Law.HoldsFor([ RelayEvent.Ended, 1, 0; RelayEvent.Reset, 0, 1 ], fun (last, success, error) ->
        let events = [ Event.Counted true; Event.Ticket 0L; Event.Connected; Event.Relayed(Side.Client, RelayEvent.Ended); Event.Relayed(Side.Target, last); Event.Shutdown ]
        let count, _ = tell { Proxy = proxy IpNetworkSet.Empty IpNetworkSet.Empty false Policy.RoundRobin; Peer = Endpoint.Unix ""; Events = events }
        count Tally.PipeSuccess = success && count Tally.PipeError = error)

[<Fact>]
let ``a relay counts one of pipe success and pipe error; success is where both sides ended`` () =
    Law.Holds(holds (fun count lives ->
        let ended = match (List.last lives).CloseReason with ValueSome { Phase = Phase.Relay; Cause = Cause.Ended } -> 1 | _ -> 0
        count Tally.PipeSuccess + count Tally.PipeError = count Tally.DialSuccess && count Tally.PipeSuccess = ended))

[<Fact>]
let ``a client that leaves without a byte is no protocol error and no handshake error`` () =
    Law.Holds(holds (fun count lives ->
        match (List.last lives).CloseReason with
        | ValueSome { Cause = Cause.Probe } -> count Tally.ProtocolError + count Tally.HandshakeError = 0
        | _ -> true))

[<Fact>]
let ``who is refused at admission is counted as nothing else`` () =
    Law.Holds(holds (fun count lives ->
        match (List.last lives).CloseReason with
        | ValueSome { Phase = Phase.Admission; Cause = (Cause.Refused | Cause.Limit) } ->
            count Tally.AcceptSuccess + count Tally.DialSuccess + count Tally.DialError + count Tally.HandshakeError + count Tally.ProtocolError = 0
        | _ -> true))

[<Fact>]
let ``a faulty PROXY header counts one protocol error, a faulty hello or handshake one handshake error, and what Bitflow cut off neither`` () =
    Law.Holds(holds (fun count lives ->
        let header, handshake =
            match (List.last lives).CloseReason with
            | ValueSome { Cause = (Cause.Probe | Cause.Shutdown | Cause.Lifetime | Cause.Fault | Cause.Exhausted) } -> 0, 0
            | ValueSome { Phase = Phase.ProxyHeader } -> 1, 0
            | ValueSome { Phase = (Phase.Hello | Phase.Handshake) } -> 0, 1
            | _ -> 0, 0
        count Tally.ProtocolError = header && count Tally.HandshakeError = handshake))
