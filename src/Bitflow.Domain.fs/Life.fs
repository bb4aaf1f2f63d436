namespace Bitflow.Domain

/// One connection from accept to close, as a value. The shell does what `Step` says, reports events, and
/// follows the next value; so do the simulator and `explain`.
[<NoComparison; ReferenceEquality>]
type Life =
    { Rules: Rules
      Arrival: Arrival
      Dials: DialHistory
      /// Grows with every step. An answer that carries an earlier stage comes too late and changes nothing.
      Stage: int
      Step: Step
      /// When the step must be over; `Never` where nothing limits it.
      Deadline: Instant
      /// Whether the connection counts against the limit and must be uncounted at its end.
      IsCounted: bool
      /// Whether it has said a word of its own that is not answered: a PROXY header is another's, and a hello is answered once hands are shaken.
      ClientHasSent: bool
      ClientHasEnded: bool }

    member this.AcceptedAt = this.Arrival.AcceptedAt
    member this.Peer = this.Arrival.Peer
    member this.Source = this.Arrival.Source
    member this.Destination = this.Arrival.Destination
    member this.FromTrustedProxy = this.Arrival.FromTrustedProxy
    member this.ServerName = this.Arrival.ServerName
    member this.Ticket = this.Dials.Ticket
    member this.Attempts = this.Dials.Begun
    member this.LastTarget = this.Dials.LastTarget
    member this.FailedAttempts = this.Dials.Failed
    member this.LastFailure = this.Dials.LastFailure
    member this.IsGivenUp = this.Dials.IsGivenUp

    member this.IsOver = match this.Step with Step.Ended _ -> true | _ -> false
    member this.IsRelaying = match this.Step with Step.Relay _ -> true | _ -> false

    /// What the relay is to do beside going on; nothing outside it.
    member this.Orders = match this.Step with Step.Relay relaying -> relaying.Orders | _ -> RelayOrders.None

    member this.Phase =
        match this.Step with
        | Step.Admit -> Phase.Admission
        | Step.ReadProxyHeader -> Phase.ProxyHeader
        | Step.ReadHello -> Phase.Hello
        | Step.Handshake -> Phase.Handshake
        | Step.DrawTicket
        | Step.Attempt _
        | Step.Wait _ -> Phase.Dial
        | Step.Relay _ -> Phase.Relay
        | Step.Ended(reason, _) -> reason.Phase

    member this.CloseReason = match this.Step with Step.Ended(reason, _) -> ValueSome reason | _ -> ValueNone

