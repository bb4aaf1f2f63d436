module Bitflow.Spec.SentryLaws

open System
open System.Text
open System.Text.Json
open Xunit
open Bitflow.Domain

let private dsnText (pieces: DsnPieces) =
    let secret = if pieces.Secret = "" then "" else ":" + pieces.Secret
    $"{pieces.Scheme}://{pieces.Key}{secret}@{pieces.Host}{pieces.Port}{pieces.Path}/{pieces.Project}"

let private dsn text = match SentryDsn.parse text with Ok(Some dsn) -> dsn | other -> failwith $"%A{other}"

let private start = Instant 1_000L
let private wall = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)

[<Fact>]
let ``a DSN gives the endpoint of its project, path and all (SE-1, SE-2)`` () =
    Law.Holds(fun pieces -> (dsn (dsnText pieces)).Endpoint = $"{pieces.Scheme}://{pieces.Host}{pieces.Port}{pieces.Path}/api/{pieces.Project}/envelope/")
    Law.HoldsFor([ "https://key@sentry.example.com/1" ], fun text -> (dsn text).Endpoint = "https://sentry.example.com/api/1/envelope/")

[<Fact>]
let ``a DSN's secret goes into the authentication and nowhere else (SE-1, SE-3)`` () =
    Law.Holds(fun pieces (event: SentryEvent) ->
        let dsn = dsn (dsnText pieces)
        let header = SentryDsn.authHeader dsn "bitflow/0.1.0"
        let expected = $"Sentry sentry_version=7, sentry_client=bitflow/0.1.0, sentry_key={pieces.Key}"
        if pieces.Secret = "" then
            header = expected
        else
            header = $"{expected}, sentry_secret={pieces.Secret}"
            && not ((string dsn).Contains pieces.Secret)
            && not ((sprintf "%O" dsn).Contains pieces.Secret)
            && not (dsn.Endpoint.Contains pieces.Secret)
            && not (Encoding.UTF8.GetString(SentryEnvelope.make dsn wall SentryDiscards.none event).Contains pieces.Secret))

[<Fact>]
let ``an empty DSN switches reporting off (SE-1)`` () =
    Law.HoldsFor([ ""; "  "; null ], fun text -> match SentryDsn.parse text with Ok None -> true | _ -> false)

[<Fact>]
let ``what is no DSN is refused with what is missing, and never quoted`` () =
    Law.HoldsFor(
        [ "hunter2", SentryDsnError.NotAUrl; "https://", SentryDsnError.NotAUrl; "ftp://hunter2@host/1", SentryDsnError.UnknownScheme
          "hunter2://k@host/1", SentryDsnError.UnknownScheme; "https://host/1", SentryDsnError.NoPublicKey; "https://:hunter2@host/1", SentryDsnError.NoPublicKey
          "https://hunter2@host", SentryDsnError.NoProjectId; "https://hunter2@host/", SentryDsnError.NoProjectId ],
        fun (text, fault) ->
            match SentryDsn.parse text with
            | Error error -> error = fault && not ((SentryDsn.describe error).Contains "hunter2")
            | Ok _ -> false
    )

[<Fact>]
let ``no text makes the reading of a DSN throw`` () =
    Law.NeverThrows(fun (HostileText text) -> SentryDsn.parse text)

/// The lines and the payload of an envelope, cut as a server cuts them: by LF, and by the item's own length.
let private cut (bytes: byte array) =
    let first = Array.IndexOf(bytes, 10uy)
    let second = Array.IndexOf(bytes, 10uy, first + 1)
    let item = JsonDocument.Parse(ReadOnlyMemory(bytes, first + 1, second - first - 1)).RootElement
    let length = item.GetProperty("length").GetInt32()
    let header = JsonDocument.Parse(ReadOnlyMemory(bytes, 0, first)).RootElement
    let payload = JsonDocument.Parse(ReadOnlyMemory(bytes, second + 1, length)).RootElement
    let rest = bytes.AsSpan(second + 1 + length).ToArray()
    header, item, payload, rest

