module Bitflow.Spec.DialRouteLaws

open System.Net
open Xunit
open Bitflow.Domain

let private v4Client = Endpoint.OfIp(IPAddress.Parse "192.0.2.9", 1)
let private v6Client = Endpoint.OfIp(IPAddress.Parse "2001:db8::9", 1)

let private target (proxy: string) : TargetConfig =
    { Name = "t"
      Address = Sample.targetAddress "a:1"
      Proxy = if proxy = "" then None else Some { Address = Sample.dialAddress proxy; Credentials = None }
      ConnectAttempts = 1
      ConnectBackoff = Duration.Zero
      ConnectTimeout = Duration.OfSeconds 10L
      ResolveTimeout = Duration.OfSeconds 1L
      ReadTimeout = Duration.Zero
      WriteTimeout = Duration.Zero
      KeepAlive = KeepAlive.Off
      Tls = None }

let private choose (target: TargetConfig) (address: DialAddress) dualStack client =
    DialRoute.choose { target with Address = TargetAddress.Dialled address } dualStack client

[<Fact>]
let ``without dual stack it does not matter who the client is`` () =
    Law.Holds(fun (a: DialAddress) (b: DialAddress) (one: Endpoint) (other: Endpoint) (throughProxy: bool) ->
        let target = { target "" with Proxy = if throughProxy then Some { Address = b; Credentials = None } else None }
        match choose target a false one, choose target a false other with
        | TargetRoute.Dialled x, TargetRoute.Dialled y -> x.FirstHop = y.FirstHop && x.Family = y.Family && x.Socks = y.Socks && x.ResolveTimeout.IsZero
        | _ -> false)

[<Fact>]
let ``under dual stack a client with a family never gets an address of the other`` () =
    Law.Holds(fun (a: DialAddress) (b: DialAddress) (client: Endpoint) (throughProxy: bool) ->
        let target = { target "" with Proxy = if throughProxy then Some { Address = b; Credentials = None } else None }
        let own = DialRoute.familyFor true client
        let matches address =
            match address with
            | DialAddress.Tcp(_, DialHost.Literal l, _) -> own = TcpFamily.Either || IpAddress.isV4 l = (own = TcpFamily.V4)
            | DialAddress.Tcp(TcpFamily.Either, _, _) -> true
            | DialAddress.Tcp(held, _, _) -> own = TcpFamily.Either || held = own
            | _ -> true
        match choose target a true client with
        | TargetRoute.Unreachable(DialFault.Unresolved(hop, AddressFault.OtherThanClients family)) -> family = own && (hop = Hop.Target || throughProxy)
        | TargetRoute.Unreachable _
        | TargetRoute.Inherited _ -> false
        | TargetRoute.Dialled route ->
            let hopIsTcp = match route.FirstHop with DialAddress.Tcp _ -> true | _ -> false
            matches a
            && matches route.FirstHop
            && (own = TcpFamily.Either || not hopIsTcp || route.Family = own)
            && (match route.Socks with
                | ValueSome(SocksRequest.Resolve(_, _, family)) -> own = TcpFamily.Either || family = own
                | ValueSome(SocksRequest.Ask(SocksDestination.Name _)) -> false
                | ValueSome(SocksRequest.Ask(SocksDestination.Ip(l, _))) -> own = TcpFamily.Either || IpAddress.isV4 l = (own = TcpFamily.V4)
                | ValueNone -> true))

[<Fact>]
let ``a name that is held to a family is looked up in it for every client, and is nothing for one of the other under dual stack`` () =
    Law.HoldsFor(
        [ "tcp4:h:1", "", false, v6Client, ValueSome TcpFamily.V4
          "tcp6:h:1", "", false, v4Client, ValueSome TcpFamily.V6
          "tcp6:h:1", "", true, Endpoint.Unix "", ValueSome TcpFamily.V6
          "tcp4:h:1", "", true, v4Client, ValueSome TcpFamily.V4
          "tcp4:h:1", "", true, v6Client, ValueNone
          "h:1", "", false, v4Client, ValueSome TcpFamily.Either
          "h:1", "tcp6:p:1080", false, v4Client, ValueSome TcpFamily.V6
          "h:1", "tcp4:p:1080", true, v4Client, ValueSome TcpFamily.V4 ],
        fun (at, proxy, dualStack, client, family) ->
            match choose (target proxy) (Sample.dialAddress at) dualStack client with
            | TargetRoute.Dialled route -> ValueSome route.Family = family
            | _ -> family.IsNone)

