module Bitflow.Spec.RelayClockLaws

open Xunit
open Bitflow.Domain

let private verdict (r: StampedRelay) =
    RelayClock.verdict { Read = r.ClientRead; Write = r.ClientWrite } { Read = r.TargetRead; Write = r.TargetWrite } r.Now r.ClientSide r.TargetSide

let private since (now: Instant) (at: Instant) = now.Nanoseconds - at.Nanoseconds
let private limits (limit: Duration) elapsed = limit.IsPositive && elapsed >= limit.TotalNanoseconds

/// Every clock that is over, straight from the words of `docs/configuration.md`.
let private overNow (r: StampedRelay) =
    let notTaken limit (a: SideActivity) =
        let pending = a.WritePending && limits limit (since r.Now a.LastTaken)
        match a.Standstill with
        | ValueNone -> if pending then [ Cause.WriteTimeout ] else []
        | ValueSome { Others = Unacknowledged.None | Unacknowledged.Sent } -> []
        | ValueSome { Since = at } when a.WritePending -> if pending && 2L * since r.Now at >= limit.TotalNanoseconds then [ Cause.WriteTimeout ] else []
        | ValueSome { Since = at; Others = others } ->
            if not (limits limit (since r.Now at)) then [] elif others = Unacknowledged.Unanswered then [ Cause.Vanished ] else [ Cause.WriteTimeout ]
    [ for cause in notTaken r.ClientWrite r.ClientSide do Side.Client, cause
      for cause in notTaken r.TargetWrite r.TargetSide do Side.Target, cause
      if not r.ClientSide.Held && limits r.ClientRead (since r.Now r.ClientSide.LastMoved) then Side.Client, Cause.ReadTimeout
      if not r.TargetSide.Held && limits r.TargetRead (since r.Now r.TargetSide.LastMoved) then Side.Target, Cause.ReadTimeout ]

[<Fact>]
let ``a relay is over exactly when one of its four clocks is`` () =
    Law.Holds(fun (r: StampedRelay) ->
        match verdict r with
        | ClockVerdict.Over(side, cause) -> List.contains (side, cause) (overNow r)
        | ClockVerdict.LookAgain _ -> (overNow r).IsEmpty)

[<Fact>]
let ``a write that nobody takes is named before a silence`` () =
    Law.Holds(fun (r: StampedRelay) ->
        match verdict r, overNow r with
        | ClockVerdict.Over(side, cause), first :: _ -> (side, cause) = first
        | _ -> true)

[<Fact>]
let ``looking again always lies ahead, so that no timer spins`` () =
    Law.Holds(fun (r: StampedRelay) ->
        match verdict r with
        | ClockVerdict.LookAgain at -> at.Nanoseconds > r.Now.Nanoseconds
        | ClockVerdict.Over _ -> true)

[<Fact>]
let ``neither the shortest timeout there is nor the longest lets a timer spin`` () =
    Law.Holds(fun (r: StampedRelay) ->
        let standstill = ValueSome { Acknowledged = 0L; Since = Instant.Never; Others = Unacknowledged.None }
        [ Duration.OfNanoseconds 1L; Duration.Max ]
        |> List.forall (fun timeout ->
            match verdict { r with ClientWrite = timeout; ClientSide = { r.ClientSide with Standstill = standstill } } with
            | ClockVerdict.LookAgain at -> at.Nanoseconds > r.Now.Nanoseconds
            | ClockVerdict.Over _ -> true))

