namespace Bitflow.Domain

/// One way to a target within an attempt: by which address of what is connected to, the target or its SOCKS5 proxy, and to which destination asked for
/// there. Both are places in a list, from 0.
[<Struct>]
type DialWay =
    { /// How many addresses what is connected to has, at least one.
      Hops: int
      /// How many destinations a SOCKS5 proxy may be asked for; one where there is none to ask.
      Destinations: int
      Hop: int
      Destination: int
      /// Whether a hop before this one has shown that another destination may do.
      IsDestinationAtFault: bool }

    /// Ways that may still be gone, this one among them.
    member this.Left = (this.Destinations - this.Destination) * this.Hops - this.Hop

/// The order of the ways, and the time of each. A connection a way: a SOCKS5 proxy that has said no closes (RFC 1928 section 6).
[<RequireQualifiedAccess>]
module DialWay =
    [<CompiledName "First">]
    let first (hops: int) (destinations: int) : DialWay =
        { Hops = max 1 hops; Destinations = max 1 destinations; Hop = 0; Destination = 0; IsDestinationAtFault = false }

    /// The way to go after one that came to nothing: another address of the same hop where nobody was reached at this one, then the next destination
    /// where a proxy could not connect to this one, or not in time. None where the attempt has failed.
    [<CompiledName "Next">]
    let next (way: DialWay) (fault: DialFault) : DialWay voption =
        let isDestinationAtFault = way.IsDestinationAtFault || DialFault.anotherAddressMayDo fault
        if way.Hop + 1 < way.Hops && DialFault.anotherHopMayDo fault then
            ValueSome { way with Hop = way.Hop + 1; IsDestinationAtFault = isDestinationAtFault }
        elif way.Destination + 1 < way.Destinations && isDestinationAtFault then
            ValueSome { way with Hop = 0; Destination = way.Destination + 1; IsDestinationAtFault = false }
        else
            ValueNone

    /// What a share is at least while there is more, in nanoseconds.
    let private leastShare = 2_000_000_000L

    /// The share of an attempt's remaining time that goes to a way: equal parts, at least two seconds while more than that is left, and all of the rest for
    /// the last.
    [<CompiledName "Share">]
    let share (left: Duration) (way: DialWay) : Duration =
        if way.Left <= 1 then
            left
        elif not left.IsPositive then
            Duration.Zero
        else
            let equal = left.TotalNanoseconds / int64 way.Left
            Duration.OfNanoseconds(if left.TotalNanoseconds > leastShare then max leastShare equal else equal)
