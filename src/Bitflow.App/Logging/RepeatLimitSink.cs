using Bitflow.Domain;
using Bitflow.Net.Transport;
using Serilog.Core;
using Serilog.Events;
using Serilog.Parsing;

namespace Bitflow.App.Logging;

/// <summary>
/// Lets the same failure through ten times a second (the core's <see cref="RepeatLimit"/> decides) and says how many were suppressed.
/// The same: one message, for one proxy, target and reason. What is no failure passes as it is.
/// </summary>
internal sealed class RepeatLimitSink : ILogEventSink, IDisposable
{
    private static readonly TimeSpan SweepInterval = TimeSpan.FromSeconds(1);

    private static readonly MessageTemplate MoreOfIt =
        new MessageTemplateParser().Parse("suppressed {Suppressed} more of the same: {Failure:l}");

    private static readonly string[] WhatTellsApart = ["Proxy", "Target", "Reason", "Path", "Fault"];

    private const char Separator = '\u001f';

    private readonly ILogEventSink _next;
    private readonly Lock _gate = new();
    private readonly Timer _sweep;
    private RepeatLimit<string> _limit = RepeatLimit.ForLog();
    private bool _isSweeping;

    public RepeatLimitSink(ILogEventSink next)
    {
        _next = next;
        _sweep = new Timer(static sink => ((RepeatLimitSink)sink!).Sweep(), this, Timeout.Infinite, Timeout.Infinite);
    }

    public void Emit(LogEvent logEvent)
    {
        if (!IsFailure(logEvent))
        {
            _next.Emit(logEvent);
            return;
        }

        string failure = Failure(logEvent);
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

    /// <summary>A warning or an error, or at a lower level the fault of an attempt or a connection.</summary>
    private static bool IsFailure(LogEvent logEvent) =>
        logEvent.Level >= LogEventLevel.Warning
        || logEvent.Properties.ContainsKey("Fault")
        || (logEvent.Properties.TryGetValue("Reason", out LogEventPropertyValue? reason)
            && CloseReasonModule.TryParse((reason as ScalarValue)?.Value as string) is { IsSome: true } known
            && !CloseReasonModule.IsOrderly(known.Value));

    /// <summary>At which level, what happened, and to whom, with separators between: the message without what differs from one occurrence to the next.</summary>
    private static string Failure(LogEvent logEvent)
    {
        IEnumerable<string> parts = WhatTellsApart
            .Where(name => logEvent.Properties.ContainsKey(name))
            .Select(name => $"{name.ToLowerInvariant()} {(logEvent.Properties[name] as ScalarValue)?.Value}");
        return string.Join(Separator, logEvent.Level, logEvent.MessageTemplate.Text, string.Join(", ", parts));
    }

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
        (RepeatSummary<string> summary, _limit) = RepeatLimit.Sweep(now, _limit);
        foreach ((string failure, long suppressed) in summary.Suppressed)
            Summarise(suppressed, failure);
        if (summary.Crowded > 0)
            Say(LogEventLevel.Warning, summary.Crowded, "failures of too many kinds at once");
    }

    /// <summary>At the level of what it stands for.</summary>
    private void Summarise(long suppressed, string failure)
    {
        string[] parts = failure.Split(Separator);
        Say(Enum.Parse<LogEventLevel>(parts[0]), suppressed, parts[^1].Length > 0 ? parts[^1] : parts[1]);
    }

    private void Say(LogEventLevel level, long suppressed, string text) =>
        _next.Emit(new LogEvent(
            DateTimeOffset.Now,
            level,
            exception: null,
            MoreOfIt,
            [new("Suppressed", new ScalarValue(suppressed)), new("Failure", new ScalarValue(text))]));
}
