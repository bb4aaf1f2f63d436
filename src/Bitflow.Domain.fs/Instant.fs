namespace Bitflow.Domain

open System

/// A point on the monotonic clock, in nanoseconds from an origin that only differences make meaningful.
[<Struct; CustomComparison; CustomEquality>]
type Instant =
    | Instant of int64

    member this.Nanoseconds = let (Instant n) = this in n
    /// A deadline that never comes.
    static member Never = Instant Int64.MaxValue
    member this.IsNever = this.Nanoseconds = Int64.MaxValue
    static member OfNanoseconds n = Instant n

    override this.Equals other =
        match other with
        | :? Instant as i -> i.Nanoseconds = this.Nanoseconds
        | _ -> false

    override this.GetHashCode() = this.Nanoseconds.GetHashCode()
    override this.ToString() = if this.IsNever then "never" else $"{Duration.OfNanoseconds this.Nanoseconds}"

    interface IEquatable<Instant> with
        member this.Equals other = other.Nanoseconds = this.Nanoseconds

    interface IComparable<Instant> with
        member this.CompareTo other = compare this.Nanoseconds other.Nanoseconds

    interface IComparable with
        member this.CompareTo other =
            match other with
            | :? Instant as i -> compare this.Nanoseconds i.Nanoseconds
            | _ -> invalidArg (nameof other) "not an Instant"

    // For C#, which goes by no interface.
    static member op_LessThan(a: Instant, b: Instant) = a.Nanoseconds < b.Nanoseconds
    static member op_LessThanOrEqual(a: Instant, b: Instant) = a.Nanoseconds <= b.Nanoseconds
    static member op_GreaterThan(a: Instant, b: Instant) = a.Nanoseconds > b.Nanoseconds
    static member op_GreaterThanOrEqual(a: Instant, b: Instant) = a.Nanoseconds >= b.Nanoseconds

    /// Saturates at `Never`: a wait of 292 years has no end.
    static member (+)(Instant at, wait: Duration) =
        if at = Int64.MaxValue then
            Instant at
        else
            let sum = at + wait.TotalNanoseconds
            Instant(if wait.TotalNanoseconds > 0L && sum < at then Int64.MaxValue else sum)

    /// Saturates as durations do.
    static member (-)(Instant later, Instant earlier) =
        let difference = later - earlier
        let overflows = (later < 0L) <> (earlier < 0L) && (difference < 0L) <> (later < 0L)
        Duration.OfNanoseconds(if not overflows then difference elif later < 0L then -Int64.MaxValue else Int64.MaxValue)

[<RequireQualifiedAccess>]
module Instant =
    let earlier (a: Instant) (b: Instant) = if a.Nanoseconds <= b.Nanoseconds then a else b
    [<CompiledName "Later">]
    let later (a: Instant) (b: Instant) = if a.Nanoseconds >= b.Nanoseconds then a else b

    /// The end of a limit that begins at an instant; a zero limit is no limit.
    let limitFrom (start: Instant) (limit: Duration) = if limit.IsPositive then start + limit else Instant.Never
