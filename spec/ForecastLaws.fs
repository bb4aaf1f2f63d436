module Bitflow.Spec.ForecastLaws

open Xunit
open Bitflow.Domain
open Bitflow.Spec.DescribedClients

[<Fact>]
let ``what is foreseen to be refused is what admission refuses, and what no target answers to`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (openNow: int) (ticket: uint16) ->
        let client = client p n m openNow ticket
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        let isAuthorized =
            match client.Header with
            | ValueSome ProxyOrigin.TheSender -> true
            | ValueSome(ProxyOrigin.Stated(source, _)) -> Admission.isAuthorized p.Listener source
            | _ -> Admission.isAuthorized p.Listener client.Peer
        let admitted =
            isAuthorized && Admission.isBelowLimit p.Options.ConnectionLimit client.OpenConnections
        let answered =
            p.Options.LoadBalancer <> Policy.Sni || (NameTable(p.Targets |> List.map _.Name).BestMatch client.ServerName).IsSome
        forecast.Life.IsOver = not (admitted && answered))

[<Fact>]
let ``a target that is up takes the client, unless one before it in the order does, or the lifetime is over first`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) (down: int) ->
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        let isDown index = (down >>> index) &&& 1 = 1
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let _, life = Forecast.connect isDown forecast
            (match plan.Order |> Array.tryFind (isDown >> not), life.CloseReason with
             | Some target, ValueNone -> life.LastTarget = ValueSome target
             | _, ValueSome reason -> reason.Cause = Cause.Lifetime || plan.Order |> Array.forall isDown
             | None, ValueNone -> false)
        | _ -> forecast.Life.IsOver)

[<Fact>]
let ``what is foreseen of a literal address of the other family, a target's or its proxy's, is what the route to it answers`` () =
    let literals = [| "127.0.0.1:1"; "[::1]:1"; "name:1" |] |> Array.map Sample.dialAddress
    let clients = [| Sample.ip "192.0.2.9"; Sample.ip "2001:db8::9"; Endpoint.Unix "" |]
    Law.Holds(fun (SmallProxy p) (n: int) (ticket: uint16) (addresses: (int * int) list) (isDualStack: bool) ->
        let placed index (target: TargetConfig) =
            let own, proxy = List.tryItem index addresses |> Option.defaultValue (0, 0)
            { target with
                Address = TargetAddress.Dialled(pick literals own)
                Proxy = if proxy % 4 = 0 then None else Some { Address = pick literals proxy; Credentials = None } }
        let p =
            { p with
                Listener = { p.Listener with AuthorizedSources = IpNetworkSet.Empty }
                Targets = p.Targets |> List.mapi placed
                Options = { p.Options with DualStack = isDualStack; ConnectionLifetime = Duration.Zero } }
        let client = { client p 0 1 0 ticket with Peer = pick clients n }
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let route index = DialRoute.choose p.Targets[index] isDualStack client.Peer
            let attempts, life = Forecast.connect (fun _ -> false) forecast
            let failing = plan.Order |> Array.takeWhile (fun index -> (route index).IsUnreachable)
            let inVain = failing |> Array.sumBy (fun index -> max 1 p.Targets[index].ConnectAttempts)
            if failing.Length < plan.Order.Length then
                life.IsRelaying && life.LastTarget = ValueSome plan.Order[failing.Length] && attempts.Length = inVain + 1
            else
                match route plan.Order[failing.Length - 1] with
                | TargetRoute.Unreachable fault -> life.CloseReason = ValueSome(DialFault.reason fault) && attempts.Length = inVain
                | _ -> false
        | _ -> forecast.Life.IsOver)

[<Fact>]
let ``the foreseen attempts are the dial plan's, at the times that its waits add up to`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) ->
        let p = { p with Options = { p.Options with ConnectionLifetime = Duration.Zero } }
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        match forecast.Life.Step with
        | Step.Attempt plan ->
            let attempts, _ = Forecast.dial Forecast.refusing forecast.Life
            let schedule = DialSchedule.attempts (List.toArray p.Targets) plan.Order |> Seq.toList
            let times = schedule |> List.scan (fun (at: Duration) (struct (_, _, wait)) -> at + wait) Duration.Zero |> List.tail
            (attempts |> List.map (fun a -> struct (a.Target, a.Attempt))) = (schedule |> List.map (fun (struct (t, k, _)) -> struct (t, k)))
            && (attempts |> List.map _.At) = times
        | _ -> true)

