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
let ``what may be accepted while descriptors are scarce leaves 32 of them, its targets' included`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ], fun (limit, inUse) ->
        let allowed = Admission.allowance limit inUse
        allowed >= 0 && (allowed = 0 || int limit - inUse - 2 * allowed >= 32) && (allowed > 0) = (int limit - inUse >= 34))

[<Fact>]
let ``where the scarcity is over, something may be accepted, and the next descriptor does not bring it back`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ], fun (limit, inUse) ->
        not (Admission.isAmple limit inUse) || (Admission.allowance limit inUse > 0 && not (Admission.isScarce limit inUse)))

[<Fact>]
let ``the scarcity is over once enough descriptors were closed`` () =
    Law.HoldsFor([ 64L; 256L; 1024L; 1_000_000L ], fun limit ->
        Admission.isAmple limit (int limit - 64) && not (Admission.isAmple limit (int limit - 63)))

[<Fact>]
let ``the admin server answers out of half of what accepting clients leaves, and leaves the other half`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit -> limit, inUse ], fun (limit, inUse) ->
        Admission.mayAdminAccept limit inUse = (limit - int64 inUse > 16L)
        && (Admission.isScarce limit inUse || Admission.mayAdminAccept limit inUse))

[<Fact>]
let ``the admin server starts exactly where there is room for it and for what it leaves`` () =
    Law.HoldsFor([ for limit in [ 64L; 256L; 1024L ] do for inUse in 0 .. int limit + 1 -> limit, inUse ], fun (limit, inUse) ->
        isNull (Admission.adminShortage limit inUse) = (limit - int64 inUse >= 56L))

[<Fact>]
let ``a shortage of descriptors is said exactly where two a connection, and the reserve, are more than there are`` () =
    Law.Holds(fun (ValidConfig config) (limit: uint16) ->
        let connections = config.Proxies |> List.sumBy (fun p -> int64 p.Options.ConnectionLimit)
        let short = connections > 0L && 2L * connections + 32L > int64 limit
        short = not (isNull (Admission.descriptorShortage (int64 limit) config)))
