using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Dialing;

/// <summary>
/// One attempt to reach one target for one client: by every address that may do, each in its share of the time, until one leads there. The deadline of the attempt is
/// the session's: it calls <see cref="DialProgress.Abort"/>; only the shares of several addresses are timed here.
/// </summary>
internal sealed class DialAttempt(Dialer dialer, EventLoop loop, TargetModel target, ICaller caller, Instant deadline) : DialProgress(loop, target, caller)
{
    public ValueTask<DialOutcome> RunAsync()
    {
        TargetRoute chosen = DialRouteModule.Choose(Target.Config, Caller.IsDualStack, Caller.Source);
        if (chosen.IsInherited)
        {
            return dialer.Inherited.TryTake(chosen.number)
                ? TargetConnector.AdoptAsync(this, chosen.number)
                : new(DialOutcome.Failed(DialFault.UsedUp));
        }

        if (chosen.IsUnreachable)
            return new(DialOutcome.Failed(chosen.fault));
        DialRoute route = chosen.route;
        ValueTask<RouteAddresses> finding = RouteAddresses.FindAsync(this, dialer.Resolver, route);

        // Where there is no name to wait for, no task is made for it either.
        return finding.IsCompletedSuccessfully ? TryEachAsync(route, finding.Result) : TryFoundAsync(route, finding);
    }

    private async ValueTask<DialOutcome> TryFoundAsync(DialRoute route, ValueTask<RouteAddresses> finding) =>
        await TryEachAsync(route, await finding.ConfigureAwait(false)).ConfigureAwait(false);

    /// <summary>Every address that a SOCKS5 proxy is asked for, by way of every address of that proxy; or every address of the target.</summary>
    private ValueTask<DialOutcome> TryEachAsync(DialRoute route, RouteAddresses found)
    {
        if (found.Fault is { } unresolved)
            return new(DialOutcome.Failed(unresolved));
        DialWay way = DialWayModule.First(found.OfHop?.Count ?? 1, found.Destinations.Length);
        return way.Left == 1 ? TryAsync(route, found, way) : TryInSharesAsync(route, found, way);
    }

    private async ValueTask<DialOutcome> TryInSharesAsync(DialRoute route, RouteAddresses found, DialWay way)
    {
        FSharpValueOption<DialFault> told = default;
        Endpoint toldOf = Tried;
        while (true)
        {
            BeginShare(way);
            DialOutcome outcome = EndShare(await TryAsync(route, found, way).ConfigureAwait(false));
            if (outcome.Fault is not { } fault)
                return outcome;
            told = FSharpValueOption<DialFault>.Some(DialFaultModule.Told(told, fault));
            if (ReferenceEquals(told.Value, fault))
                toldOf = Tried;
            if (DialWayModule.Next(way, fault) is not { IsSome: true } next)
            {
                Tried = toldOf;
                return outcome with { Fault = told.Value };
            }

            way = next.Value;
        }
    }

    /// <summary>From now on a way has its part of the time for all of it: an address that accepts and then hangs leaves the others theirs.</summary>
    private void BeginShare(DialWay way)
    {
        if (!deadline.IsNever && way.Left > 1)
            BeginShare(Loop.Now + DialWayModule.Share(deadline - Loop.Now, way));
    }

    private DialOutcome EndShare(DialOutcome outcome)
    {
        if (!EndShare())
            return outcome;
        outcome.Connection?.Abort();
        return DialOutcome.Failed(DialFault.NewConnectTimeout(Waiting));
    }

    private ValueTask<DialOutcome> TryAsync(DialRoute route, RouteAddresses found, DialWay way) =>
        TargetConnector.ConnectAsync(this, route, HopAt(route, found, way.Hop), found.Destinations[way.Destination]);

    private static EndPoint HopAt(DialRoute route, RouteAddresses found, int place)
    {
        switch (route.FirstHop)
        {
            case DialAddress.UnixPath unix:
                return new UnixDomainSocketEndPoint(unix.path);
            case DialAddress.UnixAbstract name:
                return Endpoints.OfAbstractName(name.name);
            default:
                var tcp = (DialAddress.Tcp)route.FirstHop;
                return new IPEndPoint(tcp.host is DialHost.Literal literal ? literal.Item : found.OfHop![place], tcp.port.Number);
        }
    }
}
