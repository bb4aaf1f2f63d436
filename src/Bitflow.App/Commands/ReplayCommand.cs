using System.Globalization;
using System.Text;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Commands;

/// <summary>`bitflow replay`: a connection log, decided again by another configuration.</summary>
internal static class ReplayCommand
{
    public static int Run(string configPath, string logPath)
    {
        if (LoadedConfiguration.LoadOrSay(configPath) is not { } loaded)
            return ExitStatus.Unusable;
        using StreamReader? log = Open(logPath);
        if (log is null)
            return ExitStatus.Unusable;
        var rules = loaded.Config.Proxies.ToDictionary(p => p.Name, p => new Rules(p), StringComparer.Ordinal);
        ReplaySummary summary = Replay.none;
        using var progress = new Progress();
        long lines = 0;
        try
        {
            foreach (string line in BoundedLines.Read(log))
            {
                lines++;
                if (line.Length == 0)
                    continue;
                progress.Report(() => string.Create(CultureInfo.InvariantCulture, $"{Shown.Escaped(logPath)}: {lines:N0} connections decided again"));
                FSharpResult<ConnectionRecord, ConnectionRecordError> record = ConnectionLogLine.TryParse(line);
                if (record.IsError)
                {
                    summary = Replay.AddUnreadable(summary, lines);
                    continue;
                }

                ReplayVerdict verdict = Replay.Judge(name => rules.GetValueOrDefault(name), loaded.TlsOf, record.ResultValue);
                summary = Replay.Add(summary, verdict);
                string difference = Replay.Line(record.ResultValue, verdict);
                if (difference.Length == 0)
                    continue;
                progress.Clear();
                Screen.Say(difference);
            }
        }
        catch (IOException e)
        {
            progress.Clear();
            Screen.Complain(Tone.Bad, FileProblem.Describe(logPath, e));
            return ExitStatus.Unusable;
        }

        progress.Clear();
        foreach (string line in Replay.Describe(summary))
            Screen.Say(line);
        if (!Replay.IsOfNoLog(summary))
            return ExitStatus.Done;
        Screen.Complain(Tone.Bad, $"{Shown.Escaped(logPath)}: no line of it is a connection record; name a file that a connection_log wrote");
        return ExitStatus.Unusable;
    }

    private static StreamReader? Open(string path)
    {
        try
        {
            return new StreamReader(path, Encoding.UTF8);
        }
        catch (Exception e) when (FileProblem.Is(e))
        {
            Screen.Complain(Tone.Bad, FileProblem.Describe(path, e));
            return null;
        }
    }
}
