namespace Bitflow.Domain

/// How a metric behaves over time.
[<RequireQualifiedAccess>]
type MetricKind =
    /// Counts events. statsd is sent the events since the last flush.
    | Counter
    /// A level that goes up and down, sent again at every flush.
    | Gauge
    /// A point in time, in seconds since 1970: of several the earliest is told, and of one that is gone nothing.
    | Moment
    /// Counts since the start of the program. statsd gets the running sum as a gauge, as the reference sent it.
    | Total
    /// One value an event, whose distribution matters. statsd's type is `ms` for every unit, as in the reference.
    | Timing

[<RequireQualifiedAccess>]
type MetricUnit =
    /// What is counted, or a state that is told by a number, or one that is in the name.
    | Plain
    | Milliseconds
    | Bytes

/// What tells the series of one metric apart. Every value comes from the configuration or from a closed set of
/// ours, never from a client: a client could otherwise make series without end.
[<RequireQualifiedAccess>]
type MetricTag =
    /// The proxy's name.
    | Proxy
    /// The listener's address as configured.
    | Listener
    /// The target's name.
    | Target
    /// A close reason, `who.phase.cause`.
    | Reason

    /// The tag's key on every wire.
    member this.Key =
        match this with
        | Proxy -> "proxy"
        | Listener -> "listener"
        | Target -> "target"
        | Reason -> "reason"

/// One metric of the program. Its statsd name, its Prometheus name, its instrument and its line in
/// docs/operations.md all derive from this.
type Metric =
    { Name: string
      Kind: MetricKind
      Unit: MetricUnit
      Tags: MetricTag list
      /// One sentence without a final stop.
      Help: string }

