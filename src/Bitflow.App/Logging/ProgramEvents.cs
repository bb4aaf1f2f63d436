using Microsoft.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>What the program says of itself. Event ids are stable.</summary>
internal static partial class ProgramEvents
{
    [LoggerMessage(100, LogLevel.Information, "Bitflow {Version} serves {Path} (proxies: {Proxies}, descriptors: at most {Descriptors})")]
    public static partial void Started(ILogger logger, string version, string path, int proxies, long descriptors);

    [LoggerMessage(101, LogLevel.Information, "draining (connections: {Open}, shutdown_timeout: {Timeout})")]
    public static partial void Draining(ILogger logger, int open, string timeout);

    [LoggerMessage(102, LogLevel.Information, "drained; every connection ended by itself")]
    public static partial void Drained(ILogger logger);

    [LoggerMessage(103, LogLevel.Warning, "forced end (connections reset: {Reset})")]
    public static partial void ForcedEnd(ILogger logger, int reset);

    [LoggerMessage(104, LogLevel.Warning, "{Line}")]
    public static partial void ConfigurationWarning(ILogger logger, string line);

    [LoggerMessage(105, LogLevel.Information, "{Path} was read again and is in force")]
    public static partial void Reloaded(ILogger logger, string path);

    [LoggerMessage(106, LogLevel.Information, "reload: {Step}")]
    public static partial void ReloadStep(ILogger logger, string step);

    [LoggerMessage(107, LogLevel.Error, "{Line}")]
    public static partial void ReloadProblem(ILogger logger, string line);

    [LoggerMessage(108, LogLevel.Error, "{Path} was not taken on; everything is as it was")]
    public static partial void ReloadFailed(ILogger logger, string path);

    [LoggerMessage(109, LogLevel.Information, "still draining (connections left: {Left} of {Open})")]
    public static partial void StillDraining(ILogger logger, int left, int open);

    [LoggerMessage(116, LogLevel.Information, "{Path}: still reading it and the certificates that it names; until then all is as it was, and another reload waits")]
    public static partial void StillReading(ILogger logger, string path);

    [LoggerMessage(110, LogLevel.Information, "{Path}: still opening what it names: listeners, names of listeners, connection logs")]
    public static partial void StillOpening(ILogger logger, string path);

    [LoggerMessage(111, LogLevel.Error, "{Path}: Bitflow itself failed while it took the file on, and goes on; what was to switch may have switched in part: {Detail}")]
    public static partial void ReloadFaulted(ILogger logger, Exception exception, string path, string detail);

    [LoggerMessage(115, LogLevel.Warning, "{Path} was not taken on: Bitflow is about to end")]
    public static partial void ReloadGivenUp(ILogger logger, string path);

    [LoggerMessage(112, LogLevel.Warning, "reload: {Step}")]
    public static partial void ReloadWarning(ILogger logger, string step);

    [LoggerMessage(113, LogLevel.Error, "metrics: a flush to statsd failed for a fault of Bitflow itself; the next one is tried all the same: {Detail}")]
    public static partial void MetricsNotSent(ILogger logger, Exception exception, string detail);

    [LoggerMessage(114, LogLevel.Warning, "metrics: statsd at {Receiver} does not get them; Bitflow goes on trying: {Problem}")]
    public static partial void MetricsNotReceived(ILogger logger, string receiver, string problem);

    [LoggerMessage(117, LogLevel.Warning, "metrics: statsd at {Receiver}: nothing stands in their way any more")]
    public static partial void MetricsReceivedAgain(ILogger logger, string receiver);

    [LoggerMessage(120, LogLevel.Information, "admin server: listening on {Listener}")]
    public static partial void AdminListening(ILogger logger, Bitflow.Domain.Endpoint listener);

    [LoggerMessage(121, LogLevel.Information, "state: {Line}")]
    public static partial void State(ILogger logger, string line);
}
