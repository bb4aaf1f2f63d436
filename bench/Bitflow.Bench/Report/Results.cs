using System.Text.Json;
using System.Text.Json.Serialization;
using Bitflow.Bench.Measures;

namespace Bitflow.Bench.Report;

/// <summary>What was measured last of each workload, kept in <c>bench/results/raw/</c> (not under version control).</summary>
internal static class Results
{
    private static readonly JsonSerializerOptions Options =
        new() { WriteIndented = true, Converters = { new JsonStringEnumConverter() } };

    public static string DirectoryIn(string root) => Path.Combine(root, "bench", "results");

    public static void Keep(string root, Outcome outcome)
    {
        Directory.CreateDirectory(Path.Combine(DirectoryIn(root), "raw"));
        File.WriteAllText(PathOf(root, outcome.Workload), JsonSerializer.Serialize(outcome, Options));
    }

    public static IReadOnlyList<(Workload Workload, Outcome Outcome)> Load(string root) =>
    [
        .. Workloads.All.Where(workload => File.Exists(PathOf(root, workload.Name)))
            .Select(workload => (workload, JsonSerializer.Deserialize<Outcome>(File.ReadAllText(PathOf(root, workload.Name)), Options)!)),
    ];

    private static string PathOf(string root, string workload) => Path.Combine(DirectoryIn(root), "raw", workload + ".json");
}
