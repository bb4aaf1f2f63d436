module Bitflow.Spec.ProxyHeaderLaws

open System
open System.Net
open System.Text
open Xunit
open Bitflow.Domain

let private hex (text: string) = Convert.FromHexString(text.Replace(" ", ""))
let private ascii (text: string) = Encoding.Latin1.GetBytes text
let private parse bytes = ProxyHeaderCodec.parseBytes bytes
let private endPoint (address: string) port = IPEndPoint(IPAddress.Parse address, port)
let private checksum (bytes: byte[]) = Crc32c.ofBytesWithHole (ReadOnlySpan bytes) -1
let private fault bytes = match parse bytes with Parse.Rejected fault -> Some fault | _ -> None
let private signature = "0d0a0d0a000d0a515549540a"
let private v4Addresses = "c0000201 c6336402 dc04 01bb"
let private v4Source, private v4Destination = endPoint "192.0.2.1" 56324, endPoint "198.51.100.2" 443

/// The first answer that is more than "need more", byte by byte, and how many bytes it took.
let private firstAnswer (bytes: byte[]) =
    seq { 0 .. bytes.Length }
    |> Seq.tryPick (fun n ->
        match parse (Array.truncate n bytes) with
        | Parse.NeedMore _ -> None
        | answer -> Some(n, answer))

[<Fact>]
let ``a header that was written reads back as itself, with a checksum and without`` () =
    Law.Holds(fun (header: ProxyHeader) ->
        [ ProxyHeaderCodec.encode header; Checksummed.encode header ]
        |> List.forall (fun bytes -> parse bytes = Parse.Done(header, bytes.Length)))

[<Fact>]
let ``every strict prefix of a header asks for more, and never for more than is missing`` () =
    Law.Holds(fun (header: ProxyHeader) ->
        let bytes = Checksummed.encode header
        seq { 0 .. bytes.Length - 1 }
        |> Seq.forall (fun n ->
            match parse (Array.truncate n bytes) with
            | Parse.NeedMore atLeast -> atLeast >= 1 && atLeast <= bytes.Length - n
            | _ -> false))

[<Fact>]
let ``bytes behind a header are the client's and do not change the answer`` () =
    Law.Holds(fun (header: ProxyHeader) (HostileBytes data) ->
        let bytes = ProxyHeaderCodec.encode header
        parse (Array.append bytes data) = Parse.Done(header, bytes.Length))

[<Fact>]
let ``however bytes arrive, the first answer is the last`` () =
    Law.Holds(fun (MangledHeader bytes) (HostileBytes more) ->
        let all = Array.append bytes more
        match firstAnswer all with
        | None -> true
        | Some(n, answer) -> seq { n .. all.Length } |> Seq.forall (fun longer -> parse (Array.truncate longer all) = answer))

[<Fact>]
let ``a line that will be too long is too long, whatever ends it`` () =
    let lines =
        [ for length in 80..106 do
              for ending in [ "\n"; "\r"; "\r\n"; "\rx"; " "; " 1 1\r\n" ] do
                  for start in [ "PROXY TCP4 "; "PROXY TCP6 "; "PROXY TCP6 :: "; "PROXY TCP4 0.0.0.0 0.0.0.0 "; "PROXY UNKNOWN " ] do
                      start.PadRight(length, '1') + ending ]
    Law.HoldsFor(lines, fun line ->
        let all = ascii line
        match firstAnswer all with
        | None -> true
        | Some(n, answer) -> seq { n .. all.Length } |> Seq.forall (fun longer -> parse (Array.truncate longer all) = answer))

[<Fact>]
let ``no bytes make the reading of a header throw or take more than there is`` () =
    Law.Holds(fun (HostileBytes bytes) (MangledHeader nearly) ->
        [ bytes; nearly; Array.append (hex signature) bytes; Array.append "PROXY TCP6 "B bytes ]
        |> List.forall (fun bytes ->
            match parse bytes with
            | Parse.Done(_, consumed) -> consumed <= bytes.Length
            | Parse.NeedMore n -> n >= 1
            | Parse.Rejected fault -> (ProxyHeaderFault.describe fault).Length > 20))

