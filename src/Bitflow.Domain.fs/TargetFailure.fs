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
    { /// When the first of them failed, or was left: as a clock on the wall had it.
      Since: DateTimeOffset
      /// The same moment, by the clock that nobody sets.
      Began: Instant
      /// What became of the last.
      Fault: TargetFault }

[<RequireQualifiedAccess>]
module TargetFailure =
    /// How long a target's silence says nothing of it. Behind a second the kernel has sent its SYN again (RFC 6298 section 2).
    let patience = Duration.OfSeconds 1L

    let private behind (now: Instant) (clock: DateTimeOffset) (fault: TargetFault) (before: TargetFailure option) =
        match before with
        | Some failure -> Some { failure with Fault = fault }
        | None -> Some { Since = clock; Began = now; Fault = fault }

    /// Behind one attempt more that failed; what ran out here says nothing of the target.
    [<CompiledName "AfterFailed">]
    let afterFailed (now: Instant) (clock: DateTimeOffset) (fault: DialFault) (before: TargetFailure option) : TargetFailure option =
        if (DialFault.reason fault).Who <> Who.Target then before
        else behind now clock (TargetFault.Failed fault) before

    /// Behind one attempt more whose client left after so long: where clients are less patient than `connect_timeout`, a target that is silent fails no other way.
    [<CompiledName "AfterLeft">]
    let afterLeft (now: Instant) (clock: DateTimeOffset) (waited: Duration) (during: DialWait) (before: TargetFailure option) : TargetFailure option =
        if waited < patience then before
        else behind now clock (TargetFault.Left during) before

    /// The target is reached again: how long it was not, where that is to be told; none for a moment's fault, of which the attempt that failed was told.
    [<CompiledName "Ended">]
    let ended (now: Instant) (failure: TargetFailure) : Duration voption =
        let lasted = now - failure.Began
        if lasted.TotalNanoseconds < patience.TotalNanoseconds then ValueNone else ValueSome lasted

    /// Whether what is known of a target goes on under other settings: there it has the same name and address.
    [<CompiledName "GoesOn">]
    let goesOn (before: TargetConfig) (after: TargetConfig) : bool = before.Name = after.Name && before.Address = after.Address

    /// In plain words, to stand behind the target's name and "it".
    [<CompiledName "Describe">]
    let describe (failure: TargetFailure) =
        match failure.Fault with
        | TargetFault.Failed fault -> DialFault.describe fault
        | TargetFault.Left during -> DialWait.describeLeft during
