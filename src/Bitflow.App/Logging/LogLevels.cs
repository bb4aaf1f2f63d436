using Serilog.Events;

namespace Bitflow.App.Logging;

/// <summary>The core's levels and Serilog's, which has one below and one above them.</summary>
internal static class LogLevels
{
    public static LogEventLevel Of(Domain.LogLevel level) => level switch
    {
        { IsDebug: true } => LogEventLevel.Debug,
        { IsInfo: true } => LogEventLevel.Information,
        { IsWarn: true } => LogEventLevel.Warning,
        _ => LogEventLevel.Error,
    };

    public static Domain.LogLevel Of(LogEventLevel level) => level switch
    {
        <= LogEventLevel.Debug => Domain.LogLevel.Debug,
        LogEventLevel.Information => Domain.LogLevel.Info,
        LogEventLevel.Warning => Domain.LogLevel.Warn,
        _ => Domain.LogLevel.Error,
    };
}
