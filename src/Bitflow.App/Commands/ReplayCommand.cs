using System.Globalization;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Commands;

/// <summary>`bitflow replay`: a connection log, decided again by another configuration.</summary>
internal static class ReplayCommand
{
    public static int Run(string configPath, string logPath)
    {
        if (LoadedConfiguration.LoadOrSay(configPath) is not { } loaded)
            return ExitStatus.Unusable;
        var rules = loaded.Config.Proxies.ToDictionary(p => p.Name, p => new Rules(p), StringComparer.Ordinal);
        ReplaySummary summary = Replay.none;
        using var progress = new Progress();
        long lines = 0;
        try
        {
            foreach (string line in BoundedLines.Read(logPath).Where(l => l.Length > 0))
            {
                lines++;
                progress.Report(() => string.Create(CultureInfo.InvariantCulture, $"{logPath}: {lines:N0} connections decided again"));
                FSharpResult<ConnectionRecord, ConnectionRecordError> record = ConnectionRecordModule.TryParse(line);
                if (record.IsError)
                {
                    summary = Replay.AddUnreadable(summary);
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
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            progress.Clear();
            Screen.Complain(Tone.Bad, FileProblem.Describe(logPath, e));
            return ExitStatus.Unusable;
        }

        progress.Clear();
        foreach (string line in Replay.Describe(summary))
            Screen.Say(line);
        return ExitStatus.Done;
    }
}
