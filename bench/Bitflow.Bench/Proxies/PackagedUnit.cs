namespace Bitflow.Bench.Proxies;

/// <summary>The unit that Bitflow's package brings: Bitflow enters as that starts it.</summary>
internal static class PackagedUnit
{
    private const string Setting = "Environment=";

    public static IReadOnlyDictionary<string, string> EnvironmentIn(string root) =>
        File.ReadLines(Path.Combine(root, "deploy", "bitflow.service"))
            .Where(line => line.StartsWith(Setting, StringComparison.Ordinal))
            .Select(line => line[Setting.Length..].Split('=', 2))
            .ToDictionary(each => each[0], each => each[1]);
}