[<Fact>]
let ``a changed address in a header with a checksum is never believed`` () =
    Law.Holds(fun (header: ProxyHeader) (at: byte) (flip: byte) ->
        let bytes = Checksummed.encode header
        let changed = bytes |> Array.mapi (fun i b -> if i = 16 + int at % 12 then b ^^^ flip else b)
        match header, parse changed with
        | (ProxyHeader.BinaryTcp _ | ProxyHeader.BinaryUnix _), Parse.Rejected(ProxyHeaderFault.ChecksumMismatch _) -> flip <> 0uy
        | (ProxyHeader.BinaryTcp _ | ProxyHeader.BinaryUnix _), Parse.Done _ -> flip = 0uy
        | (ProxyHeader.BinaryTcp _ | ProxyHeader.BinaryUnix _), _ -> false
        | _ -> true)

[<Fact>]
let ``a header of addresses announces them as they are seen everywhere: canonical`` () =
    Law.Holds(fun (header: ProxyHeader) ->
        match ProxyOrigin.Of header with
        | ProxyOrigin.Stated(Endpoint.Ip(a, _), Endpoint.Ip(b, _)) -> IpAddress.canonical a = a && IpAddress.canonical b = b
        | ProxyOrigin.Stated _ -> true
        | ProxyOrigin.TheSender -> header = ProxyHeader.BinaryLocal
        | ProxyOrigin.Unstated -> header = ProxyHeader.TextUnknown || header = ProxyHeader.BinaryUnspecified)

[<Fact>]
let ``the checksum is CRC-32C as its definition's check value says`` () =
    Law.HoldsFor([ "123456789", 0xe3069283u; "", 0u ], fun (text, crc) -> checksum (ascii text) = crc)

[<Fact>]
let ``the specification's text headers are read`` () =
    let full = "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff"
    Law.HoldsFor(
        [ "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n", 45, ProxyHeader.TextTcp(v4Source, v4Destination)
          "PROXY TCP6 2001:db8::1 2001:db8::2 56324 443\r\n", 46, ProxyHeader.TextTcp(endPoint "2001:db8::1" 56324, endPoint "2001:db8::2" 443)
          "PROXY TCP6 2001:DB8::1 2001:0db8:0:0:0:0:0:2 0 65535\r\n", 54, ProxyHeader.TextTcp(endPoint "2001:db8::1" 0, endPoint "2001:db8::2" 65535)
          "PROXY UNKNOWN\r\n", 15, ProxyHeader.TextUnknown
          "PROXY UNKNOWN whatever\nstands\rhere\r\n", 36, ProxyHeader.TextUnknown
          $"PROXY UNKNOWN {full} {full} 65535 65535\r\n", 107, ProxyHeader.TextUnknown
          $"PROXY TCP6 {full} {full} 65535 65535\r\n", 104, ProxyHeader.TextTcp(endPoint full 65535, endPoint full 65535)
          "PROXY TCP4 255.255.255.255 255.255.255.255 65535 65535\r\n", 56, ProxyHeader.TextTcp(endPoint "255.255.255.255" 65535, endPoint "255.255.255.255" 65535) ],
        fun (text, length, header) -> text.Length = length && parse (ascii (text + "data\r\n")) = Parse.Done(header, length))

