using Bitflow.Domain;

namespace Bitflow.App.Commands;

/// <summary>`bitflow test`: cases in a file, decided without a socket. Exit status 1 where one is not as expected.</summary>
internal static class TestCommand
{
    public static int Run(string path)
    {
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            Console.Error.WriteLine($"{path}: it cannot be read: {e.Message}");
            return ExitStatus.Unusable;
        }

        ScenarioFile file = Scenario.Read(path, bytes);
        foreach (string line in file.Errors)
            Console.Error.WriteLine(line);
        if (file.Errors.Count > 0)
            return ExitStatus.Unusable;
        string config = file.ConfigPath.Length == 0
            ? Environment.GetEnvironmentVariable("BITFLOW_CONFIG") ?? ""
            : Path.Combine(Path.GetDirectoryName(Path.GetFullPath(path)) ?? "", file.ConfigPath);
        if (config.Length == 0)
        {
            Console.Error.WriteLine($"{path}: no configuration: write config: FILE, or set BITFLOW_CONFIG");
            return ExitStatus.Unusable;
        }

        if (LoadedConfiguration.LoadOrSay(config) is not { } loaded)
            return ExitStatus.Unusable;
        IReadOnlyList<ScenarioResult> results = Scenario.Run(loaded.Config, loaded.TlsOf, file);
        Console.Out.Write(Scenario.Report(path, results));
        return results.All(r => r.Failures.IsEmpty) ? ExitStatus.Done : ExitStatus.Failed;
    }
}
