using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Proxies;

/// <summary>Receiving from the client before there is a relay: what it must say first, and that it is still there while a target is waited for.</summary>
internal sealed partial class Session
{
    private Introduction? _introduction;
    private TaskCompletionSource? _clientMayGoOn;
    private bool _clientReading;
    private bool _clientAwaited;

    private Introduction Introduction => _introduction ??= new Introduction(_preface, Model.Tls.Listener);

    /// <summary>Reports what was read from the client before dialling. No other receive from it may begin meanwhile. Guards itself.</summary>
    private async Task AnswerFromClientAsync(Life life, Task<Event?> reading)
    {
        try
        {
            _clientReading = true;
            Event? answer = await reading.ConfigureAwait(false);
            SayThatNobodyReceives();
            if (IsAt(life))
            {
                if (answer is not null)
                {
                    if (Events.HasSpokenBefore(answer, _preface.Unread.Length))
                        Report(Event.ClientSent);
                    Answer(life, answer);
                }
            }
            else
            {
                // The time was up while the receive was pending.
                await LeaveRestAsync().ConfigureAwait(false);
            }
        }
        catch (Exception e)
        {
            Fail(e);
        }
    }

    private async Task<Event?> HandshakeAsync(Life life)
    {
        TlsOutcome outcome = await Introduction.ShakeHandsAsync(Client, life.ServerName).ConfigureAwait(false);
        if (outcome.Connection is { } secured && !TakeOver(life, secured))
        {
            outcome.Forget();
            return null;
        }

        return Introduction.AnswerHandshake(outcome);
    }

    /// <summary>From here on the client speaks through this; false where the time was up before.</summary>
    private bool TakeOver(Life life, Connection secured)
    {
        using (Gate.Pass())
        {
            if (!IsAt(life))
                return false;
            Client = secured;
            return true;
        }
    }

    /// <summary>While a target is waited for, the one method that receives from the client: it watches, then pumps.</summary>
    private void EnsureClientLoop()
    {
        if (_clientMayGoOn is not null)
            return;
        _clientMayGoOn = new TaskCompletionSource();
        Run(ClientLoopAsync());
    }

    private async Task ClientLoopAsync()
    {
        _clientReading = true;
        if (_preface.IsEmpty)
        {
            _clientAwaited = true;
            await Client.WaitReadableAsync().ConfigureAwait(false);
            _clientAwaited = false;
            if (!Life.IsRelaying && !Life.IsOver)
                Look();
        }
        else
        {
            Report(Event.ClientSent);
            WatchReset(Side.Client);
        }

        if (!Life.IsOver)
            await _clientMayGoOn!.Task.ConfigureAwait(false);
        if (Life.IsRelaying)
        {
            await PumpClientAsync().ConfigureAwait(false);
            return;
        }

        SayThatNobodyReceives();
        await LeaveRestAsync().ConfigureAwait(false);
    }

    /// <summary>Seen by whoever sends the client away, or he is seen by what follows this.</summary>
    private void SayThatNobodyReceives()
    {
        _clientReading = false;
        Interlocked.MemoryBarrier();
    }

    /// <summary>Where the client is being sent away, what it still sends is read there.</summary>
    private Task LeaveRestAsync() => _lingering?.TakeReceiving() ?? Task.CompletedTask;

    private void Look()
    {
        switch (Client.Look())
        {
            case Readiness.Data:
                Report(Event.ClientSent);
                WatchReset(Side.Client);
                break;
            case Readiness.Ended:
                Report(Event.ClientEnded);
                WatchReset(Side.Client);
                break;
            case Readiness.Failed:
                Report(Event.NewSideFailed(Side.Client, Client.Fault, Client.FailedBehindItsEnd));
                break;
            default:
                // Woken for nothing: the relay will look again, or has begun.
                WatchReset(Side.Client);
                break;
        }
    }
}
