namespace Bitflow.Domain

open System
open System.Text

/// An application protocol's name: 1 to 255 opaque bytes (RFC 7301 section 3.1), not text, though most look like it.
type AlpnName =
    private
    | AlpnName of byte array

    /// The caller must not write to it.
    member this.Bytes: ReadOnlyMemory<byte> = let (AlpnName bytes) = this in ReadOnlyMemory bytes

    /// The text that `AlpnName.tryOfText` made it of.
    member this.Text = let (AlpnName bytes) = this in Encoding.UTF8.GetString bytes

    /// For logs and records: printable ASCII as it is, every other byte as `\xNN`. Not as `Printable` has it, cut and with blanks: names are
    /// read back from a record (`AlpnName.tryOfShown`), where a blank tells of an offer that was cut.
    override this.ToString() =
        let (AlpnName bytes) = this
        let text = StringBuilder()
        for b in bytes do
            if b > 0x20uy && b < 0x7fuy && b <> byte '\\' then text.Append(char b) |> ignore
            else Printable.appendEscaped text b
        string text

/// What a listener answers to a client's offer.
[<RequireQualifiedAccess>]
type AlpnChoice =
    /// The client offers none, or the listener has none: the connection goes on without.
    | Absent
    | Chosen of AlpnName
    /// The client's offer and the listener's list have nothing in common.
    | Refused

[<RequireQualifiedAccess>]
module AlpnName =
    let maxLength = 255

    let tryOfBytes (bytes: ReadOnlySpan<byte>) : AlpnName voption =
        if bytes.Length >= 1 && bytes.Length <= maxLength then ValueSome(AlpnName(bytes.ToArray())) else ValueNone

    /// A name as a configuration writes it, in UTF-8.
    let tryOfText (text: string) : AlpnName voption =
        tryOfBytes (ReadOnlySpan(Encoding.UTF8.GetBytes(if isNull text then "" else text)))

    /// A name as `ToString` shows it; none for anything else, the end of a cut offer among it.
    let tryOfShown (text: string) : AlpnName voption =
        let rec go (at: int) (bytes: byte list) =
            if at = text.Length then
                tryOfBytes (ReadOnlySpan(Array.rev (Array.ofList bytes)))
            elif text[at] > ' ' && text[at] < '\127' && text[at] <> '\\' then
                go (at + 1) (byte text[at] :: bytes)
            elif text.Length >= at + 4 && text[at] = '\\' && text[at + 1] = 'x' then
                match Byte.TryParse(text.AsSpan(at + 2, 2), Globalization.NumberStyles.AllowHexSpecifier, Globalization.CultureInfo.InvariantCulture) with
                | true, b -> go (at + 4) (b :: bytes)
                | _ -> ValueNone
            else
                ValueNone
        go 0 []

[<RequireQualifiedAccess>]
module Alpn =
    /// The listener's order decides, not the client's (ALPN-2 leaves the choice to the server). GREASE names are never
    /// chosen, since no listener has them.
    let choose (preferred: AlpnName list) (offered: AlpnName list) : AlpnChoice =
        if preferred.IsEmpty || offered.IsEmpty then
            AlpnChoice.Absent
        else
            match preferred |> List.tryFind (fun name -> List.contains name offered) with
            | Some name -> AlpnChoice.Chosen name
            | None -> AlpnChoice.Refused

    /// Names of an offer that are told of and recorded, and bytes of them in all: many times what clients really offer.
    let private shownNames, shownBytes = 16, 512

    /// An offer for logs and records, in the client's order. Of one that is longer the beginning, with how many names more there
    /// were as the last item: it has spaces, which no name is shown with.
    [<CompiledName "Shown">]
    let shown (offered: AlpnName list) : string list =
        let rec go count bytes shown (left: AlpnName list) =
            match left with
            | [] -> List.rev shown
            | name :: rest when count < shownNames && bytes + name.Bytes.Length <= shownBytes ->
                go (count + 1) (bytes + name.Bytes.Length) (string name :: shown) rest
            | _ -> List.rev ($"and {left.Length} more" :: shown)
        go 0 0 [] offered

    /// Whether an offer as shown is the beginning of a longer one.
    let isCut (shown: string list) = not shown.IsEmpty && (List.last shown).StartsWith("and ", StringComparison.Ordinal)
