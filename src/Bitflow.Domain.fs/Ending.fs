namespace Bitflow.Domain

/// How the two sockets of a connection are closed.
[<RequireQualifiedAccess; Struct>]
type Ending =
    /// Both sides have ended: each is sent what its protocol has to say before a close (close_notify in TLS), and closed.
    | Orderly
    /// Reset both at once, whatever is queued: a truncated transfer must not look complete.
    | ResetBoth
    /// Close the client; reset the target once the kernel's queue towards it is empty, or its patience is over.
    | ResetTargetAfterDrain
    | ResetClientAfterDrain
    /// A refusal before the relay: end sending, drain a little, close.
    | Linger
    /// The same behind an alert in the clear: a refusal in answer to a hello.
    | AlertAndLinger of alert: TlsAlert

/// What a shell has for each ending. An ending more is a member more: no shell is built without it.
type ICloser =
    abstract Orderly: unit -> unit
    abstract ResetBoth: unit -> unit
    abstract ResetTargetAfterDrain: unit -> unit
    abstract ResetClientAfterDrain: unit -> unit
    abstract Linger: unit -> unit
    abstract AlertAndLinger: alert: TlsAlert -> unit

[<RequireQualifiedAccess>]
module Ending =
    [<CompiledName "CarryOut">]
    let carryOut (closer: ICloser) (ending: Ending) : unit =
        match ending with
        | Ending.Orderly -> closer.Orderly()
        | Ending.ResetBoth -> closer.ResetBoth()
        | Ending.ResetTargetAfterDrain -> closer.ResetTargetAfterDrain()
        | Ending.ResetClientAfterDrain -> closer.ResetClientAfterDrain()
        | Ending.Linger -> closer.Linger()
        | Ending.AlertAndLinger alert -> closer.AlertAndLinger alert
