module Bitflow.Spec.BackoffLaws

open Xunit
open Bitflow.Domain

let private ns (d: Duration) = d.TotalNanoseconds

[<Fact>]
let ``the first attempt never waits, and without a backoff none does`` () =
    Law.Holds(fun (backoff: Duration) (attempt: int) ->
        (Backoff.before backoff 1).IsZero && (Backoff.before backoff attempt).IsZero = (attempt < 2 || not backoff.IsPositive))

[<Fact>]
let ``the second attempt waits the backoff, and each one after it twice as long, up to an hour`` () =
    Law.Holds(fun (backoff: Duration) (attempt: int) ->
        let attempt = 2 + abs (attempt % 1_000)
        let mutable naive = decimal (max 0L (ns backoff))
        for _ in 3..attempt do
            naive <- min (naive * 2m) (decimal (ns Backoff.cap) * 2m)
        decimal (ns (Backoff.before backoff attempt)) = min naive (decimal (ns Backoff.cap)))

[<Fact>]
let ``waits never shrink from one attempt to the next, and never pass an hour`` () =
    Law.Holds(fun (backoff: Duration) ->
        let waits = [ for attempt in 1..200 -> ns (Backoff.before backoff attempt) ]
        List.pairwise waits |> List.forall (fun (a, b) -> a <= b) && List.forall (fun w -> w <= 3_600_000_000_000L) waits)

[<Fact>]
let ``a backoff of 250ms waits 250ms, 500ms, 1s and so on to an hour`` () =
    Law.HoldsFor(
        [ "250ms", 1, "0s"; "250ms", 2, "250ms"; "250ms", 3, "500ms"; "250ms", 4, "1s"; "250ms", 10, "1m4s"; "250ms", 15, "34m8s"
          "250ms", 16, "1h0m0s"; "1ns", 1_000, "1h0m0s"; "2h", 2, "1h0m0s"; "1h", 2, "1h0m0s"; "0s", 1_000, "0s" ],
        fun (backoff, attempt, wait) ->
            match Duration.tryParse backoff, Duration.tryParse wait with
            | Ok backoff, Ok wait -> Backoff.before backoff attempt = wait
            | _ -> false
    )
