namespace Bitflow.Spec

open System.Collections.Generic
open Bitflow.Domain

/// Chance as a value (SplitMix64): each draw answers with the generator that follows. One seed is one world.
[<Struct>]
type Chance =
    { State: uint64 }

    static member OfSeed(seed: uint64) = { State = seed }

    member this.Next() : struct (uint64 * Chance) =
        let state = this.State + 0x9E3779B97F4A7C15UL
        let z = (state ^^^ (state >>> 30)) * 0xBF58476D1CE4E5B9UL
        let z = (z ^^^ (z >>> 27)) * 0x94D049BB133111EBUL
        struct (z ^^^ (z >>> 31), { State = state })

/// Draws one after the other; the mutation stays inside whoever draws.
[<Sealed>]
type Draws(from: Chance) =
    let mutable chance = from

    member _.Number() =
        let struct (value, next) = chance.Next()
        chance <- next
        value

    member this.OneOf(choices: 'a array) : 'a = choices[int (this.Number() % uint64 choices.Length)]

/// What a target does with an attempt to reach it.
[<RequireQualifiedAccess; Struct>]
type TargetMood =
    /// It answers after so many milliseconds.
    | Up of answersMs: int
    | Refusing
    /// Packets vanish.
    | Silent
    /// Its certificate does not verify.
    | Untrusted

/// What an open side does, from the moment at which the relay begins.
[<Struct>]
type SideScript =
    { /// Pieces of so many bytes, each so many milliseconds after the one before was taken.
      Pieces: int
      PieceBytes: int
      GapMs: int
      /// How its stream ends after its last piece: `Ended`, `Reset`, `Truncated`, `Left` or `Vanished`; `WriteFailed` for never.
      Finally: RelayEvent
      /// Whether it takes nothing of what is sent to it.
      TakesNothing: bool }

/// What a client does.
[<Struct>]
type ClientScript =
    { /// Milliseconds until it says what must be read from it before dialling; negative: never.
      SpeaksMs: int
      /// Milliseconds after accept at which it leaves if it is not being relayed; negative: it waits.
      LeavesMs: int
      LeavesWithReset: bool
      Source: Endpoint
      ServerName: ServerName voption
      FromClient: SideScript
      FromTarget: SideScript }

/// A world to simulate: what is configured when, how targets fare, who comes, and when it ends.
[<NoComparison; NoEquality>]
type World =
    { /// Milliseconds from the beginning, and the proxy in force from then on; the first from 0. The name stays.
      Configs: (int * ProxyConfig) list
      /// Of each target name, milliseconds and the mood from then on; `Up 1` before the first and for names not here.
      Moods: Map<string, (int * TargetMood) list>
      Connections: int
      /// Between one connection and the next, at most.
      ArrivalGapMicroseconds: int
      /// What the nth client does.
      Client: int -> Chance -> ClientScript
      /// When accepting ends and the drain begins; negative: after the last connection.
      DrainAtMs: int
      /// After which the drain is cut short; negative: never.
      ShutdownAfterMs: int }

/// What became of one connection.
[<Struct; NoComparison; NoEquality>]
type Outcome =
    { Number: int
      /// Which of the world's configurations it began with.
      Generation: int
      /// The proxy by whose settings it ended.
      Config: ProxyConfig
      AcceptedAt: Instant
      EndedAt: Instant
      Reason: CloseReason
      Ending: Ending
      /// Open connections of the proxy when it asked to be admitted.
      OpenBefore: int
      WasCounted: bool
      Ticket: int64 voption
      FirstTarget: int
      LastTarget: int voption
      Attempts: int
      /// Attempts that began once it was relayed.
      LateAttempts: int
      DialledAt: Instant
      RelayedAt: Instant
      FromClient: int64
      ToTarget: int64
      FromTarget: int64
      ToClient: int64 }

/// A whole run: every accepted connection's end in the order of ends, and what was left behind.
[<NoComparison; NoEquality>]
type Run =
    { Outcomes: Outcome array
      Accepted: int
      /// Ends beyond the first of a connection.
      SecondEnds: int
      OpenLeft: int
      TimersLeft: int
      EventsHandled: int64 }

/// A whole Bitflow in virtual time. Every decision is `Life`'s; what is simulated is the shell and the world around it.
[<RequireQualifiedAccess>]
module Simulator =
    let private ms (n: int) = int64 n * 1_000_000L
    let private never = System.Int64.MaxValue

    [<Struct>]
    type private Happening =
        | Arrives
        /// An answer to the step of that stage.
        | Answers of stage: int * event: Event
        | Tells of event: Event
        /// The client leaves, if it is not being relayed by then.
        | Leaves
        | TimerFires of token: int
        | PieceComes of side: Side
        | PieceTaken of side: Side
        | Drains
        | ShutsDown

    /// One side of a relay: its script, and what the shell stamps.
    [<AllowNullLiteral>]
    type private SideState(script: SideScript, now: int64) =
        member val Script = script
        member val PiecesLeft = script.Pieces with get, set
        member val LastMoved = now with get, set
        member val LastTaken = now with get, set
        member val HeldSince = never with get, set
        member val WritePending = false with get, set
        member val Stopped = false with get, set
        member val BytesFrom = 0L with get, set
        member val BytesTo = 0L with get, set
        member this.Activity =
            { LastMoved = Instant this.LastMoved
              Held = this.HeldSince <> never
              WritePending = this.WritePending
              LastTaken = Instant this.LastTaken
              Standstill = ValueNone }

    /// One connection as the shell holds it.
    type private Open(number: int, generation: int, life: Life, script: ClientScript) =
        member val Number = number
        member val Generation = generation
        member val Life = life with get, set
        member val Script = script
        member val Client: SideState = null with get, set
        member val Target: SideState = null with get, set
        /// The one armed timer; a firing with another token belongs to one that was disarmed.
        member val Token = 0 with get, set
        member val TimerAt = never with get, set
        member val OpenBefore = 0 with get, set
        member val FirstTarget = -1 with get, set
        member val LateAttempts = 0 with get, set
        member val DialledAt = never with get, set
        member val RelayedAt = never with get, set
        member val IsEnded = false with get, set
        member this.Side side = if side = Side.Client then this.Client else this.Target

    type private Running(world: World, seed: uint64) =
        let draws = Draws(Chance.OfSeed seed)
        let queue = PriorityQueue<struct (Open * Happening), struct (int64 * int64)>()
        let rules = world.Configs |> List.map (fun (at, proxy) -> struct (ms at, Rules proxy)) |> List.toArray
        let outcomes = ResizeArray<Outcome>()
        let all = HashSet<Open>(HashIdentity.Reference)
        let mutable now, order, accepted, openCount, ticket = 0L, 0L, 0, 0, 0L
        let mutable secondEnds, timers, handled, accepting = 0, 0, 0L, true

        let schedule (at: int64) connection happening =
            order <- order + 1L
            queue.Enqueue(struct (connection, happening), struct (at, order))

        let generationAt (at: int64) =
            let mutable found = 0
            for i in 1 .. rules.Length - 1 do
                let struct (from, _) = rules[i]
                if from <= at then found <- i
            found

        let moodOf (name: string) =
            match world.Moods.TryFind name with
            | None -> TargetMood.Up 1
            | Some moods -> moods |> List.fold (fun mood (at, next) -> if ms at <= now then next else mood) (TargetMood.Up 1)

        let disarm (c: Open) =
            if c.TimerAt <> never then
                c.TimerAt <- never
                c.Token <- c.Token + 1
                timers <- timers - 1

        let arm (c: Open) (at: int64) =
            if at <> c.TimerAt then
                disarm c
                if at <> never then
                    c.TimerAt <- at
                    timers <- timers + 1
                    schedule (max at now) c (TimerFires c.Token)

        let finish (c: Open) reason ending =
            disarm c
            if c.IsEnded then
                secondEnds <- secondEnds + 1
            else
                c.IsEnded <- true
                all.Remove c |> ignore
                let life = c.Life
                if life.IsCounted then openCount <- openCount - 1
                let bytes (side: SideState) (read: SideState -> int64) = if isNull side then 0L else read side
                let fromClient, fromTarget = bytes c.Client _.BytesFrom, bytes c.Target _.BytesFrom
                outcomes.Add
                    { Number = c.Number
                      Generation = c.Generation
                      Config = life.Rules.Proxy
                      AcceptedAt = life.AcceptedAt
                      EndedAt = Instant now
                      Reason = LifeAccount.recordedReason reason fromClient fromTarget
                      Ending = ending
                      OpenBefore = c.OpenBefore
                      WasCounted = life.IsCounted
                      Ticket = life.Ticket
                      FirstTarget = c.FirstTarget
                      LastTarget = life.LastTarget
                      Attempts = life.Attempts
                      LateAttempts = c.LateAttempts
                      DialledAt = Instant c.DialledAt
                      RelayedAt = Instant c.RelayedAt
                      FromClient = fromClient
                      ToTarget = bytes c.Target _.BytesTo
                      FromTarget = fromTarget
                      ToClient = bytes c.Client _.BytesTo }

        let attempt (c: Open) (plan: DialPlan) =
            if c.RelayedAt <> never then c.LateAttempts <- c.LateAttempts + 1
            if c.FirstTarget < 0 then
                c.FirstTarget <- plan.Target
                c.DialledAt <- now
            let answer after event = schedule (now + after) c (Answers(c.Life.Stage, event))
            match moodOf c.Life.Rules.Targets[plan.Target].Name with
            | TargetMood.Up after -> answer (ms after) Event.Connected
            | TargetMood.Refusing -> answer 100_000L (Event.AttemptFailed(DialFault.Connect IoFault.Refused))
            | TargetMood.Untrusted -> answer 3_000_000L (Event.AttemptFailed(DialFault.Certificate "expired"))
            | TargetMood.Silent ->
                // The kernel gives up where nothing else does.
                if c.Life.Deadline.IsNever then answer (ms 127_000) (Event.AttemptFailed(DialFault.Connect IoFault.TimedOut))

        let nextPiece (c: Open) side =
            let from = c.Side side
            if not from.Stopped then
                if from.PiecesLeft > 0 then
                    schedule (now + ms from.Script.GapMs) c (PieceComes side)
                elif from.Script.Finally <> RelayEvent.WriteFailed then
                    schedule (now + ms from.Script.GapMs) c (Tells(Event.Relayed(side, from.Script.Finally)))

        /// Begins what the life's step asks for; once a step.
        let rec enter (c: Open) =
            let life = c.Life
            match life.Step with
            | Step.Ended(reason, ending) -> finish c reason ending
            | _ -> arm c life.Deadline.Nanoseconds
            match life.Step with
            | Step.Admit ->
                c.OpenBefore <- openCount
                let within = Admission.isBelowLimit life.Rules.ConnectionLimit openCount
                if within then openCount <- openCount + 1
                advance c (Event.Counted within)
            | Step.ReadProxyHeader -> speak c (Event.HeaderRead(ProxyOrigin.Stated(c.Script.Source, Endpoint.Unknown)))
            | Step.ReadHello -> speak c (Event.HelloRead c.Script.ServerName)
            | Step.Handshake -> speak c Event.HandshakeDone
            | Step.DrawTicket ->
                let drawn = ticket
                ticket <- ticket + 1L
                advance c (Event.Ticket drawn)
            | Step.Attempt plan -> attempt c plan
            | Step.Wait _ -> ()
            | Step.Relay _ ->
                c.RelayedAt <- now
                c.Client <- SideState(c.Script.FromClient, now)
                c.Target <- SideState(c.Script.FromTarget, now)
                nextPiece c Side.Client
                nextPiece c Side.Target
                look c
            | Step.Ended _ -> ()

        and speak (c: Open) event =
            if c.Script.SpeaksMs >= 0 then schedule (now + ms c.Script.SpeaksMs) c (Answers(c.Life.Stage, event))

        and advance (c: Open) (event: Event) = settle c (Life.advance c.Life (Instant now) event)

        and settle (c: Open) (next: Life) =
            let stage = c.Life.Stage
            c.Life <- next
            if next.IsRelaying then
                if next.Orders.HasFlag RelayOrders.StopClient then c.Client.Stopped <- true
                if next.Orders.HasFlag RelayOrders.StopTarget then c.Target.Stopped <- true
                if next.Orders.HasFlag RelayOrders.LookAtClocks then look c
            if next.Stage <> stage then enter c

        /// Asks the clocks of the relay, and looks again when they say so.
        and look (c: Open) =
            match Life.clock c.Life (Instant now) c.Client.Activity c.Target.Activity with
            | ClockVerdict.Over(side, cause) -> advance c (Event.ClockOver(side, cause))
            | ClockVerdict.LookAgain at -> arm c at.Nanoseconds

        let takes (c: Open) side =
            let from, towards = c.Side side, c.Side(Side.other side)
            towards.WritePending <- false
            towards.LastTaken <- now
            towards.LastMoved <- now
            towards.BytesTo <- towards.BytesTo + int64 from.Script.PieceBytes
            from.LastMoved <- (RelayClock.released (Instant from.LastMoved) (Instant from.HeldSince) (Instant now)).Nanoseconds
            from.HeldSince <- never
            nextPiece c side

        let pieceComes (c: Open) side =
            let from, towards = c.Side side, c.Side(Side.other side)
            if not from.Stopped then
                from.PiecesLeft <- from.PiecesLeft - 1
                from.BytesFrom <- from.BytesFrom + int64 from.Script.PieceBytes
                from.LastMoved <- now
                from.HeldSince <- now
                towards.WritePending <- true
                towards.LastTaken <- now
                if not towards.Script.TakesNothing then
                    schedule (now + 50_000L) c (PieceTaken side)
                elif from.PiecesLeft = 0 then
                    // Nothing is received from it while its last piece is held: how it fares is seen all the same.
                    match from.Script.Finally with
                    | RelayEvent.Reset -> schedule (now + ms from.Script.GapMs) c (Tells(Event.SideFailed(side, IoFault.Reset, false)))
                    | RelayEvent.Vanished -> schedule (now + ms from.Script.GapMs) c (Tells(Event.SideFailed(side, IoFault.TimedOut, false)))
                    | _ -> ()

        let arrive () =
            let number = accepted
            accepted <- accepted + 1
            let struct (_, mine) = Chance.OfSeed(seed ^^^ (uint64 number * 0xD1342543DE82EF95UL)).Next()
            let script = world.Client number mine
            let generation = generationAt now
            let struct (_, rules) = rules[generation]
            let life = Life.start rules (Instant now) script.Source (Endpoint.Unix "/here")
            let c = Open(number, generation, life, script)
            all.Add c |> ignore
            if script.LeavesMs >= 0 then schedule (now + ms script.LeavesMs) c Leaves
            enter c

        let handle (c: Open) happening =
            match happening with
            | Arrives ->
                if accepting then
                    arrive ()
                    if accepted < world.Connections then
                        let gap = 1UL + draws.Number() % uint64 (max 1 world.ArrivalGapMicroseconds)
                        schedule (now + int64 gap * 1_000L) c Arrives
                    elif world.DrainAtMs < 0 then
                        schedule now c Drains
            // What comes behind an end is told as well: that it changes nothing is for the life to see to.
            | Answers(stage, event) -> settle c (Life.answer c.Life stage (Instant now) event)
            | Tells event -> advance c event
            | Leaves ->
                if not c.Life.IsRelaying then
                    advance c (if c.Script.LeavesWithReset then Event.ClientFailed IoFault.Reset else Event.ClientEnded)
            | TimerFires token ->
                if token = c.Token && not c.IsEnded then
                    c.TimerAt <- never
                    c.Token <- c.Token + 1
                    timers <- timers - 1
                    advance c Event.TimeUp
                    if not c.IsEnded && c.Life.IsRelaying then look c
            | PieceComes side -> if not c.IsEnded then pieceComes c side
            | PieceTaken side -> if not c.IsEnded then takes c side
            | Drains ->
                accepting <- false
                if world.ShutdownAfterMs >= 0 then schedule (now + ms world.ShutdownAfterMs) c ShutsDown
            | ShutsDown ->
                for c in Seq.toArray all do
                    advance c Event.Shutdown

        member _.Run() : Run =
            let nobody = Unchecked.defaultof<Open>
            if world.Connections > 0 then schedule 0L nobody Arrives
            if world.DrainAtMs >= 0 then schedule (ms world.DrainAtMs) nobody Drains
            let mutable next = struct (nobody, Drains)
            let mutable at = struct (0L, 0L)
            while queue.TryDequeue(&next, &at) do
                let struct (time, _) = at
                now <- max now time
                handled <- handled + 1L
                let struct (c, happening) = next
                handle c happening
            { Outcomes = outcomes.ToArray()
              Accepted = accepted
              SecondEnds = secondEnds
              OpenLeft = all.Count
              TimersLeft = timers
              EventsHandled = handled }

    /// Runs a world to its end: until nothing more can happen. The same world and seed make the same run.
    let run (world: World) (seed: uint64) : Run = Running(world, seed).Run()
