using Bitflow.App.Reporting;
using Bitflow.Domain;
using Microsoft.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>
/// What becomes of reports to Sentry, in the log. At `warn`: an error would be reported in its turn (SE-19).
/// </summary>
internal sealed partial class ReportingEvents(ILogger logger) : IReportingEvents
{
    public void Refused(int status, string reason) => SentryRefused(logger, status, Printable.OfText(reason));

    public void Unreachable(string reason) => SentryUnreachable(logger, Printable.OfText(reason));

    [LoggerMessage(500, LogLevel.Warning, "Sentry refused an event with status {Status}: {Words}")]
    private static partial void SentryRefused(ILogger logger, int status, string words);

    [LoggerMessage(501, LogLevel.Warning, "Sentry cannot be reached; events are lost until it answers: {Words}")]
    private static partial void SentryUnreachable(ILogger logger, string words);
}
