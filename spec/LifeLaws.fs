module Bitflow.Spec.LifeLaws

open FSharp.Reflection
open Xunit
open Bitflow.Domain

let private client = Sample.ip "10.9.9.9"
let private trustedPeer = Sample.ip "10.1.2.3"
let private local = Sample.ip "10.0.0.1"
let private at ms = Instant(int64 ms * 1_000_000L)
let private rules proxy = Rules proxy
let private begin' proxy peer = Life.start (rules proxy) (at 0) peer local
let private reason (life: Life) = match life.Step with Step.Ended(reason, _) -> string reason | _ -> "goes on"
let private ending (life: Life) = match life.Step with Step.Ended(_, ending) -> ValueSome ending | _ -> ValueNone

/// The lives that a connection goes through, the first one included.
let private lives (proxy: ProxyConfig) peer (AnyEvents events) =
    let folder (now, life) (wait, event) =
        let now = now + wait
        now, Life.advance life (at now) event
    List.scan folder (0, begin' proxy peer) events

let private peers = [| client; trustedPeer; Sample.ip "192.0.2.1"; Sample.ip "203.0.113.9"; Endpoint.Unix ""; Endpoint.Unknown |]
let private peer n = peers[abs (n % peers.Length)]

/// Answers every step that waits for the client or the proxy itself, at once, until a target is to be dialled.
let private toDial (life: Life) (now: Instant) name ticket =
    let rec go (life: Life) =
        match life.Step with
        | Step.Admit -> go (Life.advance life now (Event.Counted true))
        | Step.ReadProxyHeader -> go (Life.advance life now (Event.HeaderRead ProxyOrigin.Unstated))
        | Step.ReadHello -> go (Life.advance life now (Event.HelloRead name))
        | Step.Handshake -> go (Life.advance life now Event.HandshakeDone)
        | Step.DrawTicket -> go (Life.advance life now (Event.Ticket ticket))
        | _ -> life
    go life

[<Fact>]
let ``nothing follows an end`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (_, after)) -> not before.IsOver || obj.ReferenceEquals(before, after)))

[<Fact>]
let ``an answer that comes too late changes nothing`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) (late: Event) (by: int) ->
        let now, life = List.last (lives p (peer n) events)
        let stage = life.Stage - 1 - abs (by % 5)
        obj.ReferenceEquals(Life.answer life stage (at now) late, life))

[<Fact>]
let ``an answer in time is an event like any other`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) (event: Event) ->
        let now, life = List.last (lives p (peer n) events)
        // Two lives are never equal, but what they are made of is.
        let parts (life: Life) = FSharpValue.GetRecordFields life
        parts (Life.answer life life.Stage (at now) event) = parts (Life.advance life (at now) event))

[<Fact>]
let ``stages count steps: each event makes at most one, and without one neither step nor deadline changes`` () =
    /// A relay goes on with its target, whatever becomes of its sides.
    let isSameStep (before: Step) (after: Step) =
        match before, after with
        | Step.Relay before, Step.Relay after -> before.Target = after.Target
        | _ -> obj.ReferenceEquals(after, before)
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (_, after)) ->
            (after.Stage = before.Stage && after.Deadline = before.Deadline && isSameStep before.Step after.Step)
            || after.Stage = before.Stage + 1))

[<Fact>]
let ``no deadline lies past the lifetime, and an ended connection has none`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let lifetime = Instant.limitFrom (at 0) p.Options.ConnectionLifetime
        lives p (peer n) events
        |> List.forall (fun (_, life) -> if life.IsOver then life.Deadline.IsNever else life.Deadline.Nanoseconds <= lifetime.Nanoseconds))

[<Fact>]
let ``what must be read from the client has until handshake_timeout after accept, and that deadline goes when it was read`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let lifetime = Instant.limitFrom (at 0) p.Options.ConnectionLifetime
        let handshake = Instant.earlier lifetime (Instant.limitFrom (at 0) p.Listener.HandshakeTimeout)
        lives p (peer n) events
        |> List.forall (fun (_, life) ->
            match life.Step with
            | Step.ReadProxyHeader | Step.ReadHello | Step.Handshake -> life.Deadline = handshake
            | Step.Admit | Step.DrawTicket | Step.Relay _ -> life.Deadline = lifetime
            | _ -> true))

[<Fact>]
let ``an attempt has its target's connect_timeout from where it began, and no attempt has another's`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let lifetime = Instant.limitFrom (at 0) p.Options.ConnectionLifetime
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (now, after)) ->
            match after.Step with
            | Step.Attempt plan when after.Stage > before.Stage ->
                after.Deadline = Instant.earlier lifetime (Instant.limitFrom (at now) p.Targets[plan.Target].ConnectTimeout)
            | _ -> true))

[<Fact>]
let ``a timer that fires before the deadline changes nothing`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let now, life = List.last (lives p (peer n) events)
        (at now).Nanoseconds >= life.Deadline.Nanoseconds
        || obj.ReferenceEquals(Life.advance life (at now) Event.TimeUp, life))

[<Fact>]
let ``a timer that fires at the deadline always moves the connection on`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let _, life = List.last (lives p (peer n) events)
        life.Deadline.IsNever || (Life.advance life life.Deadline Event.TimeUp).Stage = life.Stage + 1)

[<Fact>]
let ``a connection whose lifetime is over ends at its next deadline, with that reason`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) (after: uint16) ->
        let _, life = List.last (lives p (peer n) events)
        let lifetime = Instant.limitFrom (at 0) p.Options.ConnectionLifetime
        life.IsOver
        || lifetime.IsNever
        || (let ended = Life.advance life (lifetime + Sample.milliseconds (int after)) Event.TimeUp
            (reason ended).StartsWith "bitflow." && (reason ended).EndsWith ".lifetime"
            && ending ended = ValueSome(if life.IsRelaying then Ending.ResetBoth else Ending.Linger)))

[<Fact>]
let ``a connection never goes back a phase`` () =
    let rank phase = CloseReason.allPhases |> List.findIndex ((=) phase)
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (_, after)) ->
            rank before.Phase <= rank after.Phase
            // A header's source is checked when it is read: that refusal belongs to admission.
            || reason after = "bitflow.admission.refused"))

[<Fact>]
let ``a connection counts from its admission on, once, and a refused one never does`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (_, after)) ->
            match before.Step with
            | Step.Admit when not after.IsOver && after.Stage > before.Stage -> after.IsCounted
            | Step.Admit -> not after.IsCounted
            | _ -> after.IsCounted = before.IsCounted))

