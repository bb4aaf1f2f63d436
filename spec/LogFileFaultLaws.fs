module Bitflow.Spec.LogFileFaultLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``what keeps a connection log from being opened or written is told with the next step`` () =
    Law.HoldsFor(
        [ LogFileFault.ofOpen false Errno.ENXIO, "nobody reads this pipe; start its reader first"
          LogFileFault.ofOpen true Errno.ENXIO, "it is a socket, which takes no log by its path; name a file or a pipe"
          LogFileFault.ofOpen false Errno.EISDIR, "it is a directory; name a file in it"
          LogFileFault.ofOpen false Errno.ENOENT, "its directory does not exist; make it first"
          LogFileFault.ofOpen false Errno.ENOTDIR, "its directory does not exist; make it first"
          LogFileFault.ofOpen false Errno.EACCES, "permission denied; let the user that Bitflow runs as write there"
          LogFileFault.ofOpen false Errno.EPERM, "permission denied; let the user that Bitflow runs as write there"
          LogFileFault.ofWrite Errno.EAGAIN, "the reader of this pipe takes them too slowly"
          LogFileFault.ofWrite Errno.EPIPE, "nobody reads this pipe any more; start its reader again"
          LogFileFault.ofWrite Errno.ENOSPC, "no space is left there; make room" ],
        fun (told, expected) -> told = expected)

[<Fact>]
let ``any other errno of a connection log is told in the system's words`` () =
    Law.HoldsFor([ Errno.EMFILE; Errno.ENFILE; Errno.ELOOP ], fun errno ->
        let words = System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage errno
        LogFileFault.ofOpen false errno = words && LogFileFault.ofWrite errno = words)
