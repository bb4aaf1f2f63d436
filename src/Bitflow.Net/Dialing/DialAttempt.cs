using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Dialing;

/// <summary>
/// One attempt to reach one target for one client: resolve, connect, ask a SOCKS5 proxy, announce the client, secure the rest. The deadline of the attempt is
/// the session's: it calls <see cref="Abort"/>; only the shares of several addresses are timed here.
/// </summary>
internal sealed class DialAttempt(Dialer dialer, EventLoop loop, TargetModel target, ICaller caller, Instant deadline) : LoopTimer
{
    private readonly Lock _gate = new();
    private Connection? _current;
    private bool _aborted;
    private bool _shareOver;

    /// <summary>What the names of the target and of its SOCKS5 proxy resolved to so far, for the record.</summary>
    public FSharpList<Resolved> Resolved { get; private set; } = FSharpList<Resolved>.Empty;

    /// <summary>The address that was connected to last, whether or not it answered; unknown where it came, or has come, to none.</summary>
    public Endpoint Tried { get; private set; } = Endpoint.Unknown;

    public async ValueTask<DialOutcome> RunAsync()
    {
        if (target.Config.Address is Address.Descriptor inherited)
        {
            return dialer.Inherited.TryTake(inherited.number)
                ? await PrepareAsync(Ready(loop.Adopt(inherited.number, target.Settings))).ConfigureAwait(false)
                : DialOutcome.Failed(DialFault.UsedUp);
        }

        FSharpResult<DialRoute, DialFault> choice = DialRouteModule.Choose(target.Config, caller.IsDualStack, caller.Source);
        if (choice.IsError)
            return DialOutcome.Failed(choice.ErrorValue);
        DialRoute route = choice.ResultValue;
        DialOutcome outcome = route.Socks.IsSome
            ? await ConnectThroughProxyAsync(route, route.Socks.Value).ConfigureAwait(false)
            : await ConnectToAsync(route, await LookUpHopAsync(route).ConfigureAwait(false)).ConfigureAwait(false);
        return await PrepareAsync(outcome).ConfigureAwait(false);
    }

    /// <summary>Ends the attempt: what it was doing fails, and a connection it made is reset.</summary>
    public void Abort()
    {
        Connection? current;
        lock (_gate)
        {
            _aborted = true;
            current = _current;
        }

        loop.Disarm(this);
        current?.Abort();
    }

    public override void Fire(Instant now)
    {
        Connection? current;
        lock (_gate)
        {
            _shareOver = true;
            current = _current;
        }

        current?.Abort();
    }

    /// <summary>The proxy's name and the target's are looked up side by side: one limit holds for both.</summary>
    private async ValueTask<DialOutcome> ConnectThroughProxyAsync(DialRoute route, SocksRequest request)
    {
        ValueTask<Lookup> hop = LookUpHopAsync(route);
        IReadOnlyList<SocksDestination> destinations;
        if (request is SocksRequest.Resolve name)
        {
            Lookup found = await LookUpAsync(name.host, name.family, route.ResolveTimeout).ConfigureAwait(false);
            if (found.Fault is { } unresolved)
                return DialOutcome.Failed(unresolved);
            destinations = [.. found.Addresses.Select(address => SocksDestination.NewIp(address, name.port))];
        }
        else
        {
            destinations = [((SocksRequest.Ask)request).destination];
        }

        Lookup proxy = await hop.ConfigureAwait(false);
        DialOutcome outcome = default;
        foreach (SocksDestination destination in destinations)
        {
            // A connection an address: a proxy that has said no closes (RFC 1928, section 6).
            outcome = await ConnectThroughProxyAsync(route, proxy, destination).ConfigureAwait(false);
            if (outcome.Fault is not { } fault || !DialFaultModule.AnotherAddressMayDo(fault))
                return outcome;
        }

        return outcome;
    }

