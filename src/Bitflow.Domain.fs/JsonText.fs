namespace Bitflow.Domain

open System
open System.Buffers
open System.Text
open System.Text.Encodings.Web
open System.Text.Json

/// Writing JSON lines: compact, in UTF-8, with only what JSON itself demands escaped.
[<RequireQualifiedAccess>]
module internal JsonText =
    /// Not for HTML: letters of every script stay legible in a log.
    /// Not checked while it is written: that what is written reads back is a law.
    let options = JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = false, SkipValidation = true)

    /// The text with every lone surrogate replaced by U+FFFD; the writer would throw on one.
    let wellFormed (text: string) =
        if isNull text then
            ""
        else
            let mutable i = 0
            let mutable sound = true
            while sound && i < text.Length do
                if not (Char.IsSurrogate text[i]) then i <- i + 1
                elif i + 1 < text.Length && Char.IsSurrogatePair(text[i], text[i + 1]) then i <- i + 2
                else sound <- false
            if sound then
                text
            else
                let result = StringBuilder(text.Length)
                for rune in text.EnumerateRunes() do
                    result.Append(rune.ToString()) |> ignore
                result.ToString()

    /// What the function writes, as bytes.
    let bytes (write: Utf8JsonWriter -> unit) : byte array =
        let buffer = ArrayBufferWriter<byte>(512)
        use json = new Utf8JsonWriter(buffer, options)
        write json
        json.Flush()
        buffer.WrittenSpan.ToArray()
