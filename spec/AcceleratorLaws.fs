module Bitflow.Spec.AcceleratorLaws

open Xunit
open Bitflow.Domain

let private at (milliseconds: int64) = Instant.OfNanoseconds(milliseconds * 1_000_000L)

[<Fact>]
let ``a faster way is asked for when it is first wanted`` () =
    Law.Holds(fun (now: int64) -> Accelerator.mayAsk (Instant.OfNanoseconds now) Accelerator.start)

[<Fact>]
let ``what ran out is asked for again after a second, and not before`` () =
    Law.HoldsFor([ Errno.EMFILE; Errno.ENFILE; Errno.ENOMEM ], fun errno ->
        [ Accelerator.withoutRing (at 5_000L) errno; Accelerator.withoutPipe (at 5_000L) ]
        |> List.forall (fun state ->
            not (Accelerator.mayAsk (at 5_999L) state) && Accelerator.mayAsk (at 6_000L) state && not state.IsForbiddenForGood))

[<Fact>]
let ``a ring that the kernel does not have, or a filter forbids, is never asked for again`` () =
    Law.HoldsFor([ Errno.EPERM; Errno.ENOSYS; Errno.EINVAL; Errno.EACCES ], fun errno ->
        let state = Accelerator.withoutRing (at 5_000L) errno
        state.IsForbiddenForGood && not (Accelerator.mayAsk Instant.Never state))

[<Fact>]
let ``a splice that is forbidden or unknown is the last, and one that failed for another reason changes nothing`` () =
    Law.HoldsFor([ Accelerator.start; Accelerator.withoutPipe (at 5_000L); Accelerator.withoutRing (at 0L) Errno.ENOSYS ], fun before ->
        [ Errno.EPERM; Errno.ENOSYS; Errno.EINVAL ] |> List.forall (fun errno -> (Accelerator.spliceRefused errno before).IsForbiddenForGood)
        && [ Errno.ECONNRESET; Errno.EPIPE; Errno.ENOMEM; Errno.EAGAIN ] |> List.forall (fun errno -> Accelerator.spliceRefused errno before = before))
