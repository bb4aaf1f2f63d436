namespace Bitflow.Domain

open System
open System.Collections.Generic

/// Configured names by their place in a list, looked up by server name: the exact name, else the wildcard, else `*`.
/// Built once a configuration; of a name that occurs twice the first counts. A wildcard covers exactly one label, so
/// at most one suffix can match a name, and it is the longest there is.
[<Sealed>]
type NameTable(names: string seq) =
    let exact = Dictionary<string, int>(StringComparer.Ordinal)
    let suffixes = Dictionary<string, int>(StringComparer.Ordinal)
    let mutable any = -1

    do
        names
        |> Seq.iteri (fun index name ->
            match ServerName.tryPattern name with
            | ValueSome(NamePattern.Exact name) -> exact.TryAdd(name, index) |> ignore
            | ValueSome(NamePattern.Wildcard suffix) -> suffixes.TryAdd(suffix, index) |> ignore
            | ValueSome NamePattern.Any -> if any < 0 then any <- index
            | ValueNone -> ())

    let found (table: Dictionary<string, int>) key =
        match table.TryGetValue key with
        | true, index -> ValueSome index
        | _ -> ValueNone

    let byItself (name: ServerName) = if name.IsLiteral then ValueNone else found exact name.Text

    let byWildcard (name: ServerName) =
        match name.Text.IndexOf '.' with
        | dot when dot > 0 && not name.IsLiteral -> found suffixes (name.Text.Substring(dot + 1))
        | _ -> ValueNone

    let named (name: ServerName) = byItself name |> ValueOption.orElseWith (fun () -> byWildcard name)

    /// The places of names that stand for the same, in their order; none of a name that stands for nothing.
    static member Alike(names: string seq) : IReadOnlyList<ResizeArray<int>> =
        let groups = ResizeArray<ResizeArray<int>>()
        let byPattern = Dictionary<NamePattern, ResizeArray<int>>()
        let mutable index = 0
        for name in names do
            match ServerName.tryPattern name with
            | ValueSome pattern ->
                match byPattern.TryGetValue pattern with
                | true, group -> group.Add index
                | _ ->
                    let group = ResizeArray()
                    group.Add index
                    byPattern.Add(pattern, group)
                    groups.Add group
            | ValueNone -> ()
            index <- index + 1
        groups

    /// The places of the names that are the best match for some server name: of those that stand for the same thing the first, and none that stands for nothing.
    static member Matched(names: string seq) : int list = [ for places in NameTable.Alike names -> places[0] ]

    /// The place of the name itself, and that of the wildcard that stands for it; `*` is neither.
    member _.Named(name: ServerName) : struct (int voption * int voption) = struct (byItself name, byWildcard name)

    /// The place of the best match; no name and address literals match only `*`.
    member _.BestMatch(name: ServerName voption) : int voption =
        match ValueOption.bind named name with
        | ValueSome index -> ValueSome index
        | ValueNone -> if any >= 0 then ValueSome any else ValueNone
