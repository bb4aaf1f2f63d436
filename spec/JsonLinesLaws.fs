module Bitflow.Spec.JsonLinesLaws

open System
open System.Buffers
open System.Globalization
open System.Text
open System.Text.Encodings.Web
open System.Text.Json
open Xunit
open Bitflow.Domain

let private written (write: JsonLines -> unit) =
    let lines = JsonLines()
    write lines
    Encoding.UTF8.GetString lines.Written

[<Fact>]
let ``text is written as the platform writes it, whatever it holds`` () =
    Law.Holds(fun (HostileText text) ->
        let buffer = ArrayBufferWriter<byte>()
        use json = new Utf8JsonWriter(buffer, JsonWriterOptions(Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping))
        json.WriteStringValue text
        json.Flush()
        written _.Text(text) = Encoding.UTF8.GetString buffer.WrittenSpan)

[<Fact>]
let ``every character of ASCII is written as the platform writes it`` () =
    Law.HoldsFor([ for c in 0..127 -> string (char c) ], fun text -> written _.Text(text) = "\"" + JavaScriptEncoder.UnsafeRelaxedJsonEscaping.Encode text + "\"")

[<Fact>]
let ``text that is not there is empty`` () = Law.HoldsFor([ null; "" ], fun text -> written _.Text(text) = "\"\"")

[<Fact>]
let ``a decimal has its number's value, and no zero at its end`` () =
    Law.Holds(fun (number: int64) (places: byte) ->
        let places = int places % 19
        let text = written _.Decimal(number, places)
        Decimal.Parse(text, CultureInfo.InvariantCulture) * decimal (pown 10L places) = decimal number
        && not (text.Contains '.' && (text.EndsWith '0' || text.EndsWith '.')))

[<Fact>]
let ``decimals at the ends of their range are exact`` () =
    Law.HoldsFor(
        [ 0L, 6, "0"; 1L, 6, "0.000001"; -1L, 6, "-0.000001"; 1_400_300L, 6, "1.4003"; 1_000_000L, 6, "1"; 10_000_001L, 6, "10.000001"; 7L, 0, "7"; -5L, 18, "-0.000000000000000005"
          Int64.MaxValue, 6, "9223372036854.775807"; Int64.MinValue, 6, "-9223372036854.775808"; Int64.MinValue, 0, "-9223372036854775808" ],
        fun (number, places, text) -> written _.Decimal(number, places) = text
    )

[<Fact>]
let ``members are parted by commas, and nothing stands before the first of an object`` () =
    let key name = JsonLines.Quote name
    let write (lines: JsonLines) =
        lines.Open()
        lines.Key(key "a")
        lines.Formatted(1, "")
        lines.Key(key "b\n")
        lines.Open()
        lines.Key(key "c")
        lines.Quoted(DateTime(2026, 1, 2, 3, 4, 5, DateTimeKind.Utc), "yyyy")
        lines.Close()
        lines.Key(key "d")
        lines.Open()
        lines.Close()
        lines.Close()
        lines.End()
    Law.HoldsFor([ write ], fun write -> written write = """{"a":1,"b\n":{"c":"2026"},"d":{}}""" + "\n")

[<Fact>]
let ``lines grow beyond the memory that they began with, and are forgotten whole`` () =
    Law.HoldsFor([ 1; 2_000; 4_093; 4_094; 4_095; 4_096; 4_097; 100_000 ], fun length ->
        let lines = JsonLines()
        let text = String('x', length)
        lines.Text text
        let first = lines.Count
        lines.Raw(Encoding.UTF8.GetBytes text)
        lines.Formatted(length, "")
        let whole = Encoding.UTF8.GetString lines.Written
        lines.Clear()
        first = length + 2 && whole = $"\"{text}\"{text}{length}" && lines.Count = 0 && lines.Written.IsEmpty)
