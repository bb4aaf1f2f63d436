module Bitflow.Spec.PeerFateLaws

open Xunit
open Bitflow.Domain

/// What the kernel may say next.
type KernelWord =
    | PeerEnded
    | EndedHere
    | Failed of errno: int
    | SendFailed of errno: int
    | Peeked of answer: int
    | AtEnd

let private errnos = [ Errno.ECONNRESET; Errno.EPIPE; Errno.ETIMEDOUT; Errno.EHOSTUNREACH; Errno.ENOMEM ]
/// As FsCheck draws it, what a call can say.
let private errno n = errnos[abs (n % errnos.Length)]

let private hear (fate: PeerFate) (word: KernelWord) =
    match word with
    | PeerEnded -> PeerFate.ended fate
    | EndedHere -> PeerFate.endedHere fate
    | Failed n -> PeerFate.failed (errno n) (IoFaults.ofStream (errno n)) fate
    | SendFailed n -> PeerFate.sendFailed (errno n) fate
    // Nobody peeks who need not.
    | Peeked answer when fate.AsksReceiveFirst -> PeerFate.peeked (if answer >= 0 then answer % 3 else -(errno answer)) fate
    | Peeked _ -> fate
    | AtEnd -> PeerFate.atEnd fate

let private hearAll words = List.fold hear PeerFate.unknown words

[<Fact>]
let ``the first fault that is told is the one that is told ever after, but for one that was left open`` () =
    Law.Holds(fun (before: KernelWord list) (after: KernelWord list) ->
        let isLeftOpen = List.exists (function Peeked _ -> true | _ -> false) before
        let fate = hearAll before
        let later = List.fold hear fate after
        fate.Fault = IoFault.None || isLeftOpen || later.Fault = fate.Fault)

[<Fact>]
let ``a fault is never forgotten, and an end is never taken back`` () =
    Law.Holds(fun (before: KernelWord list) (after: KernelWord list) ->
        let fate = hearAll before
        let later = List.fold hear fate after
        (fate.Fault = IoFault.None || later.Fault <> IoFault.None)
        && (not fate.HasOnlyEnded || later.HasOnlyEnded || later.FailedBehindItsEnd)
        && (not fate.FailedBehindItsEnd || later.FailedBehindItsEnd))

[<Fact>]
let ``a reset never passes for an end where the kernel told of none`` () =
    Law.Holds(fun (words: KernelWord list) ->
        let toldOfEnd = List.exists (function PeerEnded | AtEnd | Peeked _ -> true | Failed n -> errno n = Errno.EPIPE | _ -> false) words
        let fate = hearAll words
        toldOfEnd || (not fate.HasOnlyEnded && fate.AtEndOfBytes = fate.Fault))

[<Fact>]
let ``a fault behind an orderly end leaves the end of the bytes an end`` () =
    Law.Holds(fun (words: KernelWord list) (last: int) ->
        let fate = PeerFate.failed (errno last) (IoFaults.ofStream (errno last)) (PeerFate.ended (hearAll words))
        fate.AtEndOfBytes = IoFault.None && fate.FailedBehindItsEnd && not fate.HasOnlyEnded)

[<Fact>]
let ``EPIPE as an error says that the end came first, and as the answer to a send it says nothing`` () =
    Law.HoldsFor([ for errno in errnos -> errno ], fun errno ->
        let fault = IoFaults.ofStream errno
        let told, sent = PeerFate.failed errno fault PeerFate.unknown, PeerFate.sendFailed errno PeerFate.unknown
        told.Fault = fault
        && told.FailedBehindItsEnd = (errno = Errno.EPIPE)
        && sent.Fault = (if errno = Errno.EPIPE then IoFault.None else fault)
        && not sent.FailedBehindItsEnd)

[<Fact>]
let ``once we have ended ourselves only what a receive finds says whether the peer had ended before its reset`` () =
    let ended = PeerFate.endedHere PeerFate.unknown
    let reset = PeerFate.failed Errno.ECONNRESET IoFault.Reset
    Law.HoldsFor(
        [ // Bytes before it: a reset for now, of which the receive that comes to their end tells more.
          PeerFate.peeked 1 ended, IoFault.Reset, IoFault.Reset, false
          PeerFate.atEnd (PeerFate.peeked 1 ended), IoFault.Reset, IoFault.None, true
          PeerFate.failed Errno.ETIMEDOUT IoFault.TimedOut (PeerFate.peeked 7 ended), IoFault.TimedOut, IoFault.TimedOut, false
          // What was said so is said, and EPIPE is then no more than the reset.
          PeerFate.atEnd (PeerFate.failed Errno.EPIPE IoFault.Reset (PeerFate.peeked 1 ended)), IoFault.Reset, IoFault.Reset, false
          reset (PeerFate.peeked 0 ended), IoFault.Reset, IoFault.None, true
          reset (PeerFate.peeked -Errno.EAGAIN ended), IoFault.Reset, IoFault.Reset, false
          PeerFate.peeked -Errno.ETIMEDOUT ended, IoFault.TimedOut, IoFault.TimedOut, false ],
        fun (fate, fault, atEnd, isBehindEnd) -> fate.Fault = fault && fate.AtEndOfBytes = atEnd && fate.FailedBehindItsEnd = isBehindEnd)

[<Fact>]
let ``a receive is asked first where we have ended ourselves and nothing has failed`` () =
    Law.Holds(fun (words: KernelWord list) ->
        let fate = hearAll words
        fate.AsksReceiveFirst = (List.contains EndedHere words && fate.Fault = IoFault.None) && fate.IsEndedHere = List.contains EndedHere words)

[<Fact>]
let ``a call fails of the first fault, and of what it says itself where there was none`` () =
    Law.Holds(fun (words: KernelWord list) (n: int) ->
        let fate = hearAll words
        fate.FaultOr(errno n) = (if fate.Fault = IoFault.None then IoFaults.ofStream (errno n) else fate.Fault))
