namespace Bitflow.Domain

open System.Runtime.InteropServices

/// Why a connection log cannot be opened or written, with the next step, by what the kernel says of it.
[<RequireQualifiedAccess>]
module LogFileFault =
    let private ofAnyCall (errno: int) =
        match errno with
        | Errno.EACCES
        | Errno.EPERM -> "permission denied; let the user that Bitflow runs as write there"
        | Errno.ENOSPC -> "no space is left there; make room"
        | errno -> Marshal.GetPInvokeErrorMessage errno

    /// Of open(2), for appending and without waiting. `isSocket`: a socket is at the path.
    [<CompiledName "OfOpen">]
    let ofOpen (isSocket: bool) (errno: int) : string =
        match errno with
        | Errno.ENXIO when isSocket -> "it is a socket, which takes no log by its path; name a file or a pipe"
        | Errno.ENXIO -> "nobody reads this pipe; start its reader first"
        | Errno.EISDIR -> "it is a directory; name a file in it"
        | Errno.ENOENT
        | Errno.ENOTDIR -> "its directory does not exist; make it first"
        | errno -> ofAnyCall errno

    /// Of write(2).
    [<CompiledName "OfWrite">]
    let ofWrite (errno: int) : string =
        match errno with
        | Errno.EAGAIN -> "the reader of this pipe takes them too slowly"
        | Errno.EPIPE -> "nobody reads this pipe any more; start its reader again"
        | errno -> ofAnyCall errno
