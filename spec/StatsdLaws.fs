module Bitflow.Spec.StatsdLaws

open System
open System.Text
open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private lines (text: string voption) =
    match text with
    | ValueSome text -> text.Split '\n' |> List.ofArray
    | ValueNone -> []

let private number = @"-?[0-9]+(\.[0-9]+)?"
let private grammar format =
    // ST-4 has statsd keep a hyphen, ST-9 has DogStatsD replace it.
    let name = if format = MetricsFormat.DogStatsD then "[A-Za-z][A-Za-z0-9_.]{0,199}" else "[A-Za-z][A-Za-z0-9_.-]{0,199}"
    let value = $@":{number}\|(c|g|ms)(\|@(1|0\.[0-9]*[1-9]))?"
    match format with
    | MetricsFormat.DogStatsD ->
        let tag = "[a-z][A-Za-z0-9_:./-]{1,199}"
        $@"^{name}{value}(\|#{tag}(,{tag})*)?$"
    | MetricsFormat.Influx ->
        let tag = "[a-z]+=[A-Za-z0-9_./-]{1,198}"
        $@"^{name}(,{tag})*{value}$"
    | MetricsFormat.Plain -> $@"^{name}{value}$"

[<Fact>]
let ``whatever a name, a tag or a value holds, a server can read the line (ST-4, ST-9, ST-10)`` () =
    Law.Holds(fun (sample: StatsdSample) format (HostileText prefix) ->
        lines (Statsd.format format prefix sample) |> List.forall (fun line -> Regex.IsMatch(line, grammar format, RegexOptions.CultureInvariant) && not (line.EndsWith '\n')))

[<Fact>]
let ``lines are written as the specification writes them`` () =
    let sample name value tags = { Name = name; Tags = tags; Value = value }
    Law.HoldsFor(
        [ sample "proxy.serve.accept.success" (StatsdValue.Count 1L) [ "proxy", "web"; "listener", "0.0.0.0:443" ], MetricsFormat.DogStatsD,
          "bitflow.proxy.serve.accept.success:1|c|#proxy:web,listener:0.0.0.0:443"
          sample "proxy.serve.active_connections" (StatsdValue.Gauge 12.0) [ "proxy", "web" ], MetricsFormat.DogStatsD,
          "bitflow.proxy.serve.active_connections:12|g|#proxy:web"
          sample "proxy.serve.dial.latency" (StatsdValue.Timing(3.25, 1.0)) [ "proxy", "web"; "target", "a|b" ], MetricsFormat.DogStatsD,
          "bitflow.proxy.serve.dial.latency:3.25|ms|#proxy:web,target:a_b"
          sample "proxy.serve.dial.latency" (StatsdValue.Timing(3.25, 0.5)) [ "proxy", "web"; "target", "a|b" ], MetricsFormat.DogStatsD,
          "bitflow.proxy.serve.dial.latency:3.25|ms|@0.5|#proxy:web,target:a_b"
          sample "proxy.serve.dial.latency" (StatsdValue.Timing(3.25, 0.5)) [ "proxy", "web"; "listener", "[::1]:443" ], MetricsFormat.Influx,
          "bitflow.proxy.serve.dial.latency,proxy=web,listener=___1__443:3.25|ms|@0.5"
          sample "proxy.serve.accept.success" (StatsdValue.Count 7L) [ "proxy", "web" ], MetricsFormat.Plain,
          "bitflow.proxy.serve.accept.success:7|c"
          sample "a" (StatsdValue.Gauge 1e15) [], MetricsFormat.Plain, "bitflow.a:1000000000000000|g"
          sample "a" (StatsdValue.Gauge -10.0) [], MetricsFormat.Plain, "bitflow.a:0|g\nbitflow.a:-10|g"
          sample "a" (StatsdValue.Gauge -0.0) [], MetricsFormat.Plain, "bitflow.a:0|g"
          sample "a" (StatsdValue.Count 1L) [ "proxy", "né,w\n😀#@:x" ], MetricsFormat.DogStatsD, "bitflow.a:1|c|#proxy:n__w____:x"
          sample "a" (StatsdValue.Count 1L) [ "proxy", "" ], MetricsFormat.DogStatsD, "bitflow.a:1|c" ],
        fun (sample, format, line) -> Statsd.format format "bitflow" sample = ValueSome line
    )

