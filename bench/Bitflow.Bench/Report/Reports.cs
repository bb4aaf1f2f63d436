using System.Globalization;
using Bitflow.Bench.Measures;

namespace Bitflow.Bench.Report;

/// <summary>Writes <c>bench/results/latest.md</c> and <c>.svg</c> from what was measured last, and their part of the README.</summary>
internal static class Reports
{
    private const string Begin = "<!-- bench:begin -->";
    private const string End = "<!-- bench:end -->";

    private const string HowToRead = """
        All contenders run side by side on one machine, which the load generator and the target share: each round gives every contender the same
        fixed work, in turns in which they alternate in changing order. Numbers are medians of the rounds, for latencies of the turns; a ratio is
        Bitflow's number over that of the best peer of that workload (for rates the other way round), taken round by round or turn by turn, so
        **below 1 is better**. Behind it stands between what it lies with 95 %, as far as so many rounds or turns can tell (order statistics; of five rounds from the least to the greatest, 94 %): where
        1 is between, another run may come out on the other side. The best peer is chosen by the medians of the same run: of three that are equally good the luckiest.
        In the tables of everyone the least and the greatest of the rounds or turns are in parentheses.
        Each peer has its best settings (`bench/peers/`), Bitflow the environment that its package starts it with (`deploy/bitflow.service`).
        Processor time is that of all of a proxy's processes, user and system. Latency is measured at a pace common to all, from the moment a
        request was due.
        """;

    public static void Write(string root)
    {
        IReadOnlyList<(Workload Workload, Outcome Outcome)> results = Results.Load(root);
        if (results.Count == 0)
            throw new BenchException("nothing was measured yet: run `make bench`");
        string machine = string.Join("; ", results.Select(each => each.Outcome.Machine).Distinct());
        int rounds = results.SelectMany(each => each.Outcome.Contenders.Values).SelectMany(each => each.Rounds.Values).Select(each => each.Count).DefaultIfEmpty().Min();
        machine += string.Create(CultureInfo.InvariantCulture, $", at least {rounds} rounds");
        string[] missing = [.. Workloads.All.Select(each => each.Name).Except(results.Select(each => each.Workload.Name))];
        if (missing.Length > 0)
            machine += $", without {string.Join(", ", missing)}";
        double load = results.Max(each => each.Outcome.OtherLoad);
        if (load > 0.2)
            machine += string.Create(CultureInfo.InvariantCulture, $", busy with other work ({load:F1} processors at the start): latencies and rates say little, processor time is still comparable");
        string versions = string.Join("; ", results.Select(each => each.Outcome.Versions).Distinct());
        Comparison[] comparisons = [.. results.SelectMany(each => Comparison.Of(each.Workload, each.Outcome))];
        string directory = Results.DirectoryIn(root);

        Comparison[] charted = [.. comparisons.Where(each => each.Metric is Metric.Cpu or Metric.P99 or Metric.IdleTo4000)];
        File.WriteAllText(Path.Combine(directory, "latest.svg"), Chart.Draw("Bitflow beside the best peer of each workload", machine, charted));

        string summary = Table.Summary(comparisons);
        Comparison[] observed = [.. results.SelectMany(each => Comparison.Observed(each.Workload, each.Outcome))];
        string watched = observed.Length == 0 ? "" :
            "## With everyone watching\n\nstatsd, a scrape of the metrics a second, a connection log and Sentry configured, beside nothing of it.\n\n"
            + $"{Table.Summary(observed, "all on", "all off")}\n";
        string details = string.Join("\n", results.Select(each => Table.Detail(each.Workload, each.Outcome)));
        File.WriteAllText(
            Path.Combine(directory, "latest.md"),
            $"# Bitflow beside its peers\n\nMeasured on {machine}.\nVersions: {versions}.\n\n{HowToRead}\n\n![Ratios](latest.svg)\n\n"
            + $"## Beside the best peer\n\n{summary}\n{watched}## Everyone\n\n{details}");

        UpdateReadme(Path.Combine(root, "README.md"), machine, versions, Table.Summary(charted));
    }

    /// <summary>Replaces what stands between the markers; a README without them is left alone.</summary>
    private static void UpdateReadme(string path, string machine, string versions, string summary)
    {
        if (!File.Exists(path))
            return;
        string text = File.ReadAllText(path);
        int begin = text.IndexOf(Begin, StringComparison.Ordinal);
        int end = text.IndexOf(End, StringComparison.Ordinal);
        if (begin < 0 || end < begin)
            return;
        string section = $"{Begin}\n![Bitflow beside the best peer of each workload](bench/results/latest.svg)\n\n"
            + $"Measured on {machine}; {versions}. Below 1 is better; the numbers behind a ratio are those between which it lies with 95 % (94 where there are five rounds). Everything measured: [bench/results/latest.md](bench/results/latest.md).\n\n{summary}";
        File.WriteAllText(path, text[..begin] + section + text[end..]);
    }
}
