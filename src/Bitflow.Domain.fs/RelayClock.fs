namespace Bitflow.Domain

/// What has become of the bytes that the kernel has taken for a side and that are not acknowledged yet.
[<RequireQualifiedAccess>]
type Unacknowledged =
    /// There are none.
    | None = 0
    /// They are under way, and their answer may be.
    | Sent = 1
    /// The peer answers, and has no room for more: its window is shut.
    | Shut = 2
    /// The kernel has sent them again, or asked again whether there is room, and heard nothing.
    | Unanswered = 3

/// What the kernel says of a side's queue (TCP_INFO, tcp(7)).
[<Struct; NoComparison>]
type SendQueue =
    { /// Bytes that the peer has acknowledged since the connection began.
      Acknowledged: int64
      Others: Unacknowledged }

    /// From the fields of struct tcp_info. Of the probes of a window that is shut a live peer leaves one unanswered at the most: it answers no more than one in half
    /// a second (tcp_invalid_ratelimit). A segment that a window was shut under is the probe itself, sent again ever later (backoff) without counting as sent again.
    static member Of(acknowledged: int64, inFlight: uint32, unsent: uint32, retransmits: byte, probes: byte, backoff: byte) =
        { Acknowledged = acknowledged
          Others =
            if retransmits > 0uy || probes > 1uy then Unacknowledged.Unanswered
            elif inFlight > 0u && backoff = 0uy then Unacknowledged.Sent
            elif inFlight > 0u || unsent > 0u then Unacknowledged.Shut
            else Unacknowledged.None }

/// Since when looks at a side's queue have found it where it was. No struct: a look may come from another thread, and half of one look with half of another would be a standstill
/// that never was.
[<NoComparison>]
type Standstill =
    { Acknowledged: int64
      /// Never, while nothing waits.
      Since: Instant
      Others: Unacknowledged }

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

/// How long a side may be silent, and how long it may leave a write untaken; zero is no limit.
[<Struct; NoComparison>]
type SideLimits =
    { Read: Duration
      Write: Duration }

/// What the clocks of a relay say.
[<RequireQualifiedAccess; Struct; NoComparison>]
type ClockVerdict =
    /// Nothing is over; look again at this instant (never, where no clock is set).
    | LookAgain of at: Instant
    | Over of side: Side * cause: Cause

/// `read_timeout` and `write_timeout` of both sides. The shell never arms a timer for a byte: it stamps,
/// and asks here when the earliest possible end has come.
[<RequireQualifiedAccess>]
module RelayClock =
    /// The clock of a side stands still while it is held: the other side's clocks decide then.
    let private readOver (timeout: Duration) (now: Instant) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        elif a.Held then now + timeout
        else a.LastMoved + timeout

    /// Rounded up: half of the shortest is not nothing, and half of the longest no overflow.
    let private half (timeout: Duration) = Duration.OfNanoseconds(timeout.TotalNanoseconds / 2L + timeout.TotalNanoseconds % 2L)

    /// The kernel takes new bytes only once much of what it holds is through, so a pending write of which it takes none says little of a slow reader: as
    /// long as something was acknowledged within half of the timeout, he moves. And as long as an answer may be under way, for a whole round trip and an
    /// acknowledgement that waits for company, nothing says that he does not. TCP_USER_TIMEOUT would not know the first: a window that opens for less than
    /// a segment does not start it anew.
    let private writeOver (timeout: Duration) (a: SideActivity) : Instant =
        if not timeout.IsPositive then Instant.Never
        else
            match a.Standstill with
            | ValueNone -> if a.WritePending then a.LastTaken + timeout else Instant.Never
            | ValueSome standstill when standstill.Since.IsNever || standstill.Others = Unacknowledged.Sent -> Instant.Never
            | ValueSome standstill when a.WritePending -> Instant.later (a.LastTaken + timeout) (standstill.Since + half timeout)
            | ValueSome standstill -> standstill.Since + timeout

    /// With nothing pending, what a peer that answers has no room for is not taken; one that answers nothing is gone.
    let private writeCause (a: SideActivity) =
        match a.Standstill with
        | ValueSome { Others = Unacknowledged.Unanswered } when not a.WritePending -> Cause.Vanished
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
            | _ when queue.Others = Unacknowledged.None -> Instant.Never
            | ValueSome earlier when earlier.Acknowledged = queue.Acknowledged && not earlier.Since.IsNever -> earlier.Since
            | _ -> now
        { Acknowledged = queue.Acknowledged; Since = since; Others = queue.Others }

    /// `LastMoved` of a side that was held from one instant to another and is received from again. Never later than now,
    /// although bytes that it took while it was held may have been stamped in between.
    [<CompiledName "Released">]
    let released (lastMoved: Instant) (heldSince: Instant) (now: Instant) : Instant =
        Instant.earlier now (lastMoved + (now - heldSince))

    let verdict (ofClient: SideLimits) (ofTarget: SideLimits) (now: Instant) (client: SideActivity) (target: SideActivity) : ClockVerdict =
        let over (at: Instant) = at.Nanoseconds <= now.Nanoseconds && not at.IsNever
        if over (writeOver ofClient.Write client) then ClockVerdict.Over(Side.Client, writeCause client)
        elif over (writeOver ofTarget.Write target) then ClockVerdict.Over(Side.Target, writeCause target)
        elif over (readOver ofClient.Read now client) then ClockVerdict.Over(Side.Client, Cause.ReadTimeout)
        elif over (readOver ofTarget.Read now target) then ClockVerdict.Over(Side.Target, Cause.ReadTimeout)
        else
            ClockVerdict.LookAgain(
                Instant.earlier
                    (Instant.earlier (readOver ofClient.Read now client) (readOver ofTarget.Read now target))
                    (Instant.earlier (writeLook ofClient.Write now client) (writeLook ofTarget.Write now target))
            )
