using Bitflow.Domain;
using Bitflow.Net.Observing;

namespace Bitflow.Net.Proxies;

/// <summary>The end: what becomes of both sockets, what is said of the connection, and that nothing of it is left.</summary>
internal sealed partial class Session : ICloser
{
    private LingeringClose? _lingering;
    private TaskCompletionSource? _farewellCut;
    private bool _isForced;
    private bool _isSettled;
    private int _released;
    private bool _isAccounted;

    /// <summary>A forced end: both sides are reset, also where all that was left was a farewell. Comes from outside, and what it leads to belongs on the loop.</summary>
    /// <returns>Whether it was still there to be reset.</returns>
    public Task<bool> ShutdownAsync()
    {
        var done = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
        Client.Loop.Post(() =>
        {
            Report(Event.Shutdown);
            bool wasThere = _released == 0 || CloseReason.Cause.IsShutdown;
            _isForced = true;
            Interlocked.MemoryBarrier();
            _farewellCut?.TrySetResult();
            done.SetResult(wasThere);
        });
        return done.Task;
    }

    private Instant LifetimeEnd => LifeModule.LifetimeEnd(Life);

    private Duration ClientTimeout => Model.Config.Listener.WriteTimeout;

    private Duration TargetTimeout => TargetModel!.Config.WriteTimeout;

    private void End(Ending ending)
    {
        EndedAt = Client.Loop.Now;
        _introduction?.Close();
        if (CloseReason is var reason && CloseReasonModule.IsOfBrokenTls(reason))
            _failure = (reason.Who.IsClient ? Client : _target)?.FaultDetail;
        Client.Loop.Disarm(this);
        EndingModule.CarryOut(this, ending);
        _clientMayGoOn?.TrySetResult();
    }

    void ICloser.Orderly() => ReleaseAfter(GracefulClose.EndAsync(Client, _target!, ClientTimeout, TargetTimeout, LifetimeEnd));

    void ICloser.ResetBoth()
    {
        ResetBoth();
        Release();
    }

    void ICloser.ResetTargetAfterDrain()
    {
        Client.Abort();
        ReleaseAfter(ResetAfterFlush.ResetAsync(_target!, TargetTimeout, LifetimeEnd));
    }

    void ICloser.ResetClientAfterDrain()
    {
        _target!.Abort();
        ReleaseAfter(ResetAfterFlush.ResetAsync(Client, ClientTimeout, LifetimeEnd));
    }

    void ICloser.Linger() => SendAway(null);

    void ICloser.AlertAndLinger(TlsAlert alert) => SendAway(alert);

    private void SendAway(TlsAlert? alert)
    {
        _target?.Abort();
        var lingering = new LingeringClose(Client);
        _lingering = lingering;
        Interlocked.MemoryBarrier();
        if (!_clientReading)
            Run(lingering.TakeReceiving());
        Run(lingering.TellAsync(alert));
        try
        {
            // A record is promised soon behind the end, and who does not leave may take a second: nothing that is told of him hangs on it.
            Account();
        }
        finally
        {
            ReleaseAfter(lingering.Done);
        }
    }

    private void ResetBoth()
    {
        Client.Abort();
        _target?.Abort();
    }

    private void ReleaseAfter(Task farewell)
    {
        if (farewell.IsCompletedSuccessfully)
            Release();
        else
            Run(WaitAndReleaseAsync(farewell));

        async Task WaitAndReleaseAsync(Task farewell)
        {
            // Who cuts it short sees this, or is seen.
            var cut = new TaskCompletionSource();
            _farewellCut = cut;
            Interlocked.MemoryBarrier();
            if (!_isForced && await Task.WhenAny(farewell, cut.Task).ConfigureAwait(false) == farewell)
            {
                await farewell.ConfigureAwait(false);
            }
            else
            {
                ResetBoth();
            }

            Release();
        }
    }

    /// <summary>It will open no descriptor more: it has its target, or never will.</summary>
    private void Settle()
    {
        if (!Interlocked.Exchange(ref _isSettled, true))
            _descriptors.Settle();
    }

    /// <summary>The last act: nothing of the connection is left behind it.</summary>
    private void Release()
    {
        if (Interlocked.Exchange(ref _released, 1) != 0)
            return;
        Client.Close();
        _target?.Close();
        Settle();
        _descriptors.OnClosed();
        if (Life.IsCounted)
            State.Leave();
        try
        {
            Account();
            _observer.OnEnded(this);
        }
        finally
        {
            // Last of all: a drain ends with the last of them, and what is said of it must have been said by then.
            State.Remove(this);
        }
    }

    /// <summary>Counts the connection and writes its record, once: of who is sent away before anything can release it.</summary>
    private void Account()
    {
        if (_isAccounted)
            return;
        _isAccounted = true;
        if (HasRelayed)
            Model.Meter.Relayed(Life.LastTarget.Value, EndedAt - RelayBegan, ClientStamps.BytesFrom, TargetStamps.BytesFrom);
        Model.Meter.Closed(CloseReason);
        Model.Log?.Write(ConnectionRecords.Of(this));
    }
}
