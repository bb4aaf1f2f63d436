module Bitflow.Spec.TlsRulesLaws

open System
open Xunit
open Bitflow.Domain

let private named protocols = protocols |> List.choose (AlpnName.tryOfText >> ValueOption.toOption)

let private listener least protocols =
    { VerifyMode = VerifyMode.None
      Certificates = []
      ApplicationProtocols = named protocols
      MinVersion = least }

let private hello name protocols versions : ClientHello =
    { ServerName = (match ServerName.tryCreate name with Ok n -> ValueSome n | Error _ -> ValueNone)
      ApplicationProtocols = named protocols
      Versions = versions
      Groups = []
      KeyShares = []
      SignatureAlgorithms = []
      CipherSuites = [] }

let private answer tls names (hello: ClientHello) =
    ListenerTlsRules(tls, [ for names in names -> { CertificateChoice.Names = names; Key = ValueSome KeyKind.P256 } ]).Answer(TlsOffer.ofHello hello, hello.ServerName, hello.ApplicationProtocols)
let private refused answer = match answer with HelloAnswer.Refuse(alert, reason) when reason <> "" -> Some alert | _ -> None

[<Fact>]
let ``a client is answered in the versions that the listener accepts, and told where it has none of them`` () =
    let t10, t12, t13, grease = 0x0301us, 0x0303us, 0x0304us, 0x7a7aus
    Law.HoldsFor(
        [ TlsVersion.Tls13, [ t13 ], true; TlsVersion.Tls13, [ grease; t13; t12 ], true; TlsVersion.Tls13, [ t12 ], false
          TlsVersion.Tls13, [ grease ], false; TlsVersion.Tls12, [ t12 ], true; TlsVersion.Tls12, [ t13 ], true
          TlsVersion.Tls12, [ t10 ], false; TlsVersion.Tls12, [ grease; t10 ], false; TlsVersion.Tls12, [ 0x0300us ], false ],
        fun (least, versions, served) ->
            match answer (listener least []) [ [] ] (hello "a" [] versions) with
            | HelloAnswer.Serve _ -> served
            | refusal -> not served && refused refusal = Some TlsAlert.ProtocolVersion)

[<Fact>]
let ``a client that offers protocols and none of the listener's is refused, one that offers none is not`` () =
    Law.HoldsFor(
        [ [ "h2" ], [ "http/1.1" ], None, true; [ "h2" ], [], None, false; [], [ "h2" ], None, false
          [ "h2"; "http/1.1" ], [ "http/1.1"; "h2" ], Some "h2", false ],
        fun (preferred, offered, chosen, isRefused) ->
            match answer (listener TlsVersion.Tls13 preferred) [ [] ] (hello "a" offered [ 0x0304us ]) with
            | HelloAnswer.Serve(_, protocol) -> not isRefused && (protocol |> ValueOption.map string |> ValueOption.toOption) = chosen
            | refusal -> isRefused && refused refusal = Some TlsAlert.NoApplicationProtocol)

[<Fact>]
let ``a hello that could lead to a large finite field is refused, every other is not`` () =
    let x25519, p256, ffdhe2048, ffdhe4096, ffdhe8192, unknown, grease = 0x1dus, 0x17us, 0x0100us, 0x0102us, 0x0104us, 0x11ecus, 0x7a7aus
    let both = [ 0x0304us; 0x0303us ]
    Law.HoldsFor(
        [ both, [], [], None
          both, [ x25519 ], [ x25519 ], None
          // A group may be named, as long as the library is not led to it.
          both, [ ffdhe8192; x25519 ], [ x25519 ], None
          both, [ grease; ffdhe8192; p256 ], [], None
          both, [ ffdhe2048; ffdhe8192 ], [], None
          both, [ ffdhe2048 ], [ ffdhe2048 ], None
          both, [ unknown; grease ], [ unknown ], None
          // Alone, or where only unknown ones stand beside it, it would be asked for.
          both, [ ffdhe8192 ], [], Some "ffdhe8192"
          both, [ grease; unknown; ffdhe4096 ], [ unknown ], Some "ffdhe4096"
          // A key for it is brought, wherever it stands.
          both, [ x25519; ffdhe8192 ], [ ffdhe8192 ], Some "ffdhe8192"
          both, [ x25519; 0x0103us ], [ x25519; 0x0103us ], Some "ffdhe6144"
          both, [], [ ffdhe4096 ], Some "ffdhe4096"
          // TLS 1.2 exchanges no keys so.
          [ 0x0303us ], [ ffdhe8192 ], [ ffdhe8192 ], None ],
        fun (versions, groups, shares, large) ->
            let offer = { hello "a" [] versions with Groups = groups; KeyShares = shares }
            match answer (listener TlsVersion.Tls12 []) [ [] ] offer, large with
            | HelloAnswer.Serve _, None -> true
            | HelloAnswer.Refuse(alert, reason), Some group -> alert = TlsAlert.HandshakeFailure && reason.Contains group
            | _ -> false)

