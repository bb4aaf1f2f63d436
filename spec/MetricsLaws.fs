module Bitflow.Spec.MetricsLaws

open System
open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

[<Fact>]
let ``the reference's metrics are all there, under its names and kinds`` () =
    let kinds =
        [ for name in [ "accept.success"; "accept.reject"; "accept.error"; "accept.shutdown"; "dial.success"; "dial.error" ] -> $"proxy.serve.{name}", "c"
          for name in [ "protocol.error"; "pipe.success"; "pipe.error" ] -> $"proxy.{name}", "c"
          for name in [ "serve.dial.latency"; "pipe.duration"; "pipe.src_sent.size"; "pipe.dst_recv.size" ] -> $"proxy.{name}", "ms"
          for name in [ "serve.active_connections"; "pipe.src_sent.total"; "pipe.dst_recv.total"; "serve.total" ] -> $"proxy.{name}", "g"
          for name in [ "serve.accept.unauthorized"; "tls.handshake.error"; "log.dropped"; "close" ] -> $"proxy.{name}", "c" ]
    Law.HoldsFor(kinds, fun (name, kind) -> Metrics.all |> List.exists (fun metric -> metric.Name = name && Statsd.typeOf metric.Kind = kind))

[<Fact>]
let ``no two metrics share a name on any wire`` () =
    Law.HoldsFor([ (fun (metric: Metric) -> metric.Name); Metrics.prometheusName ], fun (name: Metric -> string) ->
        Metrics.all |> List.map name |> List.distinct |> List.length = Metrics.all.Length)

[<Fact>]
let ``every statsd name needs no replacement and every Prometheus name is legal`` () =
    Law.HoldsFor(Metrics.all, fun metric ->
        Statsd.name MetricsFormat.DogStatsD "" metric.Name = metric.Name
        && Regex.IsMatch(Metrics.prometheusName metric, "^bitflow_[a-z_]+$"))

[<Fact>]
let ``what only grows, and nothing else, is called total for Prometheus`` () =
    Law.HoldsFor(Metrics.all, fun metric ->
        (Prometheus.typeOf metric = PrometheusType.Counter) = (Metrics.prometheusName metric).EndsWith("_total", StringComparison.Ordinal))

[<Fact>]
let ``a histogram's bounds ascend`` () =
    Law.HoldsFor(Metrics.all, fun metric -> Metrics.histogramBounds metric |> Array.pairwise |> Array.forall (fun (a, b) -> a < b))

[<Fact>]
let ``sizes are told apart from 256 bytes to 64 GB, and times from a millisecond to an hour`` () =
    Law.HoldsFor([ Metrics.sourceSentSize, 256.0, 68_719_476_736.0; Metrics.dialLatency, 1.0, 3_600_000.0 ], fun (metric, first, last) ->
        let bounds = Metrics.histogramBounds metric
        bounds[0] = first && Array.last bounds = last)
