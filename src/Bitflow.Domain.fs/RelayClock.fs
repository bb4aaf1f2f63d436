namespace Bitflow.Domain

/// What one side of a relay has been doing, as the shell stamps it: plain fields, written as bytes move.
[<Struct; NoComparison>]
type SideActivity =
    { /// When a byte last came from the side, or was taken by it; moved on by as long as the side was held since then
      /// (`RelayClock.released`), for its clock stood still.
      LastMoved: Instant
      /// Whether the shell is not receiving from the side because a write to the other is pending.
      Held: bool
      /// Whether a write to the side is pending.
      WritePending: bool
      /// When the kernel last took a byte of it, or the write began.
      LastTaken: Instant }

/// What the clocks of a relay say.
[<RequireQualifiedAccess; Struct; NoComparison>]
type ClockVerdict =
    /// Nothing is over; look again at this instant (never, where no clock is set).
    | LookAgain of at: Instant
    | Over of side: Side * cause: Cause

/// `read_timeout` and `write_timeout` of both sides (section 3). The shell never arms a timer for a byte: it stamps,
/// and asks here when the earliest possible end has come.
[<RequireQualifiedAccess>]
module RelayClock =
    /// The clock of a side stands still while it is held: the other side's clocks decide then.
    let private readOver (timeout: Duration) (now: Instant) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        elif a.Held then now + timeout
        else a.LastMoved + timeout

    let private writeOver (timeout: Duration) (a: SideActivity) : Instant =
        if timeout.IsPositive && a.WritePending then a.LastTaken + timeout else Instant.Never

    /// A write that is not pending now may be a moment later: its clock must be looked at within one timeout.
    let private writeLook (timeout: Duration) (now: Instant) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        elif a.WritePending then a.LastTaken + timeout
        else now + timeout

    /// `LastMoved` of a side that was held from one instant to another and is received from again. Never later than now,
    /// although bytes that it took while it was held may have been stamped in between.
    [<CompiledName "Released">]
    let released (lastMoved: Instant) (heldSince: Instant) (now: Instant) : Instant =
        Instant.earlier now (lastMoved + (now - heldSince))

    let verdict
        (clientRead: Duration)
        (clientWrite: Duration)
        (targetRead: Duration)
        (targetWrite: Duration)
        (now: Instant)
        (client: SideActivity)
        (target: SideActivity)
        : ClockVerdict =
        let over (at: Instant) = at.Nanoseconds <= now.Nanoseconds && not at.IsNever
        if over (writeOver clientWrite client) then ClockVerdict.Over(Side.Client, Cause.WriteTimeout)
        elif over (writeOver targetWrite target) then ClockVerdict.Over(Side.Target, Cause.WriteTimeout)
        elif over (readOver clientRead now client) then ClockVerdict.Over(Side.Client, Cause.ReadTimeout)
        elif over (readOver targetRead now target) then ClockVerdict.Over(Side.Target, Cause.ReadTimeout)
        else
            ClockVerdict.LookAgain(
                Instant.earlier
                    (Instant.earlier (readOver clientRead now client) (readOver targetRead now target))
                    (Instant.earlier (writeLook clientWrite now client) (writeLook targetWrite now target))
            )
