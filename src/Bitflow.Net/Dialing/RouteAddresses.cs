using System.Net;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>What the names of a route stand for at this moment, or why one of them stands for nothing that may be used.</summary>
/// <param name="OfHop">The addresses of the first hop's name, at least one; null where it has no name.</param>
/// <param name="Destinations">What a SOCKS5 proxy is asked for, one after the other, at least one.</param>
internal readonly record struct RouteAddresses(IReadOnlyList<IPAddress>? OfHop, SocksDestination?[] Destinations, DialFault? Fault)
{
    /// <summary>Where no SOCKS5 proxy is asked for anything: the one way is to the target itself.</summary>
    private static readonly SocksDestination?[] Directly = [null];

    public static async ValueTask<RouteAddresses> FindAsync(DialProgress attempt, Resolver resolver, DialRoute route)
    {
        if (route.Socks.IsSome)
            return await FindAsync(attempt, resolver, route, route.Socks.Value).ConfigureAwait(false);
        Lookup hop = await LookUpHopAsync(attempt, resolver, route, Hop.Target).ConfigureAwait(false);
        return new(hop.Addresses, Directly, hop.Fault);
    }

    /// <summary>The proxy's name and the target's are looked up side by side: one limit holds for both.</summary>
    private static async ValueTask<RouteAddresses> FindAsync(DialProgress attempt, Resolver resolver, DialRoute route, SocksRequest request)
    {
        ValueTask<Lookup> lookingUpHop = LookUpHopAsync(attempt, resolver, route, Hop.Proxy);
        SocksDestination[] destinations;
        if (request is SocksRequest.Resolve name)
        {
            Lookup found = await LookUpAsync(attempt, resolver, Hop.Target, name.host, name.family, route.ResolveTimeout).ConfigureAwait(false);
            if (found.Fault is not null)
            {
                // Whatever the proxy's name comes to changes nothing any more, and is not waited for.
                _ = lookingUpHop.AsTask();
                return new(null, Directly, found.Fault);
            }

            destinations = [.. found.Addresses!.Select(address => SocksDestination.NewIp(address, name.port))];
        }
        else
        {
            destinations = [((SocksRequest.Ask)request).destination];
        }

        attempt.WaitsForName(Hop.Proxy);
        Lookup hop = await lookingUpHop.ConfigureAwait(false);
        return new(hop.Addresses, destinations, hop.Fault);
    }

    private static ValueTask<Lookup> LookUpHopAsync(DialProgress attempt, Resolver resolver, DialRoute route, Hop hop) =>
        route.FirstHop is DialAddress.Tcp { host: DialHost.Name name }
            ? LookUpAsync(attempt, resolver, hop, name.Item.Text, route.Family, route.ResolveTimeout)
            : default;

    private static async ValueTask<Lookup> LookUpAsync(DialProgress attempt, Resolver resolver, Hop hop, string name, TcpFamily family, Duration timeout)
    {
        Task<Resolution> resolving = resolver.ResolveAsync(name);
        attempt.WaitsForName(hop);
        Task waiting = timeout.IsPositive ? Deadline.EndsWaitAsync(resolving, timeout) : resolving;
        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await attempt.Loop.SwitchAsync();
        if (!resolving.IsCompletedSuccessfully)
            return new Lookup(null, DialFault.NewResolveTimeout(hop));
        Resolution resolution = await resolving.ConfigureAwait(false);
        if (resolution.Addresses.Count > 0)
            attempt.Learn(name, resolution.Addresses);
        if (resolution.Fault is { } fault)
            return new Lookup(null, DialFault.NewUnresolved(hop, AddressFault.NewUnresolved(name, fault)));
        IReadOnlyList<IPAddress> usable = AddressChoice.Usable(family, resolution.Addresses);
        return usable.Count > 0
            ? new Lookup(usable, null)
            : new Lookup(null, DialFault.NewUnresolved(hop, AddressFault.NewNoneOfFamily(name, resolution.Addresses.Count, family)));
    }

    /// <summary>The addresses of a name that may be used, at least one, or why there is none. Nothing of either where there was no name.</summary>
    private readonly record struct Lookup(IReadOnlyList<IPAddress>? Addresses, DialFault? Fault);
}
