using Bitflow.Domain;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Dialing;

/// <summary>
/// Whether a target is reached, as far as the attempts to reach it tell. A reload hands it on to the settings that come behind, as long as these are the same target's
/// (<see cref="TargetFailureModule.GoesOn"/>).
/// </summary>
internal sealed class TargetReach
{
    private volatile TargetFailure? _failure;

    /// <summary>Null where no attempt has failed, or was left, since it was last reached.</summary>
    public TargetFailure? Failure => _failure;

    /// <summary>An attempt to reach it failed.</summary>
    public void Failed(DialFault fault)
    {
        TargetFailure? before = _failure;
        Note(TargetFailureModule.AfterFailed(MonotonicClock.Now, DateTimeOffset.UtcNow, fault, OptionModule.OfObj(before)), before);
    }

    /// <summary>The client left while an attempt to reach it waited.</summary>
    public void Left(Duration waited, DialWait during)
    {
        TargetFailure? before = _failure;
        Note(TargetFailureModule.AfterLeft(MonotonicClock.Now, DateTimeOffset.UtcNow, waited, during, OptionModule.OfObj(before)), before);
    }

    /// <summary>It was reached.</summary>
    /// <returns>How long it was not, where that is to be told: to one of those who reach it at the same moment.</returns>
    public Duration? Reached()
    {
        // Nearly always it was reached before: what all loops read is not written to.
        if (_failure is null || Interlocked.Exchange(ref _failure, null) is not { } ended)
            return null;
        return TargetFailureModule.Ended(MonotonicClock.Now, ended) is { IsSome: true } lasted ? lasted.Value : null;
    }

    /// <summary>What another loop's attempt came to at the same moment stands instead.</summary>
    private void Note(FSharpOption<TargetFailure>? after, TargetFailure? before) =>
        _ = Interlocked.CompareExchange(ref _failure, after?.Value, before);
}
