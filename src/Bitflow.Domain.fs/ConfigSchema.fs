namespace Bitflow.Domain

open System
open System.Text

/// The descriptions of the keys, for editors and for people.
[<Sealed; AbstractClass>]
type ConfigSchema =
    /// A JSON Schema (draft 2020-12) of the configuration file, as text.
    static member JsonSchema =
        let about =
            [ "$schema", Json.Text "https://json-schema.org/draft/2020-12/schema"
              "title", Json.Text "Bitflow configuration" ]
        match ConfigKeys.schema with
        | Json.Object members -> Json.format (Json.Object(about @ members))
        | schema -> Json.format schema

    /// Every key with its path, in the order of the descriptions: `server.proxies[].name`.
    static member Keys: (string * Key) list =
        let rec under (prefix: string) (keys: Key list) =
            [ for key in keys do
                  let path = prefix + key.Name + (if key.IsList then "[]" else "")
                  path, key
                  yield! under (path + ".") key.Inner ]
        under "" ConfigKeys.all

    /// The table of all keys that hold a value, in Markdown.
    static member MarkdownTable =
        let table = StringBuilder()
        let add (line: string) = table.Append(line).Append('\n') |> ignore
        let cell (text: string) = text.Replace("|", "\\|", StringComparison.Ordinal)
        add "| Key | Form | If omitted | |"
        add "|---|---|---|---|"
        for path, key in ConfigSchema.Keys do
            let marks =
                [ if key.IsExtension then "**ext**"
                  if key.IsSecret then "**secret**" ]
                |> String.concat " "
            let name = if marks = "" then $"`{path}`" else $"`{path}` {marks}"
            add $"| {name} | {cell key.Form} | {cell key.IfOmitted} | {cell key.Doc} |"
        table.ToString()
