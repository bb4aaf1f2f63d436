namespace Bitflow.Domain

open System.Text
open System.Text.Json

/// A JSON value that keeps the order of its members. All JSON of the core is written from one, but a line of the connection log (`JsonKind`).
[<RequireQualifiedAccess>]
type Json =
    | Null
    /// What is not there (null) is empty.
    | Text of string
    | Number of decimal
    | Boolean of bool
    | Array of Json list
    | Object of (string * Json) list

[<RequireQualifiedAccess>]
module Json =
    let rec private write (writer: Utf8JsonWriter) (json: Json) =
        match json with
        | Json.Null -> writer.WriteNullValue()
        | Json.Text text -> writer.WriteStringValue(JsonText.orEmpty text)
        | Json.Number number -> writer.WriteNumberValue number
        | Json.Boolean value -> writer.WriteBooleanValue value
        | Json.Array items ->
            writer.WriteStartArray()
            List.iter (write writer) items
            writer.WriteEndArray()
        | Json.Object members ->
            writer.WriteStartObject()
            for name, value in members do
                writer.WritePropertyName(name: string)
                write writer value
            writer.WriteEndObject()

    /// For programs: one line without its end, in UTF-8.
    let bytes (json: Json) : byte array = JsonText.bytes JsonText.compact (fun writer -> write writer json)

    /// The same as text.
    let line (json: Json) : string = Encoding.UTF8.GetString(bytes json)

    /// For people: indented by two, ending with a line end.
    let format (json: Json) : string =
        Encoding.UTF8.GetString(JsonText.bytes JsonText.indented (fun writer -> write writer json)) + "\n"