[<Fact>]
let ``the specification's binary headers are read, and written alike`` () =
    let tcp6 = ProxyHeader.BinaryTcp(endPoint "2001:db8::1" 56324, endPoint "2001:db8::2" 443, { ProxyTlvs.None with Authority = Some "example.com" })
    let tcp4 = ProxyHeader.BinaryTcp(v4Source, v4Destination, ProxyTlvs.None)
    let longest = Array.create 128 0xabuy
    let identified = ProxyHeader.BinaryTcp(v4Source, v4Destination, { ProxyTlvs.None with UniqueId = Some longest })
    let tcp6Bytes = "20010db8000000000000000000000001 20010db8000000000000000000000002 dc04 01bb 02 000b 6578616d706c652e636f6d"
    Law.HoldsFor(
        [ $"{signature} 21 11 000c {v4Addresses}", tcp4, ProxyHeaderCodec.encode
          $"{signature} 21 11 0013 {v4Addresses} 03 0004 20ec9549", tcp4, Checksummed.encode
          $"{signature} 21 11 008f {v4Addresses} 05 0080 {System.Convert.ToHexString longest}", identified, ProxyHeaderCodec.encode
          $"{signature} 20 00 0000", ProxyHeader.BinaryLocal, ProxyHeaderCodec.encode
          $"{signature} 21 00 0000", ProxyHeader.BinaryUnspecified, ProxyHeaderCodec.encode
          $"{signature} 21 21 0032 {tcp6Bytes}", tcp6, ProxyHeaderCodec.encode ],
        fun (text, header, encode) ->
            let bytes = hex text
            parse bytes = Parse.Done(header, bytes.Length) && encode header = bytes)

let private ssl = { ClientUsedTls = true; CertificateOnConnection = false; CertificateInSession = false; Verified = false; Version = Some "TLSv1.3"; CommonName = None; Cipher = None }

[<Fact>]
let ``the specification's SSL items are read, and written alike`` () =
    Law.HoldsFor(
        [ "20 0028 01 00000001 21 0007 544c5376312e33 23 0016 544c535f4145535f3235365f47434d5f534841333834",
          { ssl with Cipher = Some "TLS_AES_256_GCM_SHA384" }
          "20 0019 07 00000000 21 0007 544c5376312e33 22 0007 636c69656e7431",
          { ssl with CertificateOnConnection = true; CertificateInSession = true; Verified = true; CommonName = Some "client1" } ],
        fun (item, ssl) ->
            let total = (12 + (hex item).Length).ToString "x4"
            let bytes = hex $"{signature} 21 11 {total} {v4Addresses} {item}"
            let header = ProxyHeader.BinaryTcp(v4Source, v4Destination, { ProxyTlvs.None with Ssl = Some ssl })
            parse bytes = Parse.Done(header, bytes.Length) && ProxyHeaderCodec.encode header = bytes)

[<Fact>]
let ``a sender's "verified" counts only where there was a certificate`` () =
    Law.HoldsFor([ "01", false; "03", true; "05", true; "00", false ], fun (flags, verified) ->
        match parse (hex $"{signature} 21 11 0014 {v4Addresses} 20 0005 {flags} 00000000") with
        | Parse.Done(ProxyHeader.BinaryTcp(_, _, { Ssl = Some ssl }), 36) -> ssl.Verified = verified
        | _ -> false)

[<Fact>]
let ``unknown items are skipped, and of a repeated one the first counts`` () =
    let items = "04 0003 000000 ea 0001 ff 01 0002 6832 01 0008 687474702f312e31 28 0000 02 0000 02 0001 61"
    match parse (hex $"{signature} 21 11 {12 + (hex items).Length:x4} {v4Addresses} {items}") with
    | Parse.Done(ProxyHeader.BinaryTcp(_, _, tlvs), _) ->
        Assert.Equal(Some "h2", tlvs.Alpn)
        Assert.Equal(Some "", tlvs.Authority)
    | other -> Assert.Fail $"%A{other}"

[<Fact>]
let ``of two checksums the first counts, and the second is no matter`` () =
    let header first = Array.append (hex $"{signature} 21 11 {12 + 14:x4} {v4Addresses} 03 0004") (Array.append first (hex "03 0004 00000000"))
    let right =
        let bytes = header (Array.zeroCreate 4)
        let sum = Crc32c.ofBytesWithHole (ReadOnlySpan bytes) (bytes.Length - 11)
        [| byte (sum >>> 24); byte (sum >>> 16); byte (sum >>> 8); byte sum |]
    Law.HoldsFor([ right, true; [| 0uy; 0uy; 0uy; 1uy |], false ], fun (first, isTaken) ->
        match parse (header first) with
        | Parse.Done(ProxyHeader.BinaryTcp _, _) -> isTaken
        | _ -> not isTaken)

