namespace Bitflow.Domain

open System.Collections.Generic

/// Secrets that an alias brings to keys whose values are shown: in messages, in the log, as names in metrics. Not even a fault of such a value may be told by what it is.
[<Sealed>]
type internal SharedSecrets private (faults: Found<ConfigFault> list, places: HashSet<Position>, texts: HashSet<string>) =
    /// Nothing is shared.
    static member None = SharedSecrets([], HashSet(), HashSet())

    /// One for each place that a walk through the file meets.
    member _.Faults = faults

    /// Whether a fault follows from one of these. What is said of a secret key itself never tells its value, and stands.
    member _.Explain(found: Found<ConfigFault>) =
        let rec anyName (isSought: string -> bool) path =
            match path with
            | YamlPath.Root -> false
            | YamlPath.Key(parent, name) -> isSought name || anyName isSought parent
            | YamlPath.Element(parent, _) -> anyName isSought parent
        match found.What with
        | ConfigFault.SharedSecret -> false
        | _ ->
            anyName texts.Contains found.Path
            || (places.Contains found.At && not (anyName (fun name -> (ConfigFault.secretIn name).IsSome) found.Path))

    /// Of a whole file. Every node is looked at once, however many aliases lead to it.
    static member In(root: YamlNode) : SharedSecrets =
        let nodes, places, texts = HashSet<YamlNode>(), HashSet<Position>(), HashSet<string>()
        /// A proxy without credentials is no secret: nothing in it has an `@`.
        let isSecretText (text: string) = text.Contains '@'
        let children (node: YamlNode) =
            match node.Value with
            | YamlValue.Sequence items -> List.ofArray items
            | YamlValue.Mapping entries -> [ for entry in entries -> entry.Node ]
            | YamlValue.Null
            | YamlValue.Scalar _ -> []
        let ownTexts (node: YamlNode) =
            match node.Value with
            | YamlValue.Scalar(text, _) -> [ text ]
            | YamlValue.Mapping entries -> [ for entry in entries -> entry.Name ]
            | YamlValue.Sequence _
            | YamlValue.Null -> []
        let beneath (top: YamlNode) =
            let seen, ahead = HashSet<YamlNode>(), Stack<YamlNode>()
            ahead.Push top
            while ahead.Count > 0 do
                let node = ahead.Pop()
                if seen.Add node then
                    for child in children node do ahead.Push child
            seen
        let keep (value: YamlNode) =
            let all = beneath value
            if all |> Seq.exists (ownTexts >> List.exists isSecretText) then
                for node in all do
                    nodes.Add node |> ignore
                    places.Add node.At |> ignore
                    for text in ownTexts node do if isSecretText text then texts.Add text |> ignore
                    match node.Value with
                    | YamlValue.Mapping entries -> for entry in entries do places.Add entry.NameAt |> ignore
                    | _ -> ()
        for node in beneath root do
            match node.Value with
            | YamlValue.Mapping entries -> for entry in entries do if (ConfigFault.secretIn entry.Name).IsSome then keep entry.Node
            | _ -> ()
        let faults = ResizeArray<Found<ConfigFault>>()
        let seen, ahead = HashSet<YamlNode>(), Stack<struct (YamlPath * YamlNode)>()
        ahead.Push(struct (YamlPath.Root, root))
        while ahead.Count > 0 do
            let struct (path, node) = ahead.Pop()
            if nodes.Contains node then
                faults.Add { At = node.At; Path = path; What = ConfigFault.SharedSecret }
            elif seen.Add node then
                match node.Value with
                | YamlValue.Sequence items -> items |> Array.iteri (fun i item -> ahead.Push(struct (path / i, item)))
                | YamlValue.Mapping entries ->
                    for entry in entries do
                        // What begins with `x-` at the top is the writer's own, a home for anchors.
                        let isHome = path = YamlPath.Root && entry.Name.StartsWith("x-", System.StringComparison.Ordinal)
                        if texts.Contains entry.Name then faults.Add { At = entry.NameAt; Path = path; What = ConfigFault.SharedSecret }
                        elif not isHome && (ConfigFault.secretIn entry.Name).IsNone then ahead.Push(struct (path / entry.Name, entry.Node))
                | YamlValue.Null
                | YamlValue.Scalar _ -> ()
        SharedSecrets(List.ofSeq faults, places, texts)
