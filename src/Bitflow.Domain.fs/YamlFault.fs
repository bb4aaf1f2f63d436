namespace Bitflow.Domain

open System

/// What a file may hold, so that reading it takes bounded time and memory.
[<RequireQualifiedAccess>]
module YamlLimit =
    /// Levels of lists and mappings inside each other.
    let maxNesting = 32

    /// Values, what aliases stand for counted each time.
    let maxNodes = 1_000_000

/// What makes a file unreadable, whatever its keys mean.
[<RequireQualifiedAccess>]
type YamlFault =
    | TooLarge
    | NotUtf8 of value: byte
    | NulByte
    | TooDeep
    | TooManyNodes
    | SecondDocument
    | DuplicateKey of firstLine: int
    | KeyIsNoText
    /// Empty where no name stands behind the `*`.
    | UnknownAnchor of name: string
    /// An alias inside the very node that it names.
    | AliasOfItself of name: string
    | MergeOfNoMapping
    | UnknownTag of tag: string
    /// `[::]:443` without quotes opens a list. The text is not kept: it may stand in a value that is secret.
    | UnquotedIpv6
    | IndentingTab
    /// `{a: &x 1, b: 2}`, which is YAML, and which the parser refuses.
    | AnchorInBraces
    | Malformed of reason: string

[<RequireQualifiedAccess>]
module YamlFault =
    let describe fault =
        match fault with
        | YamlFault.TooLarge -> FileLimit.excess
        | YamlFault.NotUtf8 value -> $"the byte 0x{value:X2} is not UTF-8; save the file as UTF-8"
        | YamlFault.NulByte -> "a NUL byte stands here; a configuration is text, remove it"
        | YamlFault.TooDeep -> $"nested more than {YamlLimit.maxNesting} levels deep; no key of a configuration is"
        | YamlFault.TooManyNodes -> $"more than {YamlLimit.maxNodes} values, aliases expanded; write fewer"
        | YamlFault.SecondDocument -> "a second document begins here; a configuration is one document, remove the \"---\" and what follows"
        | YamlFault.DuplicateKey firstLine -> $"the key is already in line {firstLine}; keep one of the two"
        | YamlFault.KeyIsNoText -> "a key must be a word, not a list or a mapping"
        | YamlFault.UnknownAnchor name when name.StartsWith ':' ->
            $"\"*\" begins an alias in YAML; for every address write \"{name}\", without it and in quotes"
        | YamlFault.UnknownAnchor "" -> "\"*\" begins an alias in YAML; quote it, as in \"*\""
        | YamlFault.UnknownAnchor name when name.StartsWith '.' -> $"\"*\" begins an alias in YAML; quote the text, as in \"*{name}\""
        | YamlFault.UnknownAnchor name -> $"no anchor \"&{name}\" stands above; define it before its alias \"*{name}\""
        | YamlFault.AliasOfItself name -> $"the alias \"*{name}\" stands inside the value that it names; move it out"
        | YamlFault.MergeOfNoMapping -> "\"<<\" merges mappings; write an alias of a mapping, or a list of such aliases"
        | YamlFault.UnknownTag tag ->
            let written = tag.Replace("tag:yaml.org,2002:", "!!", StringComparison.Ordinal)
            $"the tag \"{written}\" has no meaning here; remove it"
        | YamlFault.UnquotedIpv6 -> "an address that begins with a bracket is a list to YAML; quote it, as in \"[::]:443\""
        | YamlFault.IndentingTab -> "a tab indents this line; YAML indents with spaces, replace the tab"
        | YamlFault.AnchorInBraces -> "an anchor before a word within braces is not understood here; write the mapping with a line for each key"
        | YamlFault.Malformed reason -> $"not YAML ({reason.TrimEnd '.'}); look for a wrong indentation, a missing quote, or a colon without a space behind it"

    /// The same fault without what it quotes, for values that are secret.
    let withoutText fault =
        match fault with
        | YamlFault.UnknownAnchor _ -> YamlFault.UnknownAnchor "…"
        | YamlFault.AliasOfItself _ -> YamlFault.AliasOfItself "…"
        | YamlFault.UnknownTag _ -> YamlFault.UnknownTag "!…"
        | fault -> fault
