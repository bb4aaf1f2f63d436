namespace Bitflow.Domain

open System

/// What goes to Sentry in one request (SE-5 to SE-10). Sending is the shell's.
[<RequireQualifiedAccess>]
module SentryEnvelope =
    let private item (kind: string) (content: Json) =
        let payload = Json.bytes content
        let header =
            Json.Object [
                "type", Json.Text kind
                "length", Json.Number(decimal payload.Length)
                "content_type", Json.Text "application/json"
            ]
        [ Json.bytes header; "\n"B; payload; "\n"B ]

    /// SE-5 to SE-10: one event, and behind it what was discarded before, as an envelope ready to be sent at an instant of the wall clock.
    [<CompiledName "Make">]
    let make (dsn: SentryDsn) (sentAt: DateTimeOffset) (discards: SentryDiscards) (event: SentryEvent) : byte array =
        let header =
            Json.Object [
                "event_id", Json.Text(event.Id.ToString "N")
                "sent_at", Json.Text(JsonText.time sentAt)
                "dsn", Json.Text(string dsn)
            ]
        let report = if discards = SentryDiscards.none then [] else item "client_report" (SentryDiscards.report sentAt discards)
        Array.concat ([ Json.bytes header; "\n"B ] @ item "event" (SentryEvent.payload event) @ report)
