namespace Bitflow.Domain

open System
open System.Buffers
open System.Globalization
open System.Text
open System.Text.Encodings.Web
open System.Text.Json

/// Writing JSON lines: compact, in UTF-8, with little more escaped than JSON itself demands.
[<RequireQualifiedAccess>]
module internal JsonText =
    /// Not for HTML: letters of the basic plane stay legible in a log.
    /// Not checked while it is written: that what is written reads back is a law.
    let options = JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = false, SkipValidation = true)

    /// What is not there is empty. Half a character (a lone surrogate) is U+FFFD when it is written.
    let orEmpty (text: string) = if isNull text then "" else text

    /// RFC 3339, in UTC, to the millisecond.
    let time (at: DateTimeOffset) =
        at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)

    /// What the function writes, as bytes.
    let bytes (write: Utf8JsonWriter -> unit) : byte array =
        let buffer = ArrayBufferWriter<byte>(512)
        use json = new Utf8JsonWriter(buffer, options)
        write json
        json.Flush()
        buffer.WrittenSpan.ToArray()
