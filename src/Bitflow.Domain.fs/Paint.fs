namespace Bitflow.Domain

open System

/// What a piece of text is to the eye.
[<RequireQualifiedAccess>]
type Tone =
    | Good
    | Doubtful
    | Bad
    | Quiet

/// Colours, for terminals alone (ECMA-48, select graphic rendition).
[<RequireQualifiedAccess>]
module Paint =
    /// Whether a stream gets colours: a terminal that knows them, of somebody who wants them (no-color.org: `NO_COLOR` set
    /// to anything).
    [<CompiledName "IsWelcome">]
    let isWelcome (isTerminal: bool) (terminal: string) (noColor: string) : bool =
        isTerminal && String.IsNullOrEmpty noColor && not (String.IsNullOrEmpty terminal) && terminal <> "dumb"

    [<CompiledName "Text">]
    let text (tone: Tone) (text: string) : string =
        let code =
            match tone with
            | Tone.Good -> 32
            | Tone.Doubtful -> 33
            | Tone.Bad -> 31
            | Tone.Quiet -> 2
        $"\u001b[{code}m{text}\u001b[0m"

    /// The place at the head of a message, `FILE:LINE:COLUMN:` or `warning:`, is what the eye looks for; the rest stays as it is.
    [<CompiledName "Head">]
    let head (tone: Tone) (line: string) : string =
        match line.IndexOf(": ", StringComparison.Ordinal) with
        | at when at > 0 -> text tone (line.Substring(0, at + 1)) + line.Substring(at + 1)
        | _ -> line
