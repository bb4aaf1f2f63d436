using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.App.Commands;

/// <summary>`bitflow test`: cases in a file, decided without a socket. Exit status 1 where one is not as expected.</summary>
internal static class TestCommand
{
    public static int Run(string path, bool asJson)
    {
        if (NamedFile.Read(path, out string problem) is not { } bytes)
        {
            Screen.Complain(Tone.Bad, problem);
            return ExitStatus.Unusable;
        }

        ScenarioFile file = ScenarioFileModule.Read(path, bytes);
        foreach (string line in file.Errors)
            Screen.Complain(Tone.Bad, line);
        if (file.Errors.Count > 0)
            return ExitStatus.Unusable;
        string config = file.ConfigPath.Length == 0
            ? Environment.GetEnvironmentVariable("BITFLOW_CONFIG") ?? ""
            : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? "", file.ConfigPath);
        if (config.Length == 0)
        {
            Screen.Complain(Tone.Bad, $"{Shown.Escaped(path)}: no configuration: write config: FILE, or set BITFLOW_CONFIG");
            return ExitStatus.Unusable;
        }

        if (LoadedConfiguration.LoadOrSay(config) is not { } loaded)
            return ExitStatus.Unusable;
        IReadOnlyList<ScenarioResult> results = Scenario.Run(loaded.Config, loaded.TlsOf, file);
        bool hold = results.All(static r => r.Failures.IsEmpty);
        int status = hold ? ExitStatus.Done : ExitStatus.Failed;
        if (asJson)
        {
            Screen.Write(Scenario.ToJson(path, results));
            return status;
        }

        string[] lines = Scenario.Report(path, results).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        foreach (string line in lines[..^1])
            Screen.Say(line);
        Screen.Say(hold ? Tone.Good : Tone.Bad, lines[^1]);
        return status;
    }
}
