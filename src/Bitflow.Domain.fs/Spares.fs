namespace Bitflow.Domain

open System.Net

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

    /// Whether a target's connections may leave such sockets: this machine answers an end before the call that says it returns. Anywhere else it would go unanswered, and
    /// unrepeated where it is lost, once the socket is taken from the connection. A socket that has reached an IPv4 address by way of IPv6 does so ever after.
    [<CompiledName "MayServe">]
    let mayServe (target: IPAddress) : bool =
        if IpAddress.isV4 target then IPAddress.IsLoopback target else target.Equals IPAddress.IPv6Loopback

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
