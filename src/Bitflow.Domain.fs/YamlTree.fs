namespace Bitflow.Domain

open System
open System.Collections.Generic
open System.Text

/// A place in a file, as editors count it: lines and columns from 1, a column being one UTF-16 unit.
[<Struct>]
type Position =
    { Line: int
      Column: int }

    static member Start = { Line = 1; Column = 1 }

/// Where in the tree a value stands: `server.proxies[0].name`.
[<RequireQualifiedAccess>]
type YamlPath =
    | Root
    | Key of parent: YamlPath * name: string
    | Element of parent: YamlPath * index: int

    static member (/)(parent, name) = Key(parent, name)
    static member (/)(parent, index) = Element(parent, index)

    /// The whole file is `file`; a key that is no plain word is quoted.
    override this.ToString() =
        let shown (name: string) =
            let isWord = name <> "" && name |> String.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '_' || c = '-')
            if isWord then name else $"\"{name}\""
        let rec write (text: StringBuilder) path : StringBuilder =
            match path with
            | Root -> text
            | Key(Root, name) -> text.Append(shown name)
            | Key(parent, name) -> (write text parent).Append('.').Append(shown name)
            | Element(parent, index) -> (write text parent).Append('[').Append(index).Append(']')
        match this with
        | Root -> "file"
        | _ -> (write (StringBuilder()) this).ToString()

[<RequireQualifiedAccess>]
module YamlPath =
    /// The path that a plain text names. Keys are plain words: none that Bitflow knows needs quotes.
    let parse (text: string) =
        let step (path: YamlPath) (part: string) =
            match part.Split('[', 2) with
            | [| name; index |] ->
                let path = path / name
                match Int32.TryParse(index.TrimEnd ']') with
                | true, index -> path / index
                | _ -> path
            | _ -> path / part
        if text = "" || text = "file" then YamlPath.Root
        else text.Split '.' |> Array.fold step YamlPath.Root

/// A value of the file and where it begins. What an alias stands for keeps the place where it is written.
[<NoComparison; ReferenceEquality>]
type YamlNode = { At: Position; Value: YamlValue }

and [<RequireQualifiedAccess; NoComparison; ReferenceEquality>] YamlValue =
    /// Nothing, `~`, or `null`.
    | Null
    /// A quoted scalar (or a block, or one tagged `!!str`) is text whatever it looks like.
    | Scalar of text: string * quoted: bool
    | Sequence of YamlNode array
    /// In the order of the file, each name once; merged entries (`<<`) stand last.
    | Mapping of YamlEntry array

and [<NoComparison; ReferenceEquality>] YamlEntry =
    { Name: string
      NameAt: Position
      Node: YamlNode }

/// Something that was found at a place of a file. Not a tuple: generic code for tuples of values is left to be compiled at every start.
[<NoComparison; NoEquality>]
type Found<'T> =
    { At: Position
      Path: YamlPath
      What: 'T }

[<RequireQualifiedAccess>]
module YamlTree =
    /// What stands at a path of the tree, where all of it exists. Every step is looked for once, however many paths go by it: a mapping may have thousands of keys.
    let finderIn (root: YamlNode) : YamlPath -> YamlNode voption =
        let known = Dictionary<YamlPath, YamlNode voption>()
        let rec find path =
            match known.TryGetValue path with
            | true, found -> found
            | _ ->
                let found = look path
                known[path] <- found
                found
        and look path =
            match path with
            | YamlPath.Root -> ValueSome root
            | YamlPath.Key(parent, name) ->
                match find parent with
                | ValueSome { Value = YamlValue.Mapping entries } ->
                    match entries |> Array.tryFind (fun entry -> entry.Name = name) with
                    | Some entry -> ValueSome entry.Node
                    | None -> ValueNone
                | _ -> ValueNone
            | YamlPath.Element(parent, index) ->
                match find parent with
                | ValueSome { Value = YamlValue.Sequence items } when index >= 0 && index < items.Length -> ValueSome items[index]
                | _ -> ValueNone
        find
