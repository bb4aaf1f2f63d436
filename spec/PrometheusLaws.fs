module Bitflow.Spec.PrometheusLaws

open System
open System.Globalization
open Xunit
open Bitflow.Domain

let private expected (family: PrometheusFamily) =
    let kind =
        match family.Type with
        | PrometheusType.Counter -> "counter"
        | PrometheusType.Gauge -> "gauge"
        | PrometheusType.Histogram -> "histogram"
    if family.Series.IsEmpty then
        []
    else
        [ PrometheusReader.Help(family.Name, family.Help)
          PrometheusReader.Type(family.Name, kind)
          for series in family.Series do
              match series.Value with
              | PrometheusValue.Single value -> PrometheusReader.Sample(family.Name, series.Labels, value)
              | PrometheusValue.Histogram(buckets, count, sum) ->
                  for bound, atMost in buckets do
                      PrometheusReader.Sample(family.Name + "_bucket", series.Labels @ [ "le", bound.ToString CultureInfo.InvariantCulture ], float atMost)
                  PrometheusReader.Sample(family.Name + "_bucket", series.Labels @ [ "le", "+Inf" ], float count)
                  PrometheusReader.Sample(family.Name + "_sum", series.Labels, sum)
                  PrometheusReader.Sample(family.Name + "_count", series.Labels, float count) ]

let private same (a: PrometheusReader.Line) (b: PrometheusReader.Line) =
    match a, b with
    | PrometheusReader.Sample(n, l, v), PrometheusReader.Sample(n', l', v') -> n = n' && l = l' && v.Equals v'
    | _ -> a = b

[<Fact>]
let ``what is exposed reads back: every family, label and value, whatever the labels hold`` () =
    Law.Holds(fun (families: PrometheusFamily list) ->
        let families = families |> List.distinctBy _.Name
        let read, wanted = PrometheusReader.parse (Prometheus.format families), families |> List.collect expected
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

let private sound =
    [ "# HELP a_total Events"
      "# TYPE a_total counter"
      "a_total{p=\"x\"} 1"
      "a_total{p=\"y\"} 2"
      "# HELP h_seconds Time"
      "# TYPE h_seconds histogram"
      "h_seconds_bucket{le=\"0.5\"} 1"
      "h_seconds_bucket{le=\"+Inf\"} 2"
      "h_seconds_sum 1.5"
      "h_seconds_count 2" ]

let private text (lines: string list) = lines |> List.map (fun line -> line + "\n") |> String.concat ""

[<Fact>]
let ``the reader finds nothing in a sound text, and a fault in each that is not`` () =
    let swap (line: string) (by: string list) = sound |> List.collect (fun each -> if each = line then by else [ each ])
    Law.HoldsFor(
        [ text sound, true
          text sound + "\n", false
          (text sound).TrimEnd '\n', false
          text (swap "# TYPE a_total counter" []), false
          text (swap "# HELP a_total Events" []), false
          text (swap "# HELP a_total Events" [ "# HELP a_total " ]), false
          text (swap "# TYPE a_total counter" [ "# TYPE a_total count" ]), false
          text (swap "# TYPE a_total counter" [ "# TYPE a_total counter"; "# TYPE a_total counter" ]), false
          text (sound @ [ "a_total{p=\"z\"} 1" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"x\"} 2" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"y\"} -2" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"y\" q=\"z\"} 2" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"y\",p=\"z\"} 2" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"\\t\"} 2" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a_total{p=\"y\"} two" ]), false
          text (swap "a_total{p=\"y\"} 2" [ "a{p=\"y\"} 2" ]), false
          (text sound).Replace("a_total", "a"), false
          text (swap "h_seconds_bucket{le=\"0.5\"} 1" [ "h_seconds_bucket{le=\"0.5\"} 3" ]), false
          text (swap "h_seconds_bucket{le=\"+Inf\"} 2" []), false
          text (swap "h_seconds_count 2" [ "h_seconds_count 3" ]), false
          text (swap "h_seconds_count 2" []), false
          text (swap "h_seconds_sum 1.5" []), false
          text (swap "h_seconds_bucket{le=\"0.5\"} 1" [ "h_seconds_bucket 1" ]), false
          text (swap "h_seconds_bucket{le=\"0.5\"} 1" [ "h_seconds_bucket{le=\"2\"} 1"; "h_seconds_bucket{le=\"0.5\"} 1" ]), false ],
        fun (text, isSound) -> (PrometheusReader.problems text).IsEmpty = isSound
    )

[<Fact>]
let ``what is exposed of the program's own metrics is sound, whatever the proxies are called`` () =
    Law.Holds(fun (names: UnicodeText list) (counts: FsCheck.NonNegativeInt list) ->
        let names = names |> List.map (fun (UnicodeText name) -> name) |> List.distinct
        let buckets (metric: Metric) =
            let bounds = Metrics.histogramBounds metric |> Array.map ((*) (Metrics.prometheusScale metric)) |> Array.toList
            let steps = bounds |> List.mapi (fun i _ -> int64 (counts |> List.tryItem i |> Option.map _.Get |> Option.defaultValue 0))
            List.zip bounds (steps |> List.scan (+) 0L |> List.tail), List.sum steps
        let series (metric: Metric) name =
            { Labels = metric.Tags |> List.map (fun tag -> tag.Key, name)
              Value =
                if metric.Kind = MetricKind.Timing then
                    let buckets, most = buckets metric
                    PrometheusValue.Histogram(buckets, most + 1L, 1.5)
                else
                    PrometheusValue.Single 3.0 }
        let family (metric: Metric) =
            { Name = Metrics.prometheusName metric
              Help = metric.Help
              Type = Prometheus.typeOf metric
              Series = (if metric.Tags.IsEmpty then [ "" ] else names) |> List.map (series metric) }
        (PrometheusReader.problems (Prometheus.format (Metrics.all |> List.map family))).IsEmpty)
