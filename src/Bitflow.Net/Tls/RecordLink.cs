using System.Buffers;
using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>
/// What lies between the TLS library and the connection beneath: it receives and sends without waiting, and keeps ends and faults from the library, which
/// would answer them with alerts. The library is told to come again, and whoever called it looks here.
/// </summary>
/// <remarks>
/// Once hands are shaken it takes whole records, and keeps what the kernel has no room for. With half a record of data on its hands the library can say
/// nothing else, and a peer may ask it to (a second KeyUpdate, or a ticket behind one): it would call that a broken protocol.
/// </remarks>
/// <param name="early">What was read before, and comes first.</param>
internal sealed class RecordLink(LinuxConnection raw, ReadOnlyMemory<byte> early)
{
    /// <summary>
    /// Room for one record and, behind it, hundreds of answers to a peer that changes its keys and does not read. Then the library has to wait, which reads
    /// nothing meanwhile.
    /// </summary>
    private const int MostUnsentBytes = 2 * LoopTlsConnection.RecordBytes;

    private ReadOnlyMemory<byte> _early = early;
    private GCHandle _self;
    private byte[]? _unsent;
    private byte[]? _tickets;
    private int _unsentFrom;
    private int _unsentTo;
    private bool _saidNothing;
    private RecordPace _pace = RecordPaceModule.Start;
    private int _certificateRequests;

    public LinuxConnection Raw => raw;

    /// <summary>Why nothing more comes; <see cref="IoFault.Truncated"/> for the raw end of the stream, which close_notify should have come before.</summary>
    public IoFault ReceiveFault { get; private set; }

    /// <summary>Whether nothing more comes though a record has begun.</summary>
    public bool EndedWithinRecord => ReceiveFault == IoFault.Truncated && _pace.IsWithinRecord;

    public IoFault SendFault { get; private set; }

    /// <summary>Bytes of records that the library is rid of and the kernel has not taken.</summary>
    public int UnsentBytes => _unsentTo - _unsentFrom;

    /// <summary>When bytes last came, of whatever kind.</summary>
    public Instant LastHeard { get; private set; }

    /// <summary>Whether more is sent at once, so that the kernel need not hurry.</summary>
    public bool MoreFollows { get; set; }

    /// <summary>
    /// Whether tickets wait for what is sent next, or until the relay has nothing to receive. A client that has said everything and is gone by then never gets them: its kernel
    /// would answer with a reset, which takes what it said along where nobody has received it yet.
    /// </summary>
    public bool HoldsTickets => _tickets is not null;

    /// <summary>
    /// Whether the library, which has said that it wants more, would find some if it were called again: something has come that it has not asked for yet, or it has something itself. Behind
    /// our close_notify of TLS 1.2 it drops a message of the handshake, and then says that it wants more without having asked.
    /// </summary>
    public bool MoreIsHere(nint ssl) => ReceiveFault == IoFault.None && (!_early.IsEmpty || raw.MayHaveBytes || (!_saidNothing && OpenSsl.HasPending(ssl) == 1));

    /// <summary>
    /// Whether something has come since anything was sent. A peer that has not turned Nagle's algorithm off (RFC 896) keeps the rest of a message that it writes in
    /// two pieces back until the first is acknowledged, and the kernel may keep that back for 40 ms.
    /// </summary>
    public bool OwesAnswer { get; private set; }

    /// <summary>Nothing is sent behind close_notify (RFC 8446 section 6.1): a peer that still asks for new keys gets no answer, which its kernel would reset the connection for.</summary>
    public bool IsEnded { get; set; }

    /// <summary>Whom the library asks while hands are shaken.</summary>
    public LoopHandshake? Handshake { get; private set; }

    /// <summary>Why the connection is given up here; none where it is not.</summary>
    public FSharpValueOption<string> Refusal =>
        RecordPaceModule.Refusal(Handshake is null, _pace) is { IsSome: true } refusal ? refusal : CertificateRequests.Refusal(_certificateRequests);

    /// <summary>Who keeps the sessions that a server gives.</summary>
    public ResumableSession? Session { get; init; }

    public static RecordLink Of(nint ssl) => OfBio(OpenSsl.GetReadBio(ssl));

    public static RecordLink OfBio(nint bio) => Unsafe.As<RecordLink>(GCHandle.FromIntPtr(OpenSsl.BioData(bio)).Target!);

    /// <summary>Lets the library send and receive here, until it is freed. False where it has no memory.</summary>
    public bool TryLink(nint ssl)
    {
        _self = GCHandle.Alloc(this);
        nint bio = ConnectionBio.New(_self);
        if (bio == 0)
        {
            _self.Free();
            return false;
        }

        OpenSsl.SetBio(ssl, bio, bio);
        return true;
    }

    /// <summary>
    /// Frees what the library holds, with both ends on record: it sends nothing any more (whoever is beneath may be somebody else's), and a session
    /// is good for resumption only then.
    /// </summary>
    public void Free(nint ssl)
    {
        OpenSsl.SetQuietShutdown(ssl, 1);
        OpenSsl.SetShutdown(ssl, OpenSsl.BothShutdown);
        OpenSsl.Free(ssl);
        _self.Free();
        Discard();
    }

    /// <summary>Hands begin to be shaken.</summary>
    public void BeginHandshake(LoopHandshake handshake) => Handshake = handshake;

    /// <summary>They are, or never will be.</summary>
    public void EndHandshake()
    {
        // What was refused stays so.
        if (!_pace.IsSpent)
            _pace = RecordPaceModule.Shaken(_pace);
        Handshake = null;
    }

