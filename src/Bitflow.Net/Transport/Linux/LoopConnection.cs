using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// A connection that lives on a Linux loop and answers without waiting; the waiting calls of <see cref="Connection"/> are made of those answers.
/// Whoever moves bytes by callback (<see cref="IReadyHandler"/>) asks it directly.
/// </summary>
internal abstract class LoopConnection(LinuxLoop loop) : Connection(loop)
{
    /// <summary>Reads that may succeed at once in one turn of the loop, so that one fast sender does not keep the others waiting.</summary>
    private const int ReadsPerTurn = 16;

    private LoopOperation? _receive;
    private LoopOperation? _send;
    private Memory<byte> _receiveInto;
    private ReadOnlyMemory<byte> _sendFrom;
    private bool _receiveIsWait;
    private int _turn;
    private int _turnReads;

    /// <summary>Who receives from this connection by callback; then nobody calls <see cref="ReceiveAsync"/>.</summary>
    internal IReadyHandler? Reader { get; set; }

    /// <summary>Who sends to this connection by callback; then nobody calls <see cref="SendAsync"/>.</summary>
    internal IReadyHandler? Writer { get; set; }

    /// <summary>For the loop: whether it will come back to this connection in its next turn.</summary>
    internal bool IsComeBackTo { get; set; }

    /// <summary>Whether it was closed here.</summary>
    internal abstract bool IsClosed { get; }

    /// <summary>Whether the kernel may move its bytes unseen.</summary>
    internal virtual bool MaySplice => false;

    /// <summary>Whether a receive may find something: not once one has found nothing, nor before the first event of one that was dialled or taken over; again from the next event on.</summary>
    internal abstract bool MayHaveBytes { get; }

    protected LinuxLoop OwnLoop { get; } = loop;

    /// <summary>The one pending call of the sending side.</summary>
    protected LoopOperation Sending => _send ??= new LoopOperation();

    private LoopOperation Receiving => _receive ??= new LoopOperation();

    public override ValueTask<IoFault> WaitReadableAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        if (HasSomething() && MayReadOn())
            return new(IoFault.None);
        _receiveIsWait = true;
        return Receiving.BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await WaitReadableAsync().ConfigureAwait(false);
        }
    }

    public override void WakeReader()
    {
        if (!OwnLoop.IsCurrent)
        {
            OwnLoop.Post(WakeReader);
            return;
        }

        if (!_receiveIsWait || _receive is not { IsPending: true } receive)
            return;
        receive.Settle(IoResult.Ok(0));
        OwnLoop.Defer(receive);
    }

    public override bool TryReceiveNow(Span<byte> buffer, out IoResult result)
    {
        if (OwnLoop.IsCurrent && MayReceiveNow())
            return TryReceive(buffer, out result);
        result = default;
        return false;
    }

    public override ValueTask<IoResult> ReceiveAsync(Memory<byte> buffer)
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere(buffer);
        if (IsClosed)
            return new(IoResult.Failed(IoFault.Aborted));
        if (!buffer.IsEmpty && MayReceiveNow() && TryReceive(buffer.Span, out IoResult result))
            return new(result);
        if (buffer.IsEmpty && HasSomething())
            return new(IoResult.Ok(0));

        // An empty buffer asks for readiness alone, as on the platform's streams.
        _receiveIsWait = buffer.IsEmpty;
        _receiveInto = buffer;
        return Receiving.BeginResult();

        async ValueTask<IoResult> FromElsewhere(Memory<byte> into)
        {
            await OwnLoop.SwitchAsync();
            return await ReceiveAsync(into).ConfigureAwait(false);
        }
    }

    public override ValueTask<IoResult> SendAsync(ReadOnlyMemory<byte> data)
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere(data);
        if (IsClosed)
            return new(IoResult.Failed(IoFault.Aborted));
        if (TrySendNow(data.Span, out IoResult result))
            return new(result);
        _sendFrom = data;
        return Sending.BeginResult();

        async ValueTask<IoResult> FromElsewhere(ReadOnlyMemory<byte> from)
        {
            await OwnLoop.SwitchAsync();
            return await SendAsync(from).ConfigureAwait(false);
        }
    }

    /// <summary>Whether a receive may find something, and this connection may go on in this turn; if not, it is come back to in the next.</summary>
    internal bool MayReceiveNow() => MayHaveBytes && !IsClosed && MayReadOn();

    /// <summary>Receives without waiting; false when there is nothing.</summary>
    internal abstract bool TryReceive(Span<byte> buffer, out IoResult result);

    /// <summary>
    /// After a receive that brought less than it could: whether nothing but the end of the stream is left, so that it need not be asked for.
    /// </summary>
    internal abstract bool HasOnlyItsEndLeft { get; }

    /// <summary>Sends without waiting, and hears of it when there is room again; false when there is none now.</summary>
    internal bool TrySendNow(ReadOnlySpan<byte> data, out IoResult result) => TrySendNow(data, more: false, out result);

    /// <param name="more">Whether more, or the end, is sent at once after it, so that the kernel need not hurry.</param>
    internal abstract bool TrySendNow(ReadOnlySpan<byte> data, bool more, out IoResult result);

    /// <summary>Goes on where it was when it had had its share of a turn.</summary>
    internal abstract void ComeBack();

    /// <summary>Whether a wait for something to receive is over.</summary>
    protected abstract bool HasSomething();

    /// <summary>Tells whoever receives that there may be something.</summary>
    protected void AnnounceReadable()
    {
        if (Reader is { } reader)
            reader.OnReadable();
        else if (_receive is { IsPending: true } receive)
            FinishReceive(receive);
    }

    /// <summary>Tells whoever sends that there may be room.</summary>
    protected void AnnounceWritable()
    {
        if (Writer is { } writer)
        {
            writer.OnWritable();
        }
        else if (_send is { IsPending: true } send && TrySendNow(_sendFrom.Span, out IoResult sent))
        {
            _sendFrom = default;
            send.Complete(sent);
        }
    }

    /// <summary>What is pending completes as aborted, later in this turn; whoever moves bytes by callback is told at once.</summary>
    protected void AnnounceClosed()
    {
        Abandon(_receive);
        Abandon(_send);
        _receiveInto = default;
        _sendFrom = default;
        Reader?.OnClosed(this);
        Writer?.OnClosed(this);
    }

    protected void Abandon(LoopOperation? operation)
    {
        if (operation is not { IsPending: true })
            return;
        operation.Settle(IoResult.Failed(IoFault.Aborted));
        OwnLoop.Defer(operation);
    }

    private void FinishReceive(LoopOperation receive)
    {
        if (_receiveIsWait)
        {
            if (HasSomething())
                receive.Complete(IoResult.Ok(0));
        }
        else if (TryReceive(_receiveInto.Span, out IoResult result))
        {
            _receiveInto = default;
            receive.Complete(result);
        }
    }

    /// <summary>Whether this connection may go on reading in this turn; where it may not, the loop comes back to it in the next.</summary>
    private bool MayReadOn()
    {
        if (_turn != OwnLoop.TurnNumber)
        {
            _turn = OwnLoop.TurnNumber;
            _turnReads = 0;
        }

        if (_turnReads < ReadsPerTurn)
        {
            _turnReads++;
            return true;
        }

        OwnLoop.ComeBackTo(this);
        return false;
    }
}
