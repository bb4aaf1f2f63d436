namespace Bitflow.Domain

open System

/// What a server said of an event. Headers are empty where the answer has no such header.
type SentryAnswer =
    { /// The status of the answer.
      Status: int
      /// X-Sentry-Rate-Limits.
      RateLimits: string
      /// Retry-After.
      RetryAfter: string
      /// X-Sentry-Error: why it refused, in its own words.
      Error: string }

/// What the shell is to do now.
[<RequireQualifiedAccess; NoComparison>]
type SentryOrder =
    /// Post the event in so long (zero: at once), and say what came of it (`SentryDelivery.answered` or `failed`).
    | PostIn of wait: Duration
    /// Count an event as dropped.
    | CountDropped
    /// Tell the log that the server refused an event.
    | LogRefused of status: int * reason: string
    /// Tell the log that the server cannot be reached.
    | LogUnreachable of reason: string

/// What a shell has for each order. An order more is a member more: no shell is built without it.
type ISentryReporter =
    abstract PostIn: wait: Duration -> unit
    abstract CountDropped: unit -> unit
    abstract LogRefused: status: int * reason: string -> unit
    abstract LogUnreachable: reason: string -> unit

[<RequireQualifiedAccess>]
module SentryOrder =
    [<CompiledName "CarryOut">]
    let carryOut (reporter: ISentryReporter) (order: SentryOrder) : unit =
        match order with
        | SentryOrder.PostIn wait -> reporter.PostIn wait
        | SentryOrder.CountDropped -> reporter.CountDropped()
        | SentryOrder.LogRefused(status, reason) -> reporter.LogRefused(status, reason)
        | SentryOrder.LogUnreachable reason -> reporter.LogUnreachable reason

/// How reporting stands, as a state that the caller keeps.
[<NoComparison>]
type SentryDelivery =
    private
        { ServerLimits: SentryRateLimits
          OwnLimit: RepeatLimit<string>
          /// What was discarded, and no event under way tells of.
          Untold: SentryDiscards
          /// What was discarded, and the event under way tells of.
          Telling: SentryDiscards
          /// How often the event under way may still be posted again.
          RetriesLeft: int
          /// Whether the log was told that nobody answers, and nobody has answered since.
          IsUnreachable: bool }

/// What becomes of the errors that are to be reported: one after the other is sent, sent again, or discarded, and what was discarded is told with the next that
/// is taken (SE-12 to SE-18). Every transition is total, and gives the next state and the orders to carry out in their order.
[<RequireQualifiedAccess>]
module SentryDelivery =
    /// How often an event is sent again after the network failed (SE-14); what the server refused is never sent again (SE-13).
    let private retries = 2

    let private retryWait = Duration.OfSeconds 1L

    /// Nothing was reported yet.
    [<CompiledName "Start">]
    let start () : SentryDelivery =
        { ServerLimits = SentryRateLimits.none
          OwnLimit = SentryEvent.limit ()
          Untold = SentryDiscards.none
          Telling = SentryDiscards.none
          RetriesLeft = 0
          IsUnreachable = false }

    /// What the event under way tells of others, that were discarded.
    [<CompiledName "Told">]
    let told (delivery: SentryDelivery) : SentryDiscards = delivery.Telling

    /// An event was lost, for that reason.
    [<CompiledName "Lost">]
    let lost (why: SentryDiscard) (delivery: SentryDelivery) : struct (SentryDelivery * SentryOrder list) =
        struct ({ delivery with Untold = SentryDiscards.add 1L why delivery.Untold }, [ SentryOrder.CountDropped ])

    /// Why an event of a kind would be discarded if it were sent now; none where it would not. Costs little, where what an event is made of costs much: a flood of errors is when
    /// there is no time to spare.
    [<CompiledName "KeepsBack">]
    let keepsBack (now: Instant) (fingerprint: string) (delivery: SentryDelivery) : SentryDiscard voption =
        if SentryRateLimits.mayNotSendEvents now delivery.ServerLimits then ValueSome SentryDiscard.RateLimitBackoff
        elif RepeatLimit.isSpent now fingerprint delivery.OwnLimit then ValueSome SentryDiscard.EventProcessor
        else ValueNone

    /// The event under way was not taken: what it told of is still to be told.
    let private untaken (delivery: SentryDelivery) =
        { delivery with Untold = SentryDiscards.both delivery.Telling delivery.Untold; Telling = SentryDiscards.none }

    /// The next event is there to be sent; nobody waits any longer for what came of the one before.
    [<CompiledName "Taken">]
    let taken (now: Instant) (fingerprint: string) (delivery: SentryDelivery) : struct (SentryDelivery * SentryOrder list) =
        let delivery = untaken delivery
        if SentryRateLimits.mayNotSendEvents now delivery.ServerLimits then
            lost SentryDiscard.RateLimitBackoff delivery
        else
            let _, limit = RepeatLimit.sweep now delivery.OwnLimit
            let verdict, limit = RepeatLimit.next now fingerprint limit
            let delivery = { delivery with OwnLimit = limit }
            match verdict with
            | RepeatVerdict.Suppress -> lost SentryDiscard.EventProcessor delivery
            | RepeatVerdict.Pass _ ->
                struct ({ delivery with Telling = delivery.Untold; Untold = SentryDiscards.none; RetriesLeft = retries }, [ SentryOrder.PostIn Duration.Zero ])

    /// The server answered; `wall` is the wall clock at `now`.
    [<CompiledName "Answered">]
    let answered (now: Instant) (wall: DateTimeOffset) (answer: SentryAnswer) (delivery: SentryDelivery) : struct (SentryDelivery * SentryOrder list) =
        let limits = SentryRateLimits.afterAnswer now wall answer.Status answer.RateLimits answer.RetryAfter delivery.ServerLimits
        let delivery = { delivery with ServerLimits = limits; IsUnreachable = false }
        if SentryDiscards.took answer.Status then
            struct ({ delivery with Telling = SentryDiscards.none }, [])
        else
            let delivery = untaken delivery
            let untold =
                match SentryDiscards.byAnswer answer.Status with
                | Some why -> SentryDiscards.add 1L why delivery.Untold
                | None -> delivery.Untold
            struct ({ delivery with Untold = untold }, [ SentryOrder.CountDropped; SentryOrder.LogRefused(answer.Status, answer.Error) ])

    /// The network failed, or nothing answered in time. That nobody answers is told once, until somebody does.
    [<CompiledName "Failed">]
    let failed (reason: string) (delivery: SentryDelivery) : struct (SentryDelivery * SentryOrder list) =
        let telling = if delivery.IsUnreachable then [] else [ SentryOrder.LogUnreachable reason ]
        let delivery = { delivery with IsUnreachable = true }
        if delivery.RetriesLeft > 0 then
            struct ({ delivery with RetriesLeft = delivery.RetriesLeft - 1 }, telling @ [ SentryOrder.PostIn retryWait ])
        else
            let struct (delivery, orders) = lost SentryDiscard.NetworkError (untaken delivery)
            struct (delivery, telling @ orders)

    /// The process ends, and waits no longer for what came of the event under way.
    [<CompiledName "Abandoned">]
    let abandoned (delivery: SentryDelivery) : struct (SentryDelivery * SentryOrder list) =
        lost SentryDiscard.NetworkError (untaken delivery)
