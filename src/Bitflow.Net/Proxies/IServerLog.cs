using Bitflow.Domain;

namespace Bitflow.Net.Proxies;

/// <summary>What the server itself has to say, beside its connections.</summary>
internal interface IServerLog
{
    void Listening(string proxy, Endpoint local);

    /// <summary>What limits are in force for the connections of a proxy from now on.</summary>
    void Limits(ProxyConfig proxy);

    void ListenerClosed(string proxy, Endpoint local);

    void AcceptFailed(string proxy, Endpoint local, IoFault fault);

    /// <summary>A client was accepted and reset: something that serving it needs ran out.</summary>
    void ClientLost(string proxy, Endpoint local, Endpoint client, IoFault fault);

    /// <summary>A listener closed, and reset so many that waited in its queue: there were no descriptors for them.</summary>
    void TurnedAway(string proxy, Endpoint local, int clients);

    /// <summary>Of the machine's authorities some cannot be read.</summary>
    void AuthoritiesUnread(string problem);

    /// <summary>Once an episode.</summary>
    void AcceptPaused(long descriptorLimit);

    void AcceptResumed();
}
