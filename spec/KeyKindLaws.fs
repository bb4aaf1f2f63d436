module Bitflow.Spec.KeyKindLaws

open Xunit
open Bitflow.Domain

let private rsa, p256, p384, p521 = KeyKind.Rsa, KeyKind.P256, KeyKind.P384, KeyKind.P521

let private hello versions signatures suites groups : ClientHello =
    { ServerName = ValueNone
      ApplicationProtocols = []
      Versions = versions
      Groups = groups
      KeyShares = []
      SignatureAlgorithms = signatures
      CipherSuites = suites }

[<Fact>]
let ``in TLS 1.3 a client says of each curve and of RSA whether it verifies signatures of it`` () =
    Law.HoldsFor(
        [ [ 0x0403us ], [ p256 ]; [ 0x0503us ], [ p384 ]; [ 0x0603us ], [ p521 ]
          [ 0x0804us ], [ rsa ]; [ 0x0805us ], [ rsa ]; [ 0x0806us ], [ rsa ]
          [ 0x7a7aus; 0x0804us; 0x0603us; 0x0403us ], [ rsa; p256; p521 ]
          // PKCS #1 and SHA-1 are for certificates and for TLS 1.2; rsa_pss_pss goes with keys that no listener has; ed25519 neither.
          [ 0x0401us; 0x0201us; 0x0203us; 0x0809us; 0x0807us ], []
          [], [] ],
        fun (signatures, kinds) ->
            // Nothing else of the hello says anything of it.
            List.forall
                (fun (versions, groups) -> KeyKind.verifiableBy (hello versions signatures [] groups) = kinds)
                [ [ 0x0304us ], []; [ 0x7a7aus; 0x0304us; 0x0303us ], [ 0x001dus ]; [ 0x0303us; 0x0304us ], [ 0x0017us ] ])

[<Fact>]
let ``in TLS 1.2 signature, suite and curve must go together`` () =
    let both, ofRsa, ofEcdsa = [ 0xc02bus; 0xc02fus ], [ 0xc030us ], [ 0xc02cus ]
    Law.HoldsFor(
        [ [ 0x0401us; 0x0403us ], both, [], KeyKind.all
          [ 0x0401us; 0x0403us ], both, [ 0x001dus; 0x0017us ], [ rsa; p256 ]
          [ 0x0503us ], both, [ 0x0018us; 0x0019us ], [ p384; p521 ]
          [ 0x0401us ], both, [], [ rsa ]
          [ 0x0806us ], ofRsa, [ 0x0017us ], [ rsa ]
          [ 0x0401us; 0x0403us ], ofRsa, [], [ rsa ]
          [ 0x0401us; 0x0403us ], ofEcdsa, [], [ p256; p384; p521 ]
          [ 0x0401us; 0x0403us ], ofEcdsa, [ 0x001dus ], []
          // Who says nothing of signatures may verify any.
          [], both, [], KeyKind.all
          // SHA-1 alone is no longer signed with; suites without an exchange of keys are not spoken.
          [ 0x0201us; 0x0203us ], both, [], []
          [ 0x0401us; 0x0403us ], [ 0x002fus; 0x009cus; 0x1301us ], [], [] ],
        fun (signatures, suites, groups, kinds) -> KeyKind.verifiableBy (hello [ 0x0303us ] signatures suites groups) = kinds)

[<Fact>]
let ``signatures and suites of a hello are read in their order, and of who speaks TLS 1.3 no suites`` () =
    let list (names: int list) = Hello.vector16 (names |> List.map Hello.u16 |> Array.concat)
    Law.HoldsFor(
        [ list [ 0x7a7a; 0x0804; 0x0403 ], [ 0x7a7aus; 0x0804us; 0x0403us ]; list [], []; [||], []; [| 0uy |], []; [| 0uy; 3uy; 8uy; 4uy; 0uy |], [ 0x0804us ] ],
        fun (written, signatures) ->
            List.forall
                (fun (versions, hasSuites) ->
                    let message = Hello.message (Hello.withExtensions [ yield 0x000d, written; if hasSuites then () else yield 0x002b, Hello.versions versions ])
                    List.forall
                        (fun sizes ->
                            match Hello.parse (Hello.inRecords 0x0301 sizes message) with
                            | Parse.Done(hello, _) -> hello.SignatureAlgorithms = signatures && hello.CipherSuites.IsEmpty <> hasSuites
                            | _ -> false)
                        [ [ 16_384 ]; [ 1 ]; [ 50 ] ])
                [ [], true; [ 0x0304us; 0x0303us ], false ])

[<Fact>]
let ``every real client that speaks TLS 1.2 verifies RSA and P-256`` () =
    Law.HoldsFor(Hello.real.Value, fun (_, bytes) ->
        match Hello.parse bytes with
        | Parse.Done(hello, _) ->
            let offer = TlsOffer.ofHello hello
            not (offer.Tls12 || offer.Tls13) || (List.contains rsa offer.Keys && List.contains p256 offer.Keys)
        | _ -> false)

[<Fact>]
let ``a kind is called what the log calls it, and what is none is passed over`` () =
    Law.HoldsFor(KeyKind.all, fun kind -> KeyKind.ofTexts [ "x"; string kind; string kind ] = [ kind ])
    Law.HoldsFor([ [ "p521"; "p384"; "p256"; "rsa" ] ], fun texts -> KeyKind.ofTexts texts = KeyKind.all && List.map string KeyKind.all = List.rev texts)

[<Fact>]
let ``a curve is a kind where TLS 1.3 has signatures on it that clients take`` () =
    Law.HoldsFor(
        [ "1.2.840.10045.3.1.7", ValueSome p256; "1.3.132.0.34", ValueSome p384; "1.3.132.0.35", ValueSome p521
          "1.3.132.0.10", ValueNone; "1.3.36.3.3.2.8.1.1.7", ValueNone; "", ValueNone ],
        fun (curve, kind) -> KeyKind.tryOfCurve curve = kind)
