using Bitflow.Bench.Proxies;

namespace Bitflow.Bench.Measures;

/// <summary>One thing that proxies are asked to do, and how well Bitflow must do it.</summary>
internal sealed record Workload
{
    public required string Name { get; init; }

    public required string Title { get; init; }

    public required Kind Kind { get; init; }

    public required Service Service { get; init; }

    /// <summary>What is counted: a request, a connection, GB.</summary>
    public required string Unit { get; init; }

    public bool Tls { get; init; }

    public bool Resumes { get; init; }

    public bool ConnectsEach { get; init; }

    public int Clients { get; init; }

    /// <summary>Exchanges of a full run at full speed.</summary>
    public int Units { get; init; }

    /// <summary>Bytes of each stream, for bulk.</summary>
    public long StreamBytes { get; init; }

    /// <summary>The most that Bitflow's processor time may be, as a ratio to the best peer's.</summary>
    public double? CpuGoal { get; init; }

    /// <summary>The size of the contenders' buffers: large for transfers, their default where memory is measured.</summary>
    public int BufferBytes => Kind is Kind.Idle ? 16 * 1024 : 64 * 1024;
}
