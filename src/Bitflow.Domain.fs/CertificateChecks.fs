namespace Bitflow.Domain

open System

/// What a certificate file says, read once.
type CertificateFacts =
    { /// Its DNS names (the subject's common name where it has no alternative names at all).
      Names: string list
      NotBefore: DateTimeOffset
      NotAfter: DateTimeOffset
      /// The first certificate of the file, counted from 1, that the one after it did not issue; 0: every one did.
      ChainBreaksAfter: int }

/// What is doubtful in a certificate that can be used all the same: warnings of `check`, never fatal.
[<RequireQualifiedAccess>]
module CertificateChecks =
    let private day (at: DateTimeOffset) = at.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss 'UTC'", Globalization.CultureInfo.InvariantCulture)

    let private dates (now: DateTimeOffset) (facts: CertificateFacts) =
        if now > facts.NotAfter then [ $"the certificate expired on {day facts.NotAfter}" ]
        elif now < facts.NotBefore then [ $"the certificate is not valid before {day facts.NotBefore}" ]
        else []

    let private chain (facts: CertificateFacts) =
        if facts.ChainBreaksAfter = 0 then
            []
        else
            [ $"certificate {facts.ChainBreaksAfter} of the file was not issued by the one after it; put them in order, the server's own first" ]

    /// Of a certificate of a listener; `targets` are the targets' names where the policy is `sni`.
    [<CompiledName "Warnings">]
    let warnings (now: DateTimeOffset) (targets: string list option) (facts: CertificateFacts) : string list =
        let unusedNames =
            match targets with
            | None -> []
            | Some targets ->
                let table = NameTable targets
                /// A wildcard is of use where a target takes any name that it covers.
                let isUsable name =
                    match ServerName.tryPattern name with
                    | ValueSome(NamePattern.Exact name) ->
                        (match ServerName.tryCreate name with
                         | Ok name -> (table.BestMatch(ValueSome name)).IsSome
                         | Error _ -> false)
                    | ValueSome(NamePattern.Wildcard suffix) ->
                        targets |> List.exists (fun target ->
                            match ServerName.tryPattern target with
                            | ValueSome NamePattern.Any -> true
                            | ValueSome(NamePattern.Wildcard other) -> other = suffix
                            | ValueSome(NamePattern.Exact other) ->
                                other.EndsWith("." + suffix, StringComparison.Ordinal)
                                && not ((other.Substring(0, other.Length - suffix.Length - 1)).Contains '.')
                            | ValueNone -> false)
                    // Names that no client can ask for are the issuer's affair.
                    | ValueSome NamePattern.Any
                    | ValueNone -> true
                [ for name in facts.Names do
                      if not (isUsable name) then $"no target answers to the certificate's name {name}" ]
        dates now facts @ chain facts @ unusedNames

    /// Of a certificate that is shown to a target.
    [<CompiledName "ClientWarnings">]
    let clientWarnings (now: DateTimeOffset) (facts: CertificateFacts) : string list = dates now facts @ chain facts