[<Fact>]
let ``no real client is refused for its key exchange`` () =
    Law.HoldsFor(Hello.real.Value, fun (_, bytes) ->
        match Hello.parse bytes with
        | Parse.Done(hello, _) -> (KeyExchange.tryLarge hello).IsNone && (hello.Versions |> List.contains 0x0304us |> not || not hello.KeyShares.IsEmpty)
        | _ -> false)

[<Fact>]
let ``the certificate goes with the name, whatever the protocol`` () =
    Law.HoldsFor([ "a.example", 0; "b.example", 1; "x.b.example", 1; "other", 0; "", 0 ], fun (name, index) ->
        answer (listener TlsVersion.Tls13 [ "h2" ]) [ [ "a.example" ]; [ "b.example"; "*.b.example" ] ] (hello name [ "h2" ] [ 0x0304us ])
        |> function HelloAnswer.Serve(certificate, _) -> certificate = index | _ -> false)

// Certificates of peers.

let private fine = { Presented = true; Anchored = true; IsForName = true; IsForUse = true; IsOutOfDates = false; Problems = [] }

let private flawed =
    [ { fine with Anchored = false }; { fine with IsForUse = false }; { fine with Problems = [ "expired" ] }; { fine with Anchored = false; Problems = [ "expired" ] } ]

[<Fact>]
let ``a certificate is asked of clients as the mode says`` () =
    let absent = { fine with Presented = false; Anchored = false }
    Law.HoldsFor(
        [ for finding in fine :: absent :: flawed do
              VerifyMode.None, finding, true
          VerifyMode.Relaxed, absent, true
          VerifyMode.Strict, absent, false
          for mode in [ VerifyMode.Relaxed; VerifyMode.Strict ] do
              mode, fine, true
              for finding in flawed do mode, finding, false ],
        fun (mode, finding, accepted) -> (PeerCertificate.clientRefusal mode finding).IsNone = accepted)

[<Fact>]
let ``what OpenSSL finds wrong with a chain is no authority, or told in its words, each once`` () =
    // X509_V_ERR_…: UNSPECIFIED, UNABLE_TO_GET_ISSUER_CERT, CERT_SIGNATURE_FAILURE, CERT_HAS_EXPIRED, DEPTH_ZERO_SELF_SIGNED_CERT, SELF_SIGNED_CERT_IN_CHAIN,
    // UNABLE_TO_GET_ISSUER_CERT_LOCALLY, UNABLE_TO_VERIFY_LEAF_SIGNATURE, CERT_CHAIN_TOO_LONG, CERT_UNTRUSTED, INVALID_CA, and what may come.
    let codes = [ 1, true; 2, false; 7, true; 10, true; 18, false; 19, false; 20, false; 21, false; 22, true; 27, false; 79, true; 1000, true ]
    Law.HoldsFor(
        seq {
            [||], { fine with Problems = [] }
            for (first, isProblem) in codes do
                for (second, isAnother) in codes do
                    let told = [ if isProblem then $"error {first}"
                                 if isAnother && second <> first then $"error {second}" ]
                    [| struct (first, $"error {first}", ""); struct (second, $"error {second}", "") |], { fine with Anchored = isProblem && isAnother; Problems = told }
        },
        fun (errors, finding) ->
            List.allPairs [ true; false ] [ true; false ]
            |> List.forall (fun (isForName, isForUse) ->
                PeerFinding.ofVerification isForName isForUse errors = { finding with IsForName = isForName; IsForUse = isForUse; IsOutOfDates = List.contains "error 10" finding.Problems }))