    /// <summary>
    /// To be said before each call of the library in which it may receive, once hands are shaken, or before several for one purpose. Such a call goes on until it has data, and a peer may send none for ever: it
    /// is given no more than it can hold, which is more than any record, and what is wanted beyond that.
    /// </summary>
    /// <param name="wanted">Bytes of data that are wanted of several calls.</param>
    public void BeginCall(int wanted = 0)
    {
        _pace = RecordPaceModule.Begun(wanted + OpenSslContext.ReadBufferBytes, _pace);
        _saidNothing = false;
    }

    /// <summary>For the library: what has come, and 0 where nothing has.</summary>
    public int Receive(Span<byte> into)
    {
        bool isShaken = Handshake is null;
        int most = _pace.IsSpent ? 0 : isShaken ? Math.Min(into.Length, _pace.Most) : into.Length;
        int come = Give(into[..most]);
        (_pace, int given) = isShaken ? RecordPaceModule.Taken(into[..come], _pace) : RecordPaceModule.ShookHands(into[..come], _pace);
        if (_pace.IsSpent && isShaken)
            ReceiveFault = IoFault.TlsProtocol;
        _saidNothing |= given == 0;
        return given;
    }

    private int Give(Span<byte> into)
    {
        if (into.IsEmpty)
            return 0;
        if (!_early.IsEmpty)
        {
            int count = Math.Min(into.Length, _early.Length);
            _early.Span[..count].CopyTo(into);
            _early = count < _early.Length ? _early[count..] : default;
            return count;
        }

        if (ReceiveFault != IoFault.None || raw.IsClosed || !raw.MayHaveBytes || !raw.TryReceive(into, out IoResult received))
            return 0;
        ReceiveFault = received.IsEnd ? IoFault.Truncated : received.Fault;
        if (received.Bytes > 0)
        {
            LastHeard = raw.Loop.Now;
            OwesAnswer = true;
        }

        return received.Bytes;
    }

    /// <summary>For the library: whether our certificate is shown to a target that asks for it.</summary>
    public bool ShowsCertificate()
    {
        _certificateRequests++;
        return Refusal.IsNone;
    }

    /// <summary>For the library: how many of these bytes it is rid of, 0 where there is no room. After a fault they go nowhere.</summary>
    public int Send(ReadOnlySpan<byte> from)
    {
        if (IsEnded)
            return from.Length;
        OwesAnswer = false;
        if (Handshake is { IsGivingTickets: true } && (_tickets?.Length ?? 0) + from.Length <= MostUnsentBytes)
        {
            _tickets = _tickets is null ? from.ToArray() : [.. _tickets, .. from];
            return from.Length;
        }

        SendTickets(more: true);
        if (!TrySendRest())
            return TryKeep(from) ? from.Length : 0;
        if (SendFault != IoFault.None || raw.IsClosed)
            return from.Length;
        int sent = 0;
        if (raw.TrySendNow(from, MoreFollows, out IoResult result))
        {
            SendFault = result.Fault;
            sent = result.Fault == IoFault.None ? result.Bytes : from.Length;
        }

        return sent == from.Length || Handshake is not null || !TryKeep(from[sent..]) ? sent : from.Length;
    }

    /// <summary>Sends the tickets that are held, the first thing behind the handshake.</summary>
    /// <param name="more">Whether more is sent at once, which may share their segment (MSG_MORE).</param>
    public void SendTickets(bool more)
    {
        if (_tickets is not { } tickets)
            return;
        _tickets = null;
        if (SendFault != IoFault.None || raw.IsClosed)
            return;
        int sent = 0;
        if (raw.TrySendNow(tickets, more, out IoResult result))
        {
            SendFault = result.Fault;
            sent = result.Bytes;
        }

        // There is room: nothing was sent since hands were shaken, and no more is held than that.
        bool isKept = SendFault != IoFault.None || sent == tickets.Length || TryKeep(tickets.AsSpan(sent));
        Debug.Assert(isKept, "tickets are the first thing that is kept");
    }

    /// <summary>Sends what is kept. False while some of it still is: whoever asks hears of it when there is room again.</summary>
    public bool TrySendRest()
    {
        if (_unsent is null)
            return true;
        if (SendFault == IoFault.None && !raw.IsClosed)
        {
            if (!raw.TrySendNow(_unsent.AsSpan(_unsentFrom, UnsentBytes), MoreFollows, out IoResult sent))
                return false;
            SendFault = sent.Fault;
            _unsentFrom += sent.Bytes;
            if (SendFault == IoFault.None && UnsentBytes > 0)
                return false;
        }

        Discard();
        return true;
    }

    public void AcknowledgeNow()
    {
        OwesAnswer = false;
        raw.AcknowledgeNow();
    }

    private bool TryKeep(ReadOnlySpan<byte> bytes)
    {
        int kept = UnsentBytes;
        if (kept + bytes.Length > MostUnsentBytes)
            return false;
        _unsent ??= ArrayPool<byte>.Shared.Rent(MostUnsentBytes);
        if (_unsentTo + bytes.Length > MostUnsentBytes)
        {
            _unsent.AsSpan(_unsentFrom, kept).CopyTo(_unsent);
            (_unsentFrom, _unsentTo) = (0, kept);
        }

        bytes.CopyTo(_unsent.AsSpan(_unsentTo));
        _unsentTo += bytes.Length;
        return true;
    }

    private void Discard()
    {
        if (_unsent is not null)
            ArrayPool<byte>.Shared.Return(_unsent);
        _unsent = null;
        _unsentFrom = _unsentTo = 0;
    }
}
