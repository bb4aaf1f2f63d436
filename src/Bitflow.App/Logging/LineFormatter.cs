using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;
using Serilog.Formatting.Json;

namespace Bitflow.App.Logging;

/// <summary>How a line of the log is written: for people, or as one JSON object. A reload may change it while lines are written.</summary>
internal sealed class LineFormatter : ITextFormatter
{
    private static readonly MessageTemplateTextFormatter Text = new(
        "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffzzz} {Level:u4} {Message:lj}{NewLine}{Exception}",
        System.Globalization.CultureInfo.InvariantCulture);

    private static readonly JsonFormatter Json = new(renderMessage: true);

    private volatile bool _isJson;

    public bool IsJson
    {
        get => _isJson;
        set => _isJson = value;
    }

    public void Format(LogEvent logEvent, TextWriter output)
    {
        if (_isJson)
            Json.Format(logEvent, output);
        else
            Text.Format(logEvent, output);
    }
}
