module Bitflow.Spec.LogLossesLaws

open FsCheck
open Xunit
open Bitflow.Domain

let private second (s: float) = Instant.OfNanoseconds(int64 (s * 1e9))

/// What a writer meets, and after how many milliseconds.
type private Met =
    | Loses
    | Writes
    | Looks

/// What is told along the way: true for a loss, false for its end, each with its place in the course (several steps may have one moment).
let private told (course: (float * Met) list) =
    let _, told =
        ((LogLosses.none, []), List.indexed course) ||> List.fold (fun (losses, told) (place, (at, met)) ->
            match met with
            | Loses ->
                let struct (losses, begins) = LogLosses.lost (second at) losses
                losses, (if begins then (place, true) :: told else told)
            | Writes -> LogLosses.written losses, told
            | Looks ->
                let struct (losses, isOver) = LogLosses.looked (second at) losses
                losses, (if isOver then (place, false) :: told else told))
    List.rev told

/// Any course, by what is met and how many tenths of a second pass before it.
let private courseOf (steps: (byte * int) list) =
    let at (tenths: byte) = float (tenths % 70uy) / 10.0
    let met code = match abs (code % 3) with 0 -> Loses | 1 -> Writes | _ -> Looks
    steps |> List.scan (fun (now, _) (wait, code) -> now + at wait, met code) (0.0, Looks)

[<Fact>]
let ``lines are told to be lost and the log to be writable again in turns, beginning with a loss`` () =
    Law.Holds(fun steps ->
        let kinds = told (courseOf steps) |> List.map snd
        kinds = List.init kinds.Length (fun i -> i % 2 = 0))

[<Fact>]
let ``a log is told to be writable again five seconds after the last loss at the earliest, and only where lines were written since`` () =
    Law.Holds(fun steps ->
        let course = courseOf steps
        told course |> List.forall (fun (place, isLoss) ->
            isLoss
            || (let until = List.take place course
                let lastLoss = until |> List.findIndexBack (fun (_, met) -> met = Loses)
                fst until[lastLoss] <= fst course[place] - 4.999 && until |> List.skip lastLoss |> List.exists (fun (_, met) -> met = Writes))))

[<Fact>]
let ``a reader that is always a little too slow is told of once`` () =
    Law.HoldsFor([ 0.1; 0.3; 1.0; 4.9 ], fun every ->
        let course = [ for i in 0..1000 do
                           yield! [ float i * every, Loses; float i * every, Writes; (float i + 0.99) * every, Looks ] ]
        told course = [ 0, true ])

[<Fact>]
let ``a log that can be written again is told of without another line, at the look that is asked for`` () =
    Law.Holds(fun (NonNegativeInt lost) (NonNegativeInt later) ->
        let at, now = second (float (lost % 1000)), second (float (lost % 1000) + float (later % 50) / 10.0)
        let struct (losses, _) = LogLosses.lost at LogLosses.none
        let losses = LogLosses.written losses
        match LogLosses.untilOver now losses with
        | ValueSome wait ->
            let struct (_, isOver) = LogLosses.looked (now + wait) losses
            let struct (_, isEarly) = LogLosses.looked (now + wait + Duration.OfNanoseconds -1L) losses
            isOver && not isEarly
        | ValueNone -> false)

[<Fact>]
let ``no look is asked for without a loss, nor while nothing has been written since`` () =
    Law.Holds(fun (NonNegativeInt lost) (NonNegativeInt now) ->
        let at, now = second (float lost), second (float now)
        let struct (losses, _) = LogLosses.lost at LogLosses.none
        let struct (again, _) = LogLosses.lost at (LogLosses.written losses)
        [ LogLosses.none; LogLosses.written LogLosses.none; losses; again ]
        |> List.forall (fun losses ->
            let struct (_, isOver) = LogLosses.looked now losses
            (LogLosses.untilOver now losses).IsNone && not isOver))

[<Fact>]
let ``an episode is over five seconds behind the last loss`` () =
    Law.HoldsFor([ 0.0, 5_000.0; 1.5, 3_500.0; 5.0, 0.0; 7.0, 0.0 ], fun (seconds, left) ->
        let struct (losses, _) = LogLosses.lost (second 1.0) LogLosses.none
        match LogLosses.untilOver (second (1.0 + seconds)) (LogLosses.written losses) with
        | ValueSome wait -> wait.TotalMilliseconds = left
        | ValueNone -> false)

[<Fact>]
let ``the reader of a full pipe is waited for a quarter of a second, and not again until it has read some`` () =
    Law.HoldsFor([ Errno.EAGAIN, false, ValueSome 250.0; Errno.EAGAIN, true, ValueNone; Errno.EPIPE, false, ValueNone; Errno.ENOSPC, false, ValueNone ],
                 fun (errno, waitedInVain, expected) -> (LogLosses.patience errno waitedInVain |> ValueOption.map _.TotalMilliseconds) = expected)
