using Bitflow.Domain;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Who wants to know of connections: log, metrics, connection log. Called on engine threads, so it only counts and enqueues.
/// </summary>
internal interface ISessionObserver
{
    /// <summary>The connection's sockets are closed and nothing of it is left; its fields no longer change.</summary>
    void OnEnded(Session session);

    /// <summary>An attempt to reach a target failed.</summary>
    /// <param name="session">The session, which may be at its next attempt by now.</param>
    /// <param name="at">Its life while it was at the attempt.</param>
    /// <param name="fault">What the attempt came to.</param>
    /// <param name="isLast">Whether it is what ends the connection.</param>
    void OnAttemptFailed(Session session, Life at, DialFault fault, bool isLast);

    /// <summary>The session has reached a target that all attempts to reach had failed for so long.</summary>
    void OnReachedAgain(Session session, Duration after);

    /// <summary>Something of Bitflow itself threw; the connection was ended for it.</summary>
    void OnInternalFault(Session session, Exception exception);
}
