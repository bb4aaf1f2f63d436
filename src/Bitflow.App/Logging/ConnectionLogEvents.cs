using Bitflow.App.ConnectionLogs;
using Microsoft.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>The connection logs' files, in the log.</summary>
internal sealed partial class ConnectionLogEvents(ILogger logger) : IConnectionLogEvents
{
    public void Reopened(string path) => ReopenedFile(logger, path);

    public void ReopenFailed(string path, string reason) => NotReopened(logger, path, reason);

    public void Unwritable(string path, string reason) => NotWritable(logger, path, reason);

    public void WritableAgain(string path) => WritableOnceMore(logger, path);

    public void WriterFailed(string path, Exception exception) => Failed(logger, path, exception);

    [LoggerMessage(400, LogLevel.Information, "connection log {Path}: reopened")]
    private static partial void ReopenedFile(ILogger logger, string path);

    [LoggerMessage(401, LogLevel.Error, "connection log {Path}: cannot be reopened, the old file stays in use: {Reason}")]
    private static partial void NotReopened(ILogger logger, string path, string reason);

    [LoggerMessage(402, LogLevel.Error, "connection log {Path}: lines are lost until it can be written again: {Reason}")]
    private static partial void NotWritable(ILogger logger, string path, string reason);

    [LoggerMessage(403, LogLevel.Warning, "connection log {Path}: can be written again")]
    private static partial void WritableOnceMore(ILogger logger, string path);

    [LoggerMessage(404, LogLevel.Error, "connection log {Path}: a fault of Bitflow itself; nothing is written there any more")]
    private static partial void Failed(ILogger logger, string path, Exception exception);
}
