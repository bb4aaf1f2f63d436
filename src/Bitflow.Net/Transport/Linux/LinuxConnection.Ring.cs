using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Transport.Linux;

/// <summary>While the loop's ring receives and sends in its stead.</summary>
internal sealed partial class LinuxConnection
{
    /// <summary>
    /// While the ring receives: what epoll tells of unasked (EPOLLERR, EPOLLHUP). Not urgent data: whoever asks for it is woken by all data, and the ring
    /// goes on behind its mark by itself.
    /// </summary>
    private const uint EventsBesideRing = Libc.EpollEdge;

    private IRingUser? _ringUser;

    /// <summary>A Unix socket's reads stop at passed descriptors, and urgent data is not for the ring, nor anything after an end or a fault was reported.</summary>
    internal bool MayReceiveByRing => MaySplice && _incoming.IsDataAlone && !IsClosed;

    internal bool MaySendByRing => _family != Libc.FamilyUnix && _fate.Fault == IoFault.None && !IsClosed;

    /// <summary>From here on what comes is received by the ring, until that is over.</summary>
    internal void BeginReceivingByRing(IoRing ring, IRingUser user)
    {
        _isAltered = true;
        _ringUser = user;
        _incoming.UseUp();
        ChangeInterest();
        ring.Receive(_descriptor, _number);
    }

    internal void BeginSendingByRing()
    {
        _isAltered = true;
        if (_nagle != Nagle.Off)
            TurnNagleOff();
    }

    internal void CancelReceiveByRing(IoRing ring) => ring.CancelReceive(_number);

    /// <summary>A send of the ring took nothing, for which there may be a fault.</summary>
    internal void NoteSendByRing(int answer)
    {
        if (answer != -Errno.EAGAIN && !IoFaults.IsOfRing(-answer))
            Learn(PeerFateModule.SendFailed(-answer, _fate));
    }

    /// <summary>What the ring received. When it is over, epoll tells of the rest: an end or a fault is there still, or kept here.</summary>
    internal void OnReceivedByRing(in RingCompletion received)
    {
        IRingUser user = _ringUser!;
        try
        {
            if (received.Result > 0)
                user.OnReceived(received.Buffer, received.Result);
        }
        finally
        {
            if (received.IsLast)
                EndReceivingByRing(user, received.Result);
        }
    }

    private void EndReceivingByRing(IRingUser user, int answer)
    {
        if (answer < 0 && answer != -Errno.EAGAIN && !IoFaults.IsOfRing(-answer))
            NoteFault(-answer);
        _ringUser = null;
        if (!IsClosed)
            ChangeInterest();
        user.OnReceiveOver();
    }
}
