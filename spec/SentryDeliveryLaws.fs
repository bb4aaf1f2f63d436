module Bitflow.Spec.SentryDeliveryLaws

open System
open Xunit
open Bitflow.Domain

let private wall = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)
let private at (seconds: int) = Instant.OfNanoseconds(int64 seconds * 1_000_000_000L)

let private answer status =
    { Status = status; RateLimits = ""; RetryAfter = ""; Error = "reason" }

/// What a reporter meets.
type Met =
    /// An event of one of a few kinds is next.
    | Event of kind: byte
    | Answer of status: int
    | Failure
    | Loss

/// A reporter's course: a shell posts when it is told to, and then says what came of it, once.
type private Course =
    { Delivery: SentryDelivery
      /// Seconds.
      Now: int
      IsPosting: bool
      /// What was counted as dropped; but for what the server limited, which it counts itself.
      Dropped: int64
      /// What a server that took it was told of.
      Told: int64
      /// Newest first.
      Log: string list }

let private begun : Course = { Delivery = SentryDelivery.start (); Now = 0; IsPosting = false; Dropped = 0L; Told = 0L; Log = [] }

let private total discards =
    [ SentryDiscard.QueueOverflow; SentryDiscard.RateLimitBackoff; SentryDiscard.NetworkError; SentryDiscard.SendError; SentryDiscard.EventProcessor ]
    |> List.sumBy (fun why -> SentryDiscards.count why discards)

let private follow struct (delivery: SentryDelivery, orders: SentryOrder list) (course: Course) : Course =
    ({ course with Delivery = delivery; IsPosting = false }, orders) ||> List.fold (fun course order ->
        match order with
        | SentryOrder.PostIn _ -> { course with IsPosting = true }
        | SentryOrder.CountDropped -> { course with Dropped = course.Dropped + 1L }
        | SentryOrder.LogRefused(status, reason) -> { course with Log = $"refused {status} {reason}" :: course.Log }
        | SentryOrder.LogUnreachable reason -> { course with Log = $"unreachable {reason}" :: course.Log })

/// What can be is said: a loss at any time, an answer or a failure while the shell posts, the next event while it does not.
let private step (course: Course) met : Course =
    let course = { course with Now = course.Now + 1 }
    match met with
    | Loss -> { follow (SentryDelivery.lost SentryDiscard.QueueOverflow course.Delivery) course with IsPosting = course.IsPosting }
    | Event kind when not course.IsPosting -> follow (SentryDelivery.taken (at course.Now) $"kind {kind % 3uy}" course.Delivery) course
    | Answer status when course.IsPosting ->
        let told = if SentryDiscards.took status then total (SentryDelivery.told course.Delivery) else 0L
        let course = follow (SentryDelivery.answered (at course.Now) wall (answer status) course.Delivery) course
        { course with Told = course.Told + told; Dropped = course.Dropped - (if status = 429 then 1L else 0L) }
    | Failure when course.IsPosting -> follow (SentryDelivery.failed "nobody" course.Delivery) course
    | _ -> course

let private run steps = List.fold step begun steps

/// What would be told with an event that came long after.
let private untold (course: Course) =
    let struct (delivery, _) = SentryDelivery.taken (at (course.Now + 100_000)) "the last" course.Delivery
    SentryDelivery.told delivery

[<Fact>]
let ``whatever happens, each event that was dropped is told to the server exactly once, but for those that it limited (SE-13)`` () =
    Law.Holds(fun (steps: (int * byte) list) ->
        let met (code, kind) =
            match abs (code % 6) with
            | 0 | 1 -> Event kind
            | 2 -> Answer(if kind < 128uy then 200 else 202)
            | 3 -> Answer(List.item (int kind % 4) [ 429; 413; 500; 301 ])
            | 4 -> Failure
            | _ -> Loss
        let course = run (List.map met steps)
        course.Told + total (untold course) = course.Dropped)

[<Fact>]
let ``an event is posted three times at the most, a second apart, and never again once a server has answered (SE-13, SE-14)`` () =
    Law.HoldsFor([ [], 3; [ 200 ], 1; [ 503 ], 1; [ 429 ], 1 ], fun (answers, most) ->
        let rec posts count struct (delivery, orders: SentryOrder list) =
            match orders |> List.tryPick (function SentryOrder.PostIn wait -> Some wait.TotalMilliseconds | _ -> None) with
            | None -> count
            | Some wait when wait <> (if count = 0 then 0.0 else 1_000.0) -> failwith $"posted in {wait}"
            | Some _ ->
                match answers with
                | [] -> posts (count + 1) (SentryDelivery.failed "nobody" delivery)
                | status :: _ -> posts (count + 1) (SentryDelivery.answered (at 1) wall (answer status) delivery)
        posts 0 (SentryDelivery.taken (at 0) "kind" (SentryDelivery.start ())) = most)