[<Fact>]
let ``LOCAL, UNSPEC and what a stream cannot be leave the connection's own addresses, whatever their block holds`` () =
    Law.HoldsFor(
        [ "20 00 0000", ProxyHeader.BinaryLocal
          "20 ff 0003 ffffff", ProxyHeader.BinaryLocal
          $"20 11 000c {v4Addresses}", ProxyHeader.BinaryLocal
          "21 00 0004 03000100", ProxyHeader.BinaryUnspecified
          "21 01 0000", ProxyHeader.BinaryUnspecified
          "21 10 0001 00", ProxyHeader.BinaryUnspecified
          $"21 12 000c {v4Addresses}", ProxyHeader.BinaryUnspecified
          $"21 32 00d8 {String('0', 432)}", ProxyHeader.BinaryUnspecified ],
        fun (rest, header) ->
            let bytes = hex $"{signature} {rest}"
            parse bytes = Parse.Done(header, bytes.Length))

[<Fact>]
let ``a mapped address in a header is IPv4`` () =
    let mapped = "00000000000000000000ffffc0000201 00000000000000000000ffffc6336402 dc04 01bb"
    Law.HoldsFor(
        [ ascii "PROXY TCP6 ::ffff:192.0.2.1 ::ffff:c633:6402 56324 443\r\n"; hex $"{signature} 21 21 0024 {mapped}" ],
        fun bytes ->
            match parse bytes with
            | Parse.Done((ProxyHeader.TextTcp(s, d) | ProxyHeader.BinaryTcp(s, d, _)), _) -> s.Equals v4Source && d.Equals v4Destination
            | _ -> false)

[<Fact>]
let ``a Unix path is read up to its padding, terminated or not, abstract or not`` () =
    let path (bytes: byte[]) = Convert.ToHexString(Array.append bytes (Array.zeroCreate (108 - bytes.Length)))
    let long = Array.create 108 'x'B
    Law.HoldsFor(
        [ "/run/a"B, "/run/a"; "\000name"B, "@name"; ""B, ""; long, String('x', 108); "/a\000rest"B, "/a" ],
        fun (bytes, text) ->
            let given = path bytes
            parse (hex $"{signature} 21 31 00d8 {given} {given}") = Parse.Done(ProxyHeader.BinaryUnix(text, text, ProxyTlvs.None), 232))

