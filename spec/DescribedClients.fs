/// Clients that are only described, for the chapters on what is foreseen of them.
module Bitflow.Spec.DescribedClients

open Bitflow.Domain

let describe peer name openNow ticket : DescribedClient =
    { Peer = peer
      Local = Sample.ip "10.0.0.1"
      Header = ValueNone
      ServerName = name
      AlpnOffer = []
      TlsOffer = TlsOffer.usual
      OpenConnections = openNow
      Ticket = ticket }

let private peers = [| Sample.ip "10.9.9.9"; Sample.ip "10.1.2.3"; Sample.ip "203.0.113.9"; Endpoint.Unix "" |]
let private names = [| ValueNone; ValueSome(Sample.serverName "a.example"); ValueSome(Sample.serverName "x.example"); ValueSome(Sample.serverName "other.org") |]
let pick (choices: 'a[]) n = choices[abs (n % choices.Length)]

let private origins =
    [| ProxyOrigin.Unstated
       ProxyOrigin.TheSender
       ProxyOrigin.Stated(Sample.ip "10.9.9.9", Sample.ip "192.0.2.1")
       ProxyOrigin.Stated(Sample.ip "203.0.113.9", Sample.ip "192.0.2.1")
       ProxyOrigin.Stated(Sample.ip "2001:db8::9", Sample.ip "2001:db8::1") |]

/// Where it is a trusted proxy it sends a header, of whichever kind.
let client (p: ProxyConfig) n m openNow (ticket: uint16) =
    let peer = pick peers n
    { describe peer (pick names m) (abs (openNow % 4)) (int64 ticket) with
        Header = (if Admission.isTrustedProxy p.Listener peer then ValueSome(pick origins (n / 4 + m + int ticket)) else ValueNone) }

let tlsOf (p: ProxyConfig) = p.Listener.Tls |> Option.map (fun tls -> ListenerTlsRules(tls, [ { Names = [ "a.example" ]; Key = ValueSome KeyKind.P256 } ])) |> ValueOption.ofOption
let question client down : Question = { Client = client; Down = down }

/// Dual stack over literal addresses: one of IPv4 that is tried twice, and one of IPv6 after it.
let fourThenSix =
    { Sample.proxy "p" with
        Targets =
            [ { Sample.target "four" with Address = Sample.targetAddress "127.0.0.1:20100"; ConnectAttempts = 2 }
              { Sample.target "six" with Address = Sample.targetAddress "[::1]:20101" } ]
        Options = { Sample.options with LoadBalancer = Policy.Failover; DualStack = true } }
