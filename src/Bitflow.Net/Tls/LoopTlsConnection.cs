using System.Diagnostics;
using System.Net.Security;
using System.Runtime.InteropServices;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Tls;

/// <summary>
/// TLS over a connection of a Linux loop. SslStream has shaken hands and judged the certificates; the records are made and read by the same
/// library without it, straight between the connection beneath and whoever moves the bytes.
/// </summary>
/// <remarks>Faults and ends beneath are kept from the library, which would answer them with alerts: it is told to come again, and they are looked up here.</remarks>
internal sealed class LoopTlsConnection : LoopConnection, ISecuredConnection, IReadyHandler
{
    /// <summary>Room for one record of 16 KB, its header and what seals it: what is longer goes out as several.</summary>
    private const int RecordBytes = 16 * 1024;

    /// <summary>Four records at a time: received in one call, and sent on in one.</summary>
    private const int ReadBufferBytes = 4 * (RecordBytes + 256 + 5);

    private readonly LinuxConnection _raw;

    /// <summary>Kept where it must hear of sessions that can be resumed; what a server needs of it ends with the handshake.</summary>
    private readonly SslStream? _stream;
    private readonly nint _ssl;
    private GCHandle _self;
    private bool _moreFollows;
    private ReadOnlyMemory<byte> _early;
    private IoFault _rawReceiveFault;
    private IoFault _rawSendFault;
    private IoFault _receiveFault;
    private IoFault _sendFault;
    private string _faultDetail = "";
    private bool _dry;
    private bool _ended;
    private bool _released;
    private bool _receiveNeedsRoom;
    private bool _endSent;
    private bool _endPending;

    private LoopTlsConnection(LinuxConnection raw, LinuxLoop loop, SslStream? stream, nint ssl, ReadOnlyMemory<byte> early)
        : base(loop)
    {
        _raw = raw;
        _stream = stream;
        _ssl = ssl;
        _early = early;
    }

    public override Endpoint Local => _raw.Local;

    public override Endpoint Remote => _raw.Remote;

    public override int Descriptor => _raw.Descriptor;

    public override bool IsTls => true;

    public override string FaultDetail => _faultDetail;

    public override int UnsentBytes => _raw.UnsentBytes;

    internal override bool IsClosed => _released || _raw.IsClosed;

    internal override bool MayHaveBytes => !_dry;

    /// <summary>The `SSL`; not to be used once this is closed.</summary>
    internal nint Library => _ssl;

    /// <summary>Whether neither the peer's end nor a fault has come.</summary>
    private bool GoesOn => _receiveFault == IoFault.None && !_ended;

    /// <summary>Whether something has come that the library has not asked for yet.</summary>
    private bool MoreIsHere => !_early.IsEmpty || _raw.MayHaveBytes;

    /// <summary>Takes the stream's part from here on; null where that cannot be, and the stream goes on.</summary>
    /// <param name="early">What came after the handshake's last record, and was not shown to the stream.</param>
    public static LoopTlsConnection? TryTakeOver(LinuxConnection raw, SslStream stream, ReadOnlyMemory<byte> early)
    {
        if (raw.IsClosed || raw.Loop is not LinuxLoop { IsCurrent: true } loop || OpenSsl.TryFind(stream) is not { } handle)
            return null;
        nint ssl = handle.DangerousGetHandle();
        bool isOurs = stream.IsServer && OpenSsl.Share(ssl) == 1;
        var made = new LoopTlsConnection(raw, loop, isOurs ? null : stream, ssl, early);
        made._self = GCHandle.Alloc(made);
        nint bio = ConnectionBio.New(made._self);
        if (bio == 0)
        {
            made._self.Free();
            if (isOurs)
                OpenSsl.Free(ssl);
            return null;
        }

        OpenSsl.SetBio(ssl, bio, bio);
        if (isOurs)
        {
            // As it goes it records an end, quietly.
            stream.Dispose();
            OpenSsl.SetEnds(ssl, 0);
        }

        OpenSsl.AddMode(ssl, OpenSsl.PartialWrite | OpenSsl.MovingWrites | OpenSsl.ReleaseBuffers);
        OpenSsl.ClearMode(ssl, OpenSsl.AutoRetry);
        _ = OpenSsl.AddOptions(ssl, OpenSsl.NoRenegotiation);
        OpenSsl.SetReadAhead(ssl, 1);
        OpenSsl.SetReadBuffer(ssl, ReadBufferBytes);
        OpenSsl.SetQuietShutdown(ssl, 0);
        raw.Reader = made;
        raw.Writer = made;
        return made;
    }

