using System.Security.Cryptography;
using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow diff`: the plan that a reload from one file to the other would carry out.</summary>
internal static class DiffCommand
{
    public static int Run(string before, string after)
    {
        ConfigSnapshot? from = Snapshot(before);
        ConfigSnapshot? to = Snapshot(after);
        if (from is null || to is null)
            return ExitStatus.Unusable;
        foreach (string line in ReloadPlanModule.Describe(ReloadPlanModule.Make(from, to)))
            Console.Out.WriteLine(line);
        return ExitStatus.Done;
    }

    private static ConfigSnapshot? Snapshot(string path)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            Console.Error.WriteLine(problem);
            return null;
        }

        foreach (string line in reading.Errors)
            Console.Error.WriteLine(line);
        return reading.IsUsable ? new ConfigSnapshot(reading.Config, Digests(reading.Config)) : null;
    }

    /// <summary>A file that cannot be read has no digest; that is the business of `check`.</summary>
    private static Dictionary<string, string> Digests(Config config)
    {
        var digests = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (string path in ReloadPlanModule.Files(config))
        {
            try
            {
                digests[path] = Convert.ToHexString(SHA256.HashData(File.ReadAllBytes(path)));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
            }
        }

        return digests;
    }
}
