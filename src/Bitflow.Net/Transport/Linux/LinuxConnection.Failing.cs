using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>How the peer has gone, as the kernel tells it once.</summary>
internal sealed partial class LinuxConnection
{
    private PeerFate _fate = PeerFateModule.Unknown;
    private LoopOperation? _reset;

    public override IoFault Fault => IsClosed ? IoFault.Aborted : _fate.Fault;

    public override bool FailedBehindItsEnd => _fate.FailedBehindItsEnd;

    public override ValueTask<IoFault> WaitResetAsync()
    {
        if (!OwnLoop.IsCurrent)
            return FromElsewhere();
        if (IsClosed)
            return new(IoFault.Aborted);
        return _fate.Fault != IoFault.None ? new(_fate.Fault) : (_reset ??= new LoopOperation()).BeginFault();

        async ValueTask<IoFault> FromElsewhere()
        {
            await OwnLoop.SwitchAsync();
            return await WaitResetAsync().ConfigureAwait(false);
        }
    }

    /// <summary>The kernel tells an error once, to whoever asks first; here it is kept for all the others.</summary>
    private void TakeError()
    {
        if (_fate.Fault == IoFault.None && Libc.GetOption(_descriptor, Libc.SolSocket, Libc.SoError, out int errno) >= 0 && errno != 0)
            NoteFault(errno);
    }

    /// <summary>
    /// That the peer reset behind its orderly end the kernel tells (EPIPE) as long as we have not ended ourselves; from then on it says that it was reset, and no more.
    /// A receive that has come to the end of the bytes still knows.
    /// </summary>
    private void LearnFault()
    {
        if (_fate.AsksReceiveFirst)
        {
            Span<byte> one = stackalloc byte[1];
            Learn(PeerFateModule.Peeked(Libc.Receive(_descriptor, one, Libc.MsgPeek | Libc.MsgDontWait), _fate));
        }

        TakeError();
    }

    private void NoteFault(int errno) =>
        Learn(PeerFateModule.Failed(errno, _connecting ? FaultOfConnect(errno) : IoFaults.OfStream(errno), _fate));

    /// <summary>Of the first fault those hear who wait for one.</summary>
    private void Learn(PeerFate fate)
    {
        bool isFirst = _fate.Fault == IoFault.None && fate.Fault != IoFault.None;
        _fate = fate;
        if (isFirst && _reset is { IsPending: true } reset)
        {
            reset.Settle(IoResult.Failed(fate.Fault));
            OwnLoop.Defer(reset);
        }
    }
}
