namespace Bitflow.Domain

/// Waiting until the kernel has sent what it holds for a side, before a reset is passed on to it: a reset discards the queue.
[<Struct; NoComparison>]
type Drain =
    { /// How long nothing may leave before the wait is over.
      Patience: Duration
      /// The wait is over then, if nothing leaves before.
      Until: Instant
      /// The wait is over then, whatever leaves.
      Latest: Instant
      /// Bytes that were unsent at the last look.
      Unsent: int
      /// When to look at the queue next.
      LookAt: Instant
      /// How long to wait after that look; grows, since most queues are empty at once and the others take their time.
      Pause: Duration }

/// Waiting until the ends of two sides have been sent; TLS has its close_notify to deliver.
[<Struct; NoComparison>]
type OrderlyEnd =
    { /// How long nothing may leave before the wait is over.
      Patience: Duration
      /// The wait is over then, whatever leaves.
      Latest: Instant
      LookAt: Instant
      /// Bytes that were unsent at the last look.
      Unsent: int }

/// What a connection still owes its sides when its end is decided, and for how long. The shell looks, and asks
/// here whether to look again; `ValueNone` says that it is time to close.
[<RequireQualifiedAccess>]
module Farewell =
    /// What a refused client sends is read up to this many bytes: closing with unread data would reset the connection and
    /// lose what was written to it.
    [<CompiledName "LingerBytes">]
    let lingerBytes = 65_536

    /// And for no longer than this.
    let lingerTime = Duration.OfSeconds 1L

    [<CompiledName "LingerUntil">]
    let lingerUntil (now: Instant) = now + lingerTime

    /// How long a side may take to empty its queue: its write_timeout, and as long as this where it has none.
    let defaultPatience = Duration.OfSeconds 5L

    let internal patience (writeTimeout: Duration) = if writeTimeout.IsPositive then writeTimeout else defaultPatience

    let private firstPause = Duration.OfMilliseconds 1L
    let private longestPause = Duration.OfMilliseconds 50L

    /// No longer than until the connection's lifetime is over.
    [<CompiledName "BeginDrain">]
    let beginDrain (writeTimeout: Duration) (lifetimeEnd: Instant) (now: Instant) : Drain =
        let patience = patience writeTimeout
        { Patience = patience
          Until = Instant.earlier lifetimeEnd (now + patience)
          Latest = lifetimeEnd
          Unsent = System.Int32.MaxValue
          LookAt = now
          Pause = firstPause }

    /// A slow side is waited for as long as it takes something.
    [<CompiledName "Drained">]
    let drained (drain: Drain) (now: Instant) (unsent: int) : Drain voption =
        let until = if unsent < drain.Unsent then Instant.earlier drain.Latest (now + drain.Patience) else drain.Until
        if unsent <= 0 || now.Nanoseconds >= until.Nanoseconds then
            ValueNone
        else
            ValueSome
                { drain with
                    Until = until
                    Unsent = unsent
                    LookAt = Instant.earlier until (now + drain.Pause)
                    Pause = Duration.OfNanoseconds(min (2L * drain.Pause.TotalNanoseconds) longestPause.TotalNanoseconds) }

    let private lookAfter (wait: OrderlyEnd) (now: Instant) unsent =
        { wait with LookAt = Instant.earlier wait.Latest (now + wait.Patience); Unsent = unsent }

    /// The patience is that of the more patient side, and ends with the connection's lifetime.
    [<CompiledName "BeginOrderlyEnd">]
    let beginOrderlyEnd (clientWriteTimeout: Duration) (targetWriteTimeout: Duration) (lifetimeEnd: Instant) (now: Instant) (unsent: int) : OrderlyEnd =
        // Of numbers: of durations the comparison would be the language's own, at a cost that every connection pays.
        let longer = max (patience clientWriteTimeout).TotalNanoseconds (patience targetWriteTimeout).TotalNanoseconds
        lookAfter { Patience = Duration.OfNanoseconds longer; Latest = lifetimeEnd; LookAt = now; Unsent = unsent } now unsent

    /// As long as something leaves, as for a reset.
    [<CompiledName "Ended">]
    let ended (wait: OrderlyEnd) (now: Instant) (unsent: int) : OrderlyEnd voption =
        if unsent >= wait.Unsent || now.Nanoseconds >= wait.Latest.Nanoseconds then ValueNone
        else ValueSome(lookAfter wait now unsent)
