namespace Bitflow.Domain

open System.Collections.Generic

/// A certificate as far as a listener chooses by it.
type CertificateChoice =
    { Names: string list
      /// None: of a kind that no usual client verifies.
      Key: KeyKind voption }

/// Which of a listener's certificates a client gets. Built once a configuration.
// At every start, before the first connection: loops, for what sequences and functions of the library are made of here would be compiled then (docs/decisions/0010-runtime-settings.md).
[<Sealed>]
type CertificateTable(certificates: IReadOnlyList<CertificateChoice>) =
    let owners = ResizeArray<int>()
    let patterns = ResizeArray<string>()

    do
        for index in 0 .. certificates.Count - 1 do
            for name in certificates[index].Names do
                // A certificate for `*` is valid for no host (RFC 9525 section 6.3): it must not win over the first.
                if name <> "*" then
                    owners.Add index
                    patterns.Add name

    let table = NameTable patterns

    /// All that have a name, by the first place of the name; in their order.
    let bearers = Dictionary<int, int array>()

    /// The same without the places.
    let groups = ResizeArray<int array>()

    do
        for places in NameTable.Alike patterns do
            let own = ResizeArray<int>()
            // Places ascend, and their owners with them.
            for place in places do
                if own.Count = 0 || own[own.Count - 1] <> owners[place] then own.Add owners[place]
            groups.Add(own.ToArray())
            bearers.Add(places[0], groups[groups.Count - 1])

    /// The first certificate, and those that have all of its names as well: what is shown to who asks for no name that there is.
    let first =
        let named = groups.FindAll(fun own -> own[0] = 0)
        if certificates.Count = 0 then [||]
        elif named.Count = 0 then [| 0 |]
        else named[0] |> Array.filter (fun index -> named.TrueForAll(fun own -> System.MemoryExtensions.BinarySearch<int, int>(System.ReadOnlySpan own, index) >= 0))

    let isTaken (taken: KeyKind list) index =
        match certificates[index].Key with
        | ValueSome key -> List.contains key taken
        | ValueNone -> false

    /// The first of them whose key is taken; -1: there is none.
    let tryTaken (taken: KeyKind list) (candidates: int array) =
        let mutable found = -1
        for index in candidates do
            if found < 0 && isTaken taken index then found <- index
        found

    let best (taken: KeyKind list) (candidates: int array) =
        match tryTaken taken candidates with
        | -1 -> candidates[0]
        | index -> index

    let shownTo (kinds: KeyKind list list) =
        set [ for group in Seq.append [ first ] groups do
                  if group.Length > 0 then
                      for taken in kinds -> best taken group ]

    let bearersOf (place: int voption) =
        match place with
        | ValueSome place -> bearers[place]
        | ValueNone -> [||]

    /// Which of them some client gets.
    member _.Shown : Set<int> = shownTo ([] :: List.map List.singleton KeyKind.all)

    /// Which of them a client gets that verifies every kind of key, as nearly all do.
    member _.ShownToMost : Set<int> = shownTo [ KeyKind.all ]

    /// By the certificate's names: exact, then wildcard, then those of the first certificate; of several the first whose key the client takes, and the very first where it
    /// takes none. Always an index of the list given.
    member _.Choose(name: ServerName voption, taken: KeyKind list) : int =
        let struct (exact, wildcard) = match name with ValueSome name -> table.Named name | ValueNone -> struct (ValueNone, ValueNone)
        match Array.append (bearersOf exact) (bearersOf wildcard) with
        | [||] when first.Length = 0 -> 0
        | [||] -> best taken first
        | candidates -> best taken candidates
