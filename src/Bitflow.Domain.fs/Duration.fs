namespace Bitflow.Domain

open System
open System.Text

/// A span of time in whole nanoseconds, at most 292 years either way, saturating instead of overflowing.
/// The zero value is legal and, in a configuration, means "no limit".
[<Struct; CustomComparison; CustomEquality>]
type Duration =
    private
    | Nanoseconds of int64

    member this.TotalNanoseconds = let (Nanoseconds n) = this in n
    /// Milliseconds with a fraction, as logs and metrics show them.
    member this.TotalMilliseconds = float this.TotalNanoseconds / 1e6
    /// The same, exact to the nanosecond.
    member this.ExactMilliseconds = decimal this.TotalNanoseconds / 1_000_000m
    member this.IsZero = this.TotalNanoseconds = 0L
    member this.IsPositive = this.TotalNanoseconds > 0L
    member this.IsNegative = this.TotalNanoseconds < 0L
    /// For timers of the platform, which count whole milliseconds and no more than 49 days of them: rounded up, so that no wait of less ends early. Nothing
    /// where nothing is left.
    member this.ToTimerSpan() =
        let n = this.TotalNanoseconds
        TimeSpan.FromMilliseconds(if n > 0L then min ((n - 1L) / 1_000_000L + 1L) 4_294_967_294L else 0L)

    override this.Equals other =
        match other with
        | :? Duration as d -> d.TotalNanoseconds = this.TotalNanoseconds
        | _ -> false

    override this.GetHashCode() = this.TotalNanoseconds.GetHashCode()

    interface IEquatable<Duration> with
        member this.Equals other = other.TotalNanoseconds = this.TotalNanoseconds

    interface IComparable<Duration> with
        member this.CompareTo other = compare this.TotalNanoseconds other.TotalNanoseconds

    interface IComparable with
        member this.CompareTo other =
            match other with
            | :? Duration as d -> compare this.TotalNanoseconds d.TotalNanoseconds
            | _ -> invalidArg (nameof other) "not a Duration"

    static member Zero = Nanoseconds 0L
    static member Max = Nanoseconds Int64.MaxValue
    static member OfNanoseconds(n: int64) = Nanoseconds n
    /// Saturates beyond ±292 years.
    static member OfMilliseconds(ms: int64) =
        if ms > Int64.MaxValue / 1_000_000L then Nanoseconds Int64.MaxValue
        elif ms < -(Int64.MaxValue / 1_000_000L) then Nanoseconds -Int64.MaxValue
        else Nanoseconds(ms * 1_000_000L)

    static member OfSeconds(s: int64) =
        if s > Int64.MaxValue / 1_000_000_000L then Nanoseconds Int64.MaxValue
        elif s < -(Int64.MaxValue / 1_000_000_000L) then Nanoseconds -Int64.MaxValue
        else Nanoseconds(s * 1_000_000_000L)

    /// Saturating sum.
    static member (+)(a: Duration, b: Duration) =
        let x, y = a.TotalNanoseconds, b.TotalNanoseconds
        let sum = x + y
        if x > 0L && y > 0L && sum < 0L then Nanoseconds Int64.MaxValue
        elif x < 0L && y < 0L && sum >= 0L then Nanoseconds -Int64.MaxValue
        else Nanoseconds sum

    /// Written as Go writes durations: `1m30s`, `250ms`, `1.5s`, `0s`.
    override this.ToString() =
        let total = this.TotalNanoseconds
        if total = 0L then
            "0s"
        else
            let text = StringBuilder()
            // As unsigned: the magnitude of Int64.MinValue has no signed form.
            let magnitude = if total < 0L then uint64 (-(total + 1L)) + 1UL else uint64 total
            if total < 0L then text.Append '-' |> ignore
            let decimals (whole: uint64) (rest: uint64) digits =
                text.Append whole |> ignore
                if rest > 0UL then
                    text.Append('.').Append(rest.ToString("D" + string<int> digits).TrimEnd '0') |> ignore
            if magnitude < 1_000UL then
                text.Append(magnitude).Append("ns") |> ignore
            elif magnitude < 1_000_000UL then
                decimals (magnitude / 1_000UL) (magnitude % 1_000UL) 3
                text.Append "us" |> ignore
            elif magnitude < 1_000_000_000UL then
                decimals (magnitude / 1_000_000UL) (magnitude % 1_000_000UL) 6
                text.Append "ms" |> ignore
            else
                let seconds = magnitude / 1_000_000_000UL
                let h, m, s = seconds / 3600UL, seconds / 60UL % 60UL, seconds % 60UL
                let rest = magnitude % 1_000_000_000UL
                if h > 0UL then text.Append(h).Append('h') |> ignore
                if m > 0UL then text.Append(m).Append('m') |> ignore
                if s > 0UL || rest > 0UL then
                    decimals s rest 9
                    text.Append 's' |> ignore
            text.ToString()

