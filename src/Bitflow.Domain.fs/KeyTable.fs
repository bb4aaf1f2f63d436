namespace Bitflow.Domain

open System
open System.Text

/// The keys of a file as people look them up.
[<RequireQualifiedAccess>]
module KeyTable =
    /// Every key with its path, in the order of the descriptions: `server.proxies[].name`.
    let paths (keys: Key list) : (string * Key) list =
        [ for place, key in Key.places keys do
              (if place = "" then "" else place + ".") + key.Name + (if key.IsList then "[]" else ""), key ]

    /// The table of all keys that hold a value, in Markdown.
    let markdown (keys: Key list) : string =
        let table = StringBuilder()
        let add (line: string) = table.Append(line).Append('\n') |> ignore
        let cell (text: string) = text.Replace("|", "\\|", StringComparison.Ordinal)
        add "| Key | Form | If omitted | |"
        add "|---|---|---|---|"
        for path, key in paths keys do
            let marks =
                [ if key.IsExtension then "**ext**"
                  if key.IsSecret then "**secret**" ]
                |> String.concat " "
            let name = if marks = "" then $"`{path}`" else $"`{path}` {marks}"
            add $"| {name} | {cell key.Form} | {cell key.IfOmitted} | {cell key.Doc} |"
        table.ToString()
