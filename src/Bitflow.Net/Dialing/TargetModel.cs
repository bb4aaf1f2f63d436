using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>A target as it is used: its configuration, and what was made from it once.</summary>
internal sealed class TargetModel(TargetConfig config, TargetTlsContext? tls, TargetReach reach)
{
    public TargetConfig Config { get; } = config;

    public string Name => Config.Name;

    /// <summary>Null where it is dialled in plain text.</summary>
    public TargetTlsContext? Tls { get; } = tls;

    /// <summary>What the attempts to reach it have come to, under these settings and those before.</summary>
    public TargetReach Reach { get; } = reach;

    /// <summary>The address as people know it.</summary>
    public string AddressText { get; } = config.Address.ToString();

    public SocketSettings Settings { get; } = new(config.KeepAlive is KeepAlive.Every every ? every.seconds : 0);
}
