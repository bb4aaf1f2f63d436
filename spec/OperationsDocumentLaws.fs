module Bitflow.Spec.OperationsDocumentLaws

open System.IO
open Xunit
open Bitflow.Domain

let private document = lazy (File.ReadAllLines(Path.Combine(ConfigFileLaws.repository, "docs", "operations.md")))

/// The rows below a heading, up to the next.
let private rows (heading: string) =
    document.Value
    |> Seq.skipWhile (fun line -> line <> heading)
    |> Seq.skip 1
    |> Seq.takeWhile (fun line -> not (line.StartsWith "## "))
    |> Seq.filter (fun line -> line.StartsWith "| `")
    |> Seq.toList

let private firstCells heading = rows heading |> List.map (fun row -> row.Split('`')[1])

[<Fact>]
let ``the guide lists every metric, with its type, its names and its tags, and no other`` () =
    let row (metric: Metric) =
        let tags = metric.Tags |> List.map (fun tag -> $"`{tag.Key}`") |> String.concat " "
        $"| `{metric.Name}` | `{Statsd.typeOf metric.Kind}` | `{Metrics.prometheusName metric}` | {tags} | {metric.Help} |"
    Law.HoldsFor([ rows "## Metrics" |> List.sort, Metrics.all |> List.map row |> List.sort ], fun (listed, existing) -> listed = existing)

[<Fact>]
let ``the guide lists every key of the connection log, in its order`` () =
    Law.HoldsFor(
        [ rows "## Connection log", ConnectionLogLine.fields |> List.map (fun (key, meaning) -> $"| `{key}` | {meaning} |") ],
        fun (listed, existing) -> listed = existing
    )

[<Fact>]
let ``the guide lists every who, every phase and every cause of a close reason`` () =
    let words =
        [ for who in CloseReason.allWho -> (string (CloseReason.make who Phase.Relay Cause.Ended)).Split('.')[0]
          for phase in CloseReason.allPhases -> (string (CloseReason.make Who.Client phase Cause.Ended)).Split('.')[1]
          for cause in CloseReason.allCauses -> (string (CloseReason.make Who.Client Phase.Relay cause)).Split('.')[2] ]
    Law.HoldsFor([ List.sort (firstCells "## Close reasons"), List.sort words ], fun (listed, existing) -> listed = existing)
