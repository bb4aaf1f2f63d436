using Bitflow.App.Terminal;
using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow check`: the plan that starting runs, files loaded, nothing bound; says what would be served.</summary>
internal static class CheckCommand
{
    public static int Run(string path)
    {
        if (LoadedConfiguration.LoadOrSay(path) is not { } loaded)
            return ExitStatus.Unusable;
        foreach (string line in loaded.Warnings.Concat(loaded.PathDoubts))
            Screen.Complain(Tone.Doubtful, $"warning: {line}");
        foreach (string line in Summary.Describe(loaded.Config, loaded.CertificatesOf))
            Screen.Say(line);
        Screen.Say(Tone.Good, $"{Shown.Escaped(path)}: usable");
        return ExitStatus.Done;
    }
}
