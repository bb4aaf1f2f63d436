using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>What has come.</summary>
internal sealed partial class LinuxConnection
{
    private Incoming _incoming;
    private bool _hasReceivedAll;

    /// <summary>A splice stops at urgent data without a word, and a Unix socket gains nothing by it.</summary>
    internal override bool MaySplice => _family != Libc.FamilyUnix && !_incoming.HasUrgent;

    /// <summary>The kernel tells of an end once all bytes before it are there. On a Unix socket a read stops at passed descriptors as well.</summary>
    internal override bool HasOnlyItsEndLeft => _fate.HasOnlyEnded && !_incoming.HasUrgent && _family != Libc.FamilyUnix;

    internal override bool MayHaveBytes => _incoming.IsWorthATry;

    protected override bool HasSomething() => _incoming.IsReported;

    internal override bool TryReceive(Span<byte> buffer, out IoResult result)
    {
        int answer = Libc.Receive(_descriptor, buffer);
        if (answer > 0 && answer < buffer.Length)
        {
            if (_incoming.IsDataAlone && _family != Libc.FamilyUnix)
                _incoming.UseUp();
            _hasReceivedAll |= HasOnlyItsEndLeft;
        }

        return Received(answer, out result);
    }

    /// <summary>Moves what has come into an empty pipe; false when there is nothing.</summary>
    internal bool TrySplice(SplicePipe pipe, out IoResult result)
    {
        // A pipe may be full of small pieces long before its bytes: a short answer proves nothing.
        int answer = pipe.Fill(_descriptor);
        if (!IoFaults.IsOfSplice(-answer))
            return Received(answer, out result);
        OwnLoop.Pipes.NoteRefusal(-answer);
        result = IoResult.Failed(IoFaults.OfStream(-answer));
        return true;
    }

    private bool Received(int answer, out IoResult result)
    {
        _incoming.NoteReceive();
        if (answer > 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        if (answer == 0)
        {
            _hasReceivedAll = true;
            _fate = PeerFateModule.AtEnd(_fate);
            IoFault end = _fate.AtEndOfBytes;
            result = end == IoFault.None ? IoResult.Ok(0) : IoResult.Failed(end);
            return true;
        }

        if (answer == -Errno.EAGAIN)
        {
            _incoming.UseUp();
            result = default;
            return false;
        }

        NoteFault(-answer);
        result = IoResult.Failed(_fate.Fault);
        return true;
    }

    public override void DiscardReceived()
    {
        Span<byte> nowhere = stackalloc byte[4096];
        int left = Farewell.LingerBytes;
        while (left > 0 && !IsClosed && MayHaveBytes && TryReceive(nowhere, out IoResult received) && received.Bytes > 0)
            left -= received.Bytes;
    }
}
