module Bitflow.Spec.RelayLaws

open Xunit
open Bitflow.Domain

let private sides = [ Side.Client; Side.Target ]
let private events = [ RelayEvent.Ended; RelayEvent.Reset; RelayEvent.Truncated; RelayEvent.Vanished; RelayEvent.WriteFailed; RelayEvent.Starved; RelayEvent.BrokeTls; RelayEvent.Left ]
let private alphabet = [ for side in sides do for event in events -> side, event ]

/// What a script came to: the orders given on the way (with the event that each answers), and the end with the number of
/// events that it took.
let private play (script: (Side * RelayEvent) list) =
    let rec go state n orders script =
        match script with
        | [] -> List.rev orders, None
        | (side, event) :: rest ->
            match RelayLife.advance state side event with
            | RelayStep.Finish(reason, ending) -> List.rev orders, Some(reason, ending, n + 1)
            | RelayStep.GoOn(state, RelayOrders.None) -> go state (n + 1) orders rest
            | RelayStep.GoOn(state, given) -> go state (n + 1) ((side, event, given) :: orders) rest
    go RelayState.Start 0 [] script

/// Every sequence of events up to a length: a small space, enumerated completely.
let private scripts length =
    let rec grow n scripts = seq {
        yield! scripts
        if n > 0 then yield! grow (n - 1) [ for script in scripts do for step in alphabet -> step :: script ] }
    grow length [ [] ]

let private everyScript = lazy (scripts 5 |> Seq.toArray)

/// Whether a side has refused something of the other's, newest first: a write towards it failed before the other had said everything.
let rec private isRefused (side: Side) (history: (Side * RelayEvent) list) =
    match history with
    | [] -> false
    | (who, RelayEvent.WriteFailed) :: before when who = side ->
        isRefused side before || not (before |> List.exists (fun (who, what) -> who = Side.other side && (what = RelayEvent.Ended || what = RelayEvent.Left)))
    | _ :: before -> isRefused side before

/// The same rules told from the whole history instead of a state.
let private naive (history: (Side * RelayEvent) list) (side: Side) (event: RelayEvent) =
    let other = Side.other side
    let takesNothing s = isRefused s history
    let hasEnded s =
        history |> List.exists (fun (who, what) -> who = s && (what = RelayEvent.Ended || what = RelayEvent.Left))
        && not (takesNothing (Side.other s))
    let over who cause ending = Choice2Of2(string (CloseReason.make (Side.who who) Phase.Relay cause), ending)
    let reset cause = over side cause (if side = Side.Client then Ending.ResetTargetAfterDrain else Ending.ResetClientAfterDrain)
    let ends () =
        if hasEnded side || takesNothing other then
            Choice1Of2 RelayOrders.None
        elif hasEnded other then
            let first = history |> List.filter (fun (_, what) -> what = RelayEvent.Ended || what = RelayEvent.Left) |> List.last |> fst
            over first Cause.Ended Ending.Orderly
        else
            Choice1Of2(if side = Side.Client then RelayOrders.EndTarget else RelayOrders.EndClient)
    match event with
    | RelayEvent.Reset -> reset Cause.Reset
    | RelayEvent.Vanished -> reset Cause.Vanished
    | RelayEvent.BrokeTls -> reset Cause.Protocol
    | RelayEvent.Starved -> Choice2Of2("bitflow.relay.exhausted", Ending.ResetBoth)
    | RelayEvent.Truncated -> reset Cause.Truncated
    | RelayEvent.Left -> if hasEnded other && not (takesNothing side) then ends () else reset Cause.Truncated
    | RelayEvent.Ended -> if takesNothing side then reset Cause.Reset else ends ()
    | _ ->
        if hasEnded side || takesNothing other then reset Cause.Reset
        elif takesNothing side || hasEnded other then Choice1Of2 RelayOrders.None
        else Choice1Of2(if side = Side.Client then RelayOrders.StopTarget else RelayOrders.StopClient)

