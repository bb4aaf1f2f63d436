namespace Bitflow.Domain

/// What a look at a peer's certificate found.
type PeerFinding =
    { Presented: bool
      /// Its chain ends in an authority that decides here.
      Anchored: bool
      /// It is for the name that was dialled; of no meaning for clients.
      IsForName: bool
      /// Its extended key usage, and those of its issuers, allow what it is shown for (RFC 5280 section 4.2.1.12).
      IsForUse: bool
      /// One of its chain has expired, or is not valid yet.
      IsOutOfDates: bool
      /// What is wrong with it or its chain besides its authority and its use, in the library's words.
      Problems: string list }

[<RequireQualifiedAccess>]
module PeerFinding =
    /// Whether nothing is wrong with its chain. Whom it is for is another matter.
    let private isSound (finding: PeerFinding) = finding.Anchored && finding.IsForUse && finding.Problems.IsEmpty

    /// Whether others may decide besides: the machine's authorities add to a target's own, and what leads to one of those in vain, an expired one for example, may lead to theirs.
    [<CompiledName "MayBeBettered">]
    let mayBeBettered (finding: PeerFinding) = not (isSound finding)

    /// What counts of a finding by a target's own authorities that could be bettered, and of one by the machine's.
    [<CompiledName "Better">]
    let better (own: PeerFinding) (machine: PeerFinding) = if own.Anchored && not (isSound machine) then own else machine

    /// OpenSSL's numbers for a certificate that is not valid yet, and one that has expired (X509_V_ERR_CERT_NOT_YET_VALID, …_HAS_EXPIRED).
    let private outOfDates = set [ 9; 10 ]

    /// OpenSSL's number for a signature that is none of the issuer's (X509_V_ERR_CERT_SIGNATURE_FAILURE).
    let private signatureFailure = 7

    /// The numbers of OpenSSL's that say that a chain ends before an authority that decides: an issuer is not to be found (X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT, …_LOCALLY,
    /// X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE), or it issued itself, or is not to be trusted (X509_STORE_CTX_get_error(3)).
    let private unanchored = set [ 2; 18; 19; 20; 21; 27 ]

    /// Whether a verification ends at an error: nothing behind it is vouched for, and every signature in it, of keys as large as it likes, costs everybody on the loop.
    [<CompiledName "EndsVerification">]
    let endsVerification (error: int) = error = signatureFailure || unanchored.Contains error

    /// What a verification by OpenSSL found: its errors, by their numbers (X509_V_ERR_…) and in its words, each with whose it is: the subject of an issuer, or empty for the
    /// certificate itself. Who reads that a certificate has expired looks at that one, and not at the authority behind it.
    [<CompiledName "OfVerification">]
    let ofVerification (isForName: bool) (isForUse: bool) (errors: struct (int * string * string) array) : PeerFinding =
        let ofChain, others = errors |> List.ofArray |> List.partition (fun struct (error, _, _) -> unanchored.Contains error)
        let told (struct (_, words: string, issuer: string)) =
            if issuer = "" then words else $"{words} (that of its issuer {Printable.ofText issuer})"
        { Presented = true
          Anchored = ofChain.IsEmpty
          IsForName = isForName
          IsForUse = isForUse
          IsOutOfDates = others |> List.exists (fun struct (error, _, _) -> outOfDates.Contains error)
          Problems = others |> List.map told |> List.distinct }

/// Of what kind it is that a certificate will not do for: the peer is told by an alert of that kind (RFC 8446 section 6.2).
[<RequireQualifiedAccess; Struct>]
type PeerFlaw =
    /// unknown_ca.
    | Unanchored
    /// certificate_expired, which one that is not valid yet is called too.
    | OutOfDates
    /// unsupported_certificate.
    | NotForUse
    /// bad_certificate.
    | Other

[<RequireQualifiedAccess>]
module PeerFlaw =
    /// The number of an error of verification of which OpenSSL makes that alert (X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY, …_CERT_HAS_EXPIRED, …_INVALID_PURPOSE, …_CERT_REJECTED).
    [<CompiledName "Error">]
    let error (flaw: PeerFlaw) =
        match flaw with
        | PeerFlaw.Unanchored -> 20
        | PeerFlaw.OutOfDates -> 10
        | PeerFlaw.NotForUse -> 26
        | PeerFlaw.Other -> 28

/// Why a peer's certificate will not do.
type PeerRefusal = { Why: string; Flaw: PeerFlaw }

/// Whether a peer's certificate will do.
[<RequireQualifiedAccess>]
module PeerCertificate =
    /// Whether a peer is asked for its certificate, and judged by it.
    [<CompiledName "IsJudged">]
    let isJudged (mode: VerifyMode) = mode <> VerifyMode.None

    /// Whether hands are not shaken with a client that shows none.
    [<CompiledName "IsRequired">]
    let isRequired (mode: VerifyMode) = mode = VerifyMode.Strict

    /// Whether a listener gives tickets and takes them: a session begun at one that asks nobody must not open one that does (TLS-22).
    [<CompiledName "MayResume">]
    let mayResume (mode: VerifyMode) = not (isJudged mode)

    let private refused flaw why = ValueSome { Why = why; Flaw = flaw }

    let private flaw (usage: string) (finding: PeerFinding) =
        if not finding.Anchored then
            refused PeerFlaw.Unanchored "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority"
        elif not finding.IsForUse then
            let why = $"its extended key usage, or an issuer's, does not allow {usage}" :: finding.Problems
            refused PeerFlaw.NotForUse (String.concat "; " why)
        elif not finding.Problems.IsEmpty then
            refused (if finding.IsOutOfDates then PeerFlaw.OutOfDates else PeerFlaw.Other) (String.concat "; " finding.Problems)
        else
            ValueNone

    /// Certificates that a peer may show in a handshake. A chain has a handful, and each costs a parse, and perhaps a signature, where everybody else waits.
    let mostShown = 16

    /// Why a peer that shows so many is refused before any of them is looked at; none: it may go on.
    [<CompiledName "Excess">]
    let excess (count: int) : PeerRefusal voption =
        if count <= mostShown then ValueNone
        else refused PeerFlaw.Other $"it came with {count} certificates, and no more than {mostShown} are looked at"

    /// What a client is told that should have presented one; in the connection log it tells such a client from one whose certificate will not do.
    let noneOfClient = "the client presented no certificate, and verify_mode is strict"

    /// Why a client is refused; none: it may go on.
    [<CompiledName "ClientRefusal">]
    let clientRefusal (mode: VerifyMode) (finding: PeerFinding) : PeerRefusal voption =
        match mode with
        | VerifyMode.None -> ValueNone
        | VerifyMode.Relaxed when not finding.Presented -> ValueNone
        | _ when not finding.Presented -> refused PeerFlaw.Other noneOfClient
        | _ -> flaw "client authentication" finding

    /// Why a target is refused; none: it may be used.
    [<CompiledName "TargetRefusal">]
    let targetRefusal (mode: VerifyMode) (name: string) (finding: PeerFinding) : PeerRefusal voption =
        match mode with
        | VerifyMode.None -> ValueNone
        | _ when not finding.Presented -> refused PeerFlaw.Other "it presented none"
        | _ ->
            match flaw "server authentication" finding with
            | ValueNone when not finding.IsForName -> refused PeerFlaw.Other $"it is not for the name {name}; have it issued for that one, or write the name that it is for as server_name"
            | verdict -> verdict
