namespace Bitflow.Domain

/// Whether a certificate's signature was made with another's key.
[<RequireQualifiedAccess>]
type Signed =
    | Yes
    | No
    /// It is of a kind that cannot be verified here, or there is nobody to verify it.
    | Unknown

/// What the certificates of one file are to each other, by their places, from 0; asked twice it says the same.
type IFiledCertificates =
    abstract Count: int
    /// Whether the one is called as the other calls its issuer (RFC 5280 section 7.1).
    abstract IsNamedIssuer: issuer: int * certificate: int -> bool
    abstract HasSigned: issuer: int * certificate: int -> Signed
    /// Whether they are one certificate, byte for byte.
    abstract AreSame: one: int * other: int -> bool

/// Who of a file's certificates issued whom: by name, and where several have the name (one that was renewed, or certified by two), by signature.
[<RequireQualifiedAccess>]
module Issuance =
    let private mayHaveIssued (file: IFiledCertificates) (issuer: int) (certificate: int) =
        file.IsNamedIssuer(issuer, certificate) && file.HasSigned(issuer, certificate) <> Signed.No

    /// All that have signed it; where that is known of none, the first that may have.
    let private issuersOf (file: IFiledCertificates) (certificate: int) (among: int list) =
        let maybe = List.filter (fun issuer -> mayHaveIssued file issuer certificate) among
        match List.filter (fun issuer -> file.HasSigned(issuer, certificate) = Signed.Yes) maybe with
        | [] -> List.truncate 1 maybe
        | signed -> signed

    /// What is sent behind the first, by place: each with those that issued it behind it, as peers expect them (RFC 8446 section 4.4.2), whatever their order in the
    /// file. An authority that signed itself is left out: a peer has it, or does not trust it.
    [<CompiledName "Chain">]
    let chain (file: IFiledCertificates) : int list =
        let candidates = List.filter (fun place -> not (mayHaveIssued file place place)) [ 1 .. file.Count - 1 ]
        let add (chain: int list) (issuer: int) =
            if List.exists (fun sent -> file.AreSame(sent, issuer)) chain then chain else chain @ [ issuer ]
        let rec follow (chain: int list) (next: int) =
            match List.tryItem next chain with
            | Some certificate -> follow (List.fold add chain (issuersOf file certificate candidates)) (next + 1)
            | None -> List.tail chain
        follow [ 0 ] 0

    /// The first, counted from 1, behind which stands one that issued none before it; 0: there is none.
    [<CompiledName "BreaksAfter">]
    let breaksAfter (file: IFiledCertificates) : int =
        let isBehindItsOwn place = List.exists (fun earlier -> mayHaveIssued file place earlier) [ 0 .. place - 1 ]
        [ 1 .. file.Count - 1 ] |> List.tryFind (fun place -> not (isBehindItsOwn place)) |> Option.defaultValue 0
