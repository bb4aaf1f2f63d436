namespace Bitflow.Domain

open System
open System.Text

/// Words of a peer made fit to print: a log line is one line and a terminal obeys nobody's escape sequences.
/// Not `Shown`, which is for text: a peer sends bytes, of whatever encoding, and what is printed says which.
[<RequireQualifiedAccess>]
module Printable =
    /// Longer words are cut, so that a peer cannot write the log full.
    let maxCharacters = 128

    /// A byte as `\xNN`. No text is made for it: a client may offer thousands of names (`AlpnName`), of bytes that are none.
    let internal appendEscaped (text: StringBuilder) (b: byte) =
        let digit (value: int) = "0123456789abcdef"[value]
        text.Append("\\x").Append(digit (int b >>> 4)).Append(digit (int b &&& 15)) |> ignore

    /// Printable ASCII as it is; everything else as `\xNN`, quotes and backslashes with a backslash before them.
    let ofBytes (bytes: ReadOnlySpan<byte>) =
        let text = StringBuilder()
        for i in 0 .. min bytes.Length maxCharacters - 1 do
            match bytes[i] with
            | 0x22uy
            | 0x5Cuy -> text.Append('\\').Append(char bytes[i]) |> ignore
            | b when b >= 0x20uy && b < 0x7Fuy -> text.Append(char b) |> ignore
            | b -> appendEscaped text b
        if bytes.Length > maxCharacters then text.Append "…" |> ignore
        text.ToString()

    [<CompiledName("OfText")>]
    let ofText (text: string) = ofBytes (ReadOnlySpan(Encoding.UTF8.GetBytes text))
