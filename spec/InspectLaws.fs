module Bitflow.Spec.InspectLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``hexadecimal text is read however it was pasted`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        let plain = System.Convert.ToHexString bytes
        let spaced = bytes |> Array.map (fun b -> b.ToString "x2") |> String.concat ":" |> fun text -> $" {text}\n"
        bytes.Length = 0 || (Inspect.tryHex plain = ValueSome bytes && Inspect.tryHex ("0x" + plain) = ValueSome bytes && Inspect.tryHex spaced = ValueSome bytes))

[<Fact>]
let ``a file of captured bytes may hold them as they are or as hexadecimal text, with remarks`` () =
    let ascii (text: string) = System.Text.Encoding.ASCII.GetBytes text
    let hex (bytes: byte array) = ascii (System.Convert.ToHexString bytes)
    Law.HoldsFor(
        [ Array.append (ascii "# what sent it\n") (hex "PROXY UNKNOWN\r\n"B), "PROXY UNKNOWN\r\n"B
          Array.append (hex [| 0x16uy; 3uy; 1uy |]) "\n"B, [| 0x16uy; 3uy; 1uy |]
          "PROXY UNKNOWN\r\n"B, "PROXY UNKNOWN\r\n"B
          ProxyHeaderCodec.encode ProxyHeader.BinaryLocal, ProxyHeaderCodec.encode ProxyHeader.BinaryLocal
          [| 0x16uy; 3uy; 1uy; 0uy |], [| 0x16uy; 3uy; 1uy; 0uy |]
          // A form feed stands in no text, however blank it is.
          "16\01203"B, "16\01203"B
          [||], [||] ],
        fun (file, bytes) -> Inspect.ofFile file = bytes
    )

[<Fact>]
let ``what is neither a file nor hexadecimal is taken for a path by its slash or dot, or as a hyphen alone`` () =
    Law.HoldsFor([ "-", true; "--", false; "hello.bin", true; "/tmp/hello", true; "./1603", true; "160301g", false; "16 03 1", false; "hello", false ], fun (text, isPath) -> Inspect.isPath text = isPath)

[<Fact>]
let ``what is not hexadecimal is not guessed at`` () =
    Law.HoldsFor([ ""; " "; "0x"; "abc"; "zz"; "16 03 g1"; "hello.bin" ], fun text -> Inspect.tryHex text = ValueNone)

[<Fact>]
let ``no bytes make an inspection throw, and it calls whole exactly what the parsers do`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        let struct (seenHello, wholeHello) = Inspect.hello bytes
        let struct (seenHeader, wholeHeader) = Inspect.proxyHeader bytes
        let isDone parse = match parse with Parse.Done _ -> true | _ -> false
        seenHello <> "" && seenHeader <> ""
        && wholeHello = isDone (ClientHello.parse (System.ReadOnlySpan bytes))
        && wholeHeader = isDone (ProxyHeaderCodec.parseBytes bytes))

[<Fact>]
let ``a header is shown with its addresses and what follows it`` () =
    let header = ProxyHeaderCodec.encode (ProxyHeader.TextTcp(System.Net.IPEndPoint.Parse "192.0.2.1:56324", System.Net.IPEndPoint.Parse "198.51.100.2:443"))
    Law.HoldsFor([ 0; 1; 7 ], fun extra ->
        let struct (seen, whole) = Inspect.proxyHeader (Array.append header (Array.zeroCreate extra))
        whole && seen.Contains "source: 192.0.2.1:56324" && seen.Contains "destination: 198.51.100.2:443" && seen.Contains $"{extra} bytes after it" = (extra > 0))

/// A hello with nothing in it but a version.
let private bareHello (version: uint16) (extensions: byte array) =
    let u16 (n: int) = [| byte (n >>> 8); byte n |]
    let body =
        Array.concat [ u16 (int version); Array.zeroCreate 32; [| 0uy |]; u16 2; u16 0x1301; [| 1uy; 0uy |]; (if extensions.Length = 0 then [||] else Array.append (u16 extensions.Length) extensions) ]
    let message = Array.concat [ [| 1uy; 0uy |]; u16 body.Length; body ]
    Array.concat [ [| 0x16uy; 3uy; 1uy |]; u16 message.Length; message ]

