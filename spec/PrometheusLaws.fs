module Bitflow.Spec.PrometheusLaws

open System
open System.Globalization
open System.Text
open Xunit
open Bitflow.Domain

/// A reader of the exposition format that is as strict as promtool: it knows the grammar and nothing of the writer.
module Reader =
    type Line =
        | Help of name: string * text: string
        | Type of name: string * kind: string
        | Sample of name: string * labels: (string * string) list * value: float

    let private fail (line: string) = failwith $"not in the exposition format: {line}"
    let private isNameStart c = Char.IsAsciiLetter c || c = '_' || c = ':'
    let private isName c = isNameStart c || Char.IsAsciiDigit c

    let private unescape quoted (text: string) =
        let result = StringBuilder()
        let mutable i = 0
        while i < text.Length do
            if text[i] = '\\' then
                i <- i + 1
                match (if i < text.Length then text[i] else ' ') with
                | '\\' -> result.Append '\\' |> ignore
                | 'n' -> result.Append '\n' |> ignore
                | '"' when quoted -> result.Append '"' |> ignore
                | _ -> fail text
            else
                result.Append text[i] |> ignore
            i <- i + 1
        result.ToString()

    let private value (text: string) =
        match text with
        | "NaN" -> nan
        | "+Inf" -> infinity
        | "-Inf" -> -infinity
        | _ ->
            match Double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture) with
            | true, value when Double.IsFinite value -> value
            | _ -> fail text

    let private sample (line: string) =
        let mutable i = 0
        while i < line.Length && isName line[i] do i <- i + 1
        if i = 0 || not (isNameStart line[0]) then fail line
        let name = line.Substring(0, i)
        let labels = ResizeArray()
        if i < line.Length && line[i] = '{' then
            i <- i + 1
            while i < line.Length && line[i] <> '}' do
                let start = i
                while i < line.Length && isName line[i] do i <- i + 1
                let key = line.Substring(start, i - start)
                if key = "" || not (line.AsSpan(i).StartsWith "=\"") then fail line
                i <- i + 2
                let start = i
                while i < line.Length && line[i] <> '"' do
                    i <- i + (if line[i] = '\\' then 2 else 1)
                if i >= line.Length then fail line
                labels.Add(key, unescape true (line.Substring(start, i - start)))
                i <- i + 1
                if i < line.Length && line[i] = ',' then i <- i + 1
            if i >= line.Length then fail line
            i <- i + 1
        if i >= line.Length || line[i] <> ' ' then fail line
        Sample(name, List.ofSeq labels, value (line.Substring(i + 1)))

    let parse (text: string) : Line list =
        if text <> "" && not (text.EndsWith '\n') then fail "the last line has no end"
        [ for line in text.Split '\n' |> Array.filter ((<>) "") do
              let comment (keyword: string) = line.StartsWith($"# {keyword} ", StringComparison.Ordinal)
              let parts = line.Split(' ', 4)
              if comment "HELP" then Help(parts[2], unescape false (if parts.Length > 3 then parts[3] else ""))
              elif comment "TYPE" then Type(parts[2], parts[3])
              else sample line ]

let private expected (family: PrometheusFamily) =
    let kind =
        match family.Type with
        | PrometheusType.Counter -> "counter"
        | PrometheusType.Gauge -> "gauge"
        | PrometheusType.Histogram -> "histogram"
    if family.Series.IsEmpty then
        []
    else
        [ Reader.Help(family.Name, family.Help)
          Reader.Type(family.Name, kind)
          for series in family.Series do
              match series.Value with
              | PrometheusValue.Single value -> Reader.Sample(family.Name, series.Labels, value)
              | PrometheusValue.Histogram(buckets, count, sum) ->
                  for bound, atMost in buckets do
                      Reader.Sample(family.Name + "_bucket", series.Labels @ [ "le", bound.ToString CultureInfo.InvariantCulture ], float atMost)
                  Reader.Sample(family.Name + "_bucket", series.Labels @ [ "le", "+Inf" ], float count)
                  Reader.Sample(family.Name + "_sum", series.Labels, sum)
                  Reader.Sample(family.Name + "_count", series.Labels, float count) ]

let private same (a: Reader.Line) (b: Reader.Line) =
    match a, b with
    | Reader.Sample(n, l, v), Reader.Sample(n', l', v') -> n = n' && l = l' && v.Equals v'
    | _ -> a = b

[<Fact>]
let ``what is exposed reads back: every family, label and value, whatever the labels hold`` () =
    Law.Holds(fun (families: PrometheusFamily list) ->
        let families = families |> List.distinctBy _.Name
        let read, wanted = Reader.parse (Prometheus.format families), families |> List.collect expected
        read.Length = wanted.Length && List.forall2 same read wanted)

[<Fact>]
let ``labels and help are escaped as the format says`` () =
    let family =
        { Name = "bitflow_x_total"
          Help = "a \\ and\na line"
          Type = PrometheusType.Counter
          Series = [ { Labels = [ "proxy", "say \"hi\"\\\n" ]; Value = PrometheusValue.Single 3.0 } ] }
    Law.HoldsFor(
        [ "# HELP bitflow_x_total a \\\\ and\\na line\n# TYPE bitflow_x_total counter\nbitflow_x_total{proxy=\"say \\\"hi\\\"\\\\\\n\"} 3\n" ],
        fun text -> Prometheus.format [ family ] = text
    )
