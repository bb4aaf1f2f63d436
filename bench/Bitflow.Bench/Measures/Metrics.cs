namespace Bitflow.Bench.Measures;

/// <summary>How metrics are written.</summary>
internal static class Metrics
{
    public static bool LowerIsBetter(Metric metric) => metric != Metric.Rate;

    public static string Title(Metric metric, string unit) => metric switch
    {
        Metric.Cpu => unit == "GB" ? "CPU, ms/GB" : $"CPU, µs/{unit}",
        Metric.PacedCpu => $"CPU at pace, µs/{unit}",
        Metric.Rate => unit == "GB" ? "GB/s" : $"{unit}s/s",
        Metric.P50 => "p50, µs",
        Metric.P99 => "p99, µs",
        Metric.Resident => "memory, MiB",
        Metric.IdleTo4000 => "KiB a connection, 500 to 4,000",
        Metric.IdleTo8000 => "KiB a connection, 1,000 to 8,000",
        _ => "start to first answer, ms",
    };
}
