using Bitflow.App.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Xunit;

namespace Bitflow.Tests.Observing;

/// <summary>The log's limit on repetitions.</summary>
public sealed class RepeatLimitSinkTests
{
    /// <summary>What nobody would see at the level of the log must not come up as a warning because there was more of it.</summary>
    [Theory]
    [InlineData(LogEventLevel.Debug)]
    [InlineData(LogEventLevel.Warning)]
    [InlineData(LogEventLevel.Error)]
    public void How_much_was_suppressed_is_said_at_the_level_of_what_it_was(LogEventLevel level)
    {
        var written = new Written();
        var limit = new RepeatLimitSink(written);
        using (Logger log = new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Sink(limit).CreateLogger())
        {
            for (int i = 0; i < 100; i++)
                log.Write(level, "attempt {Attempt}: {Fault}", i, "it refused");
        }

        limit.Dispose();
        LogEvent summary = Assert.Single(written.Events, static e => e.MessageTemplate.Text.StartsWith("suppressed", StringComparison.Ordinal));
        Assert.Equal(level, summary.Level);
        Assert.Equal("suppressed 90 more of the same: fault it refused", summary.RenderMessage(System.Globalization.CultureInfo.InvariantCulture));
        Assert.All(written.Events, e => Assert.Equal(level, e.Level));
    }

    private sealed class Written : ILogEventSink
    {
        public List<LogEvent> Events { get; } = [];

        public void Emit(LogEvent logEvent) => Events.Add(logEvent);
    }
}
