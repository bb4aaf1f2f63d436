using Bitflow.Domain;
using Bitflow.Net.Dialing;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Proxies;

/// <summary>Attempts to reach a target, and what they ask about the client.</summary>
internal sealed partial class Session : ICaller
{
    private DialAttempt? _attempt;
    private byte[]? _announcement;

    Endpoint ICaller.Source => Life.Source;

    bool ICaller.IsDualStack => Model.Config.Options.DualStack;

    ReadOnlyMemory<byte> ICaller.Announcement => Announcement(Life);

    /// <summary>Whoever waits for the client to speak must not miss it.</summary>
    ReadOnlyMemory<byte> ICaller.FirstWords() => _clientAwaited ? default : _preface.FirstWords(Client);

    /// <summary>The header that announces the client to a target, the same for every attempt; empty where none is sent.</summary>
    private ReadOnlyMemory<byte> Announcement(Life life)
    {
        if (Model.Config.Options.ProxyHeader is not { Value: { } version })
            return default;
        return _announcement ??= ProxyHeaderCodec.Encode(OutboundHeader.Choose(
            version, life.Peer, Client.Local, OptionModule.OfObj(_introduction?.Header),
            OptionModule.OfObj(_introduction?.Terms?.Describe(life.ServerName.IsSome ? life.ServerName.Value.Text : ""))));
    }

    private async Task AttemptAsync(Life life, DialPlan plan)
    {
        var attempt = new DialAttempt(_dialer, Client.Loop, Model.Targets[plan.Target], this, life.Deadline);
        _attempt = attempt;
        ValueTask<DialOutcome> running = attempt.RunAsync();
        bool wasAtOnce = running.IsCompleted;
        DialOutcome outcome = await running.ConfigureAwait(false);
        if (outcome.Connection is not { } connection)
        {
            // A target nearby refuses at once, and a thousand attempts in a row must not keep the loop, and its clock, from everybody else.
            if (wasAtOnce)
                await Client.Loop.NextTurnAsync().ConfigureAwait(false);

            // First words that were read for this target are the next one's.
            if (!_preface.IsEmpty)
                Report(Event.ClientSent);
            Answer(life, Event.NewAttemptFailed(outcome.Fault!));
            return;
        }

        bool wanted;
        using (Gate.Pass())
        {
            wanted = IsAt(life);
            if (wanted)
                _target = connection;
        }

        if (wanted)
        {
            _preface.Consume(outcome.WordsSent);
            ClientStamps.Came(outcome.WordsSent);
            ClientStamps.HandOn(outcome.WordsSent, TargetStamps, Client.Loop.Now);
            Settle();
            Answer(life, Event.Connected);
            return;
        }

        connection.Abort();
    }

    /// <summary>
    /// Takes from an attempt what is recorded of it, whatever it came to: one that is cut off ends after the next has begun, or after the record is written.
    /// </summary>
    private void AbandonAttempt(Life life)
    {
        DialAttempt? attempt = Interlocked.Exchange(ref _attempt, null);
        if (attempt is null)
            return;
        Resolved = ResolvedModule.Then(Resolved, attempt.Resolved);
        TargetEndpoint = attempt.Tried;
        if (!life.IsRelaying)
            attempt.Abort();
    }
}
