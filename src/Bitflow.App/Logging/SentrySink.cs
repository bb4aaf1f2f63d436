using System.Diagnostics;
using Bitflow.App.Reporting;
using Bitflow.Domain;
using Microsoft.FSharp.Collections;
using Serilog.Core;
using Serilog.Events;

namespace Bitflow.App.Logging;

/// <summary>Errors in the log, for Sentry. Without a reporter it does nothing.</summary>
internal sealed class SentrySink : ILogEventSink
{
    private static readonly string Release = $"bitflow@{ProductVersion.Text}";

    /// <summary>What of a log line becomes a tag: where it happened, never what a client sent.</summary>
    private static readonly (string Property, string Tag)[] Tagged = [("Proxy", "proxy"), ("Target", "target"), ("Reason", "reason")];

    private static readonly string[] Loggers = ["Serilog.", "Microsoft.Extensions.Logging.", "Bitflow.App.Logging."];

    private volatile SentryReporter? _reporter;

    public void ReportTo(SentryReporter? reporter) => _reporter = reporter;

    public void Emit(LogEvent logEvent)
    {
        if (_reporter is not { } reporter)
            return;
        if (logEvent.Exception is null && reporter.KeepsBack(SentryEventModule.MessageFingerprint(logEvent.MessageTemplate.Text, Message(logEvent), Tags(logEvent))))
            return;
        // Only here is it known who speaks; the names of the calls are looked up later and elsewhere.
        StackTrace? here = logEvent.Exception is null ? new StackTrace(fNeedFileInfo: false) : null;
        reporter.Report(() => EventOf(logEvent, here));
    }

    private static SentryEvent EventOf(LogEvent logEvent, StackTrace? here) => new(
        id: Guid.NewGuid(),
        timestamp: logEvent.Timestamp,
        release: Release,
        serverName: Environment.MachineName,
        message: Message(logEvent),
        template: logEvent.MessageTemplate.Text,
        tags: Tags(logEvent),
        exceptions: ListModule.OfSeq(Chain(logEvent.Exception).Select(ExceptionOf)),
        stack: here is null ? FSharpList<SentryFrame>.Empty : ListModule.OfSeq(here.GetFrames().Select(FrameOf).SkipWhile(IsLogging)));

    private static string Message(LogEvent logEvent) => LineFormatter.Message(logEvent);

    /// <summary>The way from whoever spoke to here tells nothing.</summary>
    private static bool IsLogging(SentryFrame frame) =>
        Loggers.Any(logger => frame.Module.StartsWith(logger, StringComparison.Ordinal));

    private static FSharpList<Tuple<string, string>> Tags(LogEvent logEvent) => ListModule.OfSeq(TagsOf(logEvent));

    private static IEnumerable<Tuple<string, string>> TagsOf(LogEvent logEvent)
    {
        foreach ((string property, string tag) in Tagged)
        {
            if (logEvent.Properties.TryGetValue(property, out LogEventPropertyValue? value) && value is ScalarValue { Value: { } scalar })
                yield return Tuple.Create(tag, scalar.ToString() ?? "");
        }
    }

    private static IEnumerable<Exception> Chain(Exception? exception)
    {
        for (; exception is not null; exception = exception.InnerException)
            yield return exception;
    }

    private static SentryException ExceptionOf(Exception exception)
    {
        StackFrame[] frames = new StackTrace(exception, fNeedFileInfo: true).GetFrames();
        return new SentryException(exception.GetType().FullName ?? "Exception", exception.Message, ListModule.OfSeq(frames.Select(FrameOf)));
    }

    private static SentryFrame FrameOf(StackFrame frame)
    {
        DiagnosticMethodInfo? method = DiagnosticMethodInfo.Create(frame);
        string module = method?.DeclaringTypeName ?? "";
        return new SentryFrame(
            function: method?.Name ?? "",
            module: module,
            file: Path.GetFileName(frame.GetFileName()) ?? "",
            line: frame.GetFileLineNumber(),
            inApp: module.StartsWith("Bitflow", StringComparison.Ordinal));
    }
}
