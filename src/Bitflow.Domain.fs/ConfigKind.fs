namespace Bitflow.Domain

open System

/// Everything that is found while a file is read.
[<Sealed>]
type internal Findings() =
    let errors = ResizeArray<Found<ConfigFault>>()
    let warnings = ResizeArray<Found<ConfigWarning>>()
    member _.Errors = errors
    member _.Warnings = warnings
    member _.Wrong(at, path, fault) = errors.Add { At = at; Path = path; What = fault }
    member _.Doubtful(at, path, warning) = warnings.Add { At = at; Path = path; What = warning }

/// A value of the file, the path that led to it, and where to report what is wrong with it.
[<Struct; NoComparison; NoEquality>]
type internal Site =
    { Node: YamlNode
      Path: YamlPath
      Findings: Findings }

    member site.Fail fault = site.Findings.Wrong(site.Node.At, site.Path, fault)
    member site.Warn warning = site.Findings.Doubtful(site.Node.At, site.Path, warning)

/// What is said of one key wherever keys are listed: messages, the schema, the documentation.
[<NoComparison>]
type Key =
    { Name: string
      /// How the value is written, for people.
      Form: string
      /// How the value is written, for editors: nobody who serves asks for it.
      Schema: Lazy<Json>
      /// What holds when the key is left out; for a required key, that this is an error.
      IfOmitted: string
      Doc: string
      IsRequired: bool
      /// Not a key of the reference.
      IsExtension: bool
      /// Never quoted.
      IsSecret: bool
      IsList: bool
      /// The keys of a mapping, or of each mapping in a list.
      Inner: Key list }

[<RequireQualifiedAccess>]
module Key =
    /// Every key with the mapping that it stands in, in the order of the descriptions: `server.proxies[]`; empty for the file itself.
    let places (keys: Key list) : (string * Key) list =
        let rec under (place: string) (keys: Key list) =
            [ for key in keys do
                  place, key
                  yield! under ((if place = "" then "" else place + ".") + key.Name + (if key.IsList then "[]" else "")) key.Inner ]
        under "" keys

