namespace Bitflow.Domain

/// How many sockets whose connection is over a loop keeps for its next dials, and how many of them no dial has needed since the last beat, as a state that it keeps.
[<Struct; NoComparison>]
type Spares =
    private { Most: int; Kept: int; Fewest: int }

    member this.HasRoom = this.Kept < this.Most

    /// Those that no dial has needed since the last beat: fewer were never kept meanwhile.
    member this.Unused = this.Fewest

/// How many sockets are kept, and for how long: as many as dials come to need at a time, and none that nobody has needed for a beat. Every transition is total.
[<RequireQualifiedAccess>]
module Spares =
    /// Between two looks at what nobody needs, as long as any is kept.
    let beat: Duration = Duration.OfSeconds 1L

    /// None is kept yet, and at most so many ever are.
    [<CompiledName "Start">]
    let start (most: int) : Spares = { Most = most; Kept = 0; Fewest = 0 }

    /// One more is kept.
    [<CompiledName "Keep">]
    let keep (spares: Spares) : Spares = { spares with Kept = spares.Kept + 1 }

    /// A dial took one.
    [<CompiledName "Take">]
    let take (spares: Spares) : Spares =
        let left = max 0 (spares.Kept - 1)
        { spares with Kept = left; Fewest = min spares.Fewest left }

    /// What nobody needed is closed; what is left has until the next beat to be needed.
    [<CompiledName "DropUnused">]
    let dropUnused (spares: Spares) : Spares =
        let left = spares.Kept - spares.Fewest
        { spares with Kept = left; Fewest = left }

    /// The loop ends, or the kernel does not let a socket be connected again: none is kept any more.
    [<CompiledName "None">]
    let none: Spares = start 0