[<Fact>]
let ``what is wrong with an issuer of a peer's certificate is told of that, whatever it is called`` () =
    Law.HoldsFor(
        [ [ 10, "" ], [ "e" ]; [ 10, "CN=old" ], [ "e (that of its issuer CN=old)" ]; [ 10, "CN=old"; 10, "" ], [ "e (that of its issuer CN=old)"; "e" ]
          [ 10, "CN=a\027[31m\n" ], [ "e (that of its issuer CN=a\\x1b[31m\\x0a)" ] ],
        fun (errors, told) -> (PeerFinding.ofVerification true true [| for error, issuer in errors do struct (error, "e", issuer) |]).Problems = told)

[<Fact>]
let ``a verification ends where no authority is reached or a signature is not the issuer's, and nowhere else`` () =
    Law.HoldsFor([ 0 .. 100 ], fun error ->
        PeerFinding.endsVerification error = List.contains error [ 2; 7; 18; 19; 20; 21; 27 ])

[<Fact>]
let ``the machine's authorities are asked where a target's own do not accept it, and add to them`` () =
    let name = { fine with IsForName = false }
    Law.HoldsFor(
        [ for own in fine :: name :: flawed do
              for machine in fine :: name :: flawed do
                  own, machine ],
        fun (own, machine) ->
            let accepts (finding: PeerFinding) = (PeerCertificate.targetRefusal VerifyMode.Strict "a" { finding with IsForName = true }).IsNone
            PeerFinding.mayBeBettered own = not (accepts own)
            // What is told where neither accepts it is what is wrong with the chain that led somewhere.
            && PeerFinding.better own machine = (if accepts machine || not own.Anchored then machine else own))

[<Fact>]
let ``of a chain that leads to no authority nothing else is told, for nobody vouches for the rest`` () =
    Law.HoldsFor(flawed, fun finding ->
        let told = (PeerCertificate.clientRefusal VerifyMode.Strict { finding with Anchored = false }).Value
        told.Flaw = PeerFlaw.Unanchored && told.Why = "its chain leads to no authority that is trusted here; one that is to be trusted goes under tls_context: certificates: authority")

[<Fact>]
let ``a target is verified by chain and name, unless nothing is verified`` () =
    let findings = { fine with IsForName = false } :: { fine with Presented = false } :: flawed
    Law.HoldsFor(
        [ for finding in fine :: findings do
              VerifyMode.None, finding, true
          for mode in [ VerifyMode.Relaxed; VerifyMode.Strict ] do
              mode, fine, true
              for finding in findings do mode, finding, false ],
        fun (mode, finding, accepted) -> (PeerCertificate.targetRefusal mode "a.example" finding).IsNone = accepted)

[<Fact>]
let ``who asks for a certificate gives no tickets, and strict alone requires one`` () =
    Law.HoldsFor(
        [ VerifyMode.None, false, false; VerifyMode.Relaxed, true, false; VerifyMode.Strict, true, true ],
        fun (mode, judged, required) ->
            PeerCertificate.isJudged mode = judged && PeerCertificate.isRequired mode = required && PeerCertificate.mayResume mode = not judged)

