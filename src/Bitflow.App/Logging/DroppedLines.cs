using Serilog.Core;
using Serilog.Events;
using Serilog.Parsing;
using Serilog.Sinks.Async;

namespace Bitflow.App.Logging;

/// <summary>
/// Between the queue of the log and where its lines are written: says how many lines found no room in the queue. It speaks where the queue is emptied,
/// so what it says needs no room there; and it waits until half of the queue is free, so that a reader who stays slow reads more than that it is. At the
/// end of the process the queue is emptied too, and with it this is said.
/// </summary>
internal sealed class DroppedLines(ILogEventSink next) : ILogEventSink, IAsyncLogEventSinkMonitor
{
    private static readonly MessageTemplate Dropped =
        new MessageTemplateParser().Parse("{Dropped} lines of this log were dropped: standard error was read too slowly");

    private volatile IAsyncLogEventSinkInspector? _queue;

    /// <summary>How many of them were said.</summary>
    private long _said;

    public void StartMonitoring(IAsyncLogEventSinkInspector inspector) => _queue = inspector;

    public void StopMonitoring(IAsyncLogEventSinkInspector inspector) => _queue = null;

    /// <summary>Called by the one thread that empties the queue.</summary>
    public void Emit(LogEvent logEvent)
    {
        next.Emit(logEvent);
        if (_queue is not { } queue)
            return;
        long dropped = queue.DroppedMessagesCount;
        if (dropped == _said || queue.Count > queue.BufferSize / 2)
            return;
        next.Emit(new LogEvent(DateTimeOffset.Now, LogEventLevel.Warning, exception: null, Dropped, [new("Dropped", new ScalarValue(dropped - _said))]));
        _said = dropped;
    }
}
