namespace Bitflow.Domain

open System
open System.Buffers
open System.Collections.Generic
open System.IO
open System.Text
open System.Text.RegularExpressions
open System.Text.Unicode
open YamlDotNet.Core
open YamlDotNet.Core.Events

/// What reading came to. A fault that ends the reading leaves no tree; all others stand beside it.
[<NoComparison; ReferenceEquality>]
type YamlDocument =
    { Root: YamlNode voption
      /// Whether an alias stands for any part of it.
      HasAliases: bool
      Faults: Found<YamlFault> list }

/// YAML text as a tree with positions, in bounded time and memory. Only the parser's *events* are used: the library's
/// own loaders recurse as deep as the text nests, and a stack overflow cannot be caught. Aliases share their node, so
/// an alias bomb costs what it says in the file; its size after expansion is counted without expanding it.
[<RequireQualifiedAccess>]
module Yaml =
    /// The beginnings of lines: a position is found by binary search. The parser's own marks count the separators of
    /// Unicode as line ends and step behind the last line; editors do not.
    let private lineStarts (text: string) =
        let starts = ResizeArray [ 0 ]
        let rec from (index: int) =
            match text.AsSpan(index).IndexOfAny('\n', '\r') with
            | -1 -> starts.ToArray()
            | found ->
                let at = index + found
                let isPair = text[at] = '\r' && at + 1 < text.Length && text[at + 1] = '\n'
                let next = if isPair then at + 2 else at + 1
                starts.Add next
                from next
        from 0

    let private positionIn (starts: int array) (length: int) (index: int64) =
        let index = int (max 0L (min index (int64 length)))
        // In a span: an array's own search is compiled at every start (decision 10).
        let found = MemoryExtensions.BinarySearch<int, int>(ReadOnlySpan starts, index)
        let line = if found >= 0 then found else ~~~found - 1
        { Line = line + 1; Column = index - starts[line] + 1 }

    /// The name of one of YAML's own tags, empty for none.
    let private coreTag (tag: TagName) =
        if tag.IsEmpty || tag.IsNonSpecific then ValueSome ""
        elif tag.Value.StartsWith("tag:yaml.org,2002:", StringComparison.Ordinal) then ValueSome(tag.Value.Substring 18)
        else ValueNone

    /// Where an IPv6 address and a port stand without quotes.
    let private unquotedIpv6 (line: string) =
        Regex.Match(line, @"(?<=[\s,{\[])\[[0-9A-Fa-f.]*:[0-9A-Fa-f:.]*\]:[0-9]+", RegexOptions.CultureInvariant)

    /// Where a word with an anchor before it ends with a comma, behind which the parser stopped.
    let private anchoredWord (line: string) =
        Regex.Match(line, @"&[^\s,\[\]{}]+\s+(""[^""]*""|'[^']*'|[^\s,\[\]{}]+)\s*,\s*$", RegexOptions.CultureInvariant)

    /// A node, what it weighs after expansion, and how many levels of collections it holds.
    [<Struct; NoComparison; NoEquality>]
    type private Measured =
        { Node: YamlNode
          Weight: int64
          Height: int }

    /// One reading of one text. Its mutation ends with it.
    [<Sealed>]
    type private Reading(text: string) =
        let starts = lineStarts text
        let parser = Parser(new StringReader(text))
        let faults = ResizeArray<Found<YamlFault>>()
        let anchors = Dictionary<string, Measured>()
        let opened = HashSet<string>()
        let mutable stopped = false
        let mutable hasAliases = false
        let mutable nodes = 0L
        let mutable lastMark = Mark.Empty
        let mutable lastPath = YamlPath.Root

        /// What is missing at the end is missing behind the last word, not on an empty line below it.
        let length = text.AsSpan().TrimEnd().Length
        let place (mark: Mark) = positionIn starts length mark.Index
        let fault at path what = faults.Add { At = at; Path = path; What = what }

        let stop at path what =
            if not stopped then
                fault at path what
                stopped <- true

        /// Where the parser speaks of a tab it says at most in which value. What it has read is in order: in a block of text, or behind a word,
        /// tabs are. The first after it that stands in the white space before a line's words is the one.
        let indentingTab (mark: Mark) =
            let readTo = if isNull parser.Current then 0L else parser.Current.End.Index
            let after = max mark.Index readTo
            let rec inLine line =
                if line >= starts.Length then
                    ValueNone
                else
                    match text.AsSpan(starts[line]).IndexOfAnyExcept ' ' with
                    | -1 -> ValueNone
                    | spaces when text[starts[line] + spaces] = '\t' && int64 (starts[line] + spaces) >= after ->
                        ValueSome(positionIn starts text.Length (int64 (starts[line] + spaces)))
                    | _ -> inLine (line + 1)
            inLine ((positionIn starts text.Length after).Line - 1)

        /// The parser trips over an unquoted IPv6 address a token or a line late: it is looked for from the last good
        /// token to the end of the line in which the parser stopped.
        let malformed path (mark: Mark) (reason: string) =
            let first = starts[(place lastMark).Line - 1]
            let lastLine = max (place lastMark).Line (place mark).Line
            let until = if lastLine < starts.Length then starts[lastLine] else text.Length
            let found = unquotedIpv6 (text.Substring(first, min (until - first) 4096))
            if found.Success then
                stop (positionIn starts text.Length (int64 (first + found.Index))) lastPath YamlFault.UnquotedIpv6
            else
                let upTo = int (min mark.Index (int64 text.Length))
                let anchor = if reason.Contains "flow mapping" && upTo > first then anchoredWord (text.Substring(first, min (upTo - first) 4096)) else Match.Empty
                let isBareAsterisk = reason.Contains "anchor or alias" && mark.Index < int64 text.Length && text[int mark.Index] = '*'
                match (if reason.Contains " tab " then indentingTab mark else ValueNone) with
                | ValueSome at -> stop at path YamlFault.IndentingTab
                | ValueNone when anchor.Success -> stop (positionIn starts text.Length (int64 (first + anchor.Index))) path YamlFault.AnchorInBraces
                | ValueNone when isBareAsterisk -> stop (place mark) path (YamlFault.UnknownAnchor "")
                | ValueNone -> stop (place mark) path (YamlFault.Malformed reason)

        /// The next event, or null when the reading is over.
        let next path : ParsingEvent =
            if stopped then
                null
            else
                try
                    if parser.MoveNext() then
                        lastMark <- parser.Current.Start
                        lastPath <- path
                        parser.Current
                    else
                        null
                with
                | :? YamlException as e ->
                    malformed path e.Start e.Message
                    null
                // Whatever else the library throws over hostile text is that text's fault as well. The message is not
                // shown: unlike the parser's own it may quote the text.
                | _ ->
                    malformed path lastMark "the parser gave up"
                    null

        let nothing at =
            { Node = { At = at; Value = YamlValue.Null }; Weight = 1L; Height = 0 }

        let spend at path weight =
            nodes <- nodes + weight
            if nodes > int64 YamlLimit.maxNodes then stop at path YamlFault.TooManyNodes

        /// Explicit keys win over merged ones, and the first of several merged mappings over the later ones.
        let merge (entries: ResizeArray<YamlEntry>) (names: Dictionary<string, Position>) (path: YamlPath) (merged: YamlNode, isFaulty: bool) =
            let add (source: YamlNode) =
                match source.Value with
                | YamlValue.Mapping more ->
                    for entry in more do
                        if names.TryAdd(entry.Name, entry.NameAt) then entries.Add entry
                // What could not be read has been complained of.
                | _ -> if not isFaulty then fault source.At (path / "<<") YamlFault.MergeOfNoMapping
            match merged.Value with
            | YamlValue.Sequence sources -> Array.iter add sources
            | _ -> add merged

        let leaf path at (scalar: Scalar) =
            let measured value = { nothing at with Node = { At = at; Value = value } }
            let untagged () =
                match scalar.Value with
                | text when scalar.Style <> ScalarStyle.Plain || scalar.Tag.IsNonSpecific -> measured (YamlValue.Scalar(text, true))
                | ""
                | "~"
                | "null"
                | "Null"
                | "NULL" -> nothing at
                | text -> measured (YamlValue.Scalar(text, false))
            match coreTag scalar.Tag with
            | ValueSome "null" -> nothing at
            | ValueSome("int" | "float" | "bool") -> measured (YamlValue.Scalar(scalar.Value, false))
            | ValueSome "" -> untagged ()
            | ValueSome "str" -> measured (YamlValue.Scalar(scalar.Value, true))
            | _ ->
                // Read as it will be once the tag is removed: a second error, of the value, would often be of the tag too.
                fault at path (YamlFault.UnknownTag scalar.Tag.Value)
                untagged ()

        let collection path depth at (tag: TagName) ownTag =
            if depth > YamlLimit.maxNesting then stop at path YamlFault.TooDeep
            match coreTag tag with
            | ValueSome name when name = "" || name = ownTag -> ()
            | _ -> fault at path (YamlFault.UnknownTag tag.Value)

        /// The recursion is as deep as `YamlLimit.maxNesting` at most.
        let rec node (path: YamlPath) depth (event: ParsingEvent) : Measured =
            let at = place event.Start
            spend at path 1L
            match event with
            | :? AnchorAlias as alias ->
                let name = alias.Value.Value
                match anchors.TryGetValue name with
                | _ when opened.Contains name ->
                    fault at path (YamlFault.AliasOfItself name)
                    nothing at
                | true, target ->
                    hasAliases <- true
                    spend at path (target.Weight - 1L)
                    if depth + target.Height > YamlLimit.maxNesting then stop at path YamlFault.TooDeep
                    target
                | _ ->
                    fault at path (YamlFault.UnknownAnchor name)
                    nothing at
            | :? NodeEvent as event ->
                let anchor = if event.Anchor.IsEmpty then null else event.Anchor.Value
                if not (isNull anchor) then opened.Add anchor |> ignore
                let read =
                    match event with
                    | :? SequenceStart as start ->
                        collection path (depth + 1) at start.Tag "seq"
                        sequence path (depth + 1) at
                    | :? MappingStart as start ->
                        collection path (depth + 1) at start.Tag "map"
                        mapping path (depth + 1) at
                    | :? Scalar as scalar -> leaf path at scalar
                    | _ -> nothing at
                if not (isNull anchor) then
                    opened.Remove anchor |> ignore
                    anchors[anchor] <- read
                read
            | _ -> nothing at

        and sequence (path: YamlPath) depth at =
            let items = ResizeArray()
            let mutable weight, height = 1L, 0
            let mutable event = next path
            while not (isNull event || event :? SequenceEnd) do
                let item = node (path / items.Count) depth event
                items.Add item.Node
                weight <- weight + item.Weight
                height <- max height item.Height
                event <- next path
            { Node = { At = at; Value = YamlValue.Sequence(items.ToArray()) }; Weight = weight; Height = height + 1 }

        and mapping (path: YamlPath) depth at =
            let entries = ResizeArray()
            let names = Dictionary<string, Position>()
            let mutable merged = ValueNone
            let mutable weight, height = 1L, 0
            let mutable event = next path
            while not (isNull event || event :? MappingEnd) do
                let keyAt = place event.Start
                let isMerge =
                    match event with
                    | :? Scalar as key -> key.Value = "<<" && key.Style = ScalarStyle.Plain && key.Tag.IsEmpty
                    | _ -> false
                let faultsBefore = faults.Count
                let key = node path depth event
                let isFaulty = faults.Count > faultsBefore
                let name =
                    match key.Node.Value with
                    | _ when isFaulty -> null
                    | YamlValue.Scalar(text, _) -> text
                    | YamlValue.Null -> ""
                    | _ -> null
                let valuePath = if isNull name then path else path / name
                let faultsBeforeValue = faults.Count
                let value =
                    match next valuePath with
                    | null -> nothing keyAt
                    | event -> node valuePath depth event
                weight <- weight + key.Weight + value.Weight
                height <- max height (max key.Height value.Height)
                if isNull name then
                    if not isFaulty then fault keyAt path YamlFault.KeyIsNoText
                elif not (names.TryAdd(name, keyAt)) then
                    fault keyAt valuePath (YamlFault.DuplicateKey names[name].Line)
                elif isMerge then
                    merged <- ValueSome(value.Node, faults.Count > faultsBeforeValue)
                else
                    entries.Add { Name = name; NameAt = keyAt; Node = value.Node }
                event <- next path
            merged |> ValueOption.iter (merge entries names path)
            { Node = { At = at; Value = YamlValue.Mapping(entries.ToArray()) }; Weight = weight; Height = height + 1 }

        /// The first document. Where a second begins the reading ends, with the first one kept.
        let rec document (root: YamlNode) isRead =
            match next YamlPath.Root with
            | null -> root
            | :? DocumentStart as start when isRead ->
                fault (place start.Start) YamlPath.Root YamlFault.SecondDocument
                root
            | :? NodeEvent
            | :? AnchorAlias as event -> document ((node YamlPath.Root 0 event).Node) true
            | _ -> document root isRead

        member _.Run() : YamlDocument =
            let root = document ((nothing Position.Start).Node) false
            { Root = (if stopped then ValueNone else ValueSome root)
              HasAliases = hasAliases
              Faults = List.ofSeq faults }

    let private byteOrderMark = [| 0xEFuy; 0xBBuy; 0xBFuy |]

    let private refused at fault = { Root = ValueNone; HasAliases = false; Faults = [ { At = at; Path = YamlPath.Root; What = fault } ] }

    /// The tree of a file's bytes, or why there is none. Never throws.
    let read (bytes: ReadOnlySpan<byte>) : YamlDocument =
        if bytes.Length > FileLimit.maxBytes then
            refused Position.Start YamlFault.TooLarge
        else
            let bytes = if bytes.StartsWith(ReadOnlySpan byteOrderMark) then bytes.Slice 3 else bytes
            let chars = Array.zeroCreate<char> bytes.Length
            let mutable taken, written = 0, 0
            let status = Utf8.ToUtf16(bytes, chars.AsSpan(), &taken, &written, false, true)
            let text = String(chars, 0, written)
            let at (index: int) = positionIn (lineStarts text) text.Length (int64 index)
            match text.IndexOf '\000' with
            | -1 when status = OperationStatus.Done -> Reading(text).Run()
            | -1 -> refused (at written) (YamlFault.NotUtf8 bytes[taken])
            | nul -> refused (at nul) YamlFault.NulByte

    /// The same for text that is known to be text.
    let readString (text: string) : YamlDocument = read (ReadOnlySpan(Encoding.UTF8.GetBytes(if isNull text then "" else text)))
