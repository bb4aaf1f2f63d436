namespace Bitflow.Domain

/// What the kernel says of the bytes that it has taken for a side (TCP_INFO, tcp(7)).
[<Struct; NoComparison>]
type SendQueue =
    { /// Bytes that the peer has acknowledged since the connection began.
      Acknowledged: int64
      /// Whether there are others: sent, or waiting to be.
      HasOthers: bool
      /// Whether the peer owes an answer. One that answers, and has no room for more (a window of zero), owes none.
      IsUnanswered: bool }

/// Since when looks at a side's queue have found it where it was.
[<Struct; NoComparison>]
type Standstill =
    { Acknowledged: int64
      /// Never, while nothing waits.
      Since: Instant
      IsUnanswered: bool }

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
      LastTaken: Instant
      /// None where the kernel does not say: Unix sockets, and systems other than Linux.
      Standstill: Standstill voption }

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

    let private half (timeout: Duration) = Duration.OfNanoseconds((timeout.TotalNanoseconds + 1L) / 2L)

    /// The kernel takes new bytes only once much of what it holds is through, so a pending write of which it takes none says little of a slow reader: as
    /// long as something was acknowledged within half of the timeout, he moves. TCP_USER_TIMEOUT would know neither: a window that opens for less than a
    /// segment does not start it anew.
    let private writeOver (timeout: Duration) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        else
            match a.Standstill with
            | ValueNone -> if a.WritePending then a.LastTaken + timeout else Instant.Never
            | ValueSome standstill when standstill.Since.IsNever -> Instant.Never
            | ValueSome standstill when a.WritePending -> Instant.later (a.LastTaken + timeout) (standstill.Since + half timeout)
            | ValueSome standstill -> standstill.Since + timeout

    /// With nothing pending, what a peer that answers has no room for is not taken; one that owes an answer is gone.
    let private writeCause (a: SideActivity) =
        match a.Standstill with
        | ValueSome { IsUnanswered = true } when not a.WritePending -> Cause.Vanished
        | _ -> Cause.WriteTimeout

    /// A write that is not pending now may be a moment later: its clock must be looked at within one timeout, and the queue twice in it.
    let private writeLook (timeout: Duration) (now: Instant) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        elif a.Standstill.IsSome then Instant.earlier (writeOver timeout a) (now + half timeout)
        elif a.WritePending then a.LastTaken + timeout
        else now + timeout

    /// What a look at a side's queue adds to the looks before it.
    [<CompiledName "Looked">]
    let looked (before: Standstill voption) (now: Instant) (queue: SendQueue) : Standstill =
        let since =
            match before with
            | _ when not queue.HasOthers -> Instant.Never
            | ValueSome earlier when earlier.Acknowledged = queue.Acknowledged && not earlier.Since.IsNever -> earlier.Since
            | _ -> now
        { Acknowledged = queue.Acknowledged; Since = since; IsUnanswered = queue.IsUnanswered }

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
        if over (writeOver clientWrite client) then ClockVerdict.Over(Side.Client, writeCause client)
        elif over (writeOver targetWrite target) then ClockVerdict.Over(Side.Target, writeCause target)
        elif over (readOver clientRead now client) then ClockVerdict.Over(Side.Client, Cause.ReadTimeout)
        elif over (readOver targetRead now target) then ClockVerdict.Over(Side.Target, Cause.ReadTimeout)
        else
            ClockVerdict.LookAgain(
                Instant.earlier
                    (Instant.earlier (readOver clientRead now client) (readOver targetRead now target))
                    (Instant.earlier (writeLook clientWrite now client) (writeLook targetWrite now target))
            )
