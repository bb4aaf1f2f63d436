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

    /// <summary>
    /// From one of the values to another, and so that their median's true value lies between with 95 % at the least: by the binomial distribution of how many of them are below it (order statistics), whatever theirs is.
    /// Where they are too few for that, from the least to the greatest (five: 94 %).
    /// </summary>
    public static (double Low, double High) MedianInterval(IEnumerable<double> values)
    {
        double[] ascending = [.. values.Order()];
        int count = ascending.Length;
        int outside = 0;
        double probability = Math.Pow(0.5, count);
        for (double below = 2 * probability; below <= 0.05; below += 2 * probability)
        {
            outside++;
            probability *= (count - outside + 1) / (double)outside;
        }
        int least = Math.Max(outside - 1, 0);
        return (ascending[least], ascending[count - 1 - least]);
    }

    /// <summary>Ratios round by round, or turn by turn: what disturbs the machine meanwhile disturbs both.</summary>
    public static double[] Ratios(IReadOnlyList<double> ours, IReadOnlyList<double> theirs) =>
        [.. ours.Zip(theirs, (a, b) => a / b)];
}
