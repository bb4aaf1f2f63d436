namespace Bitflow.Domain

/// Why a SOCKS5 proxy did not connect us.
[<RequireQualifiedAccess>]
type SocksFault =
    /// An answer of another protocol, or of another version of this one.
    | Version of version: byte
    | NoAcceptableMethod
    | MethodNotOffered of method: byte
    | AuthenticationVersion of version: byte
    | CredentialsRefused of status: byte
    | Refused of reply: byte
    | AddressType of kind: byte
    | EmptyBoundName
    /// The stream ended inside the exchange.
    | Ended of during: string

[<RequireQualifiedAccess>]
module SocksFault =
    /// RFC 1928 section 6.
    let private reply (code: byte) =
        match code with
        | 0x01uy -> "general SOCKS server failure"
        | 0x02uy -> "connection not allowed by its ruleset"
        | 0x03uy -> "network unreachable"
        | 0x04uy -> "host unreachable"
        | 0x05uy -> "connection refused"
        | 0x06uy -> "TTL expired"
        | 0x07uy -> "command not supported"
        | 0x08uy -> "address type not supported"
        | code -> $"unassigned reply code {code}"

    [<CompiledName("Describe")>]
    let describe (fault: SocksFault) =
        match fault with
        | SocksFault.Version version -> $"the SOCKS5 proxy answered with version {version} instead of 5"
        | SocksFault.NoAcceptableMethod -> "the SOCKS5 proxy accepts none of the authentication methods offered"
        | SocksFault.MethodNotOffered method -> $"the SOCKS5 proxy asked for authentication method {method}, which was not offered"
        | SocksFault.AuthenticationVersion version ->
            $"the SOCKS5 proxy answered the authentication with version {version} instead of 1"
        | SocksFault.CredentialsRefused status -> $"the SOCKS5 proxy refused the user and password (status {status})"
        | SocksFault.Refused code -> $"the SOCKS5 proxy said no: {reply code}"
        | SocksFault.AddressType kind -> $"the SOCKS5 proxy answered with address type {kind}; 1, 3 and 4 are known"
        | SocksFault.EmptyBoundName -> "the SOCKS5 proxy answered with an empty name for its address"
        | SocksFault.Ended during -> $"the SOCKS5 proxy closed the connection during {during}"