/// The life of a connection as transitions: from a life and an event to the next life, and nothing else.
[<RequireQualifiedAccess>]
module Life =
    /// When `connection_lifetime` is over, of what a connection still owes its sides too; never where there is none.
    [<CompiledName "LifetimeEnd">]
    let lifetimeEnd (life: Life) =
        Instant.limitFrom life.AcceptedAt life.Rules.Proxy.Options.ConnectionLifetime

    let private within (life: Life) (limit: Instant) = Instant.earlier limit (lifetimeEnd life)

    let private toStep (life: Life) step deadline =
        { life with Stage = life.Stage + 1; Step = step; Deadline = deadline }

    let private finish life who phase cause ending =
        toStep life (Step.Ended(CloseReason.make who phase cause, ending)) Instant.Never

    let private refuse life who cause = finish life who (life: Life).Phase cause Ending.Linger

    /// The refusal stands before the handshake, so that the alert can still say why.
    let private refuseHello life (reason: CloseReason) (alert: TlsAlert voption) =
        let ending = match alert with ValueSome alert -> Ending.AlertAndLinger alert | ValueNone -> Ending.Linger
        toStep life (Step.Ended(reason, ending)) Instant.Never

    /// A client that left: a probe where it never said anything.
    let private clientLeft (life: Life) cause =
        let cause = if life.ClientHasSent then cause else Cause.Probe
        finish life Who.Client life.Phase cause (if cause = Cause.Reset then Ending.ResetBoth else Ending.Linger)

    /// What the fault is called in the relay it is called here. Only who resets may be a probe: one that the kernel gave up on had not left.
    let private clientFailed (life: Life) (fault: IoFault) =
        match RelayEvents.ofReceive fault with
        | RelayEvent.Vanished -> finish life Who.Client life.Phase Cause.Vanished Ending.ResetBoth
        | RelayEvent.BrokeTls -> finish life Who.Client life.Phase Cause.Protocol Ending.ResetBoth
        | RelayEvent.Starved -> finish life Who.Bitflow life.Phase Cause.Exhausted Ending.ResetBoth
        // What it said arrives first: the relay meets the truncation behind it.
        | RelayEvent.Truncated when life.ClientHasSent -> { life with ClientHasEnded = true }
        // No half-close, which close_notify would have made it: nobody is left to dial for.
        | RelayEvent.Truncated -> clientLeft life Cause.Truncated
        | _ -> clientLeft life Cause.Reset

    /// The client's stream is over, and nothing of it is lost: what is reset behind its orderly end is its receiving alone.
    let private (|ClientIsThrough|_|) (event: Event) =
        match event with
        | Event.ClientEnded -> Some()
        | Event.SideFailed(Side.Client, fault, true) when RelayEvents.ofReceive fault = RelayEvent.Reset -> Some()
        | _ -> None

    /// Whom the hello asks for.
    let private calling (life: Life) serverName = { life with Arrival = { life.Arrival with ServerName = serverName } }

    let private handshakeDeadline (life: Life) =
        within life (Instant.limitFrom life.AcceptedAt life.Rules.Proxy.Listener.HandshakeTimeout)

    let private attempt (life: Life) (now: Instant) (plan: DialPlan) =
        let deadline = within life (Instant.limitFrom now life.Rules.Targets[plan.Target].ConnectTimeout)
        // One copy of the life, where `toStep` and what follows it would be two: a short connection is mostly steps.
        { life with
            Stage = life.Stage + 1
            Step = Step.Attempt plan
            Deadline = deadline
            Dials = { life.Dials with Begun = plan.Begun; LastTarget = ValueSome plan.Target } }

    let private dial (life: Life) now (ticket: int64 voption) =
        let rules = life.Rules
        let order = Balancer.order rules.Proxy.Options.LoadBalancer rules.TargetNames rules.Targets.Length (ValueOption.defaultValue 0L ticket) life.ServerName
        let life = if ticket.IsNone then life else { life with Dials = { life.Dials with Ticket = ticket } }
        // For totality: no configuration leads here, where `mayServe` has said that there is one, or all are.
        if order.Length = 0 then toStep life (Step.Ended(CloseReason.unmatchedName, Ending.Linger)) Instant.Never
        else attempt life now (DialPlan.start order)

    let private chooseTarget (life: Life) now =
        if Balancer.needsTicket life.Rules.Proxy.Options.LoadBalancer then toStep life Step.DrawTicket (lifetimeEnd life)
        else dial life now ValueNone

    let private afterHeader (life: Life) now =
        if life.Rules.ReadsHello then toStep life Step.ReadHello (handshakeDeadline life)
        else chooseTarget life now

    let private afterAdmission (life: Life) now =
        if life.FromTrustedProxy then toStep life Step.ReadProxyHeader (handshakeDeadline life)
        else afterHeader life now

    let private afterFailure (life: Life) (now: Instant) (plan: DialPlan) (fault: DialFault) =
        let dials = { life.Dials with Failed = life.Dials.Failed + 1; LastFailure = ValueSome(struct (plan.Target, fault)) }
        let life = { life with Dials = dials }
        match DialPlan.afterFailure life.Rules.Targets plan fault with
        | NextAttempt.GiveUp -> toStep { life with Dials = { dials with IsGivenUp = true } } (Step.Ended(DialFault.reason fault, Ending.Linger)) Instant.Never
        // Nobody is left to dial for: the client has gone without a word.
        | NextAttempt.After _ when life.ClientHasEnded && not life.ClientHasSent ->
            finish life Who.Client Phase.Dial Cause.Probe Ending.Linger
        | NextAttempt.After(wait, plan) when not wait.IsPositive -> attempt life now plan
        | NextAttempt.After(wait, plan) -> toStep life (Step.Wait plan) (within life (now + wait))

    let private timeUp (life: Life) (now: Instant) (during: DialWait) =
        let lifetime = lifetimeEnd life
        if now.Nanoseconds < life.Deadline.Nanoseconds then
            life
        elif not lifetime.IsNever && lifetime.Nanoseconds <= now.Nanoseconds then
            finish life Who.Bitflow life.Phase Cause.Lifetime (if life.IsRelaying then Ending.ResetBoth else Ending.Linger)
        else
            match life.Step with
            | Step.ReadProxyHeader
            | Step.ReadHello
            | Step.Handshake -> refuse life Who.Client Cause.HandshakeTimeout
            | Step.Attempt plan -> afterFailure life now plan (DialFault.ConnectTimeout during)
            | Step.Wait plan -> attempt life now plan
            | _ -> life

    let private relayed (life: Life) (relaying: Relaying) side event =
        match RelayLife.advance relaying.Flows side event with
        | RelayStep.GoOn(state, orders) -> { life with Step = Step.Relay { relaying with Flows = state; Orders = orders } }
        | RelayStep.Finish(reason, ending) -> toStep life (Step.Ended(reason, ending)) Instant.Never

    /// What a side sent before it failed arrives first, as long as the other takes it: the pump meets the failure behind those bytes. Whoever ended in order
    /// before has lost nothing and waits for nothing.
    let private sideFailed (life: Life) (relaying: Relaying) (now: Instant) side (fault: IoFault) behindItsEnd =
        let event = RelayEvents.ofReceive fault
        if not (RelayLife.receives relaying.Flows side) || event = RelayEvent.Starved then relayed life relaying side event
        elif behindItsEnd || relaying.Failed.IsSome then life
        else
            let failed = { Side = side; Event = event; Since = now }
            { life with Step = Step.Relay { relaying with Failed = Some failed; Orders = RelayOrders.LookAtClocks } }

    /// When the other side has had its time to take something of what a failed one sent before.
    let private failureOver (ofClient: SideLimits) (ofTarget: SideLimits) (failed: FailedSide) (client: SideActivity) (target: SideActivity) =
        let struct (other, writeTimeout) =
            if failed.Side = Side.Client then struct (target, ofTarget.Write) else struct (client, ofClient.Write)
        if other.WritePending then Instant.later failed.Since other.LastTaken + Farewell.patience writeTimeout else Instant.Never

    /// The first moments: who connected, whether it may, and what comes next.
    [<CompiledName "Start">]
    let start (rules: Rules) (now: Instant) (peer: Endpoint) (local: Endpoint) : Life =
        let listener = rules.Proxy.Listener
        let trusted = Admission.isTrustedProxy listener peer
        let life =
            { Rules = rules
              Arrival =
                { AcceptedAt = now
                  Peer = peer
                  Source = peer
                  Destination = local
                  FromTrustedProxy = trusted
                  ServerName = ValueNone }
              Dials = DialHistory.empty
              Stage = 0
              Step = Step.Admit
              Deadline = Instant.limitFrom now rules.Proxy.Options.ConnectionLifetime
              IsCounted = false
              ClientHasSent = false
              ClientHasEnded = false }
        if trusted || Admission.isAuthorized listener peer then life
        else finish life Who.Bitflow Phase.Admission Cause.Refused Ending.ResetBoth

    /// The next life. Total: an event that does not answer the step it finds changes nothing, and nothing follows an end.
    [<CompiledName "Advance">]
    let advance (life: Life) (now: Instant) (event: Event) : Life =
        match life.Step, event with
        | Step.Ended _, _ -> life
        | _, Event.Shutdown -> finish life Who.Bitflow life.Phase Cause.Shutdown Ending.ResetBoth
        | _, Event.InternalFault -> finish life Who.Bitflow life.Phase Cause.Fault Ending.ResetBoth
        | _, Event.TimeUp -> timeUp life now (DialWait.Connection Hop.Target)
        | _, Event.AttemptTimeUp during -> timeUp life now during
        | Step.Relay relaying, Event.Relayed(side, event) -> relayed life relaying side event
        | Step.Relay relaying, Event.SideFailed(side, fault, behindItsEnd) -> sideFailed life relaying now side fault behindItsEnd
        | Step.Relay _, Event.ClockOver(side, cause) -> finish life (Side.who side) Phase.Relay cause Ending.ResetBoth
        | Step.Relay _, _ -> life
        | _, Event.ClientSent -> if life.ClientHasSent then life else { life with ClientHasSent = true }
        | (Step.ReadProxyHeader | Step.ReadHello | Step.Handshake), ClientIsThrough -> clientLeft life Cause.Ended
        // No further wait for a client that left without a word; an attempt that runs may still finish.
        | Step.Wait _, ClientIsThrough when not life.ClientHasSent -> clientLeft life Cause.Ended
        | _, ClientIsThrough -> { life with ClientHasEnded = true }
        | _, (Event.ClientFailed fault | Event.SideFailed(Side.Client, fault, _)) -> clientFailed life fault
        | Step.Admit, Event.Counted true -> afterAdmission { life with IsCounted = true } now
        | Step.Admit, Event.Counted false -> finish life Who.Bitflow Phase.Admission Cause.Limit Ending.ResetBoth
        | Step.ReadProxyHeader, Event.HeaderRead origin ->
            let authorized (life: Life) =
                if Admission.isAuthorized life.Rules.Proxy.Listener life.Source then afterHeader life now
                else finish life Who.Bitflow Phase.Admission Cause.Refused Ending.ResetBoth
            match origin with
            // The proxy's own connection; every other header's source must be authorised.
            | ProxyOrigin.TheSender -> afterHeader life now
            // A record may say that addresses were stated, and not which.
            | ProxyOrigin.Unstated
            | ProxyOrigin.Stated(Endpoint.Unknown, _) -> authorized life
            | ProxyOrigin.Stated(client, connectedTo) -> authorized { life with Arrival = { life.Arrival with Source = client; Destination = connectedTo } }
        | Step.ReadProxyHeader, Event.HeaderMalformed -> refuse life Who.Client Cause.Protocol
        | Step.ReadHello, Event.HelloRead serverName ->
            let life = { calling life serverName with ClientHasSent = true }
            let rules = life.Rules
            if not (Balancer.mayServe rules.Proxy.Options.LoadBalancer rules.TargetNames serverName) then
                refuseHello life CloseReason.unmatchedName (ValueSome TlsAlert.UnrecognizedName)
            elif rules.TerminatesTls then toStep life Step.Handshake (handshakeDeadline life)
            else chooseTarget life now
        | Step.ReadHello, Event.HelloMalformed fault ->
            refuseHello life (CloseReason.make Who.Client Phase.Hello Cause.Protocol) (HelloFault.alert fault)
        | Step.ReadHello, Event.HelloRefused(serverName, alert) ->
            refuseHello (calling life serverName) (CloseReason.make Who.Client Phase.Hello Cause.Refused) (ValueSome alert)
        | Step.Handshake, Event.HandshakeDone -> chooseTarget { life with ClientHasSent = false } now
        | Step.Handshake, Event.HandshakeFailed certificate ->
            refuse life Who.Client (if certificate then Cause.Certificate else Cause.Protocol)
        | Step.DrawTicket, Event.Ticket number -> dial life now (ValueSome number)
        | Step.Attempt plan, Event.Connected -> toStep life (Step.Relay(Relaying.With plan.Target)) (lifetimeEnd life)
        | Step.Attempt plan, Event.AttemptFailed fault -> afterFailure life now plan fault
        | _ -> life

    /// The same, for an answer that belongs to a certain step: too late, it changes nothing.
    [<CompiledName "Answer">]
    let answer (life: Life) (stage: int) (now: Instant) (event: Event) : Life =
        if stage = life.Stage then advance life now event else life

    /// What the clocks of the relay say now; `LookAgain` with the deadline of the step before and after it.
    [<CompiledName "Clock">]
    let clock (life: Life) (now: Instant) (client: SideActivity) (target: SideActivity) : ClockVerdict =
        match life.Step with
        | Step.Relay relaying ->
            let listener = life.Rules.Proxy.Listener
            let dialled = life.Rules.Targets[relaying.Target]
            let ofClient: SideLimits = { Read = listener.ReadTimeout; Write = listener.WriteTimeout }
            let ofTarget: SideLimits = { Read = dialled.ReadTimeout; Write = dialled.WriteTimeout }
            match RelayClock.verdict ofClient ofTarget now client target, relaying.Failed with
            | ClockVerdict.LookAgain at, None -> ClockVerdict.LookAgain(Instant.earlier at life.Deadline)
            | ClockVerdict.LookAgain at, Some failed ->
                let failure = failureOver ofClient ofTarget failed client target
                match RelayLife.advance relaying.Flows failed.Side failed.Event with
                | RelayStep.Finish(reason, _) when failure.Nanoseconds <= now.Nanoseconds -> ClockVerdict.Over(failed.Side, reason.Cause)
                | _ ->
                    // A write that is not pending now may be a moment later.
                    let again = if failure.IsNever then now + Farewell.defaultPatience else failure
                    ClockVerdict.LookAgain(Instant.earlier (Instant.earlier at again) life.Deadline)
            | over, _ -> over
        | _ -> ClockVerdict.LookAgain life.Deadline
