namespace Bitflow.Domain

open System
open System.Text

/// Texts that quote what a file, an argument or another program's answer says.
/// Not `Printable`, which is for bytes: letters of every script stand as they are, to be read.
[<RequireQualifiedAccess>]
module Shown =
    let private most = 400

    /// Without its middle, where it is longer than so many characters.
    let shortened most (text: string) =
        if text.Length <= most then text
        else
            let behind = 3 * most / 8
            $"{text.Substring(0, most - behind)} … {text.Substring(text.Length - behind)}"

    /// The same text as one line that a terminal cannot be steered with: control characters, halves of characters and
    /// blanks that only look like one are escaped.
    [<CompiledName "Escaped">]
    let escaped (text: string) =
        let isSafe (rune: Rune) =
            match Rune.GetUnicodeCategory rune with
            | Globalization.UnicodeCategory.Control
            | Globalization.UnicodeCategory.Format
            | Globalization.UnicodeCategory.Surrogate
            | Globalization.UnicodeCategory.LineSeparator
            | Globalization.UnicodeCategory.ParagraphSeparator -> false
            // A blank that is none to YAML looks like one.
            | Globalization.UnicodeCategory.SpaceSeparator -> rune.Value = int ' '
            | _ -> rune.Value <> Rune.ReplacementChar.Value
        let line = StringBuilder()
        for rune in text.EnumerateRunes() do
            if isSafe rune then line.Append rune |> ignore
            else line.Append($"\\u{{{rune.Value:X}}}") |> ignore
        line.ToString()

    /// The same for a line that a log can hold: the middle of a very long one is left out.
    [<CompiledName "Line">]
    let line (text: string) = escaped (shortened most text)
