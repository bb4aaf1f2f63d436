using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Waits until both sides have been sent their ends. TLS ends with close_notify, which must arrive: without it, what came before looks cut off. A slow side is
/// waited for as <see cref="Farewell"/> says.
/// </summary>
internal sealed class GracefulClose : LoopTimer
{
    private readonly Connection _client;
    private readonly Connection _target;
    private readonly TaskCompletionSource _done = new();
    private OrderlyEnd _end;

    private GracefulClose(Connection client, Connection target, Duration clientTimeout, Duration targetTimeout, Instant lifetimeEnd)
    {
        _client = client;
        _target = target;
        _end = Farewell.BeginOrderlyEnd(clientTimeout, targetTimeout, lifetimeEnd, client.Loop.Now, UnsentBytes);
    }

    private int UnsentBytes => _client.UnsentBytes + _target.UnsentBytes;

    /// <summary>Completes once both may be closed: mostly at once.</summary>
    public static Task EndAsync(Connection client, Connection target, Duration clientTimeout, Duration targetTimeout, Instant lifetimeEnd)
    {
        // One after the other is begun before either is waited for: a slow side must not hold up the other.
        ValueTask<IoFault> clientEnds = client.EndBeforeCloseAsync();
        ValueTask<IoFault> targetEnds = target.EndBeforeCloseAsync();
        if (clientEnds.IsCompletedSuccessfully && targetEnds.IsCompletedSuccessfully)
            return Task.CompletedTask;
        client.CloseComesLater();
        target.CloseComesLater();

        var ending = new GracefulClose(client, target, clientTimeout, targetTimeout, lifetimeEnd);
        client.Loop.Arm(ending, ending._end.LookAt);
        return Task.WhenAny(ending._done.Task, ending.BothAsync(clientEnds.AsTask(), targetEnds.AsTask())).Unwrap();
    }

    public override void Fire(Instant now)
    {
        if (Farewell.Ended(_end, now, UnsentBytes) is { IsSome: true } again)
        {
            _end = again.Value;
            _client.Loop.Arm(this, _end.LookAt);
            return;
        }

        _done.TrySetResult();
    }

    private async Task BothAsync(Task clientEnd, Task targetEnd)
    {
        await Task.WhenAll(clientEnd, targetEnd).ConfigureAwait(false);
        _client.Loop.Disarm(this);
    }
}
