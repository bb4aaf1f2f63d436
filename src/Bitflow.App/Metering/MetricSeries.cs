using Microsoft.FSharp.Collections;

namespace Bitflow.App.Metering;

/// <summary>The values of one metric under one combination of tags.</summary>
internal sealed class MetricSeries(IEnumerable<Tuple<string, string>> tags, double[] bounds)
{
    /// <summary>Values of a timing that one flush sends one by one; of more, a fair choice goes, with its rate.</summary>
    public const int SamplesPerFlush = 200;

    private readonly Lock _gate = new();
    private readonly long[] _buckets = new long[bounds.Length];
    private double[] _samples = [];
    private long _seen;
    private long _count;
    private double _sum;
    private double _level;
    private long _flushed;

    /// <summary>Keys and values as they were told, in the table's order.</summary>
    public FSharpList<Tuple<string, string>> Tags { get; } = ListModule.OfSeq(tags);

    /// <summary>The collection that last set the level.</summary>
    public int Collection { get; private set; }

    /// <summary>How many events, or how many values of a timing, since the listener began.</summary>
    public long Count => Volatile.Read(ref _count);

    public double Level => Volatile.Read(ref _level);

    public void Add(long events) => Interlocked.Add(ref _count, events);

    public void Set(double level, int collection)
    {
        Volatile.Write(ref _level, level);
        Collection = collection;
    }

    public void AddSample(double value, bool keep)
    {
        lock (_gate)
        {
            _count++;
            _sum += value;
            int bucket = Array.BinarySearch(bounds, value);
            bucket = bucket < 0 ? ~bucket : bucket;
            if (bucket < _buckets.Length)
                _buckets[bucket]++;
            if (keep)
                Keep(value);
        }
    }

    /// <summary>The events since the last flush.</summary>
    public long TakeEvents()
    {
        long count = Count;
        long events = count - _flushed;
        _flushed = count;
        return events;
    }

    /// <summary>The values since the last flush, or a fair choice of them, and how many there were.</summary>
    public (double[] Samples, long Seen) TakeSamples()
    {
        lock (_gate)
        {
            (double[] Samples, long Seen) taken = (_samples[..(int)Math.Min(_seen, _samples.Length)], _seen);
            _seen = 0;
            return taken;
        }
    }

    /// <summary>For each bound the number of values at or below it; the number of all; their sum.</summary>
    public (Tuple<double, long>[] Buckets, long Count, double Sum) Distribution(double scale)
    {
        lock (_gate)
        {
            long atMost = 0;
            return ([.. bounds.Select((bound, i) => Tuple.Create(bound * scale, atMost += _buckets[i]))], _count, _sum * scale);
        }
    }

    /// <summary>Every value of the interval is equally likely to be kept (Vitter's algorithm R).</summary>
    private void Keep(double value)
    {
        if (_samples.Length == 0)
            _samples = new double[SamplesPerFlush];
        long place = _seen < SamplesPerFlush ? _seen : Random.Shared.NextInt64(_seen + 1);
        if (place < SamplesPerFlush)
            _samples[place] = value;
        _seen++;
    }
}
