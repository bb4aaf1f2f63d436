namespace Bitflow.Domain

open System
open System.Buffers
open System.Globalization
open System.Text
open System.Text.Encodings.Web

/// Lines of JSON in UTF-8, one behind the other, in memory that is used again. The connection log says some fifty things of every connection, so what is
/// plain is only copied here; what needs an escape is escaped by the platform. Not for several threads at a time.
[<Sealed>]
type JsonLines() =
    let mutable bytes: byte array = Array.zeroCreate 4096
    let mutable count = 0

    /// ASCII that stands for itself.
    static let plain = SearchValues.Create((Array.init (int '~' - int ' ' + 1) (fun i -> char (int ' ' + i)) |> Array.filter (fun c -> c <> '"' && c <> '\\')).AsSpan())

    let reserve (length: int) =
        if bytes.Length - count < length then Array.Resize(&bytes, max (bytes.Length * 2) (count + length))

    let put (character: byte) =
        reserve 1
        bytes[count] <- character
        count <- count + 1

    /// A key as `Key` takes it, made once: in quotes, with its colon.
    static member Quote(key: string) : byte array =
        let lines = JsonLines()
        lines.Text key
        Array.append (lines.Written.ToArray()) ":"B

    /// How many bytes have been written.
    member _.Count = count

    /// What has been written. To be used before anything else is.
    member _.Written: ReadOnlySpan<byte> = ReadOnlySpan(bytes, 0, count)

    /// Forgets what has been written; its memory stays.
    member _.Clear() = count <- 0

    /// Begins an object.
    member _.Open() = put '{'B

    /// The key of the next value, or whole members, with a comma before it where it is not the object's first.
    member this.Key(quoted: byte array) =
        if count > 0 && bytes[count - 1] <> '{'B then put ','B
        this.Raw quoted

    /// Ends an object.
    member _.Close() = put '}'B

    /// Ends a line.
    member _.End() = put '\n'B

    /// What is JSON already.
    member _.Raw(json: byte array) =
        reserve json.Length
        json.AsSpan().CopyTo(bytes.AsSpan count)
        count <- count + json.Length

    /// What has no character that needs an escape, such as a number, without quotes around it.
    member _.Formatted<'a when 'a :> IUtf8SpanFormattable>(value: 'a, format: string) =
        let mutable written = 0
        while not (value.TryFormat(bytes.AsSpan count, &written, format.AsSpan(), CultureInfo.InvariantCulture)) do
            reserve (bytes.Length + 1)
        count <- count + written

    /// The same, with quotes around it.
    member this.Quoted<'a when 'a :> IUtf8SpanFormattable>(value: 'a, format: string) =
        put '"'B
        this.Formatted(value, format)
        put '"'B

    /// A number of so many decimal places (0 to 18) without zeros at its end: 1400300 of six places is 1.4003.
    member this.Decimal(number: int64, places: int) =
        let scale = pown 10UL places
        // As unsigned: the magnitude of Int64.MinValue has no signed form.
        let magnitude = if number < 0L then uint64 (-(number + 1L)) + 1UL else uint64 number
        if number < 0L then put '-'B
        this.Formatted(magnitude / scale, "")
        let mutable rest = magnitude % scale
        if rest > 0UL then
            let mutable place = scale
            put '.'B
            while rest > 0UL do
                place <- place / 10UL
                this.Formatted(rest / place, "")
                rest <- rest % place

    /// Text, in quotes. Half a character (a lone surrogate) is U+FFFD; what is not there (null) is empty.
    member this.Text(text: string) =
        let text = JsonText.orEmpty text
        let text = if text.AsSpan().IndexOfAnyExcept plain < 0 then text else JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode text
        reserve (Encoding.UTF8.GetMaxByteCount text.Length + 2)
        bytes[count] <- '"'B
        let length = Encoding.UTF8.GetBytes(text.AsSpan(), bytes.AsSpan(count + 1))
        bytes[count + 1 + length] <- '"'B
        count <- count + length + 2
