namespace Bitflow.Domain

open System
open System.Globalization
open System.Text

/// One value on its way to statsd.
[<RequireQualifiedAccess>]
type StatsdValue =
    /// Events since the last flush.
    | Count of int64
    | Gauge of float
    /// A point in time, in seconds since 1970.
    | Moment of float
    /// A value of a distribution, standing for `1 / rate` such values; the rate is in (0, 1].
    | Timing of value: float * rate: float

/// A name, its tags in order, and a value.
type StatsdSample =
    { Name: string
      Tags: (string * string) list
      Value: StatsdValue }

/// Writing statsd datagrams, from `docs/metric_types.md` of statsd and Datadog's datagram reference (ST-1 to ST-16). Nothing can be escaped in this protocol, so what does not fit becomes `_`; a line a
/// server cannot read is dropped there silently, so a value that cannot be written is not sent at all.
[<RequireQualifiedAccess>]
module Statsd =
    /// The most that a datagram holds: what an Ethernet carries unfragmented (ST-5), and more to a Unix socket, whose queue is short (ST-15; net.unix.max_dgram_qlen).
    let maxDatagramBytes (address: MetricsAddress) =
        match address with
        | MetricsAddress.Udp _ -> 1432
        | MetricsAddress.UnixDatagram _ -> 8192

    /// The most datagrams that wait for a receiver which takes none: four minutes of a few series, and at most 2 MB to a Unix socket, 370 KB over UDP.
    let maxWaiting = 256

    /// Of so many datagrams that wait, how many are given up.
    [<CompiledName("Excess")>]
    let excess waiting = max 0 (waiting - maxWaiting)

    /// ST-9, ST-10: the longest name, and the longest tag with its key.
    let maxNameLength = 200

    let private isTagCharacter c = Char.IsAsciiLetterOrDigit c || c = '_' || c = '-' || c = '.' || c = '/'

    let private replaceUnless (allowed: char -> bool) (text: string) =
        let result = StringBuilder(text.Length)
        // By code point, so that one character a person sees becomes one `_`.
        for rune in text.EnumerateRunes() do
            if rune.IsAscii && allowed (char rune.Value) then result.Append(char rune.Value) |> ignore
            else result.Append '_' |> ignore
        result.ToString()

    let private truncate length (text: string) = if text.Length > length then text.Substring(0, length) else text

    /// A tag's value as a format can carry it. The influx form ends the metric's name at the first `:`, so no tag
    /// may hold one there; DogStatsD gives further colons to the value (ST-10).
    let tagValue format (key: string) (value: string) =
        let allowed c = isTagCharacter c || (c = ':' && format = MetricsFormat.DogStatsD)
        replaceUnless allowed value |> truncate (maxNameLength - key.Length - 1)

    /// The name with its prefix (ST-4, ST-9): ASCII letters, digits, `_` and `.`, and `-` where the server knows it,
    /// beginning with a letter. Of a name too long it is the prefix that is cut: names must stay different.
    let name format (prefix: string) (name: string) =
        let allowed c = Char.IsAsciiLetterOrDigit c || c = '_' || c = '.' || (c = '-' && format <> MetricsFormat.DogStatsD)
        let prefix = (replaceUnless allowed prefix).TrimEnd '.'
        let start = prefix |> Seq.tryFindIndex Char.IsAsciiLetter |> Option.defaultValue prefix.Length
        let prefix = prefix.Substring start |> truncate (max 0 (maxNameLength - 1 - name.Length))
        let name = replaceUnless allowed name
        if prefix = "" then name else $"{prefix}.{name}"

    /// ST-7: invariant, without exponent, at most `decimals` digits behind the point; none for what is no number.
    let private number (decimals: int) (value: float) =
        if Double.IsFinite value then
            let text = value.ToString("0." + String('#', decimals), CultureInfo.InvariantCulture)
            ValueSome(if text = "-0" then "0" else text)
        else
            ValueNone

    /// The tags that a format carries, as they are written. One whose value is empty would be read as a key alone, or refused.
    let private written format (tags: (string * string) list) =
        if format = MetricsFormat.Plain then []
        else [ for key, value in tags do if value <> "" then key, tagValue format key value ]

    let private render format (name: string) (tags: (string * string) list) (value: string) (kind: string) (rate: string) =
        let line = StringBuilder(96)
        let separated (separator: char) (tags: (string * string) list) =
            for i, (key, value) in List.indexed tags do
                if i > 0 then line.Append ',' |> ignore
                line.Append(key).Append(separator).Append value |> ignore
        let tags = written format tags
        line.Append name |> ignore
        if format = MetricsFormat.Influx && not tags.IsEmpty then
            line.Append ',' |> ignore
            separated '=' tags
        line.Append(':').Append(value).Append('|').Append(kind) |> ignore
        if rate <> "" then line.Append("|@").Append(rate) |> ignore
        if format = MetricsFormat.DogStatsD && not tags.IsEmpty then
            line.Append "|#" |> ignore
            separated ':' tags
        line.ToString()

    /// The type that a server is told (ST-1).
    let typeOf (kind: MetricKind) =
        match kind with
        | MetricKind.Counter -> "c"
        | MetricKind.Gauge
        | MetricKind.Moment
        | MetricKind.Total -> "g"
        | MetricKind.Timing -> "ms"

    /// A sample as the line or lines that must travel together, without a final newline; none if its value cannot
    /// be written. A gauge below zero is two lines: with a sign alone it would be a change (ST-2).
    let format format prefix (sample: StatsdSample) : string voption =
        let fullName = name format prefix sample.Name
        match sample.Value with
        | StatsdValue.Count count ->
            ValueSome(render format fullName sample.Tags (count.ToString CultureInfo.InvariantCulture) (typeOf MetricKind.Counter) "")
        | StatsdValue.Gauge value
        | StatsdValue.Moment value ->
            match number 6 value with
            | ValueNone -> ValueNone
            | ValueSome text ->
                let line text = render format fullName sample.Tags text (typeOf MetricKind.Gauge) ""
                ValueSome(if text.StartsWith '-' then line "0" + "\n" + line text else line text)
        | StatsdValue.Timing(value, rate) ->
            if not (rate > 0.0) then
                ValueNone
            else
                let line text rate = render format fullName sample.Tags text (typeOf MetricKind.Timing) rate
                match number 6 value, number 9 (min 1.0 rate) with
                | ValueSome text, ValueSome "1" -> ValueSome(line text "")
                // A rate that rounds to nothing would make the server divide by zero.
                | ValueSome _, ValueSome "0" -> ValueNone
                | ValueSome text, ValueSome rate -> ValueSome(line text rate)
                | _ -> ValueNone

    /// Lines joined by newlines into datagrams of at most so many bytes, in order, each as full as it can be
    /// (ST-5: a line never spans datagrams). What does not fit into a datagram by itself is left out and counted.
    [<CompiledName("Pack")>]
    let pack (most: int) (lines: string seq) : struct (byte array list * int) =
        let datagrams = ResizeArray<byte array>()
        let current = StringBuilder()
        let mutable leftOut = 0
        let close () =
            if current.Length > 0 then
                // What `format` makes is ASCII.
                datagrams.Add(Encoding.ASCII.GetBytes(current.ToString()))
                current.Clear() |> ignore
        for line in lines do
            if line.Length > most then
                leftOut <- leftOut + 1
            else
                if current.Length + 1 + line.Length > most then close ()
                if current.Length > 0 then current.Append '\n' |> ignore
                current.Append line |> ignore
        close ()
        struct (List.ofSeq datagrams, leftOut)

    /// Gauges and counts that a format cannot tell apart, summed, and of points in time the earliest: of two gauges under one name, or with tags that are written alike, a
    /// server would keep whichever came last. Values of a distribution are one distribution anyway. In the order of the first of each.
    [<CompiledName("Merge")>]
    let merge format (samples: StatsdSample seq) : StatsdSample list =
        let kind (index: int, sample) =
            match sample.Value with
            | StatsdValue.Count _ -> struct (-1, sample.Name, written format sample.Tags)
            | StatsdValue.Gauge level when Double.IsFinite level -> struct (-2, sample.Name, written format sample.Tags)
            | StatsdValue.Moment at when Double.IsFinite at -> struct (-3, sample.Name, written format sample.Tags)
            | _ -> struct (index, "", [])
        let plus sample more =
            match sample.Value, more.Value with
            | StatsdValue.Count a, StatsdValue.Count b -> { sample with Value = StatsdValue.Count(a + b) }
            | StatsdValue.Gauge a, StatsdValue.Gauge b -> { sample with Value = StatsdValue.Gauge(a + b) }
            | StatsdValue.Moment a, StatsdValue.Moment b -> { sample with Value = StatsdValue.Moment(min a b) }
            | _ -> sample
        samples |> Seq.indexed |> Seq.groupBy kind |> Seq.map (fun (_, alike) -> alike |> Seq.map snd |> Seq.reduce plus) |> List.ofSeq

    /// Everything of one flush: samples to datagrams, and how many samples could not be sent.
    [<CompiledName("Datagrams")>]
    let datagrams (config: MetricsConfig) (samples: StatsdSample seq) : struct (byte array list * int) =
        let mutable unwritable = 0
        let lines = ResizeArray()
        for sample in merge config.Format samples do
            match format config.Format config.Prefix sample with
            | ValueSome line -> lines.Add line
            | ValueNone -> unwritable <- unwritable + 1
        let struct (packed, tooLong) = pack (maxDatagramBytes config.Address) lines
        struct (packed, unwritable + tooLong)
