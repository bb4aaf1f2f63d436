using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.App.Commands;

/// <summary>`bitflow diff`: the plan that a reload from one file to the other would carry out; failed where it cannot be, be it for a file that the new one names.</summary>
internal static class DiffCommand
{
    public static int Run(string before, string after, bool asJson)
    {
        ConfigReading? from = Read(before);
        ConfigReading? to = Read(after);
        if (from is null || to is null)
            return ExitStatus.Unusable;
        LoadedConfiguration? loaded = LoadedConfiguration.Of(after, to, out IReadOnlyList<string> errors);
        ReloadPlan plan = ReloadPlanModule.Make(Snapshot(from), loaded?.Snapshot ?? Snapshot(to));
        if (asJson)
        {
            Screen.Write(ReloadReport.ToJson(plan, errors));
        }
        else
        {
            foreach (ReloadLine line in ReloadReport.Describe(plan))
                Screen.Say(Shown.Escaped(line.Text));
        }

        foreach (string line in errors)
            Screen.Complain(Tone.Bad, line);
        if (loaded is null)
            Screen.Complain(Tone.Bad, $"{Shown.Escaped(after)} would not be taken on: a reload to it changes nothing");
        return plan.IsObstructed || loaded is null ? ExitStatus.Failed : ExitStatus.Done;
    }

    private static ConfigReading? Read(string path)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            Screen.Complain(Tone.Bad, problem);
            return null;
        }

        foreach (string line in reading.Errors)
            Screen.Complain(Tone.Bad, line);
        return reading.IsUsable ? reading : null;
    }

    /// <summary>A file that it names and that cannot be read has no digest here.</summary>
    private static ConfigSnapshot Snapshot(ConfigReading reading) => LoadedConfiguration.SnapshotOf(reading.Config, new NamedFiles());
}
