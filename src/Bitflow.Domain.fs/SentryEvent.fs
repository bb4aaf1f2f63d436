namespace Bitflow.Domain

open System

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
    let private maxFrames = 40
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

    let private text (most: int) (value: string) = Json.Text(clip most value)

    /// The server wants the outermost call first.
    let private stacktrace (frames: SentryFrame list) =
        let call (frame: SentryFrame) =
            Json.Object [
                "function", text maxFrameTextLength frame.Function
                "module", text maxFrameTextLength frame.Module
                if frame.File <> "" then "filename", text maxFrameTextLength frame.File
                if frame.Line > 0 then "lineno", Json.Number(decimal frame.Line)
                "in_app", Json.Boolean frame.InApp
            ]
        "stacktrace", Json.Object [ "frames", Json.Array(frames |> List.truncate maxFrames |> List.rev |> List.map call) ]

    let private exceptionJson (fault: SentryException) =
        Json.Object [
            "type", text maxFrameTextLength fault.Type
            "value", text maxMessageLength fault.Message
            if not fault.Frames.IsEmpty then stacktrace fault.Frames
        ]

    /// The payload of its item in an envelope (SE-10).
    let internal payload (event: SentryEvent) : Json =
        let tags = event.Tags |> List.distinctBy fst |> List.truncate maxTags
        let values (items: Json list) = Json.Object [ "values", Json.Array items ]
        Json.Object [
            "event_id", Json.Text(event.Id.ToString "N")
            "timestamp", Json.Text(JsonText.time event.Timestamp)
            "platform", Json.Text "csharp"
            "level", Json.Text "error"
            "logger", Json.Text "bitflow"
            "release", text maxTagLength event.Release
            if event.ServerName <> "" then "server_name", text maxTagLength event.ServerName
            "fingerprint", Json.Array [ text maxMessageLength (fingerprint event) ]
            if event.Message <> "" then "message", text maxMessageLength event.Message
            "tags", Json.Object [ for key, value in tags -> clip maxTagLength key, text maxTagLength value ]
            // The server wants causes first.
            if not event.Exceptions.IsEmpty then "exception", values (event.Exceptions |> List.truncate maxExceptions |> List.rev |> List.map exceptionJson)
            elif not event.Stack.IsEmpty then
                "threads", values [ Json.Object [ "id", Json.Number 0m; "current", Json.Boolean true; stacktrace event.Stack ] ]
        ]

    /// At most ten events a minute of one fingerprint.
    [<CompiledName "Limit">]
    let limit () : RepeatLimit<string> = RepeatLimit.create 10 (Duration.OfSeconds 60L) 256