[<Fact>]
let ``nothing can be over before it is looked at again, whatever moves in between`` () =
    Law.HoldsWhere(fun premise (r: StampedRelay) (later: uint16) (clientMoves: bool) (targetWrites: bool) ->
        match verdict r with
        | ClockVerdict.LookAgain at ->
            let now = Instant(r.Now.Nanoseconds + int64 later * 1_000L)
            let client = if clientMoves then { r.ClientSide with LastMoved = r.Now; Held = false } else r.ClientSide
            let target = if targetWrites then { r.TargetSide with WritePending = true; LastTaken = Instant.later r.Now r.TargetSide.LastTaken } else r.TargetSide
            // A side that is let go has been moved on to now.
            let isOver = not (overNow { r with Now = now; ClientSide = client; TargetSide = target }).IsEmpty
            not (premise isOver) || now.Nanoseconds >= at.Nanoseconds
        | ClockVerdict.Over _ -> true)

/// The client's side under a write_timeout alone, looked at as often as the clock asks for, until it is over or the time is up. What the kernel took and
/// holds is told by the instant.
let private watched (timeout: Duration) (until: Instant) (lastTaken: Instant) (pending: bool) (queue: Instant -> SendQueue) =
    let rec look (now: Instant) before =
        let standstill = RelayClock.looked before now (queue now)
        let client = { LastMoved = now; Held = false; WritePending = pending; LastTaken = Instant.earlier now lastTaken; Standstill = ValueSome standstill }
        let quiet = { client with WritePending = false; Standstill = ValueNone }
        match RelayClock.verdict { Read = Duration.Zero; Write = timeout } { Read = Duration.Zero; Write = Duration.Zero } now client quiet with
        | ClockVerdict.Over(side, cause) -> ValueSome(now, side, cause)
        | ClockVerdict.LookAgain at -> if at.Nanoseconds > until.Nanoseconds then ValueNone else look at (ValueSome standstill)
    look (Instant 0L) ValueNone

[<Fact>]
let ``a reader of whom anything is acknowledged within every half of write_timeout is never cut, however long the kernel takes nothing new`` () =
    Law.Holds(fun (milliseconds: byte) (isShut: bool) (pending: bool) ->
        let timeout = Sample.milliseconds (2 + int milliseconds)
        let step = timeout.TotalNanoseconds / 2L
        let queue (now: Instant) = { Acknowledged = now.Nanoseconds / step; Others = if isShut then Unacknowledged.Shut else Unacknowledged.Unanswered }
        (watched timeout (Instant(20L * timeout.TotalNanoseconds)) (Instant 0L) pending queue).IsNone)

[<Fact>]
let ``a write of which nothing is taken is over at write_timeout, and at one and a half of it at the latest after the last acknowledgement`` () =
    Law.Holds(fun (milliseconds: byte) (taken: uint16) (acknowledged: uint16) ->
        let timeout = Sample.milliseconds (2 + int milliseconds)
        let taken = Instant(int64 taken * 10_000L)
        let last = Instant.later taken (Instant(int64 acknowledged * 10_000L))
        let queue (now: Instant) = { Acknowledged = min now.Nanoseconds last.Nanoseconds; Others = Unacknowledged.Shut }
        match watched timeout (Instant(last.Nanoseconds + 10L * timeout.TotalNanoseconds)) taken true queue with
        | ValueSome(now, Side.Client, Cause.WriteTimeout) ->
            since now taken >= timeout.TotalNanoseconds && 2L * since now last <= 3L * timeout.TotalNanoseconds + 2L
        | _ -> false)

[<Fact>]
let ``with nothing pending, whoever acknowledges nothing for write_timeout has vanished if he answers nothing, and takes nothing if his window is shut`` () =
    Law.Holds(fun (milliseconds: byte) (isUnanswered: bool) ->
        let timeout = Sample.milliseconds (2 + int milliseconds)
        let queue _ = { Acknowledged = 7L; Others = if isUnanswered then Unacknowledged.Unanswered else Unacknowledged.Shut }
        watched timeout (Instant(10L * timeout.TotalNanoseconds)) (Instant 0L) false queue
        = ValueSome(Instant timeout.TotalNanoseconds, Side.Client, (if isUnanswered then Cause.Vanished else Cause.WriteTimeout)))

