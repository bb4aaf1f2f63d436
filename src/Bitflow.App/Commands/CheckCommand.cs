using Bitflow.App.Terminal;
using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow check`: the plan that starting runs, files loaded, nothing bound; says what would be served.</summary>
internal static class CheckCommand
{
    /// <param name="strict">Whether what is doubtful is a failure.</param>
    public static int Run(string path, bool strict)
    {
        if (LoadedConfiguration.LoadOrSay(path) is not { } loaded)
            return ExitStatus.Unusable;
        string[] doubts = [.. loaded.Warnings, .. loaded.PathDoubts];
        foreach (string line in doubts)
            Screen.Complain(Tone.Doubtful, $"warning: {line}");
        foreach (string line in Summary.Describe(loaded.Config, loaded.CertificatesOf))
            Screen.Say(line);
        var verdict = Summary.Verdict(strict, doubts.Length);
        Screen.Say(verdict.IsOk ? Tone.Good : Tone.Bad, $"{Shown.Escaped(path)}: {(verdict.IsOk ? verdict.ResultValue : verdict.ErrorValue)}");
        return verdict.IsOk ? ExitStatus.Done : ExitStatus.Failed;
    }
}
