using Serilog.Events;
using Serilog.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>The core's levels among Serilog's, which has one below and one above them, and among those of <see cref="Microsoft.Extensions.Logging.ILogger"/>.</summary>
internal static class LogLevels
{
    public static LogEventLevel Of(Domain.LogLevel level) => level switch
    {
        { IsDebug: true } => LogEventLevel.Debug,
        { IsInfo: true } => LogEventLevel.Information,
        { IsWarn: true } => LogEventLevel.Warning,
        _ => LogEventLevel.Error,
    };

    /// <summary>The very one that <see cref="Of(Domain.LogLevel)"/> is to Serilog.</summary>
    public static LogLevel ForLogger(Domain.LogLevel level) => LevelConvert.ToExtensionsLevel(Of(level));

    public static Domain.LogLevel Of(LogEventLevel level) => level switch
    {
        <= LogEventLevel.Debug => Domain.LogLevel.Debug,
        LogEventLevel.Information => Domain.LogLevel.Info,
        LogEventLevel.Warning => Domain.LogLevel.Warn,
        _ => Domain.LogLevel.Error,
    };
}
