using System.Net;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Dialing;

/// <summary>Goes one way to a target, from the first SYN to the relay: connects, asks a SOCKS5 proxy, announces the client, secures the rest.</summary>
internal static class TargetConnector
{
    /// <param name="remote">The target, or the SOCKS5 proxy before it.</param>
    /// <param name="destination">What the proxy is asked for; null where there is none.</param>
    public static async ValueTask<DialOutcome> ConnectAsync(DialProgress attempt, DialRoute route, EndPoint remote, SocksDestination? destination)
    {
        // While a name was waited for it may have been given up.
        if (attempt.IsGivenUp)
            return DialOutcome.Failed(DialFault.NewConnect(IoFault.Aborted));

        attempt.WaitsForConnection(destination is null ? Hop.Target : Hop.Proxy, Endpoints.FromPlatform(remote));
        ValueTask<IoFault> connecting = attempt.Loop.ConnectAsync(remote, attempt.Target.Settings, out Connection connection);

        // One that is not wanted any more has been reset: what connecting comes to says so.
        _ = attempt.TryHold(connection);
        IoFault fault = await connecting.ConfigureAwait(false);
        if (fault == IoFault.None && remote is IPEndPoint ip && LocalPorts.MayInclude(ip.Port) && EndpointModule.IsItself(connection.Local, attempt.Tried))
        {
            connection.Abort();
            fault = IoFault.Refused;
        }

        if (fault != IoFault.None)
            return DialOutcome.Failed(DialFaultModule.OfHop(destination is null ? Hop.Target : Hop.Proxy, fault));

        DialOutcome outcome = Ready(attempt, connection);
        if (destination is not null
            && outcome.Connection is not null
            && await SocksConversation.RunAsync(connection, route, destination, attempt.WaitsForSocksAnswer).ConfigureAwait(false) is { } refusal)
        {
            connection.Abort();
            return DialOutcome.Failed(refusal);
        }

        outcome = await PrepareAsync(attempt, outcome).ConfigureAwait(false);
        if (!outcome.IsOfSession || !attempt.MayResume)
            return outcome;

        // The certificate that began the session will not do any more, or the target cannot do with it: no client is to pay for finding out. Nothing of what it said
        // has been sent: that begins once hands are shaken.
        attempt.ResumesNoMore();
        return await ConnectAsync(attempt, route, remote, destination).ConfigureAwait(false);
    }

    /// <summary>Takes an inherited socket, which is connected to the target already. It may be taken once.</summary>
    public static async ValueTask<DialOutcome> AdoptAsync(DialProgress attempt, int descriptor)
    {
        await attempt.Loop.SwitchAsync();
        IoFault fault = attempt.Loop.Adopt(descriptor, attempt.Target.Settings, out Connection connection);
        return fault == IoFault.None
            ? await PrepareAsync(attempt, Ready(attempt, connection)).ConfigureAwait(false)
            : DialOutcome.Failed(DialFault.NewConnect(fault));
    }

    private static ValueTask<DialOutcome> PrepareAsync(DialProgress attempt, DialOutcome outcome) =>
        outcome.Connection is not { } connection ? new(outcome)
        : attempt.Caller.Announcement.IsEmpty ? SecureAsync(attempt, outcome)
        : AnnounceAndSecureAsync(attempt, outcome, connection);

    private static async ValueTask<DialOutcome> AnnounceAndSecureAsync(DialProgress attempt, DialOutcome outcome, Connection connection) =>
        await SecureAsync(attempt, await AnnounceAsync(attempt, outcome, connection).ConfigureAwait(false)).ConfigureAwait(false);

    /// <summary>
    /// Sends the PROXY header, before anything else and without waiting for the client (PP-2). What the client has said by now shares its segment; only
    /// on a loop, where the attempt cannot be given up between the two.
    /// </summary>
    private static async ValueTask<DialOutcome> AnnounceAsync(DialProgress attempt, DialOutcome outcome, Connection connection)
    {
        attempt.WaitsForHeader();
        bool isPlain = attempt.Target.Tls is null;
        ReadOnlyMemory<byte> header = attempt.Caller.Announcement;
        ReadOnlyMemory<byte> words = isPlain && connection is LoopConnection ? attempt.Caller.FirstWords() : default;
        IoFault fault = await connection.SendAllAsync(words.IsEmpty ? header : Joined(header, words)).ConfigureAwait(false);
        if (fault == IoFault.None)
            return outcome with { WordsSent = words.Length };
        await attempt.Loop.SwitchAsync();
        bool hasSpoken = isPlain && connection.Look() == Readiness.Data;
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

    private static ValueTask<DialOutcome> SecureAsync(DialProgress attempt, DialOutcome outcome) =>
        attempt.Target.Tls is { } tls && outcome.Connection is { } raw ? SecureAsync(attempt, tls, raw) : new(outcome);

    private static async ValueTask<DialOutcome> SecureAsync(DialProgress attempt, TargetTlsContext tls, Connection raw)
    {
        attempt.WaitsForHandshake();
        TlsOutcome secured = await tls.ConnectAsync(raw, attempt.MayResume).ConfigureAwait(false);
        if (secured.Connection is { } connection)
            return Ready(attempt, connection);
        raw.Abort();
        return DialOutcome.Failed(DialFaultModule.OfHandshake(tls.Least, secured.Raw, secured.IsCertificate, secured.Detail)) with { IsOfSession = secured.IsOfSession };
    }

    private static DialOutcome Ready(DialProgress attempt, Connection connection) =>
        attempt.TryHold(connection) ? new(connection, null) : DialOutcome.Failed(DialFault.NewConnect(IoFault.Aborted));
}
