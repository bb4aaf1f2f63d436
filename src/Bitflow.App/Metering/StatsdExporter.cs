using Bitflow.Domain;
using Bitflow.Net.Observing;

namespace Bitflow.App.Metering;

/// <summary>Sends what the store holds to statsd, once a second, from the thread pool. A receiver that is not there is said once, and not noticed elsewhere.</summary>
internal sealed class StatsdExporter : IAsyncDisposable
{
    private static readonly TimeSpan FlushInterval = TimeSpan.FromSeconds(1);

    private readonly MetricStore _store;
    private readonly MetricsConfig _config;
    private readonly StatsdSocket _socket;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _flushing;
    private readonly Action<Exception> _failed;
    private readonly Action<string> _notReceived;
    private readonly Action _receivedAgain;
    private bool _isProblemSaid;

    /// <summary>The levels that the receiver has; it keeps them for as long as it is told no other.</summary>
    private (Metric Metric, MetricSeries Series)[] _levels = [];

    /// <summary>Datagrams that could not be sent yet, the oldest first: they go before those of the next flush.</summary>
    private readonly Queue<byte[]> _waiting = [];

    /// <param name="store">Where the measurements are; its intervals have begun (<see cref="MetricStore.BeginIntervals"/>).</param>
    /// <param name="config">Where they go, and in which dialect.</param>
    /// <param name="failed">Is told of a flush that failed for no reason of the receiver's; the next one is tried all the same.</param>
    /// <param name="notReceived">Is told why nothing arrives, once until something does.</param>
    /// <param name="receivedAgain">Is told that nothing stands in the way any more.</param>
    public StatsdExporter(MetricStore store, MetricsConfig config, Action<Exception> failed, Action<string> notReceived, Action receivedAgain)
    {
        _receivedAgain = receivedAgain;
        _failed = failed;
        _notReceived = notReceived;
        _store = store;
        _config = config;
        _socket = new StatsdSocket(config.Address);
        Instruments.StatsdDropped.Add(0);
        _flushing = Task.Run(RunAsync);
    }

    /// <summary>Ends with a last flush. What is counted after it, or waits for the receiver's name still, is there for whoever comes next.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync().ConfigureAwait(false);
        await _flushing.ConfigureAwait(false);
        Flush();
        Instruments.StatsdDropped.Add(_waiting.Count);
        _socket.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        using var timer = new PeriodicTimer(FlushInterval);
        try
        {
            while (await timer.WaitForNextTickAsync(_stop.Token).ConfigureAwait(false))
                Flush();
        }
        catch (OperationCanceledException)
        {
            // The end.
        }
    }

    /// <summary>Throws nothing: a flush that fails is one flush, whatever it lacked, a thread or memory.</summary>
    private void Flush()
    {
        try
        {
            Send();
            if (_socket.Problem is { } problem && !_isProblemSaid)
                _notReceived(problem);
            else if (_socket.Problem is null && _isProblemSaid)
                _receivedAgain();
            _isProblemSaid = _socket.Problem is not null;
        }
        catch (Exception e)
        {
            _failed(e);
        }
    }

    private void Send()
    {
        // Until the name resolves the counts wait where they are; nothing of them is lost.
        if (!_socket.TryBegin())
            return;
        _store.Collect();
        IEnumerable<StatsdSample> samples = _store.Families.SelectMany(Samples).Concat(Levels());
        (IEnumerable<byte[]> datagrams, int leftOut) = Statsd.Datagrams(_config, samples);
        foreach (byte[] datagram in datagrams)
            _waiting.Enqueue(datagram);
        Instruments.StatsdDropped.Add(leftOut);
        SendWaiting();
    }

    private void SendWaiting()
    {
        bool isDone = true;
        while (isDone && _waiting.TryPeek(out byte[]? oldest))
        {
            isDone = _socket.TrySend(oldest, out int lost);
            Instruments.StatsdDropped.Add(lost);
            if (isDone)
                _waiting.Dequeue();
        }

        int excess = Statsd.Excess(_waiting.Count);
        Instruments.StatsdDropped.Add(excess);
        for (; excess > 0; excess--)
            _waiting.Dequeue();
    }

    /// <summary>Levels and sums now; of those that were sent before and are observed no more, that nothing is left, which is the last that is said of them.</summary>
    private IEnumerable<StatsdSample> Levels()
    {
        (Metric Metric, MetricSeries Series)[] before = _levels;
        _levels =
        [
            .. _store.Families.Where(static family => family.IsObserved).SelectMany(static family => family.Series.Select(series => (family.Metric, series))),
        ];
        return _levels.Select(static level => Sample(level.Metric, level.Series, level.Series.Level))
            .Concat(before.Except(_levels).Where(static gone => !gone.Metric.Kind.IsMoment).Select(static gone => Sample(gone.Metric, gone.Series, 0)));
    }

    private static IEnumerable<StatsdSample> Samples(MetricFamily family)
    {
        foreach (MetricSeries series in family.Series)
        {
            switch (family.Metric.Kind)
            {
                case { IsCounter: true }:
                    long events = series.TakeEvents();
                    if (events != 0)
                        yield return new(family.Metric.Name, series.Tags, StatsdValue.NewCount(events));
                    break;
                case { IsTiming: true }:
                    (double[] samples, long seen) = series.TakeSamples();
                    foreach (double sample in samples)
                        yield return new(family.Metric.Name, series.Tags, StatsdValue.NewTiming(sample, (double)samples.Length / seen));
                    break;
            }
        }
    }

    private static StatsdSample Sample(Metric metric, MetricSeries series, double level) =>
        new(metric.Name, series.Tags, metric.Kind.IsMoment ? StatsdValue.NewMoment(level) : StatsdValue.NewGauge(level));
}