[<Fact>]
let ``a SOCKS5 proxy gets a name unresolved, a literal as such, and under dual stack an address resolved here`` () =
    let ip (text: string) = IPAddress.Parse text
    Law.HoldsFor(
        [ "example.com:443", false, v4Client, ValueSome(SocksRequest.Ask(SocksDestination.Name(Sample.dialName "example.com", 443)))
          "192.0.2.1:443", false, v6Client, ValueSome(SocksRequest.Ask(SocksDestination.Ip(ip "192.0.2.1", 443)))
          "[2001:db8::1]:443", false, v4Client, ValueSome(SocksRequest.Ask(SocksDestination.Ip(ip "2001:db8::1", 443)))
          "example.com:443", true, v4Client, ValueSome(SocksRequest.Resolve("example.com", 443, TcpFamily.V4))
          "example.com:443", true, v6Client, ValueSome(SocksRequest.Resolve("example.com", 443, TcpFamily.V6))
          "example.com:443", true, Endpoint.Unix "", ValueSome(SocksRequest.Resolve("example.com", 443, TcpFamily.Either)) ],
        fun (at, dualStack, client, expected) ->
            match choose (target "proxy:1080") (Sample.dialAddress at) dualStack client with
            | TargetRoute.Dialled route -> route.Socks = expected && route.FirstHop = Sample.dialAddress "proxy:1080"
            | _ -> false)

[<Fact>]
let ``a literal stays as it is, and clients of the other family fail, whether it is the target's or its proxy's`` () =
    Law.HoldsFor(
        [ "192.0.2.1:443", "", v6Client, false
          "192.0.2.1:443", "", v4Client, true
          "[2001:db8::1]:443", "", v4Client, false
          "example.com:443", "192.0.2.1:1080", v6Client, false
          "example.com:443", "192.0.2.1:1080", v4Client, true
          "192.0.2.1:443", "proxy:1080", v6Client, false
          "192.0.2.1:443", "", Endpoint.Unix "", true ],
        fun (at, proxy, client, reachable) -> (match choose (target proxy) (Sample.dialAddress at) true client with TargetRoute.Dialled _ -> true | _ -> false) = reachable)

[<Fact>]
let ``a target of the other family says which is whose`` () =
    Law.HoldsFor([ "[2001:db8::1]:80", "192.0.2.1", "IPv6", "over IPv4"; "192.0.2.1:80", "2001:db8::1", "IPv4", "over IPv6" ], fun (address, client, theirs, over) ->
        match choose (target "") (Sample.dialAddress address) true (Sample.ip client) with
        | TargetRoute.Unreachable(DialFault.Unresolved(_, fault)) -> let words = AddressFault.describe fault in words.Contains $"is {theirs}," && words.Contains over
        | _ -> false)

[<Fact>]
let ``a SOCKS5 proxy of the other family is blamed itself, not its target`` () =
    Law.HoldsFor([ "192.0.2.1:1080", "2001:db8::1" ], fun (proxy, client) ->
        match choose (target proxy) (Sample.dialAddress "example.com:443") true (Sample.ip client) with
        | TargetRoute.Unreachable fault -> DialFault.describe fault = "cannot be reached: its SOCKS5 proxy has no usable address: its address is IPv4, and the client came over IPv6 (enable_dual_stack)"
        | _ -> false)

[<Fact>]
let ``a target that is an inherited socket is that socket for every client`` () =
    Law.Holds(fun (number: int) (dualStack: bool) (client: Endpoint) ->
        match DialRoute.choose { target "" with Address = TargetAddress.Descriptor number } dualStack client with
        | TargetRoute.Inherited taken -> taken = number
        | _ -> false)

[<Fact>]
let ``of a name's addresses those of the wanted family may be used, in the resolver's order`` () =
    Law.Holds(fun (addresses: AnyIp list) ->
        let addresses = addresses |> List.map (fun (AnyIp address) -> address)
        let usable family = AddressChoice.usable family (List.toArray addresses) |> Seq.toList
        let isV4 (address: System.Net.IPAddress) = address.AddressFamily = System.Net.Sockets.AddressFamily.InterNetwork
        usable TcpFamily.Either = addresses
        && usable TcpFamily.V4 = List.filter isV4 addresses
        && usable TcpFamily.V6 = List.filter (isV4 >> not) addresses)
