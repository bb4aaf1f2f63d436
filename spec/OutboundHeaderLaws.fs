module Bitflow.Spec.OutboundHeaderLaws

open System
open System.Net
open System.Text
open Xunit
open Bitflow.Domain

let private ip (text: string) port = Endpoint.OfIp(IPAddress.Parse text, port)
let private client, private server = ip "192.0.2.1" 56324, ip "198.51.100.2" 443
let private line version peer local inbound tls = OutboundHeader.choose version peer local inbound tls |> ProxyHeaderCodec.encode

let private tls =
    { Version = TlsVersion.Tls13; Cipher = "TLS_AES_256_GCM_SHA384"; Alpn = "h2"; ServerName = "example.com"; ClientCertificate = None }

let private versions = [ ProxyHeaderVersion.V1; ProxyHeaderVersion.V2 ]

[<Fact>]
let ``whatever is known of a connection, its header can be read by who receives it`` () =
    Law.Holds(fun (peer: Endpoint) (local: Endpoint) (inbound: ProxyHeader option) (tls: TerminatedTls option) ->
        versions
        |> List.forall (fun version ->
            let header = OutboundHeader.choose version peer local inbound tls
            let bytes = ProxyHeaderCodec.encode header
            ProxyHeaderCodec.parseBytes bytes = Parse.Done(header, bytes.Length)))

[<Fact>]
let ``the version sent is the one that was asked for`` () =
    Law.Holds(fun (peer: Endpoint) (local: Endpoint) (inbound: ProxyHeader option) (tls: TerminatedTls option) ->
        (line ProxyHeaderVersion.V1 peer local inbound tls)[0] = 'P'B
        && (line ProxyHeaderVersion.V2 peer local inbound tls)[0] = '\r'B)

[<Fact>]
let ``a header announces the client and the address it connected to`` () =
    Law.Holds(fun (AnyIp a) (AnyIp b) (p: uint16) (q: uint16) ->
        let peer, local = Endpoint.OfIp(a, int p), Endpoint.OfIp(b, int q)
        versions
        |> List.forall (fun version ->
            match ProxyOrigin.Of(OutboundHeader.choose version peer local None None) with
            | ProxyOrigin.Stated(source, destination) -> source = peer && destination = local
            | _ -> false))

[<Fact>]
let ``an inbound header's addresses go before the connection's own`` () =
    Law.Holds(fun (peer: Endpoint) (local: Endpoint) (inbound: ProxyHeader) ->
        match ProxyOrigin.Of inbound with
        | ProxyOrigin.Stated(source, destination) ->
            let sent = ProxyOrigin.Of(OutboundHeader.choose ProxyHeaderVersion.V2 peer local (Some inbound) None)
            (match sent with ProxyOrigin.Stated(s, d) -> s = source && d = destination | _ -> false)
        | _ ->
            versions
            |> List.forall (fun version -> line version peer local (Some inbound) None = line version peer local None None))

[<Fact>]
let ``what an inbound header says beside addresses is not passed on`` () =
    Law.Holds(fun (inbound: ProxyHeader) ->
        match OutboundHeader.choose ProxyHeaderVersion.V2 client server (Some inbound) None with
        | ProxyHeader.BinaryTcp(_, _, tlvs)
        | ProxyHeader.BinaryUnix(_, _, tlvs) -> tlvs = ProxyTlvs.None
        | _ -> false)

[<Fact>]
let ``the header for a client is what the specification's vectors show`` () =
    Law.HoldsFor(
        [ client, server, "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n"
          ip "2001:db8::1" 56324, ip "2001:db8::2" 443, "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n"
          ip "::ffff:192.0.2.1" 1, ip "::ffff:192.0.2.2" 2, "PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"
          Endpoint.OfIp(IPAddress((IPAddress.Parse "fe80::1").GetAddressBytes(), 3L), 1), ip "fe80::2" 2, "PROXY TCP6 fe80::1 fe80::2 1 2\r\n"
          // Hexadecimal alone, where the platform would write a dotted tail.
          ip "::102:304" 1, ip "::5efe:102:304" 2, "PROXY TCP6 0:0:0:0:0:0:102:304 0:0:0:0:0:5efe:102:304 1 2\r\n"
          Endpoint.Unix "", Endpoint.Unix "/run/a", "PROXY UNKNOWN\r\n"
          Endpoint.Unknown, server, "PROXY UNKNOWN\r\n" ],
        fun (peer, local, text) -> Encoding.ASCII.GetString(line ProxyHeaderVersion.V1 peer local None (Some tls)) = text)

