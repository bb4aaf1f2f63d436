namespace Bitflow.Domain

open System

/// Why an attempt did not reach its target, as far as it speaks of the target.
[<RequireQualifiedAccess; NoComparison>]
type TargetFault =
    | Failed of fault: DialFault
    /// The client left while this was waited for.
    | Left of during: DialWait

/// What the attempts to reach a target have come to since it was last reached.
[<NoComparison>]
type TargetFailure =
    { /// When the first of them failed, or was left.
      Since: DateTimeOffset
      /// What became of the last.
      Fault: TargetFault }

[<RequireQualifiedAccess>]
module TargetFailure =
    /// How long a target's silence says nothing of it. Behind a second the kernel has sent its SYN again (RFC 6298 section 2).
    let patience = Duration.OfSeconds 1L

    let private behind (now: DateTimeOffset) (fault: TargetFault) (before: TargetFailure option) =
        Some { Since = (match before with Some failure -> failure.Since | None -> now); Fault = fault }

    /// Behind one attempt more that failed; what ran out here says nothing of the target.
    [<CompiledName "AfterFailed">]
    let afterFailed (now: DateTimeOffset) (fault: DialFault) (before: TargetFailure option) : TargetFailure option =
        if (DialFault.reason fault).Who <> Who.Target then before
        else behind now (TargetFault.Failed fault) before

    /// Behind one attempt more whose client left after so long: where clients are less patient than `connect_timeout`, a target that is silent fails no other way.
    [<CompiledName "AfterLeft">]
    let afterLeft (now: DateTimeOffset) (waited: Duration) (during: DialWait) (before: TargetFailure option) : TargetFailure option =
        if waited < patience then before
        else behind now (TargetFault.Left during) before

    /// The target is reached again: how long it was not, where that is to be told; none for a moment's fault, of which the attempt that failed was told.
    [<CompiledName "Ended">]
    let ended (now: DateTimeOffset) (failure: TargetFailure) : Duration voption =
        let lasted = Duration.OfMilliseconds((now - failure.Since).Ticks / TimeSpan.TicksPerMillisecond)
        if lasted.TotalNanoseconds < patience.TotalNanoseconds then ValueNone else ValueSome lasted

    /// In plain words, to stand behind the target's name and "it".
    [<CompiledName "Describe">]
    let describe (failure: TargetFailure) =
        match failure.Fault with
        | TargetFault.Failed fault -> DialFault.describe fault
        | TargetFault.Left during -> DialWait.describeLeft during