[<Fact>]
let ``a gauge below zero is set by way of zero, and never by a sign alone (ST-2)`` () =
    Law.Holds(fun (value: float) ->
        let lines = lines (Statsd.format MetricsFormat.Plain "" { Name = "g"; Tags = []; Value = StatsdValue.Gauge value })
        lines |> List.forall (fun line -> not (line.Contains '+'))
        && (match lines with
            | [ line ] -> not (line.StartsWith "g:-")
            | [ zero; line ] -> zero = "g:0|g" && line.StartsWith "g:-"
            | lines -> lines.IsEmpty && not (Double.IsFinite value)))

[<Fact>]
let ``what is no number, or has a rate that is none, is not sent (ST-3, ST-7)`` () =
    let timing value rate = StatsdValue.Timing(value, rate)
    Law.HoldsFor(
        [ StatsdValue.Gauge nan; StatsdValue.Gauge infinity; timing nan 1.0; timing 1.0 0.0; timing 1.0 -0.5; timing 1.0 nan; timing 1.0 1e-12 ],
        fun value -> Statsd.format MetricsFormat.Plain "" { Name = "g"; Tags = []; Value = value } = ValueNone
    )

[<Fact>]
let ``a prefix stands before the name with one dot, begins with a letter, and is what is cut of a name too long`` () =
    Law.HoldsFor(
        [ "", "a.b"; "bitflow", "bitflow.a.b"; "bitflow.", "bitflow.a.b"; "9lives", "lives.a.b"; "...", "a.b"; "my app", "my_app.a.b"
          "my-app", "my_app.a.b"; String('p', 300), String('p', 196) + ".a.b" ],
        fun (prefix, name) -> Statsd.name MetricsFormat.DogStatsD prefix "a.b" = name
    )

[<Fact>]
let ``of a tag too long its beginning is left, and of one that is not nothing is lost`` () =
    Law.Holds(fun (key: char list) (letters: char list) ->
        let key, value = System.String('k', 1 + key.Length % 20), System.String(Array.init (8 * letters.Length) (fun i -> char (int 'a' + i % 26)))
        Statsd.tagValue MetricsFormat.DogStatsD key value = value.Substring(0, min value.Length (Statsd.maxNameLength - key.Length - 1)))

[<Fact>]
let ``datagrams hold every line once, in order, and none is larger than 1432 bytes (ST-5), to a Unix socket than 8192 (ST-15)`` () =
    Law.Holds(fun (lengths: FsCheck.PositiveInt list) (isUnix: bool) ->
        let address, most = if isUnix then MetricsAddress.UnixDatagram "/run/statsd", 8192 else MetricsAddress.Udp("localhost", 8125), 1432
        let lines = lengths |> List.mapi (fun i length -> $"{i}:" + String('x', length.Get * 37 % (most + 200)))
        // One that is exactly as long as a datagram may be.
        let lines = lines @ [ "last:" + String('y', most - 5) ]
        let struct (datagrams, leftOut) = Statsd.pack (Statsd.maxDatagramBytes address) lines
        let fitting = lines |> List.filter (fun line -> line.Length <= most)
        (datagrams |> List.collect (fun bytes -> Encoding.ASCII.GetString(bytes).Split '\n' |> List.ofArray)) = fitting
        && datagrams |> List.forall (fun bytes -> bytes.Length > 0 && bytes.Length <= most)
        && leftOut = lines.Length - fitting.Length
        && Statsd.maxDatagramBytes address = most)

[<Fact>]
let ``lines that fill a datagram to its last byte share it, and a byte more takes another`` () =
    Law.HoldsFor([ 0, 1; 1, 2 ], fun (more, count) ->
        let struct (datagrams, leftOut) = Statsd.pack 1432 [ String('x', 700); String('y', 731 + more) ]
        datagrams.Length = count && leftOut = 0)

