namespace Bitflow.Domain

/// Which of a listener's certificates a client gets. Built once a configuration.
[<Sealed>]
type CertificateTable(names: string seq seq) =
    let owners, patterns =
        Seq.indexed names
        |> Seq.collect (fun (index, names) -> names |> Seq.map (fun name -> index, name))
        // A certificate for `*` is valid for no host (RFC 9525 section 6.3): it must not win over the first.
        |> Seq.filter (fun (_, name) -> name <> "*")
        |> Seq.toArray
        |> Array.unzip
    let table = NameTable patterns

    /// Which of them some client gets; the first in any case.
    member _.Shown : Set<int> = Set.ofList (0 :: [ for place in NameTable.Matched patterns -> owners[place] ])

    /// By the certificate's names: exact, then wildcard, then the first certificate. Always an index of the list given.
    member _.Choose(name: ServerName voption) : int =
        match table.BestMatch name with
        | ValueSome index -> owners[index]
        | ValueNone -> 0
