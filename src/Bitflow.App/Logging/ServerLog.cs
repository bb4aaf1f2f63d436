using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Microsoft.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>Listeners and accepting, in the log.</summary>
internal sealed partial class ServerLog(ILogger logger) : IServerLog
{
    public void Listening(string proxy, Endpoint local) => ListeningOn(logger, proxy, local);

    public void Limits(ProxyConfig proxy)
    {
        if (logger.IsEnabled(LogLevel.Information))
            InForce(logger, proxy.Name, Summary.InForce(proxy));
    }

    public void ListenerClosed(string proxy, Endpoint local) => Closed(logger, proxy, local);

    public void AcceptFailed(string proxy, Endpoint local, IoFault fault) => Failed(logger, proxy, local, IoFaults.Reason(fault));

    public void ClientLost(string proxy, Endpoint local, Endpoint client, IoFault fault) => Lost(logger, proxy, client, local, IoFaults.Reason(fault));

    public void TurnedAway(string proxy, Endpoint local, int clients) => Refused(logger, proxy, local, clients);

    public void AuthoritiesUnread(string problem) => Unread(logger, problem);

    public void AcceptPaused(long descriptorLimit) => Paused(logger, descriptorLimit);

    public void AcceptResumed() => Resumed(logger);

    [LoggerMessage(200, LogLevel.Information, "proxy {Proxy}: listening on {Listener}")]
    private static partial void ListeningOn(ILogger logger, string proxy, Endpoint listener);

    [LoggerMessage(207, LogLevel.Information, "proxy {Proxy}: in force: {Limits}")]
    private static partial void InForce(ILogger logger, string proxy, string limits);

    [LoggerMessage(201, LogLevel.Information, "proxy {Proxy}: no longer listening on {Listener}")]
    private static partial void Closed(ILogger logger, string proxy, Endpoint listener);

    [LoggerMessage(202, LogLevel.Error, "proxy {Proxy}: accepting on {Listener} failed: {Reason}")]
    private static partial void Failed(ILogger logger, string proxy, Endpoint listener, string reason);

    [LoggerMessage(205, LogLevel.Error, "proxy {Proxy}: {Client} was accepted on {Listener} and reset: {Reason}")]
    private static partial void Lost(ILogger logger, string proxy, Endpoint client, Endpoint listener, string reason);

    [LoggerMessage(208, LogLevel.Error, "proxy {Proxy}: clients that waited on {Listener} were reset with it, for want of descriptors ({Clients}); raise LimitNOFILE or ulimit -n")]
    private static partial void Refused(ILogger logger, string proxy, Endpoint listener, int clients);

    [LoggerMessage(206, LogLevel.Warning, "{Problem}")]
    private static partial void Unread(ILogger logger, string problem);

    [LoggerMessage(203, LogLevel.Error, "descriptors are scarce: accepting pauses until some of the {Limit} are free again; raise LimitNOFILE or ulimit -n")]
    private static partial void Paused(ILogger logger, long limit);

    [LoggerMessage(204, LogLevel.Information, "descriptors are free again: accepting goes on")]
    private static partial void Resumed(ILogger logger);
}
