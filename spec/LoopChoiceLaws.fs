module Bitflow.Spec.LoopChoiceLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``a client stays where it was accepted until that loop has eight more, and an eighth more, than the least loaded`` () =
    Law.HoldsFor(
        [ 0, 0, false; 8, 0, false; 9, 0, false; 10, 0, true; 100, 80, false; 100, 79, true; 8000, 6992, false; 8000, 6991, true ],
        fun (accepting, least, moves) -> LoopChoice.isWorthMoving accepting least 0 = moves
    )

[<Fact>]
let ``two loops that take clients in turn, or one that takes them all, end within a quarter of each other`` () =
    Law.Holds(fun (turns: bool list) ->
        let step (one, other) isFirst =
            let accepting, resting = if isFirst then one, other else other, one
            let moved = LoopChoice.isWorthMoving accepting (min accepting resting) 0
            if isFirst <> moved then one + 1, other else one, other + 1
        let one, other = List.init 50 (fun _ -> turns) |> List.concat |> List.fold step (0, 0)
        abs (one - other) <= 10 + max one other / 4)

[<Fact>]
let ``a loop is given at most 64 clients that it has not begun with, however little it carries`` () =
    Law.HoldsFor([ for newcomers in [ 0; 1; 63; 64; 65; 10_000 ] -> newcomers ], fun newcomers ->
        LoopChoice.isWorthMoving 10_000 0 newcomers = (newcomers < 64) && not (LoopChoice.isWorthMoving 0 0 newcomers))
