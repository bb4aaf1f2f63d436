namespace Bitflow.Domain

open System

/// The counters that one step of a connection's life increments.
[<Flags>]
type Tally =
    | None = 0
    | AcceptSuccess = 1
    | AcceptReject = 2
    | AcceptUnauthorized = 4
    | ProtocolError = 8
    | HandshakeError = 16
    | DialSuccess = 32
    | DialError = 64
    | PipeSuccess = 128
    | PipeError = 256

/// What is counted when, as a function of the life before and after. Every connection counts exactly one of
/// AcceptSuccess, AcceptReject and AcceptUnauthorized; one that began to dial exactly one of DialSuccess and
/// DialError; one that was relayed exactly one of PipeSuccess and PipeError.
[<RequireQualifiedAccess>]
module Tallies =
    /// Whether it is still open if the client is let in: a trusted proxy's client is known by its header alone.
    let private isBeingAdmitted (life: Life) =
        match life.Step with
        | Step.Admit
        | Step.ReadProxyHeader -> true
        | _ -> false

    let private isDialling (life: Life) =
        match life.Step with
        | Step.Attempt _
        | Step.Wait _ -> true
        | _ -> false

    let private admission (after: Life) =
        match after.Step with
        | Step.Ended({ Phase = Phase.Admission; Cause = Cause.Refused }, _) -> Tally.AcceptUnauthorized
        | Step.Ended({ Phase = Phase.Admission; Cause = Cause.Limit }, _) -> Tally.AcceptReject
        | _ -> Tally.AcceptSuccess

    /// A fault of the client's in what it must say first; leaving without a byte, or being cut off by us, is none.
    let private ofEarlyEnd (reason: CloseReason) =
        match reason.Phase, reason.Cause with
        | _, (Cause.Probe | Cause.Shutdown | Cause.Lifetime | Cause.Fault | Cause.Exhausted) -> Tally.None
        | Phase.ProxyHeader, _ -> Tally.ProtocolError
        | (Phase.Hello | Phase.Handshake), _ -> Tally.HandshakeError
        | _ -> Tally.None

    let private ofEnd (reason: CloseReason) =
        let relay =
            match reason.Phase, reason.Cause with
            | Phase.Relay, Cause.Ended -> Tally.PipeSuccess
            | Phase.Relay, _ -> Tally.PipeError
            | _ -> Tally.None
        relay ||| ofEarlyEnd reason

    /// What the first moment of a connection counts.
    [<CompiledName "AtStart">]
    let atStart (life: Life) : Tally =
        match life.Step with
        | Step.Ended(reason, _) -> admission life ||| ofEnd reason
        | _ -> Tally.None

    /// What a step counts. Nothing where nothing changed.
    [<CompiledName "Between">]
    let between (before: Life) (after: Life) : Tally =
        if before.Stage = after.Stage then
            Tally.None
        else
            let admitted = if isBeingAdmitted before && not (isBeingAdmitted after) then admission after else Tally.None
            match after.Step with
            | Step.Relay _ -> admitted ||| Tally.DialSuccess
            | Step.Ended(reason, _) ->
                let dialled = if isDialling before then Tally.DialError else Tally.None
                admitted ||| dialled ||| ofEnd reason
            | _ -> admitted
