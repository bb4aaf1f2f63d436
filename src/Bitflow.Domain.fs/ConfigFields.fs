namespace Bitflow.Domain

open System

/// The keys of a mapping and how its value is made of theirs.
[<NoComparison; NoEquality>]
type internal Fields<'T> =
    { Keys: Key list
      /// Names that are refused in words of their own.
      Retired: string list
      /// A delegate: to call a function of two arguments that returns a number would be compiled at every start (decision 10).
      Make: Func<Site, YamlEntry array, 'T> }

/// `mapping { let! a = … and! b = … return … }`: the keys are known without reading anything.
type internal MappingBuilder() =
    member _.MergeSources(a: Fields<'A>, b: Fields<'B>) : Fields<'A * 'B> =
        { Keys = a.Keys @ b.Keys
          Retired = a.Retired @ b.Retired
          Make = Func<_, _, _>(fun site entries -> a.Make.Invoke(site, entries), b.Make.Invoke(site, entries)) }

    /// Pairs alone would nest as deep as a mapping has keys: more than eleven levels are left to be compiled at every start.
    member _.MergeSources3(a: Fields<'A>, b: Fields<'B>, c: Fields<'C>) : Fields<'A * 'B * 'C> =
        { Keys = a.Keys @ b.Keys @ c.Keys
          Retired = a.Retired @ b.Retired @ c.Retired
          Make = Func<_, _, _>(fun site entries -> a.Make.Invoke(site, entries), b.Make.Invoke(site, entries), c.Make.Invoke(site, entries)) }

    member _.BindReturn(fields: Fields<'A>, make: 'A -> 'B) : Fields<'B> =
        { Keys = fields.Keys
          Retired = fields.Retired
          Make = Func<_, _, _>(fun site entries -> make (fields.Make.Invoke(site, entries))) }

/// Keys, and the mappings that are made of them.
[<AutoOpen>]
module internal Fields =
    let mapping = MappingBuilder()

    let private emptyMapping = { At = Position.Start; Value = YamlValue.Mapping [||] }

    /// What a mapping comes to when nothing is in it.
    let ofNothing (fields: Fields<'T>) =
        fields.Make.Invoke({ Node = emptyMapping; Path = YamlPath.Root; Findings = Findings() }, [||])

    let private schema (isFree: bool) (keys: Key list) =
        let required = keys |> List.filter _.IsRequired |> List.map (fun key -> Json.Text key.Name)
        let withDoc (key: Key) =
            match key.Schema.Value with
            | Json.Object members -> key.Name, Json.Object([ "description", Json.Text $"{key.Doc} If omitted: {key.IfOmitted}." ] @ members)
            | schema -> key.Name, schema
        Kind.schemaOf [
            "type", Json.Text "object"
            "properties", Json.Object(List.map withDoc keys)
            if isFree then "patternProperties", Json.Object [ "^x-", Json.Object [] ]
            if not required.IsEmpty then "required", Json.Array required
            "additionalProperties", Json.Boolean false
        ]

    /// A mapping of known keys; `isFree` says which other keys are let pass.
    let private recordWith (isFree: string -> bool) noun (fields: Fields<'T>) : Kind<'T> =
        let known = fields.Keys |> List.map _.Name
        let names = set (known @ fields.Retired)
        let standIn = ofNothing fields
        let example = match known with first :: _ -> $"{{{first}: …}}" | [] -> "{}"
        /// The key with which a text begins that is key and value to its writer: `address:":80"`, `address = ":80"`.
        let gluedKey (text: string) =
            known |> List.tryFind (fun key ->
                text.StartsWith(key, StringComparison.Ordinal) && (match text.Substring(key.Length).TrimStart ' ' with "" -> false | rest -> rest[0] = ':' || rest[0] = '='))
        { Form = "mapping"
          Noun = noun
          Example = example
          Schema = lazy schema (isFree "x-") fields.Keys
          StandIn = standIn
          EmptyIsOmitted = false
          IsSecret = false
          IsList = false
          Inner = fields.Keys
          Read =
            fun site ->
                match site.Node.Value with
                | YamlValue.Mapping entries ->
                    let value = fields.Make.Invoke(site, entries)
                    for entry in entries do
                        if not (names.Contains entry.Name || isFree entry.Name) then
                            match gluedKey entry.Name with
                            | Some key -> site.Findings.Wrong(entry.NameAt, site.Path / key, ConfigFault.NoBlankBehindColon key)
                            | None -> site.Findings.Wrong(entry.NameAt, site.Path / entry.Name, ConfigFault.UnknownKey(entry.Name, known))
                    value
                | value ->
                    let fault =
                        match (match value with YamlValue.Scalar(text, false) -> gluedKey text | _ -> None) with
                        | Some key -> ConfigFault.NoBlankBehindColon key
                        | None -> ConfigFault.WrongShape(Kind.shapeOf site.Node, $"a mapping ({noun})", example)
                    site.Fail fault
                    standIn }

    /// A key that is not known where it stands may have its place elsewhere: in those mappings that share most of the way with where it stands.
    let private explainUnknown (places: Lazy<Map<string, string list>>) (found: Found<ConfigFault>) =
        match found.What, found.Path with
        | ConfigFault.UnknownKey(name, known), YamlPath.Key(parent, _) ->
            let rec way path =
                match path with
                | YamlPath.Root -> []
                | YamlPath.Key(parent, name) -> way parent @ [ name ]
                | YamlPath.Element(parent, _) -> way parent
            let here = way parent
            let shared (place: string) =
                Seq.zip here (place.Replace("[]", "").Split '.') |> Seq.takeWhile (fun (a, b) -> a = b) |> Seq.length
            match places.Value.TryFind name with
            | None -> found
            | Some places ->
                let most = places |> List.map shared |> List.max
                { found with What = ConfigFault.MisplacedKey(name, known, List.filter (fun place -> shared place = most) places) }
        | _ -> found

    /// The value at the root of a file, which is a mapping: nothing at all is an empty one.
    let readRoot (kind: Kind<'T>) (site: Site) =
        let value =
            match site.Node.Value with
            | YamlValue.Null -> kind.Read { site with Node = emptyMapping }
            | _ -> kind.Read site
        let places =
            lazy
                (Key.places kind.Inner
                 |> List.filter (fun (place, _) -> place <> "")
                 |> List.groupBy (fun (_, key) -> key.Name)
                 |> List.map (fun (name, found) -> name, List.map fst found)
                 |> Map.ofList)
        let errors = site.Findings.Errors
        for i in 0 .. errors.Count - 1 do
            errors[i] <- explainUnknown places errors[i]
        value

    let record noun fields = recordWith (fun _ -> false) noun fields

    /// The file as a whole: keys that begin with `x-` are the writer's own, a home for anchors.
    let freeRecord noun fields =
        recordWith (fun name -> name.StartsWith("x-", StringComparison.Ordinal)) noun fields

    let private keyOf name (kind: Kind<'T>) ifOmitted doc : Key =
        { Name = name
          Form = kind.Form
          Schema = kind.Schema
          IfOmitted = ifOmitted
          Doc = doc
          IsRequired = false
          IsExtension = false
          IsSecret = kind.IsSecret
          IsList = kind.IsList
          Inner = kind.Inner }

    /// No key but where the mapping itself stands, for what is said of several of its keys.
    let here : Fields<Site> = { Keys = []; Retired = []; Make = Func<_, _, _>(fun site _ -> site) }

    let private find name (entries: YamlEntry array) =
        entries |> Array.tryFind (fun entry -> entry.Name = name)

    /// A key that must be there. Nothing, or an empty text, is as good as no key.
    let required name (kind: Kind<'T>) doc : Fields<'T> =
        { Keys = [ { keyOf name kind "error" doc with IsRequired = true } ]
          Retired = []
          Make =
            Func<_, _, _>(fun site entries ->
                let missing node =
                    { site with Node = node; Path = site.Path / name }.Fail(ConfigFault.Missing(name, kind.Example))
                    kind.StandIn
                match find name entries with
                | None -> missing site.Node
                | Some { Node = { Value = (YamlValue.Null | YamlValue.Scalar("", _)) } as node } -> missing node
                | Some entry -> kind.Read { site with Node = entry.Node; Path = site.Path / name }) }

    /// A key with a value for when it is omitted, as a value and in words.
    let optional name (kind: Kind<'T>) (omitted: 'T, inWords: string) doc : Fields<'T> =
        { Keys = [ keyOf name kind inWords doc ]
          Retired = []
          Make =
            Func<_, _, _>(fun site entries ->
                match find name entries with
                | None -> omitted
                | Some entry ->
                    let site = { site with Node = entry.Node; Path = site.Path / name }
                    match entry.Node.Value with
                    | YamlValue.Null ->
                        site.Warn ConfigWarning.Null
                        omitted
                    | YamlValue.Scalar("", _) when kind.EmptyIsOmitted -> omitted
                    // A list that something was to fill, perhaps.
                    | YamlValue.Sequence [||] ->
                        site.Warn(ConfigWarning.EmptyList inWords)
                        kind.Read site
                    | _ -> kind.Read site) }

    /// A key that the reference does not know.
    let extension name kind omitted doc : Fields<'T> =
        let field = optional name kind omitted doc
        { field with Keys = field.Keys |> List.map (fun key -> { key with IsExtension = true }) }

    /// A mapping whose keys are all optional, and so is the mapping.
    let section name noun (fields: Fields<'T>) doc : Fields<'T> =
        optional name (record noun fields) (ofNothing fields, "the defaults of its keys") doc

    /// A key of the reference that has no place here: known by its name, in order to say so. Where it says nothing there is nothing to refuse:
    /// the reference's own files write an empty text for none.
    let retired name remedy : Fields<unit> =
        { Keys = []
          Retired = [ name ]
          Make =
            Func<_, _, _>(fun site entries ->
                match find name entries with
                | None
                | Some { Node = { Value = YamlValue.Scalar("", _) } } -> ()
                | Some { Node = { Value = YamlValue.Null } as node } -> { site with Node = node; Path = site.Path / name }.Warn ConfigWarning.Null
                | Some entry ->
                    let fault = ConfigFault.Retired remedy
                    site.Findings.Wrong(entry.NameAt, site.Path / name, fault)) }