[<Fact>]
let ``what is no text header is refused, each for its own reason`` () =
    let refused = ProxyHeaderFault.BadAddress
    Law.HoldsFor(
        [ "PROXY TCP4  1.2.3.4 1.2.3.4 1 443\r\n", ProxyHeaderFault.EmptyField
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 443 \r\n", ProxyHeaderFault.EmptyField
          "PROXY TCP4 \r\n", ProxyHeaderFault.EmptyField
          "PROXY TCP4 1.2.3.4 1.2.3.4 01 443\r\n", ProxyHeaderFault.BadPort "01"
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 65536\r\n", ProxyHeaderFault.BadPort "65536"
          "PROXY TCP4 1.2.3.4 1.2.3.4 -1 443\r\n", ProxyHeaderFault.BadPort "-1"
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 +443\r\n", ProxyHeaderFault.BadPort "+443"
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 4294967297\r\n", ProxyHeaderFault.BadPort "4294967297"
          "PROXY TCP4 ::1 ::1 1 2\r\n", ProxyHeaderFault.WrongFamily "::1"
          "PROXY TCP4 ::ffff:1.2.3.4 ::1 1 2\r\n", ProxyHeaderFault.WrongFamily "::ffff:1.2.3.4"
          "PROXY TCP6 1.2.3.4 ::1 1 2\r\n", ProxyHeaderFault.WrongFamily "1.2.3.4"
          "PROXY TCP6 ::1 1.2.3.4 1 2\r\n", ProxyHeaderFault.WrongFamily "1.2.3.4"
          "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n", refused "fe80::1%eth0"
          "PROXY TCP6 1::2::3 ::1 1 2\r\n", refused "1::2::3"
          "PROXY TCP6 [::1] ::1 1 2\r\n", refused "[::1]"
          "PROXY TCP6 1:2:3:4:5:6:7 ::1 1 2\r\n", refused "1:2:3:4:5:6:7"
          "PROXY TCP4 256.1.1.1 1.2.3.4 1 2\r\n", refused "256.1.1.1"
          "PROXY TCP4 1.2.3 1.2.3.4 1 2\r\n", refused "1.2.3"
          "PROXY TCP4 01.2.3.4 1.2.3.4 1 2\r\n", refused "01.2.3.4"
          "PROXY TCP4 1.2.3.4 0x7f.0.0.1 1 2\r\n", refused "0x7f.0.0.1"
          "PROXY TCP4 1.2.3.4 1.2.3.4 1\r\n", ProxyHeaderFault.FieldCount 3
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 2 3\r\n", ProxyHeaderFault.FieldCount 5
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 443\n", ProxyHeaderFault.LoneLineFeed
          "PROXY UNKNOWN\n", ProxyHeaderFault.LoneLineFeed
          "PROXY TCP4 1.2.3.4 1.2.3.4 1 443\r", ProxyHeaderFault.LoneCarriageReturn
          "PROXY UNKNOWN\rx", ProxyHeaderFault.LoneCarriageReturn
          "PROXY UDP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeaderFault.Protocol
          "PROXY TCP5 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeaderFault.Protocol
          "PROXY tcp4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeaderFault.Protocol
          "PROXY\tTCP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeaderFault.NotAHeader
          "PROXY\r\n", ProxyHeaderFault.NotAHeader
          "proxy TCP4 1.2.3.4 1.2.3.4 1 2\r\n", ProxyHeaderFault.NotAHeader
          "BOGUS\r\n", ProxyHeaderFault.NotAHeader
          "GET / HTTP/1.1\r\n", ProxyHeaderFault.NotAHeader
          "PROXY UNKNOWN " + String('x', 92) + "\r\n", ProxyHeaderFault.LineTooLong
          "PROXY TCP6 " + String('1', 97), ProxyHeaderFault.LineTooLong
          "PROXY TCP6 " + String('1', 95) + "\r\n", ProxyHeaderFault.LineTooLong ],
        fun (text, expected) ->
            // A lone CR is one only once the next byte is there.
            let bytes = ascii (if text.EndsWith '\r' then text + "x" else text)
            fault bytes = Some expected)

[<Fact>]
let ``what is no binary header is refused, each for its own reason`` () =
    let v4 = v4Addresses
    let u = String('0', 430)
    Law.HoldsFor(
        [ for version in 0 :: 1 :: [ 3..15 ] do $"{version:x}1 11 000c", ProxyHeaderFault.Version version
          for command in 2..15 do $"2{command:x} 11 000c", ProxyHeaderFault.Command command
          for family in 4..15 do $"21 {family:x}1 000c", ProxyHeaderFault.Family family
          for transport in 3..15 do $"21 1{transport:x} 000c", ProxyHeaderFault.Transport transport
          "21 11 000b", ProxyHeaderFault.AddressesCut(11, 12)
          "21 21 0023", ProxyHeaderFault.AddressesCut(35, 36)
          "21 31 00d7", ProxyHeaderFault.AddressesCut(215, 216)
          $"21 31 00d7 {u}", ProxyHeaderFault.AddressesCut(215, 216)
          "21 12 000b", ProxyHeaderFault.AddressesCut(11, 12)
          $"21 11 0010 {v4} 04 0002 00", ProxyHeaderFault.TlvPastEnd(4, 2, 1)
          $"21 11 0012 {v4} 04 0001 00 0400", ProxyHeaderFault.BytesAfterTlvs 2
          $"21 11 000d {v4} 04", ProxyHeaderFault.BytesAfterTlvs 1
          $"21 11 0013 {v4} 03 0004 20ec9548", ProxyHeaderFault.ChecksumMismatch(0x20ec9548u, 0x20ec9549u)
          $"21 11 0012 {v4} 03 0003 20ec95", ProxyHeaderFault.ChecksumLength 3
          let id = String('0', 258) in $"21 11 0090 {v4} 05 0081 {id}", ProxyHeaderFault.UniqueIdTooLong 129
          $"21 11 0013 {v4} 20 0004 01000000", ProxyHeaderFault.SslTooShort 4
          $"21 11 0016 {v4} 20 0007 0100000000 2100", ProxyHeaderFault.BytesAfterTlvs 2
          $"21 11 0017 {v4} 20 0008 0100000000 210001", ProxyHeaderFault.TlvPastEnd(0x21, 1, 0) ],
        fun (rest, expected) -> fault (hex $"{signature} {rest}") = Some expected)

