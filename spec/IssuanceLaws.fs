module Bitflow.Spec.IssuanceLaws

open Xunit
open Bitflow.Domain

let private filed (all: CertificateInFile list) =
    let all = Array.ofList all
    { new IFiledCertificates with
        member _.Count = all.Length
        member _.IsNamedIssuer(issuer, certificate) = all[issuer].Subject = all[certificate].Issuer
        member _.HasSigned(issuer, certificate) =
            if not all[certificate].CanBeVerified then Signed.Unknown
            elif all[issuer].Key = all[certificate].Signer then Signed.Yes
            else Signed.No
        member _.AreSame(one, other) = all[one] = all[other] }

let private isNamed (issuer: CertificateInFile) (certificate: CertificateInFile) = issuer.Subject = certificate.Issuer
let private hasSigned (issuer: CertificateInFile) (certificate: CertificateInFile) = certificate.CanBeVerified && issuer.Key = certificate.Signer
let private mayHaveIssued issuer (certificate: CertificateInFile) = isNamed issuer certificate && (hasSigned issuer certificate || not certificate.CanBeVerified)
let private signedItself certificate = mayHaveIssued certificate certificate

/// The one that is shown, and what is sent with it.
let private sent (file: CertificateInFile list) = file[0] :: [ for place in Issuance.chain (filed file) -> file[place] ]

let private withVerifying canBeVerified (file: CertificateInFile list) = file |> List.map (fun certificate -> { certificate with CanBeVerified = canBeVerified })

[<Fact>]
let ``whoever is sent issued one that is sent before it`` () =
    Law.Holds(fun (CertificatesInFile file) ->
        let sent = sent file
        List.indexed sent |> List.tail |> List.forall (fun (place, issuer) -> List.exists (mayHaveIssued issuer) (List.take place sent)))

[<Fact>]
let ``nothing is sent twice`` () = Law.Holds(fun (CertificatesInFile file) -> List.distinct (sent file) = sent file)

[<Fact>]
let ``an authority that signed itself is not sent`` () = Law.Holds(fun (CertificatesInFile file) -> not (List.exists signedItself (List.tail (sent file))))

[<Fact>]
let ``all that signed one that is sent are sent, but for those that signed themselves`` () =
    Law.Holds(fun (CertificatesInFile file) ->
        let sent = sent file
        List.allPairs file sent
        |> List.forall (fun (issuer, certificate) ->
            not (isNamed issuer certificate && hasSigned issuer certificate) || signedItself issuer || List.contains issuer sent))

[<Fact>]
let ``where no signature can be verified, each is sent with the first that has its issuer's name`` () =
    Law.Holds(fun (CertificatesInFile file) ->
        let file = withVerifying false file
        let rec follow sent certificate =
            match List.tail file |> List.tryFind (fun issuer -> isNamed issuer certificate && not (signedItself issuer)) with
            | Some issuer when not (List.contains issuer sent) -> follow (sent @ [ issuer ]) issuer
            | _ -> sent
        sent file = follow [ file[0] ] file[0])

[<Fact>]
let ``where all signatures can be verified, the same are sent in whatever order the file has them`` () =
    Law.Holds(fun (CertificatesInFile file) ->
        let file = withVerifying true file
        set (sent file) = set (sent (file[0] :: List.rev (List.tail file))))

[<Fact>]
let ``what is sent is in order`` () = Law.Holds(fun (CertificatesInFile file) -> Issuance.breaksAfter (filed (sent file)) = 0)

[<Fact>]
let ``a file breaks behind the first certificate after which stands one that issued none before it`` () =
    Law.Holds(fun (CertificatesInFile file) ->
        let isInOrder place = List.exists (mayHaveIssued file[place]) (List.take place file)
        match Issuance.breaksAfter (filed file) with
        | 0 -> List.forall isInOrder [ 1 .. file.Length - 1 ]
        | place -> not (isInOrder place) && List.forall isInOrder [ 1 .. place - 1 ])
