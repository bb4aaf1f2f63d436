using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Observing;

/// <summary>From a session that has ended to its record.</summary>
internal static class ConnectionRecords
{
    public static ConnectionRecord Of(Session session)
    {
        Life life = session.Life;
        ProxyModel model = session.Model;
        TargetConfig? target = session.TargetModel?.Config;
        bool dialled = session.DialBegan.Nanoseconds != 0;
        bool relayed = session.HasRelayed;
        return new ConnectionRecord(
            name: model.Name,
            timestamp: session.AcceptedAtUtc,
            duration: session.EndedAt - life.AcceptedAt,
            source: life.Source,
            sourceTransport: model.Config.Listener.Tls is null ? SideTransport.Plaintext : SideTransport.Tls,
            destination: session.TargetEndpoint,
            destinationTransport: !relayed ? SideTransport.Unknown : target?.Tls is null ? SideTransport.Plaintext : SideTransport.Tls,
            sourceSentBytes: session.ClientStamps.BytesFrom,
            destinationReceiveBytes: session.TargetStamps.BytesFrom,
            id: session.Id,
            listener: model.ListenerText,
            target: target?.Name ?? "",
            closeReason: FSharpValueOption<CloseReason>.Some(session.CloseReason),
            error: Error(session),
            serverName: life.ServerName.IsSome ? life.ServerName.Value.ToString() : "",
            alpn: session.Tls.Alpn,
            tlsVersion: session.Tls.Version,
            clientCertificateSubject: session.Tls.ClientCertificateSubject,
            dialDuration: !dialled ? Duration.Zero : DialEnded(session) - session.DialBegan,
            dialAttempts: life.Attempts,
            configGeneration: model.Generation,
            peer: life.Peer,
            local: session.Client.Local,
            header: session.Header,
            openConnections: session.OpenBefore,
            roundRobinTicket: life.Ticket,
            helloRead: session.Tls.Offer is not null,
            alpnOffer: ListModule.OfSeq(session.Tls.AlpnOffer),
            tlsOffer: session.Tls.Offer is { } offer ? offer : FSharpValueOption<TlsOffer>.None,
            clientCertificate: session.Tls.ClientCertificate,
            resolved: session.Resolved);
    }

    private static Instant DialEnded(Session session) =>
        session.HasRelayed ? session.RelayBegan
        : LifeAccount.IsBetweenAttempts(session.Life) ? session.AttemptFailedAt
        : session.EndedAt;

    private static string Error(Session session) =>
        session.Failure.Length > 0 ? session.Failure
        : LifeAccount.EndingFault(session.Life) is { IsSome: true } fault ? DialFaultModule.Describe(fault.Value)
        : "";
}
