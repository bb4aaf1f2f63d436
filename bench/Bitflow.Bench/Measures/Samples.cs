namespace Bitflow.Bench.Measures;

/// <summary>What the rounds of one contender in one workload gave (its latencies: what each turn gave), or why they gave nothing.</summary>
internal sealed class Samples
{
    public Dictionary<Metric, List<double>> Rounds { get; init; } = [];

    public string? Fault { get; set; }

    public void Add(Metric metric, double value)
    {
        if (!Rounds.TryGetValue(metric, out List<double>? rounds))
            Rounds[metric] = rounds = [];
        rounds.Add(value);
    }
}
