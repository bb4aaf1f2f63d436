namespace Bitflow.Spec

open System
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// A server name as a client may write it: mixed case, perhaps a trailing dot, perhaps an address literal.
type WrittenName = WrittenName of string

/// Names as operators configure them: exact, wildcards, `*`, and some that can never match.
type ConfiguredNames = ConfiguredNames of string list

/// Generators for the chapters on TLS.
type TlsGenerators =
    // Few labels, so that names and patterns meet often.
    static member private Label = Gen.elements [ "a"; "b"; "www"; "EXAMPLE"; "example"; "com"; "x-1"; "_dmarc"; "xn--bcher-kva"; "1" ]

    static member WrittenName() : Arbitrary<WrittenName> =
        let dotted = Gen.choose (1, 4) |> Gen.bind (fun n -> Gen.listOfLength n TlsGenerators.Label) |> Gen.map (String.concat ".")
        let trailing = Gen.frequency [ 3, Gen.constant ""; 1, Gen.constant "." ]
        Gen.frequency [ 9, dotted; 1, Gen.elements [ "1.2.3.4"; "127.0.0.1" ] ]
        |> Gen.map2 (fun dot name -> WrittenName(name + dot)) trailing
        |> Arb.fromGen

    static member ConfiguredNames() : Arbitrary<ConfiguredNames> =
        let name = TlsGenerators.WrittenName().Generator |> Gen.map (fun (WrittenName n) -> n)
        Gen.frequency [ 4, name; 4, Gen.map (fun n -> "*." + n) name; 1, Gen.elements [ "*"; ""; "a b"; "*.*.com"; "bücher.de"; "::1" ] ]
        |> Gen.listOf
        |> Gen.map ConfiguredNames
        |> Arb.fromGen
