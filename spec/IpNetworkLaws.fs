module Bitflow.Spec.IpNetworkLaws

open System.Net
open Xunit
open Bitflow.Domain

let private parse text = IpNetwork.tryParse text
let private network text = match parse text with Ok(struct (n, _)) -> n | Error e -> failwith $"%A{e}"
let private ip (text: string) = IPAddress.Parse text

[<Fact>]
let ``a network that was written reads back as itself, without host bits`` () =
    Law.Holds(fun (n: IpNetwork) -> parse (string n) = Ok(struct (n, false)))

[<Fact>]
let ``no text makes the reading of a network throw`` () =
    Law.NeverThrows(fun (HostileText text) -> parse text)

[<Fact>]
let ``a network holds its own first address`` () =
    Law.Holds(fun (n: IpNetwork) -> IpNetwork.contains n n.Prefix)

[<Fact>]
let ``an address is held exactly when its leading bits are the network's`` () =
    Law.Holds(fun (n: IpNetwork) (AnyIp address) ->
        let bits (a: IPAddress) = a.GetAddressBytes() |> Seq.collect (fun b -> seq { for i in 7 .. -1 .. 0 -> (b >>> i) &&& 1uy })
        let same =
            n.Prefix.AddressFamily = address.AddressFamily
            && Seq.forall2 (=) (Seq.truncate n.PrefixLength (bits n.Prefix)) (Seq.truncate n.PrefixLength (bits address))
        IpNetwork.contains n address = same)

[<Fact>]
let ``a set of networks holds exactly what one of them holds`` () =
    Law.Holds(fun (networks: IpNetwork list) (AnyIp address) ->
        let probes = address :: (networks |> List.map (fun n -> n.Prefix))
        let set = IpNetworkSet networks
        probes |> List.forall (fun a -> set.Contains a = List.exists (fun n -> IpNetwork.contains n a) networks))

[<Fact>]
let ``the network named as the match is the first of the list that holds the address`` () =
    Law.HoldsFor([ [ "10.0.0.0/8"; "10.1.0.0/16" ], "10.0.0.0/8"; [ "10.1.0.0/16"; "10.0.0.0/8" ], "10.1.0.0/16"; [ "192.0.2.0/24"; "10.0.0.0/8" ], "10.0.0.0/8" ],
                 fun (networks, first) -> (IpNetworkSet(List.map network networks)).FirstMatch(System.Net.IPAddress.Parse "10.1.2.3") = Some(network first))
    Law.Holds(fun (networks: IpNetwork list) (AnyIp address) ->
        let set = IpNetworkSet networks
        match set.FirstMatch address with
        | Some n -> set.Contains address && IpNetwork.contains n address
        | None -> not (set.Contains address))

[<Fact>]
let ``an IPv4 client that came over IPv6 matches IPv4 networks`` () =
    Law.Holds(fun (n: IpNetwork) (AnyIp address) ->
        not (IpAddress.isV4 address) || IpNetwork.contains n (address.MapToIPv6()) = IpNetwork.contains n address)

[<Fact>]
let ``zone ids do not matter to a match`` () =
    Law.HoldsFor([ 1L; 7L ], fun zone ->
        let address = IPAddress((ip "fe80::1").GetAddressBytes(), zone)
        IpNetwork.contains (network "fe80::/10") address)

[<Fact>]
let ``host bits are dropped and said`` () =
    Law.HoldsFor([ "10.0.0.1/8", "10.0.0.0/8"; "2001:db8::1/32", "2001:db8::/32"; "::ffff:10.1.2.3/104", "10.0.0.0/8"; "::ffff:10.1.2.3/96", "0.0.0.0/0" ], fun (text, kept) ->
        match parse text with
        | Ok(struct (n, true)) -> string n = kept
        | _ -> false)

[<Fact>]
let ``a single address is a network of itself alone`` () =
    Law.HoldsFor([ "10.0.0.1", "10.0.0.1/32"; "::1", "::1/128"; "::ffff:1.2.3.4", "1.2.3.4/32" ], fun (text, full) ->
        string (network text) = full)

[<Fact>]
let ``what is no network is refused`` () =
    Law.HoldsFor(
        [ ""; "/8"; "10.0.0.0/33"; "::/129"; "10.0.0.0/"; "10.0.0.0/08"; "10.0.0.0/-1"; "10.0.0/8"; "010.0.0.0/8"
          "10.0.0.0/8/8"; "example.com"; "fe80::1%eth0"; "[::1]"; "1.2.3.4.5"; "256.0.0.1"; "10.0.0.0 /8"; "0x7f.0.0.1"; "::1.2.3" ],
        fun text -> match parse text with Error _ -> true | Ok _ -> false)
