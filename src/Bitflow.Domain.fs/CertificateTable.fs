namespace Bitflow.Domain

/// Which of a listener's certificates a client gets. Built once a configuration, of the names of each and the kind of its key (none: no usual client verifies it).
[<Sealed>]
type CertificateTable(certificates: struct (string list * KeyKind voption) seq) =
    let keys = certificates |> Seq.map (fun struct (_, key) -> key) |> Seq.toArray

    let owners, patterns =
        Seq.indexed certificates
        |> Seq.collect (fun (index, struct (names, _)) -> names |> Seq.map (fun name -> index, name))
        // A certificate for `*` is valid for no host (RFC 9525 section 6.3): it must not win over the first.
        |> Seq.filter (fun (_, name) -> name <> "*")
        |> Seq.toArray
        |> Array.unzip

    let table = NameTable patterns

    /// By the first place of a name, the certificates that have it.
    let bearers =
        readOnlyDict [ for places in NameTable.Alike patterns -> List.head places, [ for place in places -> owners[place] ] |> List.distinct ]

    /// The first certificate, and those that have all of its names as well: what is shown to who asks for no name that there is.
    let first =
        let bearersOf index = bearers.Values |> Seq.filter (List.contains index) |> Seq.map Set.ofList |> Seq.toList
        match bearersOf 0 with
        | [] -> [ 0 ]
        | bearers -> Set.intersectMany bearers |> Set.toList

    let isTaken (taken: KeyKind list) index =
        match keys[index] with
        | ValueSome key -> List.contains key taken
        | ValueNone -> false

    let best (taken: KeyKind list) (candidates: int list) = candidates |> List.tryFind (isTaken taken) |> Option.defaultValue (List.head candidates)

    /// All that come into question together for some client.
    let groups = first :: List.ofSeq bearers.Values

    let shownTo (kinds: KeyKind list list) = Set.ofList [ for group in groups do for taken in kinds -> best taken group ]

    /// Which of them some client gets.
    member _.Shown : Set<int> = if keys.Length = 0 then Set.empty else shownTo ([] :: List.map List.singleton KeyKind.all)

    /// Which of them a client gets that verifies every kind of key, as nearly all do.
    member _.ShownToMost : Set<int> = if keys.Length = 0 then Set.empty else shownTo [ KeyKind.all ]

    /// By the certificate's names: exact, then wildcard, then those of the first certificate; of several the first whose key the client takes, and the very first where it
    /// takes none. Always an index of the list given.
    member _.Choose(name: ServerName voption, taken: KeyKind list) : int =
        match table.Named name |> List.collect (fun place -> bearers[place]) with
        | [] -> if keys.Length = 0 then 0 else best taken first
        | candidates -> best taken candidates
