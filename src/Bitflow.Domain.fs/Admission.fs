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
