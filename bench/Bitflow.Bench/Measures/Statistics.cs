namespace Bitflow.Bench.Measures;

/// <summary>Medians, percentiles, and paired ratios.</summary>
internal static class Statistics
{
    /// <summary>The smallest value that at least so many percent do not exceed (nearest rank).</summary>
    public static double Percentile(IReadOnlyList<double> ascending, double percent) =>
        ascending[Math.Clamp((int)Math.Ceiling(ascending.Count * percent / 100) - 1, 0, ascending.Count - 1)];

    public static double Median(IEnumerable<double> values)
    {
        double[] ascending = [.. values.Order()];
        int middle = ascending.Length / 2;
        return ascending.Length % 2 == 1 ? ascending[middle] : (ascending[middle - 1] + ascending[middle]) / 2;
    }

    /// <summary>Ratios round by round, or turn by turn: what disturbs the machine meanwhile disturbs both.</summary>
    public static double[] Ratios(IReadOnlyList<double> ours, IReadOnlyList<double> theirs) =>
        [.. ours.Zip(theirs, (a, b) => a / b)];
}
