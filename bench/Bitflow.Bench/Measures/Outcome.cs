namespace Bitflow.Bench.Measures;

/// <summary>A workload's results as they are kept between runs.</summary>
internal sealed record Outcome
{
    public required string Workload { get; init; }

    public required string Machine { get; init; }

    public required string Versions { get; init; }

    /// <summary>How many threads of others wanted a core when it began (the load average of a minute).</summary>
    public double OtherLoad { get; init; }

    /// <summary>Units a second at which latency was measured; 0 where it was not.</summary>
    public double PerSecond { get; init; }

    public required Dictionary<string, Samples> Contenders { get; init; }
}