[<Fact>]
let ``an envelope is cut where its lengths say, and holds one event below 1 MiB (SE-5 to SE-11)`` () =
    Law.Holds(fun pieces (event: SentryEvent) ->
        let envelope = SentryEnvelope.make (dsn (dsnText pieces)) wall SentryDiscards.none event
        let header, item, payload, rest = cut envelope
        rest = [| 10uy |]
        && header.GetProperty("event_id").GetString() = event.Id.ToString "N"
        && header.GetProperty("sent_at").GetString() = "2026-01-01T00:00:00.000Z"
        && item.GetProperty("type").GetString() = "event"
        && payload.GetProperty("event_id").GetString() = event.Id.ToString "N"
        && payload.GetProperty("timestamp").GetString() = "2026-01-02T03:04:05.678Z"
        && payload.GetProperty("level").GetString() = "error"
        && item.GetProperty("length").GetInt32() <= 1024 * 1024)

[<Fact>]
let ``an exception is sent cause first, each outermost call first`` () =
    let frame call = { Function = call; Module = "Bitflow.Net"; File = "Relay.cs"; Line = 7; InApp = true }
    let fault name frames = { Type = name; Message = "m"; Frames = List.map frame frames }
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "bitflow@1"; ServerName = "h"; Message = ""; Template = ""; Tags = [ "proxy", "web" ]
          Exceptions = [ fault "Outer" [ "inner"; "main" ]; fault "Cause" [] ]; Stack = [] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let values = payload.GetProperty("exception").GetProperty "values"
    Law.HoldsFor(
        [ values[0].GetProperty("type").GetString(), "Cause"
          values[1].GetProperty("type").GetString(), "Outer"
          values[1].GetProperty("stacktrace").GetProperty("frames").[0].GetProperty("function").GetString(), "main"
          payload.GetProperty("tags").GetProperty("proxy").GetString(), "web"
          payload.GetProperty("release").GetString(), "bitflow@1"
          SentryEvent.fingerprint event, "Outer Bitflow.Net.inner" ],
        fun (actual, expected) -> actual = expected
    )

[<Fact>]
let ``an event without an exception says where it was noticed, each outermost call first`` () =
    let frame call = { Function = call; Module = "Bitflow.App"; File = ""; Line = 0; InApp = true }
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "bitflow@1"; ServerName = "h"; Message = "m"; Template = "t"; Tags = []
          Exceptions = []; Stack = [ frame "inner"; frame "main" ] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let frames = payload.GetProperty("threads").GetProperty("values").[0].GetProperty("stacktrace").GetProperty "frames"
    Law.HoldsFor(
        [ frames[0].GetProperty("function").GetString(), "main"; frames[1].GetProperty("function").GetString(), "inner"; SentryEvent.fingerprint event, "t" ],
        fun (actual, expected) -> actual = expected
    )

[<Fact>]
let ``an error is of one kind with others of its message's form, and one whose message is nothing but a value by that`` () =
    let event template message =
        { Id = Guid.Empty; Timestamp = wall; Release = ""; ServerName = ""; Message = message; Template = template; Tags = []; Exceptions = []; Stack = [] }
    Law.HoldsFor(
        [ "{Path} was not taken on", "a.yaml was not taken on", "{Path} was not taken on"; "{A}: {B}", "a: b", "{A}: {B}"; "plain", "plain", "plain"; "", "", ""
          "{Line}", "a.yaml:1:1: server: the key is missing", "a.yaml:1:1: server: the key is missing" ],
        fun (template, message, kind) -> SentryEvent.fingerprint (event template message) = kind
    )