[<Fact>]
let ``a peer that no list lets in is reset at accept; one that may bring a header is not judged before it`` () =
    Law.Holds(fun (SmallProxy p) (n: int) ->
        let peer = peer n
        let life = begin' p peer
        if Admission.isTrustedProxy p.Listener peer then life.Phase = Phase.Admission && not life.IsOver
        else life.IsOver = not (Admission.isAuthorized p.Listener peer) && (not life.IsOver || (reason life = "bitflow.admission.refused" && ending life = ValueSome Ending.ResetBoth)))

[<Fact>]
let ``over the limit a connection is reset, and nothing was read from it`` () =
    Law.Holds(fun (SmallProxy p) ->
        let life = Life.advance (begin' p client) (at 0) (Event.Counted false)
        reason life = "bitflow.admission.limit" && ending life = ValueSome Ending.ResetBoth && not life.IsCounted)

let private believing authorized =
    { Sample.proxy "p" with
        Listener = { Sample.listener with TrustedProxies = Sample.networks [ "10.1.0.0/16" ]; AuthorizedSources = Sample.networks authorized } }

let private withHeader proxy event =
    let life = Life.advance (begin' proxy trustedPeer) (at 0) (Event.Counted true)
    Life.advance life (at 1) event

[<Fact>]
let ``the source in a header is the one that must be authorised, not the proxy that sent it`` () =
    Law.HoldsFor(
        [ [ "203.0.113.0/24" ], "203.0.113.9", "goes on"; [ "10.0.0.0/8" ], "203.0.113.9", "bitflow.admission.refused"; [], "203.0.113.9", "goes on" ],
        fun (authorized, source, expected) ->
            let connectedTo = Sample.ip "192.0.2.2"
            let life = withHeader (believing authorized) (Event.HeaderRead(ProxyOrigin.Stated(Sample.ip source, connectedTo)))
            reason life = expected && life.Source = Sample.ip source && life.Destination = connectedTo && (life.IsOver = (ending life = ValueSome Ending.ResetBoth))
    )

[<Fact>]
let ``LOCAL is admitted as the proxy's own connection, whoever else is authorised`` () =
    Law.HoldsFor([ []; [ "192.0.2.0/24" ] ], fun authorized ->
        let life = withHeader (believing authorized) (Event.HeaderRead ProxyOrigin.TheSender)
        not life.IsOver && life.Source = trustedPeer && life.Destination = local)

[<Fact>]
let ``a header that names nobody leaves the real addresses, and the peer's own is checked`` () =
    let nobody = [ ProxyOrigin.Unstated; ProxyOrigin.Stated(Endpoint.Unknown, Sample.ip "192.0.2.2") ]
    Law.HoldsFor(List.allPairs [ [], false; [ "10.0.0.0/8" ], false; [ "192.0.2.0/24" ], true ] nobody, fun ((authorized, refused), origin) ->
        let life = withHeader (believing authorized) (Event.HeaderRead origin)
        life.IsOver = refused && life.Source = trustedPeer && life.Destination = local)

[<Fact>]
let ``only a header changes who the client is`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (AnyEvents events) ->
        let events = events |> List.filter (fun (_, event) -> match event with Event.HeaderRead _ -> false | _ -> true)
        lives p (peer n) (AnyEvents events) |> List.forall (fun (_, life) -> life.Source = peer n && life.Destination = local))

[<Fact>]
let ``nothing waits for the client's first byte unless a header, a hello or a handshake needs it`` () =
    Law.Holds(fun (SmallProxy p) ->
        let life = Life.advance (begin' p client) (at 0) (Event.Counted true)
        match life.Step with
        | Step.ReadProxyHeader -> false
        | Step.ReadHello -> p.Listener.Tls.IsSome || p.Options.LoadBalancer = Policy.Sni
        | Step.DrawTicket -> p.Options.LoadBalancer = Policy.RoundRobin && p.Listener.Tls.IsNone
        | Step.Attempt _ -> p.Listener.Tls.IsNone && (p.Options.LoadBalancer = Policy.None || p.Options.LoadBalancer = Policy.Failover)
        | _ -> false)

[<Fact>]
let ``a hello that no target answers to is refused before the handshake`` () =
    let proxy tls = { Sample.proxy "p" with Targets = [ Sample.target "a.example" ]; Options = { Sample.options with LoadBalancer = Policy.Sni }; Listener = { Sample.listener with Tls = tls } }
    Law.HoldsFor([ None; Some Sample.listenerTls ], fun tls ->
        let life = Life.advance (begin' (proxy tls) client) (at 0) (Event.Counted true)
        let refused = Life.advance life (at 1) (Event.HelloRead(ValueSome(Sample.serverName "b.example")))
        let served = Life.advance life (at 1) (Event.HelloRead(ValueSome(Sample.serverName "A.example.")))
        reason refused = "bitflow.hello.refused" && ending refused = ValueSome(Ending.AlertAndLinger TlsAlert.UnrecognizedName)
        && (match served.Step with
            | Step.Handshake -> tls.IsSome
            | Step.Attempt plan -> tls.IsNone && plan.Target = 0
            | _ -> false))

[<Fact>]
let ``the line about a hello that no target answers to says for whom it asked`` () =
    let proxy = { Sample.proxy "p" with Targets = [ Sample.target "a.example" ]; Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let line name =
        let refused = Life.advance (Life.advance (begin' proxy client) (at 0) (Event.Counted true)) (at 1) (Event.HelloRead name)
        LifeAccount.explain refused refused.CloseReason.Value ""
    Law.HoldsFor([ ValueSome(Sample.serverName "B.example"), ", b.example"; ValueNone, ": its hello has none" ], fun (name, words) ->
        line name = $"no target answers to the client's server name{words}")

/// What dialling should come to, told with loops over times in milliseconds: the attempts with their times, and the end.
let private naiveDial (p: ProxyConfig) (order: int[]) (Outcomes outcomes) =
    let ns (d: Duration) = d.TotalNanoseconds
    let lifetime = if p.Options.ConnectionLifetime.IsPositive then ns p.Options.ConnectionLifetime else System.Int64.MaxValue
    let mutable now = 0L
    let mutable result = None
    let mutable last = ""
    let begun = ResizeArray()
    for target in order do
        let config = p.Targets[target]
        let mutable attempt = 1
        while result.IsNone && attempt <= config.ConnectAttempts do
            let wait = if attempt = 1 then 0L else ns config.ConnectBackoff * (1L <<< (attempt - 2))
            if wait > 0L && now + wait >= lifetime then
                result <- Some "bitflow.dial.lifetime"
            else
                now <- now + wait
                begun.Add(target, attempt, now)
                let delay, fault = outcomes[(begun.Count - 1) % outcomes.Length]
                let timeout = if config.ConnectTimeout.IsPositive then now + ns config.ConnectTimeout else System.Int64.MaxValue
                let answered = now + ns delay
                if lifetime <= answered && lifetime <= timeout then
                    result <- Some "bitflow.dial.lifetime"
                elif timeout <= answered then
                    now <- timeout
                    last <- "target.dial.connect_timeout"
                    attempt <- attempt + 1
                else
                    now <- answered
                    match fault with
                    | None -> result <- Some "goes on"
                    | Some fault ->
                        last <- string (DialFault.reason fault)
                        attempt <- if DialFault.isRetryable fault then attempt + 1 else System.Int32.MaxValue
    List.ofSeq begun, defaultArg result last

[<Fact>]
let ``dialling goes as the rules say when they are told with loops`` () =
    Law.Holds(fun (SmallProxy p) (Outcomes outcomes as script) (ticket: uint16) ->
        let name = ValueSome(Sample.serverName "a.example")
        let life = toDial (begin' p client) (at 0) name (int64 ticket)
        if life.IsOver then
            reason life = "bitflow.hello.refused"
        else
            let order = Balancer.order p.Options.LoadBalancer life.Rules.TargetNames p.Targets.Length (int64 ticket) name
            let begun = ResizeArray()
            let rec go (life: Life) (now: Instant) =
                match life.Step with
                | Step.Attempt plan ->
                    begun.Add(plan.Target, plan.Attempt, now.Nanoseconds)
                    let delay, fault = outcomes[(begun.Count - 1) % outcomes.Length]
                    let answered = now + delay
                    if life.Deadline.Nanoseconds <= answered.Nanoseconds then go (Life.advance life life.Deadline Event.TimeUp) life.Deadline
                    else
                        let event = match fault with None -> Event.Connected | Some fault -> Event.AttemptFailed fault
                        go (Life.advance life answered event) answered
                | Step.Wait _ -> go (Life.advance life life.Deadline Event.TimeUp) life.Deadline
                | _ -> life
            let last = go life (at 0)
            let expected, result = naiveDial p order script
            List.ofSeq begun = expected && reason last = result && last.Attempts = expected.Length)

[<Fact>]
let ``a reset from the client cancels the dial`` () =
    Law.HoldsFor([ true, "client.dial.reset"; false, "client.dial.probe" ], fun (sent, expected) ->
        let life = toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L
        let life = if sent then Life.advance life (at 1) Event.ClientSent else life
        reason (Life.advance life (at 2) (Event.ClientFailed IoFault.Reset)) = expected)

[<Fact>]
let ``a client that the kernel gives up on before the relay has vanished, whether or not it had said a byte, and one that breaks TLS has broken a protocol`` () =
    let tls = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    let step events (life: Life) = events |> List.fold (fun life event -> Life.advance life (at 1) event) life
    let hello = step [ Event.Counted true ] (begin' tls client)
    let handshake = step [ Event.HelloRead ValueNone ] hello
    let steps =
        [ step [ Event.Counted true ] (begin' (believing []) trustedPeer), "proxy_header"
          hello, "hello"
          handshake, "handshake"
          toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L, "dial" ]
    let faults =
        [ IoFault.TimedOut, "vanished"; IoFault.HostUnreachable, "vanished"; IoFault.NetworkUnreachable, "vanished"; IoFault.NoTcp, "vanished"; IoFault.TlsProtocol, "protocol" ]
    Law.HoldsFor(Seq.allPairs (Seq.allPairs steps faults) [ true; false ], fun (((life, phase), (fault, cause)), sent) ->
        let life = if sent then step [ Event.ClientSent ] life else life
        let life = step [ Event.ClientFailed fault ] life
        reason life = $"client.{phase}.{cause}" && ending life = ValueSome Ending.ResetBoth)

let private patient =
    { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = 5; ConnectBackoff = Sample.milliseconds 10 }; Sample.target "b" ]; Options = { Sample.options with LoadBalancer = Policy.Failover } }

[<Fact>]
let ``a client that ends TLS without close_notify is dialled for only if it has said something`` () =
    let proxy = { patient with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    Law.HoldsFor(Seq.allPairs [ true; false ] [ true; false ], fun (said, waiting) ->
        let life = toDial (begin' proxy client) (at 0) ValueNone 0L
        let life = if waiting then Life.advance life (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused)) else life
        let life = if said then Life.advance life (at 2) Event.ClientSent else life
        let seen = Life.advance life (at 3) (Event.SideFailed(Side.Client, IoFault.Truncated, false))
        if said then not seen.IsOver && seen.Stage = life.Stage && seen.ClientHasEnded
        else reason seen = "client.dial.probe" && ending seen = ValueSome Ending.Linger)

[<Fact>]
let ``the client's end after bytes does not cancel the dial`` () =
    Law.HoldsFor([ true; false ], fun waiting ->
        let life = toDial (begin' patient client) (at 0) ValueNone 0L
        let fail (life: Life) = Life.advance life (at 2) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
        let life = Life.advance life (at 1) Event.ClientSent
        let life = if waiting then fail life else life
        let life = Life.advance life (at 3) Event.ClientEnded
        let life = if waiting then life else fail life
        match life.Step with Step.Wait _ -> true | _ -> false)

[<Fact>]
let ``the client's end without a byte lets the attempt finish, but begins no other, with or without a wait before it`` () =
    Law.Holds(fun (fault: DialFault) (said: bool) ->
        let life = toDial (begin' patient client) (at 0) ValueNone 0L
        let life = if said then Life.advance life (at 1) Event.ClientSent else life
        let left = Life.advance life (at 1) Event.ClientEnded
        let relays = Life.advance left (at 2) Event.Connected
        let fails = Life.advance left (at 2) (Event.AttemptFailed fault)
        relays.IsRelaying && (if said then not fails.IsOver else reason fails = "client.dial.probe"))

[<Fact>]
let ``a wait is given up when the client leaves without a byte`` () =
    Law.HoldsFor([ () ], fun () ->
        let life = toDial (begin' patient client) (at 0) ValueNone 0L
        let life = Life.advance life (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
        reason (Life.advance life (at 2) Event.ClientEnded) = "client.dial.probe")

[<Fact>]
let ``a client that leaves while it is being read from is a probe if it never said a byte`` () =
    let proxy = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    Law.HoldsFor(
        [ [ Event.ClientEnded ], "client.hello.probe"
          [ Event.ClientSent; Event.ClientEnded ], "client.hello.ended"
          [ Event.ClientFailed IoFault.Reset ], "client.hello.probe"
          [ Event.ClientSent; Event.ClientFailed IoFault.Reset ], "client.hello.reset"
          [ Event.HelloRead ValueNone; Event.ClientEnded ], "client.handshake.ended" ],
        fun (events, expected) ->
            let life = Life.advance (begin' proxy client) (at 0) (Event.Counted true)
            reason (events |> List.fold (fun life event -> Life.advance life (at 1) event) life) = expected
    )

let private tls = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
let private run proxy peer events = events |> List.fold (fun life event -> Life.advance life (at 1) event) (begin' proxy peer)

[<Fact>]
let ``neither a PROXY header nor a handshake is a word of the client's: one that leaves behind it is a probe`` () =
    let tls = { patient with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    let named = { believing [] with Options = { Sample.options with LoadBalancer = Policy.Sni } }
    let lives =
        [ run named trustedPeer [ Event.Counted true; Event.HeaderRead ProxyOrigin.TheSender ], Event.ClientEnded, "client.hello.probe"
          toDial (begin' (believing []) trustedPeer) (at 0) ValueNone 0L, Event.ClientFailed IoFault.Reset, "client.dial.probe"
          toDial (begin' tls client) (at 0) ValueNone 0L, Event.ClientFailed IoFault.Reset, "client.dial.probe" ]
    Law.HoldsFor(Seq.allPairs lives [ true; false ], fun ((life, event, asProbe), silent) ->
        let life = if silent then life else Life.advance life (at 1) Event.ClientSent
        reason (Life.advance life (at 2) event) = if silent then asProbe else asProbe.Replace("probe", (if event.IsClientEnded then "ended" else "reset")))

[<Fact>]
let ``a refusal before the relay says whose it was, in which phase, why, and what the client is told`` () =
    Law.HoldsFor(
        [ run tls client [ Event.Counted true; Event.HelloMalformed(HelloFault.NotTls 0uy) ], "client.hello.protocol", Ending.Linger
          run tls client [ Event.Counted true; Event.HelloMalformed HelloFault.TooLong ], "client.hello.protocol", Ending.AlertAndLinger TlsAlert.IllegalParameter
          run tls client [ Event.Counted true; Event.HelloRefused(ValueNone, TlsAlert.ProtocolVersion) ], "client.hello.refused", Ending.AlertAndLinger TlsAlert.ProtocolVersion
          run tls client [ Event.Counted true; Event.HelloRead ValueNone; Event.HandshakeFailed true ], "client.handshake.certificate", Ending.Linger
          run tls client [ Event.Counted true; Event.HelloRead ValueNone; Event.HandshakeFailed false ], "client.handshake.protocol", Ending.Linger
          run (believing []) trustedPeer [ Event.Counted true; Event.HeaderMalformed ], "client.proxy_header.protocol", Ending.Linger
          Life.advance (run tls client [ Event.Counted true ]) (at 10_000) Event.TimeUp, "client.hello.handshake_timeout", Ending.Linger
          Life.advance (run (believing []) trustedPeer [ Event.Counted true ]) (at 10_000) Event.TimeUp, "client.proxy_header.handshake_timeout", Ending.Linger ],
        fun (life, expected, farewell) -> reason life = expected && ending life = ValueSome farewell
    )

[<Fact>]
let ``a hello that is refused is answered with the alert that says why, and what is no TLS with none`` () =
    let answer event = ending (run tls client [ Event.Counted true; event ])
    Law.Holds(fun (fault: HelloFault) (alert: TlsAlert) ->
        answer (Event.HelloRefused(ValueNone, alert)) = ValueSome(Ending.AlertAndLinger alert)
        && answer (Event.HelloMalformed fault) = ValueSome(match HelloFault.alert fault with ValueSome owed -> Ending.AlertAndLinger owed | ValueNone -> Ending.Linger))

[<Fact>]
let ``an alert of ours answers a hello alone: before it nobody speaks TLS, and behind it alerts are the TLS library's`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.pairwise
        |> List.forall (fun ((_, before), (_, after)) ->
            match ending after with
            | ValueSome(Ending.AlertAndLinger _) -> before.IsOver || before.Step.IsReadHello
            | _ -> true))

[<Fact>]
let ``the server name of a hello is kept, whether the hello was taken or refused`` () =
    let tls = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    Law.Holds(fun (WrittenName written) ->
        let name = ValueSome(Sample.serverName written)
        [ Event.HelloRead; (fun name -> Event.HelloRefused(name, TlsAlert.ProtocolVersion)) ]
        |> List.forall (fun hello ->
            let read = Life.advance (begin' tls client) (at 0) (Event.Counted true)
            read.ServerName.IsNone && (Life.advance read (at 1) (hello name)).ServerName = name))

[<Fact>]
let ``what Bitflow decides during the relay is a reset to both sides`` () =
    Law.Holds(fun (SmallProxy p) (which: int) ->
        let life = toDial (begin' p client) (at 0) (ValueSome(Sample.serverName "a.example")) 0L
        life.IsOver
        || (let relay = Life.advance life (at 0) Event.Connected
            let event, who, cause =
                [| Event.Shutdown, "bitflow", "shutdown"
                   Event.InternalFault, "bitflow", "fault"
                   Event.ClockOver(Side.Client, Cause.ReadTimeout), "client", "read_timeout"
                   Event.ClockOver(Side.Target, Cause.WriteTimeout), "target", "write_timeout" |][abs (which % 4)]
            let ended = Life.advance relay (at 0) event
            reason ended = $"{who}.relay.{cause}" && ending ended = ValueSome Ending.ResetBoth))

[<Fact>]
let ``a client that said something and resets before the relay is reset as well, and one that ends there is listened to while it is sent away`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let now, life = List.last (lives p (peer n) events)
        let said = Life.advance life (at now) Event.ClientSent
        said.IsOver
        || said.IsRelaying
        || (let reset = Life.advance said (at now) (Event.ClientFailed IoFault.Reset)
            let ended = Life.advance said (at now) Event.ClientEnded
            (reason reset).EndsWith ".reset"
            && ending reset = ValueSome Ending.ResetBoth
            && (not ended.IsOver || ((reason ended).EndsWith ".ended" && ending ended = ValueSome Ending.Linger))))

[<Fact>]
let ``a forced end and a fault of our own end a connection in any phase, and reset it`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let now, life = List.last (lives p (peer n) events)
        life.IsOver
        || ([ Event.Shutdown, "shutdown"; Event.InternalFault, "fault" ]
            |> List.forall (fun (event, cause) ->
                let ended = Life.advance life (at now) event
                (reason ended).StartsWith "bitflow." && (reason ended).EndsWith cause && ending ended = ValueSome Ending.ResetBoth)))

[<Fact>]
let ``a relay is looked at again no later than its lifetime`` () =
    Law.Holds(fun (SmallProxy p) (r: StampedRelay) ->
        let life = toDial (begin' p client) (at 0) (ValueSome(Sample.serverName "a.example")) 0L
        let life = if life.IsOver then life else Life.advance life (at 0) Event.Connected
        match Life.clock life r.Now r.ClientSide r.TargetSide with
        | ClockVerdict.LookAgain again -> again.Nanoseconds <= life.Deadline.Nanoseconds
        | ClockVerdict.Over _ -> life.IsRelaying)

[<Fact>]
let ``a relay keeps the listener's timeouts for the client and the chosen target's for the target`` () =
    let proxy =
        { Sample.proxy "p" with
            Listener = { Sample.listener with ReadTimeout = Sample.milliseconds 10; WriteTimeout = Sample.milliseconds 20 }
            Targets = [ Sample.target "a"; { Sample.target "b" with ReadTimeout = Sample.milliseconds 30; WriteTimeout = Sample.milliseconds 40 } ]
            Options = { Sample.options with LoadBalancer = Policy.RoundRobin } }
    let relay = Life.advance (toDial (begin' proxy client) (at 0) ValueNone 1L) (at 0) Event.Connected
    let quiet = { LastMoved = at 1_000; Held = false; WritePending = false; LastTaken = at 1_000; Standstill = ValueNone }
    let silent, stuck = { quiet with LastMoved = at 0 }, { quiet with WritePending = true; LastTaken = at 0 }
    Law.HoldsFor(
        [ 9, silent, quiet, None; 10, silent, quiet, Some(Side.Client, Cause.ReadTimeout)
          19, stuck, quiet, None; 20, stuck, quiet, Some(Side.Client, Cause.WriteTimeout)
          29, quiet, silent, None; 30, quiet, silent, Some(Side.Target, Cause.ReadTimeout)
          39, quiet, stuck, None; 40, quiet, stuck, Some(Side.Target, Cause.WriteTimeout) ],
        fun (now, client, target, expected) ->
            match Life.clock relay (at now) client target, expected with
            | ClockVerdict.Over(side, cause), Some expected -> (side, cause) = expected
            | ClockVerdict.LookAgain _, None -> true
            | _ -> false
    )

[<Fact>]
let ``a client that neither sent nor got a byte in the relay is recorded as a probe`` () =
    Law.Holds(fun (sent: uint16) (got: uint16) ->
        CloseReason.allWho
        |> List.forall (fun who ->
            CloseReason.allCauses
            |> Seq.forall (fun cause ->
                let reason = CloseReason.make who Phase.Relay cause
                let left = List.contains cause [ Cause.Ended; Cause.Reset; Cause.Truncated ]
                let probe = who = Who.Client && left && sent = 0us && got = 0us
                LifeAccount.recordedReason reason (int64 sent) (int64 got) = (if probe then { reason with Cause = Cause.Probe } else reason))))

[<Fact>]
let ``orders to the relay are given once and belong to their moment`` () =
    Law.Holds(fun (SmallProxy p) (RelayScript script) ->
        let life = toDial (begin' p client) (at 0) (ValueSome(Sample.serverName "a.example")) 0L
        let life = if life.IsOver then life else Life.advance life (at 0) Event.Connected
        let folder (life: Life, _) (side, event) = let next = Life.advance life (at 1) (Event.Relayed(side, event)) in next, life
        let seen = List.scan folder (life, life) script |> List.map fst
        let given = seen |> List.filter (fun l -> not l.IsOver) |> List.map _.Orders |> List.filter ((<>) RelayOrders.None)
        List.distinct given = given)

[<Fact>]
let ``an event leaves the very value, or one with the orders that it brings and none of before`` () =
    Law.Holds(fun (SmallProxy p) (RelayScript script) (event: Event) ->
        let start = toDial (begin' p client) (at 0) (ValueSome(Sample.serverName "a.example")) 0L
        let start = if start.IsOver then start else Life.advance start (at 0) Event.Connected
        let life = List.fold (fun (life: Life) (side, what) -> Life.advance life (at 1) (Event.Relayed(side, what))) start script
        let next = Life.advance life (at 1) event
        let orders =
            match life.Step, event with
            | Step.Relay relaying, Event.Relayed(side, what) when not next.IsOver ->
                match RelayLife.advance relaying.Flows side what with
                | RelayStep.GoOn(_, orders) -> orders
                | _ -> RelayOrders.None
            | Step.Relay relaying, Event.SideFailed(side, _, _) when not next.IsOver && RelayLife.receives relaying.Flows side -> RelayOrders.LookAtClocks
            | _ -> RelayOrders.None
        obj.ReferenceEquals(next, life) || next.Orders = orders)

[<Fact>]
let ``a relay begins with the target that was reached, nothing of it over, and has that target to its end`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (AnyEvents events) (RelayScript script) ->
        let dialled = lives p (peer n) (AnyEvents events)
        let now, last = List.last dialled
        let relayed =
            (Life.advance last (at now) Event.Connected, script)
            ||> List.scan (fun life (side, what) -> Life.advance life (at now) (Event.Relayed(side, what)))
        List.map snd dialled @ relayed
        |> List.pairwise
        |> List.forall (fun (before, after) ->
            match before.Step, after.Step with
            | Step.Attempt plan, Step.Relay relaying -> relaying = Relaying.With plan.Target && after.LastTarget = ValueSome plan.Target
            | Step.Relay before, Step.Relay relaying -> before.Target = relaying.Target && after.LastTarget = ValueSome relaying.Target
            | _, Step.Relay _ -> false
            | _ -> true))

/// A relay one of whose sides has failed, and whose other side last took something at one second and has had a write pending since.
let private failing (side: Side) (limit: Duration) (fault: IoFault) =
    let target = { Sample.target "a" with WriteTimeout = (if side = Side.Client then limit else Duration.Zero) }
    let listener = { Sample.listener with WriteTimeout = (if side = Side.Target then limit else Duration.Zero) }
    let relaying = Life.advance (toDial (begin' { Sample.proxy "p" with Listener = listener; Targets = [ target ] } client) (at 0) ValueNone 0L) (at 1) Event.Connected
    Life.advance relaying (at 2_000) (Event.SideFailed(side, fault, false))

let private clocks (side: Side) pending (lastTaken: Instant) (now: Instant) (life: Life) =
    let quiet = { LastMoved = at 1_000; Held = false; WritePending = false; LastTaken = at 1_000; Standstill = ValueNone }
    let held, taking = { quiet with Held = pending }, { quiet with WritePending = pending; LastTaken = lastTaken }
    if side = Side.Client then Life.clock life now held taking else Life.clock life now taking held

[<Fact>]
let ``what a side sent before it failed is held for one that takes nothing for its write_timeout, else five seconds, and is then reset with it`` () =
    Law.HoldsFor(
        [ for side in [ Side.Client; Side.Target ] do
              for fault, cause in [ IoFault.Reset, Cause.Reset; IoFault.TimedOut, Cause.Vanished ] do
                  side, Duration.Zero, fault, cause, 7_000
                  side, Duration.OfSeconds 30L, fault, cause, 32_000 ],
        fun (side, limit, fault, cause, over) ->
            let life = failing side limit fault
            let verdict now = clocks side true (at 1_000) (at now) life
            // A write_timeout that is over before says so itself.
            let own = if limit.IsPositive then ClockVerdict.Over(Side.other side, Cause.WriteTimeout) else ClockVerdict.Over(side, cause)
            life.IsRelaying
            && (if limit.IsPositive then verdict 31_000 = own else verdict (over - 1) = ClockVerdict.LookAgain(at over) && verdict over = own)
            && clocks side true (at 40_000) (at over) life <> ClockVerdict.Over(side, cause))

[<Fact>]
let ``a side that failed is looked at again where its pump is not held: nothing else may come that would end it`` () =
    Law.HoldsFor([ Side.Client; Side.Target ], fun side ->
        clocks side false (at 0) (at 3_000) (failing side Duration.Zero IoFault.Reset) = ClockVerdict.LookAgain(at 8_000))

[<Fact>]
let ``a want of ours ends a connection at once, as ours, whichever side met it`` () =
    let dialling = toDial (begin' patient client) (at 0) ValueNone 0L
    let relaying = Life.advance dialling (at 1) Event.Connected
    let terminating = { Sample.proxy "p" with Listener = { Sample.listener with Tls = Some Sample.listenerTls } }
    let reading = Life.advance (begin' terminating client) (at 0) (Event.Counted true)
    Law.HoldsFor(
        [ reading, Event.ClientFailed IoFault.NoMemory, "bitflow.hello.exhausted"
          dialling, Event.ClientFailed IoFault.NoMemory, "bitflow.dial.exhausted"
          for side in [ Side.Client; Side.Target ] do
              for behindItsEnd in [ true; false ] do
                  relaying, Event.SideFailed(side, IoFault.NoMemory, behindItsEnd), "bitflow.relay.exhausted" ],
        fun (life, event, expected) ->
            let ended = Life.advance life (at 2) event
            reason ended = expected && ending ended = ValueSome Ending.ResetBoth)

[<Fact>]
let ``a failed side cuts off nobody who takes something of what it sent, and none whose pump is not held`` () =
    Law.Holds(fun (milliseconds: uint16) (isClient: bool) ->
        let side = if isClient then Side.Client else Side.Target
        let now = at (2_000 + int milliseconds)
        let isOver verdict = match verdict with ClockVerdict.Over _ -> true | ClockVerdict.LookAgain _ -> false
        let life = failing side Duration.Zero IoFault.Reset
        not (isOver (clocks side false (at 0) now life)) && not (isOver (clocks side true now (now + Duration.OfMilliseconds 4_999L) life)))

[<Fact>]
let ``a side that failed behind its orderly end waits for nothing, and one from which nothing is received has ended`` () =
    let relaying = Life.advance (toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L) (at 1) Event.Connected
    let ended = Life.advance relaying (at 2) (Event.Relayed(Side.Client, RelayEvent.Ended))
    Law.HoldsFor([ Side.Client; Side.Target ], fun side -> obj.ReferenceEquals(Life.advance relaying (at 2) (Event.SideFailed(side, IoFault.Reset, true)), relaying))
    Law.HoldsFor([ true; false ], fun behindItsEnd ->
        reason (Life.advance ended (at 3) (Event.SideFailed(Side.Client, IoFault.Reset, behindItsEnd))) = "client.relay.reset")

[<Fact>]
let ``before the relay a client that is seen to have failed has failed, and a target has not`` () =
    let dialling = toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L
    Law.HoldsFor([ IoFault.Reset; IoFault.TimedOut; IoFault.TlsProtocol ], fun fault ->
        let seen = Life.advance dialling (at 1) (Event.SideFailed(Side.Client, fault, false))
        reason seen = reason (Life.advance dialling (at 1) (Event.ClientFailed fault))
        && obj.ReferenceEquals(Life.advance dialling (at 1) (Event.SideFailed(Side.Target, fault, false)), dialling))

[<Fact>]
let ``a client that is reset behind its orderly end has ended, and one that failed otherwise has failed, whatever is waited for`` () =
    let dialling = toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L
    let waiting = toDial (begin' { Sample.proxy "p" with Targets = [ { Sample.target "t" with ConnectAttempts = 3; ConnectBackoff = Duration.OfSeconds 1L } ] } client) (at 0) ValueNone 0L
    let waiting = Life.advance waiting (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
    let said life = Life.advance life (at 2) Event.ClientSent
    let lives = [ dialling; waiting; said dialling; said waiting; begin' (Sample.proxy "p") client ]
    Law.HoldsFor([ for life in lives do for fault in System.Enum.GetValues<IoFault>() -> life, fault ], fun (life, fault) ->
        let outcome (life: Life) = life.Stage, life.ClientHasEnded, life.IsOver, life.CloseReason
        let seen = Life.advance life (at 3) (Event.SideFailed(Side.Client, fault, true))
        let like = if RelayEvents.ofReceive fault = RelayEvent.Reset then Event.ClientEnded else Event.ClientFailed fault
        outcome seen = outcome (Life.advance life (at 3) like))

[<Fact>]
let ``a target is left waiting where the client leaves during an attempt, and not where the attempt had failed, or anybody else ended it`` () =
    let dialling = toDial (begin' patient client) (at 0) ValueNone 0L
    let waiting = Life.advance dialling (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
    let lives =
        [ dialling, Event.ClientFailed IoFault.Reset, true
          dialling, Event.ClientFailed IoFault.TimedOut, true
          Life.advance dialling (at 1) Event.ClientEnded, Event.ClientFailed IoFault.Reset, true
          Life.advance dialling (at 1) Event.ClientEnded, Event.AttemptFailed(DialFault.Connect IoFault.Refused), false
          dialling, Event.ClientEnded, false
          dialling, Event.Shutdown, false
          dialling, Event.Connected, false
          waiting, Event.ClientFailed IoFault.Reset, false
          Life.advance dialling (at 1) Event.Connected, Event.Relayed(Side.Client, RelayEvent.Reset), false
          begin' tls client, Event.ClientFailed IoFault.Reset, false ]
    Law.HoldsFor(lives, fun (life, event, isLeft) -> LifeAccount.isLeftWaiting life (Life.advance life (at 2) event) = isLeft)

[<Fact>]
let ``a connection whose policy draws no ticket has none`` () =
    Law.Holds(fun (SmallProxy p) (ticket: uint16) ->
        let life = toDial (begin' p client) (at 0) (ValueSome(Sample.serverName "a.example")) (int64 ticket)
        life.IsOver || life.Ticket = (if p.Options.LoadBalancer = Policy.RoundRobin then ValueSome(int64 ticket) else ValueNone))

[<Fact>]
let ``once the relay runs, only what happens in it, its clocks, and Bitflow's own ends change anything`` () =
    let relaying = Life.advance (toDial (begin' (Sample.proxy "p") client) (at 0) ValueNone 0L) (at 1) Event.Connected
    Law.HoldsFor(
        [ Event.Connected; Event.ClientSent; Event.ClientEnded; Event.ClientFailed IoFault.Reset; Event.HelloRefused(ValueNone, TlsAlert.ProtocolVersion); Event.HeaderMalformed; Event.HandshakeDone
          Event.Ticket 3L; Event.Counted false; Event.AttemptFailed(DialFault.ConnectTimeout(DialWait.Connection Hop.Target)); Event.TimeUp ],
        fun event -> relaying.IsRelaying && obj.ReferenceEquals(Life.advance relaying (at 2) event, relaying)
    )

let private lastFault (life: Life) = life.LastFailure |> ValueOption.map (fun (struct (_, fault)) -> fault)

/// The failures that a connection's transitions tell of, in order.
let private failures lives =
    lives |> List.pairwise |> List.choose (fun ((_, before), (_, after)) -> match LifeAccount.failureOf before after with ValueSome fault -> Some(before, fault) | ValueNone -> None)

[<Fact>]
let ``every attempt that fails is told of once, by the life that was at it, whoever ended it`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        let lives = lives p (peer n) events
        let _, last = List.last lives
        let told = failures lives
        told.Length = last.FailedAttempts
        && told |> List.forall (fun (before, _) -> match before.Step with Step.Attempt plan -> ValueSome plan.Target = before.LastTarget | _ -> false)
        && (match List.tryLast told with
            | Some(before, fault) -> last.LastFailure = ValueSome(struct (before.LastTarget.Value, fault))
            | None -> last.LastFailure.IsNone))

[<Fact>]
let ``a connection that something else ends for a reason like its last attempt's is told by what ended it`` () =
    let proxy = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = 3; ConnectBackoff = Duration.OfSeconds 1L } ] }
    let dialling = toDial (begin' proxy client) (at 0) ValueNone 0L
    Law.HoldsFor(
        [ IoFault.Aborted, Event.InternalFault; IoFault.NoLocalAddress, Event.ClientFailed IoFault.NoMemory ],
        fun (fault, event) ->
            let waiting = Life.advance dialling (at 1) (Event.AttemptFailed(DialFault.Connect fault))
            let ended = Life.advance waiting (at 2) event
            ended.CloseReason.Value = DialFault.reason (DialFault.Connect fault)
            && (LifeAccount.endingFault ended).IsNone
            && LifeAccount.explain ended ended.CloseReason.Value "what really happened" = CloseReason.explainWith ended.CloseReason.Value "what really happened")

[<Fact>]
let ``the attempt that ends a connection is told with how many there were`` () =
    Law.HoldsFor([ 1, "after 1 attempt"; 2, "after 2 attempts" ], fun (attempts, words) ->
        let proxy = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = attempts; ConnectBackoff = Duration.Zero } ] }
        let refused life = Life.advance life (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
        let ended = List.fold (fun life _ -> refused life) (toDial (begin' proxy client) (at 0) ValueNone 0L) [ 1..attempts ]
        (LifeAccount.explain ended ended.CloseReason.Value "").EndsWith words)

[<Fact>]
let ``a fault is why a connection ended only where it is the reason on record`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) ->
        lives p (peer n) events
        |> List.forall (fun (_, life) ->
            match LifeAccount.endingFault life, life.CloseReason with
            | ValueSome fault, ValueSome reason -> DialFault.reason fault = reason && lastFault life = ValueSome fault
            | ValueSome _, ValueNone -> false
            | ValueNone, _ -> true))

[<Fact>]
let ``the line about an end begins with its reason, or with the attempt that was it`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) (detail: bool) ->
        let _, life = List.last (lives p (peer n) events)
        match life.CloseReason with
        | ValueNone -> true
        | ValueSome reason ->
            let line = LifeAccount.explain life reason (if detail then "a detail" else "")
            match LifeAccount.endingFault life with
            | ValueSome fault ->
                let struct (target, _) = life.LastFailure.Value
                line.StartsWith $"target {p.Targets[target].Name} " && line.Contains(DialFault.describe fault)
            | ValueNone -> line.StartsWith(CloseReason.explain reason) && line.Contains "a detail" = detail)

[<Fact>]
let ``a connection that something else ends while it is dialled blames no target for that, and names the attempt before`` () =
    let proxy =
        { Sample.proxy "p" with
            Targets = [ Sample.target "a"; Sample.target "b" ]
            Options = { Sample.options with LoadBalancer = Policy.Failover } }
    let failed = toDial (begin' proxy client) (at 0) ValueNone 0L
    let second = Life.advance failed (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
    let ended = Life.advance second (at 2) Event.Shutdown
    let line = LifeAccount.explain ended ended.CloseReason.Value ""
    Law.HoldsFor([ line ], fun line ->
        second.LastTarget = ValueSome 1 && ended.LastFailure = ValueSome(struct (0, DialFault.Connect IoFault.Refused)) && (LifeAccount.endingFault ended).IsNone
        && line = $"{CloseReason.explain ended.CloseReason.Value}, at attempt 2; before it, target {second.Rules.Targets[0].Name} ({second.Rules.Targets[0].Address}) refused the connection: nothing listens there")

[<Fact>]
let ``a connection that something ends while it waits to try again says which attempt would have come, and what the last came to`` () =
    let proxy = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = 3; ConnectBackoff = Duration.OfSeconds 1L } ] }
    let first = toDial (begin' proxy client) (at 0) ValueNone 0L
    let waiting = Life.advance first (at 1) (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
    let ended = Life.advance waiting (at 2) Event.Shutdown
    Law.HoldsFor([ LifeAccount.explain ended ended.CloseReason.Value "" ], fun line ->
        LifeAccount.isBetweenAttempts waiting && LifeAccount.isBetweenAttempts ended && not (LifeAccount.isBetweenAttempts first) && not (LifeAccount.isBetweenAttempts (begin' proxy client))
        && line = $"{CloseReason.explain ended.CloseReason.Value}, before attempt 2; at the last, target a ({waiting.Rules.Targets[0].Address}) refused the connection: nothing listens there")

[<Fact>]
let ``an attempt whose time is over says what it waited for, and counts as a timeout whatever that was`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (ticket: int64) (during: DialWait) ->
        let life = toDial (begin' p (peer n)) (at 0) ValueNone ticket
        match life.Step with
        | Step.Attempt _ when not life.Deadline.IsNever && p.Options.ConnectionLifetime.TotalNanoseconds = 0L ->
            let silent, told = Life.advance life life.Deadline Event.TimeUp, Life.advance life life.Deadline (Event.AttemptTimeUp during)
            lastFault silent = ValueSome(DialFault.ConnectTimeout(DialWait.Connection Hop.Target))
            && lastFault told = ValueSome(DialFault.ConnectTimeout during)
            && reason silent = reason told
        | _ -> true)

/// The reason of a life that ends by what the shell saw; none where that is nothing to it.
let private endsBehind (received: int) (life: Life) (seen: Event option) =
    seen
    |> Option.map (fun event ->
        let life = if Events.hasSpokenBefore event received then Life.advance life (at 1) Event.ClientSent else life
        string (Life.advance life (at 1) event).CloseReason.Value)

let private endsBy life seen = endsBehind 0 life seen

[<Fact>]
let ``a stream that is over inside a PROXY header is a broken header, before it the client's end, and of our own closing nothing`` () =
    let reading = run (believing []) trustedPeer [ Event.Counted true ]
    Law.HoldsFor(
        [ IoFault.None, 0, Some "client.proxy_header.probe"
          IoFault.None, 1, Some "client.proxy_header.protocol"
          IoFault.Reset, 0, Some "client.proxy_header.probe"
          IoFault.Reset, 7, Some "client.proxy_header.reset"
          IoFault.TimedOut, 7, Some "client.proxy_header.vanished"
          IoFault.Aborted, 0, None
          IoFault.Aborted, 7, None ],
        fun (fault, received, reason) -> endsBehind received reading (Events.ofEarlyEndOfHeader fault received) = reason)

[<Fact>]
let ``a client that leaves in the midst of its hello is none that said nothing, whatever else is told of it`` () =
    let reading = run tls client [ Event.Counted true ]
    Law.HoldsFor(
        [ IoFault.None, 0, Some "client.hello.probe"; IoFault.None, 1, Some "client.hello.ended"
          IoFault.Reset, 0, Some "client.hello.probe"; IoFault.Reset, 1, Some "client.hello.reset" ],
        fun (fault, received, reason) -> endsBehind received reading (Events.ofEarlyEnd fault) = reason)

[<Fact>]
let ``only an end and a failure of the client may be behind bytes that came to nothing`` () =
    Law.Holds(fun (event: Event) (received: uint8) ->
        Events.hasSpokenBefore event (int received) = (received > 0uy && (match event with Event.ClientEnded | Event.ClientFailed _ -> true | _ -> false)))

[<Fact>]
let ``a handshake fails for the client's certificate, for its words, or for what became of its connection`` () =
    let shaking = run tls client [ Event.Counted true; Event.HelloRead ValueNone ]
    Law.HoldsFor(
        [ IoFault.None, true, Some "client.handshake.certificate"
          IoFault.None, false, Some "client.handshake.protocol"
          IoFault.TlsProtocol, false, Some "client.handshake.protocol"
          IoFault.Truncated, false, Some "client.handshake.ended"
          IoFault.Reset, false, Some "client.handshake.reset"
          IoFault.TimedOut, false, Some "client.handshake.vanished"
          IoFault.Aborted, false, None ],
        fun (fault, isCertificate, reason) -> endsBy shaking (Events.ofFailedHandshake fault isCertificate) = reason)

/// The steps that a shell is asked for, as far as it can tell.
let private asked (life: Life) =
    let steps = ResizeArray()
    let ask (given: Life) step = if obj.ReferenceEquals(given, life) then steps.Add step
    Shell.beginStep
        { new IShell with
            member _.Admit life = ask life Step.Admit
            member _.ReadProxyHeader life = ask life Step.ReadProxyHeader
            member _.ReadHello life = ask life Step.ReadHello
            member _.Handshake life = ask life Step.Handshake
            member _.DrawTicket life = ask life Step.DrawTicket
            member _.Attempt(life, plan) = ask life (Step.Attempt plan)
            member _.Wait life = (match life.Step with Step.Attempt plan | Step.Wait plan -> ask life (Step.Wait plan) | _ -> ())
            member _.Relay() = (match life.Step with Step.Relay _ -> ask life life.Step | _ -> ())
            member _.End ending = ask life (Step.Ended(life.CloseReason.Value, ending)) }
        life
    List.ofSeq steps

[<Fact>]
let ``a shell is asked for the step that the life is at, and for nothing else`` () =
    Law.Holds(fun (SmallProxy p) (n: int) (events: AnyEvents) -> lives p (peer n) events |> List.forall (fun (_, life) -> asked life = [ life.Step ]))

[<Fact>]
let ``a connection is closed in the way that its ending names, and in no other`` () =
    let closed ending =
        let ways = ResizeArray()
        Ending.carryOut
            { new ICloser with
                member _.Orderly() = ways.Add Ending.Orderly
                member _.ResetBoth() = ways.Add Ending.ResetBoth
                member _.ResetTargetAfterDrain() = ways.Add Ending.ResetTargetAfterDrain
                member _.ResetClientAfterDrain() = ways.Add Ending.ResetClientAfterDrain
                member _.Linger() = ways.Add Ending.Linger
                member _.AlertAndLinger alert = ways.Add(Ending.AlertAndLinger alert) }
            ending
        List.ofSeq ways
    Law.Holds(fun (ending: Ending) -> closed ending = [ ending ])
