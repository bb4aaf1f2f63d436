using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Microsoft.Extensions.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Serilog.Extensions.Logging;
using Serilog.Formatting.Json;

namespace Bitflow.App.Logging;

/// <summary>
/// The log of the program on standard error. Serilog is known in this file alone; everything else speaks to
/// <see cref="Microsoft.Extensions.Logging.ILogger"/>. Written off the data path through a bounded queue.
/// </summary>
internal sealed class ProgramLog : IAsyncDisposable
{
    /// <summary>Lines that may wait for a slow standard error; beyond it they are dropped.</summary>
    private const int QueueLines = 10_000;

    /// <summary>Above every level that is written: logging off.</summary>
    private const LogEventLevel Off = LogEventLevel.Fatal + 1;

    private readonly LoggingLevelSwitch _level = new();
    private readonly Logger _serilog;
    private readonly SerilogLoggerFactory _factory;
    private readonly Microsoft.Extensions.Logging.ILogger _log;

    public ProgramLog(ApplicationConfig application)
    {
        _level.MinimumLevel = LevelOf(application);
        LoggerConfiguration configuration = new LoggerConfiguration().MinimumLevel.ControlledBy(_level);
        bool json = application.LogFormat.IsJson;
        _serilog = configuration
            .WriteTo.Async(
                sink =>
                {
                    if (json)
                        sink.Console(new JsonFormatter(renderMessage: true), standardErrorFromLevel: LogEventLevel.Verbose);
                    else
                        sink.Console(
                            outputTemplate: "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffzzz} {Level:u4} {Message:lj}{NewLine}{Exception}",
                            formatProvider: System.Globalization.CultureInfo.InvariantCulture,
                            standardErrorFromLevel: LogEventLevel.Verbose,
                            theme: Serilog.Sinks.SystemConsole.Themes.ConsoleTheme.None);
                },
                bufferSize: QueueLines,
                blockWhenFull: false)
            .CreateLogger();
        _factory = new SerilogLoggerFactory(_serilog);
        _log = _factory.CreateLogger("Bitflow");
        Sessions = new SessionLog(_log);
        Server = new ServerLog(_log);
    }

    public SessionLog Sessions { get; }

    public ServerLog Server { get; }

    public void ConfigurationWarning(string line) => ProgramEvents.ConfigurationWarning(_log, line);

    public void Started(string path, int proxies, long descriptors) => ProgramEvents.Started(_log, ProductVersion.Text, path, proxies, descriptors);

    public void Draining(int open, Duration timeout) => ProgramEvents.Draining(_log, open, timeout.IsPositive ? timeout.ToString() : "as long as it takes");

    public void Drained() => ProgramEvents.Drained(_log);

    public void ForcedEnd(int open) => ProgramEvents.ForcedEnd(_log, open);

    public async ValueTask DisposeAsync()
    {
        _factory.Dispose();
        await _serilog.DisposeAsync().ConfigureAwait(false);
    }

    private static LogEventLevel LevelOf(ApplicationConfig application) => application.LogLevel?.Value switch
    {
        null => Off,
        { IsDebug: true } => LogEventLevel.Debug,
        { IsInfo: true } => LogEventLevel.Information,
        { IsWarn: true } => LogEventLevel.Warning,
        _ => LogEventLevel.Error,
    };
}
