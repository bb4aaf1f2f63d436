namespace Bitflow.Domain

open System

/// What goes to Sentry in one request (SE-5 to SE-10). Sending is the shell's.
[<RequireQualifiedAccess>]
module SentryEnvelope =
    let private item (kind: string) (payload: byte array) =
        let header =
            JsonText.bytes (fun json ->
                json.WriteStartObject()
                json.WriteString("type", kind)
                json.WriteNumber("length", payload.Length)
                json.WriteString("content_type", "application/json")
                json.WriteEndObject())
        [ header; "\n"B; payload; "\n"B ]

    /// SE-5 to SE-10: one event, and behind it what was discarded before, as an envelope ready to be sent at an instant of the wall clock.
    [<CompiledName "Make">]
    let make (dsn: SentryDsn) (sentAt: DateTimeOffset) (discards: SentryDiscards) (event: SentryEvent) : byte array =
        let header =
            JsonText.bytes (fun json ->
                json.WriteStartObject()
                json.WriteString("event_id", event.Id.ToString "N")
                json.WriteString("sent_at", JsonText.time sentAt)
                json.WriteString("dsn", string dsn)
                json.WriteEndObject())
        let report = if discards = SentryDiscards.none then [] else item "client_report" (SentryDiscards.report sentAt discards)
        Array.concat ([ header; "\n"B ] @ item "event" (SentryEvent.payload event) @ report)