[<Fact>]
let ``a certificate that is not for its use is said to be, beside what else is wrong with it`` () =
    Law.HoldsFor([ []; [ "expired" ]; [ "expired"; "revoked" ] ], fun problems ->
        let finding = { fine with IsForUse = false; Problems = problems }
        let words usage = $"its extended key usage, or an issuer's, does not allow {usage} authentication" :: problems |> String.concat "; "
        let client = PeerCertificate.clientRefusal VerifyMode.Strict finding
        let target = PeerCertificate.targetRefusal VerifyMode.Strict "a.example" finding
        target = ValueSome { Why = words "server"; Flaw = PeerFlaw.NotForUse } && client = ValueSome { Why = words "client"; Flaw = PeerFlaw.NotForUse })

[<Fact>]
let ``a peer is told by its alert of what kind its certificate's flaw is`` () =
    let client, target = PeerCertificate.clientRefusal VerifyMode.Strict, PeerCertificate.targetRefusal VerifyMode.Strict "a"
    // X509_V_ERR_…, of which OpenSSL makes unknown_ca, certificate_expired, unsupported_certificate and bad_certificate.
    Law.HoldsFor(
        [ client { fine with Anchored = false }, 20; target { fine with Anchored = false; IsOutOfDates = true; Problems = [ "expired" ] }, 20
          client { fine with IsOutOfDates = true; Problems = [ "expired" ] }, 10; target { fine with IsForName = false; IsOutOfDates = true; Problems = [ "expired" ] }, 10
          client { fine with IsForUse = false; IsOutOfDates = true; Problems = [ "expired" ] }, 26
          client { fine with Problems = [ "weak" ] }, 28; target { fine with IsForName = false }, 28; client { fine with Presented = false }, 28
          PeerCertificate.excess 17, 28 ],
        fun (refusal, error) -> PeerFlaw.error refusal.Value.Flaw = error)

[<Fact>]
let ``a certificate before its time and one behind it are out of their dates to OpenSSL`` () =
    Law.HoldsFor([ for error in 0..100 -> error ], fun error ->
        (PeerFinding.ofVerification true true [| struct (error, "e", "") |]).IsOutOfDates = (error = 9 || error = 10))

[<Fact>]
let ``a handshake is tried without a session where one was offered, and neither a certificate shown anew nor the way to the target is why it failed`` () =
    Law.HoldsFor(
        [ for fault in [ IoFault.None; IoFault.Reset; IoFault.Truncated ] do
              yield! [ true, false, fault, true; false, false, fault, false; true, true, fault, false ]
          for fault in [ IoFault.TimedOut; IoFault.HostUnreachable; IoFault.NoMemory; IoFault.Aborted ] do
              true, false, fault, false ],
        fun (offered, isShownNow, beneath, again) -> OfferedSession.mayBeWhy offered isShownNow beneath = again)

[<Fact>]
let ``a target is shown a certificate as often as anyone needs it, and the connection of one that asks for ever is given up`` () =
    Law.HoldsFor([ 1, true; 2, true; 31, true; 32, true; 33, false; 100_000, false ], fun (number, isShown) ->
        match CertificateRequests.refusal number with
        | ValueNone -> isShown
        | ValueSome why -> not isShown && why = "it asked for a certificate more than 32 times")

[<Fact>]
let ``a target is asked for by the configured name, else by the host of its address`` () =
    let target address =
        { Name = "t"; Address = Sample.targetAddress address; Proxy = None
          ConnectAttempts = 1; ConnectBackoff = Duration.Zero; ConnectTimeout = Duration.Zero; ResolveTimeout = Duration.Zero
          ReadTimeout = Duration.Zero; WriteTimeout = Duration.Zero; KeepAlive = KeepAlive.Off; Tls = None }
    let tls name = { TargetTls.VerifyMode = VerifyMode.Strict; Certificates = []; ApplicationProtocols = []; MinVersion = TlsVersion.Tls13; ServerName = (if name = "" then None else Some name) }
    Law.HoldsFor(
        [ "a.example:443", "", "a.example"; "a.example.:443", "", "a.example"; "a.example:443", "b.example", "b.example"; "a.example:443", "b.example.", "b.example"
          "10.0.0.1:443", "", "10.0.0.1"; "[::1]:443", "", "::1"; "unix:/a", "", ""; "unix:/a", "a.example", "a.example" ],
        fun (address, name, asked) -> TargetName.ofTarget (target address) (tls name) = asked)

