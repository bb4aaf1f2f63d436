namespace Bitflow.Domain

/// Waiting until the kernel has sent what it holds for a side, before a reset is passed on to it: a reset discards the queue.
[<Struct; NoComparison>]
type Drain =
    { /// The wait is over then, whatever is unsent.
      Until: Instant
      /// When to look at the queue next.
      LookAt: Instant
      /// How long to wait after that look; grows, since most queues are empty at once and the others take their time.
      Pause: Duration }

/// Waiting until the ends of two sides have been sent; TLS has its close_notify to deliver.
[<Struct; NoComparison>]
type OrderlyEnd =
    { /// How long nothing may leave before the wait is over.
      Patience: Duration
      LookAt: Instant
      /// Bytes that were unsent at the last look.
      Unsent: int }

/// What a connection still owes its sides when its end is decided, and for how long (section 3). The shell looks, and asks
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

    let private patience (writeTimeout: Duration) = if writeTimeout.IsPositive then writeTimeout else defaultPatience

    let private firstPause = Duration.OfMilliseconds 1L
    let private longestPause = Duration.OfMilliseconds 50L

    [<CompiledName "BeginDrain">]
    let beginDrain (writeTimeout: Duration) (now: Instant) : Drain =
        { Until = now + patience writeTimeout; LookAt = now; Pause = firstPause }

    [<CompiledName "Drained">]
    let drained (drain: Drain) (now: Instant) (unsent: int) : Drain voption =
        if unsent <= 0 || now.Nanoseconds >= drain.Until.Nanoseconds then
            ValueNone
        else
            ValueSome
                { drain with
                    LookAt = Instant.earlier drain.Until (now + drain.Pause)
                    Pause = Duration.OfNanoseconds(min (2L * drain.Pause.TotalNanoseconds) longestPause.TotalNanoseconds) }

    /// The patience is that of the more patient side.
    [<CompiledName "BeginOrderlyEnd">]
    let beginOrderlyEnd (clientWriteTimeout: Duration) (targetWriteTimeout: Duration) (now: Instant) (unsent: int) : OrderlyEnd =
        let longer = max clientWriteTimeout.TotalNanoseconds targetWriteTimeout.TotalNanoseconds
        let patience = patience (Duration.OfNanoseconds longer)
        { Patience = patience; LookAt = now + patience; Unsent = unsent }

    /// A slow side is waited for as long as it takes something.
    [<CompiledName "Ended">]
    let ended (wait: OrderlyEnd) (now: Instant) (unsent: int) : OrderlyEnd voption =
        if unsent >= wait.Unsent then ValueNone
        else ValueSome { wait with LookAt = now + wait.Patience; Unsent = unsent }
