using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>
/// One attempt to reach one target. The deadline of the attempt is the session's: it calls <see cref="Abort"/>; only the shares of
/// several addresses are timed here.
/// </summary>
internal sealed class DialAttempt(Dialer dialer, EventLoop loop, TargetModel target, Instant deadline) : LoopTimer
{
    private readonly Lock _gate = new();
    private Connection? _current;
    private bool _aborted;
    private bool _shareOver;

    /// <summary>The addresses that the target's name resolved to, for the record.</summary>
    public IReadOnlyList<IPAddress> Resolved { get; private set; } = [];

    public async Task<DialOutcome> RunAsync()
    {
        switch (target.Config.Address)
        {
            case Address.Descriptor inherited:
                return dialer.Inherited.TryTake(inherited.number)
                    ? Ready(loop.Adopt(inherited.number, target.Settings))
                    : DialOutcome.Failed(DialFault.UsedUp);
            case Address.UnixPath unix:
                return await ConnectAsync(new UnixDomainSocketEndPoint(unix.path)).ConfigureAwait(false);
            case Address.UnixAbstract name:
                return await ConnectAsync(new UnixDomainSocketEndPoint("\0" + name.name)).ConfigureAwait(false);
            case Address.Tcp { host: Host.Literal literal } tcp:
                return await ConnectAsync(new IPEndPoint(literal.Item, tcp.port)).ConfigureAwait(false);
            case Address.Tcp { host: Host.Name name } tcp:
                return await ConnectByNameAsync(name.Item, tcp).ConfigureAwait(false);
            default:
                return DialOutcome.Failed(DialFault.NewUnresolved("the address names nothing to connect to"));
        }
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

    private async Task<DialOutcome> ConnectByNameAsync(string name, Address.Tcp tcp)
    {
        Resolution resolution = await dialer.Resolver.ResolveAsync(name).ConfigureAwait(false);
        await loop.SwitchAsync();
        if (resolution.Failure is { } failure)
            return DialOutcome.Failed(DialFault.NewUnresolved(failure));
        Resolved = resolution.Addresses;
        IPAddress[] usable = [.. AddressChoice.Usable(tcp.family, resolution.Addresses)];
        if (usable.Length == 0)
            return DialOutcome.Failed(DialFault.NewUnresolved($"none of its {resolution.Addresses.Count} addresses is of the family asked for"));
        DialOutcome outcome = default;
        for (int i = 0; i < usable.Length; i++)
        {
            Duration left = deadline.IsNever ? Duration.Zero : deadline - loop.Now;
            if (!deadline.IsNever && i < usable.Length - 1)
                loop.Arm(this, loop.Now + DialPlanModule.AddressShare(left, usable.Length - i));
            outcome = await ConnectAsync(new IPEndPoint(usable[i], tcp.port)).ConfigureAwait(false);
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
        return fault == IoFault.None ? Ready(connection) : DialOutcome.Failed(DialFault.NewConnect(fault));
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
}
