using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Observing;
using Bitflow.Net.Transport;

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
    private volatile SentryRateLimits _serverLimits = SentryRateLimitsModule.None;
    private volatile RepeatLimit<string> _ownLimit = SentryEventModule.Limit();

    private readonly IReportingEvents _events;
    private SentryDiscards _discards = SentryDiscardsModule.None;
    private long _overflown;
    private long _backedOff;
    private long _repeated;
    private bool _isUnreachable;

    public SentryReporter(SentryDsn dsn, IReportingEvents events)
    {
        _transport = new SentryTransport(dsn);
        _events = events;
        Instruments.SentryDropped.Add(0);
        _sending = Task.Run(SendAllAsync);
    }

    /// <summary>Whether the machine has what it takes.</summary>
    public static bool CanSpeakTo(SentryDsn dsn) => !dsn.IsSecure || PlatformTls.IsThere;

    /// <summary>
    /// Whether an event of a kind would only be dropped now; it is then counted as dropped. Costs little, where what an event is made of costs much:
    /// a flood of errors is when there is no time to spare.
    /// </summary>
    public bool KeepsBack(string fingerprint)
    {
        if (SentryRateLimitsModule.MayNotSendEvents(MonotonicClock.Now, _serverLimits))
            Interlocked.Increment(ref _backedOff);
        else if (RepeatLimit.IsSpent(MonotonicClock.Now, fingerprint, _ownLimit))
            Interlocked.Increment(ref _repeated);
        else
            return false;
        Instruments.SentryDropped.Add(1);
        return true;
    }

    /// <summary>Takes an event, or drops it.</summary>
    /// <param name="make">Makes the event, later and elsewhere: reading a stack trace takes its time.</param>
    public void Report(Func<SentryEvent> make)
    {
        if (_queue.Writer.TryWrite(make))
            return;
        Interlocked.Increment(ref _overflown);
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

    private async Task SendAllAsync()
    {
        await foreach (Func<SentryEvent> make in _queue.Reader.ReadAllAsync().ConfigureAwait(false))
        {
            try
            {
                await SendAsync(make()).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Whatever it was, it must not end reporting, and has nobody to be reported to.
                Discard(SentryDiscard.EventProcessor);
            }
        }
    }

    private async Task SendAsync(SentryEvent report)
    {
        if (_abandon.IsCancellationRequested)
        {
            Discard(SentryDiscard.QueueOverflow);
            return;
        }

        if (SentryRateLimitsModule.MayNotSendEvents(MonotonicClock.Now, _serverLimits))
        {
            Discard(SentryDiscard.RateLimitBackoff);
            return;
        }

        (_, _ownLimit) = RepeatLimit.Sweep(MonotonicClock.Now, _ownLimit);
        (RepeatVerdict verdict, _ownLimit) = RepeatLimit.Next(MonotonicClock.Now, SentryEventModule.Fingerprint(report), _ownLimit);
        if (verdict.IsSuppress)
        {
            Discard(SentryDiscard.EventProcessor);
            return;
        }

        _discards = SentryDiscardsModule.Add(Interlocked.Exchange(ref _overflown, 0), SentryDiscard.QueueOverflow, _discards);
        _discards = SentryDiscardsModule.Add(Interlocked.Exchange(ref _backedOff, 0), SentryDiscard.RateLimitBackoff, _discards);
        _discards = SentryDiscardsModule.Add(Interlocked.Exchange(ref _repeated, 0), SentryDiscard.EventProcessor, _discards);
        for (int attempt = 0; attempt <= Retries && !_abandon.IsCancellationRequested; attempt++)
        {
            (SentryAnswer? answer, string failure) = await _transport.PostAsync(report, _discards, _abandon.Token).ConfigureAwait(false);
            if (answer is not null)
            {
                Take(answer);
                return;
            }

            if (!_isUnreachable && !_abandon.IsCancellationRequested)
                _events.Unreachable(failure);
            _isUnreachable = true;
            if (attempt < Retries)
                await Task.Delay(RetryWait, _abandon.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }

        Discard(SentryDiscard.NetworkError);
    }

    private void Take(SentryAnswer answer)
    {
        _isUnreachable = false;
        _serverLimits = SentryRateLimitsModule.AfterAnswer(MonotonicClock.Now, DateTimeOffset.UtcNow, answer.Status, answer.RateLimits, answer.RetryAfter, _serverLimits);
        if (SentryDiscardsModule.Took(answer.Status))
        {
            _discards = SentryDiscardsModule.None;
            return;
        }

        Instruments.SentryDropped.Add(1);
        _events.Refused(answer.Status, answer.Error);
        if (SentryDiscardsModule.ByAnswer(answer.Status) is { } why)
            _discards = SentryDiscardsModule.Add(1, why.Value, _discards);
    }

    private void Discard(SentryDiscard why)
    {
        Instruments.SentryDropped.Add(1);
        _discards = SentryDiscardsModule.Add(1, why, _discards);
    }
}
