namespace Bitflow.Domain

/// Which event loop serves a client. The kernel wakes whichever loop it likes, and one that has just been woken is the likeliest to be awake.
[<RequireQualifiedAccess>]
module LoopChoice =
    /// Descriptors more than the least loaded loop's that are not worth a hand-over, which costs a wake-up.
    let private tolerance = 8

    /// Whether a client goes to the loop that carries the fewest descriptors, and not to the one that accepted it: only where that has many more, and in proportion.
    [<CompiledName "IsWorthMoving">]
    let isWorthMoving (accepting: int) (least: int) : bool =
        accepting - least > tolerance + accepting / 8
