using System.Diagnostics.Metrics;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Proxies;

namespace Bitflow.Net.Observing;

/// <summary>
/// The instruments of the meter <c>Bitflow</c>, one for each metric of the core's table, under the same name. Whoever listens to the meter
/// (statsd, the admin page, <c>dotnet-counters</c>, OpenTelemetry) sees the same numbers; where nobody listens an increment is one test of a flag.
/// </summary>
internal static class Instruments
{
    private static readonly Meter Meter = new(Metrics.Meter);

    public static readonly Counter<long> AcceptSuccess = Counter(Metrics.acceptSuccess);
    public static readonly Counter<long> AcceptReject = Counter(Metrics.acceptReject);
    public static readonly Counter<long> AcceptUnauthorized = Counter(Metrics.acceptUnauthorized);
    public static readonly Counter<long> AcceptError = Counter(Metrics.acceptError);
    public static readonly Counter<long> AcceptShutdown = Counter(Metrics.acceptShutdown);
    public static readonly Counter<long> DialSuccess = Counter(Metrics.dialSuccess);
    public static readonly Counter<long> DialError = Counter(Metrics.dialError);
    public static readonly Counter<long> AttemptError = Counter(Metrics.attemptError);
    public static readonly Counter<long> ProtocolError = Counter(Metrics.protocolError);
    public static readonly Counter<long> HandshakeError = Counter(Metrics.handshakeError);
    public static readonly Counter<long> PipeSuccess = Counter(Metrics.pipeSuccess);
    public static readonly Counter<long> PipeError = Counter(Metrics.pipeError);
    public static readonly Counter<long> Close = Counter(Metrics.close);
    public static readonly Counter<long> LogDropped = Counter(Metrics.logDropped);
    public static readonly Counter<long> StatsdDropped = Counter(Metrics.statsdDropped);
    public static readonly Counter<long> SentryDropped = Counter(Metrics.sentryDropped);

    public static readonly Histogram<double> DialLatency = Timing(Metrics.dialLatency);
    public static readonly Histogram<double> PipeDuration = Timing(Metrics.pipeDuration);
    public static readonly Histogram<double> SourceSentSize = Timing(Metrics.sourceSentSize);
    public static readonly Histogram<double> DestinationReceivedSize = Timing(Metrics.destinationReceivedSize);

    /// <summary>Whose levels are asked for, instead of told.</summary>
    private static volatile Func<IEnumerable<RunningProxy>> _running = static () => [];

    /// <summary>Whose running sums are asked for.</summary>
    private static volatile Func<IEnumerable<ProxyState>> _everServed = static () => [];

    /// <summary>Who counts descriptors; null before a server is made.</summary>
    private static volatile DescriptorGuard? _descriptors;

    private static volatile bool _isLastReloadSuccessful = true;

    static Instruments()
    {
        Meter.CreateObservableGauge(Metrics.lastReload.Name, static () => _isLastReloadSuccessful ? 1L : 0L, Unit(Metrics.lastReload), Metrics.lastReload.Help);
        Gauge(Metrics.activeConnections, static () => Measure(States(), static s => s.Open));
        Gauge(Metrics.certificateEnd, static () => Measure(States(), static s => s.Tls?.FirstEnd ?? 0).Where(static end => end.Value != 0));
        Gauge(
            Metrics.targetFailing,
            static () => _running().SelectMany(static proxy => proxy.Model.Targets.Select(
                (target, place) => new Measurement<long>(target.Reach.Failure is null ? 0 : 1, proxy.Model.Meter.TagsOf(place)))));
        OfProcess(Metrics.descriptorsOpen, static guard => Math.Min(Libc.DescriptorsInUse(), guard.Limit));
        OfProcess(Metrics.descriptorsLimit, static guard => guard.Limit);
        OfProcess(Metrics.descriptorsScarce, static guard => guard.IsPausing ? 1 : 0);
        Total(Metrics.serveTotal, static s => s.Relays);
        Total(Metrics.sourceSentTotal, static s => s.SourceSent);
        Total(Metrics.destinationReceivedTotal, static s => s.DestinationReceived);

        static IEnumerable<ProxyState> States() => _running().Select(static proxy => proxy.State);

        static void Gauge(Metric metric, Func<IEnumerable<Measurement<long>>> values) =>
            Meter.CreateObservableGauge(metric.Name, values, Unit(metric), metric.Help);

        static void OfProcess(Metric metric, Func<DescriptorGuard, long> value) =>
            Gauge(metric, () => _descriptors is { } guard ? [new Measurement<long>(value(guard))] : []);

        static void Total(Metric metric, Func<ProxyState, long> value) =>
            Meter.CreateObservableCounter(metric.Name, () => Measure(_everServed(), value), Unit(metric), metric.Help);
    }

    /// <summary>Names those that are asked whenever a listener collects, on its thread.</summary>
    /// <param name="running">The proxies that run now.</param>
    /// <param name="everServed">All since the start of the program: a sum without those that are gone would go back, and miss their last relays.</param>
    /// <param name="descriptors">Who counts descriptors.</param>
    public static void Observe(Func<IEnumerable<RunningProxy>> running, Func<IEnumerable<ProxyState>> everServed, DescriptorGuard descriptors) =>
        (_running, _everServed, _descriptors) = (running, everServed, descriptors);

    /// <summary>What is told of the last reload.</summary>
    public static void EndReload(bool isSuccessful) => _isLastReloadSuccessful = isSuccessful;

    private static IEnumerable<Measurement<long>> Measure(IEnumerable<ProxyState> proxies, Func<ProxyState, long> value) =>
        proxies.Select(state => new Measurement<long>(value(state), state.Tags));

    private static Counter<long> Counter(Metric metric) => Meter.CreateCounter<long>(metric.Name, Unit(metric), metric.Help);

    private static Histogram<double> Timing(Metric metric) => Meter.CreateHistogram<double>(metric.Name, Unit(metric), metric.Help);

    /// <summary>In the notation of UCUM, as OpenTelemetry wants it.</summary>
    private static string? Unit(Metric metric) =>
        metric.Unit.IsMilliseconds ? "ms" : metric.Unit.IsBytes ? "By" : null;
}
