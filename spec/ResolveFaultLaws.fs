module Bitflow.Spec.ResolveFaultLaws

open System
open System.Net.Sockets
open Xunit
open Bitflow.Domain

[<Fact>]
let ``a lookup that failed is told by what the resolver knows of the name, and in the system's words where that is something else`` () =
    let known =
        [ SocketError.HostNotFound, ResolveFault.NoSuchNameOrAddress
          SocketError.NoData, ResolveFault.NoAddress
          SocketError.TryAgain, ResolveFault.NameServer ]
    Law.HoldsFor(Enum.GetValues<SocketError>(), fun error ->
        let expected = known |> List.tryPick (fun (name, fault) -> if name = error then Some fault else None)
        ResolveFault.ofSocketError error "words" = Option.defaultValue (ResolveFault.Other "words") expected)

[<Fact>]
let ``a name that does not resolve is told in the same words for a target, for its SOCKS5 proxy and for a listener`` () =
    Law.HoldsFor([ for error in Enum.GetValues<SocketError>() -> ResolveFault.ofSocketError error "the system's words" ], fun fault ->
        let words = ResolveFault.describe fault
        ListenFault.describe (ListenFault.NameWithoutAddress("a.example", fault)) = $"the name a.example does not resolve ({words})"
        && [ Hop.Target; Hop.Proxy ] |> List.forall (fun hop ->
            (DialFault.describe (DialFault.Unresolved(hop, AddressFault.Unresolved("a.example", fault)))).EndsWith $"a.example: {words}"))
