namespace Bitflow.Domain

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

    /// What is not there is empty. Half a character (a lone surrogate) is U+FFFD when it is written.
    let orEmpty (text: string) = if isNull text then "" else text

    /// What the function writes, as bytes.
    let bytes (write: Utf8JsonWriter -> unit) : byte array =
        let buffer = ArrayBufferWriter<byte>(512)
        use json = new Utf8JsonWriter(buffer, options)
        write json
        json.Flush()
        buffer.WrittenSpan.ToArray()
