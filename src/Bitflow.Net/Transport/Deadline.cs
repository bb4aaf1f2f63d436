using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>A limit for what no loop keeps the time of: as on the loops, one that comes very late waits once for what came meanwhile (<see cref="LateAlarm"/>).</summary>
internal static class Deadline
{
    /// <summary>Waits for work, and no longer than the time.</summary>
    public static async Task EndsWaitAsync(Task work, Duration time)
    {
        using var isDone = new CancellationTokenSource();
        await Task.WhenAny(work, PassesAsync(time, isDone.Token)).ConfigureAwait(false);
        await isDone.CancelAsync().ConfigureAwait(false);
    }

    /// <summary>Completes when the time is over; cancelled, at once and without an exception.</summary>
    public static async Task PassesAsync(Duration time, CancellationToken token)
    {
        Instant due = MonotonicClock.Now + time;

        // Again where the platform's timer is over before the time is: it has no more than seven weeks.
        do
            await Task.Delay((due - MonotonicClock.Now).ToTimerSpan(), token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        while (!token.IsCancellationRequested && MonotonicClock.Now < due);
        if (!token.IsCancellationRequested && LateAlarm.IsVeryLate(due, MonotonicClock.Now))
            await Task.Delay(LateAlarm.Grace.ToTimerSpan(), token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }
}
