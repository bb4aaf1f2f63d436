using Bitflow.Net.Transport.Linux;

namespace Bitflow.Net.Relay;

/// <summary>
/// The stay of a direction in its loop's ring: what comes is received without a call, and epoll knows nothing of it. A stream that has shown to be one of small
/// messages sends them by the ring as well. Whatever is more than such a stay is for ends it: what is left is handed back to the pump, which
/// hears the rest from the connection itself.
/// </summary>
internal sealed class RingStream : IRingUser
{
    /// <summary>Messages that may wait for the one that is being sent: more of them come from a sender that is better served otherwise.</summary>
    private const int MostWaiting = 4;

    private readonly LinuxPump _pump;
    private readonly IoRing _ring;
    private readonly byte[] _scratch;
    private readonly LinuxConnection _from;
    private readonly LinuxConnection _to;
    private (ushort Buffer, int Bytes)[] _messages = [];
    private int _count;
    private int _gathered;
    private int _small;
    private int _sentOfFirst;
    private bool _sendsByRing;
    private bool _sending;
    private bool _receiving = true;
    private bool _ending;
    private bool _dropped;

    private RingStream(LinuxPump pump, IoRing ring, byte[] scratch, LinuxConnection from, LinuxConnection to)
    {
        _pump = pump;
        _ring = ring;
        _scratch = scratch;
        _from = from;
        _to = to;
    }

    /// <summary>Goes over to the ring; null where the two connections, or the kernel, cannot.</summary>
    /// <param name="isChatty">Whether the stream has shown to be one of small messages.</param>
    public static RingStream? TryBegin(LinuxPump pump, LinuxLoop loop, LinuxConnection from, LinuxConnection to, bool isChatty)
    {
        if (!from.MayReceiveByRing || !to.MaySendByRing || loop.TryRing() is not { } ring)
            return null;
        var stream = new RingStream(pump, ring, loop.Scratch, from, to);
        if (isChatty)
            stream.BeginToSend();
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
        if (_sendsByRing)
            Queue(buffer, bytes);
        else
            Forward(buffer, bytes);
    }

    /// <summary>Sends by a call of its own what has come, all of it that is there at once: most streams are over before more is worth while.</summary>
    private void Forward(ushort buffer, int bytes)
    {
        try
        {
            int? next = _from.NextByRing(_ring);
            bool isFull = false;
            ReadOnlySpan<byte> data = _ring.Bytes(buffer, 0, bytes);
            if (_gathered > 0 || next > 0)
            {
                data.CopyTo(_scratch.AsSpan(_gathered));
                _gathered += bytes;
                isFull = _gathered + IoRing.BufferBytes > _scratch.Length;
                if (next > 0 && !isFull)
                    return;
                data = _scratch.AsSpan(0, _gathered);
                _gathered = 0;
            }

            // The end that is there already is passed on with these.
            if (next == 0)
                _ending = true;
            _small = data.Length < IoRing.BufferBytes ? _small + 1 : 0;
            if (!_pump.Forward(data, isLast: next == 0) || isFull)
                End();
            else if (_small == LinuxPump.MessagesBeforeRing && _to.MaySendByRing)
                BeginToSend();
        }
        finally
        {
            _ring.Release(buffer);
        }
    }

    private void BeginToSend()
    {
        _sendsByRing = true;
        _messages = new (ushort, int)[MostWaiting];
        _to.BeginSendingByRing();
    }

    private void Queue(ushort buffer, int bytes)
    {
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
        _to.SendByRing(_ring, _messages[0].Buffer, _messages[0].Bytes, this);
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
                _ = _pump.Forward(_ring.Bytes(buffer, _sentOfFirst, bytes));
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
