module Bitflow.Spec.DialFaultLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``another address is asked for only where the SOCKS5 proxy could not reach this one, or not in time, not where it will have nothing of us`` () =
    Law.Holds(fun (fault: DialFault) ->
        DialFault.anotherAddressMayDo fault = (match fault with DialFault.Socks(SocksFault.Refused _) | DialFault.ConnectTimeout _ -> true | _ -> false))
    Law.HoldsFor(
        [ SocksFault.Refused 1uy, true
          SocksFault.Refused 4uy, true
          SocksFault.NoAcceptableMethod, false
          SocksFault.CredentialsRefused 1uy, false
          SocksFault.Version 4uy, false
          SocksFault.Ended "the request", false ],
        fun (fault, another) -> DialFault.anotherAddressMayDo (DialFault.Socks fault) = another)

[<Fact>]
let ``another address is connected to where nobody was reached or the time was over, not where somebody answered, nor where we gave up`` () =
    Law.HoldsFor(
        [ DialFault.Connect IoFault.Refused, true
          DialFault.Connect IoFault.TimedOut, true
          DialFault.SocksConnect IoFault.HostUnreachable, true
          DialFault.ConnectTimeout(DialWait.Connection Hop.Target), true
          DialFault.ConnectTimeout(DialWait.SocksAnswer "the request"), true
          DialFault.ConnectTimeout DialWait.Handshake, true
          DialFault.Connect IoFault.Aborted, false
          DialFault.SocksConnect IoFault.Aborted, false
          DialFault.Exchange IoFault.Reset, false
          DialFault.SocksExchange(IoFault.Reset, "the greeting"), false
          DialFault.Tls "", false
          DialFault.Certificate "", false
          DialFault.Socks SocksFault.NoAcceptableMethod, false
          DialFault.Socks(SocksFault.Refused 5uy), false ],
        fun (fault, another) -> DialFault.anotherHopMayDo fault = another)

[<Fact>]
let ``a target is told of its certificate before its words, and of its words before the end of its connection`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault -> DialFault.ofHandshake TlsVersion.Tls13 fault true "expired" = DialFault.Certificate "expired")
    Law.HoldsFor(
        [ IoFault.None, "target.dial.protocol"
          IoFault.TlsProtocol, "target.dial.protocol"
          IoFault.Truncated, "target.dial.ended"
          IoFault.Reset, "target.dial.reset"
          IoFault.TimedOut, "target.dial.vanished"
          IoFault.Aborted, "bitflow.dial.fault" ],
        fun (fault, reason) -> string (DialFault.reason (DialFault.ofHandshake TlsVersion.Tls13 fault false "words")) = reason)

[<Fact>]
let ``a target that resets before it takes the PROXY header was not reached, unless it has said something first`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault ->
        DialFault.ofAnnouncement fault false = (if fault = IoFault.None then ValueNone else ValueSome(DialFault.Exchange fault))
        && DialFault.ofAnnouncement fault true = (if fault = IoFault.Reset then ValueNone else DialFault.ofAnnouncement fault false))

/// Whether a handshake that failed in these words is told with that advice, and with the words in any case.
let private advises (advice: string) least (detail: string) =
    let said = DialFault.describe (DialFault.ofHandshake least IoFault.None false detail)
    if said.Contains detail then said.Contains advice else failwith said

[<Fact>]
let ``a target whose versions of TLS do not meet min_version is told with the setting that lets it in, and no other is`` () =
    Law.HoldsFor(
        [ TlsVersion.Tls13, "error:0A00042E:SSL routines::tlsv1 alert protocol version", true
          TlsVersion.Tls13, "error:0A000102:SSL routines::unsupported protocol", true
          TlsVersion.Tls13, "error:0A000410:SSL routines::sslv3 alert handshake failure", false
          TlsVersion.Tls13, "error:0A00010B:SSL routines::wrong version number", false // It speaks no TLS at all.
          TlsVersion.Tls12, "error:0A00042E:SSL routines::tlsv1 alert protocol version", false ],
        fun (least, detail, advised) -> advises "min_version" least detail = advised)

