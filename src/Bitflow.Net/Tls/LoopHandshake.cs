using System.Security.Cryptography.X509Certificates;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Tls;

/// <summary>Hands shaken on a Linux loop, by the TLS library itself; it goes on whenever there are bytes, or room, beneath.</summary>
internal sealed class LoopHandshake : IReadyHandler
{
    private readonly LoopOperation _waiting = new();
    private readonly LinuxLoop _loop;
    private readonly RecordLink _link;
    private readonly nint _ssl;
    private readonly HandshakeOptions _options;
    private readonly bool _offersSession;
    private bool _needsRoom;
    private bool _isDone;
    private string _detail = "the connection broke off";
    private PeerRefusal? _refusal;
    private bool _cameWithSession;
    private X500DistinguishedName? _peer;

    private LoopHandshake(LinuxLoop loop, RecordLink link, nint ssl, HandshakeOptions options)
    {
        _loop = loop;
        _link = link;
        _ssl = ssl;
        _options = options;
        _offersSession = options.ApplyTo(ssl);
    }

    /// <summary>The protocol that a server has settled on by its rules; empty for none.</summary>
    public ReadOnlySpan<byte> Protocol => _options.Protocol.Span;

    /// <summary>
    /// Whether what is sent now are tickets alone (TLS 1.3): they may share a segment with what comes next. Some clients speak only once they have one; where nothing is
    /// heard of a client, its tickets go when we come to wait for it.
    /// </summary>
    public bool IsGivingTickets => OpenSsl.GetState(_ssl) == OpenSsl.SendingTicket;

    /// <param name="raw">The connection beneath; where the handshake fails, it is the caller's to close.</param>
    /// <param name="context">What is shown.</param>
    /// <param name="options">What else is settled before.</param>
    /// <param name="early">What was read before, and comes first.</param>
    public static Task<TlsOutcome> RunAsync(LinuxConnection raw, OpenSslContext context, HandshakeOptions options, ReadOnlyMemory<byte> early) =>
        raw.Loop.IsCurrent ? BeginAsync(raw, context, options, early) : FromElsewhereAsync(raw, context, options, early);

    private static async Task<TlsOutcome> FromElsewhereAsync(
        LinuxConnection raw, OpenSslContext context, HandshakeOptions options, ReadOnlyMemory<byte> early)
    {
        await raw.Loop.SwitchAsync();
        return await BeginAsync(raw, context, options, early).ConfigureAwait(false);
    }

    private static Task<TlsOutcome> BeginAsync(LinuxConnection raw, OpenSslContext context, HandshakeOptions options, ReadOnlyMemory<byte> early)
    {
        if (raw.IsClosed)
            return Task.FromResult(TlsOutcome.Failed(IoFault.Aborted, isCertificate: false, ""));
        var link = new RecordLink(raw, early) { Session = options.Session };
        nint ssl = OpenSsl.New(context);
        if (ssl == 0 || !link.TryLink(ssl))
        {
            OpenSsl.Free(ssl);
            return Task.FromResult(TlsOutcome.Failed(IoFault.None, isCertificate: false, OpenSsl.TakeError()));
        }

        return new LoopHandshake((LinuxLoop)raw.Loop, link, ssl, options).RunAsync();
    }

    public void OnReadable() => GoOn();

    public void OnWritable()
    {
        if (_needsRoom)
            GoOn();
    }

    public void OnClosed(LoopConnection which)
    {
        if (!_waiting.IsPending)
            return;
        _waiting.Settle(IoResult.Failed(IoFault.Aborted));
        _loop.Defer(_waiting);
    }

    /// <summary>For the library, in the midst of a handshake: whether what the peer showed will do.</summary>
    /// <param name="leaf">Its own certificate.</param>
    /// <param name="sent">All that it sent, its own among them.</param>
    /// <param name="error">The number of the library's error by which it tells the peer why not.</param>
    public bool Accepts(nint leaf, nint sent, out int error)
    {
        if (_options.Judge is not null)
            _refusal = Judge(leaf, sent);
        error = PeerFlawModule.Error(_refusal?.Flaw ?? PeerFlaw.Other);
        return _refusal is null;
    }

