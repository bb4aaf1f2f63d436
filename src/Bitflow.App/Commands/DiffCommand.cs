using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;

namespace Bitflow.App.Commands;

/// <summary>`bitflow diff`: the plan that a reload from one file to the other would carry out; failed where it cannot be.</summary>
internal static class DiffCommand
{
    public static int Run(string before, string after)
    {
        ConfigSnapshot? from = Snapshot(before);
        ConfigSnapshot? to = Snapshot(after);
        if (from is null || to is null)
            return ExitStatus.Unusable;
        ReloadPlan plan = ReloadPlanModule.Make(from, to);
        foreach (ReloadLine line in ReloadReport.Describe(plan))
            Screen.Say(Shown.Escaped(line.Text));
        return plan.IsObstructed ? ExitStatus.Failed : ExitStatus.Done;
    }

    /// <summary>Files that cannot be read have no digest here; what is wrong with them is the business of `check`.</summary>
    private static ConfigSnapshot? Snapshot(string path)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            Screen.Complain(Tone.Bad, problem);
            return null;
        }

        foreach (string line in reading.Errors)
            Screen.Complain(Tone.Bad, line);
        return reading.IsUsable ? LoadedConfiguration.SnapshotOf(reading.Config, new NamedFiles()) : null;
    }
}
