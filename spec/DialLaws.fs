module Bitflow.Spec.DialLaws

open Xunit
open Bitflow.Domain

let private plan targets order = DialPlan.schedule (List.toArray targets) order |> Seq.toList
let private order (p: ProxyConfig) = [| 0 .. p.Targets.Length - 1 |]

[<Fact>]
let ``all attempts of one target come before the first of the next, each numbered from one`` () =
    Law.Holds(fun (SmallProxy p) ->
        let expected = [ for i, target in List.indexed p.Targets do for attempt in 1 .. target.ConnectAttempts -> i, attempt ]
        [ for struct (target, attempt, _) in plan p.Targets (order p) -> target, attempt ] = expected)

[<Fact>]
let ``the wait before an attempt is its target's backoff, and the next target begins at once`` () =
    Law.Holds(fun (SmallProxy p) ->
        plan p.Targets (order p)
        |> List.forall (fun struct (target, attempt, wait) -> wait = Backoff.before p.Targets[target].ConnectBackoff attempt))

[<Fact>]
let ``a plan ends: no more attempts are made than the targets allow together, whatever happens`` () =
    Law.Holds(fun (SmallProxy p) (faults: DialFault list) ->
        let targets = List.toArray p.Targets
        let faults = if faults.IsEmpty then [ DialFault.ConnectTimeout(DialWait.Connection Hop.Target) ] else faults
        let most = p.Targets |> List.sumBy _.ConnectAttempts
        let rec go n (plan: DialPlan) =
            plan.Begun = n
            && n <= most
            && (match DialPlan.afterFailure targets plan faults[n % faults.Length] with
                | NextAttempt.After(_, next) -> go (n + 1) next
                | NextAttempt.GiveUp -> plan.Place = plan.Order.Length - 1)
        go 1 (DialPlan.start (order p)))

[<Fact>]
let ``a certificate that does not verify and a used-up descriptor are not tried again, but the next target is`` () =
    Law.Holds(fun (SmallProxy p) (fault: DialFault) ->
        let final = match fault with DialFault.Certificate _ | DialFault.UsedUp -> true | _ -> false
        match DialPlan.afterFailure (List.toArray p.Targets) (DialPlan.start (order p)) fault with
        | NextAttempt.GiveUp -> p.Targets.Length = 1 && (final || p.Targets[0].ConnectAttempts = 1)
        | NextAttempt.After(wait, next) ->
            if final || p.Targets[0].ConnectAttempts = 1 then next.Place = 1 && next.Attempt = 1 && wait.IsZero
            else next.Place = 0 && next.Attempt = 2)

[<Fact>]
let ``another address is asked for only where the SOCKS5 proxy could not reach this one, or not in time, not where it will have nothing of us`` () =
    Law.Holds(fun (fault: DialFault) ->
        DialFault.anotherAddressMayDo fault = (match fault with DialFault.Socks(SocksFault.Refused _) | DialFault.ConnectTimeout _ -> true | _ -> false))
    Law.HoldsFor(
        [ SocksFault.Refused 1uy, true
          SocksFault.Refused 4uy, true
          SocksFault.NoAcceptableMethod, false
          SocksFault.CredentialsRefused 1uy, false
          SocksFault.Version 4uy, false
          SocksFault.Ended "the request", false ],
        fun (fault, another) -> DialFault.anotherAddressMayDo (DialFault.Socks fault) = another)

[<Fact>]
let ``another address is connected to where nobody was reached or the time was over, not where somebody answered, nor where we gave up`` () =
    Law.HoldsFor(
        [ DialFault.Connect IoFault.Refused, true
          DialFault.Connect IoFault.TimedOut, true
          DialFault.SocksConnect IoFault.HostUnreachable, true
          DialFault.ConnectTimeout(DialWait.Connection Hop.Target), true
          DialFault.ConnectTimeout(DialWait.SocksAnswer "the request"), true
          DialFault.ConnectTimeout DialWait.Handshake, true
          DialFault.Connect IoFault.Aborted, false
          DialFault.SocksConnect IoFault.Aborted, false
          DialFault.Exchange IoFault.Reset, false
          DialFault.SocksExchange(IoFault.Reset, "the greeting"), false
          DialFault.Tls "", false
          DialFault.Certificate "", false
          DialFault.Socks SocksFault.NoAcceptableMethod, false
          DialFault.Socks(SocksFault.Refused 5uy), false ],
        fun (fault, another) -> DialFault.anotherHopMayDo fault = another)

