namespace Bitflow.Domain

open System.Net

/// One end of a connection that exists: what accept, getsockname or a PROXY header said.
[<RequireQualifiedAccess; CustomEquality; NoComparison>]
type Endpoint =
    /// The address is canonical: never IPv4-mapped, never with a zone.
    | Ip of address: IPAddress * port: int
    /// A Unix socket's path, `@name` for an abstract one, empty for one without a name (most clients).
    | Unix of path: string
    /// Nothing is known of it.
    | Unknown

    static member OfIp(address: IPAddress, port: int) = Ip(IpAddress.canonical address, port)

    override this.Equals other =
        match other with
        | :? Endpoint as e ->
            match this, e with
            | Ip(a, p), Ip(b, q) -> p = q && a.Equals b
            | Unix a, Unix b -> a = b
            | Unknown, Unknown -> true
            | _ -> false
        | _ -> false

    override this.GetHashCode() =
        match this with
        | Ip(a, p) -> hash (a.GetHashCode(), p)
        | Unix path -> hash path
        | Unknown -> 0

    /// For people. A Unix socket's path is its owner's to choose, line breaks and escape sequences among it, and is shown as other words of peers are.
    override this.ToString() =
        match this with
        | Ip(address, port) when IpAddress.isV4 address -> $"{address}:{port}"
        | Ip(address, port) -> $"[{address}]:{port}"
        | Unix "" -> "unix"
        | Unix path -> $"unix:{Printable.ofText path}"
        | Unknown -> "unknown"

    /// `tcp4`, `tcp6` or `unix`, as the connection log writes it; empty when unknown.
    member this.Protocol =
        match this with
        | Ip(address, _) -> if IpAddress.isV4 address then "tcp4" else "tcp6"
        | Unix _ -> "unix"
        | Unknown -> ""

    /// What a listening socket really takes that is bound here and was asked for by that address: names and port 0 are resolved, and an
    /// inherited socket is wherever it is.
    member this.TakenFor(asked: Address) =
        match asked, this with
        | Address.Tcp(family, Host.Any, _), Ip(_, port) -> Address.Tcp(family, Host.Any, port)
        | _, Ip(address, port) when address.Equals IPAddress.IPv6Any -> Address.Tcp(TcpFamily.Either, Host.Any, port)
        | _, Ip(address, port) -> Address.Tcp(TcpFamily.Either, Host.Literal address, port)
        | _ -> asked

[<RequireQualifiedAccess>]
module Endpoint =
    /// Whether a connection leads from a socket to itself: TCP lets both ends open at once (RFC 9293, section 3.5), and where the kernel's choice of
    /// a local port falls on the very port that is dialled, a socket answers its own SYN. Nobody listens there. An unspecified address is this machine.
    [<CompiledName "IsItself">]
    let isItself (local: Endpoint) (remote: Endpoint) =
        match local, remote with
        | Endpoint.Ip(here, from), Endpoint.Ip(there, dialled) ->
            from = dialled && (here.Equals there || there.Equals IPAddress.Any || there.Equals IPAddress.IPv6Any)
        | _ -> false