[<Fact>]
let ``a hello names what is a name, and never an address`` () =
    Law.HoldsFor([ "a.example", "a.example"; "", ""; "10.0.0.1", ""; "::1", ""; "0x10", "0x10"; "10.1", "10.1" ], fun (name, asked) -> TargetName.asked name = asked)

[<Fact>]
let ``a name is named by itself, in whatever case, and by a wildcard for its first label alone`` () =
    Law.HoldsFor(
        [ "_x.a.example", "_x.a.example", true; "_X.A.example", "_x.a.Example", true; "*.a.example", "_x.a.example", true; "*.example", "_x.a.example", false
          "*.a.example", "a.example", false; "a.example", "_x.a.example", false; "*.a.example", "b.c.a.example", false; "*.example", "a.example", true
          "a.example.", "a.example", false; "*.a.example.", "b.a.example", false; "b*.a.example", "bc.a.example", false; "*.*.example", "b.a.example", false
          "_*.a.example", "_x.a.example", false; "*", "_x", false; "*.a", "_x", false ],
        fun (shown, name, isNamed) -> TargetName.isNamedBy shown name = isNamed)

// What `check` says of files.

let private facts =
    { Names = [ "a.example"; "*.b.example" ]
      HasAlternativeNames = true
      NotBefore = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)
      NotAfter = DateTimeOffset(2026, 12, 31, 0, 0, 0, TimeSpan.Zero)
      IsRsa = false
      Curve = "1.2.840.10045.3.1.7"
      Issuers = []
      ChainBreaksAfter = 0 }

let private at (text: string) = DateTimeOffset.Parse(text, Globalization.CultureInfo.InvariantCulture, Globalization.DateTimeStyles.AssumeUniversal)
let private today = at "2026-06-01"

[<Fact>]
let ``a certificate outside its dates is said to be, and says which`` () =
    Law.HoldsFor([ "2025-12-31", "not valid before 2026-01-01"; "2027-01-01", "expired on 2026-12-31" ], fun (day, words) ->
        match CertificateChecks.warnings (at day) None facts, CertificateChecks.clientWarnings (at day) facts with
        | [ listener ], [ target ] -> listener.Contains words && target.Contains words
        | _ -> false)
    Law.HoldsFor([ today ], fun now -> (CertificateChecks.warnings now None facts).IsEmpty)

[<Fact>]
let ``a certificate that expires within two weeks, or within a tenth of its time where that is less, is doubted`` () =
    let ofADay = { facts with NotBefore = at "2026-12-30" }
    Law.HoldsFor(
        [ facts, "2026-12-17 00:00", false; facts, "2026-12-17 00:01", true; ofADay, "2026-12-30 21:36", false; ofADay, "2026-12-30 21:37", true ],
        fun (facts, moment, isDoubted) ->
            let told = CertificateChecks.warnings (at moment) None facts
            CertificateChecks.clientWarnings (at moment) facts = told && told = (if isDoubted then [ "the certificate expires on 2026-12-31 00:00:00 UTC; renew it" ] else []))

[<Fact>]
let ``an authority out of its dates is doubted as a certificate is, by its place where there are several`` () =
    let authority place notAfter = { Place = place; NotBefore = at "2020-01-01"; NotAfter = at notAfter }
    Law.HoldsFor(
        [ [ authority 1 "2030-01-01" ], []
          [ authority 1 "2026-01-01" ], [ "the authority expired on 2026-01-01 00:00:00 UTC" ]
          [ authority 1 "2030-01-01"; authority 2 "2026-01-01" ], [ "authority 2 of the file expired on 2026-01-01 00:00:00 UTC" ]
          [ authority 1 "2026-06-10" ], [ "the authority expires on 2026-06-10 00:00:00 UTC; renew it" ]
          [], [] ],
        fun (authorities, told) -> CertificateChecks.authorityWarnings today authorities = told)

