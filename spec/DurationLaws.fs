module Bitflow.Spec.DurationLaws

open Xunit
open Bitflow.Domain

let private isOk result = match result with Ok _ -> true | Error _ -> false

[<Fact>]
let ``a duration that was written reads back as itself`` () =
    Law.Holds(fun (d: Duration) -> Duration.tryParse (string d) = Ok d)

[<Fact>]
let ``no text makes the reading of a duration throw`` () =
    Law.NeverThrows(fun (HostileText text) -> Duration.tryParse text)

[<Fact>]
let ``durations are read as Go reads them`` () =
    Law.HoldsFor(
        [ "0", 0L; "-0", 0L; "+0", 0L; "5s", 5_000_000_000L; "1.5s", 1_500_000_000L; "250ms", 250_000_000L
          "1m30s", 90_000_000_000L; "2h", 7_200_000_000_000L; "100us", 100_000L; "100µs", 100_000L; "100μs", 100_000L
          "7ns", 7L; "-1s", -1_000_000_000L; ".5s", 500_000_000L; "1.s", 1_000_000_000L; "+3m", 180_000_000_000L
          "1h1m1s1ms1us1ns", 3_661_001_001_001L; "0.000000001s", 1L; "0.0000000001s", 0L ],
        fun (text, nanoseconds) -> Duration.tryParse text = Ok(Duration.OfNanoseconds nanoseconds)
    )

[<Fact>]
let ``a number without a unit is refused, and the fault names the number`` () =
    Law.HoldsFor([ "5"; "1.5"; "-1"; "00"; "3s5" ], fun text ->
        match Duration.tryParse text with
        | Error(DurationError.NoUnit number) -> text.EndsWith number
        | _ -> false)

[<Fact>]
let ``what is no duration is refused`` () =
    Law.HoldsFor([ ""; "-"; "+"; "s"; ".s"; "."; "1x"; "1 s"; "1sec"; "--1s"; "1d"; " 1s"; "1s "; "1S"; "١s" ], fun text ->
        not (isOk (Duration.tryParse text)))

[<Fact>]
let ``a duration beyond 292 years is the longest there is, never a wrap to the other sign`` () =
    Law.HoldsFor([ "9999999h"; "99999999999999999999999h"; "9223372036.9s"; "2562047h48m"; "9223372036854775808ns" ], fun text ->
        Duration.tryParse text = Ok Duration.Max)

[<Fact>]
let ``adding a wait never moves an instant backwards`` () =
    Law.Holds(fun (d: Duration) (start: uint32) ->
        let at = Instant(int64 start)
        d.IsNegative || (at + d).Nanoseconds >= at.Nanoseconds)

[<Fact>]
let ``a zero limit is no limit`` () =
    Law.Holds(fun (start: int) -> (Instant.limitFrom (Instant(int64 start)) Duration.Zero).IsNever)

[<Fact>]
let ``a timer of the platform, which counts whole milliseconds, can be set to any duration, and only beyond 49 days fires before it is over`` () =
    Law.Holds(fun (d: Duration) ->
        let ticks = d.ToTimerSpan().Ticks
        ticks % System.TimeSpan.TicksPerMillisecond = 0L
        && ticks >= 0L
        && ticks / System.TimeSpan.TicksPerMillisecond <= int64 (System.UInt32.MaxValue - 1u)
        && (decimal ticks * 100m >= decimal d.TotalNanoseconds || d > Duration.OfSeconds(49L * 86_400L)))

[<Fact>]
let ``an instant and a wait make the instant that lies that wait ahead`` () =
    let edges = [ System.Int64.MinValue; -System.Int64.MaxValue; -1L; 0L; 1L; System.Int64.MaxValue ]
    Law.HoldsFor(Seq.allPairs edges edges, fun (later, earlier) ->
        let exact = decimal later - decimal earlier
        let held = max (decimal -System.Int64.MaxValue) (min (decimal System.Int64.MaxValue) exact)
        let told = decimal (Instant later - Instant earlier).TotalNanoseconds
        told = held || exact = decimal System.Int64.MinValue && told = exact)
    Law.Holds(fun (start: int) (wait: int) -> (Instant(int64 start) + Duration.OfNanoseconds(int64 wait)) - Instant(int64 start) = Duration.OfNanoseconds(int64 wait))

