using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Bitflow.Net.Proxies;
using Microsoft.Extensions.Logging;

namespace Bitflow.App.Logging;

/// <summary>Connections, in the log: one line for the end of each, at the level that its reason has.</summary>
internal sealed partial class SessionLog(ILogger logger) : ISessionObserver
{
    public void OnEnded(Session session)
    {
        CloseReason reason = session.CloseReason;
        LogLevel level = LogLevels.ForLogger(CloseReasonModule.Level(reason));
        if (!logger.IsEnabled(level))
            return;
        Ended(
            logger, level, session.Model.Name, session.Id, ClientOf(session.Life), session.TargetModel?.Name ?? "-", reason.ToString(), LifeAccount.Explain(session.Life, reason, session.Failure),
            session.ClientStamps.BytesFrom, session.TargetStamps.BytesFrom);
    }

    public void OnAttemptFailed(Session session, Life at, DialFault fault, bool isLast)
    {
        LogLevel level = LogLevels.ForLogger(DialFaultModule.Level(isLast));
        if (!logger.IsEnabled(level))
            return;
        TargetModel target = session.Model.Targets[at.LastTarget.Value];
        AttemptFailed(logger, level, session.Model.Name, session.Id, at.Attempts, target.Name, target.AddressText, DialFaultModule.Describe(fault));
    }

    public void OnReachedAgain(Session session, Duration after) =>
        ReachedAgain(logger, session.Model.Name, session.TargetModel!.Name, session.TargetModel.AddressText, after);

    public void OnInternalFault(Session session, Exception exception) => InternalFault(logger, session.Model.Name, session.Id, exception);

    /// <summary>The client, and behind a PROXY header who brought it.</summary>
    private static string ClientOf(Life life) => life.Source.Equals(life.Peer) ? life.Source.ToString() : $"{life.Source} (by way of {life.Peer})";

    [LoggerMessage(EventId = 300, Message = "proxy {Proxy}: connection {Id} from {Client} to {Target}: {Reason}: {Why} ({FromClient} bytes from the client, {FromTarget} from the target)")]
    private static partial void Ended(
        ILogger logger, LogLevel level, string proxy, long id, string client, string target, string reason, string why, long fromClient, long fromTarget);

    [LoggerMessage(EventId = 301, Message = "proxy {Proxy}: connection {Id}: attempt {Attempt}: target {Target} ({Address}) {Fault}")]
    private static partial void AttemptFailed(ILogger logger, LogLevel level, string proxy, long id, int attempt, string target, string address, string fault);

    [LoggerMessage(303, LogLevel.Warning, "proxy {Proxy}: target {Target} ({Address}) is reached again, after {After}")]
    private static partial void ReachedAgain(ILogger logger, string proxy, string target, string address, Duration after);

    [LoggerMessage(302, LogLevel.Error, "proxy {Proxy}: connection {Id}: a fault of Bitflow itself; the connection was ended for it")]
    private static partial void InternalFault(ILogger logger, string proxy, long id, Exception exception);
}
