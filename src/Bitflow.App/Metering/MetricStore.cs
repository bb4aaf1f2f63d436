using System.Diagnostics.Metrics;
using Bitflow.Domain;

namespace Bitflow.App.Metering;

/// <summary>
/// Listens to the meter and keeps what it says, one family a metric of the core's table. Made only where statsd or the admin server want it:
/// without a listener counting costs nothing.
/// </summary>
internal sealed class MetricStore : IDisposable
{
    private readonly Dictionary<string, MetricFamily> _byName;
    private readonly MeterListener _listener = new();
    private readonly Lock _collecting = new();

    public MetricStore()
    {
        Families = [.. Metrics.all.Select(static metric => new MetricFamily(metric))];
        _byName = Families.ToDictionary(static family => family.Metric.Name, StringComparer.Ordinal);
        _listener.InstrumentPublished = (instrument, listener) =>
        {
            if (instrument.Meter.Name == Metrics.Meter && _byName.TryGetValue(instrument.Name, out MetricFamily? family))
                listener.EnableMeasurementEvents(instrument, family);
        };
        _listener.SetMeasurementEventCallback<long>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.SetMeasurementEventCallback<double>(static (_, value, tags, family) => ((MetricFamily)family!).Record(value, tags));
        _listener.Start();
    }

    /// <summary>In the order of the core's table.</summary>
    public IReadOnlyList<MetricFamily> Families { get; }

    /// <summary>Asks the instruments whose values are not told. What they no longer speak of, such as a proxy that a reload removed, is gone.</summary>
    public void Collect()
    {
        lock (_collecting)
        {
            foreach (MetricFamily family in Families)
                family.BeginCollection();
            _listener.RecordObservableInstruments();
            foreach (MetricFamily family in Families)
                family.EndCollection();
        }
    }

    /// <summary>From here on statsd is told everything, single values of timings too; what was counted before belongs to no interval of its.</summary>
    public void BeginIntervals()
    {
        foreach (MetricFamily family in Families)
        {
            foreach (MetricSeries series in family.Series)
            {
                series.TakeEvents();
                series.TakeSamples();
            }

            family.KeepsSamples = true;
        }
    }

    /// <summary>Nobody wants single values any more.</summary>
    public void EndIntervals()
    {
        foreach (MetricFamily family in Families)
            family.KeepsSamples = false;
    }

    public void Dispose() => _listener.Dispose();
}
