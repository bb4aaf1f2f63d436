module Bitflow.Spec.AdmissionLaws

open System.Net
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
let ``accepting pauses exactly when fewer than 32 descriptors are left beside the newest`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for newest in 0 .. int limit - 1 -> limit, newest ], fun (limit, newest) ->
        let free = int limit - (newest + 1)
        Admission.isScarce limit newest = (free < 32))

[<Fact>]
let ``where accepting may resume, the next descriptor does not make it pause again`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ], fun (limit, inUse) ->
        not (Admission.mayResume limit inUse) || not (Admission.isScarce limit inUse))

[<Fact>]
let ``accepting does resume once enough descriptors were closed`` () =
    Law.HoldsFor([ 64L; 256L; 1024L; 1_000_000L ], fun limit ->
        Admission.mayResume limit (int limit - 40) && not (Admission.mayResume limit (int limit - 39)))

[<Fact>]
let ``a shortage of descriptors is said exactly where two a connection, and the reserve, are more than there are`` () =
    Law.Holds(fun (ValidConfig config) (limit: uint16) ->
        let connections = config.Proxies |> List.sumBy (fun p -> int64 p.Options.ConnectionLimit)
        let short = connections > 0L && 2L * connections + 32L > int64 limit
        short = not (isNull (Admission.descriptorShortage (int64 limit) config)))