[<Fact>]
let ``durations are written with the units that they need and no others`` () =
    Law.HoldsFor(
        [ 1_000_000L, "1ms"; 1_000L, "1us"; 0L, "0s"; 90_000_000_000L, "1m30s"; 5_000_000_000L, "5s"; 250_000_000L, "250ms"; 1_500_000_000L, "1.5s"; 7L, "7ns"; -1_000_000_000L, "-1s" ],
        fun (nanoseconds, text) -> string (Duration.OfNanoseconds nanoseconds) = text
    )

[<Fact>]
let ``the largest whole numbers of seconds and milliseconds are exact, and one more saturates`` () =
    Law.HoldsFor(
        [ Duration.OfSeconds 9_223_372_036L, 9_223_372_036_000_000_000L
          Duration.OfSeconds -9_223_372_036L, -9_223_372_036_000_000_000L
          Duration.OfSeconds 9_223_372_037L, System.Int64.MaxValue
          Duration.OfSeconds -9_223_372_037L, -System.Int64.MaxValue
          Duration.OfMilliseconds 9_223_372_036_854L, 9_223_372_036_854_000_000L
          Duration.OfMilliseconds -9_223_372_036_854L, -9_223_372_036_854_000_000L
          (match Duration.tryParse "9223372036s" with Ok d -> d | Error _ -> Duration.Zero), 9_223_372_036_000_000_000L ],
        fun (duration, nanoseconds) -> duration.TotalNanoseconds = nanoseconds
    )

[<Fact>]
let ``no wait at all is a timer of no length`` () =
    Law.HoldsFor([ 0L, 0L; 1L, 1L; 1_000_000L, 1L; 1_000_001L, 2L; -1L, 0L ], fun (nanoseconds, ms) -> (Duration.OfNanoseconds nanoseconds).ToTimerSpan() = System.TimeSpan.FromMilliseconds ms)

[<Fact>]
let ``of a fraction sixteen digits count, and what they leave of a nanosecond is dropped`` () =
    Law.Holds(fun (digits: byte array) (more: byte array) (hours: bool) ->
        let written (digits: byte array) = digits |> Array.map (fun d -> string (d % 10uy)) |> String.concat ""
        let first = (written digits).PadRight(16, '3').Substring(0, 16)
        let unit = if hours then "h" else "s"
        Duration.tryParse $"0.{first}{unit}" = Duration.tryParse $"0.{first}{written more}{unit}")
    Law.HoldsFor([ "0.00000000000027778h", 0L; "0.0000000000002778h", 1L; "1.9999999999s", 1_999_999_999L; "0.9999999999999999h", 3_599_999_999_999L ], fun (text, nanoseconds) ->
        Duration.tryParse text = Ok(Duration.OfNanoseconds nanoseconds))

[<Fact>]
let ``a duration and an instant equal none but their like`` () =
    Law.Holds(fun (nanoseconds: int) ->
        let number = int64 nanoseconds
        not ((Duration.OfNanoseconds number).Equals(box (Instant number))) && not ((Instant number).Equals(box (Duration.OfNanoseconds number))))

[<Fact>]
let ``instants are before and after each other as their numbers are, for either language`` () =
    Law.HoldsFor([ for a in -1L .. 1L do for b in -1L .. 1L -> a, b ], fun (a, b) ->
        let x, y = Instant a, Instant b
        compare x y = compare a b
        && Instant.op_LessThan(x, y) = (a < b) && Instant.op_LessThanOrEqual(x, y) = (a <= b)
        && Instant.op_GreaterThan(x, y) = (a > b) && Instant.op_GreaterThanOrEqual(x, y) = (a >= b))