[<Fact>]
let ``an error of another proxy, target or reason is of another kind, and one whose values differ otherwise is not`` () =
    let template = "connection {Connection} of {Source} ended: {Reason}"
    let event message proxy target reason =
        { Id = Guid.Empty; Timestamp = wall; Release = ""; ServerName = ""; Message = message; Template = template
          Tags = [ "proxy", proxy; "target", target; "reason", reason ]; Exceptions = []; Stack = [] }
    let kind (message, proxy, target, reason) = SentryEvent.fingerprint (event message proxy target reason)
    let of' = "1", "a", "t", "bitflow.dial.exhausted"
    Law.HoldsFor(
        [ ("2", "a", "t", "bitflow.dial.exhausted"), true
          ("1", "b", "t", "bitflow.dial.exhausted"), false
          ("1", "a", "u", "bitflow.dial.exhausted"), false
          ("1", "a", "t", "bitflow.relay.fault"), false ],
        fun (other, isSame) -> (kind of' = kind other) = isSame)
    let event = event "1" "a" "t" "bitflow.dial.exhausted"
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    Law.HoldsFor(
        [ payload.GetProperty("fingerprint").[0].GetString(); SentryEvent.messageFingerprint event.Template event.Message event.Tags ],
        fun kind -> kind = template + ", proxy a, target t, reason bitflow.dial.exhausted" && kind = SentryEvent.fingerprint event)

let private everyDiscard =
    [ SentryDiscard.QueueOverflow; SentryDiscard.RateLimitBackoff; SentryDiscard.NetworkError; SentryDiscard.SendError; SentryDiscard.EventProcessor ]

[<Fact>]
let ``what was discarded is reported behind the next event, every reason with its sum, below 4 KiB (SE-11, SE-13)`` () =
    Law.Holds(fun (event: SentryEvent) (losses: (int * FsCheck.NonNegativeInt) list) ->
        let losses = losses |> List.map (fun (why, events) -> everyDiscard[abs (why % everyDiscard.Length)], int64 events.Get)
        let discards = (SentryDiscards.none, losses) ||> List.fold (fun all (why, events) -> SentryDiscards.add events why all)
        let expected = losses |> List.filter (fun (_, events) -> events > 0L) |> List.groupBy fst |> List.map (fun (why, all) -> why.Reason, List.sumBy snd all) |> set
        let _, _, _, rest = cut (SentryEnvelope.make (dsn "https://k@h/1") wall discards event)
        if expected.IsEmpty then
            rest = [| 10uy |]
        else
            // The second item is cut like the first, behind a line of its own.
            let _, item, report, rest = cut (Array.append "{}"B rest)
            let told =
                [ for each in report.GetProperty("discarded_events").EnumerateArray() ->
                      each.GetProperty("reason").GetString(), each.GetProperty("quantity").GetInt64() ]
            item.GetProperty("type").GetString() = "client_report"
            && item.GetProperty("length").GetInt32() <= 4 * 1024
            && report.GetProperty("timestamp").GetString() = "2026-01-01T00:00:00.000Z"
            && told.Length = expected.Count
            && set told = expected
            && rest = [| 10uy |])

[<Fact>]
let ``each reason is a word of Sentry's own (SE-13)`` () =
    Law.HoldsFor(
        List.zip everyDiscard [ "queue_overflow"; "ratelimit_backoff"; "network_error"; "send_error"; "event_processor" ],
        fun (discard, word) -> discard.Reason = word)

[<Fact>]
let ``an answer that refuses the event counts it as discarded, but for a 429 (SE-12, SE-13)`` () =
    Law.HoldsFor(
        [ 200, false; 202, false; 299, false; 429, false; 301, true; 400, true; 401, true; 403, true; 413, true; 500, true; 503, true ],
        fun (status, isDiscarded) -> SentryDiscards.byAnswer status = (if isDiscarded then Some SentryDiscard.SendError else None) && SentryDiscards.took status = (not isDiscarded && status <> 429)
    )

let private after status header retry = SentryRateLimits.afterAnswer start wall status header retry SentryRateLimits.none

/// How many whole milliseconds events are not sent for.
let private limitedFor limits =
    let at ms = start + Duration.OfMilliseconds ms
    Seq.initInfinite int64 |> Seq.map ((*) 100L) |> Seq.find (fun ms -> not (SentryRateLimits.mayNotSendEvents (at ms) limits))

[<Fact>]
let ``rate limits mean what Sentry says they mean (SE-15)`` () =
    Law.HoldsFor(
        [ "60::organization", 60_000L
          "60:error;transaction:key, 2700:default;security:organization", 60_000L
          "2700:transaction;error:key, 60::organization", 2_700_000L
          "60:transaction:key, 2700:default;security:organization", 0L
          "60:error:key:quota:ns1;ns2", 60_000L
          "2.5:error", 2_500L
          " 60 : error ", 60_000L
          "60:unheard_of:key", 0L
          "60:errors:key", 0L
          "60:unheard_of;error", 60_000L
          "60:;:key", 60_000L
          "abc:error", 0L
          "Infinity:error", 0L
          "1Infinity:error", 0L
          "abc:error, 60:error", 60_000L
          "60", 60_000L
          "-5:error", 0L
          "0:error, 0", 0L
          "", 0L ],
        fun (header, ms) -> limitedFor (after 200 header "") = ms
    )

[<Fact>]
let ``without that header a 429 limits everything, for as long as Retry-After says or a minute (SE-16)`` () =
    Law.HoldsFor(
        [ 429, "", "", 60_000L; 429, "", "7", 7_000L; 429, "", "2.5", 2_500L; 429, "", "0", 0L; 429, "", "soon", 60_000L
          429, "", "Thu, 01 Jan 2026 00:00:30 GMT", 30_000L; 429, "", "Thursday, 01-Jan-26 00:00:30 GMT", 30_000L; 429, "", "Thu Jan  1 00:00:30 2026", 30_000L
          429, "", "Wed, 31 Dec 2025 00:00:00 GMT", 0L; 429, "2:error", "7", 2_000L; 429, "2:session", "7", 0L
          200, "", "7", 0L; 503, "", "7", 0L; 500, "", "", 0L ],
        fun (status, header, retry, ms) -> limitedFor (after status header retry) = ms
    )

[<Fact>]
let ``a limit longer than any duration holds for ever`` () =
    Law.HoldsFor([ "9199999999", false; "9200000000", true; "1000000000000000000000", true ], fun (seconds, forEver) ->
        let limits = after 429 "" seconds
        SentryRateLimits.mayNotSendEvents (start + Duration.OfSeconds 9_199_999_998L) limits
        && SentryRateLimits.mayNotSendEvents (start + Duration.OfSeconds 9_200_000_000L) limits = forEver)

[<Fact>]
let ``a later end of a limit is never taken back (SE-17)`` () =
    Law.Holds(fun (NearlyRateLimits first) (NearlyRateLimits second) (retry: bool) (ms: FsCheck.NonNegativeInt) ->
        let one = after 200 first ""
        let both = SentryRateLimits.afterAnswer start wall (if retry then 429 else 200) second "" one
        let at = start + Duration.OfMilliseconds(int64 ms.Get * 100L)
        not (SentryRateLimits.mayNotSendEvents at one) || SentryRateLimits.mayNotSendEvents at both)

[<Fact>]
let ``no header makes the reading of rate limits throw`` () =
    Law.NeverThrows(fun (HostileText header, HostileText retry) -> SentryRateLimits.mayNotSendEvents start (after 429 header retry))

[<Fact>]
let ``of what is too long the beginning is sent: 4,096 characters of a message, the 40 innermost calls`` () =
    let message = String.init 5_000 (fun i -> string (i % 10))
    let frames = [ for i in 1..60 -> { Function = $"call{i}"; Module = "m"; File = ""; Line = 0; InApp = true } ]
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "r"; ServerName = ""; Message = message; Template = ""; Tags = []
          Exceptions = [ { Type = "E"; Message = "m"; Frames = frames } ]; Stack = [] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let sent = payload.GetProperty("exception").GetProperty("values").[0].GetProperty("stacktrace").GetProperty "frames"
    Law.HoldsFor([ payload.GetProperty("message").GetString() ], fun text -> text = message.Substring(0, 4_096))
    Law.HoldsFor([ sent.GetArrayLength(), sent[0].GetProperty("function").GetString(), sent[39].GetProperty("function").GetString() ], fun seen ->
        seen = (40, "call40", "call1"))

[<Fact>]
let ``the longest event that there can be is below 1 MiB (SE-11)`` () =
    let text = String('\000', 5_000)
    let frames = [ for _ in 1..60 -> { Function = text; Module = text; File = text; Line = Int32.MaxValue; InApp = false } ]
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = text; ServerName = text; Message = text; Template = text; Tags = [ for i in 1..40 -> $"{i}" + text, text ]
          Exceptions = [ for _ in 1..9 -> { Type = text; Message = text; Frames = frames } ]; Stack = frames }
    let longest = [ event; { event with Exceptions = [] } ]
    Law.HoldsFor(longest, fun event ->
        let _, item, _, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
        item.GetProperty("length").GetInt32() <= 1024 * 1024)

[<Fact>]
let ``of a release, a server's name and a tag the first 200 characters are sent; a server without a name has none`` () =
    let sent name =
        let event =
            { Id = Guid.Empty; Timestamp = wall; Release = name; ServerName = name; Message = "m"; Template = ""; Tags = [ "proxy", name ]; Exceptions = []; Stack = [] }
        let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
        let server = match payload.TryGetProperty "server_name" with | true, server -> Some(server.GetString()) | _ -> None
        payload.GetProperty("release").GetString(), server, payload.GetProperty("tags").GetProperty("proxy").GetString()
    Law.HoldsFor(
        [ "", ("", None, ""); "h", ("h", Some "h", "h"); String('a', 201), (String('a', 200), Some(String('a', 200)), String('a', 200)) ],
        fun (name, expected) -> sent name = expected)

[<Fact>]
let ``of many tags the first thirty are sent, each key once`` () =
    let tags = [ for i in 1..40 -> $"k{i}", string i ]
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "r"; ServerName = ""; Message = "m"; Template = ""; Tags = ("k1", "first") :: tags; Exceptions = []; Stack = [] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let sent = [ for tag in payload.GetProperty("tags").EnumerateObject() -> tag.Name, tag.Value.GetString() ]
    Law.HoldsFor([ sent ], fun sent -> sent = ("k1", "first") :: List.truncate 29 tags.Tail)

[<Fact>]
let ``half a character is sent as U+FFFD, and none is cut in half`` () =
    let sent (message: string) =
        let event =
            { Id = Guid.Empty; Timestamp = wall; Release = "r"; ServerName = ""; Message = message; Template = ""; Tags = []; Exceptions = []; Stack = [] }
        let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
        payload.GetProperty("message").GetString()
    Law.HoldsFor(
        [ "\ud800b", "\ufffdb"; "a\udc00", "a\ufffd"; null, ""; String('a', 4_095) + "\ud83d\ude00", String('a', 4_095); String('a', 4_096), String('a', 4_096) ],
        fun (message, expected) -> sent message = expected)

[<Fact>]
let ``a call names its file and its line where they are known`` () =
    let frame file line = { Function = "f"; Module = "m"; File = file; Line = line; InApp = true }
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "r"; ServerName = ""; Message = "m"; Template = ""; Tags = []; Exceptions = []; Stack = [ frame "Relay.cs" 7; frame "" 0 ] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let frames = payload.GetProperty("threads").GetProperty("values").[0].GetProperty("stacktrace").GetProperty "frames"
    let places = [ for frame in frames.EnumerateArray() -> fst (frame.TryGetProperty "filename"), fst (frame.TryGetProperty "lineno") ]
    Law.HoldsFor([ places ], fun places -> places = [ (false, false); (true, true) ])

[<Fact>]
let ``of a long chain of causes the five outermost are sent`` () =
    let event =
        { Id = Guid.Empty; Timestamp = wall; Release = "r"; ServerName = ""; Message = "m"; Template = ""; Tags = []
          Exceptions = [ for i in 1..9 -> { Type = $"E{i}"; Message = "m"; Frames = [] } ]; Stack = [] }
    let _, _, payload, _ = cut (SentryEnvelope.make (dsn "https://k@h/1") wall SentryDiscards.none event)
    let types = [ for value in payload.GetProperty("exception").GetProperty("values").EnumerateArray() -> value.GetProperty("type").GetString() ]
    Law.HoldsFor([ types ], fun types -> if types = [ "E5"; "E4"; "E3"; "E2"; "E1" ] then true else failwith $"%A{types}")
