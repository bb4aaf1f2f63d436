namespace Bitflow.Net.Proxies;

/// <summary>A proxy that there is something to say of.</summary>
/// <param name="Model">Its settings; of one that a reload took out, those that its newest connection began with.</param>
/// <param name="State">What is counted under its name.</param>
/// <param name="IsConfigured">Whether the configuration has it still; one that it no longer has is only here while it has connections.</param>
internal readonly record struct RunningProxy(ProxyModel Model, ProxyState State, bool IsConfigured);
