module Bitflow.Spec.AdmissionLaws

open System
open System.Net
open FsCheck
open Xunit
open Bitflow.Domain

let private listener authorized trusted =
    { Sample.listener with AuthorizedSources = IpNetworkSet authorized; TrustedProxies = IpNetworkSet trusted }

[<Fact>]
let ``without authorised sources everyone is let in, with them exactly their members`` () =
    Law.Holds(fun (networks: IpNetwork list) (AnyIp address) (port: uint16) ->
        let admitted = Admission.isAuthorized (listener networks []) (Endpoint.OfIp(address, int port))
        admitted = (networks.IsEmpty || networks |> List.exists (fun n -> IpNetwork.contains n address)))

[<Fact>]
let ``a source without an address is let in only where everyone is`` () =
    Law.Holds(fun (networks: IpNetwork list) ->
        [ Endpoint.Unix ""; Endpoint.Unix "/run/x"; Endpoint.Unknown ]
        |> List.forall (fun source -> Admission.isAuthorized (listener networks []) source = networks.IsEmpty))

[<Fact>]
let ``an IPv4 peer that came over an IPv6 socket is the same peer`` () =
    Law.Holds(fun (networks: IpNetwork list) (address: uint32) ->
        let v4 = IPAddress(int64 address)
        let listener = listener networks networks
        let same judge = judge listener (Endpoint.OfIp(v4, 1)) = judge listener (Endpoint.OfIp(v4.MapToIPv6(), 1))
        same Admission.isAuthorized && same Admission.isTrustedProxy)

[<Fact>]
let ``a header is believed from trusted proxies alone; no list, and nobody is one`` () =
    Law.Holds(fun (networks: IpNetwork list) (AnyIp address) ->
        let believed = Admission.isTrustedProxy (listener [] networks)
        believed (Endpoint.OfIp(address, 1)) = (networks |> List.exists (fun n -> IpNetwork.contains n address))
        && not (believed (Endpoint.Unix "/run/x"))
        && not (believed Endpoint.Unknown))

[<Fact>]
let ``a limit of n lets exactly n be open, and a limit of zero is none`` () =
    Law.HoldsFor([ for limit in 0..20 do for openNow in 0..25 -> limit, openNow ], fun (limit, openNow) ->
        Admission.isBelowLimit limit openNow = (limit = 0 || openNow + 1 <= limit))

[<Fact>]
let ``networks of a listener that inherits a Unix socket are told by their keys, and of any other socket nothing is`` () =
    Law.Holds(fun (SmallProxy p) (port: uint16) (path: NonNull<string>) ->
        let keys =
            [ if not p.Listener.AuthorizedSources.IsEmpty then "listener.authorized_sources: "
              if not p.Listener.TrustedProxies.IsEmpty then "listener.trusted_proxies: " ]
        let told = Admission.unusable p.Listener (Endpoint.Unix path.Get)
        told.Length = keys.Length && List.forall2 (fun (line: string) (key: string) -> line.StartsWith key) told keys
        && (Admission.unusable p.Listener (Endpoint.OfIp(System.Net.IPAddress.Loopback, int port))).IsEmpty)
