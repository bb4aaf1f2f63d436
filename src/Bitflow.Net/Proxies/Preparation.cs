using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>Everything that a change of configuration opens, opened, and the plan that says what becomes of the rest.</summary>
internal sealed class Preparation(ReloadPlan plan, ConfigSnapshot next)
{
    public ReloadPlan Plan { get; } = plan;

    public ConfigSnapshot Next { get; } = next;

    /// <summary>Models of the proxies that start or are replaced, by name.</summary>
    public Dictionary<string, ProxyModel> Models { get; } = new(StringComparer.Ordinal);

    public List<(string Proxy, ListeningSocket Socket)> Opened { get; } = [];

    public List<(string Proxy, Listener Listener)> Kept { get; } = [];

    public List<Listener> Dropped { get; } = [];

    /// <summary>Takes back what was opened.</summary>
    public void Undo()
    {
        foreach ((_, ListeningSocket socket) in Opened)
            socket.Undo();
    }
}
