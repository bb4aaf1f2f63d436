namespace Bitflow.Net.Proxies;

/// <summary>
/// Who wants to know of connections: log, metrics, connection log. Called on engine threads, so it only counts and enqueues.
/// </summary>
internal interface ISessionObserver
{
    /// <summary>The connection's sockets are closed and nothing of it is left; its fields no longer change.</summary>
    void OnEnded(Session session);

    /// <summary>An attempt to reach a target failed; another may follow.</summary>
    void OnAttemptFailed(Session session, Domain.DialFault fault);

    /// <summary>Something of Bitflow itself threw; the connection was ended for it.</summary>
    void OnInternalFault(Session session, Exception exception);
}
