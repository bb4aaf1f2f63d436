using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Observing;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Reporting;

/// <summary>
/// Reports errors to Sentry, from the thread pool, through a bounded queue, as the core says (<see cref="SentryDelivery"/>). It never throws into its caller, never
/// blocks it, and never reports a failure of its own (SE-19).
/// </summary>
internal sealed class SentryReporter : ISentryReporter, IAsyncDisposable
{
    private const int QueueEvents = 100;

    /// <summary>How long the end of the process may be held up for what is still queued.</summary>
    private static readonly TimeSpan FlushBound = TimeSpan.FromSeconds(2);

    private readonly Channel<Func<SentryEvent>> _queue = Channel.CreateBounded<Func<SentryEvent>>(new BoundedChannelOptions(QueueEvents) { SingleReader = true });
    private readonly CancellationTokenSource _abandon = new();
    private readonly Lock _gate = new();
    private readonly SentryTransport _transport;
    private readonly IReportingEvents _events;
    private readonly Task _sending;

    /// <summary>Written under the gate alone.</summary>
    private volatile SentryDelivery _delivery = SentryDeliveryModule.Start();

    /// <summary>When the event under way is to be posted; null where it needs no more.</summary>
    private TimeSpan? _postIn;

    public SentryReporter(SentryDsn dsn, IReportingEvents events)
    {
        _transport = new SentryTransport(dsn);
        _events = events;
        Instruments.SentryDropped.Add(0);
        _sending = Task.Run(SendAllAsync);
    }

    /// <summary>Whether the machine has what it takes.</summary>
    public static bool CanSpeakTo(SentryDsn dsn) => !dsn.IsSecure || PlatformTls.IsThere;

    /// <summary>Whether an event of a kind would only be dropped now; it is then counted as dropped.</summary>
    public bool KeepsBack(string fingerprint)
    {
        FSharpValueOption<SentryDiscard> why = SentryDeliveryModule.KeepsBack(MonotonicClock.Now, fingerprint, _delivery);
        if (why.IsSome)
            Lose(why.Value);
        return why.IsSome;
    }

    /// <summary>Takes an event, or drops it.</summary>
    /// <param name="make">Makes the event, later and elsewhere: reading a stack trace takes its time.</param>
    public void Report(Func<SentryEvent> make)
    {
        if (!_queue.Writer.TryWrite(make))
            Lose(SentryDiscard.QueueOverflow);
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
            if (_abandon.IsCancellationRequested)
            {
                Lose(SentryDiscard.QueueOverflow);
                continue;
            }

            try
            {
                await SendAsync(make()).ConfigureAwait(false);
            }
            catch (Exception)
            {
                // Whatever it was, it must not end reporting, and has nobody to be reported to.
                Lose(SentryDiscard.EventProcessor);
            }
        }
    }

    private async Task SendAsync(SentryEvent report)
    {
        string fingerprint = SentryEventModule.Fingerprint(report);
        Follow(delivery => SentryDeliveryModule.Taken(MonotonicClock.Now, fingerprint, delivery));
        while (_postIn is { } wait)
        {
            _postIn = null;
            await Task.Delay(wait, _abandon.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            (SentryAnswer? answer, string failure) = await _transport.PostAsync(report, SentryDeliveryModule.Told(_delivery), _abandon.Token).ConfigureAwait(false);
            if (answer is not null)
                Follow(delivery => SentryDeliveryModule.Answered(MonotonicClock.Now, DateTimeOffset.UtcNow, answer, delivery));
            else if (_abandon.IsCancellationRequested)
                Follow(SentryDeliveryModule.Abandoned);
            else
                Follow(delivery => SentryDeliveryModule.Failed(failure, delivery));
        }
    }

    private void Lose(SentryDiscard why) => Follow(delivery => SentryDeliveryModule.Lost(why, delivery));

    /// <summary>What is said of it, is said outside the gate: the log may come back here.</summary>
    private void Follow(Func<SentryDelivery, (SentryDelivery State, FSharpList<SentryOrder> Orders)> decide)
    {
        FSharpList<SentryOrder> orders;
        lock (_gate)
            (_delivery, orders) = decide(_delivery);
        foreach (SentryOrder order in orders)
            SentryOrderModule.CarryOut(this, order);
    }

    void ISentryReporter.PostIn(Duration wait) => _postIn = wait.ToTimerSpan();

    void ISentryReporter.CountDropped() => Instruments.SentryDropped.Add(1);

    void ISentryReporter.LogRefused(int status, string reason) => _events.Refused(status, reason);

    void ISentryReporter.LogUnreachable(string reason) => _events.Unreachable(reason);
}
