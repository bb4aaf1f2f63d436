namespace Bitflow.Domain

open System

/// What the relay sees happen.
type RelayEvent =
    /// The side's stream ended, and everything it sent has been handed on.
    | Ended = 0
    /// The side reset the connection; what it sent before has been handed on.
    | Reset = 1
    /// The side's TLS ended without close_notify, in the midst of a record; what it sent before has been handed on.
    | Truncated = 2
    /// The kernel gave up on the side.
    | Vanished = 3
    /// A write towards the side failed, or passing the other's end on: it takes nothing more.
    | WriteFailed = 4
    /// The side broke the TLS protocol, renegotiation among it; what it sent before has been handed on.
    | BrokeTls = 5
    /// Something ran out here that moving the side's bytes needs.
    | Starved = 6
    /// The side's TLS ended without close_notify, between two records; what it sent before has been handed on.
    | Left = 7

/// What the relay is to do now.
[<Flags>]
type RelayOrders =
    | None = 0
    /// Pass the client's end on: half-close towards the target.
    | EndTarget = 1
    /// Pass the target's end on: half-close towards the client.
    | EndClient = 2
    /// Nothing more can be handed to the target: stop receiving from the client, watch it for a reset only.
    | StopClient = 4
    /// Nothing more can be handed to the client: stop receiving from the target, watch it for a reset only.
    | StopTarget = 8
    /// The clocks of the relay have something new to say.
    | LookAtClocks = 16

/// One direction of the relay, named by the side that sends.
[<RequireQualifiedAccess; Struct>]
type Flow =
    | Open
    /// Ended by its sender, and the end passed on.
    | Done
    /// Its receiver takes nothing more.
    | Untaken

/// Where the relay stands.
[<Struct; NoComparison>]
type RelayState =
    { FromClient: Flow
      FromTarget: Flow
      /// Who ended first, when neither has failed.
      FirstEnd: Side voption }

    static member Start = { FromClient = Flow.Open; FromTarget = Flow.Open; FirstEnd = ValueNone }

/// A side whose connection has failed while what it sent before is still being handed on.
[<NoComparison>]
type FailedSide =
    { Side: Side
      Event: RelayEvent
      Since: Instant }

/// A relay under way.
[<NoComparison>]
type Relaying =
    { /// The target that it is with, by its place in the file.
      Target: int
      Flows: RelayState
      /// The side that failed first of those from which something may still have to be handed on.
      Failed: FailedSide option
      /// What is to be done beside going on. They belong to this value alone: whoever comes by them a second time has the same value
      /// before him, because nothing happened.
      Orders: RelayOrders }

    static member With(target: int) = { Target = target; Flows = RelayState.Start; Failed = None; Orders = RelayOrders.None }

[<RequireQualifiedAccess; NoComparison; Struct>]
type RelayStep =
    | GoOn of state: RelayState * orders: RelayOrders
    | Finish of reason: CloseReason * ending: Ending

/// Half-close, reset and truncation between two sides: each direction lives and ends for itself, a reset stays a reset,
/// and what one side sent before its end always arrives first.
[<RequireQualifiedAccess>]
module RelayLife =
    let private flowFrom state side = if side = Side.Client then state.FromClient else state.FromTarget

    let private withFlow state side flow =
        if side = Side.Client then { state with FromClient = flow } else { state with FromTarget = flow }

    let private resetAfterDrain side =
        if side = Side.Client then Ending.ResetClientAfterDrain else Ending.ResetTargetAfterDrain

    let private fail side cause =
        RelayStep.Finish(CloseReason.make (Side.who side) Phase.Relay cause, resetAfterDrain (Side.other side))

    let private ended state side =
        let state = { withFlow state side Flow.Done with FirstEnd = (if state.FirstEnd.IsSome then state.FirstEnd else ValueSome side) }
        match flowFrom state (Side.other side) with
        | Flow.Done -> RelayStep.Finish(CloseReason.make (Side.who state.FirstEnd.Value) Phase.Relay Cause.Ended, Ending.Orderly)
        | _ -> RelayStep.GoOn(state, (if side = Side.Client then RelayOrders.EndTarget else RelayOrders.EndClient))

    /// Whether what a side sends is still received and handed on.
    let receives (state: RelayState) (side: Side) = flowFrom state side = Flow.Open

    let advance (state: RelayState) (side: Side) (event: RelayEvent) : RelayStep =
        let other = Side.other side
        // A write towards this side failed earlier: the kernel has shown its reset there, and what a receive shows after
        // it as an end is that same reset.
        let takesNothing = flowFrom state other = Flow.Untaken
        match event with
        | RelayEvent.Ended when takesNothing -> fail side Cause.Reset
        | RelayEvent.Ended ->
            // Said twice, an end is the same end; and a direction that broke stays broken, or the other side's reset would
            // end as if everything had arrived.
            if flowFrom state side = Flow.Open then ended state side else RelayStep.GoOn(state, RelayOrders.None)
        // The other side had said everything, and so it went, as many do. In the midst of a record something was cut off, whoever had said what.
        | RelayEvent.Left when flowFrom state other = Flow.Done -> ended state side
        | RelayEvent.Left
        | RelayEvent.Truncated -> fail side Cause.Truncated
        | RelayEvent.Vanished -> fail side Cause.Vanished
        | RelayEvent.WriteFailed ->
            if flowFrom state side = Flow.Done || flowFrom state side = Flow.Untaken then
                // It has nothing more to say, or nobody to say it to, and takes nothing.
                fail side Cause.Reset
            elif flowFrom state other <> Flow.Open then
                // There was nothing more to hand to it: what it sent before it closed is read to the end, and the end is its own.
                RelayStep.GoOn(state, RelayOrders.None)
            else
                // A server may answer early and reset our upload: its answer is read to the end and delivered first.
                RelayStep.GoOn(withFlow state other Flow.Untaken, (if other = Side.Client then RelayOrders.StopClient else RelayOrders.StopTarget))
        | RelayEvent.BrokeTls -> fail side Cause.Protocol
        | RelayEvent.Starved -> RelayStep.Finish(CloseReason.make Who.Bitflow Phase.Relay Cause.Exhausted, Ending.ResetBoth)
        | _ -> fail side Cause.Reset

[<RequireQualifiedAccess>]
module RelayEvents =
    /// What a failed receive says of its side.
    [<CompiledName "OfReceive">]
    let ofReceive (fault: IoFault) =
        match fault with
        | IoFault.None -> RelayEvent.Ended
        | IoFault.Truncated -> RelayEvent.Truncated
        | IoFault.TlsProtocol -> RelayEvent.BrokeTls
        | fault when IoFaults.gaveUp fault -> RelayEvent.Vanished
        | fault when IoFaults.isWant fault -> RelayEvent.Starved
        | _ -> RelayEvent.Reset

    /// The same of a side whose connection knows whether its TLS stream ended in the midst of a record.
    [<CompiledName "OfEnd">]
    let ofEnd (isWithinRecord: bool) (event: RelayEvent) : RelayEvent =
        if event = RelayEvent.Truncated && not isWithinRecord then RelayEvent.Left else event

    /// What a failed write says of the side that it was for.
    [<CompiledName "OfSend">]
    let ofSend (fault: IoFault) =
        if IoFaults.gaveUp fault then RelayEvent.Vanished
        elif IoFaults.isWant fault then RelayEvent.Starved
        else RelayEvent.WriteFailed
