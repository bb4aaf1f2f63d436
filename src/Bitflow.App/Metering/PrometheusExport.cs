using Bitflow.Domain;
using Microsoft.FSharp.Collections;

namespace Bitflow.App.Metering;

/// <summary>What the store holds, for Prometheus.</summary>
internal static class PrometheusExport
{
    public static string Text(MetricStore store)
    {
        store.Collect();
        return Prometheus.Format(store.Families.Select(Family));
    }

    private static PrometheusFamily Family(MetricFamily family)
    {
        Metric metric = family.Metric;
        double scale = Metrics.PrometheusScale(metric);
        return new PrometheusFamily(
            Metrics.PrometheusName(metric),
            metric.Help,
            Prometheus.TypeOf(metric),
            ListModule.OfSeq(family.Series.Select(series => new PrometheusSeries(series.Tags, Value(metric, series, scale)))));
    }

    private static PrometheusValue Value(Metric metric, MetricSeries series, double scale)
    {
        if (metric.Kind.IsCounter)
            return PrometheusValue.NewSingle(series.Count);
        if (!metric.Kind.IsTiming)
            return PrometheusValue.NewSingle(series.Level * scale);
        (Tuple<double, long>[] buckets, long count, double sum) = series.Distribution(scale);
        return PrometheusValue.NewHistogram(ListModule.OfSeq(buckets), count, sum);
    }
}
