using System.Collections.Concurrent;
using Bitflow.Domain;

namespace Bitflow.App.Metering;

/// <summary>One metric and its series, one for each combination of tag values. Recorded from any thread.</summary>
internal sealed class MetricFamily(Metric metric)
{
    private readonly ConcurrentDictionary<TagValues, MetricSeries> _series = new();
    private readonly string[] _keys = [.. metric.Tags.Select(static tag => tag.Key)];
    private readonly double[] _bounds = metric.Kind.IsTiming ? Metrics.HistogramBounds(metric) : [];
    private int _collection;

    public Metric Metric { get; } = metric;

    public bool KeepsSamples { get; set; }

    public IEnumerable<MetricSeries> Series => _series.Values;

    /// <summary>Whether its values are asked for, and not told.</summary>
    public bool IsObserved => Metric.Kind.IsGauge || Metric.Kind.IsMoment || Metric.Kind.IsTotal;

    public void Record(double value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        MetricSeries series = Find(tags);
        if (Metric.Kind.IsTiming)
            series.AddSample(value, KeepsSamples);
        else
            series.Set(value, _collection);
    }

    public void Record(long value, ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        if (Metric.Kind.IsCounter)
            Find(tags).Add(value);
        else
            Record((double)value, tags);
    }

    public void BeginCollection() => _collection++;

    public void EndCollection()
    {
        if (!IsObserved)
            return;
        foreach (KeyValuePair<TagValues, MetricSeries> entry in _series)
        {
            if (entry.Value.Collection != _collection)
                _series.TryRemove(entry);
        }
    }

    private MetricSeries Find(ReadOnlySpan<KeyValuePair<string, object?>> tags)
    {
        // Every instrument is told its tags in the table's order; none has more than three.
        var values = new TagValues(Value(tags, 0), Value(tags, 1), Value(tags, 2));
        return _series.TryGetValue(values, out MetricSeries? series) ? series : _series.GetOrAdd(values, Make);
    }

    private MetricSeries Make(TagValues values)
    {
        string?[] all = [values.First, values.Second, values.Third];
        return new MetricSeries(_keys.Zip(all, static (key, value) => Tuple.Create(key, value ?? "")), _bounds);
    }

    private static string? Value(ReadOnlySpan<KeyValuePair<string, object?>> tags, int place) => place < tags.Length ? (string?)tags[place].Value : null;

    /// <summary>
    /// Looked up for every count. The values are names of the configuration's: a few of their letters tell them apart as well as all would, and
    /// nobody outside can make them collide.
    /// </summary>
    private readonly record struct TagValues(string? First, string? Second, string? Third)
    {
        public override int GetHashCode() => (((Hash(First) * 31) + Hash(Second)) * 31) + Hash(Third);

        private static int Hash(string? value) =>
            string.IsNullOrEmpty(value) ? 0 : (value.Length * 961) + (value[^1] * 31) + (value[value.Length / 2] * 7) + value[Math.Max(0, value.Length - 2)];
    }
}