[<Fact>]
let ``what answers without TLS is told with what to look at, in either library's words, and no other handshake is`` () =
    Law.HoldsFor(
        [ "error:0A00010B:SSL routines::wrong version number", true
          "Cannot determine the frame size or a corrupted frame was received.", true
          "error:0A00042E:SSL routines::tlsv1 alert protocol version", false
          "error:0A000410:SSL routines::sslv3 alert handshake failure", false ],
        fun (detail, advised) -> advises "mind the port, or leave tls_context out" TlsVersion.Tls13 detail = advised)

[<Fact>]
let ``a target that refuses the certificate that it was shown is told with what to look at, and no other handshake is`` () =
    Law.HoldsFor(
        [ "error:0A000418:SSL routines::tlsv1 alert unknown ca", true
          "error:0A000412:SSL routines::sslv3 alert bad certificate", true
          "error:0A000410:SSL routines::sslv3 alert handshake failure", false ],
        fun (detail, advised) -> advises "it does not accept the certificate that it was shown" TlsVersion.Tls13 detail = advised)

[<Fact>]
let ``an address that leads nowhere says why`` () =
    Law.HoldsFor(
        [ AddressFault.Unresolved("a.example", ResolveFault.NameServer), "a.example: the name server did not answer, or failed"
          AddressFault.NoneOfFamily("a.example", 2, TcpFamily.V4), "a.example: none of its 2 addresses is IPv4"
          AddressFault.NoneOfFamily("a.example", 1, TcpFamily.V6), "a.example: its one address is not IPv6"
          AddressFault.OtherThanClients TcpFamily.V4, "its address is IPv6, and the client came over IPv4 (enable_dual_stack)"
          AddressFault.OtherThanClients TcpFamily.V6, "its address is IPv4, and the client came over IPv6 (enable_dual_stack)" ],
        fun (fault, words) -> (DialFault.describe (DialFault.Unresolved(Hop.Target, fault))).EndsWith words
    )

[<Fact>]
let ``whatever a SOCKS5 proxy is at fault for is told as its own, and nothing else is`` () =
    Law.Holds(fun (fault: DialFault) ->
        let ofProxy =
            match fault with
            | DialFault.ConnectTimeout(DialWait.Name Hop.Proxy | DialWait.Connection Hop.Proxy | DialWait.SocksAnswer _)
            | DialFault.ResolveTimeout Hop.Proxy
            | DialFault.Unresolved(Hop.Proxy, _)
            | DialFault.SocksConnect _
            | DialFault.Socks _
            | DialFault.SocksExchange _ -> true
            | _ -> false
        (DialFault.describe fault).Contains "SOCKS5 proxy" = ofProxy)

[<Fact>]
let ``every fault of a dial has its own words, and a reason of the dial`` () =
    Law.Holds(fun (fault: DialFault) ->
        let reason = DialFault.reason fault
        reason.Phase = Phase.Dial && DialFault.describe fault <> "" && reason.Who <> Who.Client)

[<Fact>]
let ``an address to which no way leads from here hides nothing of one that was tried, and everything else is told as it came last`` () =
    Law.Holds(fun (before: DialFault) (fault: DialFault) ->
        let hides = List.contains fault [ for here in [ IoFault.NoSourceAddress; IoFault.NetworkUnreachable ] do DialFault.Connect here; DialFault.SocksConnect here ]
        DialFault.told ValueNone fault = fault && DialFault.told (ValueSome before) fault = (if hides then before else fault))

