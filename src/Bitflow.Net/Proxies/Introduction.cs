using Bitflow.Domain;
using Bitflow.Net.Observing;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Proxies;

/// <summary>
/// What a client says of itself before a target is chosen: a PROXY header, a hello, a TLS handshake. Each is read to its end or to what is wrong with it,
/// and becomes the event that answers its step; null where the connection was closed here meanwhile.
/// </summary>
internal sealed class Introduction(Preface preface, ListenerTlsContext? tls)
{
    private HelloAnswer.Serve? _answer;
    private volatile bool _isClosed;

    /// <summary>The inbound PROXY header; null before one was read.</summary>
    public ProxyHeader? Header { get; private set; }

    /// <summary>What TLS with the client came to; null before a handshake was done.</summary>
    public TlsTerms? Terms { get; private set; }

    /// <summary>What is recorded of TLS with the client.</summary>
    public TlsFacts Facts { get; private set; } = TlsFacts.None;

    /// <summary>What is wrong with what the client said, in words; empty where nothing is.</summary>
    public string Failure { get; private set; } = "";

    /// <summary>The connection's end is decided: what comes from here on is no reason of it, and is not recorded.</summary>
    public void Close() => _isClosed = true;

    public async Task<Event?> ReadProxyHeaderAsync()
    {
        while (true)
        {
            switch (ProxyHeaderCodec.Parse(preface.Unread))
            {
                case Parse<ProxyHeader, ProxyHeaderFault>.Done done:
                    preface.Consume(done.consumed);
                    Header = done.value;
                    return Event.NewHeaderRead(ProxyOrigin.Of(done.value));
                case Parse<ProxyHeader, ProxyHeaderFault>.Rejected rejected:
                    Failure = ProxyHeaderFaultModule.DescribeOfTrusted(rejected.fault);
                    return Event.HeaderMalformed;
            }

            IoResult received = await preface.ReadMoreAsync(ProxyHeaderCodec.maxBytes).ConfigureAwait(false);
            if (_isClosed)
                return null;
            if (received.Fault == IoFault.None && !received.IsEnd)
                continue;
            Event? end = Events.OfEarlyEndOfHeader(received.Fault, preface.Unread.Length)?.Value;
            if (end is { IsHeaderMalformed: true })
                Failure = ProxyHeaderFaultModule.DescribeOfTrusted(ProxyHeaderFault.NewEnded(preface.Unread.Length));
            return end;
        }
    }

    /// <summary>The bytes of the hello stay in the preface: they are passed on, or replayed to TLS.</summary>
    public async Task<Event?> ReadHelloAsync()
    {
        int nextLook = 0;
        while (true)
        {
            int have = preface.Unread.Length;
            if (have >= nextLook)
            {
                switch (ClientHelloModule.Parse(preface.Unread))
                {
                    case Parse<ClientHello, HelloFault>.Done done:
                        return AnswerHello(done.value);
                    case Parse<ClientHello, HelloFault>.Rejected rejected:
                        Failure = HelloFaultModule.Describe(rejected.fault);
                        return Event.NewHelloMalformed(rejected.fault);
                    case Parse<ClientHello, HelloFault>.NeedMore more:
                        nextLook = ClientHelloModule.NextLook(have, more.atLeast);
                        break;
                }
            }

            IoResult received = await preface.ReadMoreAsync(ClientHelloModule.maxBytes).ConfigureAwait(false);
            if (_isClosed)
                return null;
            if (received.Fault != IoFault.None || received.IsEnd)
                return Events.OfEarlyEnd(received.Fault)?.Value;
        }
    }

    private Event AnswerHello(ClientHello hello)
    {
        TlsOffer offer = TlsOfferModule.OfHello(hello);
        Facts = Facts with { AlpnOffer = Alpn.Shown(hello.ApplicationProtocols), Offer = offer };
        switch (tls?.Rules.Answer(offer, hello.ServerName, hello.ApplicationProtocols))
        {
            case HelloAnswer.Refuse refuse:
                Failure = refuse.reason;
                return Event.NewHelloRefused(hello.ServerName, refuse.alert);
            case HelloAnswer.Serve serve:
                _answer = serve;
                break;
        }

        return Event.NewHelloRead(hello.ServerName);
    }

    /// <summary>Shakes hands as the hello was answered, which is replayed to TLS.</summary>
    public Task<TlsOutcome> ShakeHandsAsync(Connection client, FSharpValueOption<ServerName> serverName) =>
        tls!.AcceptAsync(client, preface.Take(), serverName, _answer!);

    /// <summary>What a handshake is to the life of the connection.</summary>
    public Event? AnswerHandshake(TlsOutcome outcome)
    {
        if (_isClosed)
            return null;
        if (outcome.Terms is { } terms)
        {
            Facts = Facts with { Version = terms.VersionText, Alpn = terms.Alpn, ClientCertificateSubject = terms.PeerSubject, ClientCertificate = terms.Presented is not null };
            Terms = terms;
            return Event.HandshakeDone;
        }

        Failure = outcome.Detail;
        Facts = Facts with { ClientCertificateSubject = outcome.RefusedSubject ?? "" };
        return Events.OfFailedHandshake(outcome.Raw, outcome.IsCertificate)?.Value;
    }
}
