namespace Bitflow.Domain

open System.Net

/// What a SOCKS5 proxy is to be asked for.
[<RequireQualifiedAccess; NoComparison>]
type SocksRequest =
    | Ask of destination: SocksDestination
    /// The name is resolved here, and its addresses of that family asked for, one after the other (dual stack).
    | Resolve of host: string * port: int * family: TcpFamily

/// Where an attempt connects to, and what it asks for once it is there.
[<NoComparison>]
type DialRoute =
    { /// The target, or the SOCKS5 proxy before it.
      FirstHop: DialAddress
      /// The addresses of the first hop's name that may be used.
      Family: TcpFamily
      Socks: SocksRequest voption
      Credentials: SocksCredentials option
      /// For all lookups of the attempt together; zero: the attempt's own deadline alone.
      ResolveTimeout: Duration }

/// How an attempt comes by a connection to its target.
[<RequireQualifiedAccess; Struct; NoComparison>]
type TargetRoute =
    | Dialled of route: DialRoute
    /// It is there already: a socket of that number was inherited.
    | Inherited of number: int
    /// Not at all: no address of the target, or of its SOCKS5 proxy, is for this client.
    | Unreachable of fault: DialFault

/// Which addresses lead to a target for a client: dual stack and SOCKS5.
[<RequireQualifiedAccess>]
module DialRoute =
    /// Under dual stack a client gets the target's address of its own family; a client without one either.
    let familyFor (dualStack: bool) (client: Endpoint) =
        match client with
        | Endpoint.Ip(address, _) when dualStack -> if IpAddress.isV4 address then TcpFamily.V4 else TcpFamily.V6
        | _ -> TcpFamily.Either

    let private conflict (hop: Hop) family = Error(DialFault.Unresolved(hop, AddressFault.OtherThanClients family))

    /// The family that an address is held to and the one that is wanted, where both can be had.
    let private narrow (hop: Hop) (address: DialAddress) (wanted: TcpFamily) : Result<TcpFamily, DialFault> =
        match address with
        | DialAddress.Tcp(_, DialHost.Literal literal, _) ->
            let family = if IpAddress.isV4 literal then TcpFamily.V4 else TcpFamily.V6
            if wanted = TcpFamily.Either || wanted = family then Ok family else conflict hop wanted
        | DialAddress.Tcp(TcpFamily.Either, _, _) -> Ok wanted
        | DialAddress.Tcp(held, _, _) -> if wanted = TcpFamily.Either || wanted = held then Ok held else conflict hop wanted
        | _ -> Ok TcpFamily.Either

    let private request (target: DialAddress) family dualStack : SocksRequest voption =
        match target with
        | DialAddress.Tcp(_, DialHost.Literal literal, port) -> ValueSome(SocksRequest.Ask(SocksDestination.Ip(literal, port.Number)))
        | DialAddress.Tcp(_, DialHost.Name name, port) when dualStack -> ValueSome(SocksRequest.Resolve(name.Text, port.Number, family))
        | DialAddress.Tcp(_, DialHost.Name name, port) -> ValueSome(SocksRequest.Ask(SocksDestination.Name(name, port.Number)))
        | _ -> ValueNone

    let private dialled (target: TargetConfig) (address: DialAddress) (dualStack: bool) (client: Endpoint) : Result<DialRoute, DialFault> =
        let wanted = familyFor dualStack client
        let timeout = if dualStack then target.ResolveTimeout else Duration.Zero
        match narrow Hop.Target address wanted, target.Proxy with
        | Error fault, _ -> Error fault
        | Ok family, None ->
            Ok { FirstHop = address; Family = family; Socks = ValueNone; Credentials = None; ResolveTimeout = timeout }
        | Ok family, Some proxy ->
            narrow Hop.Proxy proxy.Address wanted
            |> Result.map (fun hop ->
                { FirstHop = proxy.Address
                  Family = hop
                  Socks = request address family dualStack
                  Credentials = proxy.Credentials
                  ResolveTimeout = timeout })

    /// The route to a target, for a client that came from there: the same for every attempt.
    [<CompiledName "Choose">]
    let choose (target: TargetConfig) (dualStack: bool) (client: Endpoint) : TargetRoute =
        match target.Address with
        | TargetAddress.Descriptor number -> TargetRoute.Inherited number
        | TargetAddress.Dialled address ->
            match dialled target address dualStack client with
            | Ok route -> TargetRoute.Dialled route
            | Error fault -> TargetRoute.Unreachable fault
