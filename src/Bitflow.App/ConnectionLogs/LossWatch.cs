using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.App.ConnectionLogs;

/// <summary>
/// Says once that lines of a connection log are lost, and once that it can be written again, as the core says (<see cref="LogLosses"/>). Whoever is kept from handing a line over speaks of it as
/// well as the writer.
/// </summary>
internal sealed class LossWatch(string path, IConnectionLogEvents events)
{
    private readonly Lock _gate = new();
    private LogLosses _losses = LogLossesModule.None;

    /// <summary>Lines were lost.</summary>
    public void OnLost(string reason)
    {
        bool begins;
        lock (_gate)
            (_losses, begins) = LogLossesModule.Lost(MonotonicClock.Now, _losses);
        if (begins)
            events.Unwritable(path, reason);
    }

    /// <summary>Lines were written, and all of those that were at hand.</summary>
    public void OnWritten()
    {
        lock (_gate)
            _losses = LogLossesModule.Written(_losses);
    }

    /// <summary>To be called when <see cref="UntilLook"/> is over, or before.</summary>
    public void Look()
    {
        bool isOver;
        lock (_gate)
            (_losses, isOver) = LogLossesModule.Looked(MonotonicClock.Now, _losses);
        if (isOver)
            events.WritableAgain(path);
    }

    /// <summary>How long the writer may sleep without a line.</summary>
    public TimeSpan UntilLook()
    {
        lock (_gate)
        {
            FSharpValueOption<Duration> wait = LogLossesModule.UntilOver(MonotonicClock.Now, _losses);
            return wait.IsSome ? wait.Value.ToTimerSpan() : Timeout.InfiniteTimeSpan;
        }
    }
}
