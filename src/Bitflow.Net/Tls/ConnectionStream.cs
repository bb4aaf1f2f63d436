using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Tls;

/// <summary>
/// A connection as the stream that SslStream wants, with the bytes that were read before it in front. Faults are remembered instead of
/// thrown: a read then finds the end of the stream, a write goes nowhere, and whoever called SslStream asks here what it was.
/// </summary>
/// <remarks>SslStream says 0 for close_notify and for a raw end alike; only the stream beneath can tell truncation from an end (END-2).</remarks>
internal sealed class ConnectionStream(Connection raw, ReadOnlyMemory<byte> early) : Stream
{
    private ReadOnlyMemory<byte> _early = early;

    /// <summary>Why nothing more comes from the peer; <see cref="IoFault.Truncated"/> for the raw end of the stream.</summary>
    public IoFault ReadFault { get; private set; }

    public IoFault WriteFault { get; private set; }

    /// <summary>When bytes last came, of whatever kind.</summary>
    public Instant LastHeard { get; private set; }

    public ShutdownTurn Turn { get; } = new();

    public override bool CanRead => true;

    public override bool CanSeek => false;

    public override bool CanWrite => true;

    public override long Length => throw new NotSupportedException();

    public override long Position
    {
        get => throw new NotSupportedException();
        set => throw new NotSupportedException();
    }

    public override ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
    {
        if (!_early.IsEmpty)
        {
            int count = Math.Min(buffer.Length, _early.Length);
            _early[..count].CopyTo(buffer);
            _early = _early[count..];
            return new(count);
        }

        if (ReadFault != IoFault.None)
            return new(0);
        return buffer.IsEmpty ? WaitAsync() : ReceiveAsync(buffer);
    }

    public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default)
    {
        while (!buffer.IsEmpty && WriteFault == IoFault.None)
        {
            IoResult sent = await raw.SendAsync(buffer).ConfigureAwait(false);
            WriteFault = sent.Fault;
            buffer = buffer[sent.Bytes..];
        }
    }

    public override Task<int> ReadAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        ReadAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    public override Task WriteAsync(byte[] buffer, int offset, int count, CancellationToken cancellationToken) =>
        WriteAsync(buffer.AsMemory(offset, count), cancellationToken).AsTask();

    /// <summary>Nothing is held back; the base class would queue this to the thread pool.</summary>
    public override Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public override void Flush()
    {
    }

    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException("connections are never waited for in a thread");

    public override void Write(byte[] buffer, int offset, int count) => throw new NotSupportedException("connections are never waited for in a thread");

    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    public override void SetLength(long value) => throw new NotSupportedException();

    private async ValueTask<int> WaitAsync()
    {
        Turn.LeaveRead();
        ReadFault = await raw.WaitReadableAsync().ConfigureAwait(false);
        Turn.EnterRead();
        return 0;
    }

    private async ValueTask<int> ReceiveAsync(Memory<byte> buffer)
    {
        Turn.LeaveRead();
        IoResult received = await raw.ReceiveAsync(buffer).ConfigureAwait(false);
        Turn.EnterRead();
        ReadFault = received.IsEnd ? IoFault.Truncated : received.Fault;
        if (received.Bytes > 0)
            LastHeard = raw.Loop.Now;
        return received.Bytes;
    }
}