/// Every metric there is.
[<RequireQualifiedAccess>]
module Metrics =
    /// The `System.Diagnostics.Metrics` meter that all instruments belong to.
    [<Literal>]
    let Meter = "Bitflow"

    let private proxied = [ MetricTag.Proxy; MetricTag.Listener ]
    let private targeted = [ MetricTag.Proxy; MetricTag.Listener; MetricTag.Target ]

    let private metric kind unit name tags help =
        { Name = name
          Kind = kind
          Unit = unit
          Tags = tags
          Help = help }

    let private counter = metric MetricKind.Counter MetricUnit.Plain

    let acceptSuccess = counter "proxy.serve.accept.success" proxied "Clients admitted"
    let acceptReject = counter "proxy.serve.accept.reject" proxied "Clients refused because connection_limit was reached"
    let acceptUnauthorized = counter "proxy.serve.accept.unauthorized" proxied "Clients refused because authorized_sources does not hold their address"
    let acceptError = counter "proxy.serve.accept.error" proxied "Calls to accept that failed"
    let acceptShutdown = counter "proxy.serve.accept.shutdown" proxied "Listeners closed"
    let dialSuccess = counter "proxy.serve.dial.success" targeted "Connections for which a target was reached"
    let dialError = counter "proxy.serve.dial.error" targeted "Connections for which no target was reached; the target is the last one tried"
    let attemptError = counter "proxy.serve.dial.attempt.error" targeted "Attempts to reach a target that failed, whether or not another was reached after it"
    let targetFailing = metric MetricKind.Gauge MetricUnit.Plain "proxy.target.failing" targeted "1 while all attempts to reach the target have failed since it was last reached, else 0; nobody probes it"
    let dialLatency = metric MetricKind.Timing MetricUnit.Milliseconds "proxy.serve.dial.latency" targeted "Time from the first attempt to dial until a target was ready"
    let activeConnections = metric MetricKind.Gauge MetricUnit.Plain "proxy.serve.active_connections" proxied "Connections open now, from admission until both sockets are closed"
    let serveTotal = metric MetricKind.Total MetricUnit.Plain "proxy.serve.total" proxied "Relays ended since the start of the program, failed ones included"
    let protocolError = counter "proxy.protocol.error" proxied "Clients whose PROXY header was faulty, cut off or late"
    let handshakeError = counter "proxy.tls.handshake.error" proxied "Clients whose ClientHello or TLS handshake was refused or failed"
    let certificateEnd = metric MetricKind.Moment MetricUnit.Plain "proxy.tls.certificate.not_after_seconds" proxied "When the first certificate expires that the proxy shows, or sends with one, in seconds since 1970; nothing where it shows none"
    let pipeSuccess = counter "proxy.pipe.success" targeted "Relays that both sides ended"
    let pipeError = counter "proxy.pipe.error" targeted "Relays that ended in any other way, checks of a load balancer that end in a reset (`client.relay.probe`) among them"
    let pipeDuration = metric MetricKind.Timing MetricUnit.Milliseconds "proxy.pipe.duration" targeted "Time from the start to the end of a relay"
    let sourceSentSize = metric MetricKind.Timing MetricUnit.Bytes "proxy.pipe.src_sent.size" targeted "Bytes received from the client in one relay"
    let destinationReceivedSize = metric MetricKind.Timing MetricUnit.Bytes "proxy.pipe.dst_recv.size" targeted "Bytes received from the target in one relay"
    let sourceSentTotal = metric MetricKind.Total MetricUnit.Bytes "proxy.pipe.src_sent.total" proxied "Bytes received from clients in ended relays since the start of the program"
    let destinationReceivedTotal = metric MetricKind.Total MetricUnit.Bytes "proxy.pipe.dst_recv.total" proxied "Bytes received from targets in ended relays since the start of the program"
    let close = counter "proxy.close" [ MetricTag.Proxy; MetricTag.Listener; MetricTag.Reason ] "Connections ended, by close reason"
    let descriptorsOpen = metric MetricKind.Gauge MetricUnit.Plain "descriptors.open" [] "Descriptors that are open"
    let descriptorsLimit = metric MetricKind.Gauge MetricUnit.Plain "descriptors.limit" [] "Descriptors that may be open (RLIMIT_NOFILE)"
    let descriptorsScarce = metric MetricKind.Gauge MetricUnit.Plain "descriptors.scarce" [] "1 while accepting pauses for want of descriptors, else 0"
    let lastReload = metric MetricKind.Gauge MetricUnit.Plain "config.last_reload_successful" [] "1 from the start on, 0 from a refused reload until one is in force"
    let logDropped = counter "proxy.log.dropped" [ MetricTag.Proxy ] "Lines of the connection log dropped because its queue was full or its file could not be written"
    let statsdDropped = counter "statsd.dropped" [] "Datagrams to statsd that could not be sent, and lines that fit into none"
    let sentryDropped = counter "sentry.dropped" [] "Events for Sentry dropped by a limit, a full queue or a failure to send"

    /// In the order in which documentation and exposition show them.
    let all =
        [ acceptSuccess; acceptReject; acceptUnauthorized; acceptError; acceptShutdown
          dialSuccess; dialError; attemptError; targetFailing; dialLatency
          activeConnections; serveTotal
          protocolError; handshakeError; certificateEnd
          pipeSuccess; pipeError; pipeDuration; sourceSentSize; destinationReceivedSize; sourceSentTotal; destinationReceivedTotal
          close
          descriptorsOpen; descriptorsLimit; descriptorsScarce
          lastReload
          logDropped; statsdDropped; sentryDropped ]

    /// `bitflow_`, the name with underscores, the base unit, and `_total` where the value only grows: Prometheus's
    /// own conventions, which want seconds and say the unit.
    [<CompiledName("PrometheusName")>]
    let prometheusName (metric: Metric) =
        let grows = metric.Kind = MetricKind.Counter || metric.Kind = MetricKind.Total
        let stem = metric.Name.Replace('.', '_')
        let stem = if grows && stem.EndsWith "_total" then stem.Substring(0, stem.Length - "_total".Length) else stem
        let unit =
            match metric.Unit with
            | MetricUnit.Plain -> ""
            | MetricUnit.Milliseconds -> "_seconds"
            | MetricUnit.Bytes -> "_bytes"
        let suffix = if grows then "_total" else ""
        $"bitflow_{stem}{unit}{suffix}"

    /// What a recorded value is multiplied by for Prometheus.
    [<CompiledName("PrometheusScale")>]
    let prometheusScale (metric: Metric) =
        match metric.Unit with
        | MetricUnit.Milliseconds -> 0.001
        | MetricUnit.Plain
        | MetricUnit.Bytes -> 1.0

    /// The upper bounds of a timing's histogram, in its own unit (milliseconds or bytes), ascending, without infinity.
    [<CompiledName("HistogramBounds")>]
    let histogramBounds (metric: Metric) =
        match metric.Unit with
        | MetricUnit.Bytes -> [| for power in 8..4..36 -> float (1L <<< power) |]
        | MetricUnit.Milliseconds
        | MetricUnit.Plain -> [| 1.0; 2.5; 5.0; 10.0; 25.0; 50.0; 100.0; 250.0; 500.0; 1_000.0; 2_500.0; 5_000.0; 10_000.0; 60_000.0; 600_000.0; 3_600_000.0 |]
