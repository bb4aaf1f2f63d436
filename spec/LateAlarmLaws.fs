module Bitflow.Spec.LateAlarmLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``an alarm a tenth of a second after its time is very late, and none that is not due`` () =
    let at milliseconds = Instant.OfNanoseconds(1_000_000L * milliseconds)
    Law.HoldsFor([ 0L, false; 99L, false; 100L, true; 4_700L, true; -100L, false ], fun (after, late) -> LateAlarm.isVeryLate (at 1_000L) (at (1_000L + after)) = late)
    Law.Holds(fun (after: int) -> not (LateAlarm.isVeryLate Instant.Never (at (int64 after))))

[<Fact>]
let ``the sockets have 50 ms, less than an alarm is late by, so that a grace brings no other`` () =
    Law.HoldsFor([ Instant.OfNanoseconds 1_000_000_000L ], fun due -> LateAlarm.grace = Duration.OfMilliseconds 50L && not (LateAlarm.isVeryLate due (due + LateAlarm.grace)))