/// Certificates that begin and end within some weeks, each with one that is sent with it.
let private dated (numbers: (int * int) array) =
    [ for after, days in numbers do
          let from = today.AddDays(float (abs (after % 30)) - 20.0)
          let until = from.AddDays(float (abs (days % 40)) + 0.5)
          { facts with
              NotBefore = from
              NotAfter = until
              Issuers = [ { Place = 2; NotBefore = from.AddDays -30.0; NotAfter = until.AddDays(float (abs (days % 7)) - 3.0) } ] } ]

/// What is said at which look, where it is looked whenever it is to be.
let private toldBetween (from: DateTimeOffset) (until: DateTimeOffset) (shown: CertificateFacts list) =
    let rec look (looked: DateTimeOffset) told =
        let now = looked.AddTicks((CertificateChecks.untilLook looked shown).TotalNanoseconds / 100L)
        if now > until then told
        else look now (told @ [ for facts in shown do for line in CertificateChecks.turned looked now facts do now, line ])
    look from []

[<Fact>]
let ``while a certificate is shown each turn of its dates is told in its moment, and once`` () =
    Law.Holds(fun numbers ->
        let shown = dated (Array.truncate 3 numbers)
        let until = today.AddDays 6.0
        /// What its dates say in a moment, and not in the one before.
        let begins facts (moment: DateTimeOffset) =
            let before = CertificateChecks.clientWarnings (moment.AddTicks -1L) facts
            CertificateChecks.clientWarnings moment facts |> List.filter (fun line -> not (List.contains line before))
        let expected facts =
            [ for notBefore, notAfter in (facts.NotBefore, facts.NotAfter) :: [ for issuer in facts.Issuers -> issuer.NotBefore, issuer.NotAfter ] do
                  // Dates count to their last instant.
                  for moment in [ notAfter.AddTicks((notBefore - notAfter).Ticks / 10L + 1L); notAfter.AddTicks 1L ] do
                      if moment > today && moment <= until then
                          for line in begins facts moment do moment, line ]
            |> List.distinct
        List.sort (toldBetween today until shown) = List.sort (List.collect expected shown))

[<Fact>]
let ``the dates of certificates are looked at within the hour, and never without a pause`` () =
    Law.Holds(fun numbers ->
        let wait = CertificateChecks.untilLook today (dated numbers)
        wait.IsPositive && wait <= Duration.OfSeconds 3600L)
    Law.HoldsFor([ []; [ { facts with NotBefore = at "2020-01-01"; NotAfter = at "2030-01-01" } ] ], fun shown ->
        CertificateChecks.untilLook today shown = Duration.OfSeconds 3600L)

[<Fact>]
let ``what was said of a certificate when it was loaded is not said again`` () =
    Law.Holds(fun numbers -> dated numbers |> List.forall (fun facts -> (CertificateChecks.turned today today facts).IsEmpty))

[<Fact>]
let ``of all certificates that are shown, and sent with them, the first end is told, and of none none`` () =
    let issuer notAfter = { Place = 2; NotBefore = at "2020-01-01"; NotAfter = at notAfter }
    let ending notAfter issuers = { facts with NotAfter = at notAfter; Issuers = List.map issuer issuers }
    Law.HoldsFor(
        [ [||], 0L
          [| ending "2026-12-31" [] |], 1798675200L
          [| ending "2026-12-31" []; ending "2026-12-30" [ "2030-01-01" ] |], 1798588800L
          [| ending "2026-12-31" [ "2030-01-01"; "2026-12-29" ]; ending "2026-12-30" [] |], 1798502400L ],
        fun (shown, seconds) -> CertificateChecks.firstEnd shown = seconds)

