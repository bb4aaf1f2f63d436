namespace Bitflow.Domain

open System
open System.Net
open System.Text.Json

/// A kind of value that a line of the connection log has: how it is written, and how it is read back.
/// A line is not written from a `Json`: every connection would leave one behind as garbage.
[<AbstractClass>]
type internal JsonKind<'a>() =
    /// What a key means that is not there, or null.
    abstract Absent: 'a
    abstract Write: lines: JsonLines * value: 'a -> unit
    /// None for a value of another type, or out of range.
    abstract Read: JsonElement -> 'a voption

[<RequireQualifiedAccess>]
module internal JsonKind =
    let private kind (absent: 'a) (write: JsonLines -> 'a -> unit) (read: JsonElement -> 'a voption) : JsonKind<'a> =
        let write = OptimizedClosures.FSharpFunc<_, _, _>.Adapt write
        { new JsonKind<'a>() with
            member _.Absent = absent
            member _.Write(lines, value) = write.Invoke(lines, value)
            member _.Read element = read element }

    // A literal of bytes is an array made anew wherever it stands.
    let private isTrue, isFalse, isNull = "true"B, "false"B, "null"B
    let private opening, comma, closing = "["B, ","B, "]"B

    let private ofString (read: JsonElement -> 'a voption) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.String then ValueNone
        // An escaped lone surrogate is a string in JSON and none here.
        else try read element with :? InvalidOperationException -> ValueNone

    let private ofNumber (read: JsonElement -> 'a voption) (element: JsonElement) =
        if element.ValueKind <> JsonValueKind.Number then ValueNone else read element

    let text: JsonKind<string> = kind "" (fun lines text -> lines.Text text) (ofString (fun element -> ValueSome(element.GetString())))

    let number: JsonKind<int64> =
        kind 0L (fun lines number -> lines.Formatted(number, ""))
            (ofNumber (fun element -> match element.TryGetInt64() with | true, n -> ValueSome n | _ -> ValueNone))

    /// A number from 0 to the highest.
    let upTo (highest: int) : JsonKind<int> =
        kind 0 (fun lines number -> lines.Formatted(number, ""))
            (fun element -> match number.Read element with ValueSome n when n >= 0L && n <= int64 highest -> ValueSome(int n) | _ -> ValueNone)

    let boolean: JsonKind<bool> =
        kind false (fun lines value -> lines.Raw(if value then isTrue else isFalse))
            (fun element ->
                match element.ValueKind with
                | JsonValueKind.True -> ValueSome true
                | JsonValueKind.False -> ValueSome false
                | _ -> ValueNone)

    /// RFC 3339, in UTC, to 100 nanoseconds.
    let time: JsonKind<DateTimeOffset> =
        kind DateTimeOffset.UnixEpoch (fun lines time -> lines.Quoted(time.UtcDateTime, JsonText.ExactTime))
            (ofString (fun element -> match element.TryGetDateTimeOffset() with | true, at -> ValueSome(at.ToUniversalTime()) | _ -> ValueNone))

    /// A duration as a number of milliseconds, exact to the nanosecond.
    let milliseconds: JsonKind<Duration> =
        kind Duration.Zero (fun lines duration -> lines.Decimal(duration.TotalNanoseconds, 6))
            (ofNumber (fun element ->
                match element.TryGetDecimal() with
                | true, ms when abs ms <= decimal Int64.MaxValue / 1_000_000m -> ValueSome(Duration.OfNanoseconds(int64 (ms * 1_000_000m)))
                | _ -> ValueNone))

    /// What has a text of its own, which none else has.
    let named (absent: 'a) (toText: 'a -> string) (ofText: string -> 'a voption) : JsonKind<'a> =
        kind absent (fun lines value -> lines.Text(toText value)) (fun element -> ValueOption.bind ofText (text.Read element))

    let address: JsonKind<IPAddress> = named IPAddress.None string IpAddress.tryParse

    /// Empty where it is not there.
    let list (item: JsonKind<'a>) : JsonKind<'a list> =
        kind []
            (fun lines items ->
                lines.Raw opening
                items |> List.iteri (fun place value ->
                    if place > 0 then lines.Raw comma
                    item.Write(lines, value))
                lines.Raw closing)
            (fun element ->
                if element.ValueKind <> JsonValueKind.Array then ValueNone
                else
                    let items = [ for element in element.EnumerateArray() -> item.Read element ]
                    if List.forall ValueOption.isSome items then ValueSome(List.map ValueOption.get items) else ValueNone)

    /// Null where there is none.
    let orNull (kind': JsonKind<'a>) : JsonKind<'a voption> =
        kind ValueNone
            (fun lines value -> match value with ValueSome value -> kind'.Write(lines, value) | ValueNone -> lines.Raw isNull)
            (kind'.Read >> ValueOption.map ValueSome)

    /// The value of an object's key. The key, where its value is of another kind.
    let read (kind: JsonKind<'a>) (key: string) (root: JsonElement) : Result<'a, string> =
        match root.TryGetProperty key with
        | true, element when element.ValueKind <> JsonValueKind.Null ->
            match kind.Read element with
            | ValueSome value -> Ok value
            | ValueNone -> Error key
        | _ -> Ok kind.Absent
