namespace Bitflow.Domain

open System.IO
open System.Text
open System.Text.Encodings.Web
open System.Text.Json

/// A JSON value that keeps the order of its members.
[<RequireQualifiedAccess>]
type Json =
    | Text of string
    | Number of decimal
    | Boolean of bool
    | Array of Json list
    | Object of (string * Json) list

[<RequireQualifiedAccess>]
module Json =
    /// Indented by two, ending with a line end.
    let format (json: Json) =
        use buffer = new MemoryStream()
        let options = JsonWriterOptions(Indented = true, Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping, NewLine = "\n")
        use writer = new Utf8JsonWriter(buffer, options)
        let rec write json =
            match json with
            | Json.Text text -> writer.WriteStringValue text
            | Json.Number number -> writer.WriteNumberValue number
            | Json.Boolean value -> writer.WriteBooleanValue value
            | Json.Array items ->
                writer.WriteStartArray()
                List.iter write items
                writer.WriteEndArray()
            | Json.Object members ->
                writer.WriteStartObject()
                for name, value in members do
                    writer.WritePropertyName(name: string)
                    write value
                writer.WriteEndObject()
        write json
        writer.Flush()
        Encoding.UTF8.GetString(buffer.ToArray()) + "\n"
