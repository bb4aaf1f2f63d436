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
    /// <summary>Where no SOCKS5 proxy is asked for anything: the one way is to the target itself.</summary>
    private static readonly SocksDestination?[] Directly = [null];

    private static readonly DialWait TargetName = DialWait.NewName(Hop.Target);
    private static readonly DialWait ProxyName = DialWait.NewName(Hop.Proxy);
    private static readonly DialWait TargetConnection = DialWait.NewConnection(Hop.Target);
    private static readonly DialWait ProxyConnection = DialWait.NewConnection(Hop.Proxy);

    private readonly Lock _gate = new();
    private readonly Instant _began = loop.Now;
    private Connection? _current;
    private bool _aborted;
    private bool _shareOver;
    private Instant _shareEnd = Instant.Never;
    private bool _resumes = true;
    private volatile DialWait _waiting = TargetConnection;

    /// <summary>What the names of the target and of its SOCKS5 proxy resolved to so far, for the record.</summary>
    public FSharpList<Resolved> Resolved { get; private set; } = FSharpList<Resolved>.Empty;

    /// <summary>The address that was connected to last, whether or not it answered; unknown where it came, or has come, to none.</summary>
    public Endpoint Tried { get; private set; } = Endpoint.Unknown;

    public Duration Age => loop.Now - _began;

    /// <summary>What is waited for now, or was when the attempt ended.</summary>
    public DialWait Waiting => _waiting;

    public async ValueTask<DialOutcome> RunAsync()
    {
        if (target.Config.Address is Address.Descriptor inherited)
            return await ByInheritedAsync(inherited.number).ConfigureAwait(false);
        FSharpResult<DialRoute, DialFault> choice = DialRouteModule.Choose(target.Config, caller.IsDualStack, caller.Source);
        if (choice.IsError)
            return DialOutcome.Failed(choice.ErrorValue);
        DialRoute route = choice.ResultValue;
        return route.Socks.IsSome
            ? await ThroughProxyAsync(route, route.Socks.Value).ConfigureAwait(false)
            : await TryEachAsync(route, await LookUpHopAsync(route, Hop.Target).ConfigureAwait(false), Directly).ConfigureAwait(false);
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
            // A share that ended meanwhile is not this one.
            if (now < _shareEnd)
                return;
            _shareOver = true;
            current = _current;
        }

        current?.Abort();
    }

    private async ValueTask<DialOutcome> ByInheritedAsync(int descriptor)
    {
        if (!dialer.Inherited.TryTake(descriptor))
            return DialOutcome.Failed(DialFault.UsedUp);
        await loop.SwitchAsync();
        IoFault fault = loop.Adopt(descriptor, target.Settings, out Connection connection);
        return fault == IoFault.None ? await PrepareAsync(Ready(connection)).ConfigureAwait(false) : DialOutcome.Failed(DialFault.NewConnect(fault));
    }

    /// <summary>The proxy's name and the target's are looked up side by side: one limit holds for both.</summary>
    private async ValueTask<DialOutcome> ThroughProxyAsync(DialRoute route, SocksRequest request)
    {
        ValueTask<Lookup> hop = LookUpHopAsync(route, Hop.Proxy);
        SocksDestination[] destinations;
        if (request is SocksRequest.Resolve name)
        {
            Lookup found = await LookUpAsync(Hop.Target, name.host, name.family, route.ResolveTimeout).ConfigureAwait(false);
            if (found.Fault is { } unresolved)
                return DialOutcome.Failed(unresolved);
            destinations = [.. found.Addresses.Select(address => SocksDestination.NewIp(address, name.port))];
        }
        else
        {
            destinations = [((SocksRequest.Ask)request).destination];
        }

        _waiting = ProxyName;
        return await TryEachAsync(route, await hop.ConfigureAwait(false), destinations).ConfigureAwait(false);
    }

    private ValueTask<Lookup> LookUpHopAsync(DialRoute route, Hop hop) =>
        route.FirstHop is Address.Tcp { host: Host.Name name }
            ? LookUpAsync(hop, name.Item, route.Family, route.ResolveTimeout)
            : default;

    private async ValueTask<Lookup> LookUpAsync(Hop hop, string name, TcpFamily family, Duration timeout)
    {
        Task<Resolution> resolving = dialer.Resolver.ResolveAsync(name);
        _waiting = hop.IsProxy ? ProxyName : TargetName;
        Task waiting = timeout.IsPositive ? Deadline.EndsWaitAsync(resolving, timeout) : resolving;
        await waiting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await loop.SwitchAsync();
        if (!resolving.IsCompletedSuccessfully)
            return new Lookup([], DialFault.NewResolveTimeout(hop));
        Resolution resolution = await resolving.ConfigureAwait(false);
        if (resolution.Addresses.Count > 0)
        {
            // Two lookups may come back at once, on two threads of the pool.
            lock (_gate)
                Resolved = ResolvedModule.Then(Resolved, ListModule.OfSeq([new Resolved(name, ListModule.OfSeq(resolution.Addresses))]));
        }

        if (resolution.Fault is { } fault)
            return new Lookup([], DialFault.NewUnresolved(hop, AddressFault.NewUnresolved(name, fault)));
        IReadOnlyList<IPAddress> usable = AddressChoice.Usable(family, resolution.Addresses);
        return usable.Count > 0
            ? new Lookup(usable, null)
            : new Lookup([], DialFault.NewUnresolved(hop, AddressFault.NewNoneOfFamily(name, resolution.Addresses.Count, family)));
    }

    /// <summary>Every address that a SOCKS5 proxy is asked for, by way of every address of that proxy; or every address of the target.</summary>
    private ValueTask<DialOutcome> TryEachAsync(DialRoute route, Lookup hop, SocksDestination?[] destinations)
    {
        if (hop.Fault is { } unresolved)
            return new(DialOutcome.Failed(unresolved));
        DialWay way = DialWayModule.First(hop.Addresses?.Count ?? 1, destinations.Length);
        return way.Left == 1
            ? TryAsync(route, HopAt(route, hop, way.Hop), destinations[way.Destination])
            : TryInSharesAsync(route, hop, destinations, way);
    }

    private async ValueTask<DialOutcome> TryInSharesAsync(DialRoute route, Lookup hop, SocksDestination?[] destinations, DialWay way)
    {
        FSharpValueOption<DialFault> told = default;
        Endpoint toldOf = Tried;
        while (true)
        {
            BeginShare(way);
            DialOutcome outcome = EndShare(await TryAsync(route, HopAt(route, hop, way.Hop), destinations[way.Destination]).ConfigureAwait(false));
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
        if (deadline.IsNever || way.Left == 1)
            return;
        Instant end = loop.Now + DialWayModule.Share(deadline - loop.Now, way);
        lock (_gate)
            _shareEnd = end;
        loop.Arm(this, end);
    }

    private DialOutcome EndShare(DialOutcome outcome)
    {
        loop.Disarm(this);
        lock (_gate)
        {
            bool isOver = _shareOver && !_aborted;
            _shareOver = false;
            _shareEnd = Instant.Never;
            if (!isOver)
                return outcome;
        }

        outcome.Connection?.Abort();
        return DialOutcome.Failed(DialFault.NewConnectTimeout(_waiting));
    }

    /// <summary>Null where the address names nothing to connect to.</summary>
    private static EndPoint? HopAt(DialRoute route, Lookup hop, int place) => route.FirstHop switch
    {
        Address.UnixPath unix => new UnixDomainSocketEndPoint(unix.path),
        Address.UnixAbstract name => new UnixDomainSocketEndPoint("\0" + name.name),
        Address.Tcp { host: Host.Literal literal } tcp => new IPEndPoint(literal.Item, tcp.port),
        Address.Tcp { host: Host.Name } tcp => new IPEndPoint(hop.Addresses[place], tcp.port),
        _ => null,
    };

    /// <summary>One way to the target, from the first SYN to the relay.</summary>
    private async ValueTask<DialOutcome> TryAsync(DialRoute route, EndPoint? remote, SocksDestination? destination)
    {
        if (remote is null)
            return DialOutcome.Failed(DialFault.NewUnresolved(destination is null ? Hop.Target : Hop.Proxy, AddressFault.LeadsNowhere));

        // While a name was waited for it may have been given up.
        lock (_gate)
        {
            if (_aborted)
                return DialOutcome.Failed(DialFault.NewConnect(IoFault.Aborted));
        }

        Tried = Endpoints.FromPlatform(remote);
        _waiting = destination is null ? TargetConnection : ProxyConnection;
        ValueTask<IoFault> connecting = loop.ConnectAsync(remote, target.Settings, out Connection connection);
        bool isOver;
        lock (_gate)
        {
            _current = connection;
            isOver = _aborted || _shareOver;
        }

        if (isOver)
            connection.Abort();
        IoFault fault = await connecting.ConfigureAwait(false);
        if (fault == IoFault.None && remote is IPEndPoint ip && LocalPorts.MayInclude(ip.Port) && EndpointModule.IsItself(connection.Local, Tried))
        {
            connection.Abort();
            fault = IoFault.Refused;
        }

        if (fault != IoFault.None)
            return DialOutcome.Failed(DialFaultModule.OfHop(destination is null ? Hop.Target : Hop.Proxy, fault));

        DialOutcome outcome = Ready(connection);
        if (destination is not null
            && outcome.Connection is not null
            && await SocksConversation.RunAsync(connection, route, destination, during => _waiting = DialWait.NewSocksAnswer(during)).ConfigureAwait(false) is { } refusal)
        {
            connection.Abort();
            return DialOutcome.Failed(refusal);
        }

        outcome = await PrepareAsync(outcome).ConfigureAwait(false);
        if (!outcome.IsOfSession || !_resumes)
            return outcome;

        // The certificate that began the session will not do any more, or the target cannot do with it: no client is to pay for finding out. Nothing of what it said
        // has been sent: that begins once hands are shaken.
        _resumes = false;
        return await TryAsync(route, remote, destination).ConfigureAwait(false);
    }

    /// <summary>
    /// Sends the PROXY header, before anything else and without waiting for the client (PP-2). What the client has said by now shares its segment; only
    /// on a loop, where the attempt cannot be given up between the two.
    /// </summary>
    private async ValueTask<DialOutcome> AnnounceAsync(DialOutcome outcome, Connection connection)
    {
        _waiting = DialWait.Header;
        ReadOnlyMemory<byte> words = target.Tls is null && connection is LoopConnection ? caller.FirstWords() : default;
        IoFault fault = await connection.SendAllAsync(words.IsEmpty ? caller.Announcement : Joined(caller.Announcement, words)).ConfigureAwait(false);
        if (fault == IoFault.None)
            return outcome with { WordsSent = words.Length };
        await loop.SwitchAsync();
        bool hasSpoken = target.Tls is null && connection.Look() == Readiness.Data;
        if (DialFaultModule.OfAnnouncement(fault, hasSpoken) is not { IsSome: true } failure)
            return outcome;
        connection.Abort();
        return DialOutcome.Failed(failure.Value);
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
        _waiting = DialWait.Handshake;
        TlsOutcome secured = await tls.ConnectAsync(raw, _resumes).ConfigureAwait(false);
        if (secured.Connection is { } connection)
            return Ready(connection);
        raw.Abort();
        return DialOutcome.Failed(DialFaultModule.OfHandshake(tls.Least, secured.Raw, secured.IsCertificate, secured.Detail)) with { IsOfSession = secured.IsOfSession };
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
