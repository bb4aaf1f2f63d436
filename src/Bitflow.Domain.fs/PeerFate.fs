namespace Bitflow.Domain

/// How the peer of a connection has gone, as far as the kernel has told: in order, by a reset, or not yet. It tells a fault once, to whoever asks first (SO_ERROR, a failed send, a
/// peek), and what follows looks like an orderly end: what was told is kept here. A state that the connection keeps.
[<Struct; NoComparison>]
type PeerFate =
    private
        { Told: IoFault
          /// Its orderly end has come.
          Ended: bool
          /// We have ended ourselves: from then on the kernel says of a reset no more than that, whether or not it came behind the peer's end.
          EndedHere: bool
          /// The kernel has the fault still, because only a receive that comes to the end of the bytes can tell whether the peer had ended before.
          IsOpen: bool }

    /// The first that was told; the truth, as long as nothing is left open.
    member this.Fault = this.Told

    /// Whether it has said everything, and nothing has failed.
    member this.HasOnlyEnded = this.Ended && this.Told = IoFault.None

    /// Whether the fault came behind its orderly end.
    member this.FailedBehindItsEnd = this.Ended && this.Told <> IoFault.None

    /// Whether we have ended ourselves.
    member this.IsEndedHere = this.EndedHere

    /// What the end of the bytes is: none is an orderly end, which a fault behind it leaves one.
    member this.AtEndOfBytes = if this.Ended then IoFault.None else this.Told

    /// Whether a receive must be asked before the kernel is asked for its error.
    member this.AsksReceiveFirst = this.EndedHere && this.Told = IoFault.None

    /// What a call has failed of: the first fault, or else what it says itself.
    member this.FaultOr(errno: int) = if this.Told <> IoFault.None then this.Told else IoFaults.ofStream errno

/// What each answer of the kernel says of it. Every transition is total.
[<RequireQualifiedAccess>]
module PeerFate =
    /// Nothing was told.
    [<CompiledName "Unknown">]
    let unknown = { Told = IoFault.None; Ended = false; EndedHere = false; IsOpen = false }

    /// We have ended ourselves. Not to be said of a Unix socket, of which a receive knows no more than its error does: it also stops at passed descriptors.
    [<CompiledName "EndedHere">]
    let endedHere (fate: PeerFate) = { fate with EndedHere = true }

    /// The kernel tells of the peer's end.
    [<CompiledName "HasEnded">]
    let ended (fate: PeerFate) = { fate with Ended = true }

    /// The kernel tells of a failure, which is this fault. EPIPE is how it records a reset that came behind the peer's orderly end (tcp_reset of Linux). Told while one was left open,
    /// it says which that was, and that no end came before.
    [<CompiledName "Failed">]
    let failed (errno: int) (fault: IoFault) (fate: PeerFate) =
        if fate.IsOpen then { fate with Told = fault; IsOpen = false }
        elif fate.Told <> IoFault.None then fate
        else { fate with Told = fault; Ended = fate.Ended || errno = Errno.EPIPE }

    /// A send has failed. EPIPE says that the fault was told before, to somebody else, or that we have ended: it is none of its own.
    [<CompiledName "SendFailed">]
    let sendFailed (errno: int) (fate: PeerFate) =
        if errno = Errno.EPIPE then fate else failed errno (IoFaults.ofStream errno) fate

    /// A receive that takes nothing (MSG_PEEK) was asked before the error: it has found so many bytes, the end of them (0), or none yet, or has failed (the negative errno). With bytes before
    /// it the fault is a reset for now.
    [<CompiledName "Peeked">]
    let peeked (answer: int) (fate: PeerFate) =
        if answer > 0 then { failed Errno.ECONNRESET IoFault.Reset fate with IsOpen = true }
        elif answer = 0 then ended fate
        elif answer = -Errno.EAGAIN then fate
        else failed -answer (IoFaults.ofStream -answer) fate

    /// A receive has come to the end of the bytes. With an error of its own still, the kernel tells of an end where there was one, and of the error where there was none.
    [<CompiledName "AtEnd">]
    let atEnd (fate: PeerFate) = { fate with Ended = fate.Ended || fate.IsOpen }