[<Fact>]
let ``no datagram could have taken the first line of the next`` () =
    Law.Holds(fun (lengths: FsCheck.PositiveInt list) ->
        let lines = lengths |> List.map (fun length -> String('x', 1 + length.Get * 37 % 1400))
        let struct (datagrams, _) = Statsd.pack 1432 lines
        datagrams |> List.pairwise |> List.forall (fun (one, next) ->
            let first = match Array.IndexOf(next, byte '\n') with | -1 -> next.Length | newline -> newline
            one.Length + 1 + first > 1432))

[<Fact>]
let ``up to 256 datagrams wait for a receiver that takes none, and what is beyond that is given up`` () =
    Law.HoldsFor([ 0, 0; 1, 0; 256, 0; 257, 1; 1000, 744 ], fun (waiting, givenUp) -> Statsd.excess waiting = givenUp)

[<Fact>]
let ``a flush sends what can be written and counts the rest`` () =
    Law.Holds(fun (samples: StatsdSample list) format ->
        let config = { Address = MetricsAddress.Udp("localhost", 8125); Prefix = "p"; Format = format }
        // With tags that no datagram has room for, where the format has tags.
        let tooLong = { Name = "long"; Tags = [ for i in 1..20 -> $"k{i}", String('v', 100) ]; Value = StatsdValue.Timing(1.0, 1.0) }
        let samples = samples @ [ tooLong ]
        let struct (datagrams, leftOut) = Statsd.datagrams config samples
        let merged = Statsd.merge format samples
        let isLost sample =
            match Statsd.format format "p" sample with
            | ValueSome line -> line.Length > 1432
            | ValueNone -> true
        let unwritable = merged |> List.filter isLost |> List.length
        leftOut = unwritable && (datagrams.IsEmpty = (unwritable = merged.Length)))

let private sent format samples =
    let struct (datagrams, _) = Statsd.datagrams { Address = MetricsAddress.Udp("localhost", 8125); Prefix = ""; Format = format } samples
    datagrams |> List.collect (fun bytes -> Encoding.ASCII.GetString(bytes).Split '\n' |> List.ofArray)

[<Fact>]
let ``what a format cannot tell apart is one series: its gauges and counts are summed, and of its points in time the earliest is told`` () =
    let of' proxy name value = { Name = name; Tags = [ "proxy", proxy ]; Value = value }
    let samples proxy other =
        [ of' proxy "g" (StatsdValue.Gauge 0.0); of' other "g" (StatsdValue.Gauge 5.0); of' proxy "c" (StatsdValue.Count 1L)
          of' other "c" (StatsdValue.Count 2L); of' proxy "t" (StatsdValue.Timing(3.0, 1.0)); of' other "t" (StatsdValue.Timing(4.0, 0.5))
          of' proxy "m" (StatsdValue.Moment 1790000000.0); of' other "m" (StatsdValue.Moment 1780000000.0) ]
    Law.HoldsFor(
        [ MetricsFormat.Plain, "busy", "quiet", [ "g:5|g"; "c:3|c"; "t:3|ms"; "t:4|ms|@0.5"; "m:1780000000|g" ]
          MetricsFormat.Influx, "a b", "a,b", [ "g,proxy=a_b:5|g"; "c,proxy=a_b:3|c"; "t,proxy=a_b:3|ms"; "t,proxy=a_b:4|ms|@0.5"; "m,proxy=a_b:1780000000|g" ]
          MetricsFormat.DogStatsD, "a", "b", [ "g:0|g|#proxy:a"; "g:5|g|#proxy:b"; "c:1|c|#proxy:a"; "c:2|c|#proxy:b"; "t:3|ms|#proxy:a"; "t:4|ms|@0.5|#proxy:b"; "m:1790000000|g|#proxy:a"; "m:1780000000|g|#proxy:b" ] ],
        fun (format, proxy, other, lines) -> sent format (samples proxy other) = lines
    )

[<Fact>]
let ``no gauge contradicts another of one flush`` () =
    Law.Holds(fun (samples: StatsdSample list) format ->
        // One below zero goes by way of zero, on a line of the same name before it.
        let gauges = sent format samples |> List.filter (fun line -> line.Contains "|g" && not (line.Contains ":0|g"))
        let series (line: string) = Regex.Replace(line, @":-?[0-9.]+\|g", "")
        gauges |> List.countBy series |> List.forall (fun (_, lines) -> lines = 1))
