using Bitflow.Domain;
using Bitflow.Net.Transport;
using Serilog.Core;
using Serilog.Events;
using Serilog.Parsing;

namespace Bitflow.App.Logging;

/// <summary>
/// Lets the same failure (the core's <see cref="LoggedFailure"/> says which is) through ten times a second and says how many were suppressed. What is no failure
/// passes as it is.
/// </summary>
internal sealed class RepeatLimitSink : ILogEventSink, IDisposable
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    private static readonly MessageTemplate MoreOfIt =
        new MessageTemplateParser().Parse("suppressed {Suppressed} more of the same: {Failure:l}");

    private readonly ILogEventSink _next;
    private readonly Lock _gate = new();
    private readonly Timer _sweep;
    private RepeatLimit<LoggedFailure> _limit = LoggedFailureModule.Limit();
    private bool _isSweeping;

    public RepeatLimitSink(ILogEventSink next)
    {
        _next = next;
        _sweep = new Timer(static sink => ((RepeatLimitSink)sink!).Sweep(), this, Timeout.Infinite, Timeout.Infinite);
    }

    public void Emit(LogEvent logEvent)
    {
        var told = LoggedFailureModule.TryOf(LogLevels.Of(logEvent.Level), logEvent.MessageTemplate.Text, name => Value(logEvent, name));
        if (told.IsNone)
        {
            _next.Emit(logEvent);
            return;
        }

        LoggedFailure failure = told.Value;
        RepeatVerdict verdict;
        lock (_gate)
        {
            (verdict, _limit) = RepeatLimit.Next(MonotonicClock.Now, failure, _limit);
            if (!_isSweeping)
            {
                _isSweeping = true;
                _sweep.Change(SweepInterval, Timeout.InfiniteTimeSpan);
            }
        }

        if (verdict.IsSuppress)
            return;
        if (verdict.suppressedBefore > 0)
            Summarise(verdict.suppressedBefore, failure);
        _next.Emit(logEvent);
    }

    public void Dispose()
    {
        _sweep.Dispose();
        lock (_gate)
            Report(Instant.Never);
    }

    private static string? Value(LogEvent logEvent, string name) =>
        logEvent.Properties.TryGetValue(name, out LogEventPropertyValue? value) ? (value as ScalarValue)?.Value?.ToString() ?? "" : null;

    private void Sweep()
    {
        lock (_gate)
        {
            Report(MonotonicClock.Now);
            _isSweeping = !RepeatLimit.IsEmpty(_limit);
            if (_isSweeping)
                _sweep.Change(SweepInterval, Timeout.InfiniteTimeSpan);
        }
    }

    private void Report(Instant now)
    {
        (RepeatSummary<LoggedFailure> summary, _limit) = RepeatLimit.Sweep(now, _limit);
        foreach ((LoggedFailure failure, long suppressed) in summary.Suppressed)
            Summarise(suppressed, failure);
        if (summary.Crowded > 0)
            Say(LogEventLevel.Warning, summary.Crowded, "failures of too many kinds at once");
    }

    /// <summary>At the level of what it stands for.</summary>
    private void Summarise(long suppressed, LoggedFailure failure) => Say(LogLevels.Of(failure.Level), suppressed, LoggedFailureModule.Describe(failure));

    private void Say(LogEventLevel level, long suppressed, string text) =>
        _next.Emit(new LogEvent(
            DateTimeOffset.Now,
            level,
            exception: null,
            MoreOfIt,
            [new("Suppressed", new ScalarValue(suppressed)), new("Failure", new ScalarValue(text))]));
}
