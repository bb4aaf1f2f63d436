namespace Bitflow.Domain

/// What an accept that failed says (accept(2)).
[<RequireQualifiedAccess; Struct>]
type AcceptFailure =
    /// Nobody waits.
    | QueueEmpty
    /// Who was next has gone while it waited, or the call was interrupted: others may wait.
    | NextMayWait
    /// Accepting has to rest.
    | Rests of fault: IoFault

[<RequireQualifiedAccess>]
module AcceptFailure =
    /// How long accepting rests after a failure: long enough not to spin, short enough not to be noticed.
    let rest = Duration.OfMilliseconds 50L

    [<CompiledName "OfErrno">]
    let ofErrno (errno: int) =
        match errno with
        | Errno.EAGAIN -> AcceptFailure.QueueEmpty
        | Errno.EINTR
        // Linux passes on what the network has said of the client (accept(2), "Error handling").
        | Errno.ECONNABORTED
        | Errno.ECONNRESET
        | Errno.ETIMEDOUT
        | Errno.EPROTO
        | Errno.ENOPROTOOPT
        | Errno.EHOSTDOWN
        | Errno.EHOSTUNREACH
        | Errno.ENETDOWN
        | Errno.ENETUNREACH -> AcceptFailure.NextMayWait
        | errno -> AcceptFailure.Rests(IoFaults.ofAccept errno)
