module Bitflow.Spec.TargetFailureLaws

open System
open Xunit
open Bitflow.Domain

let private at (second: int) = DateTimeOffset(2026, 1, 1, 0, 0, second, TimeSpan.Zero)
let private target = DialWait.Connection Hop.Target
let private refused, late = DialFault.Connect IoFault.Refused, DialFault.ConnectTimeout target
let private ours = DialFault.Connect IoFault.NoDescriptors

/// Of attempts that failed a second apart.
let private after faults =
    faults |> List.indexed |> List.fold (fun before (second, fault) -> TargetFailure.afterFailed (at second) fault before) None

[<Fact>]
let ``a target fails since the first of the attempts that failed in a row, of what the last did, and what ran out here is not its failure`` () =
    Law.HoldsFor(
        [ [], None; [ refused ], Some(0, refused); [ refused; refused; late ], Some(0, late); [ ours ], None; [ ours; late; ours ], Some(1, late) ],
        fun (faults, failure) -> after faults = (failure |> Option.map (fun (second, fault) -> { Since = at second; Fault = TargetFault.Failed fault })))

[<Fact>]
let ``a target that is silent until its client leaves fails from a second on`` () =
    Law.HoldsFor(Seq.allPairs [ 0L; 1L; 999L; 1_000L; 1_001L; 3_600_000L ] (Seq.allPairs [ target; DialWait.Handshake ] [ true; false ]), fun (milliseconds, (during, failing)) ->
        let before = if failing then after [ refused ] else None
        let waited = Duration.OfMilliseconds milliseconds
        let failed = Some { Since = at (if failing then 0 else 9); Fault = TargetFault.Left during }
        TargetFailure.afterLeft (at 9) waited during before = (if waited < Duration.OfSeconds 1L then before else failed))

[<Fact>]
let ``what was waited for is told alike, whether the time was over or the client left`` () =
    Law.Holds(fun (during: DialWait) ->
        let describe fault = TargetFailure.describe { Since = at 0; Fault = fault }
        let late = describe (TargetFault.Failed(DialFault.ConnectTimeout during))
        describe (TargetFault.Left during) = late.Replace("within connect_timeout", "before its client left").Replace("connect_timeout was over", "its client left"))

[<Fact>]
let ``that a target is reached again is told where it was not for a second or more, and how long`` () =
    Law.HoldsFor([ 0.0, false; 0.999, false; 1.0, true; 1.5, true; 86_400.0, true ], fun (seconds, isTold) ->
        let failure = { Since = at 0; Fault = TargetFault.Failed refused }
        TargetFailure.ended ((at 0).AddSeconds seconds) failure = (if isTold then ValueSome(Duration.OfMilliseconds(int64 (seconds * 1000.0))) else ValueNone))
