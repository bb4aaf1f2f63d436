namespace Bitflow.Domain

open System
open System.Buffers
open System.Globalization
open System.Text
open System.Text.Encodings.Web
open System.Text.Json

/// Where and as whom to report errors. Its text leaves the secret out.
[<NoComparison>]
type SentryDsn =
    private
        { Scheme: string
          PublicKey: string
          Secret: string
          /// Host with its port, where that is not the scheme's own.
          Authority: string
          /// Begins with `/` and does not end with one, or is empty.
          PathPrefix: string
          ProjectId: string }

    override this.ToString() = $"{this.Scheme}://{this.PublicKey}@{this.Authority}{this.PathPrefix}/{this.ProjectId}"

    /// SE-2, with the closing slash.
    member this.Endpoint = $"{this.Scheme}://{this.Authority}{this.PathPrefix}/api/{this.ProjectId}/envelope/"

/// Why a text is no DSN. No case carries any of the text: it may hold a secret.
[<RequireQualifiedAccess>]
type SentryDsnError =
    | NotAUrl
    | UnknownScheme
    | NoPublicKey
    | NoProjectId

/// One call on a stack.
type SentryFrame =
    { Function: string
      /// The type or namespace that the function belongs to.
      Module: string
      /// Empty if unknown.
      File: string
      /// 0 if unknown.
      Line: int
      /// Whether the frame is the program's own code.
      InApp: bool }

type SentryException =
    { Type: string
      Message: string
      /// Innermost call first, as the platform lists them.
      Frames: SentryFrame list }

/// An error worth reporting.
type SentryEvent =
    { Id: Guid
      Timestamp: DateTimeOffset
      Release: string
      ServerName: string
      /// What is said to have happened, filled in.
      Message: string
      /// The same without the values filled in: what makes two occurrences one problem.
      Template: string
      Tags: (string * string) list
      /// Outermost first; each the consequence of the next.
      Exceptions: SentryException list
      /// Where it was noticed, innermost call first; for an event without an exception.
      Stack: SentryFrame list }

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

/// One limit out of `X-Sentry-Rate-Limits` that concerns categories we know.
type SentryRateLimit =
    { For: Duration
      /// Empty: all.
      Categories: string list }

/// Until when the server wants no more (SE-17).
type SentryRateLimits =
    private
        { All: Instant
          ByCategory: Map<string, Instant> }

