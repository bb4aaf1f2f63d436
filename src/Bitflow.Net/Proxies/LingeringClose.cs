using System.Buffers;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Sends a refused client away: what it is owed and an end are sent, then what it still sends is read, since closing with unread data would reset the
/// connection and lose what was written before. How much and how long is <see cref="Farewell"/>'s.
/// </summary>
/// <remarks>
/// One receive at a time: where someone received when the refusal came, reading is left to this only once he has said that he is gone
/// (<see cref="TakeReceiving"/>).
/// </remarks>
internal sealed class LingeringClose : LoopTimer
{
    private const int IsTold = 1;
    private const int MayReceive = 2;

    private readonly Connection _client;
    private readonly TaskCompletionSource _done = new();
    private int _ready;

    public LingeringClose(Connection client)
    {
        _client = client;
        client.Loop.Arm(this, Farewell.LingerUntil(client.Loop.Now));
    }

    /// <summary>Completes once the client may be closed.</summary>
    public Task Done => _done.Task;

    /// <summary>Nobody else receives from the client any more. Asked again, it does nothing.</summary>
    public Task TakeReceiving() => BeginOnceReadyAsync(MayReceive);

    /// <summary>Sends the alert, where the client is owed one, and the end.</summary>
    public async Task TellAsync(TlsAlert? alert)
    {
        if (alert is { } owed)
            await _client.SendAllAsync(TlsAlertModule.Record(owed)).ConfigureAwait(false);
        await _client.EndAsync().ConfigureAwait(false);
        _client.WakeReader();
        await BeginOnceReadyAsync(IsTold).ConfigureAwait(false);
    }

    public override void Fire(Instant now) => _done.TrySetResult();

    private Task BeginOnceReadyAsync(int part)
    {
        int before = Interlocked.Or(ref _ready, part);
        return before != (IsTold | MayReceive) && (before | part) == (IsTold | MayReceive) ? DiscardAsync() : Task.CompletedTask;
    }

    private async Task DiscardAsync()
    {
        byte[] buffer = ArrayPool<byte>.Shared.Rent(Farewell.LingerBytes);
        try
        {
            int discarded = 0;
            while (discarded < Farewell.LingerBytes)
            {
                IoResult received = await _client.ReceiveAsync(buffer).ConfigureAwait(false);
                if (received.Fault != IoFault.None || received.Bytes == 0)
                    break;
                discarded += received.Bytes;
            }
        }
        finally
        {
            ArrayPool<byte>.Shared.Return(buffer);
        }

        _client.Loop.Disarm(this);
        _done.TrySetResult();
    }
}
