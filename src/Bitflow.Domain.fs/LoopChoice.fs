namespace Bitflow.Domain

/// Which event loop serves a client. The kernel wakes whichever loop it likes, and one that has just been woken is the likeliest to be awake.
[<RequireQualifiedAccess>]
module LoopChoice =
    /// Descriptors more than the least loaded loop's that are not worth a hand-over, which costs a wake-up.
    let private tolerance = 8

    /// Clients that a loop is given before it has begun with any of them: those that it serves wait meanwhile. Who leaves again at once is never a load, and
    /// a crowd of them would all be sent the same way.
    let private mostNewcomers = 64

    /// Whether a client goes to the loop that carries the fewest descriptors, and not to the one that accepted it: only where that has many more, and in proportion.
    /// `newcomers` are on their way to the former.
    [<CompiledName "IsWorthMoving">]
    let isWorthMoving (accepting: int) (least: int) (newcomers: int) : bool =
        newcomers < mostNewcomers && accepting - least > tolerance + accepting / 8