[<Fact>]
let ``a certificate that is sent with another, and is outside its dates, is said to be, and where it stands`` () =
    let issuer place notBefore notAfter = { Place = place; NotBefore = at notBefore; NotAfter = at notAfter }
    Law.HoldsFor([ "2026-03-31", Some "not valid before 2026-04-01"; "2026-06-01", None; "2026-10-01", Some "expired on 2026-09-30" ], fun (day, words) ->
        let facts = { facts with Issuers = [ issuer 2 "2020-01-01" "2030-01-01"; issuer 4 "2026-04-01" "2026-09-30" ] }
        match CertificateChecks.warnings (at day) None facts, CertificateChecks.clientWarnings (at day) facts, words with
        | [], [], None -> true
        | [ listener ], [ target ], Some words -> listener = target && listener.StartsWith "certificate 4 of the file" && listener.Contains words
        | _ -> false)

[<Fact>]
let ``a certificate of a listener without alternative names is said to be one that most clients refuse`` () =
    Law.HoldsFor([ true; false ], fun hasNames ->
        match CertificateChecks.warnings today None { facts with HasAlternativeNames = hasNames } with
        | [] -> hasNames
        | [ warning ] -> not hasNames && warning.Contains "subjectAltName"
        | _ -> false)

[<Fact>]
let ``a chain out of order is said to be, and where`` () =
    Law.HoldsFor([ 1; 2 ], fun place ->
        match CertificateChecks.warnings today None { facts with ChainBreaksAfter = place } with
        | [ warning ] -> warning.Contains $"certificate {place} of the file"
        | _ -> false)

[<Fact>]
let ``a key on a curve that no usual client takes is said to be, and with TLS 1.3 alone is refused where 1.3 has no signature on it`` () =
    Law.HoldsFor(
        [ "", None, false; "1.2.840.10045.3.1.7", None, false; "1.3.132.0.34", None, false; "1.3.132.0.35", None, false
          "1.3.132.0.33", Some "P-224", true; "1.3.132.0.10", Some "secp256k1", true; "1.2.3", Some "1.2.3", true
          "1.3.36.3.3.2.8.1.1.7", Some "brainpoolP256r1", false; "1.3.36.3.3.2.8.1.1.11", Some "brainpoolP384r1", false
          "1.3.36.3.3.2.8.1.1.13", Some "brainpoolP512r1", false; "1.3.36.3.3.2.8.1.1.9", Some "1.3.36.3.3.2.8.1.1.9", true ],
        fun (oid, curve, isRefused) ->
            let facts = { facts with Curve = oid }
            let isSaid =
                match CertificateChecks.warnings today None facts, curve with
                | [], None -> true
                | [ warning ], Some curve -> warning.Contains $"on the curve {curve}," && warning.Contains "renew it with a key on P-256"
                | _ -> false
            isSaid
            && (CertificateChecks.refusal TlsVersion.Tls12 facts).IsNone
            && (match CertificateChecks.refusal TlsVersion.Tls13 facts with
                | ValueSome why -> isRefused && why.Contains $"on the curve {curve.Value}," && why.Contains "min_version"
                | ValueNone -> not isRefused))

[<Fact>]
let ``a certificate that no client is shown is doubted, and says whether others have its names or nobody can ask for them`` () =
    let others, nobody = "certificates above have all of its names", "a client can ask for none of its names"
    Law.HoldsFor(
        [ [ [ "a.example" ] ], []
          [ [ "a.example" ]; [ "a.example" ] ], [ 1, others ]
          [ [ "a.example" ]; [ "A.example"; "b.example" ] ], []
          [ [ "a.example"; "b.example" ]; [ "b.example" ]; [ "a.example" ] ], [ 1, others; 2, others ]
          [ [ "*.example" ]; [ "a.example" ] ], []
          [ [ "a.example" ]; [ "*.example" ]; [ "*.example" ] ], [ 2, others ]
          [ [ "a.example" ]; [ "*" ]; [ "10.0.0.1" ]; [] ], [ 1, nobody; 2, nobody; 3, nobody ]
          // The first is shown to those who ask for no name.
          [ [ "*" ]; [ "a.example" ] ], [] ],
        fun (certificates, doubted) ->
            let told = CertificateChecks.hardlyShown (certificates |> List.map (fun names -> { facts with Names = names }))
            told.Length = doubted.Length && List.forall2 (fun struct (place, why: string) (at, words: string) -> place = at && why.Contains words) told doubted)

