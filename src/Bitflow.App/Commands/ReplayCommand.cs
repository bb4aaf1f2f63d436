using System.Globalization;
using System.IO.Compression;
using System.Text;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Commands;

/// <summary>`bitflow replay`: a connection log, decided again by another configuration.</summary>
internal static class ReplayCommand
{
    public static int Run(string configPath, string logPath, bool asJson)
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
                string difference = asJson ? Replay.JsonLine(record.ResultValue, verdict) : Replay.Line(record.ResultValue, verdict);
                if (difference.Length == 0)
                    continue;
                progress.Clear();
                Screen.Say(difference);
            }
        }
        catch (Exception e) when (e is IOException or InvalidDataException)
        {
            progress.Clear();
            Screen.Complain(Tone.Bad, e is InvalidDataException ? $"{Shown.Escaped(logPath)}: what gzip compressed is damaged or cut off (gzip -t)" : FileProblem.Describe(logPath, e));
            return ExitStatus.Unusable;
        }

        progress.Clear();
        foreach (string line in asJson ? [Replay.JsonSum(summary)] : Replay.Describe(summary))
            Screen.Say(line);
        if (!Replay.IsOfNoLog(summary))
            return ExitStatus.Done;
        Screen.Complain(Tone.Bad, $"{Shown.Escaped(logPath)}: no line of it is a connection record; name a file that a connection_log wrote");
        return ExitStatus.Unusable;
    }

    /// <summary>As a rotation leaves them, logs may be compressed with gzip: by its first two bytes (RFC 1952 section 2.3.1), with which no line begins.</summary>
    private static Stream OpenWhole(string path)
    {
        FileStream file = File.OpenRead(path);
        if (!file.CanSeek)
            return file;
        Span<byte> first = stackalloc byte[2];
        bool isCompressed = file.ReadAtLeast(first, first.Length, throwOnEndOfStream: false) == first.Length && first is [0x1f, 0x8b];
        file.Position = 0;
        return isCompressed ? new GZipStream(file, CompressionMode.Decompress) : file;
    }

    private static StreamReader? Open(string path)
    {
        try
        {
            return new StreamReader(OpenWhole(path), Encoding.UTF8);
        }
        catch (Exception e) when (FileProblem.Is(e))
        {
            Screen.Complain(Tone.Bad, FileProblem.Describe(path, e));
            return null;
        }
    }
}
