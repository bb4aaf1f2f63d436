module Bitflow.Spec.ReminderWaitLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``a line about something that goes on comes after a second, then twice as late each time, at least once a minute`` () =
    Law.HoldsFor([ [ 1; 2; 4; 8; 16; 32; 60; 60 ] ], fun seconds ->
        [ for times in 1..8 -> ReminderWait.before times ] = (seconds |> List.map (int64 >> Duration.OfSeconds)))
    Law.HoldsFor([ System.Int32.MaxValue; System.Int32.MinValue; 64; 65 ], fun times -> ReminderWait.before times = Duration.OfSeconds(if times > 0 then 60L else 1L))
    Law.Holds(fun (times: int) -> let wait = ReminderWait.before times in wait >= Duration.OfSeconds 1L && wait <= Duration.OfSeconds 60L)
