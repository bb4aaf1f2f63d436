using System.Diagnostics;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Transport.Linux;

/// <summary>What goes out.</summary>
internal sealed partial class LinuxConnection
{
    /// <summary>Bytes that fit a segment on any path in use: the smallest default is 536 (RFC 9293, section 3.7.1).</summary>
    private const int SurelyOneSegment = 512;

    private bool _writable;
    private bool _watchesWritable;
    private Nagle _nagle;

    internal override bool TrySendNow(ReadOnlySpan<byte> data, bool more, out IoResult result)
    {
        if (_writable && TrySend(data, more, out result))
            return true;
        WatchWritable();
        result = default;
        return false;
    }

    /// <summary>Sends what is in a pipe, as <see cref="LoopConnection.TrySendNow(ReadOnlySpan{byte}, out IoResult)"/>.</summary>
    /// <param name="isRefused">Whether that may not be spliced, which says nothing of the connection: what is in the pipe is to be sent otherwise.</param>
    internal bool TrySendNow(SplicePipe pipe, out IoResult result, out bool isRefused)
    {
        isRefused = false;
        if (_nagle != Nagle.Off)
            BeforeSend(pipe.Filled);
        if (_writable)
        {
            int answer = pipe.Drain(_descriptor);
            if (IoFaults.IsOfSplice(-answer))
            {
                isRefused = true;
                OwnLoop.Pipes.NoteRefusal(-answer);
                result = default;
                return false;
            }

            if (Sent(answer, out result))
                return true;
        }

        WatchWritable();
        result = default;
        return false;
    }

    private bool TrySend(ReadOnlySpan<byte> data, bool more, out IoResult result)
    {
        if (_nagle != Nagle.Off)
            BeforeSend(data.Length);
        int answer = Libc.Send(_descriptor, data, more);
        if (answer >= 0 && answer < data.Length)
        {
            _writable = false;
            WatchWritable();
        }

        return Sent(answer, out result);
    }

    private bool Sent(int answer, out IoResult result)
    {
        if (answer >= 0)
        {
            result = IoResult.Ok(answer);
            return true;
        }

        if (answer == -Errno.EAGAIN)
        {
            _writable = false;
            result = default;
            return false;
        }

        Learn(PeerFateModule.SendFailed(-answer, _fate));
        result = IoResult.Failed(_fate.FaultOr(-answer));
        return true;
    }

    /// <summary>
    /// Nagle's algorithm (RFC 9293, section 3.7.4) holds back only what follows bytes that are under way: it is turned off when that may come to be,
    /// which spares a connection of one small request the call.
    /// </summary>
    private void BeforeSend(int bytes)
    {
        if (_nagle == Nagle.NothingSent && bytes <= SurelyOneSegment)
        {
            _nagle = Nagle.SentOnce;
            return;
        }

        TurnNagleOff();
    }

    private void TurnNagleOff()
    {
        _nagle = Nagle.Off;

        // Refused where the connection was reset: the send says so.
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpNoDelay, 1);
    }

    /// <summary>
    /// Acknowledges what has come, if the kernel still waits for something to send it with. An even number (TCP_QUICKACK, tcp(7)): this once.
    /// </summary>
    internal void AcknowledgeNow()
    {
        if (_family != Libc.FamilyUnix && !IsClosed)
            _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpQuickAck, 2);
    }

    /// <summary>Sends what the kernel keeps because more was said to follow (MSG_MORE): to turn Nagle's algorithm off, even once more, pushes it out (tcp(7)).</summary>
    internal void SendHeld()
    {
        if (_family != Libc.FamilyUnix && !IsClosed)
            TurnNagleOff();
    }

    /// <summary>
    /// From the first time that the kernel took less than it was given: most connections never need it, and without it an accepted one causes no
    /// event before its first bytes. Where there is room by now, the kernel says so at once.
    /// </summary>
    private void WatchWritable()
    {
        if (_watchesWritable)
            return;
        _watchesWritable = true;
        ChangeInterest();
    }

    /// <summary>A fault means that it was reset already: its next use says so.</summary>
    public override void KeepQueueShort()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be changed on the loop that closes it");
        if (IsClosed || _family == Libc.FamilyUnix)
            return;
        _isAltered = true;
        _ = Libc.SetOption(_descriptor, Libc.IpProtoTcp, Libc.TcpNotSentLowAt, SocketSettings.UnsentBytesOfShortQueue);
    }

    public override FSharpValueOption<SendQueue> AskQueue()
    {
        Debug.Assert(OwnLoop.IsCurrent, "a descriptor may only be asked on the loop that closes it");
        return IsClosed || _family == Libc.FamilyUnix ? FSharpValueOption<SendQueue>.None : Libc.AskSendQueue(_descriptor);
    }

    /// <summary>Nagle's algorithm, on as the kernel made the socket until something may be held back by it.</summary>
    private enum Nagle : byte
    {
        Off,
        NothingSent,
        SentOnce,
    }
}
