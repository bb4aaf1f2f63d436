namespace Bitflow.Domain

/// Who is let in.
[<RequireQualifiedAccess>]
module Admission =
    /// Whether a peer must begin with a PROXY header: its addresses then stand for the client's.
    let isTrustedProxy (listener: ListenerConfig) (peer: Endpoint) =
        match peer with
        | Endpoint.Ip(address, _) -> listener.TrustedProxies.Contains address
        | _ -> false

    /// Whether a source may use the listener: an empty list lets everyone in; a Unix peer has no address to check.
    let isAuthorized (listener: ListenerConfig) (source: Endpoint) =
        listener.AuthorizedSources.IsEmpty
        || (match source with
            | Endpoint.Ip(address, _) -> listener.AuthorizedSources.Contains address
            | _ -> false)

    /// Whether one more may be open beside those that are; a limit of 0 is none.
    [<CompiledName "IsBelowLimit">]
    let isBelowLimit (limit: int) (openNow: int) = limit <= 0 || openNow < limit

    /// Why a listener cannot be served on the socket that it inherits, a key each: which kind of socket that is no file says.
    [<CompiledName "Unusable">]
    let unusable (listener: ListenerConfig) (local: Endpoint) : string list =
        match local with
        | Endpoint.Unix _ ->
            [ if not listener.AuthorizedSources.IsEmpty then "authorized_sources"
              if not listener.TrustedProxies.IsEmpty then "trusted_proxies" ]
            |> List.map (fun key -> $"listener.{key}: {listener.Address} is a Unix socket, whose clients have no IP address; remove this key")
        | _ -> []
