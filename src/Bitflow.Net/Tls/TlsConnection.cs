using System.Buffers;
using System.Net.Security;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Tls;

/// <summary>TLS over another connection, whatever that is made of, by SslStream. The handshake is done.</summary>
internal sealed class TlsConnection(Connection raw, SslStream ssl, ConnectionStream stream) : Connection(raw.Loop), ISecuredConnection
{
    /// <summary>One record. A slow reader that moves is thus never mistaken for one that does not (`write_timeout`).</summary>
    private const int PieceBytes = 16 * 1024;

    private readonly Lock _gate = new();
    private byte[]? _looked;
    private int _lookedStart;
    private int _lookedEnd;
    private IoFault _receiveFault;
    private bool _ended;
    private bool _readable;
    private Task<IoFault>? _ending;
    private string _faultDetail = "";
    private bool _endedWithinRecord;
    private int _closed;

    public override Endpoint Local => raw.Local;

    public override Endpoint Remote => raw.Remote;

    public override int Descriptor => raw.Descriptor;

    public override Instant LastHeard => stream.LastHeard;

    public override bool EndedWithinRecord => _endedWithinRecord;

    public override string FaultDetail => _faultDetail;

    public override int UnsentBytes => raw.UnsentBytes;

    public void Forget()
    {
        _closed = 1;
        Release();
    }

    public override async ValueTask<IoFault> WaitReadableAsync()
    {
        if (_looked is not null || _ended || _receiveFault != IoFault.None)
            return IoFault.None;

        // A read of no bytes holds no buffer while nothing comes, and ends once there are decrypted bytes or an end.
        IoResult waited = await ReadAsync(Memory<byte>.Empty).ConfigureAwait(false);
        _readable = waited.Fault == IoFault.None;
        return waited.Fault;
    }