[<Fact>]
let ``the kernel gives up on a side the same way, whether a receive or a write hears of it`` () =
    Law.HoldsFor(
        [ IoFault.TimedOut; IoFault.HostUnreachable; IoFault.NetworkUnreachable ],
        fun fault -> RelayEvents.ofReceive fault = RelayEvent.Vanished && RelayEvents.ofSend fault = RelayEvent.Vanished
    )

[<Fact>]
let ``every other failed write ends its direction alone`` () =
    Law.HoldsFor(
        [ IoFault.Reset; IoFault.Truncated; IoFault.TlsProtocol; IoFault.Other ],
        fun fault -> RelayEvents.ofSend fault = RelayEvent.WriteFailed
    )

[<Fact>]
let ``a relay goes as its rules say when they are read from the whole history`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        let rec go state history script =
            match script with
            | [] -> true
            | (side, event) :: rest ->
                match RelayLife.advance state side event, naive history side event with
                | RelayStep.GoOn(state, orders), Choice1Of2 expected -> orders = expected && go state ((side, event) :: history) rest
                | RelayStep.Finish(reason, ending), Choice2Of2(expected, expectedEnding) -> string reason = expected && ending = expectedEnding
                | _ -> false
        go RelayState.Start [] script)

[<Fact>]
let ``a relay ends in good order only when both sides ended and neither refused anything of the other's`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        match play script with
        | _, Some(reason, Ending.Orderly, n) ->
            let seen = List.take n script
            reason.Cause = Cause.Ended
            && (seen |> List.forall (fun (_, event) -> event = RelayEvent.Ended || event = RelayEvent.Left || event = RelayEvent.WriteFailed))
            && (sides |> List.forall (fun side -> not (isRefused side (List.rev seen))))
            && (sides |> List.forall (fun side -> seen |> List.exists (fun (who, _) -> who = side)))
        | _ -> true)

[<Fact>]
let ``a reset, a truncation, a vanishing and a want of ours are passed on as a reset, never as an end`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        match play script with
        | _, Some(reason, ending, n) when ending <> Ending.Orderly ->
            let side, event = List.item (n - 1) script
            reason.Cause <> Cause.Ended
            && if event = RelayEvent.Starved then reason.Who = Who.Bitflow && ending = Ending.ResetBoth
               else reason.Who = Side.who side && ending = (if side = Side.Client then Ending.ResetTargetAfterDrain else Ending.ResetClientAfterDrain)
        | _ -> true)

[<Fact>]
let ``a stream of TLS that was cut off in a record never looks complete, and who goes between two without a word has ended where the other had`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        match play script with
        | _, Some(reason, ending, n) ->
            let before, (side, event) = List.truncate (n - 1) script, List.item (n - 1) script
            (event <> RelayEvent.Truncated || (reason = CloseReason.make (Side.who side) Phase.Relay Cause.Truncated && ending <> Ending.Orderly))
            && (event <> RelayEvent.Left || ending <> Ending.Orderly || List.contains (Side.other side, RelayEvent.Ended) before)
        | _ -> true)

[<Fact>]
let ``an end without close_notify is a cut in the midst of a record alone, and any other event is what it is`` () =
    Law.HoldsFor(Seq.allPairs events [ true; false ], fun (event, isWithinRecord) ->
        RelayEvents.ofEnd isWithinRecord event = (if event = RelayEvent.Truncated && not isWithinRecord then RelayEvent.Left else event))

[<Fact>]
let ``once a side has refused something of the other's, the relay never ends in good order`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        match play script with
        | _, Some(_, ending, n) ->
            ending <> Ending.Orderly || not (sides |> List.exists (fun side -> isRefused side (List.rev (List.take n script))))
        | _ -> true)

[<Fact>]
let ``a reset ends the relay at once, whatever came before`` () =
    Law.Holds(fun (RelayScript script) (side: Side) ->
        let side = if int side % 2 = 0 then Side.Client else Side.Target
        (snd (play (script @ [ side, RelayEvent.Reset ]))).IsSome)

