using Bitflow.Domain;
using Bitflow.Net.Relay;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>The relay: two pumps, the clocks, the ends that are passed on, and resets where nobody receives.</summary>
internal sealed partial class Session : IRelayObserver
{
    private bool _clientResetWatched;
    private bool _targetResetWatched;

    public void OnRelay(Side side, RelayEvent what)
    {
        bool isWithinRecord = (side == Side.Client ? Client : _target) is { EndedWithinRecord: true };
        Report(Event.NewRelayed(side, RelayEvents.OfEnd(isWithinRecord, what)));
    }

    public void OnHeld(Side side) => WatchReset(side);

    private void BeginRelay()
    {
        Instant now = Client.Loop.Now;
        RelayBegan = now;
        Model.Meter.Dialled(Life.LastTarget.Value, now - DialBegan);
        if (TargetModel!.Reach.Reached() is { } after)
            _observer.OnReachedAgain(this, after);
        TargetEndpoint = _target!.Remote;
        ClientStamps.BeginRelay(Client, Model.Config.Listener.WriteTimeout, now);
        TargetStamps.BeginRelay(_target, TargetModel.Config.WriteTimeout, now);
        ArmRelayClocks(now);
        Run(Pump.RunAsync(_target, Client, Side.Target, TargetStamps, ClientStamps, this, ReadOnlyMemory<byte>.Empty));
        if (_clientMayGoOn is not null)
            _clientMayGoOn.TrySetResult();
        else if (Life.IsRelaying)
            Run(PumpClientAsync());
        Client.WakeReader();
    }

    private Task PumpClientAsync() => Pump.RunAsync(Client, _target!, Side.Client, ClientStamps, TargetStamps, this, _preface.Take());

    private ClockVerdict LookAtClock(Instant now) =>
        LifeModule.Clock(Life, now, ClientStamps.Activity(Client, now), _target is null ? default : TargetStamps.Activity(_target, now));

    private void ArmRelayClocks(Instant now)
    {
        ClockVerdict verdict = LookAtClock(now);
        Client.Loop.Arm(this, verdict.IsLookAgain ? verdict.at : now);
    }

    private async Task PassEndAsync(Connection to, Side side)
    {
        IoFault fault = await to.EndAsync().ConfigureAwait(false);
        if (fault is not (IoFault.None or IoFault.Aborted))
            OnRelay(side, RelayEvents.OfSend(fault));
    }

    /// <summary>Nobody receives from this side any more, or not now, or not yet: a reset must be seen all the same.</summary>
    private void WatchReset(Side side)
    {
        ref bool watched = ref side == Side.Client ? ref _clientResetWatched : ref _targetResetWatched;
        if (watched)
            return;
        watched = true;

        // Nearly every connection is watched, and hardly ever with an answer: what would guard the watch costs as much as the watch.
        _ = WatchResetAsync(side);
    }

    /// <summary>Guards itself.</summary>
    private async Task WatchResetAsync(Side side)
    {
        Connection connection = side == Side.Client ? Client : _target!;
        try
        {
            IoFault fault = await connection.WaitResetAsync().ConfigureAwait(false);
            if (fault == IoFault.Aborted)
                return;

            // Should the side stop being received from, or be held, a new watch knows at once.
            (side == Side.Client ? ref _clientResetWatched : ref _targetResetWatched) = false;
            Report(Event.NewSideFailed(side, fault, connection.FailedBehindItsEnd));
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }
}