[<Fact>]
let ``a connection whose ends are one and the same leads nowhere but to itself, an unspecified address standing for this machine`` () =
    let at (address: string) port = Endpoint.OfIp(System.Net.IPAddress.Parse address, port)
    Law.Holds(fun (AnyIp address) (port: uint16) -> Endpoint.isItself (Endpoint.OfIp(address, int port)) (Endpoint.OfIp(address, int port)))
    Law.HoldsFor(
        [ at "127.0.0.1" 40_000, at "127.0.0.1" 40_001, false
          at "127.0.0.1" 40_000, at "127.0.0.2" 40_000, false
          at "127.0.0.1" 40_000, at "::ffff:127.0.0.1" 40_000, true
          at "127.0.0.1" 40_000, at "0.0.0.0" 40_000, true
          at "::1" 40_000, at "::" 40_000, true
          at "127.0.0.1" 40_000, at "0.0.0.0" 80, false
          Endpoint.Unix "", Endpoint.Unix "", false
          Endpoint.Unknown, Endpoint.Unknown, false ],
        fun (local, remote, itself) -> Endpoint.isItself local remote = itself)

[<Fact>]
let ``the longest time to give up is every timeout and every wait, and none is longer than no timeout at all`` () =
    Law.Holds(fun (SmallProxy p) ->
        let targets = List.toArray p.Targets
        let unlimited = p.Targets |> List.exists (fun t -> not t.ConnectTimeout.IsPositive)
        let sum =
            plan p.Targets (order p)
            |> List.sumBy (fun struct (target, _, wait) -> decimal wait.TotalNanoseconds + decimal targets[target].ConnectTimeout.TotalNanoseconds)
        let longest = DialPlan.longest targets (order p)
        if unlimited then longest = Duration.Max else decimal longest.TotalNanoseconds = sum)

[<Fact>]
let ``a plan over very many attempts is read without running out of stack`` () =
    Law.HoldsFor([ 300 ], fun count ->
        let targets = Array.init count (fun i -> { Sample.target $"t{i}" with ConnectAttempts = 1_000 })
        Seq.length (DialPlan.schedule targets [| 0 .. count - 1 |]) = count * 1_000)

[<Fact>]
let ``several addresses share what is left equally, at least two seconds each while that much is left, the last taking the rest`` () =
    Law.Holds(fun (left: Duration) (n: int) ->
        let n = 1 + abs (n % 9)
        let share = (DialPlan.addressShare left n).TotalNanoseconds
        let leftNanoseconds = left.TotalNanoseconds
        if n = 1 then share = leftNanoseconds
        elif leftNanoseconds <= 0L then share = 0L
        else
            share <= leftNanoseconds
            && share >= leftNanoseconds / int64 n
            && (share >= 2_000_000_000L || share = leftNanoseconds)
            && (share = leftNanoseconds / int64 n || share = min 2_000_000_000L leftNanoseconds))

[<Fact>]
let ``shares of an attempt never add up to more than the attempt`` () =
    Law.Holds(fun (left: Duration) (n: int) ->
        let n = 1 + abs (n % 9)
        let mutable rest = max 0L left.TotalNanoseconds
        for k in n .. -1 .. 1 do
            rest <- rest - (DialPlan.addressShare (Duration.OfNanoseconds rest) k).TotalNanoseconds
        rest = 0L)

