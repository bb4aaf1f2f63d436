using System.Collections.Concurrent;
using System.Diagnostics.Metrics;

namespace Bitflow.Net.Observing;

/// <summary>The totals of every proxy that the configuration has named since the start.</summary>
internal sealed class ProxyTotals
{
    private readonly ConcurrentDictionary<string, ProxyTotal> _byName = new(StringComparer.Ordinal);

    /// <summary>The totals of a proxy's name: those it had, if it had any.</summary>
    public ProxyTotal Of(string name, string listener)
    {
        ProxyTotal total = _byName.GetOrAdd(name, static (name, listener) => new ProxyTotal(name, listener), listener);
        total.MoveTo(listener);
        return total;
    }

    public IEnumerable<Measurement<long>> Measure(Func<ProxyTotal, long> value)
    {
        foreach (KeyValuePair<string, ProxyTotal> entry in _byName)
            yield return new Measurement<long>(value(entry.Value), entry.Value.CurrentTags);
    }
}