[<Fact>]
let ``a Unix client's source is zeros, its destination the listener's path`` () =
    Law.HoldsFor([ ""; "/tmp/its-own" ], fun path ->
        let bytes = line ProxyHeaderVersion.V2 (Endpoint.Unix path) (Endpoint.Unix "/run/a") None None
        bytes.Length = 16 + 216
        && bytes[13] = 0x31uy
        && Array.forall ((=) 0uy) bytes[16..123]
        && Encoding.ASCII.GetString(bytes, 124, 108).TrimEnd '\000' = "/run/a")

[<Fact>]
let ``terminated TLS is told in version 2: protocol, name, version, cipher and certificate`` () =
    let expect given ssl =
        match OutboundHeader.choose ProxyHeaderVersion.V2 client server None (Some given) with
        | ProxyHeader.BinaryTcp(_, _, t) -> t = { ProxyTlvs.None with Alpn = Some "h2"; Authority = Some "example.com"; Ssl = Some ssl }
        | _ -> false
    let none =
        { ClientUsedTls = true; CertificateOnConnection = false; CertificateInSession = false; Verified = false
          Version = Some "TLSv1.3"; CommonName = None; Cipher = Some "TLS_AES_256_GCM_SHA384" }
    let given = { none with CertificateOnConnection = true; CertificateInSession = true; Verified = true; CommonName = Some "client1" }
    Law.HoldsFor(
        [ tls, none
          { tls with ClientCertificate = Some { CommonName = "client1"; Verified = true } }, given
          { tls with ClientCertificate = Some { CommonName = "client1"; Verified = false } }, { given with Verified = false }
          { tls with ClientCertificate = Some { CommonName = ""; Verified = true } }, { given with CommonName = None }
          { tls with ClientCertificate = Some { CommonName = String('x', 257); Verified = true } }, { given with CommonName = None }
          { tls with Version = TlsVersion.Tls12 }, { none with Version = Some "TLSv1.2" } ],
        fun (tls, ssl) -> expect tls ssl)

[<Fact>]
let ``a header for a TCP client without overlong words fits the smallest segment`` () =
    Law.Holds(fun (AnyIp a) (AnyIp b) (tls: TerminatedTls) ->
        let name = Printable.ofText tls.ServerName
        let short (text: string) = text.Substring(0, min 64 text.Length)
        let tls =
            { tls with
                ServerName = name.Substring(0, min 253 name.Length)
                Alpn = "h2"
                Cipher = "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA384"
                ClientCertificate = tls.ClientCertificate |> Option.map (fun c -> { c with CommonName = short (Printable.ofText c.CommonName) }) }
        (line ProxyHeaderVersion.V2 (Endpoint.OfIp(a, 65535)) (Endpoint.OfIp(b, 65535)) None (Some tls)).Length <= 536)

[<Fact>]
let ``a word of 256 bytes is sent, and a longer one is left out whole`` () =
    Law.HoldsFor([ 1, true; 255, true; 256, true; 257, false ], fun (length, sent) ->
        let tls = { tls with ServerName = String('a', length) }
        match OutboundHeader.choose ProxyHeaderVersion.V2 client server None (Some tls) with
        | ProxyHeader.BinaryTcp(_, _, tlvs) -> tlvs.Authority.IsSome = sent
        | _ -> false)

[<Fact>]
let ``cipher suites go by the names that OpenSSL gives them`` () =
    Law.HoldsFor(
        [ "TLS_AES_128_GCM_SHA256", "TLS_AES_128_GCM_SHA256"
          "TLS_CHACHA20_POLY1305_SHA256", "TLS_CHACHA20_POLY1305_SHA256"
          "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384", "ECDHE-ECDSA-AES256-GCM-SHA384"
          "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256", "ECDHE-RSA-AES128-GCM-SHA256"
          "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256", "ECDHE-RSA-CHACHA20-POLY1305"
          "TLS_DHE_RSA_WITH_AES_256_GCM_SHA384", "DHE-RSA-AES256-GCM-SHA384"
          "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA", "ECDHE-RSA-AES128-SHA"
          "TLS_RSA_WITH_AES_128_GCM_SHA256", "AES128-GCM-SHA256" ],
        fun (registered, known) -> CipherName.openSsl registered = known)
