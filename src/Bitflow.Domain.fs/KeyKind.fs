namespace Bitflow.Domain

/// The kinds of key that a certificate may be for, as far as some clients verify the signatures of one and not of another.
[<RequireQualifiedAccess>]
type KeyKind =
    | Rsa
    /// ECDSA on secp256r1, secp384r1 or secp521r1.
    | P256
    | P384
    | P521

    override this.ToString() =
        match this with
        | KeyKind.Rsa -> "rsa"
        | KeyKind.P256 -> "p256"
        | KeyKind.P384 -> "p384"
        | KeyKind.P521 -> "p521"

/// Which of them a client can verify, by its hello.
[<RequireQualifiedAccess>]
module KeyKind =
    let all = [ KeyKind.Rsa; KeyKind.P256; KeyKind.P384; KeyKind.P521 ]

    /// Those on a curve.
    let ecdsa = List.except [ KeyKind.Rsa ] all

    /// Of those that the texts name; others are passed over.
    let ofTexts (texts: string list) : KeyKind list = all |> List.filter (fun kind -> List.contains (string kind) texts)

    /// By the object identifier of the curve; none for a curve that no usual client takes (RFC 8446 section 4.2.3 has signatures for these three).
    let tryOfCurve (curve: string) : KeyKind voption =
        match curve with
        | "1.2.840.10045.3.1.7" -> ValueSome KeyKind.P256
        | "1.3.132.0.34" -> ValueSome KeyKind.P384
        | "1.3.132.0.35" -> ValueSome KeyKind.P521
        | _ -> ValueNone

    /// Whether a key of the kind signs a handshake of TLS 1.3 by the scheme (RFC 8446 section 4.2.3): RSA by rsa_pss_rsae_sha256, _sha384 and _sha512, a curve with its one hash.
    let private signs13 (kind: KeyKind) (scheme: uint16) =
        match kind, scheme with
        | KeyKind.Rsa, (0x0804us | 0x0805us | 0x0806us)
        | KeyKind.P256, 0x0403us
        | KeyKind.P384, 0x0503us
        | KeyKind.P521, 0x0603us -> true
        | _ -> false

    /// The same of TLS 1.2, where any curve goes with any hash (RFC 5246 section 7.4.1.4.1). SHA-1 and SHA-224, with which the TLS library no longer signs, are left out.
    let private signs12 (kind: KeyKind) (scheme: uint16) =
        match kind, scheme with
        | KeyKind.Rsa, (0x0401us | 0x0501us | 0x0601us | 0x0804us | 0x0805us | 0x0806us) -> true
        | KeyKind.Rsa, _ -> false
        | _, (0x0403us | 0x0503us | 0x0603us) -> true
        | _ -> false

    /// Whether a listener shows such a certificate in the suite of TLS 1.2 (RFC 5289 section 3): ECDHE with GCM or CBC, AES of 128 bits or 256.
    let private isSuiteOf (kind: KeyKind) (suite: uint16) =
        match kind, suite with
        | KeyKind.Rsa, (0xc02fus | 0xc030us | 0xc027us | 0xc028us) -> true
        | KeyKind.Rsa, _ -> false
        | _, (0xc02bus | 0xc02cus | 0xc023us | 0xc024us) -> true
        | _ -> false

    /// Whether the group is the curve of the kind: in TLS 1.2 a client says by `supported_groups` which it takes in certificates too (RFC 8422 section 5.1).
    let private isCurveOf (kind: KeyKind) (group: uint16) =
        match kind, group with
        | KeyKind.Rsa, _
        | KeyKind.P256, 0x0017us
        | KeyKind.P384, 0x0018us
        | KeyKind.P521, 0x0019us -> true
        | _ -> false

    /// Who says nothing of signatures or curves leaves them to the listener.
    let private takes (isUsable: uint16 -> bool) (offered: uint16 list) = offered.IsEmpty || List.exists isUsable offered

    /// The kinds of key that a client can verify the signatures of, in the version that a listener would speak with it: 1.3 where the client does.
    let verifiableBy (hello: ClientHello) : KeyKind list =
        let speaks13 = List.contains 0x0304us hello.Versions
        all
        |> List.filter (fun kind ->
            if speaks13 then
                List.exists (signs13 kind) hello.SignatureAlgorithms
            else
                takes (signs12 kind) hello.SignatureAlgorithms
                && List.exists (isSuiteOf kind) hello.CipherSuites
                && takes (isCurveOf kind) hello.Groups)
