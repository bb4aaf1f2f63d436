using System.Text.Json;

namespace Bitflow.Tests.Fixtures;

/// <summary>A connection log as a test reads it.</summary>
internal static class ConnectionLog
{
    internal sealed record Line(long Id, string Name, string SourceIp, string CloseReason, long FromClient, long FromTarget, double Milliseconds);

    /// <summary>Every line that is complete; one that is no JSON object is a failure.</summary>
    public static List<Line> Read(string path)
    {
        var lines = new List<Line>();
        if (!File.Exists(path))
            return lines;
        using var file = new StreamReader(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        string text = file.ReadToEnd();
        foreach (string line in text[..(text.LastIndexOf('\n') + 1)].Split('\n', StringSplitOptions.RemoveEmptyEntries))
        {
            using var json = JsonDocument.Parse(line);
            JsonElement root = json.RootElement;
            lines.Add(new Line(
                root.GetProperty("id").GetInt64(),
                root.GetProperty("name").GetString()!,
                root.GetProperty("source_ip").GetString()!,
                root.GetProperty("close_reason").GetString()!,
                root.GetProperty("source_sent_bytes").GetInt64(),
                root.GetProperty("destination_receive_bytes").GetInt64(),
                root.GetProperty("duration").GetDouble()));
        }

        return lines;
    }
}