    public void Forget()
    {
        if (OwnLoop.IsCurrent)
            Release();
        else
            OwnLoop.Post(Release);
    }

    public override ValueTask<IoFault> WaitResetAsync() => _raw.WaitResetAsync();

    public override void SetUserTimeout(Duration timeout) => _raw.SetUserTimeout(timeout);

    /// <summary>Sends close_notify; said twice, it is sent once.</summary>
    public override ValueTask<IoFault> EndAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        if (_endSent || TrySendEnd())
            return new(_sendFault);
        _endPending = true;
        return Sending.BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await EndAsync().ConfigureAwait(false);
        }
    }

    public override Readiness Look()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a connection may only be asked on its loop");
        if (IsClosed)
            return Readiness.Reset;
        if (Peek())
            return Readiness.Data;
        return _ended || _receiveFault == IoFault.Truncated ? Readiness.Ended
            : _receiveFault != IoFault.None ? Readiness.Reset
            : Readiness.Quiet;
    }

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
        if (_receiveNeedsRoom)
            OnReadable();
        if (IsClosed)
            return;
        if (!_endPending)
        {
            AnnounceWritable();
        }
        else if (TrySendEnd())
        {
            _endPending = false;
            Sending.Complete(IoResult.Failed(_sendFault));
        }
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

    /// <summary>As many records as there are and there is room for: what is sent on in one piece costs one call.</summary>
    internal override unsafe bool TryReceive(Span<byte> buffer, out IoResult result)
    {
        int received = 0;
        fixed (byte* into = buffer)
        {
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

        if (received > 0)
            result = IoResult.Ok(received);
        else if (_receiveFault != IoFault.None)
            result = IoResult.Failed(_receiveFault);
        else
            result = IoResult.Ok(0);
        return received > 0 || !GoesOn;
    }

    internal override unsafe bool TrySendNow(ReadOnlySpan<byte> data, out IoResult result)
    {
        if (data.IsEmpty)
        {
            result = IoResult.Ok(0);
            return true;
        }

        int answer;
        _moreFollows = data.Length > RecordBytes;
        OpenSsl.ClearErrors();
        fixed (byte* from = data)
            answer = OpenSsl.Write(_ssl, from, data.Length);
        _moreFollows = false;
        if (_rawSendFault == IoFault.None && answer > 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        int why = OpenSsl.WhyNot(_ssl, answer);
        if (_rawSendFault == IoFault.None && why is OpenSsl.WantWrite or OpenSsl.WantRead)
        {
            // What comes next from beneath announces room as well; what is there already must be come back to.
            if (why == OpenSsl.WantRead && MoreIsHere)
                OwnLoop.ComeBackTo(this);
            result = default;
            return false;
        }

        NoteSendFault();
        result = IoResult.Failed(_sendFault);
        return true;
    }

    /// <summary>For the library: what has come, and 0 where nothing has. Ends and faults are kept.</summary>
    internal int ReceiveRecords(Span<byte> into)
    {
        if (!_early.IsEmpty)
        {
            int count = Math.Min(into.Length, _early.Length);
            _early.Span[..count].CopyTo(into);
            _early = count < _early.Length ? _early[count..] : default;
            return count;
        }

        if (_rawReceiveFault != IoFault.None || _raw.IsClosed || !_raw.MayHaveBytes || !_raw.TryReceive(into, out IoResult received))
            return 0;
        _rawReceiveFault = received.IsEnd ? IoFault.Truncated : received.Fault;
        return received.Bytes;
    }

    /// <summary>For the library: how many of these bytes went out, 0 where there is no room. After a fault they go nowhere.</summary>
    internal int SendRecords(ReadOnlySpan<byte> from)
    {
        if (_rawSendFault != IoFault.None || _raw.IsClosed)
            return from.Length;
        if (!_raw.TrySendNow(from, _moreFollows, out IoResult sent))
            return 0;
        _rawSendFault = sent.Fault;
        return sent.Fault == IoFault.None ? sent.Bytes : from.Length;
    }

    protected override bool HasSomething() => Peek() || !GoesOn;

    private bool MayRead() => GoesOn && !_dry && !_released;

    /// <summary>Whether a byte can be received.</summary>
    private unsafe bool Peek()
    {
        if (!MayRead())
            return false;
        byte one;
        OpenSsl.ClearErrors();
        int answer = OpenSsl.Peek(_ssl, &one, 1);
        if (answer > 0)
            return true;
        NoteReceive(answer);
        return false;
    }

    /// <summary>Why a read found no byte.</summary>
    private void NoteReceive(int answer)
    {
        int why = OpenSsl.WhyNot(_ssl, answer);
        _receiveNeedsRoom = why == OpenSsl.WantWrite;
        if (why == OpenSsl.PeerEnded)
        {
            _ended = true;
        }
        else if (why is OpenSsl.WantRead or OpenSsl.WantWrite)
        {
            _receiveFault = _rawReceiveFault;
            _dry = _receiveFault == IoFault.None;

            // It has read what was no data, a ticket or a KeyUpdate: who sends nothing else does not get the loop for itself.
            if (_dry && why == OpenSsl.WantRead && MoreIsHere)
                OwnLoop.ComeBackTo(this);
        }
        else
        {
            NoteDetail();
            _receiveFault = IoFault.TlsProtocol;
        }
    }

    private void NoteSendFault()
    {
        if (_rawSendFault == IoFault.None)
            NoteDetail();
        _sendFault = _rawSendFault == IoFault.None ? IoFault.TlsProtocol : _rawSendFault;
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
        if (IsInMessage())
            return false;
        OpenSsl.ClearErrors();
        int answer = OpenSsl.Shutdown(_ssl);
        if (answer < 0 && _rawSendFault == IoFault.None && OpenSsl.WhyNot(_ssl, answer) is OpenSsl.WantWrite)
            return false;
        _endSent = true;
        if (answer < 0 || _rawSendFault != IoFault.None)
            NoteSendFault();
        return true;
    }

    /// <summary>
    /// Whether the rest of a message (a ticket in several records) must come first: until then the library refuses to end. What comes next from beneath
    /// announces room as well.
    /// </summary>
    private bool IsInMessage()
    {
        if (!OpenSsl.IsInMessage(_ssl))
            return false;
        _ = Peek();
        return GoesOn && _sendFault == IoFault.None && OpenSsl.IsInMessage(_ssl);
    }

    /// <summary>
    /// Frees what the library holds, with both ends on record: it sends nothing any more (whoever is beneath may be somebody else's), and a session
    /// is good for resumption only then.
    /// </summary>
    private void Release()
    {
        if (_released)
            return;
        _released = true;
        _raw.Reader = null;
        _raw.Writer = null;
        OpenSsl.SetQuietShutdown(_ssl, 1);
        OpenSsl.SetEnds(_ssl, OpenSsl.BothEnded);
        if (_stream is null)
            OpenSsl.Free(_ssl);
        else
            _stream.Dispose();
        _self.Free();
    }
}