[<Fact>]
let ``when each side has ended one way or another, the relay is over`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        let gone side = script |> List.exists (fun (who, event) -> who = side && event <> RelayEvent.WriteFailed)
        not (gone Side.Client && gone Side.Target) || (snd (play script)).IsSome)

[<Fact>]
let ``an end is passed on once, as soon as it comes, to the other side`` () =
    Law.HoldsFor(everyScript.Value, fun script ->
        let orders, _ = play script
        let given = orders |> List.map (fun (_, _, order) -> order)
        List.distinct given = given
        && orders |> List.forall (fun (side, event, order) ->
            match order with
            | RelayOrders.EndTarget -> side = Side.Client && event = RelayEvent.Ended
            | RelayOrders.EndClient -> side = Side.Target && event = RelayEvent.Ended
            | RelayOrders.StopClient -> side = Side.Target && event = RelayEvent.WriteFailed
            | RelayOrders.StopTarget -> side = Side.Client && event = RelayEvent.WriteFailed
            | _ -> false))

[<Fact>]
let ``the end that came first gives the reason`` () =
    Law.HoldsFor(sides, fun first ->
        match play [ first, RelayEvent.Ended; Side.other first, RelayEvent.Ended ] with
        | _, Some(reason, Ending.Orderly, 2) -> reason = CloseReason.make (Side.who first) Phase.Relay Cause.Ended
        | _ -> false)

[<Fact>]
let ``the two sides are treated alike`` () =
    let mirrorWho who = match who with Who.Client -> Who.Target | Who.Target -> Who.Client | Who.Bitflow -> Who.Bitflow
    let mirrorEnding ending =
        match ending with
        | Ending.ResetClientAfterDrain -> Ending.ResetTargetAfterDrain
        | Ending.ResetTargetAfterDrain -> Ending.ResetClientAfterDrain
        | ending -> ending
    Law.Holds(fun (RelayScript script) ->
        let mirrored = script |> List.map (fun (side, event) -> Side.other side, event)
        match snd (play script), snd (play mirrored) with
        | None, None -> true
        | Some(reason, ending, n), Some(reason', ending', n') ->
            n = n' && ending' = mirrorEnding ending && reason' = { reason with Who = mirrorWho reason.Who }
        | _ -> false)

[<Fact>]
let ``a side that closed in order before the other's end could be passed on has ended in order`` () =
    Law.HoldsFor(sides, fun side ->
        match play [ Side.other side, RelayEvent.Ended; side, RelayEvent.WriteFailed; side, RelayEvent.Ended ] with
        | _, Some({ Cause = Cause.Ended }, Ending.Orderly, 3) -> true
        | _ -> false)

[<Fact>]
let ``what one side still says is read to its end after writing to it has failed`` () =
    Law.HoldsFor(sides, fun side ->
        match RelayLife.advance RelayState.Start side RelayEvent.WriteFailed with
        | RelayStep.GoOn(state, _) ->
            (match RelayLife.advance state side RelayEvent.Ended with
             | RelayStep.Finish({ Cause = Cause.Reset; Who = who }, _) -> who = Side.who side
             | _ -> false)
        | RelayStep.Finish _ -> false)

[<Fact>]
let ``what the kernel says of a failed read is an end, a truncation, a broken protocol, a want of ours, a reset, or a side that vanished`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault ->
        let expected =
            match fault with
            | IoFault.None -> RelayEvent.Ended
            | IoFault.Truncated -> RelayEvent.Truncated
            | IoFault.TlsProtocol -> RelayEvent.BrokeTls
            | IoFault.TimedOut
            | IoFault.HostUnreachable
            | IoFault.NetworkUnreachable
            | IoFault.NoTcp -> RelayEvent.Vanished
            | IoFault.NoMemory
            | IoFault.NoDescriptors
            | IoFault.NoMachineDescriptors
            | IoFault.NoLocalAddress
            | IoFault.NoWatches -> RelayEvent.Starved
            | _ -> RelayEvent.Reset
        RelayEvents.ofReceive fault = expected)
