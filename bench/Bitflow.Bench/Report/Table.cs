using System.Globalization;
using System.Text;
using Bitflow.Bench.Measures;

namespace Bitflow.Bench.Report;

/// <summary>Results as Markdown tables.</summary>
internal static class Table
{
    /// <summary>Bitflow beside the best peer, one line a workload and metric.</summary>
    public static string Summary(IEnumerable<Comparison> comparisons, string ours = "Bitflow", string peer = "best peer")
    {
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"| workload | measure | {ours} | {peer} | ratio | 95 % | goal | |");
        text.AppendLine("|---|---|--:|--:|--:|--:|--:|---|");
        foreach (Comparison each in comparisons)
        {
            text.AppendLine(CultureInfo.InvariantCulture,
                $"| {each.Workload.Title} | {Metrics.Title(each.Metric, each.Workload.Unit)} | {Number(each.Ours)} | {Number(each.Theirs)} ({each.Peer}) | **{each.Ratio:F2}** | {each.Low:F2} – {each.High:F2} | {Goal(each)} | {Verdict(each)} |");
        }
        return text.ToString();
    }

    /// <summary>Everyone's medians with the least and the greatest of the rounds, of latencies the turns.</summary>
    public static string Detail(Workload workload, Outcome outcome)
    {
        Metric[] metrics = [.. Enum.GetValues<Metric>().Where(metric => outcome.Contenders.Values.Any(each => each.Rounds.ContainsKey(metric)))];
        var text = new StringBuilder();
        text.AppendLine(CultureInfo.InvariantCulture, $"### {workload.Title}");
        text.AppendLine();
        if (outcome.PerSecond > 0)
        {
            text.AppendLine(CultureInfo.InvariantCulture, $"Latencies and the processor time at pace are at {outcome.PerSecond:N0} {workload.Unit}s a second.");
            text.AppendLine();
        }
        text.AppendLine("| | " + string.Join(" | ", metrics.Select(metric => Metrics.Title(metric, workload.Unit))) + " |");
        text.AppendLine("|---|" + string.Concat(metrics.Select(_ => "--:|")));
        foreach ((string name, Samples samples) in outcome.Contenders)
        {
            if (samples.Fault is { } fault)
                text.AppendLine(CultureInfo.InvariantCulture, $"| {name} | did not finish: {fault.Split('\n')[0]} |");
            else
                text.AppendLine($"| {name} | " + string.Join(" | ", metrics.Select(metric => Cell(samples, metric))) + " |");
        }
        return text.ToString();
    }

    private static string Cell(Samples samples, Metric metric) =>
        samples.Rounds.TryGetValue(metric, out List<double>? rounds)
            ? $"{Number(Statistics.Median(rounds))} ({Number(rounds.Min())} – {Number(rounds.Max())})"
            : "";

    private static string Goal(Comparison each) => each.Goal switch
    {
        null => "",
        { } goal when each.GoalIsAbsolute => $"≤ {Number(goal)} ms",
        { } goal => string.Create(CultureInfo.InvariantCulture, $"≤ {goal:F2}"),
    };

    private static string Verdict(Comparison each) => each.Met switch
    {
        true => "met",
        false => "missed",
        null => "",
    };

    /// <summary>Three digits that count.</summary>
    private static string Number(double value) =>
        value.ToString(Math.Abs(value) switch { >= 100 => "N0", >= 10 => "F1", _ => "F2" }, CultureInfo.InvariantCulture);
}