[<Fact>]
let ``a target is told of its certificate before its words, and of its words before the end of its connection`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault -> DialFault.ofHandshake TlsVersion.Tls13 fault true "expired" = DialFault.Certificate "expired")
    Law.HoldsFor(
        [ IoFault.None, "target.dial.protocol"
          IoFault.TlsProtocol, "target.dial.protocol"
          IoFault.Truncated, "target.dial.ended"
          IoFault.Reset, "target.dial.reset"
          IoFault.TimedOut, "target.dial.vanished"
          IoFault.Aborted, "bitflow.dial.fault" ],
        fun (fault, reason) -> string (DialFault.reason (DialFault.ofHandshake TlsVersion.Tls13 fault false "words")) = reason)

[<Fact>]
let ``a target whose versions of TLS do not meet min_version is told with the setting that lets it in, and no other is`` () =
    Law.HoldsFor(
        [ TlsVersion.Tls13, "error:0A00042E:SSL routines::tlsv1 alert protocol version", true
          TlsVersion.Tls13, "error:0A000102:SSL routines::unsupported protocol", true
          TlsVersion.Tls13, "error:0A000410:SSL routines::sslv3 alert handshake failure", false
          TlsVersion.Tls12, "error:0A00042E:SSL routines::tlsv1 alert protocol version", false ],
        fun (least, detail, advised) ->
            let said = DialFault.describe (DialFault.ofHandshake least IoFault.None false detail)
            said.Contains detail && said.Contains "min_version" = advised)

[<Fact>]
let ``whatever a SOCKS5 proxy is at fault for is told as its own, and nothing else is`` () =
    Law.Holds(fun (fault: DialFault) ->
        let ofProxy =
            match fault with
            | DialFault.ConnectTimeout(DialWait.Name Hop.Proxy | DialWait.Connection Hop.Proxy | DialWait.SocksAnswer _)
            | DialFault.ResolveTimeout Hop.Proxy
            | DialFault.Unresolved(Hop.Proxy, _)
            | DialFault.SocksConnect _
            | DialFault.Socks _
            | DialFault.SocksExchange _ -> true
            | _ -> false
        (DialFault.describe fault).Contains "SOCKS5 proxy" = ofProxy)

[<Fact>]
let ``every fault of a dial has its own words, and a reason of the dial`` () =
    Law.Holds(fun (fault: DialFault) ->
        let reason = DialFault.reason fault
        reason.Phase = Phase.Dial && DialFault.describe fault <> "" && reason.Who <> Who.Client)

[<Fact>]
let ``reasons that the log shows for failed dials`` () =
    Law.HoldsFor(
        [ DialFault.Connect IoFault.Refused, "target.dial.refused"
          DialFault.Connect IoFault.NoSuchPath, "target.dial.refused"
          DialFault.Connect IoFault.BacklogFull, "target.dial.refused"
          DialFault.Connect IoFault.HostUnreachable, "target.dial.unreachable"
          DialFault.Connect IoFault.NetworkUnreachable, "target.dial.unreachable"
          DialFault.Connect(IoFaults.ofErrno 22), "target.dial.unreachable" // EINVAL: a blackhole route
          DialFault.Connect(IoFaults.ofErrno 92), "target.dial.unreachable" // ENOPROTOOPT: no TCP there
          DialFault.Connect(IoFaults.ofErrno 97), "target.dial.unreachable" // EAFNOSUPPORT
          DialFault.Connect(IoFaults.ofErrno 95), "target.dial.unreachable" // EOPNOTSUPP
          DialFault.Connect(IoFaults.ofErrno 20), "target.dial.refused" // ENOTDIR
          DialFault.Connect(IoFaults.ofErrno 40), "target.dial.refused" // ELOOP
          DialFault.Connect IoFault.TimedOut, "target.dial.vanished"
          DialFault.Connect IoFault.NoDescriptors, "bitflow.dial.exhausted"
          DialFault.Connect IoFault.NoLocalAddress, "bitflow.dial.exhausted"
          DialFault.Connect IoFault.Aborted, "bitflow.dial.fault"
          DialFault.Exchange IoFault.None, "target.dial.ended"
          DialFault.Exchange IoFault.Reset, "target.dial.reset"
          DialFault.Exchange IoFault.Truncated, "target.dial.truncated"
          DialFault.ConnectTimeout DialWait.Handshake, "target.dial.connect_timeout"
          DialFault.ResolveTimeout Hop.Proxy, "target.dial.resolve_timeout"
          DialFault.Unresolved(Hop.Target, ""), "target.dial.unresolved"
          DialFault.Socks(SocksFault.Version 4uy), "target.dial.protocol"
          DialFault.Socks(SocksFault.Refused 1uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 2uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 5uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 7uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 8uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 9uy), "target.dial.protocol"
          DialFault.Socks(SocksFault.Ended "the request"), "target.dial.ended"
          DialFault.SocksExchange(IoFault.Reset, "the request"), "target.dial.reset"
          DialFault.Socks(SocksFault.Refused 4uy), "target.dial.unreachable"
          DialFault.SocksConnect IoFault.Refused, "target.dial.refused"
          DialFault.Tls "", "target.dial.protocol"
          DialFault.Certificate "", "target.dial.certificate"
          DialFault.UsedUp, "target.dial.used_up" ],
        fun (fault, text) -> string (DialFault.reason fault) = text
    )

[<Fact>]
let ``a socket that takes no streams is a refusal, by errno and by the platform's name for it`` () =
    Law.HoldsFor(
        [ IoFaults.ofErrno 91; IoFaults.ofSocketError System.Net.Sockets.SocketError.ProtocolType ],
        fun fault -> string (DialFault.reason (DialFault.Connect fault)) = "target.dial.refused" && IoFaults.describe fault = "is no stream socket")

[<Fact>]
let ``an inherited socket that is down is foreseen as used up, at once and once`` () =
    let proxy =
        { Sample.proxy "p" with
            Targets = [ { Sample.target "a" with Address = Address.Descriptor 5; ConnectAttempts = 3; ConnectBackoff = Duration.OfSeconds 1L }; Sample.target "b" ]
            Options = { Sample.options with LoadBalancer = Policy.Failover } }
    let atDial = (Forecast.untilDial (Rules proxy) ValueNone { Peer = Sample.ip "10.0.0.9"; Local = Endpoint.Unknown; Header = HeaderSeen.None; ServerName = ValueNone; AlpnOffer = []; TlsOffer = TlsOffer.usual; OpenConnections = 0; Ticket = 0L }).Life
    Law.HoldsFor([ Forecast.refusing; Forecast.silent ], fun down ->
        let attempts, life = Forecast.dial (fun target -> if target = 0 then down target else Duration.Zero, ValueNone) atDial
        [ for a in attempts -> a.Target, a.At ] = [ 0, Duration.Zero; 1, Duration.Zero ]
        && life.IsRelaying
        && life.LastFailure = ValueSome(struct (0, DialFault.UsedUp)))
