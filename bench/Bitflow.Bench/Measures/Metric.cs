namespace Bitflow.Bench.Measures;

/// <summary>What is measured of a contender in a round or a turn.</summary>
internal enum Metric
{
    /// <summary>Microseconds of processor time (user and system, all of its processes) a unit, at full speed.</summary>
    Cpu,

    /// <summary>The same at the common pace, where waiting costs too.</summary>
    PacedCpu,

    /// <summary>Units a second at full speed. The generator shares the cores: this says less than <see cref="Cpu"/>.</summary>
    Rate,

    /// <summary>Median latency of a turn in microseconds at the common pace.</summary>
    P50,

    /// <summary>The 99th percentile of the same.</summary>
    P99,

    /// <summary>Resident memory in MiB after the round.</summary>
    Resident,

    /// <summary>KiB of resident memory that a connection adds between 500 and 4,000 idle ones.</summary>
    IdleTo4000,

    /// <summary>The same between 1,000 and 8,000.</summary>
    IdleTo8000,

    /// <summary>Milliseconds from the start of the process to the first answer through it.</summary>
    Start,
}
