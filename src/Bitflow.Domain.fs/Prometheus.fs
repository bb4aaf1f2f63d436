namespace Bitflow.Domain

open System
open System.Globalization
open System.Text

/// What one series has to say.
[<RequireQualifiedAccess>]
type PrometheusValue =
    | Single of float
    /// For each upper bound, ascending, the number of values at or below it; then the number and the sum of all.
    | Histogram of buckets: (float * int64) list * count: int64 * sum: float

/// One series: labels in order, and its value.
type PrometheusSeries =
    { Labels: (string * string) list
      Value: PrometheusValue }

[<RequireQualifiedAccess>]
type PrometheusType =
    | Counter
    | Gauge
    | Histogram

/// All the series of one name.
type PrometheusFamily =
    { Name: string
      Help: string
      Type: PrometheusType
      Series: PrometheusSeries list }

/// Prometheus's text exposition format, version 0.0.4.
[<RequireQualifiedAccess>]
module Prometheus =
    let contentType = "text/plain; version=0.0.4; charset=utf-8"

    let private escapeHelp (text: string) = text.Replace("\\", "\\\\").Replace("\n", "\\n")
    let private escapeLabel (text: string) = (escapeHelp text).Replace("\"", "\\\"")

    let private number (value: float) =
        if Double.IsNaN value then "NaN"
        elif Double.IsPositiveInfinity value then "+Inf"
        elif Double.IsNegativeInfinity value then "-Inf"
        else value.ToString("R", CultureInfo.InvariantCulture)

    /// The families as one text, in the given order; a family without series is left out. Text that is no valid
    /// Unicode becomes U+FFFD when it is encoded.
    [<CompiledName("Format")>]
    let format (families: PrometheusFamily seq) : string =
        let text = StringBuilder()
        let line (name: string) (labels: (string * string) list) (value: string) =
            text.Append name |> ignore
            if not labels.IsEmpty then
                text.Append '{' |> ignore
                for i, (key, value) in List.indexed labels do
                    if i > 0 then text.Append ',' |> ignore
                    text.Append(key).Append("=\"").Append(escapeLabel value).Append('"') |> ignore
                text.Append '}' |> ignore
            text.Append(' ').Append(value).Append('\n') |> ignore
        for family in families do
            if not family.Series.IsEmpty then
                let typeName =
                    match family.Type with
                    | PrometheusType.Counter -> "counter"
                    | PrometheusType.Gauge -> "gauge"
                    | PrometheusType.Histogram -> "histogram"
                text.Append("# HELP ").Append(family.Name).Append(' ').Append(escapeHelp family.Help).Append('\n') |> ignore
                text.Append("# TYPE ").Append(family.Name).Append(' ').Append(typeName).Append('\n') |> ignore
                for series in family.Series do
                    match series.Value with
                    | PrometheusValue.Single value -> line family.Name series.Labels (number value)
                    | PrometheusValue.Histogram(buckets, count, sum) ->
                        let whole (n: int64) = n.ToString CultureInfo.InvariantCulture
                        for bound, atMost in buckets do
                            line $"{family.Name}_bucket" (series.Labels @ [ "le", number bound ]) (whole atMost)
                        line $"{family.Name}_bucket" (series.Labels @ [ "le", "+Inf" ]) (whole count)
                        line $"{family.Name}_sum" series.Labels (number sum)
                        line $"{family.Name}_count" series.Labels (whole count)
        text.ToString()

    [<CompiledName("TypeOf")>]
    let typeOf (metric: Metric) =
        match metric.Kind with
        | MetricKind.Counter
        | MetricKind.Total -> PrometheusType.Counter
        | MetricKind.Gauge
        | MetricKind.Moment -> PrometheusType.Gauge
        | MetricKind.Timing -> PrometheusType.Histogram
