using System.Text.Json;
using Bitflow.App.Logging;
using Serilog;
using Serilog.Core;
using Serilog.Events;
using Xunit;

namespace Bitflow.Tests.Observing;

/// <summary>A line of the log, in both of its forms.</summary>
public sealed class LineFormatterTests
{
    [Fact]
    public void A_message_says_the_same_as_text_and_in_JSON_whose_properties_stay_what_they_are()
    {
        const string Proxy = @"say ""hi"" \x0a";
        const string Said = """proxy say "hi" \x0a: connection 29 from "unix": a number 1.5""";
        var lines = new LineFormatter(isPainted: false);
        LogEvent written = Write("proxy {Proxy}: connection {Id} from \"unix\": {Why} {Number}", Proxy, 29, "a number", 1.5);
        Assert.EndsWith($" INFO {Said}\n", Line(lines, written), StringComparison.Ordinal);
        lines.IsJson = true;
        string json = Line(lines, written);
        Assert.Equal(json.Length - 1, json.IndexOf('\n', StringComparison.Ordinal));
        JsonElement line = JsonDocument.Parse(json).RootElement;
        Assert.Equal(Said, line.GetProperty("RenderedMessage").GetString());
        Assert.Equal("proxy {Proxy}: connection {Id} from \"unix\": {Why} {Number}", line.GetProperty("MessageTemplate").GetString());
        Assert.Equal(Proxy, line.GetProperty("Properties").GetProperty("Proxy").GetString());
        Assert.Equal(29, line.GetProperty("Properties").GetProperty("Id").GetInt32());
        Assert.Equal(Said, LineFormatter.Message(written));
    }

    private static LogEvent Write(string template, params object[] values)
    {
        var kept = new Kept();
        using Logger log = new LoggerConfiguration().WriteTo.Sink(kept).CreateLogger();
        log.Information(template, values);
        return kept.Event!;
    }

    private static string Line(LineFormatter lines, LogEvent logEvent)
    {
        using var line = new StringWriter();
        lines.Format(logEvent, line);
        return line.ToString();
    }

    private sealed class Kept : ILogEventSink
    {
        public LogEvent? Event { get; private set; }

        public void Emit(LogEvent logEvent) => Event = logEvent;
    }
}
