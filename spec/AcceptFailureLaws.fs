module Bitflow.Spec.AcceptFailureLaws

open Xunit
open Bitflow.Domain

/// accept(2), "Error handling", and a call that was interrupted.
let private ofTheNetwork =
    [ Errno.EINTR; Errno.EPROTO; Errno.ENOPROTOOPT; Errno.ENETDOWN; Errno.ENETUNREACH; Errno.ECONNABORTED; Errno.ECONNRESET; Errno.ETIMEDOUT
      Errno.EHOSTDOWN; Errno.EHOSTUNREACH ]

[<Fact>]
let ``a client that went while it waited keeps nobody else waiting`` () =
    Law.HoldsFor([ 1..133 ], fun errno -> AcceptFailure.ofErrno errno = AcceptFailure.NextMayWait = List.contains errno ofTheNetwork)

[<Fact>]
let ``accepting rests after every other failure, and says why`` () =
    Law.HoldsFor([ 1..133 ], fun errno ->
        match AcceptFailure.ofErrno errno with
        | AcceptFailure.QueueEmpty -> errno = Errno.EAGAIN
        | AcceptFailure.NextMayWait -> true
        | AcceptFailure.Rests fault -> errno <> Errno.EAGAIN && fault <> IoFault.None && (IoFaults.reason fault).Length > 5)

[<Fact>]
let ``a listening socket that somebody has shut down is told as that`` () =
    match AcceptFailure.ofErrno Errno.EINVAL with
    | AcceptFailure.Rests fault -> Assert.Equal("the socket listens no more: whoever shares it has shut it down", IoFaults.reason fault)
    | other -> failwith $"%A{other}"
