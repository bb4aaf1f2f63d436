namespace Bitflow.Domain

open System
open System.Buffers
open System.Globalization
open System.Text.Encodings.Web
open System.Text.Json

/// How JSON is written, whatever it says: in UTF-8, with little more escaped than JSON itself demands.
[<RequireQualifiedAccess>]
module internal JsonText =
    /// Not for HTML: letters of the basic plane stay legible in a log.
    /// Not checked while it is written: that what is written reads back is a law.
    let private options isIndented =
        JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, Indented = isIndented, NewLine = "\n", SkipValidation = true)

    /// All in one line.
    let compact = options false

    /// A member or an item a line, two blanks deeper for each level.
    let indented = options true

    /// What is not there is empty. Half a character (a lone surrogate) is U+FFFD when it is written.
    let orEmpty (text: string) = if isNull text then "" else text

    /// RFC 3339, in UTC, to the millisecond: as much as a view or a report says.
    let time (at: DateTimeOffset) =
        at.UtcDateTime.ToString("yyyy-MM-dd'T'HH:mm:ss.fff'Z'", CultureInfo.InvariantCulture)

    /// The format of the same to 100 nanoseconds, as exact as the time is kept: what the connection log says reads back as itself.
    [<Literal>]
    let ExactTime = "O"

    let exactTime (at: DateTimeOffset) = at.UtcDateTime.ToString(ExactTime, CultureInfo.InvariantCulture)

    /// What the function writes, as bytes.
    let bytes (options: JsonWriterOptions) (write: Utf8JsonWriter -> unit) : byte array =
        let buffer = ArrayBufferWriter<byte>(512)
        use json = new Utf8JsonWriter(buffer, options)
        write json
        json.Flush()
        buffer.WrittenSpan.ToArray()