[<Fact>]
let ``a certificate is doubted only where it is chosen for no name that any of them has`` () =
    Law.Holds(fun (ConfiguredNames first) (ConfiguredNames second) (WrittenName asked) ->
        let certificates = [ for names in [ first; second ] -> { facts with Names = names } ]
        let chosen = CertificateTable(certificates |> List.map _.Choice).Choose(ValueSome(Sample.serverName asked), KeyKind.all)
        CertificateChecks.hardlyShown certificates |> List.forall (fun struct (place, _) -> place <> chosen))

[<Fact>]
let ``a certificate behind one with its names is doubted, unless it is there for clients that cannot verify the other's key`` () =
    let never, hardly = "never shown", "hardly ever shown"
    let rsa, p256, p384, odd =
        { facts with IsRsa = true; Curve = "" }, facts, { facts with Curve = "1.3.132.0.34" }, { facts with Curve = "1.3.132.0.10" }
    Law.HoldsFor(
        [ [ p256; rsa ], []
          [ rsa; p256 ], [ 1, hardly ]
          [ p256; rsa; rsa ], [ 2, never ]
          [ p256; p384; rsa ], [ 1, hardly ]
          // Of a curve that next to nobody takes another warning tells.
          [ odd; rsa ], []
          [ rsa; odd ], [ 1, never ]
          [ rsa; { p256 with Names = "c.example" :: p256.Names } ], []
          [ { rsa with Names = [ "c.example" ] }; rsa; p256 ], [ 2, hardly ] ],
        fun (certificates, doubted) ->
            let told = CertificateChecks.hardlyShown certificates
            told.Length = doubted.Length && List.forall2 (fun struct (place, why: string) (at, words: string) -> place = at && why.Contains $"is {words}:") told doubted)

[<Fact>]
let ``targets of whose names no certificate is are named, where targets are chosen by name`` () =
    Law.HoldsFor(
        [ [ [ "a.example" ]; [ "*.b.example" ] ], [ "a.example"; "x.b.example"; "*.b.example"; "*.example"; "*" ], []
          [ [ "a.example" ] ], [ "a.example"; "c.example"; "*.a.example" ], [ "c.example"; "*.a.example" ]
          [ [ "*.a.example" ] ], [ "a.example"; "x.y.a.example" ], [ "a.example"; "x.y.a.example" ]
          // A certificate for `*` is valid for no host.
          [ [ "*" ] ], [ "a.example" ], [ "a.example" ] ],
        fun (certificates, targets, uncovered) ->
            let told = CertificateChecks.uncovered [ for names in certificates -> { facts with Names = names } ] targets
            told.Length = uncovered.Length && List.forall2 (fun (line: string) name -> line.Contains $"\"{name}\"") told uncovered)

[<Fact>]
let ``names that no target answers to are named, where targets are chosen by name`` () =
    Law.HoldsFor(
        [ [ "a.example"; "x.b.example" ], 0; [ "*" ], 0; [ "*.example"; "*.b.example" ], 0; [ "a.example" ], 1; [ "x.y.b.example" ], 2; [ "b.example" ], 2 ],
        fun (targets, warnings) -> (CertificateChecks.warnings today (Some targets) facts).Length = warnings)
    // What is no pattern answers to nobody; a name that no client can ask for is not missed.
    Law.HoldsFor([ [ "a b" ], [ "*.b.example" ], 1; [ "a b" ], [ "not a name" ], 0; [ "c.example" ], [ "a.b.example"; "*" ], 1 ], fun (targets, names, warnings) ->
        (CertificateChecks.warnings today (Some targets) { facts with Names = names }).Length = warnings)

[<Fact>]
let ``a peer may show sixteen certificates, and with more it is told how many it came with`` () =
    Law.HoldsFor([ 0..100 ], fun count ->
        match PeerCertificate.excess count with
        | ValueNone -> count <= 16
        | ValueSome refusal -> count > 16 && refusal.Why.Contains $" {count} ")