/// Reporting to Sentry: DSN, envelope, rate limits (SE-1 to SE-19). Sending is the shell's.
[<RequireQualifiedAccess>]
module Sentry =
    [<CompiledName("DescribeDsnError")>]
    let describe error =
        match error with
        | SentryDsnError.NotAUrl -> "it is no URL; write https://PUBLIC_KEY@HOST/PROJECT_ID"
        | SentryDsnError.UnknownScheme -> "it must begin with \"https://\" or \"http://\""
        | SentryDsnError.NoPublicKey -> "the public key is missing; write https://PUBLIC_KEY@HOST/PROJECT_ID"
        | SentryDsnError.NoProjectId -> "the project id is missing; write https://PUBLIC_KEY@HOST/PROJECT_ID"

    /// SE-1. An empty DSN is none, and no error.
    [<CompiledName("ParseDsn")>]
    let parseDsn (text: string) : Result<SentryDsn option, SentryDsnError> =
        let text = if isNull text then "" else text.Trim()
        if text = "" then
            Ok None
        else
            match Uri.TryCreate(text, UriKind.Absolute) with
            | false, _ -> Error SentryDsnError.NotAUrl
            | true, uri when uri.Scheme <> Uri.UriSchemeHttps && uri.Scheme <> Uri.UriSchemeHttp -> Error SentryDsnError.UnknownScheme
            | true, uri when uri.Host = "" -> Error SentryDsnError.NotAUrl
            | true, uri ->
                let publicKey, secret =
                    match uri.UserInfo.IndexOf ':' with
                    | -1 -> uri.UserInfo, ""
                    | colon -> uri.UserInfo.Substring(0, colon), uri.UserInfo.Substring(colon + 1)
                let path = uri.AbsolutePath.TrimEnd '/'
                let slash = path.LastIndexOf '/'
                if publicKey = "" then
                    Error SentryDsnError.NoPublicKey
                elif slash < 0 || slash = path.Length - 1 then
                    Error SentryDsnError.NoProjectId
                else
                    Ok(
                        Some
                            { Scheme = uri.Scheme
                              PublicKey = publicKey
                              Secret = secret
                              Authority = if uri.IsDefaultPort then uri.Host else $"{uri.Host}:{uri.Port}"
                              PathPrefix = path.Substring(0, slash)
                              ProjectId = path.Substring(slash + 1) }
                    )

    /// SE-3: the value of `X-Sentry-Auth`. It holds the secret, if the DSN has one: for the wire alone.
    [<CompiledName("AuthHeader")>]
    let authHeader (dsn: SentryDsn) (client: string) =
        let secret = if dsn.Secret = "" then "" else $", sentry_secret={dsn.Secret}"
        $"Sentry sentry_version=7, sentry_client={client}, sentry_key={dsn.PublicKey}{secret}"

    // Bounds that hold every event below SE-11's 1 MiB, even if each character takes six bytes (`\u0000`).
    let private maxMessageLength = 4_096
    let private maxExceptions = 5
    let private maxFrames = 50
    let private maxFrameTextLength = 200
    let private maxTags = 30
    let private maxTagLength = 200

    /// At most so many UTF-16 units; a character is never cut in half.
    let private clip (most: int) (text: string) =
        let text = JsonText.orEmpty text
        if text.Length <= most then text
        elif Char.IsHighSurrogate text[most - 1] then text.Substring(0, most - 1)
        else text.Substring(0, most)

    let private time (at: DateTimeOffset) =
        at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)

    /// Whether a template has no words of its own, such as `{Line}`: every problem of a configuration is logged by that one.
    let private isOneValue (template: string) =
        template.StartsWith '{' && template.IndexOf '}' = template.Length - 1

    /// What makes two events without an exception the same problem: the message without its values (one that is nothing but a value is told
    /// apart by it), and to whom it happened. Every connection that ends badly is logged by one template: one proxy's must not pass for another's.
    [<CompiledName("MessageFingerprint")>]
    let messageFingerprint (template: string) (message: string) (tags: (string * string) list) =
        String.concat ", " ((if isOneValue template then message else template) :: [ for name, value in tags -> $"{name} {value}" ])

    /// What makes two events the same problem: the exception and the place of ours that it came through, or the message and its tags.
    [<CompiledName("Fingerprint")>]
    let fingerprint (event: SentryEvent) =
        match event.Exceptions with
        | [] -> messageFingerprint event.Template event.Message event.Tags
        | first :: _ ->
            let place =
                first.Frames
                |> List.tryFind _.InApp
                |> Option.orElse (List.tryHead first.Frames)
                |> Option.map (fun frame -> $"{frame.Module}.{frame.Function}")
                |> Option.defaultValue event.Template
            $"{first.Type} {place}"

    /// The server wants the outermost call first.
    let private writeStack (json: Utf8JsonWriter) (frames: SentryFrame list) =
        json.WriteStartObject "stacktrace"
        json.WriteStartArray "frames"
        for frame in frames |> List.truncate maxFrames |> List.rev do
            json.WriteStartObject()
            json.WriteString("function", clip maxFrameTextLength frame.Function)
            json.WriteString("module", clip maxFrameTextLength frame.Module)
            if frame.File <> "" then json.WriteString("filename", clip maxFrameTextLength frame.File)
            if frame.Line > 0 then json.WriteNumber("lineno", frame.Line)
            json.WriteBoolean("in_app", frame.InApp)
            json.WriteEndObject()
        json.WriteEndArray()
        json.WriteEndObject()

    let private writeEvent (event: SentryEvent) =
        JsonText.bytes (fun json ->
            json.WriteStartObject()
            json.WriteString("event_id", event.Id.ToString "N")
            json.WriteString("timestamp", time event.Timestamp)
            json.WriteString("platform", "csharp")
            json.WriteString("level", "error")
            json.WriteString("logger", "bitflow")
            json.WriteString("release", clip maxTagLength event.Release)
            if event.ServerName <> "" then json.WriteString("server_name", clip maxTagLength event.ServerName)
            json.WriteStartArray "fingerprint"
            json.WriteStringValue(clip maxMessageLength (fingerprint event))
            json.WriteEndArray()
            if event.Message <> "" then json.WriteString("message", clip maxMessageLength event.Message)
            json.WriteStartObject "tags"
            for key, value in event.Tags |> List.distinctBy fst |> List.truncate maxTags do
                json.WriteString(clip maxTagLength key, clip maxTagLength value)
            json.WriteEndObject()
            if not event.Exceptions.IsEmpty then
                json.WriteStartObject "exception"
                json.WriteStartArray "values"
                // The server wants causes first.
                for fault in event.Exceptions |> List.truncate maxExceptions |> List.rev do
                    json.WriteStartObject()
                    json.WriteString("type", clip maxFrameTextLength fault.Type)
                    json.WriteString("value", clip maxMessageLength fault.Message)
                    if not fault.Frames.IsEmpty then writeStack json fault.Frames
                    json.WriteEndObject()
                json.WriteEndArray()
                json.WriteEndObject()
            elif not event.Stack.IsEmpty then
                json.WriteStartObject "threads"
                json.WriteStartArray "values"
                json.WriteStartObject()
                json.WriteNumber("id", 0)
                json.WriteBoolean("current", true)
                writeStack json event.Stack
                json.WriteEndObject()
                json.WriteEndArray()
                json.WriteEndObject()
            json.WriteEndObject())

    [<CompiledName("NoDiscards")>]
    let noDiscards = SentryDiscards Map.empty

    /// One more event was discarded.
    [<CompiledName("Discard")>]
    let discard (events: int64) (why: SentryDiscard) (SentryDiscards counts) : SentryDiscards =
        if events <= 0L then
            SentryDiscards counts
        else
            SentryDiscards(counts |> Map.change why (fun count -> Some(Option.defaultValue 0L count + events)))

    /// Whether an answer took the event (SE-12).
    [<CompiledName("Took")>]
    let took (status: int) = status >= 200 && status < 300

    /// Why the event of an answer counts as discarded; none where the server took it, and none for a 429, which the server counts itself (SE-13).
    [<CompiledName("DiscardedBy")>]
    let discardedBy (status: int) : SentryDiscard option =
        if took status || status = 429 then None else Some SentryDiscard.SendError

    /// SE-13: what is told of discarded events, below 4 KiB by its nature (SE-11).
    let private writeReport (at: DateTimeOffset) (counts: Map<SentryDiscard, int64>) =
        JsonText.bytes (fun json ->
            json.WriteStartObject()
            json.WriteString("timestamp", time at)
            json.WriteStartArray "discarded_events"
            for KeyValue(why, quantity) in counts do
                json.WriteStartObject()
                json.WriteString("reason", why.Reason)
                json.WriteString("category", "error")
                json.WriteNumber("quantity", quantity)
                json.WriteEndObject()
            json.WriteEndArray()
            json.WriteEndObject())

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
    [<CompiledName("Envelope")>]
    let envelope (dsn: SentryDsn) (sentAt: DateTimeOffset) (SentryDiscards discards) (event: SentryEvent) : byte array =
        let header =
            JsonText.bytes (fun json ->
                json.WriteStartObject()
                json.WriteString("event_id", event.Id.ToString "N")
                json.WriteString("sent_at", time sentAt)
                json.WriteString("dsn", string dsn)
                json.WriteEndObject())
        let report = if discards.IsEmpty then [] else item "client_report" (writeReport sentAt discards)
        Array.concat ([ header; "\n"B ] @ item "event" (writeEvent event) @ report)

    /// At most ten events a minute of one fingerprint.
    [<CompiledName("EventLimit")>]
    let eventLimit () : RepeatLimit<string> = RepeatLimit.create 10 (Duration.OfSeconds 60L) 256

    /// SE-18: what we send.
    let private errorCategory = "error"

    let private categories =
        set [ "default"; errorCategory; "transaction"; "monitor"; "span"; "log_item"; "security"; "attachment"; "session"
              "profile"; "profile_chunk"; "replay"; "feedback"; "trace_metric"; "internal" ]

    let private seconds (text: string) : Duration voption =
        match Double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
        | true, value when value >= 0.0 && value < 9.2e9 -> ValueSome(Duration.OfNanoseconds(int64 (value * 1e9)))
        | true, value when value >= 9.2e9 -> ValueSome Duration.Max
        | _ -> ValueNone

    /// SE-15. What cannot be read is ignored by itself; the others count.
    [<CompiledName("ParseRateLimits")>]
    let parseRateLimits (header: string) : SentryRateLimit list =
        let header = if isNull header then "" else header
        [ for limit in header.Split ',' do
              let fields = limit.Split ':'
              match seconds fields[0] with
              | ValueNone -> ()
              | ValueSome wait ->
                  let named =
                      if fields.Length < 2 then []
                      else fields[1].Split ';' |> Array.map _.Trim() |> Array.filter ((<>) "") |> Array.toList
                  let known = named |> List.filter categories.Contains
                  if named.IsEmpty || not known.IsEmpty then { For = wait; Categories = known } ]

    [<CompiledName("NoRateLimits")>]
    let noRateLimits: SentryRateLimits =
        { All = Instant Int64.MinValue
          ByCategory = Map.empty }

    let private limitAll (until: Instant) (limits: SentryRateLimits) = { limits with All = Instant.later limits.All until }

    // RFC 9110 section 5.6.7 has a recipient read all three forms.
    let private httpDates = [| "r"; "dddd, dd-MMM-yy HH:mm:ss 'GMT'"; "ddd MMM d HH:mm:ss yyyy" |]

    /// SE-16: seconds, or the time until an HTTP date.
    let private retryAfter (wall: DateTimeOffset) (header: string) : Duration voption =
        if String.IsNullOrWhiteSpace header then
            ValueNone
        else
            match seconds header with
            | ValueSome wait -> ValueSome wait
            | ValueNone ->
                let styles = DateTimeStyles.AssumeUniversal ||| DateTimeStyles.AllowWhiteSpaces
                match DateTimeOffset.TryParseExact(header.Trim(), httpDates, CultureInfo.InvariantCulture, styles) with
                | true, date when date > wall -> ValueSome(Duration.OfMilliseconds(int64 (ceil (date - wall).TotalMilliseconds)))
                | true, _ -> ValueSome Duration.Zero
                | _ -> ValueNone

    /// What an answer changes (SE-15 to SE-17). Header values are empty or null where the answer has no such header;
    /// `wall` is the wall clock at `now`.
    [<CompiledName("AfterAnswer")>]
    let afterAnswer (now: Instant) (wall: DateTimeOffset) (status: int) (rateLimits: string) (retry: string) (limits: SentryRateLimits) : SentryRateLimits =
        if not (String.IsNullOrWhiteSpace rateLimits) then
            (limits, parseRateLimits rateLimits)
            ||> List.fold (fun limits limit ->
                let until = now + limit.For
                match limit.Categories with
                | [] -> limitAll until limits
                | categories ->
                    (limits, categories)
                    ||> List.fold (fun limits category ->
                        let known = Map.tryFind category limits.ByCategory |> Option.defaultValue until
                        { limits with ByCategory = Map.add category (Instant.later known until) limits.ByCategory }))
        elif status = 429 then
            limitAll (now + (retryAfter wall retry |> ValueOption.defaultValue (Duration.OfSeconds 60L))) limits
        else
            limits

    /// Whether an item of a category must be dropped now.
    let isLimited (now: Instant) (category: string) (limits: SentryRateLimits) =
        limits.All > now || (match Map.tryFind category limits.ByCategory with Some until -> until > now | None -> false)

    /// Whether events must be dropped now.
    [<CompiledName("MayNotSendEvents")>]
    let mayNotSendEvents (now: Instant) (limits: SentryRateLimits) = isLimited now errorCategory limits
