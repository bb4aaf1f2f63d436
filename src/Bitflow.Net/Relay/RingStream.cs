using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Relay;

/// <summary>
/// The stay of a direction in its loop's ring: small messages received and sent without a call for either. Whatever is not a small message
/// that goes out whole ends the stay: what is left is handed back to the pump, which hears the rest from the connection itself.
/// </summary>
internal sealed class RingStream : IRingUser
{
    /// <summary>Messages that may wait for the one that is being sent: more of them come from a sender that is better served otherwise.</summary>
    private const int MostWaiting = 4;

    private readonly LinuxPump _pump;
    private readonly IoRing _ring;
    private readonly LinuxConnection _from;
    private readonly LinuxConnection _to;
    private (ushort Buffer, int Bytes)[] _messages = new (ushort, int)[MostWaiting];
    private int _count;
    private int _sentOfFirst;
    private bool _sending;
    private bool _receiving = true;
    private bool _ending;
    private bool _dropped;

    private RingStream(LinuxPump pump, IoRing ring, LinuxConnection from, LinuxConnection to)
    {
        _pump = pump;
        _ring = ring;
        _from = from;
        _to = to;
    }

    /// <summary>Goes over to the ring; null where the two connections, or the kernel, cannot.</summary>
    public static RingStream? TryBegin(LinuxPump pump, LinuxLoop loop, LinuxConnection from, LinuxConnection to)
    {
        if (!from.MayReceiveByRing || !to.MaySendByRing || loop.TryRing() is not { } ring)
            return null;
        var stream = new RingStream(pump, ring, from, to);
        to.BeginSendingByRing();
        from.BeginReceivingByRing(ring, stream);
        return stream;
    }

    public void OnReceived(ushort buffer, int bytes)
    {
        if (_dropped)
        {
            _ring.Release(buffer);
            return;
        }

        _pump.Received(bytes);
        if (_count == _messages.Length)
            Array.Resize(ref _messages, 2 * _count);
        _messages[_count++] = (buffer, bytes);
        if (_sending)
            _ring.SettleSoon();
        else if (!_ending)
            SendFirst();
        if (bytes == IoRing.BufferBytes || _count > MostWaiting)
            End();
    }

    public void OnReceiveOver()
    {
        _receiving = false;
        _ending = true;
        if (_sending)
            _ring.SettleSoon();
        HandBack();
    }

    public void OnSent()
    {
        _sending = false;
        _ring.Release(_messages[0].Buffer);
        if (_dropped)
            return;
        _count--;
        Array.Copy(_messages, 1, _messages, 0, _count);
        if (_count > 0 && !_ending)
            SendFirst();
        HandBack();
    }

    public void NoteSendFailed(int answer)
    {
        if (answer < 0)
            _to.NoteSendByRing(answer);
    }

    public void OnSendFailed(int answer)
    {
        _sending = false;
        if (_dropped)
        {
            _ring.Release(_messages[0].Buffer);
            return;
        }

        _sentOfFirst = Math.Max(answer, 0);
        _pump.NotTaken(_messages[0].Bytes - _sentOfFirst);
        NoteSendFailed(answer);
        End();
        HandBack();
    }

    /// <summary>Ends the stay: what is under way is waited for, then the pump goes on by itself.</summary>
    public void End()
    {
        if (_ending)
            return;
        _ending = true;
        _from.CancelReceiveByRing(_ring);
    }

    /// <summary>The pump is over: nothing is handed back.</summary>
    public void Drop()
    {
        End();
        _dropped = true;

        // One that is being sent is the kernel's until it says so.
        for (int i = _sending ? 1 : 0; i < _count; i++)
            _ring.Release(_messages[i].Buffer);
    }

    private void SendFirst()
    {
        _sending = true;
        _pump.Sent(_messages[0].Bytes);
        _ring.Send(_to.Descriptor, _messages[0].Buffer, _messages[0].Bytes, this);
        if (_count > 1)
            _ring.SettleSoon();
    }

    private void HandBack()
    {
        if (_sending || _receiving || _dropped)
            return;
        _dropped = true;
        _pump.LeaveRing();
        for (int i = 0; i < _count; i++)
        {
            (ushort buffer, int bytes) = _messages[i];
            try
            {
                _pump.TakeBack(_ring.Bytes(buffer, _sentOfFirst, bytes));
            }
            finally
            {
                _ring.Release(buffer);
            }

            _sentOfFirst = 0;
        }

        // Epoll may have told of the rest while something was still under way here.
        _pump.OnReadable();
    }
}
