namespace Bitflow.Domain

open System
open System.Net
open System.Text.Json

/// A kind of value that a line of the connection log has: how it is written, and how it is read back.
/// A line is not written from a `Json`: every connection would leave one behind as garbage.
[<NoEquality; NoComparison>]
type internal JsonKind<'a> =
    { /// What a key means that is not there, or null.
      Absent: 'a
      Write: Utf8JsonWriter -> 'a -> unit
      /// None for a value of another type, or out of range.
      Read: JsonElement -> 'a voption }

[<RequireQualifiedAccess>]
module internal JsonKind =
    let private ofString (read: JsonElement -> 'a voption) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.String then ValueNone
        // An escaped lone surrogate is a string in JSON and none here.
        else try read element with :? InvalidOperationException -> ValueNone

    let text: JsonKind<string> =
        { Absent = ""
          Write = fun json text -> json.WriteStringValue(JsonText.orEmpty text)
          Read = ofString (fun element -> ValueSome(element.GetString())) }

    let number: JsonKind<int64> =
        { Absent = 0L
          Write = fun json number -> json.WriteNumberValue number
          Read =
            fun element ->
                if element.ValueKind <> JsonValueKind.Number then ValueNone
                else match element.TryGetInt64() with | true, n -> ValueSome n | _ -> ValueNone }

    /// A number from 0 to the highest.
    let upTo (highest: int) : JsonKind<int> =
        { Absent = 0
          Write = fun json number -> json.WriteNumberValue number
          Read = fun element -> match number.Read element with ValueSome n when n >= 0L && n <= int64 highest -> ValueSome(int n) | _ -> ValueNone }

    let boolean: JsonKind<bool> =
        { Absent = false
          Write = fun json value -> json.WriteBooleanValue value
          Read =
            fun element ->
                match element.ValueKind with
                | JsonValueKind.True -> ValueSome true
                | JsonValueKind.False -> ValueSome false
                | _ -> ValueNone }

    /// RFC 3339, in UTC, to 100 nanoseconds.
    let time: JsonKind<DateTimeOffset> =
        { Absent = DateTimeOffset.UnixEpoch
          Write = fun json time -> json.WriteStringValue(JsonText.exactTime time)
          Read = ofString (fun element -> match element.TryGetDateTimeOffset() with | true, at -> ValueSome(at.ToUniversalTime()) | _ -> ValueNone) }

    /// A duration as a number of milliseconds, exact to the nanosecond.
    let milliseconds: JsonKind<Duration> =
        { Absent = Duration.Zero
          Write = fun json duration -> json.WriteNumberValue duration.ExactMilliseconds
          Read =
            fun element ->
                if element.ValueKind <> JsonValueKind.Number then ValueNone
                else
                    match element.TryGetDecimal() with
                    | true, ms when abs ms <= decimal Int64.MaxValue / 1_000_000m -> ValueSome(Duration.OfNanoseconds(int64 (ms * 1_000_000m)))
                    | _ -> ValueNone }

    /// What has a text of its own, which none else has.
    let named (absent: 'a) (toText: 'a -> string) (ofText: string -> 'a voption) : JsonKind<'a> =
        { Absent = absent
          Write = fun json value -> json.WriteStringValue(toText value)
          Read = fun element -> ValueOption.bind ofText (text.Read element) }

    let address: JsonKind<IPAddress> = named IPAddress.None string IpAddress.tryParse

    /// Empty where it is not there.
    let list (item: JsonKind<'a>) : JsonKind<'a list> =
        { Absent = []
          Write =
            fun json items ->
                json.WriteStartArray()
                for value in items do item.Write json value
                json.WriteEndArray()
          Read =
            fun element ->
                if element.ValueKind <> JsonValueKind.Array then ValueNone
                else
                    let items = [ for element in element.EnumerateArray() -> item.Read element ]
                    if List.forall ValueOption.isSome items then ValueSome(List.map ValueOption.get items) else ValueNone }

    /// Null where there is none.
    let orNull (kind: JsonKind<'a>) : JsonKind<'a voption> =
        { Absent = ValueNone
          Write = fun json value -> match value with ValueSome value -> kind.Write json value | ValueNone -> json.WriteNullValue()
          Read = kind.Read >> ValueOption.map ValueSome }

    /// The value of an object's key. The key, where its value is of another kind.
    let read (kind: JsonKind<'a>) (key: string) (root: JsonElement) : Result<'a, string> =
        match root.TryGetProperty key with
        | true, element when element.ValueKind <> JsonValueKind.Null ->
            match kind.Read element with
            | ValueSome value -> Ok value
            | ValueNone -> Error key
        | _ -> Ok kind.Absent
