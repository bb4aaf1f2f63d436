using Bitflow.Bench.Measures;

namespace Bitflow.Bench.Report;

/// <summary>Bitflow beside the best peer of one workload in one metric.</summary>
/// <param name="Ours">Bitflow's median.</param>
/// <param name="Peer">The peer with the best median.</param>
/// <param name="Theirs">That median.</param>
/// <param name="Ratio">The median of the ratios of each round, of latencies each turn; below 1 is better, for every metric.</param>
/// <param name="Low">What that median is at the least, with 95 % (<see cref="Statistics.MedianInterval"/>).</param>
/// <param name="High">What it is at the most.</param>
/// <param name="Goal">The most that the ratio (or, for the start, the milliseconds) may be; null without a goal.</param>
internal sealed record Comparison(
    Workload Workload, Metric Metric, double Ours, string Peer, double Theirs, double Ratio, double Low, double High, double? Goal)
{
    public const string Us = "bitflow";

    private const string UsObserved = "bitflow-observed";

    /// <summary>What statsd, a scrape a second, the connection log and Sentry may cost together.</summary>
    private const double ObservedGoal = 1.05;

    /// <summary>The goal of the start is a time of its own.</summary>
    public bool GoalIsAbsolute => Metric == Metric.Start;

    public bool? Met => Goal is { } goal ? (GoalIsAbsolute ? Ours : Ratio) <= goal : null;

    /// <summary>Everything that can be compared in a workload, in the order of the report.</summary>
    public static IEnumerable<Comparison> Of(Workload workload, Outcome outcome)
    {
        if (!outcome.Contenders.TryGetValue(Us, out Samples? ours) || ours.Fault is not null)
            yield break;
        foreach (Metric metric in Compared(workload.Kind))
        {
            if (Best(outcome, metric) is not { } best || !ours.Rounds.TryGetValue(metric, out List<double>? rounds))
                continue;
            yield return Between(workload, metric, rounds, best, outcome.Contenders[best].Rounds[metric], GoalOf(workload, metric));
        }
    }

    /// <summary>Bitflow with everyone watching beside Bitflow with nobody, which is the peer here.</summary>
    public static IEnumerable<Comparison> Observed(Workload workload, Outcome outcome)
    {
        if (!outcome.Contenders.TryGetValue(UsObserved, out Samples? observed) || !outcome.Contenders.TryGetValue(Us, out Samples? alone))
            yield break;
        if (observed.Fault is not null || alone.Fault is not null)
            yield break;
        yield return Between(workload, Metric.Cpu, observed.Rounds[Metric.Cpu], Us, alone.Rounds[Metric.Cpu], ObservedGoal);
    }

    private static Comparison Between(Workload workload, Metric metric, List<double> ours, string peer, List<double> theirs, double? goal)
    {
        double[] ratios = Metrics.LowerIsBetter(metric) ? Statistics.Ratios(ours, theirs) : Statistics.Ratios(theirs, ours);
        (double low, double high) = Statistics.MedianInterval(ratios);
        return new Comparison(workload, metric, Statistics.Median(ours), peer, Statistics.Median(theirs), Statistics.Median(ratios), low, high, goal);
    }

    private static IEnumerable<Metric> Compared(Kind kind) => kind switch
    {
        Kind.Idle => [Metric.IdleTo4000, Metric.IdleTo8000],
        Kind.Start => [Metric.Start],
        Kind.Download or Kind.Upload => [Metric.Cpu, Metric.Rate],
        _ => [Metric.Cpu, Metric.PacedCpu, Metric.Rate, Metric.P50, Metric.P99],
    };

    private static double? GoalOf(Workload workload, Metric metric) => metric switch
    {
        Metric.Cpu => workload.CpuGoal,
        Metric.P99 or Metric.IdleTo4000 or Metric.IdleTo8000 => 1,
        Metric.Start => 200,
        _ => null,
    };

    /// <summary>Bitflow in its other set-up is no peer, and neither is having no proxy at all.</summary>
    private static string? Best(Outcome outcome, Metric metric)
    {
        var peers = outcome.Contenders
            .Where(each => !each.Key.StartsWith(Us, StringComparison.Ordinal) && each.Key != "direct"
                && each.Value.Fault is null && each.Value.Rounds.ContainsKey(metric))
            .Select(each => (each.Key, Median: Statistics.Median(each.Value.Rounds[metric])))
            .ToList();
        if (peers.Count == 0)
            return null;
        return Metrics.LowerIsBetter(metric) ? peers.MinBy(each => each.Median).Key : peers.MaxBy(each => each.Median).Key;
    }
}
