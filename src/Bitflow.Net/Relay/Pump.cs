using System.Buffers;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Relay;

/// <summary>
/// One direction of a relay: receives from one side and hands on to the other, until that side ends or fails or the other takes no more.
/// Says what happened once, as its last act, but for a connection that was closed here, of which everyone knows; and decides nothing.
/// </summary>
internal sealed class Pump(Connection from, Connection to, Side side, SideStamps fromStamps, SideStamps toStamps, IRelayObserver observer)
{
    /// <summary>Runs the pump that suits the two connections.</summary>
    /// <param name="early">Bytes of the side that were read before the relay began; delivered first.</param>
    public static Task RunAsync(
        Connection from, Connection to, Side side, SideStamps fromStamps, SideStamps toStamps, IRelayObserver observer, ReadOnlyMemory<byte> early) =>
        LinuxPump.TryBegin(from, to, side, fromStamps, toStamps, observer, early)
            ? Task.CompletedTask
            : new Pump(from, to, side, fromStamps, toStamps, observer).RunAsync(early);

    /// <param name="early">Bytes of the side that were read before the relay began; delivered first.</param>
    public async Task RunAsync(ReadOnlyMemory<byte> early)
    {
        fromStamps.Came(early.Length);
        RelayEvent? last = early.IsEmpty ? null : await DeliverAsync(early).ConfigureAwait(false);
        while (last is null)
        {
            // No buffer is held while nothing comes.
            IoFault fault = await from.WaitReadableAsync().ConfigureAwait(false);
            if (fault != IoFault.None)
            {
                ReportFault(fault);
                return;
            }

            byte[] buffer = ArrayPool<byte>.Shared.Rent(StreamPaceModule.PieceBytes);
            try
            {
                IoResult received;
                do
                {
                    received = await from.ReceiveAsync(buffer.AsMemory(0, StreamPaceModule.PieceBytes)).ConfigureAwait(false);
                    if (received.Fault != IoFault.None)
                    {
                        ReportFault(received.Fault);
                        return;
                    }

                    if (received.IsEnd)
                    {
                        last = RelayEvent.Ended;
                        break;
                    }

                    fromStamps.Came(received.Bytes);
                    last = await DeliverAsync(buffer.AsMemory(0, received.Bytes)).ConfigureAwait(false);
                }
                while (last is null && received.Bytes == buffer.Length);
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }

        if (last == RelayEvent.Ended)
            observer.OnRelay(side, RelayEvent.Ended);
        else
            observer.OnRelay(SideModule.Other(side), last.Value);
    }

    /// <returns>What a failed write says of the other side.</returns>
    private async ValueTask<RelayEvent?> DeliverAsync(ReadOnlyMemory<byte> data)
    {
        while (!data.IsEmpty)
        {
            ValueTask<IoResult> sending = to.SendAsync(data);
            IoResult sent;
            if (sending.IsCompletedSuccessfully)
            {
                sent = sending.Result;
            }
            else
            {
                fromStamps.Hold(toStamps, to.Loop.Now);
                observer.OnHeld(side);
                sent = await sending.ConfigureAwait(false);
                fromStamps.Release(toStamps, to.Loop.Now);
            }

            if (sent.Fault != IoFault.None)
                return RelayEvents.OfSend(sent.Fault);
            fromStamps.HandOn(sent.Bytes, toStamps, to.Loop.Now);
            data = data[sent.Bytes..];
        }

        return null;
    }

    private void ReportFault(IoFault fault)
    {
        if (fault != IoFault.Aborted)
            observer.OnRelay(side, RelayEvents.OfReceive(fault));
    }
}