/// One kind of value: how it is written, described and read. Reading always gives a value: where the written one is
/// not usable the fault is noted and a stand-in goes on in its place, so that one reading finds every fault. A
/// stand-in is chosen so that no rule between keys complains of it.
[<NoComparison; NoEquality>]
type internal Kind<'T> =
    { /// For tables: `duration`.
      Form: string
      /// For sentences: `a duration`.
      Noun: string
      /// As it would be written behind its key.
      Example: string
      Schema: Lazy<Json>
      StandIn: 'T
      /// As in the reference, whose texts cannot be told from omitted ones when they are empty.
      EmptyIsOmitted: bool
      IsSecret: bool
      IsList: bool
      Inner: Key list
      Read: Site -> 'T }

/// Kinds of values that any file may have, and what makes one kind of another.
[<RequireQualifiedAccess>]
module internal Kind =
    let shapeOf node =
        match node.Value with
        | YamlValue.Null -> "nothing stands"
        | YamlValue.Scalar _ -> "a plain value stands"
        | YamlValue.Sequence _ -> "a list stands"
        | YamlValue.Mapping _ -> "a mapping stands"

    let private wrongShape (kind: Kind<'T>) (site: Site) =
        site.Fail(ConfigFault.WrongShape(shapeOf site.Node, kind.Noun, kind.Example))
        kind.StandIn

    /// Text of one line. A NUL in a path, or an escape sequence in a name that is logged, is never meant. What else `Shown` escapes may be,
    /// such as a joiner between letters, and is let in.
    let private unprintable (text: string) =
        text |> Seq.tryFind (fun c -> Char.IsControl c || c = '\u2028' || c = '\u2029')

    let schemaOf (names: (string * Json) list) = Json.Object names
    let textSchema = lazy schemaOf [ "type", Json.Text "string" ]

    let pattern (regex: string) =
        schemaOf [ "type", Json.Text "string"; "pattern", Json.Text regex ]

    let enumeration (values: Json list) = schemaOf [ "enum", Json.Array values ]

    /// A kind that is one scalar, decoded from its text. `ifQuoted` says what is wrong with one that is quoted, where it may not be.
    let private scalarOr (ifQuoted: (string -> ConfigFault) voption) form noun example schema standIn (decode: string -> Result<'T, ConfigFault>) : Kind<'T> =
        let kind =
            { Form = form
              Noun = noun
              Example = example
              Schema = schema
              StandIn = standIn
              EmptyIsOmitted = false
              IsSecret = false
              IsList = false
              Inner = []
              Read = fun _ -> standIn }
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Scalar(text, quoted) ->
                let decoded =
                    match unprintable text, ifQuoted with
                    | Some c, _ -> Error(ConfigFault.Unprintable(int c, false))
                    | None, ValueSome fault when quoted -> Error(fault text)
                    | None, _ -> decode text
                match decoded with
                | Ok value -> value
                | Error fault ->
                    site.Fail fault
                    standIn
            | _ -> wrongShape kind site
        { kind with Read = read }

    /// One scalar, quoted or not.
    let scalar form noun example schema standIn decode : Kind<'T> = scalarOr ValueNone form noun example schema standIn decode

    let private readAs (read: Site -> 'U) standIn (kind: Kind<'T>) : Kind<'U> =
        { Form = kind.Form
          Noun = kind.Noun
          Example = kind.Example
          Schema = kind.Schema
          StandIn = standIn
          EmptyIsOmitted = kind.EmptyIsOmitted
          IsSecret = kind.IsSecret
          IsList = kind.IsList
          Inner = kind.Inner
          Read = read }

    /// The same kind for the file, another value for the configuration.
    let refine (f: Site -> 'T -> 'U) standIn (kind: Kind<'T>) : Kind<'U> = kind |> readAs (fun site -> f site (kind.Read site)) standIn

    let map f (kind: Kind<'T>) : Kind<'U> = kind |> readAs (fun site -> f (kind.Read site)) (f kind.StandIn)

    let some kind = map Some kind

    let emptyIsOmitted (kind: Kind<'T>) = { kind with EmptyIsOmitted = true }

    let notEmpty noun example decode (text: string) =
        if text = "" then Error(ConfigFault.Empty(noun, example)) else decode text

    /// Numbers and booleans are text too where text belongs.
    let textOrNumber () = Json.Array [ Json.Text "string"; Json.Text "number"; Json.Text "boolean" ]

    /// Any text.
    let text form noun example standIn : Kind<string> =
        scalar form noun example (lazy schemaOf [ "type", textOrNumber () ]) standIn
            (notEmpty noun example Ok)
        |> emptyIsOmitted

    /// One of several words.
    let choice (words: (string * 'T) list) : Kind<'T> =
        let names = List.map fst words
        let form = names |> List.map (fun name -> $"`{name}`") |> String.concat " "
        // To an editor `1.2` is a number where it is not quoted. An empty text is as good as no key.
        let schema =
            lazy
                enumeration [
                    for name in "" :: names do
                        Json.Text name
                        match Decimal.TryParse(name, Globalization.CultureInfo.InvariantCulture) with
                        | true, number -> Json.Number number
                        | _ -> ()
                ]
        scalar form $"one of {ConfigFault.choices names}" (List.head names) schema (snd (List.head words)) (fun text ->
            match words |> List.tryFind (fun (name, _) -> name = text) with
            | Some(_, value) -> Ok value
            | None -> Error(ConfigFault.NotAChoice(text, names)))
        |> emptyIsOmitted

    /// YAML 1.1's booleans that 1.2 made words: editors, which speak 1.2, see text.
    let private trueWords = [ "yes"; "Yes"; "YES"; "on"; "On"; "ON"; "y"; "Y" ]
    let private falseWords = [ "no"; "No"; "NO"; "off"; "Off"; "OFF"; "n"; "N" ]

    /// However YAML writes it.
    let isTrue (word: string) = List.contains word ("true" :: "True" :: "TRUE" :: trueWords)

    let boolean : Kind<bool> =
        let schema = lazy enumeration (Json.Boolean true :: Json.Boolean false :: (trueWords @ falseWords |> List.map Json.Text))
        scalarOr (ValueSome ConfigFault.NotBoolean) "`true` or `false`" "a boolean" "true" schema false (fun text ->
            match text with
            | word when isTrue word -> Ok true
            | "false" | "False" | "FALSE" -> Ok false
            | word when List.contains word falseWords -> Ok false
            | _ -> Error(ConfigFault.NotBoolean text))

    /// Decimal digits alone: `017`, `0x1F` and `1_000` are different numbers to different readers of YAML.
    let integer least most : Kind<int> =
        let form = if most = Int32.MaxValue then "integer ≥ " + string<int> least else "integer, " + string<int> least + " to " + string<int> most
        let schema = lazy schemaOf [ "type", Json.Text "integer"; "minimum", Json.Number(decimal least); "maximum", Json.Number(decimal most) ]
        let ifQuoted text = ConfigFault.NotInteger(text, true)
        scalarOr (ValueSome ifQuoted) form "a whole number" (string<int> (least + 3)) schema least (fun text ->
            let digits = text.TrimStart('-', '+')
            let isDecimal =
                digits <> ""
                && text.Length - digits.Length <= 1
                && String.forall Char.IsAsciiDigit digits
                && (digits.Length = 1 || digits[0] <> '0')
            if not isDecimal then
                Error(ConfigFault.NotInteger(text, false))
            else
                match Int32.TryParse text with
                | true, number when number >= least && number <= most -> Ok number
                | _ -> Error(ConfigFault.OutOfRange(text, least, most)))

    /// A kind whose values stand in no message.
    let secret (kind: Kind<'T>) =
        let read (site: Site) =
            let findings = Findings()
            let value = kind.Read { site with Findings = findings }
            for found in findings.Errors do
                site.Fail(
                    match found.What with
                    | ConfigFault.Unprintable(code, _) -> ConfigFault.Unprintable(code, true)
                    | fault -> fault
                )
            value
        { kind with IsSecret = true; Read = read }

    /// A list; one that is left out is empty.
    let private listOf least (kind: Kind<'T>) : Kind<'T list> =
        let schema =
            lazy
                schemaOf [
                    "type", Json.Text "array"
                    "items", kind.Schema.Value
                    if least > 0 then "minItems", Json.Number(decimal least)
                ]
        let list =
            { Form = $"list: {kind.Form}"
              Noun = "a list"
              Example = $"[{kind.Example}]"
              Schema = schema
              StandIn = []
              EmptyIsOmitted = false
              IsSecret = kind.IsSecret
              IsList = true
              Inner = kind.Inner
              Read = fun _ -> [] }
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Sequence items ->
                if items.Length < least then site.Fail(ConfigFault.NoEntry kind.Noun)
                [ for i in 0 .. items.Length - 1 do
                      let item = { site with Node = items[i]; Path = site.Path / i }
                      match items[i].Value with
                      | YamlValue.Null ->
                          item.Fail(ConfigFault.EmptyEntry(kind.Noun, kind.Example))
                          kind.StandIn
                      | _ -> kind.Read item ]
            | _ -> wrongShape list site
        { list with Read = read }

    let list kind = listOf 0 kind
    let nonEmptyList kind = listOf 1 kind

    /// A list of which a single entry may stand alone.
    let listOrOne (kind: Kind<'T>) : Kind<'T list> =
        let several = list kind
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Scalar _ -> [ kind.Read site ]
            | _ -> several.Read site
        { several with
            Form = $"{several.Form}, or one"
            Schema = lazy schemaOf [ "anyOf", Json.Array [ kind.Schema.Value; several.Schema.Value ] ]
            Read = read }
