module Bitflow.Spec.FarewellLaws

open Xunit
open Bitflow.Domain

let private ms (n: int) = Duration.OfMilliseconds(int64 n)
let private start = Instant.OfNanoseconds 1_000L
let private span (later: Instant) (earlier: Instant) = (later - earlier).TotalNanoseconds

/// The looks of a drain whose queue holds these bytes, one look after the other; the last look found it over.
let rec private looks (drain: Drain) (queue: int list) : Instant list =
    let unsent, rest = match queue with [] -> 1, [] | bytes :: rest -> bytes, rest
    match Farewell.drained drain drain.LookAt unsent with
    | ValueNone -> [ drain.LookAt ]
    | ValueSome again -> drain.LookAt :: looks again rest

[<Fact>]
let ``a reset waits while bytes are unsent, for write_timeout or 5 seconds in which none leaves, and not a moment more`` () =
    let begun timeout unsent = (Farewell.drained (Farewell.beginDrain timeout Instant.Never start) start unsent).Value
    Law.Holds(fun (timeout: uint16) (elapsed: uint16) (unsent: uint8) (later: uint8) ->
        let timeout, elapsed, unsent = ms (int timeout), ms (int elapsed), 1 + int unsent
        let patience = if timeout.IsPositive then timeout else Duration.OfSeconds 5L
        let again = Farewell.drained (begun timeout unsent) (start + elapsed) (int later)
        again.IsSome = (later > 0uy && (int later < unsent || elapsed.TotalNanoseconds < patience.TotalNanoseconds)))
    Law.HoldsFor([ 0, 4_999, true; 0, 5_000, false; 7_000, 6_999, true; 7_000, 7_000, false ], fun (timeout, elapsed, waits) ->
        (Farewell.drained (begun (ms timeout) 1) (start + ms elapsed) 1).IsSome = waits)

[<Fact>]
let ``a side that takes something within each patience gets everything before the reset, however long that takes`` () =
    Law.Holds(fun (timeout: uint16) (unsent: uint8) ->
        let patience = if timeout > 0us then ms (int timeout) else Duration.OfSeconds 5L
        // One byte each time when the patience is nearly over.
        let rec taken (drain: Drain) (now: Instant) unsent =
            let late = now + Duration.OfNanoseconds(patience.TotalNanoseconds - 1L)
            match Farewell.drained drain late (unsent - 1) with
            | ValueNone -> unsent - 1
            | ValueSome again -> taken again late (unsent - 1)
        let unsent = 1 + int unsent
        taken (Farewell.drained (Farewell.beginDrain (ms (int timeout)) Instant.Never start) start unsent).Value start unsent = 0)

[<Fact>]
let ``an empty queue is never waited for`` () =
    Law.Holds(fun (timeout: uint16) ->
        looks (Farewell.beginDrain (ms (int timeout)) Instant.Never start) [ 0 ] = [ start ])

[<Fact>]
let ``a queue that never empties is looked at ever more rarely, at least every 50 ms, and last when the patience is over`` () =
    Law.Holds(fun (timeout: uint16) ->
        let drain = Farewell.beginDrain (ms (int timeout)) Instant.Never start
        let at = looks drain []
        let pauses = at |> List.pairwise |> List.map (fun (a, b) -> span b a)
        List.last at = drain.Until
        && pauses |> List.forall (fun p -> p > 0L && p <= 50_000_000L)
        // The last pause may be cut short by the end of the patience.
        && (pauses |> List.take (pauses.Length - 1) |> List.pairwise |> List.forall (fun (a, b) -> a <= b)))

[<Fact>]
let ``the first look at a queue comes soon`` () =
    Law.Holds(fun (timeout: uint16) ->
        match looks (Farewell.beginDrain (ms (1 + int timeout)) Instant.Never start) [ 1; 0 ] with
        | [ _; second ] -> span second start <= 1_000_000L
        | _ -> false)

[<Fact>]
let ``an orderly end is waited for as long as something leaves within the patience of the more patient side`` () =
    Law.Holds(fun (client: uint16) (target: uint16) (unsent: uint16) (later: uint16) ->
        let wait = Farewell.beginOrderlyEnd (ms (int client)) (ms (int target)) Instant.Never start (int unsent)
        // A side without a write_timeout has five seconds.
        let patience = max (if client > 0us then ms (int client) else Duration.OfSeconds 5L) (if target > 0us then ms (int target) else Duration.OfSeconds 5L)
        span wait.LookAt start = patience.TotalNanoseconds
        && (match Farewell.ended wait wait.LookAt (int later) with
            | ValueNone -> later >= unsent
            | ValueSome again ->
                later < unsent
                && again.Unsent = int later
                && span again.LookAt wait.LookAt = patience.TotalNanoseconds))

[<Fact>]
let ``an orderly end is over in the end, however slow its sides`` () =
    Law.Holds(fun (unsent: uint8) (left: uint8) ->
        // A side that takes as little as one byte a look.
        let rec count (wait: OrderlyEnd) unsent n =
            let unsent = max (int left) (unsent - 1)
            match Farewell.ended wait wait.LookAt unsent with
            | ValueNone -> n
            | ValueSome again -> count again unsent (n + 1)
        count (Farewell.beginOrderlyEnd Duration.Zero Duration.Zero Instant.Never start (int unsent)) (int unsent) 0 <= max 0 (int unsent - int left))

[<Fact>]
let ``what a connection still owes its sides is owed no longer than its lifetime, however much leaves`` () =
    Law.Holds(fun (timeout: uint16) (left: uint16) ->
        let lifetimeEnd = start + ms (1 + int left)
        let rec ends (wait: OrderlyEnd) unsent =
            match Farewell.ended wait wait.LookAt (unsent - 1) with
            | ValueNone -> wait.LookAt
            | ValueSome again -> ends again (unsent - 1)
        let rec drains (drain: Drain) unsent =
            match Farewell.drained drain drain.LookAt unsent with
            | ValueNone -> drain.LookAt
            | ValueSome again -> drains again (unsent - 1)
        let drained = drains (Farewell.beginDrain (ms (int timeout)) lifetimeEnd start) 1_000_000
        let ended = ends (Farewell.beginOrderlyEnd (ms (int timeout)) Duration.Zero lifetimeEnd start 1_000_000) 1_000_000
        drained = lifetimeEnd && ended = lifetimeEnd)

[<Fact>]
let ``a refused client is listened to for a second and 64 KB at most`` () =
    Law.HoldsFor([ start ], fun now ->
        span (Farewell.lingerUntil now) now = 1_000_000_000L && Farewell.lingerBytes = 64 * 1024)
