namespace Bitflow.Domain

open System
open System.Collections.Generic

/// What stands behind the first certificate of a file, and is sent with it.
type IssuerFacts =
    { /// In the file, counted from 1.
      Place: int
      NotBefore: DateTimeOffset
      NotAfter: DateTimeOffset }

/// What a certificate file says, read once.
type CertificateFacts =
    { /// Its DNS names (the subject's common name where it has no alternative names at all).
      Names: string list
      HasAlternativeNames: bool
      NotBefore: DateTimeOffset
      NotAfter: DateTimeOffset
      /// Whether its key is an RSA key; else it is one for ECDSA.
      IsRsa: bool
      /// The object identifier of its key's curve; empty for a key on no named curve, as an RSA key is.
      Curve: string
      Issuers: IssuerFacts list
      /// The first certificate of the file, counted from 1, behind which stands one that issued none before it; 0: there is none.
      ChainBreaksAfter: int }

    /// What a client must verify to take it; none: no usual client does.
    member this.Key = if this.IsRsa then ValueSome KeyKind.Rsa else KeyKind.tryOfCurve this.Curve

    /// As far as a listener chooses by it.
    member this.Choice : CertificateChoice = { Names = this.Names; Key = this.Key }

/// What a look at a certificate finds: what nobody can be served with, an error of `check`; and what is doubtful though it can be used, warnings.
[<RequireQualifiedAccess>]
module CertificateChecks =
    let private day (at: DateTimeOffset) = at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", Globalization.CultureInfo.InvariantCulture)

    /// How long before its end a certificate should have been renewed: two weeks, and of one that lives for less than 140 days a tenth of that.
    let private soonTicks (notBefore: DateTimeOffset) (notAfter: DateTimeOffset) : int64 =
        min (14L * TimeSpan.TicksPerDay) ((notAfter - notBefore).Ticks / 10L)

    let private datesOf (which: string) (now: DateTimeOffset) (notBefore: DateTimeOffset) (notAfter: DateTimeOffset) =
        if now > notAfter then [ $"{which} expired on {day notAfter}" ]
        elif now < notBefore then [ $"{which} is not valid before {day notBefore}" ]
        elif (notAfter - now).Ticks < soonTicks notBefore notAfter then [ $"{which} expires on {day notAfter}; renew it" ]
        else []

    let private dates (now: DateTimeOffset) (facts: CertificateFacts) =
        datesOf "the certificate" now facts.NotBefore facts.NotAfter
        @ List.collect (fun issuer -> datesOf $"certificate {issuer.Place} of the file, which is sent with it," now issuer.NotBefore issuer.NotAfter) facts.Issuers

    /// Of a file of authorities, where each stands in it: whoever is vouched for by one that has expired is refused.
    [<CompiledName "AuthorityWarnings">]
    let authorityWarnings (now: DateTimeOffset) (authorities: IssuerFacts list) : string list =
        let which (authority: IssuerFacts) = if authorities.Length = 1 then "the authority" else $"authority {authority.Place} of the file"
        authorities |> List.collect (fun authority -> datesOf (which authority) now authority.NotBefore authority.NotAfter)

    /// What the dates of a certificate say now and did not say at `since`, while nobody has read its file again: that it is to be renewed, or that it is too late for that.
    [<CompiledName "Turned">]
    let turned (since: DateTimeOffset) (now: DateTimeOffset) (facts: CertificateFacts) : string list =
        let before = dates since facts
        dates now facts |> List.filter (fun line -> not (List.contains line before))

    /// A clock may be set, and a machine may sleep.
    let private longestWait = Duration.OfSeconds 3600L

    /// How long it is until the dates of one of the certificates say something else; no longer than an hour.
    [<CompiledName "UntilLook">]
    let untilLook (now: DateTimeOffset) (shown: CertificateFacts seq) : Duration =
        let mutable ticks = longestWait.TotalNanoseconds / 100L
        /// Dates count to their last instant.
        let note (at: int64) =
            let wait = at - now.UtcTicks + 1L
            if wait > 0L && wait < ticks then ticks <- wait
        let noteDates (notBefore: DateTimeOffset) (notAfter: DateTimeOffset) =
            note notBefore.UtcTicks
            note (notAfter.UtcTicks - soonTicks notBefore notAfter)
            note notAfter.UtcTicks
        for facts in shown do
            noteDates facts.NotBefore facts.NotAfter
            for issuer in facts.Issuers do
                noteDates issuer.NotBefore issuer.NotAfter
        Duration.OfNanoseconds(ticks * 100L)

    /// When the first of the certificates expires, and of those that are sent with them: in seconds since 1970; 0 for none.
    [<CompiledName "FirstEnd">]
    let firstEnd (shown: CertificateFacts array) : int64 =
        let mutable first = Int64.MaxValue
        for facts in shown do
            first <- min first (facts.NotAfter.ToUnixTimeSeconds())
            for issuer in facts.Issuers do
                first <- min first (issuer.NotAfter.ToUnixTimeSeconds())
        if first = Int64.MaxValue then 0L else first

    let private chain (facts: CertificateFacts) =
        if facts.ChainBreaksAfter = 0 then
            []
        else
            [ $"certificate {facts.ChainBreaksAfter} of the file was not issued by the one after it; put the server's own first, and behind each the one that signed it" ]

    /// A client names the curves that it takes (`supported_groups` in TLS 1.2, RFC 8422 section 5.1; `signature_algorithms` in 1.3, RFC 8446 section
    /// 4.2.3), and what no browser or TLS library names without being told to is not answered. For the brainpool curves there are signatures
    /// of TLS 1.3 (RFC 8734), for the others there are none.
    let private unusualCurve (curve: string) =
        match curve with
        | "" -> None
        | usual when (KeyKind.tryOfCurve usual).IsSome -> None
        | "1.3.36.3.3.2.8.1.1.7" -> Some("brainpoolP256r1", true)
        | "1.3.36.3.3.2.8.1.1.11" -> Some("brainpoolP384r1", true)
        | "1.3.36.3.3.2.8.1.1.13" -> Some("brainpoolP512r1", true)
        | "1.3.132.0.33" -> Some("P-224", false)
        | "1.3.132.0.10" -> Some("secp256k1", false)
        | other -> Some(other, false)

    /// Why a listener of this min_version can serve no client at all with the certificate; none: it can.
    [<CompiledName "Refusal">]
    let refusal (least: TlsVersion) (facts: CertificateFacts) : string voption =
        match unusualCurve facts.Curve, least with
        | Some(curve, false), TlsVersion.Tls13 ->
            ValueSome $"the certificate's key is on the curve {curve}, with which nobody signs in TLS 1.3, the listener's min_version; renew it with a key on P-256"
        | _ -> ValueNone

    let private curve (facts: CertificateFacts) =
        match unusualCurve facts.Curve with
        | Some(curve, _) -> [ $"the certificate's key is on the curve {curve}, which no usual client takes: its handshake fails; renew it with a key on P-256" ]
        | None -> []

    /// Browsers, Go and Bitflow itself match nothing else (RFC 9525 section 6.3); some still take the common name.
    let private alternativeNames (facts: CertificateFacts) =
        if facts.HasAlternativeNames then []
        else [ "the certificate has no alternative names, and most clients go by nothing else: they refuse it; renew it with its names as subjectAltName" ]

    /// Whether a client may ask for the name, or for one that a wildcard stands for, and be answered by one of these. Names that no client can ask for are not missed.
    let private isAnsweredBy (names: string list) : string -> bool =
        let table = NameTable names
        let patterns = names |> List.choose (ServerName.tryPattern >> ValueOption.toOption)
        let takesAny = List.contains NamePattern.Any patterns
        /// Those of which a name of one label more is answered.
        let suffixes =
            HashSet(
                patterns |> Seq.choose (fun pattern ->
                    match pattern with
                    | NamePattern.Wildcard suffix -> Some suffix
                    | NamePattern.Exact name when name.Contains '.' -> Some(name.Substring(name.IndexOf '.' + 1))
                    | _ -> None),
                StringComparer.Ordinal)
        fun name ->
            match ServerName.tryPattern name with
            | ValueSome(NamePattern.Exact name) ->
                (match ServerName.tryCreate name with
                 | Ok name -> (table.BestMatch(ValueSome name)).IsSome
                 | Error _ -> false)
            | ValueSome(NamePattern.Wildcard suffix) -> takesAny || suffixes.Contains suffix
            | ValueSome NamePattern.Any
            | ValueNone -> true

    /// Of a listener's certificates beside each other, in their order: the place of each that no client is ever shown, or hardly one, and why.
    [<CompiledName "HardlyShown">]
    let hardlyShown (certificates: CertificateFacts list) : struct (int * string) list =
        let table = CertificateTable(certificates |> List.map _.Choice)
        let shown, shownToMost = table.Shown, table.ShownToMost
        let mayBeAskedFor name = name <> "*" && (ServerName.tryPattern name).IsSome
        [ for place, facts in List.indexed certificates do
              if not (shown.Contains place) then
                  let why =
                      if List.exists mayBeAskedFor facts.Names then "certificates above have all of its names, and who takes its key takes theirs"
                      else "a client can ask for none of its names"
                  struct (place, $"the certificate is never shown: {why}")
              // Some clients take no key on a curve; next to none takes that alone.
              elif facts.Key.IsSome && not facts.IsRsa && not (shownToMost.Contains place) then
                  struct (place, "the certificate is hardly ever shown: certificates above have all of its names, and keys that nearly every client takes; put it above them") ]

    /// Of a listener whose targets are chosen by name: the targets of whose names no certificate is.
    [<CompiledName "Uncovered">]
    let uncovered (certificates: CertificateFacts list) (targets: string list) : string list =
        let isCovered = isAnsweredBy (certificates |> List.collect _.Names |> List.filter ((<>) "*"))
        [ for target in targets do
              if not (isCovered target) then $"no certificate has the name \"{target}\" of a target: who asks for it is shown the first, and refuses it" ]

    /// Of a certificate of a listener; `targets` are the targets' names where the policy is `sni`.
    [<CompiledName "Warnings">]
    let warnings (now: DateTimeOffset) (targets: string list option) (facts: CertificateFacts) : string list =
        let unusedNames =
            match targets with
            | None -> []
            | Some targets ->
                let isUsable = isAnsweredBy targets
                [ for name in facts.Names do
                      if not (isUsable name) then $"no target answers to the certificate's name {name}" ]
        dates now facts @ chain facts @ curve facts @ alternativeNames facts @ unusedNames

    /// Of a certificate that is shown to a target.
    [<CompiledName "ClientWarnings">]
    let clientWarnings (now: DateTimeOffset) (facts: CertificateFacts) : string list = dates now facts @ chain facts
