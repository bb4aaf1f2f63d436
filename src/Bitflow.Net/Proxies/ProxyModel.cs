using Bitflow.Domain;
using Bitflow.Net.Dialing;

namespace Bitflow.Net.Proxies;

/// <summary>
/// One proxy as its configuration has it, immutable. A reload swaps the whole; connections keep the one that they began with.
/// </summary>
internal sealed class ProxyModel
{
    public ProxyModel(ProxyConfig config, int generation)
    {
        Config = config;
        Generation = generation;
        Rules = new Rules(config);
        Targets = [.. config.Targets.Select(t => new TargetModel(t))];
    }

    public ProxyConfig Config { get; }

    public string Name => Config.Name;

    public Rules Rules { get; }

    public TargetModel[] Targets { get; }

    /// <summary>Which reading of the file it came from: 1 at start, one more at each reload.</summary>
    public int Generation { get; }
}
