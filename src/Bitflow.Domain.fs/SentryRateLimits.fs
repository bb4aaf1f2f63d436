namespace Bitflow.Domain

open System
open System.Globalization

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

/// How long the server wants no more (SE-15 to SE-18).
[<RequireQualifiedAccess>]
module SentryRateLimits =
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
    [<CompiledName "Parse">]
    let parse (header: string) : SentryRateLimit list =
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

    [<CompiledName "None">]
    let none: SentryRateLimits =
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
    [<CompiledName "AfterAnswer">]
    let afterAnswer (now: Instant) (wall: DateTimeOffset) (status: int) (rateLimits: string) (retry: string) (limits: SentryRateLimits) : SentryRateLimits =
        if not (String.IsNullOrWhiteSpace rateLimits) then
            (limits, parse rateLimits)
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
    [<CompiledName "MayNotSendEvents">]
    let mayNotSendEvents (now: Instant) (limits: SentryRateLimits) = isLimited now errorCategory limits
