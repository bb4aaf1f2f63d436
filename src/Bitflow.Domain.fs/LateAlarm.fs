namespace Bitflow.Domain

/// What a loop does whose timers are very late: the process was stopped (SIGSTOP, a frozen container, a suspended machine), or had no processor, and so its sockets
/// were not looked at either. What came meanwhile comes before any clock.
[<RequireQualifiedAccess>]
module LateAlarm =
    /// So late an alarm is more than a busy turn.
    let private veryLate = Duration.OfMilliseconds 100L

    /// How long the timers then wait for the sockets, once.
    [<CompiledName "Grace">]
    let grace = Duration.OfMilliseconds 50L

    [<CompiledName "IsVeryLate">]
    let isVeryLate (due: Instant) (now: Instant) = not due.IsNever && (now - due).TotalNanoseconds >= veryLate.TotalNanoseconds
