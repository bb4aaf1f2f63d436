using Bitflow.App.Reporting;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>
/// The log of the program on standard error. Serilog is known in this folder alone; everything else speaks to
/// <see cref="Microsoft.Extensions.Logging.ILogger"/>. Written off the data path through a bounded queue.
/// </summary>
internal sealed class ProgramLog : IAsyncDisposable
{
    /// <summary>Lines that may wait for a slow standard error; beyond it they are dropped, which is said.</summary>
    private const int QueueLines = 10_000;

    /// <summary>How long the end of the process waits for lines that are still to be written.</summary>
    private static readonly TimeSpan ClosingPatience = TimeSpan.FromSeconds(2);

    /// <summary>Above every level that is written: logging off.</summary>
    private const LogEventLevel Off = LogEventLevel.Fatal + 1;

    /// <summary>What is written.</summary>
    private readonly LoggingLevelSwitch _level = new();

    /// <summary>What is made at all: errors are reported even where nothing is written.</summary>
    private readonly LoggingLevelSwitch _lowest = new();

    private readonly LineFormatter _lines = new(Screen.ErrorsArePainted);
    private readonly SentrySink _errors = new();
    private readonly Logger _written;
    private readonly RepeatLimitSink _limited;
    private readonly Logger _serilog;
    private readonly SerilogLoggerFactory _factory;
    private readonly Microsoft.Extensions.Logging.ILogger _log;

    /// <summary>For what is said in full, whatever the level unless somebody asks: a faulty or doubtful file has many lines that look the same.</summary>
    private readonly Logger _unlimited;
    private readonly SerilogLoggerFactory _unlimitedFactory;
    private readonly Microsoft.Extensions.Logging.ILogger _always;

    public ProgramLog(ApplicationConfig application)
    {
        Apply(application);
        DroppedLines console = new(new LoggerConfiguration().MinimumLevel.Verbose().WriteTo.Console(_lines, standardErrorFromLevel: LogEventLevel.Verbose).CreateLogger());
        _written = new LoggerConfiguration()
            .MinimumLevel.Verbose()
            .WriteTo.Async(sink => sink.Sink(console), bufferSize: QueueLines, blockWhenFull: false, monitor: console)
            .CreateLogger();
        _limited = new RepeatLimitSink(_written);
        _serilog = new LoggerConfiguration()
            .MinimumLevel.ControlledBy(_lowest)
            .WriteTo.Sink(_limited, levelSwitch: _level)
            .WriteTo.Sink(_errors, LogEventLevel.Error)
            .CreateLogger();
        _factory = new SerilogLoggerFactory(_serilog);
        _log = _factory.CreateLogger("Bitflow");
        _unlimited = new LoggerConfiguration().WriteTo.Logger(_written).WriteTo.Sink(_errors, LogEventLevel.Error).CreateLogger();
        _unlimitedFactory = new SerilogLoggerFactory(_unlimited);
        _always = _unlimitedFactory.CreateLogger("Bitflow");
        Sessions = new SessionLog(_log);
        Server = new ServerLog(_log);
        ConnectionLogs = new ConnectionLogEvents(_log);
        Reporting = new ReportingEvents(_log);
    }

    /// <summary>For what has no log class of its own.</summary>
    public Microsoft.Extensions.Logging.ILogger Logger => _log;

    public SessionLog Sessions { get; }

    public ServerLog Server { get; }

    public ConnectionLogEvents ConnectionLogs { get; }

    public ReportingEvents Reporting { get; }

    /// <summary>Takes what a configuration says of the log; in force at once.</summary>
    public void Apply(ApplicationConfig application)
    {
        _lines.IsJson = application.LogFormat.IsJson;
        _level.MinimumLevel = LevelOf(application);
        bool reports = application.SentryDsn is not null;
        _lowest.MinimumLevel = reports && _level.MinimumLevel > LogEventLevel.Error ? LogEventLevel.Error : _level.MinimumLevel;
    }

    /// <summary>Errors go to this reporter too; null for none.</summary>
    public void ReportErrorsTo(SentryReporter? reporter) => _errors.ReportTo(reporter);

    /// <summary>All of them, where warnings are logged; the file they come from is bounded.</summary>
    public void Warnings(IEnumerable<string> lines)
    {
        if (!_log.IsEnabled(LogLevel.Warning))
            return;
        foreach (string line in lines)
            ProgramEvents.ConfigurationWarning(_always, line);
    }

    public void Reloaded(string path, ReloadPlan plan)
    {
        ProgramEvents.Reloaded(_log, path);
        foreach (ReloadLine line in ReloadReport.Logged(plan))
        {
            if (line.IsWarning)
                ProgramEvents.ReloadWarning(_log, line.Text);
            else
                ProgramEvents.ReloadStep(_log, line.Text);
        }
    }

    /// <summary>Said even where logging is off: what was asked for is not in force.</summary>
    public void ReloadFailed(string path, IReadOnlyList<string> problems)
    {
        foreach (string line in problems)
            ProgramEvents.ReloadProblem(_always, line);
        ProgramEvents.ReloadFailed(_always, path);
    }

    public void ReloadGivenUp(string path) => ProgramEvents.ReloadGivenUp(_always, path);

    /// <summary>Said even where logging is off.</summary>
    public void ReloadFaulted(string path, Exception exception) => ProgramEvents.ReloadFaulted(_always, exception, path, exception.Message);

    public void Started(string path, int proxies, long descriptors) => ProgramEvents.Started(_log, ProductVersion.Text, path, proxies, descriptors);

    public void Draining(int open, Duration timeout) => ProgramEvents.Draining(_log, open, timeout.IsPositive ? timeout.ToString() : "none");

    public void StillDraining(int left, int open) => ProgramEvents.StillDraining(_log, left, open);

    public void StillReading(string path) => ProgramEvents.StillReading(_log, path);

    public void StillOpening(string path) => ProgramEvents.StillOpening(_log, path);

    public void MetricsNotReceived(MetricsConfig config, string problem) => ProgramEvents.MetricsNotReceived(_log, config.Address.ToString(), problem);

    public void MetricsReceivedAgain(MetricsConfig config) => ProgramEvents.MetricsReceivedAgain(_log, config.Address.ToString());

    public void MetricsNotSent(Exception e) => ProgramEvents.MetricsNotSent(_log, e, e.Message);

    public void AdminListening(Endpoint local) => ProgramEvents.AdminListening(_log, local);

    public void State(IEnumerable<string> lines)
    {
        foreach (string line in lines)
            ProgramEvents.State(_log, line);
    }

    public void Drained() => ProgramEvents.Drained(_log);

    public void ForcedEnd(int reset) => ProgramEvents.ForcedEnd(_log, reset);

    public async ValueTask DisposeAsync()
    {
        _factory.Dispose();
        _unlimitedFactory.Dispose();
        await _serilog.DisposeAsync().ConfigureAwait(false);
        await _unlimited.DisposeAsync().ConfigureAwait(false);

        // The last word of the limiter is written before the writer ends; and where nobody reads standard error any more, that is not waited for.
        _limited.Dispose();
        await Task.Run(_written.Dispose).WaitAsync(ClosingPatience).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static LogEventLevel LevelOf(ApplicationConfig application) => application.LogLevel?.Value is { } level ? LogLevels.Of(level) : Off;
}
