namespace Bitflow.Domain

/// Where a name or a connection leads to on the way to a target.
[<RequireQualifiedAccess>]
type Hop =
    | Target
    /// The SOCKS5 proxy before it.
    | Proxy

/// What an attempt waits for at a moment.
[<RequireQualifiedAccess>]
type DialWait =
    /// The addresses of a name; nobody has been asked for anything yet.
    | Name of hop: Hop
    | Connection of hop: Hop
    /// The SOCKS5 proxy's answer to `during`.
    | SocksAnswer of during: string
    /// That the target takes the PROXY header.
    | Header
    /// The TLS handshake with the target.
    | Handshake

[<RequireQualifiedAccess>]
module DialWait =
    let private describeIn (within: string) (isOver: string) (wait: DialWait) =
        match wait with
        | DialWait.Name Hop.Target -> $"was not asked: {isOver} before its name was resolved"
        | DialWait.Name Hop.Proxy -> $"was not asked: {isOver} before the name of its SOCKS5 proxy was resolved"
        | DialWait.Connection Hop.Target -> $"did not answer {within}"
        | DialWait.Connection Hop.Proxy -> $"cannot be reached: its SOCKS5 proxy did not answer {within}"
        | DialWait.SocksAnswer during -> $"cannot be reached: its SOCKS5 proxy did not answer {during} {within}"
        | DialWait.Header -> $"did not take the PROXY header {within}"
        | DialWait.Handshake -> $"did not complete the TLS handshake {within}"

    /// How it is told, behind the target's name, that `connect_timeout` was over before it came.
    let describe (wait: DialWait) =
        describeIn "within connect_timeout" "connect_timeout was over" wait

    /// The same, of a client that left before it came.
    let describeLeft (wait: DialWait) =
        describeIn "before its client left" "its client left" wait
