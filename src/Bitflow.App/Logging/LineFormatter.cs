using Bitflow.Domain;
using Serilog.Events;
using Serilog.Formatting;
using Serilog.Formatting.Display;
using Serilog.Formatting.Json;
using Serilog.Parsing;

namespace Bitflow.App.Logging;

/// <summary>How a line of the log is written: for people, or as one JSON object. A reload may change it while lines are written.</summary>
/// <param name="isPainted">Whether lines for people get colours.</param>
internal sealed class LineFormatter(bool isPainted) : ITextFormatter
{
    private const string Time = "{Timestamp:yyyy-MM-ddTHH:mm:ss.fffzzz} ";
    private const string Rest = " {Message:lj}{NewLine}{Exception}";

    /// <summary>A line of each level that was ever written, on a terminal with the level in its colour.</summary>
    private readonly MessageTemplateTextFormatter?[] _lines = new MessageTemplateTextFormatter?[(int)LogEventLevel.Fatal + 1];

    private static readonly MessageTemplateTextFormatter Words = Template("{Message:lj}");

    /// <summary>Serilog's own JSON, not the core's: a property is a value of Serilog's, and collectors know the form.</summary>
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
            Json.Format(InWords(logEvent), output);
        else
            LineOf(logEvent.Level).Format(logEvent, output);
    }

    /// <summary>The message as lines for people have it.</summary>
    public static string Message(LogEvent logEvent)
    {
        using var words = new StringWriter(System.Globalization.CultureInfo.InvariantCulture);
        Words.Format(logEvent, words);
        return words.ToString();
    }

    /// <summary>The same line, of whose message nothing is left to fill in: filling in is where Serilog puts text between quotes.</summary>
    private static LogEvent InWords(LogEvent logEvent) => new(
        logEvent.Timestamp,
        logEvent.Level,
        logEvent.Exception,
        new MessageTemplate(logEvent.MessageTemplate.Text, [new TextToken(Message(logEvent))]),
        logEvent.Properties.Select(static property => new LogEventProperty(property.Key, property.Value)));

    private static MessageTemplateTextFormatter Template(string text) => new(text, System.Globalization.CultureInfo.InvariantCulture);

    private MessageTemplateTextFormatter LineOf(LogEventLevel level) =>
        _lines[(int)level] ??= Template(Time + (isPainted ? Paint.Text(ToneOf(level), WordOf(level)) : WordOf(level)) + Rest);

    /// <summary>As the configuration has them, in capitals: what is looked for in a log is found.</summary>
    private static string WordOf(LogEventLevel level) => level switch
    {
        LogEventLevel.Information => "INFO",
        LogEventLevel.Warning => "WARN",
        LogEventLevel.Error or LogEventLevel.Fatal => "ERROR",
        _ => "DEBUG",
    };

    private static Tone ToneOf(LogEventLevel level) => level switch
    {
        LogEventLevel.Information => Tone.Good,
        LogEventLevel.Warning => Tone.Doubtful,
        LogEventLevel.Error or LogEventLevel.Fatal => Tone.Bad,
        _ => Tone.Quiet,
    };
}
