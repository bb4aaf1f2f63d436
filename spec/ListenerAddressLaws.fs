module Bitflow.Spec.ListenerAddressLaws

open Xunit
open Bitflow.Domain

let private at text = match Address.tryParse text with Ok a -> a | Error _ -> failwith text

[<Fact>]
let ``listeners overlap with themselves at a port, both ways or not at all, and with every address of their family and port`` () =
    Law.Holds(fun (a: Address) (b: Address) ->
        ListenerAddress.overlap a b = ListenerAddress.overlap b a
        && (match a with
            | Address.Tcp(family, Host.Literal literal, port) when port <> 0 ->
                ListenerAddress.overlap a a
                && ListenerAddress.overlap a (Address.Tcp(TcpFamily.Either, Host.Any, port))
                && not (ListenerAddress.overlap a (Address.Tcp(family, Host.Literal literal, port % 65535 + 1)))
            | Address.Tcp(_, _, port) -> ListenerAddress.overlap a a = (port <> 0)
            | _ -> ListenerAddress.overlap a a && ListenerAddress.overlap a b = (a = b)))

[<Fact>]
let ``a name overlaps with itself however it is written and with every address, localhost with 127.0.0.1, and no name with what is not certain`` () =
    Law.HoldsFor(
        [ "localhost:80", "LOCALHOST:80", true
          "localhost:80", "tcp4:localhost:80", true
          "tcp4:localhost:80", "tcp6:localhost:80", false
          "localhost:80", "localhost:81", false
          "localhost:0", "localhost:0", false
          "a.example:80", "b.example:80", false
          "a.example:80", ":80", true
          "a.example:80", ":81", false
          "a.example:80", "tcp4::80", false
          "a.example:80", "127.0.0.1:80", false
          "localhost:80", "127.0.0.1:80", true
          "localhost:80", "0.0.0.0:80", true
          "LocalHost:80", "127.0.0.1:80", true
          "localhost.:80", "127.0.0.1:80", true
          "localhost.:80", "localhost:80", true
          "localhost:80", "127.0.0.2:80", false
          "localhost:80", "[::1]:80", false
          "tcp6:localhost:80", "127.0.0.1:80", false
          "tcp6:localhost:80", "[::1]:80", true
          "tcp4:a.example:80", "0.0.0.0:80", true
          "tcp4:a.example:80", "tcp6::80", false
          "tcp6:A.example:80", "a.example:80", true
          "unix:/a", "unix:/a", true
          "unix:/a", "unix:/b", false
          "fd:3", "fd:3", true
          "fd:3", "127.0.0.1:80", false ],
        fun (a, b, overlaps) -> ListenerAddress.overlap (at a) (at b) = overlaps && ListenerAddress.overlap (at b) (at a) = overlaps)

[<Fact>]
let ``of many listeners those are named that overlap with an earlier one, each with the first of those`` () =
    Law.Holds(fun (CrowdedAddresses addresses) ->
        let listeners = List.indexed addresses
        let expected =
            [ for place, address in listeners do
                  match listeners |> List.tryFind (fun (other, a) -> other < place && ListenerAddress.overlap a address) with
                  | Some first -> (place, address), first
                  | None -> () ]
        // Descriptors and paths have rules of their own.
        ListenerAddress.overlaps listeners = (expected |> List.filter (fun ((_, address), _) -> address.IsTcp)))

[<Fact>]
let ``those that an address overlaps with are found among many as among two, in their order`` () =
    Law.Holds(fun (CrowdedAddresses held) (CrowdedAddresses addresses) ->
        let find = ListenerAddress.overlapping (List.indexed held)
        addresses |> List.forall (fun address ->
            find address = [ for place, other in List.indexed held do if ListenerAddress.overlap other address then place ]))

[<Fact>]
let ``what is one socket overlaps, or is another one each time, and is one for all who know it by either`` () =
    Law.Holds(fun (CrowdedAddresses addresses) ->
        List.allPairs addresses addresses
        |> List.forall (fun (a, b) ->
            ListenerAddress.isSame a b = ListenerAddress.isSame b a
            && (not (ListenerAddress.isSame a b)
                || ListenerAddress.overlap a a = ListenerAddress.overlap a b
                   && addresses |> List.forall (fun c -> ListenerAddress.isSame a c = ListenerAddress.isSame b c && ListenerAddress.overlap a c = ListenerAddress.overlap b c))))

[<Fact>]
let ``one socket may be written in several ways, and what differs in what it takes is another`` () =
    Law.HoldsFor(
        [ "127.0.0.1:80", "tcp4:127.0.0.1:80", true
          "127.0.0.1:80", "tcp:127.0.0.1:80", true
          "[::1]:80", "tcp6:[::1]:80", true
          "[::ffff:10.0.0.1]:80", "10.0.0.1:80", true
          "0.0.0.0:80", "tcp4::80", true
          "[::]:80", ":80", true
          "tcp6:[::]:80", "tcp6::80", true
          "localhost:80", "LOCALHOST:80", true
          "127.0.0.1:0", "tcp4:127.0.0.1:0", true
          ":80", "tcp6::80", false
          ":80", "0.0.0.0:80", false
          "localhost:80", "tcp4:localhost:80", false
          "localhost:80", "127.0.0.1:80", false
          "127.0.0.1:80", "127.0.0.1:81", false
          "unix:/a", "unix:/A", false
          "unix:/a", "unix:@a", false ],
        fun (a, b, same) -> ListenerAddress.isSame (at a) (at b) = same)