[<Fact>]
let ``a fault is of the hop that was connected to, the target or its SOCKS5 proxy`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault ->
        DialFault.ofHop Hop.Target fault = DialFault.Connect fault && DialFault.ofHop Hop.Proxy fault = DialFault.SocksConnect fault)

[<Fact>]
let ``a dial that failed says in the log whose fault it was, and why`` () =
    Law.HoldsFor(
        [ DialFault.Connect IoFault.Refused, "target.dial.refused"
          DialFault.Connect IoFault.NoSuchPath, "target.dial.refused"
          DialFault.Connect IoFault.BacklogFull, "target.dial.refused"
          DialFault.Connect IoFault.HostUnreachable, "target.dial.unreachable"
          DialFault.Connect IoFault.NetworkUnreachable, "target.dial.unreachable"
          DialFault.Connect(IoFaults.ofConnect false true 22), "target.dial.unreachable" // EINVAL: a blackhole route
          DialFault.Connect(IoFaults.ofConnect false true 92), "target.dial.unreachable" // ENOPROTOOPT: no TCP there
          DialFault.Connect(IoFaults.ofConnect false true 97), "target.dial.unreachable" // EAFNOSUPPORT
          DialFault.Connect(IoFaults.ofConnect false true 95), "target.dial.unreachable" // EOPNOTSUPP
          DialFault.Connect(IoFaults.ofConnect true true 20), "target.dial.refused" // ENOTDIR
          DialFault.Connect(IoFaults.ofConnect true true 40), "target.dial.refused" // ELOOP
          DialFault.Connect IoFault.TimedOut, "target.dial.vanished"
          DialFault.Connect(IoFaults.ofSocket 24), "bitflow.dial.exhausted" // EMFILE
          DialFault.Connect(IoFaults.ofSocket 23), "bitflow.dial.exhausted" // ENFILE
          DialFault.Connect IoFault.NoLocalAddress, "bitflow.dial.exhausted"
          DialFault.ofHop Hop.Target (IoFaults.ofConnect false true 99), "bitflow.dial.exhausted" // EADDRNOTAVAIL: no port is free,
          DialFault.ofHop Hop.Target (IoFaults.ofConnect false false 99), "target.dial.unreachable" // or no address leads there
          DialFault.ofHop Hop.Proxy (IoFaults.ofConnect false false 99), "target.dial.unreachable"
          DialFault.ofHop Hop.Target IoFault.Refused, "target.dial.refused"
          DialFault.Connect(IoFaults.ofEpoll 28), "bitflow.dial.exhausted" // ENOSPC: fs.epoll.max_user_watches
          DialFault.Connect IoFault.Aborted, "bitflow.dial.fault"
          DialFault.Exchange IoFault.None, "target.dial.ended"
          DialFault.Exchange IoFault.Reset, "target.dial.reset"
          DialFault.Exchange IoFault.Truncated, "target.dial.truncated"
          DialFault.ConnectTimeout DialWait.Handshake, "target.dial.connect_timeout"
          DialFault.ResolveTimeout Hop.Proxy, "target.dial.resolve_timeout"
          DialFault.Unresolved(Hop.Target, AddressFault.OtherThanClients TcpFamily.V4), "target.dial.unresolved"
          DialFault.Socks(SocksFault.Version 4uy), "target.dial.protocol"
          DialFault.Socks(SocksFault.Refused 1uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 2uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 3uy), "target.dial.unreachable"
          DialFault.Socks(SocksFault.Refused 6uy), "target.dial.vanished"
          DialFault.Socks(SocksFault.Refused 5uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 7uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 8uy), "target.dial.refused"
          DialFault.Socks(SocksFault.Refused 9uy), "target.dial.protocol"
          DialFault.Socks(SocksFault.Ended "the request"), "target.dial.ended"
          DialFault.SocksExchange(IoFault.Reset, "the request"), "target.dial.reset"
          DialFault.Socks(SocksFault.Refused 4uy), "target.dial.unreachable"
          DialFault.SocksConnect IoFault.Refused, "target.dial.refused"
          DialFault.Tls "", "target.dial.protocol"
          DialFault.Certificate "", "target.dial.certificate"
          DialFault.UsedUp, "target.dial.used_up" ],
        fun (fault, text) -> string (DialFault.reason fault) = text
    )

[<Fact>]
let ``a socket that takes no streams is a refusal, by errno and by the platform's name for it`` () =
    Law.HoldsFor(
        [ IoFaults.ofConnect true true 91; PlatformFaults.ofConnect true true System.Net.Sockets.SocketError.ProtocolType ],
        fun fault -> string (DialFault.reason (DialFault.Connect fault)) = "target.dial.refused" && IoFaults.describe fault = "is no stream socket")

[<Fact>]
let ``who is out of descriptors is told apart, for the limit to raise is another`` () =
    Law.HoldsFor([ 24, "this process is out of descriptors"; 23, "the machine is out of descriptors (fs.file-max)" ], fun (errno, words) ->
        List.forall (fun fault -> IoFaults.isWant fault && IoFaults.reason fault = words && (IoFaults.describe fault).EndsWith words) [ IoFaults.ofSocket errno; IoFaults.ofAccept errno ])