[<Fact>]
let ``a header is refused at the first byte that no header could have there`` () =
    Law.HoldsFor(
        [ "G"B, 1; "\n"B, 1; "PROXX"B, 5; "PROXY U1"B, 8; "PROXY TCP7"B, 10; "PROXY TCP4\r"B, 11; hex "0d0a0d0a01", 5; hex $"{signature} 10", 13
          hex $"{signature} 21 41", 14; hex $"{signature} 21 11 000b", 16 ],
        fun (bytes, at) -> firstAnswer bytes |> Option.exists (fun (n, answer) -> n = at && (match answer with Parse.Rejected _ -> true | _ -> false)))

[<Fact>]
let ``a block of the greatest length there is is read, and nothing longer is held`` () =
    let bytes = Array.concat [ hex $"{signature} 21 11 ffff {v4Addresses} ee {65535 - 12 - 3:x4}"; Array.zeroCreate (65535 - 12 - 3) ]
    Assert.Equal(ProxyHeaderCodec.maxBytes, bytes.Length)
    Assert.Equal(Parse.Done(ProxyHeader.BinaryTcp(v4Source, v4Destination, ProxyTlvs.None), bytes.Length), parse bytes)

[<Fact>]
let ``words that fill the block to its last byte are all in it, and with a byte less the last is left out`` () =
    let tlvs = { ProxyTlvs.None with Alpn = Some "h2"; Authority = Some "a.example"; NetworkNamespace = Some "blue" }
    let whole = (ProxyHeaderTlvs.encode 1_000 tlvs).Length
    Law.HoldsFor([ 0, 3 + 2 + 3 + 9 + 3 + 4; 1, 3 + 2 + 3 + 9 ], fun (less, bytes) -> (ProxyHeaderTlvs.encode (whole - less) tlvs).Length = bytes)

[<Fact>]
let ``a word that would not fit the block is left out whole`` () =
    Law.HoldsFor([ 65_000; 65_520; 65_521; 70_000 ], fun length ->
        let header alpn = ProxyHeader.BinaryTcp(v4Source, v4Destination, { ProxyTlvs.None with Alpn = alpn; Authority = Some "a" })
        match parse (ProxyHeaderCodec.encode (header (Some(String('x', length))))) with
        | Parse.Done(read, _) -> read = header None || (length <= 65_520 && (match read with ProxyHeader.BinaryTcp(_, _, t) -> t.Alpn.IsSome | _ -> false))
        | _ -> false)

[<Fact>]
let ``a line is refused as soon as what it lacks would not fit into 107 bytes, and one that may still end is not`` () =
    let lacks = [ "PROXY UNKNOWN ", "\r\n"; "PROXY TCP4 ", " 0.0.0.0 0 0\r\n"; "PROXY TCP6 ", " :: 0 0\r\n" ]
    Law.HoldsFor(Seq.allPairs lacks [ 15; 93; 94; 98; 99; 105; 106; 107; 108 ], fun ((begun, lack), length) ->
        match ProxyHeaderCodec.parseBytes (System.Text.Encoding.ASCII.GetBytes(begun.PadRight(length, 'x'))) with
        | Parse.Rejected ProxyHeaderFault.LineTooLong -> length + lack.Length > 107
        | Parse.NeedMore _ -> length + lack.Length <= 107
        | _ -> false)

