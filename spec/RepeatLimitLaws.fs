module Bitflow.Spec.RepeatLimitLaws

open Xunit
open Bitflow.Domain

let private second = Duration.OfSeconds 1L

/// The events in order with the verdict on each: (milliseconds since the start, key, verdict).
let private play limit (Repeats steps) =
    let times = steps |> List.scan (fun at (wait, _) -> at + wait) 0 |> List.tail
    let folder limit (at, key) =
        let verdict, limit = RepeatLimit.next (Instant.OfNanoseconds 0L + Duration.OfMilliseconds(int64 at)) key limit
        (at, key, verdict), limit
    List.mapFold folder limit (List.zip times (List.map snd steps))

let private passed verdict = match verdict with RepeatVerdict.Pass _ -> true | RepeatVerdict.Suppress -> false

[<Fact>]
let ``no second, wherever it begins, lets more than ten of one failure through`` () =
    Law.Holds(fun repeats ->
        let verdicts, _ = play (RepeatLimit.create 10 second 100) repeats
        let let_through = verdicts |> List.filter (fun (_, _, verdict) -> passed verdict)
        let_through
        |> List.forall (fun (at, key, _) ->
            let_through |> List.filter (fun (other, otherKey, _) -> otherKey = key && other >= at && other < at + 1000) |> List.length <= 10))

[<Fact>]
let ``a failure is suppressed only where ten of it passed within the second before`` () =
    Law.Holds(fun repeats ->
        let verdicts, _ = play (RepeatLimit.create 10 second 100) repeats
        List.indexed verdicts
        |> List.forall (fun (i, (at, key, verdict)) ->
            passed verdict
            || verdicts |> List.truncate i |> List.filter (fun (other, otherKey, verdict) -> otherKey = key && passed verdict && other > at - 1000) |> List.length = 10))

[<Fact>]
let ``every suppressed failure is counted once, by the next that passes or by the sweep`` () =
    Law.Holds(fun repeats (fewKeys: bool) ->
        let verdicts, limit = play (RepeatLimit.create 3 second (if fewKeys then 2 else 100)) repeats
        let summary, _ = RepeatLimit.sweep Instant.Never limit
        let suppressed = verdicts |> List.filter (fun (_, _, verdict) -> not (passed verdict)) |> List.length |> int64
        let reported = verdicts |> List.sumBy (fun (_, _, verdict) -> match verdict with RepeatVerdict.Pass n -> n | RepeatVerdict.Suppress -> 0L)
        suppressed = reported + List.sumBy snd summary.Suppressed + summary.Crowded)

[<Fact>]
let ``one failure never stands in the way of another while there is room`` () =
    Law.Holds(fun repeats ->
        let (Repeats steps) = repeats
        let verdicts, _ = play (RepeatLimit.create 10 second 100) repeats
        steps |> List.map snd |> List.distinct |> List.forall (fun key ->
            verdicts |> List.find (fun (_, k, _) -> k = key) |> fun (_, _, verdict) -> passed verdict))

[<Fact>]
let ``a sweep forgets nothing that still counts`` () =
    Law.Holds(fun repeats ->
        let (Repeats steps) = repeats
        let last = steps |> List.sumBy fst |> int64 |> Duration.OfMilliseconds
        let _, limit = play (RepeatLimit.create 3 second 100) repeats
        let now = Instant.OfNanoseconds 0L + last
        let _, swept = RepeatLimit.sweep now limit
        [ 0..3 ] |> List.forall (fun key -> passed (fst (RepeatLimit.next now key swept)) = passed (fst (RepeatLimit.next now key limit))))