    private async ValueTask<DialOutcome> ConnectThroughProxyAsync(DialRoute route, Lookup proxy, SocksDestination destination)
    {
        DialOutcome outcome = await ConnectToAsync(route, proxy).ConfigureAwait(false);
        if (outcome.Connection is not { } connection)
        {
            return outcome.Fault is DialFault.Connect connecting
                ? DialOutcome.Failed(DialFault.NewSocksConnect(connecting.fault))
                : outcome;
        }

        if (await SocksConversation.RunAsync(connection, route, destination).ConfigureAwait(false) is not { } fault)
            return outcome;
        connection.Abort();
        return DialOutcome.Failed(fault);
    }

    private ValueTask<Lookup> LookUpHopAsync(DialRoute route) =>
        route.FirstHop is Address.Tcp { host: Host.Name name }
            ? LookUpAsync(name.Item, route.Family, route.ResolveTimeout)
            : default;

    private async ValueTask<Lookup> LookUpAsync(string name, TcpFamily family, Duration timeout)
    {
        Task<Resolution> resolving = dialer.Resolver.ResolveAsync(name);
        Task waiting = timeout.IsPositive ? resolving.WaitAsync(timeout.ToTimerSpan()) : resolving;
        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await loop.SwitchAsync();
        if (!waiting.IsCompletedSuccessfully)
            return new Lookup([], DialFault.ResolveTimeout);
        Resolution resolution = await resolving.ConfigureAwait(false);
        if (resolution.Addresses.Count > 0)
        {
            // Two lookups may come back at once, on two threads of the pool.
            lock (_gate)
                Resolved = ResolvedModule.Then(Resolved, ListModule.OfSeq([new Resolved(name, ListModule.OfSeq(resolution.Addresses))]));
        }

        if (resolution.Failure is { } failure)
            return new Lookup([], DialFault.NewUnresolved($"{name}: {failure}"));
        IReadOnlyList<IPAddress> usable = AddressChoice.Usable(family, resolution.Addresses);
        return usable.Count > 0
            ? new Lookup(usable, null)
            : new Lookup([], DialFault.NewUnresolved($"{name}: none of its {resolution.Addresses.Count} addresses is {(family.IsV4 ? "IPv4" : "IPv6")}"));
    }

    private ValueTask<DialOutcome> ConnectToAsync(DialRoute route, Lookup lookup)
    {
        if (lookup.Fault is { } unresolved)
            return new(DialOutcome.Failed(unresolved));
        return route.FirstHop switch
        {
            Address.UnixPath unix => ConnectAsync(new UnixDomainSocketEndPoint(unix.path)),
            Address.UnixAbstract name => ConnectAsync(new UnixDomainSocketEndPoint("\0" + name.name)),
            Address.Tcp { host: Host.Literal literal } tcp => ConnectAsync(new IPEndPoint(literal.Item, tcp.port)),
            Address.Tcp { host: Host.Name } tcp => ConnectToAnyAsync(lookup.Addresses, tcp.port),
            _ => new(DialOutcome.Failed(DialFault.NewUnresolved("the address names nothing to connect to"))),
        };
    }

    private async ValueTask<DialOutcome> ConnectToAnyAsync(IReadOnlyList<IPAddress> addresses, int port)
    {
        DialOutcome outcome = default;
        for (int i = 0; i < addresses.Count; i++)
        {
            Duration left = deadline.IsNever ? Duration.Zero : deadline - loop.Now;
            if (!deadline.IsNever && i < addresses.Count - 1)
                loop.Arm(this, loop.Now + DialPlanModule.AddressShare(left, addresses.Count - i));
            outcome = await ConnectAsync(new IPEndPoint(addresses[i], port)).ConfigureAwait(false);
            loop.Disarm(this);
            lock (_gate)
            {
                if (outcome.Connection is not null || _aborted)
                    return outcome;
                if (_shareOver)
                    outcome = DialOutcome.Failed(DialFault.ConnectTimeout);
                _shareOver = false;
            }
        }

        return outcome;
    }

