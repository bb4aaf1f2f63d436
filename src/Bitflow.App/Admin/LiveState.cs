using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.App.Admin;

/// <summary>The running server in the core's words, as it is at the moment of asking. Asked from the thread pool, never from an engine.</summary>
internal sealed class LiveState(Server server)
{
    private volatile bool _isReady;

    /// <summary>Whether new clients are served: after the start, and not during a drain.</summary>
    public bool IsReady
    {
        get => _isReady;
        set => _isReady = value;
    }

    /// <summary>As the file has them in order; behind them those that it no longer has, while they have connections.</summary>
    public IReadOnlyList<ProxyView> Proxies()
    {
        ILookup<string, Endpoint> bound = server.Listeners.ToArray().ToLookup(static l => l.Proxy.Model.Name, static l => l.Socket.Local);
        Dictionary<string, int> places = (server.Serving?.Config.Proxies ?? []).Index().ToDictionary(static p => p.Item.Name, static p => p.Index);
        return
        [
            .. server.Running()
                .OrderBy(proxy => places.GetValueOrDefault(proxy.Model.Name, int.MaxValue))
                .Select(proxy => ViewOf(proxy, bound[proxy.Model.Name])),
        ];
    }

    public IReadOnlyList<ConnectionView> Connections() =>
        [.. StateView.Newest(static session => session.Id, server.Sessions()).Select(ViewOf)];

    /// <summary>Has clients leave alone what the admin server is about to hold, until that is disposed of.</summary>
    public IDisposable LeaveDescriptors() => server.LeaveDescriptors((int)DescriptorBudget.adminDescriptors);

    private static ProxyView ViewOf(RunningProxy proxy, IEnumerable<Endpoint> bound)
    {
        ProxyModel model = proxy.Model;
        ProxyState state = proxy.State;
        (long fromClients, long fromTargets) = state.Moved();
        return new ProxyView(
            name: model.Name,
            listener: model.ListenerText,
            bound: ListModule.OfSeq(bound),
            policy: model.Config.Options.LoadBalancer,
            targets: ListModule.OfSeq(model.Targets.Select(static target => new TargetView(target.Name, target.AddressText, OptionModule.OfObj(target.Reach.Failure)))),
            openConnections: state.Open,
            connectionLimit: model.Config.Options.ConnectionLimit,
            admitted: state.Admitted,
            relays: state.Relays,
            sourceSentBytes: fromClients,
            destinationReceiveBytes: fromTargets,
            generation: model.Generation,
            isConfigured: proxy.IsConfigured);
    }

    private static ConnectionView ViewOf(Session session)
    {
        Life life = session.Life;
        return new ConnectionView(
            id: session.Id,
            proxy: session.Model.Name,
            phase: life.Phase,
            source: life.Source,
            target: session.TargetModel?.Name ?? "",
            serverName: life.ServerName.IsSome ? life.ServerName.Value.ToString() : "",
            since: session.AcceptedAtUtc,
            age: MonotonicClock.Now - life.AcceptedAt,
            sourceSentBytes: session.ClientStamps.BytesFrom,
            destinationReceiveBytes: session.TargetStamps.BytesFrom);
    }
}
