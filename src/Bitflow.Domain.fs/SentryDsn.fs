namespace Bitflow.Domain

open System

/// Where and as whom to report errors. Its text leaves the secret out.
[<NoComparison>]
type SentryDsn =
    private
        { Scheme: string
          PublicKey: string
          Secret: string
          /// Host with its port, where that is not the scheme's own.
          Authority: string
          /// Begins with `/` and does not end with one, or is empty.
          PathPrefix: string
          ProjectId: string }

    override this.ToString() = $"{this.Scheme}://{this.PublicKey}@{this.Authority}{this.PathPrefix}/{this.ProjectId}"

    member this.IsSecure = this.Scheme = "https"

    /// SE-2, with the closing slash.
    member this.Endpoint = $"{this.Scheme}://{this.Authority}{this.PathPrefix}/api/{this.ProjectId}/envelope/"

/// Why a text is no DSN. No case carries any of the text: it may hold a secret.
[<RequireQualifiedAccess>]
type SentryDsnError =
    | NotAUrl
    | UnknownScheme
    | NoPublicKey
    | NoProjectId

[<RequireQualifiedAccess>]
module SentryDsn =
    [<CompiledName "Describe">]
    let describe error =
        match error with
        | SentryDsnError.NotAUrl -> "it is no URL; write https://PUBLIC_KEY@HOST/PROJECT_ID"
        | SentryDsnError.UnknownScheme -> "it must begin with \"https://\" or \"http://\""
        | SentryDsnError.NoPublicKey -> "the public key is missing; write https://PUBLIC_KEY@HOST/PROJECT_ID"
        | SentryDsnError.NoProjectId -> "the project id is missing; write https://PUBLIC_KEY@HOST/PROJECT_ID"

    /// SE-1. An empty DSN is none, and no error.
    [<CompiledName "Parse">]
    let parse (text: string) : Result<SentryDsn option, SentryDsnError> =
        let text = if isNull text then "" else text.Trim()
        if text = "" then
            Ok None
        else
            match Uri.TryCreate(text, UriKind.Absolute) with
            | false, _ -> Error SentryDsnError.NotAUrl
            | true, uri when uri.Scheme <> Uri.UriSchemeHttps && uri.Scheme <> Uri.UriSchemeHttp -> Error SentryDsnError.UnknownScheme
            | true, uri when uri.Host = "" -> Error SentryDsnError.NotAUrl
            | true, uri ->
                let publicKey, secret =
                    match uri.UserInfo.IndexOf ':' with
                    | -1 -> uri.UserInfo, ""
                    | colon -> uri.UserInfo.Substring(0, colon), uri.UserInfo.Substring(colon + 1)
                let path = uri.AbsolutePath.TrimEnd '/'
                let slash = path.LastIndexOf '/'
                if publicKey = "" then
                    Error SentryDsnError.NoPublicKey
                elif slash < 0 || slash = path.Length - 1 then
                    Error SentryDsnError.NoProjectId
                else
                    Ok(
                        Some
                            { Scheme = uri.Scheme
                              PublicKey = publicKey
                              Secret = secret
                              Authority = if uri.IsDefaultPort then uri.Host else $"{uri.Host}:{uri.Port}"
                              PathPrefix = path.Substring(0, slash)
                              ProjectId = path.Substring(slash + 1) }
                    )

    /// SE-3: the value of `X-Sentry-Auth`. It holds the secret, if the DSN has one: for the wire alone.
    [<CompiledName "AuthHeader">]
    let authHeader (dsn: SentryDsn) (client: string) =
        let secret = if dsn.Secret = "" then "" else $", sentry_secret={dsn.Secret}"
        $"Sentry sentry_version=7, sentry_client={client}, sentry_key={dsn.PublicKey}{secret}"
