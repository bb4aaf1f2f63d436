module Bitflow.Spec.SignalQueueLaws

open Xunit
open Bitflow.Domain

let private after signals = signals |> List.fold (fun waiting signal -> SignalQueue.add signal waiting) SignalQueue.empty

let rec private taken waiting =
    match SignalQueue.next waiting with
    | ValueNone -> []
    | ValueSome(struct (signal, rest)) -> signal :: taken rest

let private times signal signals = signals |> List.filter (fun other -> other = signal) |> List.length

[<Fact>]
let ``however many signals come, two stops wait at the most, and one of each other kind`` () =
    Law.Holds(fun (signals: Signal list) ->
        let waiting = after (signals @ signals @ signals)
        waiting |> List.forall (fun signal -> times signal waiting <= (if signal = Signal.Stop then 2 else 1)))

[<Fact>]
let ``no kind of signal that came is forgotten, nor a second stop`` () =
    Law.Holds(fun (signals: Signal list) ->
        let answered = taken (after signals)
        Set.ofList answered = Set.ofList signals && times Signal.Stop answered = min 2 (times Signal.Stop signals))

[<Fact>]
let ``a stop waits for nothing that came before it`` () =
    Law.Holds(fun (signals: Signal list) -> List.head (taken (after (signals @ [ Signal.Stop ]))) = Signal.Stop)

[<Fact>]
let ``other signals are answered in the order in which they came first`` () =
    Law.Holds(fun (signals: Signal list) ->
        let others = List.filter (fun signal -> signal <> Signal.Stop)
        others (taken (after signals)) = List.distinct (others signals))

[<Fact>]
let ``while a reload is under way all but stops and reloads are answered, and those wait on`` () =
    let rec taken waiting =
        match SignalQueue.nextBesideReload waiting with
        | ValueNone -> [], waiting
        | ValueSome(struct (signal, rest)) ->
            let others, left = taken rest
            signal :: others, left
    Law.Holds(fun (signals: Signal list) ->
        let waiting = after signals
        let waits signal = signal = Signal.Stop || signal = Signal.Reload
        taken waiting = (waiting |> List.filter (waits >> not), waiting |> List.filter waits))

[<Fact>]
let ``a signal that comes again once it is being answered is answered again`` () =
    Law.Holds(fun (signals: Signal list) (again: Signal) ->
        match SignalQueue.next (after (signals @ [ again ])) with
        | ValueSome(struct (answered, rest)) when answered = again -> times again (taken (SignalQueue.add again rest)) >= 1
        | _ -> true)

let private asked signal =
    let heard = ResizeArray()
    let watcher =
        { new IWatcher with
            member _.ReopenLogs() = heard.Add "reopen"
            member _.DumpState() = heard.Add "state" }
    Signal.answer watcher signal
    List.ofSeq heard

[<Fact>]
let ``whoever watches is asked to reopen the logs and to tell the state, and never to stop or to reload`` () =
    Law.HoldsFor(
        [ Signal.ReopenLogs, [ "reopen" ]; Signal.DumpState, [ "state" ]; Signal.Stop, []; Signal.Reload, [] ],
        fun (signal, expected) -> asked signal = expected)

[<Fact>]
let ``a signal is answered beside a reload where it asks something of whoever watches, and only there`` () =
    Law.Holds(fun (signal: Signal) ->
        (SignalQueue.nextBesideReload (SignalQueue.add signal SignalQueue.empty)).IsSome = not (asked signal).IsEmpty)