    private async ValueTask<DialOutcome> ConnectAsync(EndPoint remote)
    {
        Tried = Endpoints.FromPlatform(remote);
        ValueTask<IoFault> connecting = loop.ConnectAsync(remote, target.Settings, out Connection connection);
        bool aborted;
        lock (_gate)
        {
            _current = connection;
            aborted = _aborted;
        }

        if (aborted)
            connection.Abort();
        IoFault fault = await connecting.ConfigureAwait(false);
        if (fault == IoFault.None && remote is IPEndPoint ip && LocalPorts.MayInclude(ip.Port) && EndpointModule.IsItself(connection.Local, Tried))
        {
            connection.Abort();
            fault = IoFault.Refused;
        }

        return fault == IoFault.None ? Ready(connection) : DialOutcome.Failed(DialFault.NewConnect(fault));
    }

    /// <summary>
    /// Sends the PROXY header, before anything else and without waiting for the client (PP-2). What the client has said by now shares its segment; only
    /// on a loop, where the attempt cannot be given up between the two.
    /// </summary>
    private async ValueTask<DialOutcome> AnnounceAsync(DialOutcome outcome, Connection connection)
    {
        ReadOnlyMemory<byte> words = target.Tls is null && connection is LoopConnection ? caller.FirstWords() : default;
        IoFault fault = await connection.SendAllAsync(words.IsEmpty ? caller.Announcement : Joined(caller.Announcement, words)).ConfigureAwait(false);
        if (fault == IoFault.None)
            return outcome with { WordsSent = words.Length };
        connection.Abort();
        return DialOutcome.Failed(DialFault.NewExchange(fault));
    }

    private static byte[] Joined(ReadOnlyMemory<byte> header, ReadOnlyMemory<byte> words)
    {
        byte[] both = new byte[header.Length + words.Length];
        header.CopyTo(both);
        words.CopyTo(both.AsMemory(header.Length));
        return both;
    }

    private ValueTask<DialOutcome> PrepareAsync(DialOutcome outcome) =>
        outcome.Connection is not { } connection ? new(outcome)
        : caller.Announcement.IsEmpty ? SecureAsync(outcome)
        : AnnounceAndSecureAsync(outcome, connection);

    private async ValueTask<DialOutcome> AnnounceAndSecureAsync(DialOutcome outcome, Connection connection) =>
        await SecureAsync(await AnnounceAsync(outcome, connection).ConfigureAwait(false)).ConfigureAwait(false);

    private ValueTask<DialOutcome> SecureAsync(DialOutcome outcome) =>
        target.Tls is { } tls && outcome.Connection is { } raw ? SecureAsync(tls, raw) : new(outcome);

    private async ValueTask<DialOutcome> SecureAsync(TargetTlsContext tls, Connection raw)
    {
        TlsOutcome secured = await tls.ConnectAsync(raw).ConfigureAwait(false);
        if (secured.Connection is { } connection)
            return Ready(connection);
        raw.Abort();
        return DialOutcome.Failed(secured switch
        {
            { IsCertificate: true } => DialFault.NewCertificate(secured.Detail),
            { Raw: IoFault.None } => DialFault.NewTls(secured.Detail),
            { Raw: IoFault.Truncated } => DialFault.NewExchange(IoFault.None),
            _ => DialFault.NewExchange(secured.Raw),
        });
    }

    private DialOutcome Ready(Connection connection)
    {
        lock (_gate)
        {
            _current = connection;
            if (!_aborted)
                return new(connection, null);
        }

        connection.Abort();
        return DialOutcome.Failed(DialFault.NewConnect(IoFault.Aborted));
    }

    /// <summary>The addresses of a name that may be used, at least one, or why there is none. Nothing of either where there was no name.</summary>
    private readonly record struct Lookup(IReadOnlyList<IPAddress> Addresses, DialFault? Fault);
}
