using Bitflow.Domain;

namespace Bitflow.App;

/// <summary>Says how something stands that goes on: after a second, and then at growing intervals, until it is disposed of.</summary>
internal sealed class Reminder : IDisposable
{
    private readonly Action _say;
    private readonly Timer _timer;
    private int _times;

    public Reminder(Action say)
    {
        _say = say;
        _timer = new Timer(_ => Tick(), null, Wait(), Timeout.InfiniteTimeSpan);
    }

    public void Dispose()
    {
        // Whoever disposes goes on to say how it ended: no line of ours may follow that.
        using var stopped = new ManualResetEvent(false);
        if (_timer.Dispose(stopped))
            stopped.WaitOne();
    }

    private void Tick()
    {
        _say();
        _timer.Change(Wait(), Timeout.InfiniteTimeSpan);
    }

    private TimeSpan Wait() => ReminderWait.Before(++_times).ToTimerSpan();
}
