namespace Bitflow.Domain

open System

/// Why an event never came to be an issue, in the words of Sentry's client reports.
[<RequireQualifiedAccess>]
type SentryDiscard =
    | QueueOverflow
    /// Dropped here because the server had asked for a pause.
    | RateLimitBackoff
    | NetworkError
    /// The server refused it.
    | SendError
    /// Our own limit, or a fault in making it.
    | EventProcessor

    member this.Reason =
        match this with
        | QueueOverflow -> "queue_overflow"
        | RateLimitBackoff -> "ratelimit_backoff"
        | NetworkError -> "network_error"
        | SendError -> "send_error"
        | EventProcessor -> "event_processor"

/// What was discarded since the last report of it.
type SentryDiscards = private SentryDiscards of Map<SentryDiscard, int64>

/// What is counted of events that never came to be issues, and told with the next that does (SE-12, SE-13).
[<RequireQualifiedAccess>]
module SentryDiscards =
    [<CompiledName "None">]
    let none = SentryDiscards Map.empty

    /// One more event was discarded.
    [<CompiledName "Add">]
    let add (events: int64) (why: SentryDiscard) (SentryDiscards counts) : SentryDiscards =
        if events <= 0L then
            SentryDiscards counts
        else
            SentryDiscards(counts |> Map.change why (fun count -> Some(Option.defaultValue 0L count + events)))

    /// How many events were discarded for a reason.
    [<CompiledName "Count">]
    let count (why: SentryDiscard) (SentryDiscards counts) : int64 = counts |> Map.tryFind why |> Option.defaultValue 0L

    /// What was discarded then and now.
    let internal both (SentryDiscards first) (second: SentryDiscards) : SentryDiscards =
        Map.fold (fun all why events -> add events why all) second first

    /// Whether an answer took the event (SE-12).
    [<CompiledName "Took">]
    let took (status: int) = status >= 200 && status < 300

    /// Why the event of an answer counts as discarded; none where the server took it, and none for a 429, which the server counts itself (SE-13).
    [<CompiledName "ByAnswer">]
    let byAnswer (status: int) : SentryDiscard option =
        if took status || status = 429 then None else Some SentryDiscard.SendError

    /// SE-13: what is told of discarded events, below 4 KiB by its nature (SE-11).
    let internal report (at: DateTimeOffset) (SentryDiscards counts) : Json =
        let discarded =
            [ for KeyValue(why, quantity) in counts do
                  Json.Object [
                      "reason", Json.Text why.Reason
                      "category", Json.Text "error"
                      "quantity", Json.Number(decimal quantity)
                  ] ]
        Json.Object [ "timestamp", Json.Text(JsonText.time at); "discarded_events", Json.Array discarded ]
