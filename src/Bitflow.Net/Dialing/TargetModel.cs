using Bitflow.Domain;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Microsoft.FSharp.Core;

namespace Bitflow.Net.Dialing;

/// <summary>A target as it is used: its configuration, and what was made from it once.</summary>
internal sealed class TargetModel(TargetConfig config, TargetTlsContext? tls)
{
    private volatile TargetFailure? _failure;

    public TargetConfig Config { get; } = config;

    public string Name => Config.Name;

    /// <summary>Null where it is dialled in plain text.</summary>
    public TargetTlsContext? Tls { get; } = tls;

    /// <summary>The address as people know it.</summary>
    public string AddressText { get; } = config.Address.ToString();

    /// <summary>Null where no attempt has failed, or was left, since it was last reached.</summary>
    public TargetFailure? Failure => _failure;

    public SocketSettings Settings { get; } = new(config.KeepAlive is KeepAlive.Every every ? every.seconds : 0);

    /// <summary>An attempt to reach it failed.</summary>
    public void Failed(DialFault fault)
    {
        TargetFailure? before = _failure;
        Note(TargetFailureModule.AfterFailed(DateTimeOffset.UtcNow, fault, OptionModule.OfObj(before)), before);
    }

    /// <summary>The client left while an attempt to reach it waited.</summary>
    public void Left(Duration waited, DialWait during)
    {
        TargetFailure? before = _failure;
        Note(TargetFailureModule.AfterLeft(DateTimeOffset.UtcNow, waited, during, OptionModule.OfObj(before)), before);
    }

    /// <summary>It was reached.</summary>
    /// <returns>How long it was not, where that is to be told: to one of those who reach it at the same moment.</returns>
    public Duration? Reached()
    {
        // Nearly always it was reached before: what all loops read is not written to.
        if (_failure is null || Interlocked.Exchange(ref _failure, null) is not { } ended)
            return null;
        return TargetFailureModule.Ended(DateTimeOffset.UtcNow, ended) is { IsSome: true } lasted ? lasted.Value : null;
    }

    /// <summary>What another loop's attempt came to at the same moment stands instead.</summary>
    private void Note(FSharpOption<TargetFailure>? after, TargetFailure? before) =>
        _ = Interlocked.CompareExchange(ref _failure, after?.Value, before);
}
