module Bitflow.Spec.EndpointLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``a connection whose ends are one and the same leads nowhere but to itself, an unspecified address standing for this machine`` () =
    let at (address: string) port = Endpoint.OfIp(System.Net.IPAddress.Parse address, port)
    Law.Holds(fun (AnyIp address) (port: uint16) -> Endpoint.isItself (Endpoint.OfIp(address, int port)) (Endpoint.OfIp(address, int port)))
    Law.HoldsFor(
        [ at "127.0.0.1" 40_000, at "127.0.0.1" 40_001, false
          at "127.0.0.1" 40_000, at "127.0.0.2" 40_000, false
          at "127.0.0.1" 40_000, at "::ffff:127.0.0.1" 40_000, true
          at "127.0.0.1" 40_000, at "0.0.0.0" 40_000, true
          at "::1" 40_000, at "::" 40_000, true
          at "127.0.0.1" 40_000, at "0.0.0.0" 80, false
          Endpoint.Unix "", Endpoint.Unix "", false
          Endpoint.Unknown, Endpoint.Unknown, false ],
        fun (local, remote, itself) -> Endpoint.isItself local remote = itself)