[<Fact>]
let ``a hello is shown with what follows it`` () =
    Law.HoldsFor([ 0; 1; 7 ], fun extra ->
        let struct (seen, whole) = Inspect.hello (Array.append (bareHello 0x0303us [||]) (Array.zeroCreate extra))
        whole && seen.Contains $"{extra} bytes after it" = (extra > 0))

[<Fact>]
let ``an inspection names the versions of a hello as people do, and what it lacks`` () =
    let versions (offered: int list) = Array.concat [ [| 0uy; 43uy; 0uy; byte (2 * offered.Length + 1); byte (2 * offered.Length) |]; offered |> List.toArray |> Array.collect (fun v -> [| byte (v >>> 8); byte v |]) ]
    Law.HoldsFor(
        [ bareHello 0x0300us [||], "versions: SSL 3.0\n"; bareHello 0x0301us [||], "versions: TLS 1.0\n"; bareHello 0x0302us [||], "versions: TLS 1.1\n"
          bareHello 0x0303us [||], "versions: TLS 1.2\n"; bareHello 0x0303us (versions [ 0x0304; 0x0303 ]), "versions: TLS 1.3, TLS 1.2\n"
          bareHello 0x0303us (versions [ 0x7a7a; 0x0304 ]), "versions: GREASE 7a7a, TLS 1.3\n"; bareHello 0x0303us (versions [ 0x7a8a ]), "versions: 7a8a\n"
          bareHello 0x0303us [||], "server name: none\n"; bareHello 0x0303us [||], "application protocols: none\n"
          bareHello 0x0300us [| 0uy; 13uy; 0uy; 4uy; 0uy; 2uy; 8uy; 4uy |], "keys of certificates: none\n"
          bareHello 0x0303us (Array.append (versions [ 0x0304 ]) [| 0uy; 13uy; 0uy; 6uy; 0uy; 4uy; 8uy; 4uy; 4uy; 3uy |]), "keys of certificates: rsa, p256\n" ],
        fun (bytes, line) ->
            let struct (seen, whole) = Inspect.hello bytes
            whole && seen.Contains line
    )

[<Fact>]
let ``an inspection of a PROXY header says of which kind it is, and what the sender says of the client's certificate`` () =
    let ip = System.Net.IPEndPoint.Parse "192.0.2.1:1"
    let ssl onConnection inSession verified =
        { ClientUsedTls = true; CertificateOnConnection = onConnection; CertificateInSession = inSession; Verified = verified; Version = Some "TLSv1.3"; CommonName = None; Cipher = None }
    let tcp ssl = ProxyHeader.BinaryTcp(ip, ip, { ProxyTlvs.None with Ssl = Some ssl; Alpn = Some "h2"; Authority = Some "a.example" })
    Law.HoldsFor(
        [ tcp (ssl false false false), "client certificate: none"; tcp (ssl true false true), "client certificate: verified"; tcp (ssl false true true), "client certificate: verified"
          tcp (ssl true true false), "client certificate: not verified"; tcp (ssl true true true), "ALPN: h2"; tcp (ssl true true true), "authority: a.example"; tcp (ssl true true true), "SSL: TLSv1.3"
          ProxyHeader.BinaryUnix("/a", "", ProxyTlvs.None), "version 2, PROXY over a Unix socket\nsource: /a\ndestination: none"; ProxyHeader.BinaryLocal, "LOCAL"
          ProxyHeader.BinaryUnspecified, "UNSPEC"; ProxyHeader.TextUnknown, "version 1, UNKNOWN"; tcp (ssl true true true), "version 2, PROXY over TCP" ],
        fun (header, words) ->
            let struct (seen, whole) = Inspect.proxyHeader (ProxyHeaderCodec.encode header)
            whole && seen.Contains words
    )