[<Fact>]
let ``silence is never found out earlier than a refusal`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (m: int) (ticket: uint16) ->
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) (client p n m 0 ticket)
        let early, _ = Forecast.dial Forecast.refusing forecast.Life
        let late, _ = Forecast.dial Forecast.silent forecast.Life
        late.Length <= early.Length && List.forall2 (fun (e: ForeseenAttempt) (l: ForeseenAttempt) -> e.At <= l.At) (List.truncate late.Length early) late)

[<Fact>]
let ``a trusted proxy's own connection is foreseen to be admitted, whoever else is`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks [ "192.0.2.0/24" ] } }
    Law.HoldsFor([ ValueSome ProxyOrigin.TheSender, false; ValueSome ProxyOrigin.Unstated, true; ValueSome(ProxyOrigin.Stated(Sample.ip "192.0.2.7", Endpoint.Unknown)), false ], fun (header, refused) ->
        let client = { describe (Sample.ip "10.1.2.3") ValueNone 0 0L with Header = header }
        (Forecast.untilDial (Rules proxy) ValueNone client).Life.IsOver = refused)

[<Fact>]
let ``the ticket, the server name and the listener's TLS are those that serve`` () =
    Law.Holds(fun (SmallProxy p) (ticket: uint16) ->
        let client = client p 0 1 0 ticket
        let forecast = Forecast.untilDial (Rules p) (tlsOf p) client
        let reached = match forecast.Life.Step with Step.Attempt _ -> true | _ -> false
        not reached
        || (forecast.Hello.IsSome = p.Listener.Tls.IsSome
            && (p.Options.LoadBalancer <> Policy.RoundRobin || forecast.Life.Ticket = ValueSome(int64 ticket))))

[<Fact>]
let ``an attempt that would be answered in the very moment of its deadline has missed it`` () =
    Law.HoldsFor([ 126L, "connect_timeout"; 127L, "connect_timeout"; 128L, "vanished"; 0L, "vanished" ], fun (seconds, cause) ->
        let proxy = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectTimeout = Duration.OfSeconds seconds } ] }
        let _, life = Forecast.dial Forecast.silent (Forecast.untilDial (Rules proxy) ValueNone (describe (Sample.ip "10.9.9.9") ValueNone 0 0L)).Life
        life.CloseReason = CloseReason.tryParse $"target.dial.{cause}")

[<Fact>]
let ``who a trusted header names is the source, and a header of local health checks names nobody`` () =
    let p = { Sample.proxy "p" with Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.9.0.0/16" ] } }
    let source header =
        (Forecast.untilDial (Rules p) ValueNone { describe (Sample.ip "10.9.9.9") ValueNone 0 0L with Header = header }).Life.Source
    Law.HoldsFor(
        [ ValueSome(ProxyOrigin.Stated(Sample.ip "198.51.100.7", Sample.ip "198.51.100.8")), Sample.ip "198.51.100.7"
          ValueSome ProxyOrigin.TheSender, Sample.ip "10.9.9.9"
          ValueSome ProxyOrigin.Unstated, Sample.ip "10.9.9.9" ],
        fun (header, expected) -> source header = expected)

[<Fact>]
let ``an inherited socket that is down is foreseen as used up, at once and once`` () =
    let proxy =
        { Sample.proxy "p" with
            Targets = [ { Sample.target "a" with Address = TargetAddress.Descriptor 5; ConnectAttempts = 3; ConnectBackoff = Duration.OfSeconds 1L }; Sample.target "b" ]
            Options = { Sample.options with LoadBalancer = Policy.Failover } }
    let atDial = (Forecast.untilDial (Rules proxy) ValueNone (describe (Sample.ip "10.0.0.9") ValueNone 0 0L)).Life
    Law.HoldsFor([ Forecast.refusing; Forecast.silent ], fun down ->
        let attempts, life = Forecast.dial (fun target -> if target = 0 then down target else Duration.Zero, ValueNone) atDial
        [ for a in attempts -> a.Target, a.At ] = [ 0, Duration.Zero; 1, Duration.Zero ]
        && life.IsRelaying
        && life.LastFailure = ValueSome(struct (0, DialFault.UsedUp)))
