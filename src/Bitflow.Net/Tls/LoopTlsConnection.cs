using System.Diagnostics;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>
/// TLS over a connection of a Linux loop, once hands are shaken: the library makes and reads the records where the bytes are moved, straight between the
/// connection beneath and whoever moves them.
/// </summary>
internal sealed class LoopTlsConnection : LoopConnection, ISecuredConnection, IReadyHandler
{
    /// <summary>The plain text of one record: what is longer goes out as several.</summary>
    public const int RecordBytes = 16 * 1024;

    private readonly LinuxConnection _raw;
    private readonly RecordLink _link;
    private readonly nint _ssl;
    private IoFault _receiveFault;
    private IoFault _sendFault;
    private string _faultDetail = "";
    private bool _dry;
    private bool _hasReceived;
    private bool _ended;
    private bool _released;
    private bool _receiveNeedsRoom;

    /// <summary>
    /// Whether the peer's last words in the handshake may stand without an acknowledgement. A client that has not turned Nagle's algorithm off (RFC 896) keeps
    /// its first data back until it has one, and the kernel may keep that back for 40 ms.
    /// </summary>
    private bool _owesAcknowledgement;

    /// <summary>Bytes of data whose record the library has made, and of which the kernel has not taken all.</summary>
    private int _underWay;
    private bool _endMade;
    private bool _endSent;
    private Task<IoFault>? _ending;
    private bool _closeFollows;

    /// <param name="link">Between the library and the connection beneath.</param>
    /// <param name="loop">Of that connection.</param>
    /// <param name="ssl">Freed with this.</param>
    /// <param name="isServer">Whether hands were shaken with a client, whose words come last.</param>
    public LoopTlsConnection(RecordLink link, LinuxLoop loop, nint ssl, bool isServer)
        : base(loop)
    {
        _link = link;
        _raw = link.Raw;
        _ssl = ssl;
        _owesAcknowledgement = isServer;
        _raw.Reader = this;
        _raw.Writer = this;
    }

    public override Endpoint Local => _raw.Local;

    public override Endpoint Remote => _raw.Remote;

    public override int Descriptor => _raw.Descriptor;

    public override Instant LastHeard => _link.LastHeard;

    public override bool EndedWithinRecord => _link.EndedWithinRecord;

    public override string FaultDetail => _link.Refusal is { IsSome: true, Value: var refusal } ? refusal : _faultDetail;

    public override int UnsentBytes => _raw.UnsentBytes + _link.UnsentBytes;

    internal override bool IsClosed => _released || _raw.IsClosed;

    /// <remarks>The first receive is made though nothing is there: it says that the client is waited for, and gives it its tickets.</remarks>
    internal override bool MayHaveBytes => !_dry || (_link.HoldsTickets && !_hasReceived);

    /// <summary>The `SSL`; not to be used once this is closed.</summary>
    internal nint Library => _ssl;

    /// <summary>Whether neither the peer's end nor a fault has come.</summary>
    private bool GoesOn => _receiveFault == IoFault.None && !_ended;

    public void Forget()
    {
        if (OwnLoop.IsCurrent)
            Release();
        else
            OwnLoop.Post(Release);
    }

    public override bool FailedBehindItsEnd => _raw.FailedBehindItsEnd;

    public override ValueTask<IoFault> WaitResetAsync() => _raw.WaitResetAsync();

    public override void KeepQueueShort() => _raw.KeepQueueShort();

    public override FSharpValueOption<SendQueue> AskQueue() => _raw.AskQueue();

