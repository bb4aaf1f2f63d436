module Bitflow.Spec.RelayClockLaws

open Xunit
open Bitflow.Domain

let private verdict (r: StampedRelay) =
    RelayClock.verdict r.ClientRead r.ClientWrite r.TargetRead r.TargetWrite r.Now r.ClientSide r.TargetSide

let private since (now: Instant) (at: Instant) = now.Nanoseconds - at.Nanoseconds
let private limits (limit: Duration) elapsed = limit.IsPositive && elapsed >= limit.TotalNanoseconds

/// Every clock that is over, straight from the words of the design.
let private overNow (r: StampedRelay) =
    [ if r.ClientSide.WritePending && limits r.ClientWrite (since r.Now r.ClientSide.LastTaken) then Side.Client, Cause.WriteTimeout
      if r.TargetSide.WritePending && limits r.TargetWrite (since r.Now r.TargetSide.LastTaken) then Side.Target, Cause.WriteTimeout
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
let ``nothing can be over before it is looked at again, whatever moves in between`` () =
    Law.Holds(fun (r: StampedRelay) (later: uint16) (clientMoves: bool) (targetWrites: bool) ->
        match verdict r with
        | ClockVerdict.LookAgain at ->
            let now = Instant(r.Now.Nanoseconds + int64 later * 1_000L)
            let client = if clientMoves then { r.ClientSide with LastMoved = r.Now; Held = false } else r.ClientSide
            let target = if targetWrites then { r.TargetSide with WritePending = true; LastTaken = Instant.later r.Now r.TargetSide.LastTaken } else r.TargetSide
            // A side that is let go has been moved on to now.
            now.Nanoseconds >= at.Nanoseconds || (overNow { r with Now = now; ClientSide = client; TargetSide = target }).IsEmpty
        | ClockVerdict.Over _ -> true)

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