[<Fact>]
let ``what is missing of a line is the shortest that could still come`` () =
    Law.HoldsFor([ "PROXY TCP4 ", "0.0.0.0 0.0.0.0 0 0\r\n"; "PROXY TCP6 ", ":: :: 0 0\r\n" ], fun (begun, rest) ->
        match ProxyHeaderCodec.parseBytes (System.Text.Encoding.ASCII.GetBytes begun) with
        | Parse.NeedMore atLeast -> atLeast = rest.Length
        | _ -> false)

[<Fact>]
let ``a header's checksum counts its own four bytes as zeros, wherever they stand`` () =
    Law.Holds(fun (bytes: byte array) (place: int) ->
        let hole = if bytes.Length < 4 then -1 else abs (place % (bytes.Length - 3))
        let zeroed = bytes |> Array.mapi (fun i b -> if hole >= 0 && i >= hole && i < hole + 4 then 0uy else b)
        Crc32c.ofBytesWithHole (ReadOnlySpan bytes) hole = checksum zeroed)
    Law.HoldsFor([ 0; 1; 4 ], fun hole ->
        let bytes = Array.init 8 (fun i -> byte (i + 1))
        let zeroed = bytes |> Array.mapi (fun i b -> if i >= hole && i < hole + 4 then 0uy else b)
        Crc32c.ofBytesWithHole (ReadOnlySpan bytes) hole = checksum zeroed)

[<Fact>]
let ``headers that differ in one thing are different headers`` () =
    let a, b = System.Net.IPEndPoint.Parse "192.0.2.1:1", System.Net.IPEndPoint.Parse "192.0.2.2:1"
    let words = { ProxyTlvs.None with Alpn = Some "h2" }
    let headers =
        [ ProxyHeader.TextTcp(a, a); ProxyHeader.TextTcp(a, b); ProxyHeader.TextTcp(b, a); ProxyHeader.TextUnknown
          ProxyHeader.BinaryTcp(a, a, ProxyTlvs.None); ProxyHeader.BinaryTcp(a, b, ProxyTlvs.None); ProxyHeader.BinaryTcp(b, a, ProxyTlvs.None); ProxyHeader.BinaryTcp(a, a, words)
          ProxyHeader.BinaryUnix("a", "a", ProxyTlvs.None); ProxyHeader.BinaryUnix("a", "b", ProxyTlvs.None); ProxyHeader.BinaryUnix("b", "a", ProxyTlvs.None)
          ProxyHeader.BinaryUnix("a", "a", words); ProxyHeader.BinaryUnspecified; ProxyHeader.BinaryLocal ]
    Law.HoldsFor(List.allPairs (List.indexed headers) (List.indexed headers), fun ((i, x), (j, y)) -> x.Equals y = (i = j) && not (x.Equals "x"))

[<Fact>]
let ``bytes that are no text are shown as they came`` () =
    match parse (Array.concat [ "PROXY TCP4 1.2.3.4 1.2.3.4 "B; [| 0xEFuy; 0xBCuy; 0x91uy |]; " 443\r\n"B ]) with
    | Parse.Rejected fault -> Assert.StartsWith("a PROXY line with \"\\xef\\xbc\\x91\" for a port", ProxyHeaderFault.describe fault)
    | other -> Assert.Fail $"{other}"

[<Fact>]
let ``how much of a header came is told, and of a trusted peer that sends none what to do`` () =
    Law.HoldsFor(
        [ ProxyHeaderFault.Ended 0, "the connection ended before a PROXY header"
          ProxyHeaderFault.Ended 1, "the connection ended after 1 byte of a PROXY header"
          ProxyHeaderFault.Ended 2, "the connection ended after 2 bytes of a PROXY header"
          ProxyHeaderFault.NotAHeader, "the connection does not begin with a PROXY header, which trusted_proxies says that its peer sends; have it send one, or take it out of the list" ],
        fun (fault, told) -> ProxyHeaderFault.describeOfTrusted fault = told)
