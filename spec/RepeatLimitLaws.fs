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
let ``a failure is spent exactly where one more of it would be suppressed`` () =
    Law.Holds(fun repeats (wait: uint16) ->
        let (Repeats steps) = repeats
        let _, limit = play (RepeatLimit.create 3 second 100) repeats
        let now = Instant.OfNanoseconds 0L + Duration.OfMilliseconds(int64 (List.sumBy fst steps) + int64 wait % 1_500L)
        let unseen = -1
        unseen :: List.map snd steps |> List.distinct |> List.forall (fun key ->
            RepeatLimit.isSpent now key limit = not (passed (fst (RepeatLimit.next now key limit)))))

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

/// How many of so many at once pass.
let private passing limit failure count =
    [ 1..count ] |> List.mapFold (fun limit _ -> RepeatLimit.next (Instant.OfNanoseconds 0L) failure limit) limit |> fst |> List.filter passed |> List.length

[<Fact>]
let ``the log says the same failure ten times a second, and Sentry is told of it ten times a minute`` () =
    let logged = { Level = LogLevel.Warn; Template = "failure"; About = [] }
    Law.HoldsFor([ 9, 9; 10, 10; 11, 10; 100, 10 ], fun (count, pass) ->
        passing (LoggedFailure.limit ()) logged count = pass && passing (SentryEvent.limit ()) "failure" count = pass)
    let after wait failure limit =
        let _, limit = [ 1..10 ] |> List.mapFold (fun limit _ -> RepeatLimit.next (Instant.OfNanoseconds 0L) failure limit) limit
        fst (RepeatLimit.next (Instant.OfNanoseconds 0L + wait) failure limit) |> passed
    Law.HoldsFor([ 999L, false, false; 1_000L, true, false; 59_999L, true, false; 60_000L, true, true ], fun (ms, log, sentry) ->
        after (Duration.OfMilliseconds ms) logged (LoggedFailure.limit ()) = log && after (Duration.OfMilliseconds ms) "failure" (SentryEvent.limit ()) = sentry)

[<Fact>]
let ``a new failure is suppressed where every place is taken, and a sweep says so once`` () =
    let now = Instant.OfNanoseconds 0L
    let _, limit = RepeatLimit.next now "first" (RepeatLimit.create 10 second 1)
    let verdict, limit = RepeatLimit.next now "second" limit
    let summary, swept = RepeatLimit.sweep now limit
    let again, _ = RepeatLimit.sweep now swept
    Law.HoldsFor([ verdict, summary.Crowded, again.Crowded ], fun (verdict, crowded, again) -> verdict = RepeatVerdict.Suppress && crowded = 1L && again = 0L)

[<Fact>]
let ``a sweep tells of nothing that was never suppressed`` () =
    Law.Holds(fun repeats ->
        let verdicts, limit = play (RepeatLimit.create 3 second 100) repeats
        let summary, _ = RepeatLimit.sweep Instant.Never limit
        summary.Suppressed |> List.forall (fun (key, count) ->
            count > 0L && verdicts |> List.exists (fun (_, k, verdict) -> k = key && not (passed verdict))))