/// Why a text is no duration.
[<RequireQualifiedAccess>]
type DurationError =
    | Empty
    /// A number without a unit, other than a bare `0`.
    | NoUnit of number: string
    | UnknownUnit of unit: string
    | NotANumber

/// Reading durations as Go writes them (time.ParseDuration), saturating where Go overflows.
[<RequireQualifiedAccess>]
module Duration =
    let private unitNanoseconds unit =
        match unit with
        | "ns" -> ValueSome 1UL
        | "us"
        | "\u00b5s" // micro sign
        | "\u03bcs" -> ValueSome 1_000UL // Greek mu
        | "ms" -> ValueSome 1_000_000UL
        | "s" -> ValueSome 1_000_000_000UL
        | "m" -> ValueSome 60_000_000_000UL
        | "h" -> ValueSome 3_600_000_000_000UL
        | _ -> ValueNone

    let private isDigit c = c >= '0' && c <= '9'
    let private limit = uint64 Int64.MaxValue

    let private saturatingAdd (a: uint64) (b: uint64) = if a > limit - min b limit then limit else a + b

    let private saturatingMultiply (a: uint64) (b: uint64) = if b <> 0UL && a > limit / b then limit else a * b

    /// A signed sequence of decimal numbers, each with a unit: `1.5s`, `-2h45m`. A bare `0` is zero.
    let tryParse (text: string) : Result<Duration, DurationError> =
        let text = if isNull text then "" else text
        let negative = text.StartsWith '-'
        let start = if negative || text.StartsWith '+' then 1 else 0
        let signed (magnitude: uint64) =
            let value = int64 (min magnitude limit)
            Ok(Duration.OfNanoseconds(if negative then -value else value))
        let rec terms (position: int) (total: uint64) =
            if position = text.Length then
                signed total
            else
                let mutable i = position
                let mutable whole = 0UL
                while i < text.Length && isDigit text[i] do
                    whole <- saturatingAdd (saturatingMultiply whole 10UL) (uint64 text[i] - uint64 '0')
                    i <- i + 1
                let mutable digits = i - position
                let mutable fraction = 0UL
                let mutable scale = 1UL
                if i < text.Length && text[i] = '.' then
                    i <- i + 1
                    while i < text.Length && isDigit text[i] do
                        // Digits beyond the sixteenth are less than a thousandth of a nanosecond, even of an hour.
                        if scale < 10_000_000_000_000_000UL then
                            fraction <- fraction * 10UL + (uint64 text[i] - uint64 '0')
                            scale <- scale * 10UL
                        digits <- digits + 1
                        i <- i + 1
                if digits = 0 then
                    Error DurationError.NotANumber
                else
                    let number = text.Substring(position, i - position)
                    let unitStart = i
                    while i < text.Length && not (isDigit text[i]) && text[i] <> '.' do
                        i <- i + 1
                    let unit = text.Substring(unitStart, i - unitStart)
                    if unit = "" then
                        Error(DurationError.NoUnit number)
                    else
                        match unitNanoseconds unit with
                        | ValueNone -> Error(DurationError.UnknownUnit unit)
                        | ValueSome nanoseconds ->
                            // Exact: sixteen digits of a fraction and thirteen of an hour are 29, as many as a decimal holds of these.
                            let part = uint64 (decimal fraction * decimal nanoseconds / decimal scale)
                            terms i (saturatingAdd total (saturatingAdd (saturatingMultiply whole nanoseconds) part))
        if start = text.Length then Error(if text = "" then DurationError.Empty else DurationError.NotANumber)
        elif text.Substring start = "0" then Ok Duration.Zero
        else terms start 0UL
