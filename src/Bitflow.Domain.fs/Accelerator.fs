namespace Bitflow.Domain

/// Whether a loop may ask the kernel for something that it is faster with and can do without (a ring, pipes to splice through), as a state that it keeps.
[<Struct; NoComparison>]
type Accelerator =
    private
    | AskFrom of Instant
    | Forbidden

    /// For good: a kernel that has no such thing, or a filter of calls.
    member this.IsForbiddenForGood = match this with Forbidden -> true | AskFrom _ -> false

/// When the kernel is asked for a faster way, and when no more. Every transition is total.
[<RequireQualifiedAccess>]
module Accelerator =
    /// Descriptors and memory that ran out may be there again; asking for each stream would cost what the faster way saves.
    let private pause = Duration.OfSeconds 1L

    /// Nothing was asked for yet.
    [<CompiledName "Start">]
    let start: Accelerator = AskFrom(Instant.OfNanoseconds System.Int64.MinValue)

    [<CompiledName "MayAsk">]
    let mayAsk (now: Instant) (accelerator: Accelerator) : bool =
        match accelerator with
        | AskFrom instant -> now.Nanoseconds >= instant.Nanoseconds
        | Forbidden -> false

    /// No ring could be made, for that reason: what ran out is asked for again, anything else is not.
    [<CompiledName "WithoutRing">]
    let withoutRing (now: Instant) (errno: int) : Accelerator =
        if IoFaults.isWant (IoFaults.ofEpoll errno) then AskFrom(now + pause) else Forbidden

    /// No pipe could be made, or none of that size: descriptors, memory or the user's share of pages for pipes (fs.pipe-user-pages-soft) are used up.
    [<CompiledName "WithoutPipe">]
    let withoutPipe (now: Instant) : Accelerator = AskFrom(now + pause)

    /// A splice failed, for a reason that is not the connection's: a call that is forbidden or unknown, or that the kernel cannot do with such sockets.
    [<CompiledName "SpliceRefused">]
    let spliceRefused (errno: int) (accelerator: Accelerator) : Accelerator =
        match errno with
        | Errno.EPERM
        | Errno.ENOSYS
        | Errno.EINVAL -> Forbidden
        | _ -> accelerator