[<Fact>]
let ``an event that was not taken is counted as dropped, once`` () =
    Law.HoldsFor([ [ Answer 200 ], 0L; [ Answer 503 ], 1L; [ Failure; Failure; Failure ], 1L; [ Failure; Answer 200 ], 0L; [ Failure; Failure; Answer 401 ], 1L ], fun (steps, dropped) ->
        (run (Event 0uy :: steps)).Dropped = dropped)

[<Fact>]
let ``that nobody answers is told once until somebody does, and each refusal with the server's reason`` () =
    let three = [ Failure; Failure; Failure ]
    Law.HoldsFor(
        [ Event 0uy :: three @ [ Event 1uy ] @ three, [ "unreachable nobody" ]
          Event 0uy :: three @ [ Event 1uy; Answer 200; Event 2uy ] @ three, [ "unreachable nobody"; "unreachable nobody" ]
          [ Event 0uy; Failure; Answer 503; Event 1uy; Failure ], [ "unreachable nobody"; "refused 503 reason"; "unreachable nobody" ]
          [ Event 0uy; Answer 413 ], [ "refused 413 reason" ] ],
        fun (steps, log) -> List.rev (run steps).Log = log)

[<Fact>]
let ``the eleventh event of one kind in a minute is kept back, before it is made and after, and the first of another kind is not`` () =
    let ten = run [ for _ in 1..10 do yield! [ Event 0uy; Answer 200 ] ]
    let keptBack kind seconds = SentryDelivery.keepsBack (at seconds) $"kind {kind}" ten.Delivery
    Law.HoldsFor(
        [ 0, 21, ValueSome SentryDiscard.EventProcessor; 1, 21, ValueNone; 0, 61, ValueNone ],
        fun (kind, seconds, why) ->
            let struct (_, orders) = SentryDelivery.taken (at seconds) $"kind {kind}" ten.Delivery
            keptBack kind seconds = why && (orders |> List.exists _.IsPostIn) = why.IsNone && (orders |> List.exists _.IsCountDropped) = why.IsSome)

[<Fact>]
let ``while the server wants no more, every kind is kept back, before it is made and after (SE-17)`` () =
    let struct (delivery, _) = SentryDelivery.taken (at 0) "kind" (SentryDelivery.start ())
    let struct (delivery, _) = SentryDelivery.answered (at 0) wall { answer 429 with RetryAfter = "7" } delivery
    Law.HoldsFor([ 0, true; 6, true; 7, false ], fun (seconds, isKeptBack) ->
        let struct (_, orders) = SentryDelivery.taken (at seconds) "another" delivery
        (SentryDelivery.keepsBack (at seconds) "another" delivery = ValueSome SentryDiscard.RateLimitBackoff) = isKeptBack
        && (orders |> List.exists _.IsPostIn) <> isKeptBack)

[<Fact>]
let ``an event that is given up at the end of the process counts as lost to the network, and what it told of is still to be told`` () =
    let course = run [ Loss; Event 0uy; Failure ]
    let struct (delivery, orders) = SentryDelivery.abandoned course.Delivery
    let untold = untold { course with Delivery = delivery }
    Law.HoldsFor([ SentryDiscard.QueueOverflow, 1L; SentryDiscard.NetworkError, 1L; SentryDiscard.SendError, 0L ], fun (why, count) ->
        SentryDiscards.count why untold = count && List.map string orders = [ "CountDropped" ])

[<Fact>]
let ``each order is carried out by its own member`` () =
    let carriedOut order =
        let calls = ResizeArray<string>()
        order |> SentryOrder.carryOut
            { new ISentryReporter with
                member _.PostIn wait = calls.Add $"post in {wait}"
                member _.CountDropped() = calls.Add "count"
                member _.LogRefused(status, reason) = calls.Add $"refused {status} {reason}"
                member _.LogUnreachable reason = calls.Add $"unreachable {reason}" }
        List.ofSeq calls
    Law.HoldsFor(
        [ SentryOrder.PostIn(Duration.OfSeconds 1L), [ "post in 1s" ]; SentryOrder.CountDropped, [ "count" ]
          SentryOrder.LogRefused(413, "large"), [ "refused 413 large" ]; SentryOrder.LogUnreachable "nobody", [ "unreachable nobody" ] ],
        fun (order, calls) -> carriedOut order = calls)