[<Fact>]
let ``while nothing waits for a side, or its answer may be under way, its write_timeout does not run`` () =
    Law.Holds(fun (milliseconds: byte) (pending: bool) (isSent: bool) ->
        let timeout = Sample.milliseconds (2 + int milliseconds)
        let queue _ = { Acknowledged = 7L; Others = if isSent then Unacknowledged.Sent else Unacknowledged.None }
        (watched timeout (Instant(10L * timeout.TotalNanoseconds)) (Instant 0L) pending queue).IsNone)

[<Fact>]
let ``what was sent is unanswered once it was sent again or asked for more than once, and a window is shut where bytes wait and none is under way but a probe`` () =
    Law.HoldsFor(
        [ (0u, 0u, 0uy, 0uy, 0uy), Unacknowledged.None; (3u, 0u, 0uy, 0uy, 0uy), Unacknowledged.Sent; (3u, 9u, 0uy, 1uy, 0uy), Unacknowledged.Sent
          (1u, 0u, 1uy, 0uy, 1uy), Unacknowledged.Unanswered; (0u, 1u, 0uy, 0uy, 0uy), Unacknowledged.Shut; (0u, 9u, 0uy, 1uy, 1uy), Unacknowledged.Shut
          (0u, 9u, 0uy, 2uy, 2uy), Unacknowledged.Unanswered; (1u, 9u, 0uy, 0uy, 1uy), Unacknowledged.Shut; (1u, 0u, 0uy, 0uy, 5uy), Unacknowledged.Shut ],
        fun ((inFlight, unsent, retransmits, probes, backoff), others) ->
            SendQueue.Of(5L, inFlight, unsent, retransmits, probes, backoff) = { Acknowledged = 5L; Others = others })

[<Fact>]
let ``without timeouts a relay is never looked at`` () =
    Law.Holds(fun (r: StampedRelay) ->
        let free = { r with ClientRead = Duration.Zero; ClientWrite = Duration.Zero; TargetRead = Duration.Zero; TargetWrite = Duration.Zero }
        match verdict free with
        | ClockVerdict.LookAgain at -> at.IsNever
        | ClockVerdict.Over _ -> false)

[<Fact>]
let ``a side that is held because the other takes nothing is not blamed for its silence`` () =
    Law.Holds(fun (r: StampedRelay) ->
        match verdict { r with ClientSide = { r.ClientSide with Held = true } } with
        | ClockVerdict.Over(Side.Client, Cause.ReadTimeout) -> false
        | _ -> true)

[<Fact>]
let ``a side that is let go has as much of its time left as when it was held, and no more than all of it`` () =
    Law.Holds(fun (moved: uint16) (heldAfter: uint16) (heldFor: uint16) ->
        let moved = Instant(int64 moved)
        let held = Instant(moved.Nanoseconds + int64 heldAfter)
        let now = Instant(held.Nanoseconds + int64 heldFor)
        since now (RelayClock.released moved held now) = since held moved)

[<Fact>]
let ``bytes taken while a side was held never move its clock ahead of now`` () =
    Law.Holds(fun (held: uint16) (moved: uint16) (now: uint16) ->
        let now = Instant(int64 held + int64 now)
        let released = RelayClock.released (Instant.earlier now (Instant(int64 held + int64 moved))) (Instant(int64 held)) now
        released.Nanoseconds <= now.Nanoseconds)

[<Fact>]
let ``a held side is looked at again within its read_timeout, for it may be let go at any time`` () =
    Law.Holds(fun (r: StampedRelay) ->
        let alone =
            { r with
                ClientRead = Sample.milliseconds 10
                ClientWrite = Duration.Zero
                TargetRead = Duration.Zero
                TargetWrite = Duration.Zero
                ClientSide = { r.ClientSide with Held = true } }
        match verdict alone with
        | ClockVerdict.LookAgain again -> again = r.Now + Sample.milliseconds 10
        | ClockVerdict.Over _ -> false)