    public override ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer)
    {
        lock (_gate)
        {
            if (_looked is not null)
                return new(IoResult.Ok(TakeLooked(buffer)));
            if (_receiveFault != IoFault.None)
                return new(IoResult.Failed(_receiveFault));
            if (_ended)
                return new(IoResult.Ok(0));
            _readable = false;
        }

        return ReadAsync(buffer);
    }

    public override ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data)
    {
        ReadOnlyMemory<byte> piece = data[..Math.Min(data.Length, PieceBytes)];
        ValueTask writing;
        try
        {
            writing = ssl.WriteAsync(piece);
        }
        catch (Exception e)
        {
            return new(IoResult.Failed(JudgeSend(e)));
        }

        if (writing.IsCompletedSuccessfully)
            return new(stream.WriteFault == IoFault.None ? IoResult.Ok(piece.Length) : IoResult.Failed(stream.WriteFault));
        return AwaitAsync(writing, piece.Length);

        async ValueTask<IoResult> AwaitAsync(ValueTask writing, int length)
        {
            try
            {
                await writing.ConfigureAwait(false);
                return stream.WriteFault == IoFault.None ? IoResult.Ok(length) : IoResult.Failed(stream.WriteFault);
            }
            catch (Exception e)
            {
                return IoResult.Failed(JudgeSend(e));
            }
        }
    }

    public override ValueTask<IoFault> EndBeforeCloseAsync() => EndAsync();

    /// <summary>Sends close_notify; said twice, it is sent once.</summary>
    public override ValueTask<IoFault> EndAsync()
    {
        lock (_gate)
            _ending ??= SendCloseNotifyAsync();
        return _ending.IsCompletedSuccessfully ? new(_ending.Result) : new(_ending);
    }

    /// <summary>Data and an end are told apart by taking what has come; only known once a wait has completed.</summary>
    public override Readiness Look()
    {
        bool looks;
        Readiness found;
        lock (_gate)
        {
            looks = _looked is null && _readable && !_ended && _receiveFault == IoFault.None;
            if (looks)
                TakeALook();
            found = _looked is not null ? Readiness.Data
                : _ended ? Readiness.Ended
                : _receiveFault != IoFault.None ? Readiness.Failed
                : Readiness.Quiet;
        }

        if (looks)
            stream.Turn.LeaveRead();
        return found;
    }

    public override IoFault Fault => _receiveFault;

    public override bool FailedBehindItsEnd => raw.FailedBehindItsEnd;

    public override ValueTask<IoFault> WaitResetAsync() => raw.WaitResetAsync();

    public override void KeepQueueShort() => raw.KeepQueueShort();

    public override FSharpValueOption<SendQueue> AskQueue() => raw.AskQueue();

    public override void Abort()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        raw.Abort();
        Release();
    }

    /// <summary>Sends close_notify if nobody has, as far as the kernel takes it at once: whoever cares whether it arrives ends first.</summary>
    public override void Close()
    {
        if (Interlocked.Exchange(ref _closed, 1) != 0)
            return;
        lock (_gate)
            _ending ??= SendCloseNotifyAsync();

        // What comes behind close_notify is no data (RFC 8446, section 6.1).
        if (_ended)
            raw.DiscardReceived();
        raw.Close();
        Release();
    }

    private async Task<IoFault> SendCloseNotifyAsync()
    {
        try
        {
            await stream.Turn.ShutdownAsync(ssl).ConfigureAwait(false);
            return stream.WriteFault;
        }
        catch (Exception e)
        {
            return JudgeSend(e);
        }
    }

    private async ValueTask<IoResult> ReadAsync(Memory<byte> buffer)
    {
        stream.Turn.EnterRead();
        try
        {
            int bytes = await ssl.ReadAsync(buffer).ConfigureAwait(false);
            if (buffer.IsEmpty)
                return stream.ReadFault == IoFault.Aborted ? IoResult.Failed(IoFault.Aborted) : IoResult.Ok(0);
            return JudgeReceive(bytes);
        }
        catch (Exception e)
        {
            return IoResult.Failed(JudgeReceive(e));
        }
        finally
        {
            stream.Turn.LeaveRead();
        }
    }

    private void TakeALook()
    {
        _readable = false;
        stream.Turn.EnterRead();
        byte[] buffer = ArrayPool<byte>.Shared.Rent(PieceBytes);
        try
        {
            ValueTask<int> reading = ssl.ReadAsync(buffer);
            if (!reading.IsCompleted)
            {
                // The wait has completed, so this cannot be. Were it so, the buffer would be the pending read's own.
                _receiveFault = IoFault.Other;
                _ = reading.AsTask();
                return;
            }

            IoResult result = JudgeReceive(reading.Result);
            if (result.Bytes > 0)
            {
                _looked = buffer;
                _lookedStart = 0;
                _lookedEnd = result.Bytes;
                return;
            }
        }
        catch (Exception e)
        {
            JudgeReceive(e);
        }

        ArrayPool<byte>.Shared.Return(buffer);
    }

    private int TakeLooked(Memory<byte> buffer)
    {
        int count = Math.Min(buffer.Length, _lookedEnd - _lookedStart);
        _looked.AsMemory(_lookedStart, count).CopyTo(buffer);
        _lookedStart += count;
        if (_lookedStart == _lookedEnd)
        {
            ArrayPool<byte>.Shared.Return(_looked!);
            _looked = null;
        }

        return count;
    }

    /// <summary>No bytes are an end only where close_notify came: a raw end is truncation (END-2).</summary>
    private IoResult JudgeReceive(int bytes)
    {
        if (bytes > 0)
            return IoResult.Ok(bytes);
        _receiveFault = stream.ReadFault;
        _ended = _receiveFault == IoFault.None;
        return new IoResult(0, _receiveFault);
    }

    /// <summary>Whatever SslStream throws on a peer's bytes ends this connection alone (TLS-21). Of a stream that ends between two records it says nothing, of one that ends in the midst of one it throws.</summary>
    private IoFault JudgeReceive(Exception e)
    {
        _endedWithinRecord = stream.ReadFault == IoFault.Truncated;
        return _receiveFault = stream.ReadFault != IoFault.None ? stream.ReadFault : Judge(e);
    }

    private IoFault JudgeSend(Exception e) => stream.WriteFault != IoFault.None ? stream.WriteFault : Judge(e);

    private IoFault Judge(Exception e)
    {
        if (_closed != 0 || e is ObjectDisposedException)
            return IoFault.Aborted;

        // The first fault is the cause; what the library says of those that follow from it only misleads.
        if (_faultDetail.Length == 0)
            _faultDetail = TlsOutcome.Words(e);
        return IoFault.TlsProtocol;
    }

    private void Release() => ssl.Dispose();
}
