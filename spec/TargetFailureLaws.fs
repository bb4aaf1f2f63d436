module Bitflow.Spec.TargetFailureLaws

open System
open Xunit
open Bitflow.Domain

let private at (second: int) = Instant.OfNanoseconds(int64 second * 1_000_000_000L)

/// What the clock on the wall says then: it is set back a minute at each second.
let private clock (second: int) = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero).AddMinutes(float -second)

let private failed second fault = { Since = clock second; Began = at second; Fault = fault }
let private target = DialWait.Connection Hop.Target
let private refused, late = DialFault.Connect IoFault.Refused, DialFault.ConnectTimeout target
let private ours = DialFault.Connect IoFault.NoDescriptors

/// Of attempts that failed a second apart.
let private after faults =
    faults |> List.indexed |> List.fold (fun before (second, fault) -> TargetFailure.afterFailed (at second) (clock second) fault before) None

[<Fact>]
let ``a target fails since the first of the attempts that failed in a row, of what the last did, and what ran out here is not its failure`` () =
    Law.HoldsFor(
        [ [], None; [ refused ], Some(0, refused); [ refused; refused; late ], Some(0, late); [ ours ], None; [ ours; late; ours ], Some(1, late) ],
        fun (faults, failure) -> after faults = (failure |> Option.map (fun (second, fault) -> failed second (TargetFault.Failed fault))))

[<Fact>]
let ``a target that is silent until its client leaves fails from a second on`` () =
    Law.HoldsFor(Seq.allPairs [ 0L; 1L; 999L; 1_000L; 1_001L; 3_600_000L ] (Seq.allPairs [ target; DialWait.Handshake ] [ true; false ]), fun (milliseconds, (during, failing)) ->
        let before = if failing then after [ refused ] else None
        let waited = Duration.OfMilliseconds milliseconds
        let failed = Some(failed (if failing then 0 else 9) (TargetFault.Left during))
        TargetFailure.afterLeft (at 9) (clock 9) waited during before = (if waited < Duration.OfSeconds 1L then before else failed))

[<Fact>]
let ``what was waited for is told alike, whether the time was over or the client left`` () =
    Law.Holds(fun (during: DialWait) ->
        let describe fault = TargetFailure.describe (failed 0 fault)
        let late = describe (TargetFault.Failed(DialFault.ConnectTimeout during))
        describe (TargetFault.Left during) = late.Replace("within connect_timeout", "before its client left").Replace("connect_timeout was over", "its client left"))

[<Fact>]
let ``that a target is reached again is told where it was not for a second or more, and how long`` () =
    Law.HoldsFor([ 0.0, false; 0.999, false; 1.0, true; 1.5, true; 86_400.0, true ], fun (seconds, isTold) ->
        TargetFailure.ended (at 0 + Duration.OfMilliseconds(int64 (seconds * 1000.0))) (failed 0 (TargetFault.Failed refused)) = (if isTold then ValueSome(Duration.OfMilliseconds(int64 (seconds * 1000.0))) else ValueNone))

[<Fact>]
let ``what is known of a target goes on under settings that leave it its name and address, whatever else they change`` () =
    Law.Holds(fun (SmallProxy p) (SmallProxy q) (address: TargetAddress) ->
        List.allPairs p.Targets q.Targets
        |> List.forall (fun (a, b) ->
            TargetFailure.goesOn a { b with Name = a.Name; Address = a.Address }
            && not (TargetFailure.goesOn a { a with Name = a.Name + "x" })
            && TargetFailure.goesOn a { a with Address = address } = (address = a.Address)))
