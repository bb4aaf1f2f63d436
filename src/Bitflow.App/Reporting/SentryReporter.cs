using System.Diagnostics;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Observing;

namespace Bitflow.App.Reporting;

/// <summary>
/// Reports errors to Sentry, from the thread pool, through a bounded queue. It never throws into its caller, never blocks it, and never reports
/// a failure of its own (SE-19). What limits, a full queue or failures keep back is dropped and counted.
/// </summary>
internal sealed class SentryReporter : IAsyncDisposable
{
    private const int QueueEvents = 100;

    /// <summary>How often an event is sent again after the network failed (SE-14); what the server refused is never sent again (SE-13).</summary>
    private const int Retries = 2;

    private static readonly TimeSpan RetryWait = TimeSpan.FromSeconds(1);

    /// <summary>How long the end of the process may be held up for what is still queued.</summary>
    private static readonly TimeSpan FlushBound = TimeSpan.FromSeconds(2);

    private readonly Channel<Func<SentryEvent>> _queue = Channel.CreateBounded<Func<SentryEvent>>(new BoundedChannelOptions(QueueEvents) { SingleReader = true });
    private readonly CancellationTokenSource _abandon = new();
    private readonly SentryTransport _transport;
    private readonly Task _sending;
    private SentryRateLimits _serverLimits = Sentry.NoRateLimits;
    private RepeatLimit<string> _ownLimit = Sentry.EventLimit();

    public SentryReporter(SentryDsn dsn)
    {
        _transport = new SentryTransport(dsn);
        _sending = Task.Run(SendAllAsync);
    }

    /// <summary>Takes an event, or drops it.</summary>
    /// <param name="make">Makes the event, later and elsewhere: reading a stack trace takes its time.</param>
    public void Report(Func<SentryEvent> make)
    {
        if (!_queue.Writer.TryWrite(make))
            Instruments.SentryDropped.Add(1);
    }

    /// <summary>Sends what is queued, within bounds.</summary>
    public async ValueTask DisposeAsync()
    {
        _queue.Writer.TryComplete();
        await Task.WhenAny(_sending, Task.Delay(FlushBound)).ConfigureAwait(false);
        await _abandon.CancelAsync().ConfigureAwait(false);
        await _sending.ConfigureAwait(false);
        _transport.Dispose();
        _abandon.Dispose();
    }

    private static Instant Now() => Instant.OfNanoseconds((long)Stopwatch.GetElapsedTime(0).TotalNanoseconds);

    private async Task SendAllAsync()
    {
        await foreach (Func<SentryEvent> make in _queue.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            bool sent = false;
            try
            {
                sent = await TrySendAsync(make()).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Whatever it was, it must not end reporting, and has nobody to be reported to.
            }

            if (!sent)
                Instruments.SentryDropped.Add(1);
        }
    }

    private async Task<bool> TrySendAsync(SentryEvent report)
    {
        if (_abandon.IsCancellationRequested || Sentry.MayNotSendEvents(Now(), _serverLimits))
            return false;
        (_, _ownLimit) = RepeatLimit.Sweep(Now(), _ownLimit);
        (RepeatVerdict verdict, _ownLimit) = RepeatLimit.Next(Now(), Sentry.Fingerprint(report), _ownLimit);
        if (verdict.IsSuppress)
            return false;
        for (int attempt = 0; ; attempt++)
        {
            SentryAnswer? answer = await _transport.PostAsync(report, _abandon.Token).ConfigureAwait(false);
            if (answer is not null)
            {
                _serverLimits = Sentry.AfterAnswer(Now(), DateTimeOffset.UtcNow, answer.Status, answer.RateLimits, answer.RetryAfter, _serverLimits);
                return answer.Status is >= 200 and < 300;
            }

            if (attempt == Retries || _abandon.IsCancellationRequested)
                return false;
            await Task.Delay(RetryWait, _abandon.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }
}