    /// <summary>Sends close_notify; said twice, it is sent once.</summary>
    public override ValueTask<IoFault> EndAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        if (_ending is not null)
            return new(_ending);
        if (_endSent || TrySendEnd())
            return new(_sendFault);
        _ending = Sending.BeginFault().AsTask();
        return new(_ending);

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await EndAsync().ConfigureAwait(false);
        }
    }

    /// <remarks>Where the peer's end has not come, the kernel may answer the close with a reset, and drop what waits for its segment: then not this way.</remarks>
    public override ValueTask<IoFault> EndBeforeCloseAsync()
    {
        if (OwnLoop.IsCurrent)
            _closeFollows = _ended;
        return EndAsync();
    }

    public override void CloseComesLater()
    {
        if (!OwnLoop.IsCurrent || !_closeFollows || IsClosed)
            return;
        _closeFollows = false;
        _raw.SendHeld();
    }

    public override Readiness Look()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a connection may only be asked on its loop");
        if (IsClosed)
            return Readiness.Failed;
        if (Peek())
            return Readiness.Data;
        return _ended ? Readiness.Ended
            : _receiveFault != IoFault.None ? Readiness.Failed
            : Readiness.Quiet;
    }

    public override IoFault Fault => IsClosed ? IoFault.Aborted : _receiveFault;

    public override void Abort()
    {
        if (!OwnLoop.IsCurrent)
        {
            OwnLoop.Post(Abort);
            return;
        }

        if (_released)
            return;
        Release();
        _raw.Abort();
        AnnounceClosed();
    }

    /// <summary>Sends close_notify if nobody has, as far as the kernel takes it at once: whoever cares whether it arrives ends first.</summary>
    public override void Close()
    {
        if (!OwnLoop.IsCurrent)
        {
            OwnLoop.Post(Close);
            return;
        }

        if (_released)
            return;
        if (!_endSent && !_raw.IsClosed)
            _ = TrySendEnd();
        Release();

        // What comes behind close_notify is no data (RFC 8446, section 6.1). Unread it would make the kernel reset the connection, with all that it has still to send.
        if (_ended)
            _raw.DiscardReceived();
        _raw.Close();
        AnnounceClosed();
    }

    public void OnReadable()
    {
        _dry = false;
        AnnounceReadable();
    }

    public void OnWritable()
    {
        _ = _link.TrySendRest();
        if (_receiveNeedsRoom)
            OnReadable();
        if (IsClosed)
            return;
        if (_ending is null)
            AnnounceWritable();
        else if (!_endSent && TrySendEnd())
            Sending.Complete(IoResult.Failed(_sendFault));
    }

    /// <summary>The connection beneath was closed by its loop.</summary>
    public void OnClosed(LoopConnection which)
    {
        Release();
        AnnounceClosed();
    }

    internal override void ComeBack()
    {
        if (!IsClosed)
            OnReadable();

        // A send or an end may wait for the rest of a message, which may be here by now.
        if (!IsClosed)
            OnWritable();
    }

    /// <summary>
    /// As many records as there are and there is room for: what is sent on in one piece costs one call. Records of a byte, or with requests for new keys between them, cost as much each as whole ones: all calls
    /// together are given no more than what fills the room and one call's share beyond it, and of such records a small piece (<see cref="RecordPaceModule.SmallPiece"/>).
    /// </summary>
    internal override unsafe bool TryReceive(Span<byte> buffer, out IoResult result)
    {
        int received = 0;
        fixed (byte* into = buffer)
        {
            _link.BeginCall(buffer.Length);
            while (received < buffer.Length && MayRead())
            {
                OpenSsl.ClearErrors();
                int answer = OpenSsl.Read(_ssl, into + received, buffer.Length - received);
                if (answer > 0)
                    received += answer;
                else
                    NoteReceive(answer);
            }
        }

        SettleHandshake(received > 0);
        if (received > 0)
            result = IoResult.Ok(received);
        else if (_receiveFault != IoFault.None)
            result = IoResult.Failed(_receiveFault);
        else
            result = IoResult.Ok(0);
        return received > 0 || !GoesOn;
    }

    internal override bool HasOnlyItsEndLeft => _ended;

    internal override unsafe bool TrySendNow(ReadOnlySpan<byte> data, bool more, out IoResult result)
    {
        if (data.IsEmpty)
        {
            result = IoResult.Ok(0);
            return true;
        }

        if (_link.UnsentBytes > 0 && !_link.TrySendRest())
        {
            result = default;
            return false;
        }

        if (_underWay > 0 && _link.SendFault == IoFault.None)
        {
            result = IoResult.Ok(_underWay);
            _underWay = 0;
            return true;
        }

        int answer;
        _owesAcknowledgement = false;
        _link.MoreFollows = more || data.Length > RecordBytes;
        BeginCall();
        fixed (byte* from = data)
            answer = OpenSsl.Write(_ssl, from, data.Length);
        _link.MoreFollows = false;
        if (_link.SendFault == IoFault.None && answer > 0)
        {
            // As if the library had kept it: whoever sends comes again with the same bytes, and hears that they went when they did.
            bool went = _link.UnsentBytes == 0;
            _underWay = went ? 0 : answer;
            result = went ? IoResult.Ok(answer) : default;
            return went;
        }

        int why = OpenSsl.GetError(_ssl, answer);
        if (why == OpenSsl.WantRead && _link.ReceiveFault != IoFault.None)
        {
            // The rest of a message that must come first never will.
            _sendFault = _link.ReceiveFault;
            result = IoResult.Failed(_sendFault);
            return true;
        }

        if (_link.SendFault == IoFault.None && why is OpenSsl.WantWrite or OpenSsl.WantRead)
        {
            // What comes next from beneath announces room as well; what is there already must be come back to.
            if (why == OpenSsl.WantRead && _link.MoreIsHere(_ssl))
                OwnLoop.ComeBackTo(this);
            result = default;
            return false;
        }

        NoteSendFault();
        result = IoResult.Failed(_sendFault);
        return true;
    }

    protected override bool HasSomething() => Peek() || !GoesOn;

    private void BeginCall()
    {
        OpenSsl.ClearErrors();
        _link.BeginCall();
    }

    private bool MayRead() => GoesOn && !_dry && !_released;

    /// <summary>Whether a byte can be received.</summary>
    private unsafe bool Peek()
    {
        if (!MayRead())
            return false;
        byte one;
        BeginCall();
        int answer = OpenSsl.Peek(_ssl, &one, 1);
        if (answer > 0)
            return true;
        NoteReceive(answer);
        if (_dry && _owesAcknowledgement)
            AcknowledgeHandshake();
        return false;
    }

    /// <summary>Why a read found no byte.</summary>
    private void NoteReceive(int answer)
    {
        int why = OpenSsl.GetError(_ssl, answer);
        _receiveNeedsRoom = why == OpenSsl.WantWrite;
        if (why == OpenSsl.ZeroReturn)
        {
            _ended = true;
        }
        else if (why is OpenSsl.WantRead or OpenSsl.WantWrite)
        {
            _receiveFault = _link.ReceiveFault;
            _dry = _receiveFault == IoFault.None;
            // It has read what was no data, a ticket or a KeyUpdate: who sends nothing else does not get the loop for itself.
            if (_dry && why == OpenSsl.WantRead && _link.MoreIsHere(_ssl))
                OwnLoop.ComeBackTo(this);
        }
        else
        {
            NoteDetail();
            _receiveFault = IoFault.TlsProtocol;
        }
    }

    /// <summary>
    /// What is left of the handshake at a receive. Where nothing has come behind the peer's last words they are acknowledged, with the tickets if these are still here. Those
    /// wait for as long as nobody but the dial looks whether the client is there: one that has spoken, and closes without having read them, resets. And they wait for the answer
    /// to its first words, which they go with.
    /// </summary>
    /// <param name="received">Whether the receive has brought data.</param>
    private void SettleHandshake(bool received)
    {
        bool areFirstWords = received && !_hasReceived;
        _hasReceived |= received;
        _owesAcknowledgement &= !received;
        if (!_dry || areFirstWords)
            return;
        if (!_link.HoldsTickets)
        {
            if (_owesAcknowledgement)
                AcknowledgeHandshake();
            return;
        }

        _owesAcknowledgement = false;
        _link.SendTickets(more: false);
    }

    private void AcknowledgeHandshake()
    {
        _owesAcknowledgement = false;
        _raw.AcknowledgeNow();
    }

    private void NoteSendFault()
    {
        if (_link.SendFault == IoFault.None)
            NoteDetail();
        _sendFault = _link.SendFault == IoFault.None ? IoFault.TlsProtocol : _link.SendFault;
    }

    /// <summary>The first fault is the cause; the library has no words, or misleading ones, for what follows from it.</summary>
    private void NoteDetail()
    {
        string words = OpenSsl.TakeError();
        if (_faultDetail.Length == 0)
            _faultDetail = words;
    }

    /// <summary>True once close_notify is with the kernel, or will not be.</summary>
    private bool TrySendEnd()
    {
        if (!_endMade && !TryMakeEnd())
            return false;
        _endMade = _link.IsEnded = true;
        _link.MoreFollows = _closeFollows;
        _endSent = _link.TrySendRest();
        _link.MoreFollows = false;
        if (_link.SendFault != IoFault.None)
            NoteSendFault();
        return _endSent;
    }

    /// <summary>True once the library is rid of close_notify, or can make none.</summary>
    private bool TryMakeEnd()
    {
        if (IsInMessage())
            return false;
        OpenSsl.ClearErrors();
        _link.MoreFollows = _closeFollows;
        int answer = OpenSsl.Shutdown(_ssl);
        _link.MoreFollows = false;
        if (answer >= 0 || _link.SendFault != IoFault.None)
            return true;
        if (OpenSsl.GetError(_ssl, answer) is OpenSsl.WantWrite)
            return false;
        NoteSendFault();
        return true;
    }

    /// <summary>
    /// Whether the rest of a message (a ticket in several records) must come first: until then the library refuses to end. What comes next from beneath
    /// announces room as well.
    /// </summary>
    private bool IsInMessage()
    {
        if (!OpenSsl.IsInInit(_ssl))
            return false;
        _ = Peek();
        return GoesOn && _link.ReceiveFault == IoFault.None && _sendFault == IoFault.None && OpenSsl.IsInInit(_ssl);
    }

    private void Release()
    {
        if (_released)
            return;
        _released = true;
        _raw.Reader = null;
        _raw.Writer = null;
        _link.Free(_ssl);
    }
}
