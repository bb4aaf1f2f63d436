namespace Bitflow.Domain

/// How far a client comes before a target is dialled.
[<NoComparison; NoEquality>]
type Forecast =
    { /// At its first attempt, or at its end.
      Life: Life
      /// How the listener's hello rules answered; none where no TLS is terminated, or it never came to that.
      Hello: HelloAnswer voption }

/// One attempt to dial, as it is foreseen.
[<NoComparison; NoEquality>]
type ForeseenAttempt =
    { Target: int
      /// From 1, at that target.
      Attempt: int
      /// From accept.
      At: Duration
      /// When the attempt is given up, from accept; `Duration.Max`: never by Bitflow.
      Until: Duration }

/// What would become of a client that is only described. The lives that serve are led here with made-up answers, so
/// that an explanation cannot differ from what happens.
[<RequireQualifiedAccess>]
module Forecast =
    let private accepted = Instant 0L

    let private header (client: DescribedClient) : Event =
        match client.Header with
        | ValueSome origin -> Event.HeaderRead origin
        // Whatever it sends first is none.
        | ValueNone -> Event.HeaderMalformed

    /// Whether it sends a PROXY header that nobody reads as one: its peer is not trusted, and the bytes are taken for the client's own.
    let leavesHeaderUnread (life: Life) (client: DescribedClient) =
        not life.FromTrustedProxy && client.Header.IsSome

    /// A client that answers whatever it is asked, at once and without a fault of its own. `tls`: the listener's rules
    /// for hellos, where it terminates TLS.
    let untilDial (rules: Rules) (tls: ListenerTlsRules voption) (client: DescribedClient) : Forecast =
        let rec go (life: Life) (answer: HelloAnswer voption) =
            let next event = Life.advance life accepted event
            match life.Step with
            | Step.Admit -> go (next (Event.Counted(Admission.isBelowLimit rules.ConnectionLimit client.OpenConnections))) answer
            | Step.ReadProxyHeader -> go (next (header client)) answer
            // A PROXY header is no hello, by its first byte.
            | Step.ReadHello when leavesHeaderUnread life client -> go (next (Event.HelloMalformed(HelloFault.NotTls(byte 'P')))) answer
            | Step.ReadHello ->
                match tls with
                | ValueSome tls when rules.TerminatesTls ->
                    match tls.Answer(client.TlsOffer, client.ServerName, client.AlpnOffer) with
                    | HelloAnswer.Refuse(alert, _) as refusal -> go (next (Event.HelloRefused(client.ServerName, alert))) (ValueSome refusal)
                    | serve -> go (next (Event.HelloRead client.ServerName)) (ValueSome serve)
                | _ -> go (next (Event.HelloRead client.ServerName)) answer
            | Step.Handshake -> go (next Event.HandshakeDone) answer
            | Step.DrawTicket -> go (next (Event.Ticket client.Ticket)) answer
            | Step.Attempt _
            | Step.Wait _
            | Step.Relay _
            | Step.Ended _ -> { Life = life; Hello = answer }
        go (Life.start rules accepted client.Peer client.Local) ValueNone

    let private route (life: Life) (target: int) : TargetRoute =
        DialRoute.choose life.Rules.Targets[target] life.Rules.Proxy.Options.DualStack life.Source

    /// Why no address of a target, or of its SOCKS5 proxy, is for this client; none: an attempt may come to something.
    let noRoute (life: Life) (target: int) : DialFault voption =
        match route life target with
        | TargetRoute.Unreachable fault -> ValueSome fault
        | TargetRoute.Dialled _
        | TargetRoute.Inherited _ -> ValueNone

    /// The attempts that follow, and the life at their end: relaying, or ended. `answer` says of each target that there is
    /// a route to how long an attempt takes and what it comes to; none: it connects. An inherited socket that does not is used up.
    let dial (answer: int -> Duration * DialFault voption) (life: Life) : ForeseenAttempt list * Life =
        let answer target =
            match route life target, answer target with
            | TargetRoute.Unreachable fault, _ -> Duration.Zero, ValueSome fault
            // Nobody is asked: an inherited socket is connected, or was used up.
            | TargetRoute.Inherited _, (_, ValueSome _) -> Duration.Zero, ValueSome DialFault.UsedUp
            | _, answered -> answered
        let sinceAccept (at: Instant) = if at.IsNever then Duration.Max else at - accepted
        let rec go (life: Life) (now: Instant) attempts =
            match life.Step with
            | Step.Attempt plan ->
                let attempt =
                    { Target = plan.Target; Attempt = plan.Attempt; At = sinceAccept now; Until = sinceAccept life.Deadline }
                let takes, fault = answer plan.Target
                let answered = now + takes
                if life.Deadline.Nanoseconds <= answered.Nanoseconds && not life.Deadline.IsNever then
                    go (Life.advance life life.Deadline Event.TimeUp) life.Deadline (attempt :: attempts)
                else
                    let event = match fault with ValueSome fault -> Event.AttemptFailed fault | ValueNone -> Event.Connected
                    go (Life.advance life answered event) answered (attempt :: attempts)
            | Step.Wait _ -> go (Life.advance life life.Deadline Event.TimeUp) life.Deadline attempts
            | _ -> List.rev attempts, life
        go life accepted []

    /// Nothing listens there: each attempt fails at once.
    let refusing (_: int) = Duration.Zero, ValueSome(DialFault.Connect IoFault.Refused)

    /// Packets vanish: each attempt takes all of its time. Where it has no end of ours, the kernel's: two minutes and a
    /// few seconds for the usual six repetitions of SYN.
    let silent (_: int) = Duration.OfSeconds 127L, ValueSome(DialFault.Connect IoFault.TimedOut)

    /// Everything up to the target that takes the client, where some targets are down (refusing) and the others up.
    let connect (isDown: int -> bool) (forecast: Forecast) : ForeseenAttempt list * Life =
        dial (fun target -> if isDown target then refusing target else Duration.Zero, ValueNone) forecast.Life
