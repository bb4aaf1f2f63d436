module Bitflow.Spec.DialWayLaws

open Xunit
open Bitflow.Domain

let private small n = 1 + abs (n % 5)

/// The ways that an attempt goes when each comes to nothing in its turn, for as long as faults are left.
let private walk hops destinations (faults: DialFault list) =
    let rec go way faults =
        match faults with
        | fault :: rest ->
            match DialWay.next way fault with
            | ValueSome next -> way :: go next rest
            | ValueNone -> [ way ]
        | [] -> [ way ]
    go (DialWay.first hops destinations) faults

let private late = DialFault.ConnectTimeout(DialWait.Connection Hop.Proxy)
let private place (way: DialWay) = way.Destination, way.Hop

[<Fact>]
let ``no way is gone twice, nor one that leads nowhere, whatever comes to nothing`` () =
    Law.Holds(fun (hops: int) (destinations: int) (faults: DialFault list) ->
        let hops, destinations = small hops, small destinations
        let gone = walk hops destinations faults |> List.map place
        List.distinct gone = gone
        && gone |> List.forall (fun (destination, hop) -> destination < destinations && hop < hops)
        && List.sort gone = gone)

[<Fact>]
let ``where nobody answers in time every destination is asked for at every address, one after the other`` () =
    Law.Holds(fun (hops: int) (destinations: int) ->
        let hops, destinations = small hops, small destinations
        let gone = walk hops destinations (List.replicate 30 late)
        List.map place gone = [ for destination in 0 .. destinations - 1 do for hop in 0 .. hops - 1 -> destination, hop ]
        && gone |> List.map _.Left = [ hops * destinations .. -1 .. 1 ])

[<Fact>]
let ``what another address would not mend ends the attempt, and a proxy that could not connect is asked for the next destination by its first address`` () =
    Law.Holds(fun (fault: DialFault) ->
        let next = DialWay.next (DialWay.first 3 2) fault |> ValueOption.map place
        if DialFault.anotherHopMayDo fault then next = ValueSome(0, 1)
        elif DialFault.anotherAddressMayDo fault then next = ValueSome(1, 0)
        else next = ValueNone)

[<Fact>]
let ``a proxy of which one address hangs and the last one refuses is asked for the next destination, for it may be this one that hangs`` () =
    let refused = DialFault.SocksConnect IoFault.Refused
    Law.HoldsFor(
        [ [ late; refused ], [ 0, 0; 0, 1; 1, 0 ]
          [ late; refused; refused; refused ], [ 0, 0; 0, 1; 1, 0; 1, 1 ]
          [ refused; late; refused ], [ 0, 0; 0, 1; 1, 0; 1, 1 ]
          [ refused; refused ], [ 0, 0; 0, 1 ] ],
        fun (faults, gone) -> List.map place (walk 2 3 faults) = gone)

[<Fact>]
let ``several ways share what is left equally, at least two seconds each while more is left, the last taking the rest`` () =
    let seconds = 1_000_000_000L
    Law.Holds(fun (left: Duration) (hops: int) (destinations: int) ->
        let way = DialWay.first (small hops) (small destinations)
        let share = (DialWay.share left way).TotalNanoseconds
        let leftNanoseconds = left.TotalNanoseconds
        if way.Left = 1 then share = leftNanoseconds
        elif leftNanoseconds <= 0L then share = 0L
        else
            share <= leftNanoseconds
            && share >= leftNanoseconds / int64 way.Left
            && (share >= 2L * seconds || leftNanoseconds <= 2L * seconds)
            && (share = leftNanoseconds / int64 way.Left || (share = 2L * seconds && leftNanoseconds > share)))
    Law.HoldsFor(
        [ 1L, 2, [ 500; 500 ]; 2L, 2, [ 1000; 1000 ]; 3L, 2, [ 2000; 1000 ]; 10L, 2, [ 5000; 5000 ]; 5L, 3, [ 2000; 2000; 1000 ] ],
        fun (left, hops, shares) ->
            let share (left, spent) way =
                let share = (DialWay.share (Duration.OfNanoseconds left) way).TotalNanoseconds
                left - share, int (share / 1_000_000L) :: spent
            walk hops 1 (List.replicate 30 late) |> List.fold share (left * seconds, []) |> snd |> List.rev = shares)

[<Fact>]
let ``shares of an attempt never add up to more than the attempt`` () =
    Law.Holds(fun (left: Duration) (hops: int) (destinations: int) ->
        let gone = walk (small hops) (small destinations) (List.replicate 30 late)
        let spend (rest: int64) way = rest - (DialWay.share (Duration.OfNanoseconds rest) way).TotalNanoseconds
        List.fold spend (max 0L left.TotalNanoseconds) gone = 0L)
