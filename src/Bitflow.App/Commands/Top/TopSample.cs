namespace Bitflow.App.Commands.Top;

/// <summary>What an admin server said at one moment.</summary>
internal sealed record TopSample(long Ticks, bool IsReady, IReadOnlyList<TopProxy> Proxies, IReadOnlyList<TopConnection> Connections)
{
    /// <summary>The same with how fast the sums grew since an earlier look. A proxy that was not there then has moved nothing.</summary>
    public TopSample Since(TopSample before)
    {
        double seconds = (Ticks - before.Ticks) / (double)TimeSpan.TicksPerSecond;
        if (seconds <= 0)
            return this;
        // Whoever answers need not be a Bitflow, which says each name once.
        var old = before.Proxies.DistinctBy(static proxy => proxy.Name).ToDictionary(static proxy => proxy.Name);
        return this with
        {
            Proxies =
            [
                .. Proxies.Select(proxy => old.TryGetValue(proxy.Name, out TopProxy? was)
                    ? proxy with
                    {
                        NewRate = Rate(proxy.Admitted - was.Admitted),
                        FromClientsRate = Rate(proxy.FromClients - was.FromClients),
                        FromTargetsRate = Rate(proxy.FromTargets - was.FromTargets),
                    }
                    : proxy),
            ],
        };

        double Rate(long grown) => Math.Max(0, grown) / seconds;
    }
}

/// <summary>A line of the proxies.</summary>
/// <param name="Failing">The names of the targets that all attempts to reach have failed since they were last reached.</param>
internal sealed record TopProxy(string Name, string Bound, bool IsConfigured, string Policy, string Targets, string Failing, long Open, long Limit, long Admitted, long FromClients, long FromTargets)
{
    public double NewRate { get; init; }

    public double FromClientsRate { get; init; }

    public double FromTargetsRate { get; init; }
}

/// <summary>A line of the connections.</summary>
internal sealed record TopConnection(
    long Id, string Proxy, string Client, string Target, string Phase, string ServerName, TimeSpan Age, long FromClient, long FromTarget);