    private PeerRefusal? Judge(nint leaf, nint sent)
    {
        // Nothing that is thrown may pass through the library.
        return TlsOutcome.Judged(() =>
        {
            _peer = new X500DistinguishedName(OpenSsl.EncodeSubject(leaf));
            return PeerCertificate.Excess(OpenSsl.StackCount(sent)) is { IsSome: true } excess ? excess.Value : _options.Judge!(new ShownChain(leaf, sent));
        });
    }

    private async Task<TlsOutcome> RunAsync()
    {
        LinuxConnection raw = _link.Raw;
        _link.BeginHandshake(this);
        IoFault waited = IoFault.None;
        if (!IsOver())
        {
            raw.Reader = this;
            raw.Writer = this;
            waited = await _waiting.BeginFault().ConfigureAwait(false);
            raw.Reader = null;
            raw.Writer = null;
        }

        _link.EndHandshake();
        if (_isDone && !raw.IsClosed && IsStillAccepted())
            return new(new LoopTlsConnection(_link, _loop, _ssl, _options.IsServer), TlsTerms.Of(_ssl, _peer), IoFault.None, false, "");
        _link.Free(_ssl);
        if (_refusal is not null)
            return Failed(IoFault.None, _refusal.Why);
        return Failed(waited != IoFault.None ? waited : _link.ReceiveFault != IoFault.None ? _link.ReceiveFault : _link.SendFault, _detail);
    }

    private TlsOutcome Failed(IoFault beneath, string detail)
    {
        bool isCertificate = _refusal is not null;
        bool isOfSession = OfferedSession.MayBeWhy(_offersSession, isShownNow: isCertificate && !_cameWithSession, beneath);

        // Whatever it was: a target may as well hang at a session as answer it with an alert.
        if (_offersSession)
            _options.Session!.Forget();
        return TlsOutcome.Failed(beneath, isCertificate, detail) with
        {
            IsOfSession = isOfSession,
            RefusedSubject = isCertificate && _peer is { } refused ? CertificateNames.Subject(refused) : null,
        };
    }

    /// <summary>
    /// A session that is resumed shows no certificate, and the library does not ask about it. What was shown when it began may have expired since, or its
    /// authority may have gone.
    /// </summary>
    private bool IsStillAccepted()
    {
        if (_options.Judge is null || !OpenSsl.IsResumed(_ssl))
            return true;
        OpenSsl.ShowPeer(_ssl, (leaf, sent) => _refusal = Judge(leaf, sent));
        _cameWithSession = _refusal is not null;
        return !_cameWithSession;
    }

    private void GoOn()
    {
        if (_waiting.IsPending && IsOver())
            _waiting.Complete(IoResult.Ok(0));
    }

    /// <summary>Goes on as far as what has come allows; answers whether hands are shaken, or never will be.</summary>
    private bool IsOver()
    {
        OpenSsl.ClearErrors();
        int answer = OpenSsl.DoHandshake(_ssl);
        if (answer == 1)
        {
            _isDone = _link.SendFault == IoFault.None;
            return true;
        }

        int why = OpenSsl.GetError(_ssl, answer);
        _needsRoom = why == OpenSsl.WantWrite;
        if (why == OpenSsl.WantRead && _options.IsServer && _link.OwesAnswer)
            _link.AcknowledgeNow();
        if (_link.Refusal is { IsSome: true, Value: var excess })
        {
            _detail = excess;
            return true;
        }

        if (why is OpenSsl.WantRead or OpenSsl.WantWrite)
            return _link.ReceiveFault != IoFault.None || _link.SendFault != IoFault.None;
        if (OpenSsl.IsWantOfCertificate())
            _refusal = _options.Judge?.Invoke(null);
        _detail = why == OpenSsl.ZeroReturn ? "the peer ended TLS (close_notify) before hands were shaken" : OpenSsl.TakeError();
        return true;
    }
}
