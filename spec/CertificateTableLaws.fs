module Bitflow.Spec.CertificateTableLaws

open Xunit
open Bitflow.Domain

let private name text = match ServerName.tryCreate text with Ok n -> ValueSome n | Error _ -> ValueNone
let private table certificates = CertificateTable [ for names, key in certificates -> { Names = names; Key = key } ]
let private ofOneKind certificates = table (certificates |> Seq.map (fun names -> names, ValueSome KeyKind.P256))
let private rsa, p256, p384, odd = ValueSome KeyKind.Rsa, ValueSome KeyKind.P256, ValueSome KeyKind.P384, ValueNone

[<Fact>]
let ``a client gets a certificate that names what it asked for, or the first`` () =
    let table = ofOneKind [ [ "first.example"; "*.shared.example" ]; [ "second.example"; "www.shared.example" ]; [ "*"; "*.second.example" ] ]
    Law.HoldsFor(
        [ "first.example", 0; "second.example", 1; "SECOND.example.", 1; "www.shared.example", 1; "other.shared.example", 0
          "a.second.example", 2; "a.b.second.example", 0; "unknown.example", 0; "1.2.3.4", 0; "", 0 ],
        fun (asked, index) -> List.forall (fun taken -> table.Choose(name asked, taken) = index) [ KeyKind.all; [ KeyKind.Rsa ]; [] ])

[<Fact>]
let ``of several certificates for a name a client gets the first whose key it takes, and of none of another name`` () =
    let table =
        table [ [ "a.example" ], p256; [ "a.example"; "b.example" ], rsa; [ "*.example" ], p384; [ "*.example" ], rsa; [ "c.example" ], odd; [ "d.other" ], rsa ]
    Law.HoldsFor(
        [ "a.example", KeyKind.all, 0; "a.example", [ KeyKind.Rsa ], 1; "A.example.", [ KeyKind.Rsa ], 1
          // The wildcard's, where those for the name itself will not do.
          "a.example", [ KeyKind.P384 ], 2; "b.example", [ KeyKind.P256 ], 1; "b.example", [ KeyKind.P384 ], 2
          "x.example", KeyKind.all, 2; "x.example", [ KeyKind.Rsa ], 3; "x.example", [ KeyKind.P256 ], 2
          "c.example", KeyKind.all, 2; "c.example", [ KeyKind.Rsa ], 3; "c.example", [], 4
          "a.example", [], 0; "d.other", [ KeyKind.P256 ], 5
          // Who asks for no name that there is gets one that has the first one's names.
          "", KeyKind.all, 0; "", [ KeyKind.Rsa ], 1; "unknown.net", [ KeyKind.Rsa ], 1; "1.2.3.4", [ KeyKind.Rsa ], 1; "", [ KeyKind.P384 ], 0 ],
        fun (asked, taken, index) -> table.Choose(name asked, taken) = index)

[<Fact>]
let ``the first certificate stands alone for clients that ask for no name, unless another has all of its names`` () =
    Law.HoldsFor(
        [ [ [ "a.example"; "b.example" ], p256; [ "a.example" ], rsa ], 0
          [ [ "a.example" ], p256; [ "b.example"; "a.example" ], rsa ], 1
          [ [ "A.example." ], p256; [ "a.example" ], rsa ], 1
          [ [ "*" ], p256; [ "a.example" ], rsa ], 0
          [ [], p256; [], rsa ], 0 ],
        fun (certificates, index) -> (table certificates).Choose(ValueNone, [ KeyKind.Rsa ]) = index)

[<Fact>]
let ``the certificate chosen exists, whatever the names`` () =
    Law.Holds(fun (certificates: (ConfiguredNames * KeyKind voption) list) (taken: KeyKind list) (WrittenName asked) ->
        let index = (table [ for ConfiguredNames names, key in certificates -> names, key ]).Choose(name asked, taken)
        index = 0 || (index > 0 && index < certificates.Length))

[<Fact>]
let ``a key that a client does not take is shown to it only where no certificate of the name has one that it takes`` () =
    Law.Holds(fun (certificates: (ConfiguredNames * KeyKind voption) list) (taken: KeyKind list) (WrittenName asked) ->
        let certificates = [ for ConfiguredNames names, key in certificates -> List.filter ((<>) "*") names, key ]
        let asked = name asked
        let names own = (NameTable own).BestMatch asked |> ValueOption.isSome
        let takes key = match key with ValueSome key -> List.contains key taken | ValueNone -> false
        let chosen = (table certificates).Choose(asked, taken)
        match List.filter (fst >> names) certificates with
        | [] -> true
        | some -> names (fst certificates[chosen]) && takes (snd certificates[chosen]) = List.exists (snd >> takes) some)

[<Fact>]
let ``only certificates that are listed as shown are shown, whoever asks for what`` () =
    Law.Holds(fun (certificates: (ConfiguredNames * KeyKind voption) list) (taken: KeyKind list) (WrittenName asked) ->
        let table = table [ for ConfiguredNames names, key in certificates -> names, key ]
        certificates.IsEmpty
        || (List.forall (fun (asked, taken) -> table.Shown.Contains(table.Choose(asked, taken))) [ name asked, KeyKind.all; name asked, List.truncate 1 taken; ValueNone, [] ]
            && table.ShownToMost.Contains(table.Choose(name asked, KeyKind.all))))
