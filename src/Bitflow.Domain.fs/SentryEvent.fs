namespace Bitflow.Domain

open System
open System.Text.Json

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

/// What is said of an error, and which errors are one problem.
[<RequireQualifiedAccess>]
module SentryEvent =
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

    /// Whether a template has no words of its own, such as `{Line}`: every problem of a configuration is logged by that one.
    let private isOneValue (template: string) =
        template.StartsWith '{' && template.IndexOf '}' = template.Length - 1

    /// What makes two events without an exception the same problem: the message without its values (one that is nothing but a value is told
    /// apart by it), and to whom it happened. Every connection that ends badly is logged by one template: one proxy's must not pass for another's.
    [<CompiledName "MessageFingerprint">]
    let messageFingerprint (template: string) (message: string) (tags: (string * string) list) =
        String.concat ", " ((if isOneValue template then message else template) :: [ for name, value in tags -> $"{name} {value}" ])

    /// What makes two events the same problem: the exception and the place of ours that it came through, or the message and its tags.
    [<CompiledName "Fingerprint">]
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

    /// The payload of its item in an envelope (SE-10).
    let internal payload (event: SentryEvent) =
        JsonText.bytes (fun json ->
            json.WriteStartObject()
            json.WriteString("event_id", event.Id.ToString "N")
            json.WriteString("timestamp", JsonText.time event.Timestamp)
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

    /// At most ten events a minute of one fingerprint.
    [<CompiledName "Limit">]
    let limit () : RepeatLimit<string> = RepeatLimit.create 10 (Duration.OfSeconds 60L) 256
