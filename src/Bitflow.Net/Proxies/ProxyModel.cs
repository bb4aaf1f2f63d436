using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Observing;
using Bitflow.Net.Tls;

namespace Bitflow.Net.Proxies;

/// <summary>
/// One proxy as its configuration has it, immutable but for what its targets are known to have come to. A reload swaps the whole; connections keep the one that they began with.
/// </summary>
internal sealed class ProxyModel
{
    /// <param name="log">The connection log, opened; null where the configuration names none.</param>
    /// <param name="before">What the proxy was served as; null where it was not.</param>
    public ProxyModel(ProxyConfig config, int generation, ProxyTls tls, IConnectionLog? log, ProxyModel? before)
    {
        Tls = tls;
        Config = config;
        Log = log;
        ListenerText = config.Listener.Address.ToString();
        Meter = new ProxyMeter(config.Name, ListenerText, config.Targets.Select(t => t.Name));
        Generation = generation;
        Rules = new Rules(config);
        Targets = [.. config.Targets.Select((t, i) => new TargetModel(t, tls.Targets[i], before?.ReachOf(t) ?? new TargetReach()))];
    }

    public ProxyConfig Config { get; }

    public string Name => Config.Name;

    /// <summary>The listener's address as configured: what logs and metrics call it.</summary>
    public string ListenerText { get; }

    public IConnectionLog? Log { get; }

    public ProxyMeter Meter { get; }

    public Rules Rules { get; }

    public ProxyTls Tls { get; }

    public TargetModel[] Targets { get; }

    /// <summary>Which reading of the file it came from: 1 at start, one more at each reload.</summary>
    public int Generation { get; }

    private TargetReach? ReachOf(TargetConfig target) => Targets.FirstOrDefault(one => TargetFailureModule.GoesOn(one.Config, target))?.Reach;
}
