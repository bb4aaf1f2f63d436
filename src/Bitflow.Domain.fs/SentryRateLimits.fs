namespace Bitflow.Domain

open System
open System.Globalization

/// Until when the server wants no more events (SE-17).
type SentryRateLimits = private { Until: Instant }

/// How long the server wants no more (SE-15 to SE-18).
[<RequireQualifiedAccess>]
module SentryRateLimits =
    /// SE-18: the category of what we send.
    let private category = "error"

    let private seconds (text: string) : Duration voption =
        match Double.TryParse(text.Trim(), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture) with
        | true, value when value >= 0.0 && value < 9.2e9 -> ValueSome(Duration.OfNanoseconds(int64 (value * 1e9)))
        // The platform takes "Infinity" for a number too.
        | true, value when value >= 9.2e9 && Double.IsFinite value -> ValueSome Duration.Max
        | _ -> ValueNone

    /// SE-15: for how long a limit holds that names no category, or ours among others. What cannot be read is ignored by itself.
    let private ofLimit (limit: string) : Duration voption =
        let fields = limit.Split ':'
        let named =
            if fields.Length < 2 then [||]
            else fields[1].Split ';' |> Array.map _.Trim() |> Array.filter ((<>) "")
        if named.Length = 0 || Array.contains category named then seconds fields[0] else ValueNone

    [<CompiledName "None">]
    let none: SentryRateLimits = { Until = Instant Int64.MinValue }

    let private limitedFor (now: Instant) (limits: SentryRateLimits) (wait: Duration) = { Until = Instant.later limits.Until (now + wait) }

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
            rateLimits.Split ',' |> Array.map ofLimit |> Array.fold (ValueOption.fold (limitedFor now)) limits
        elif status = 429 then
            retryAfter wall retry |> ValueOption.defaultValue (Duration.OfSeconds 60L) |> limitedFor now limits
        else
            limits

    /// Whether events must be dropped now.
    [<CompiledName "MayNotSendEvents">]
    let mayNotSendEvents (now: Instant) (limits: SentryRateLimits) = limits.Until > now
