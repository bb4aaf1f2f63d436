namespace Bitflow.Bench.Measures;

/// <summary>How much a run does.</summary>
internal sealed record Scale
{
    public required int Rounds { get; init; }

    /// <summary>Units are divided by this.</summary>
    public required int Divisor { get; init; }

    /// <summary>How often the contenders alternate in a round.</summary>
    public required int Turns { get; init; }

    public required IReadOnlyList<int> IdleLevels { get; init; }

    /// <summary>How long resident memory has to stand still to count: longer than a runtime keeps what it worked with in a burst.</summary>
    public required double RestSeconds { get; init; }

    /// <summary>How long load is carried before anything counts: a runtime that compiles what is hot needs to have seen what is.</summary>
    public required double WarmUpSeconds { get; init; }

    /// <summary>How long a contender's paced runs of a round take together: long enough that one thread that waits for a processor is not the 99th percentile of a turn.</summary>
    public required double PacedSeconds { get; init; }

    public static Scale Full(int rounds) =>
        new() { Rounds = rounds, Divisor = 1, Turns = 5, IdleLevels = [500, 1_000, 4_000, 8_000], RestSeconds = 5, WarmUpSeconds = 3, PacedSeconds = 4 };

    /// <summary>So small that it only proves that everything still works.</summary>
    public static Scale Smoke { get; } = new() { Rounds = 1, Divisor = 100, Turns = 1, IdleLevels = [5, 10, 40, 80], RestSeconds = 0.2, WarmUpSeconds = 0, PacedSeconds = 0.05 };
}
