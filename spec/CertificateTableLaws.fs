module Bitflow.Spec.CertificateTableLaws

open Xunit
open Bitflow.Domain

let private name text = match ServerName.tryCreate text with Ok n -> ValueSome n | Error _ -> ValueNone

[<Fact>]
let ``a client gets a certificate that names what it asked for, or the first`` () =
    let certificates = [ [ "first.example"; "*.shared.example" ]; [ "second.example"; "www.shared.example" ]; [ "*"; "*.second.example" ] ]
    let table = CertificateTable(certificates |> Seq.map Seq.ofList)
    Law.HoldsFor(
        [ "first.example", 0; "second.example", 1; "SECOND.example.", 1; "www.shared.example", 1; "other.shared.example", 0
          "a.second.example", 2; "a.b.second.example", 0; "unknown.example", 0; "1.2.3.4", 0; "", 0 ],
        fun (asked, index) -> table.Choose(name asked) = index)

[<Fact>]
let ``the certificate chosen exists, whatever the names`` () =
    Law.Holds(fun (certificates: ConfiguredNames list) (WrittenName asked) ->
        let names = certificates |> List.map (fun (ConfiguredNames list) -> Seq.ofList list)
        let index = CertificateTable(names).Choose(name asked)
        index = 0 || (index > 0 && index < names.Length))
