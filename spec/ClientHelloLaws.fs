module Bitflow.Spec.ClientHelloLaws

open System
open Xunit
open Bitflow.Domain

let private hex (text: string) = Convert.FromHexString(text.Replace(" ", ""))
let private parse = Hello.parse

let private says (hello: ValidHello) (answer: Parse<ClientHello, HelloFault>) =
    match answer with
    | Parse.Done(read, consumed) ->
        consumed = hello.Bytes.Length
        && read.ServerName = (match hello.Name with
                              | Some name -> (match ServerName.tryCreate name with Ok n -> ValueSome n | Error _ -> ValueNone)
                              | None -> ValueNone)
        && (read.ApplicationProtocols |> List.map (fun p -> p.Bytes.ToArray())) = hello.Protocols
        && read.Versions = hello.Versions
    | _ -> false

// What a hello says.

[<Fact>]
let ``a hello that is in order is read for what it says, in any record version and cut into any records`` () =
    Law.Holds(fun (hello: ValidHello) -> says hello (parse hello.Bytes))

[<Fact>]
let ``the vectors of docs/protocols.md are read as they are written there`` () =
    let smallest = "160301002f 0100002b 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 0004c02bc02f 0100"
    let named =
        "1603010045 01000041 0303 000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f 00 0004c02bc02f 0100"
        + "0014 0000 0010 000e 00 000b 6578616d706c652e636f6d"
    Law.HoldsFor([ smallest, 52, None; named, 74, Some "example.com" ], fun (text, length, name) ->
        let bytes = hex text
        bytes.Length = length
        && (match parse bytes with
            | Parse.Done(hello, consumed) ->
                consumed = length
                && (hello.ServerName |> ValueOption.map (fun n -> n.Text)) = (match name with Some n -> ValueSome n | None -> ValueNone)
                && hello.ApplicationProtocols.IsEmpty
                && hello.Versions = [ 0x0303us ]
            | _ -> false))

[<Fact>]
let ``the named vector cut into two records anywhere is the same hello`` () =
    let message = Hello.message (Hello.named "example.com")
    Law.HoldsFor([ 1..68 ], fun first ->
        match parse (Hello.inRecords 0x0301 [ first; 69 - first ] message) with
        | Parse.Done(hello, consumed) -> consumed = 79 && string hello.ServerName.Value = "example.com"
        | _ -> false)

/// Of each real client, the name and protocols that it was told to send; the rest asked for example.com.
let private asked =
    dict [
        "openssl-noname", None
        "openssl-upper-dot", Some "example.com"
        "openssl-literal", Some "127.0.0.1"
        for local in [ "wget"; "git"; "java-http"; "node-h2"; "dotnet-http" ] do local, Some "localhost"
    ]

[<Fact>]
let ``hellos of real clients are read, with the name that the client was told to ask for`` () =
    let real = Hello.real.Value
    Law.HoldsFor(real, fun (file, bytes) ->
        match parse bytes with
        | Parse.Done(hello, consumed) ->
            let name = match asked.TryGetValue file with | true, name -> name | _ -> Some "example.com"
            consumed = bytes.Length && (hello.ServerName |> ValueOption.map string |> ValueOption.toOption) = name
        | _ -> false)
    Law.HoldsFor([ 20 ], fun atLeast -> real.Length >= atLeast)

[<Fact>]
let ``the protocols and versions that real clients offer are read in their order`` () =
    let h2 = [ "h2"; "http/1.1" ]
    Law.HoldsFor(
        [ "curl-h2", h2; "curl-http11", [ "http/1.1" ]; "curl-noalpn", []; "go-alpn", h2; "go", []; "chromium", h2; "python", [ "http/1.1" ] ],
        fun (file, protocols) ->
            match parse (Hello.real.Value |> Array.find (fst >> (=) file) |> snd) with
            | Parse.Done(hello, _) ->
                (hello.ApplicationProtocols |> List.map string) = protocols && hello.Versions |> List.contains 0x0304us
            | _ -> false)

[<Fact>]
let ``the groups and the keys brought for them are read in their order, and what is malformed there refuses no hello`` () =
    let list (groups: int list) = Hello.vector16 (groups |> List.map Hello.u16 |> Array.concat)
    let shares (keys: (int * int) list) =
        Hello.vector16 (keys |> List.map (fun (group, length) -> Array.append (Hello.u16 group) (Hello.vector16 (Array.zeroCreate length))) |> Array.concat)
    Law.HoldsFor(
        [ list [], shares [], [], []
          list [ 0x7a7a; 0x001d; 0x0104 ], shares [ 0x001d, 32; 0x0104, 1024 ], [ 0x7a7a; 0x001d; 0x0104 ], [ 0x001d; 0x0104 ]
          [||], [||], [], []
          [| 0uy |], [| 0uy |], [], []
          [| 0uy; 3uy; 0uy; 29uy; 0uy |], [| 0uy; 5uy; 0uy; 29uy; 0uy; 2uy; 7uy |], [ 29 ], []
          list [ 29 ], Array.append (shares [ 29, 4 ]) [| 9uy |], [ 29 ], [ 29 ] ],
        fun (groups, shares, offered, brought) ->
            let message = Hello.message (Hello.withExtensions [ 0x000a, groups; 0x4444, [| 1uy |]; 0x0033, shares ])
            [ [ 16_384 ]; [ 1 ]; [ 50 ] ]
            |> List.forall (fun sizes ->
                match parse (Hello.inRecords 0x0301 sizes message) with
                | Parse.Done(hello, _) -> hello.Groups = List.map uint16 offered && hello.KeyShares = List.map uint16 brought
                | _ -> false))

// How the bytes come (G1, G2, CH-1, CH-6).

[<Fact>]
let ``every proper prefix of a hello asks for more, and never for more than is missing`` () =
    Law.Holds(fun (hello: ValidHello) ->
        // The wire may hold more record headers than anyone could know of, never fewer.
        seq { 0 .. hello.Bytes.Length - 1 }
        |> Seq.forall (fun length ->
            match ClientHello.parse (ReadOnlySpan(hello.Bytes, 0, length)) with
            | Parse.NeedMore atLeast -> atLeast >= 1 && length + atLeast <= hello.Bytes.Length
            | _ -> false))

[<Fact>]
let ``once the length of a hello in one record is known, what is asked for is what is missing`` () =
    Law.HoldsFor(Hello.real.Value, fun (_, bytes) ->
        seq { 9 .. bytes.Length - 1 }
        |> Seq.forall (fun length -> ClientHello.parse (ReadOnlySpan(bytes, 0, length)) = Parse.NeedMore(bytes.Length - length)))

[<Fact>]
let ``bytes after the hello's last record do not change the answer`` () =
    Law.Holds(fun (hello: ValidHello) (HostileBytes more) -> says hello (parse (Array.append hello.Bytes more)))

[<Fact>]
let ``one byte at a time gives what one read of everything gives, whatever the bytes`` () =
    Law.Holds(fun (MangledHello bytes) -> Hello.parsePrefixes [ 0 .. bytes.Length ] bytes = parse bytes)

[<Fact>]
let ``a hello of real size comes to one answer in one-byte records too`` () =
    Law.HoldsFor(Hello.real.Value, fun (_, bytes) ->
        let message = Seq.unfold (fun at -> if at >= bytes.Length then None else (let n = (int bytes[at + 3] <<< 8) ||| int bytes[at + 4] in Some(bytes[at + 5 .. at + 4 + n], at + 5 + n))) 0 |> Array.concat
        let cut = Hello.inRecords 0x0301 [ 1 ] message
        match parse bytes, parse cut with
        | Parse.Done(whole, _), Parse.Done(pieces, consumed) -> whole = pieces && consumed = cut.Length
        | _ -> false)

[<Fact>]
let ``looking again only when told to finds the same answer`` () =
    Law.Holds(fun (MangledHello bytes) ->
        let rec wait have =
            match ClientHello.parse (ReadOnlySpan(bytes, 0, have)) with
            | Parse.NeedMore atLeast when have < bytes.Length -> wait (min bytes.Length (ClientHello.nextLook have atLeast))
            | answer -> answer
        wait 0 = parse bytes)

[<Fact>]
let ``a hello of 64 KB in one-byte records is looked at a bounded number of times`` () =
    let message = Hello.message (Hello.withExtensions [ 0x0015, Array.zeroCreate 10_800 ])
    let bytes = Hello.inRecords 0x0301 [ 1 ] message
    Law.HoldsFor([ bytes ], fun bytes ->
        let rec looks have count =
            match ClientHello.parse (ReadOnlySpan(bytes, 0, have)) with
            | Parse.NeedMore atLeast -> looks (ClientHello.nextLook have atLeast) (count + 1)
            | Parse.Done _ -> count
            | Parse.Rejected _ -> Int32.MaxValue
        bytes.Length > 65_000 && looks 0 0 < 4_096 + 100)

[<Fact>]
let ``no bytes make the reading throw, and no answer claims more bytes than there were`` () =
    Law.Holds(fun (HostileBytes bytes) ->
        let withHeader = Array.append [| 22uy; 3uy; 1uy |] bytes
        [ bytes; withHeader ]
        |> List.forall (fun bytes ->
            match parse bytes with
            | Parse.Done(_, consumed) -> consumed <= bytes.Length
            | Parse.NeedMore atLeast -> atLeast >= 1 && bytes.Length + atLeast <= ClientHello.maxBytes
            | Parse.Rejected _ -> true))

/// A hundred times the usual number of cases: 100,000 unless CASES says otherwise; ten million takes CASES=100000.
[<Fact>]
let ``mutations of real hellos are answered, and the same way however they come`` () =
    let real = Hello.real.Value
    let rounds = max 1 (Law.Cases * 100 / real.Length)
    Law.HoldsFor(Seq.indexed real, fun (index, (_, original)) ->
        let random = Random(20_260_000 + index)
        Seq.init rounds id
        |> Seq.forall (fun _ ->
            let mutable bytes = original
            for _ in 1 .. random.Next(1, 5) do
                bytes <- TlsGenerators.Change(random.Next, bytes)
            let answer = parse bytes
            let early = ClientHello.parse (ReadOnlySpan(bytes, 0, random.Next(bytes.Length + 1)))
            let consistent = early.IsNeedMore || early = answer
            let bounded =
                match answer with
                | Parse.Done(_, consumed) -> consumed <= bytes.Length
                | Parse.NeedMore atLeast -> atLeast >= 1 && bytes.Length + atLeast <= ClientHello.maxBytes
                | Parse.Rejected fault -> (HelloFault.describe fault).Length > 0
            // The bytes are printed: a generated index alone would not say what went wrong.
            if not (consistent && bounded) then failwith (Convert.ToHexString bytes)
            true))

// What is refused (docs/protocols.md, 2.5).

let private record = Hello.recordOf 0x0301
let private ofBody body = record (Hello.messageOf body)
let private ofParts parts = ofBody (Hello.body parts)
let private ofExtensions list = ofParts (Hello.withExtensions list)
let private serverName body = ofExtensions [ 0, body ]
let private alpn body = ofExtensions [ 0x0010, body ]
let private named = Hello.message (Hello.named "example.com")
let private length field = HelloFault.BadLength field

/// A list of names written as it stands: each entry already with its type and length.
let private entries (list: string) = serverName (Hello.vector16 (hex list))

[<Fact>]
let ``what is no acceptable hello is refused for the reason that it has`` () =
    let plainBody = Hello.body Hello.plain
    let longSession = Hello.body { Hello.plain with SessionId = Array.zeroCreate 32 }
    let resize by = // an extension block whose length is off by this much
        let body = Hello.body (Hello.named "example.com")
        let at = plainBody.Length
        ofBody (Array.concat [ body[.. at - 1]; Hello.u16 (body.Length - at - 2 + by); body[at + 2 ..] ])
    Law.HoldsFor(
        [ "CH-2", Hello.ascii "GET / HTTP/1.1\r\n\r\n", HelloFault.NotTls(byte 'G')
          "CH-2", Hello.ascii "SSH-2.0-x", HelloFault.NotTls(byte 'S')
          "CH-2 at byte 1", [| 0uy |], HelloFault.NotTls 0uy
          "CH-3", hex "8022 01 0303 0009 0000 0010 00002f00c02f00c02b 000102030405060708090a0b0c0d0e0f", HelloFault.NotTls 0x80uy
          "CH-4 at byte 2", hex "1602", HelloFault.NotTlsVersion 2uy
          "CH-4", hex "1604", HelloFault.NotTlsVersion 4uy
          "CH-7 at byte 5", hex "1603014001", HelloFault.RecordTooLong 16_385
          "CH-8 first", hex "1603010000", HelloFault.EmptyRecord
          "CH-8 between", Array.concat [ record named[..9]; hex "1603010000"; record named[10..] ], HelloFault.EmptyRecord
          "CH-9 alert first", hex "15", HelloFault.UnexpectedRecord 21uy
          "CH-9 ChangeCipherSpec first", hex "140303000101", HelloFault.UnexpectedRecord 20uy
          "CH-9 data first", hex "17030300", HelloFault.UnexpectedRecord 23uy
          "CH-9 alert inside", Array.concat [ record named[..9]; hex "15030300020100"; record named[10..] ], HelloFault.UnexpectedRecord 21uy
          "CH-9 another protocol inside", Array.concat [ record named[..9]; Hello.ascii "GET" ], HelloFault.UnexpectedRecord(byte 'G')
          "CH-9 another version inside", Array.concat [ record named[..9]; hex "1602" ], HelloFault.NotTlsVersion 2uy
          "CH-10", record [| 2uy |], HelloFault.NotAHello 2uy
          "CH-11 at byte 9", record (hex "01010000"), HelloFault.TooLong
          "CH-11 at byte 9", record (hex "01ffffff"), HelloFault.TooLong
          "CH-12", record (hex "01000000"), HelloFault.TooShort 0
          "CH-12", ofBody (plainBody[.. 39]), HelloFault.TooShort 40
          "CH-12 cut inside its session id", ofBody (longSession[.. 60]), length HelloField.SessionId
          "CH-13", ofBody (Array.append plainBody [| 0uy |]), length HelloField.Extensions
          "CH-15 one less", resize -1, length HelloField.Extensions
          "CH-15 one more", resize 1, length HelloField.Extensions
          "CH-16", ofParts { Hello.plain with SessionId = Array.zeroCreate 33 }, length HelloField.SessionId
          "CH-17 no cipher", ofBody (Hello.body { Hello.plain with Ciphers = [||]; Compression = [| 0uy; 1uy; 2uy; 3uy; 4uy |] }), length HelloField.CipherSuites
          "CH-17 half a cipher", ofParts { Hello.plain with Ciphers = Array.zeroCreate 3 }, length HelloField.CipherSuites
          "CH-17 no compression", ofParts { Hello.plain with Compression = [||] }, length HelloField.CompressionMethods
          "CH-17 without null", ofParts { Hello.plain with Compression = [| 1uy |] }, HelloFault.NoNullCompression
          "CH-18", ofExtensions [ 0, Hello.hostName (Hello.ascii "a"); 0, Hello.hostName (Hello.ascii "b") ], HelloFault.RepeatedExtension 0
          "CH-19 known", ofExtensions [ 0x000d, [||]; 0x002d, [||]; 0x000d, [||] ], HelloFault.RepeatedExtension 0x000d
          "CH-19 unknown", ofExtensions [ 0x1a1a, [||]; 0x1a1a, [||] ], HelloFault.RepeatedExtension 0x1a1a
          "CH-19 the last of a word", ofExtensions [ 0x003f, [||]; 0x003f, [||] ], HelloFault.RepeatedExtension 0x003f
          "CH-20 empty body", serverName [||], length HelloField.ServerName
          "CH-20 empty list", serverName (hex "0000"), length HelloField.ServerName
          "CH-20 two names", entries "00000161000001 62", HelloFault.SeveralServerNames
          "CH-20 list too long", serverName (hex "0005 00 0001 61"), length HelloField.ServerName
          "CH-20 list too short", serverName (hex "0003 00 0001 61"), length HelloField.ServerName
          "CH-20 trailing byte", serverName (hex "0004 00 0001 61 00"), length HelloField.ServerName
          "CH-20 trailing byte in the list", entries "000001 6100", HelloFault.SeveralServerNames
          "CH-20 another type", entries "010001 61", HelloFault.NotAHostName 1uy
          "CH-21", entries "0000", length HelloField.ServerName
          "CH-21", entries "00", length HelloField.ServerName
          "CH-22", entries "000000", HelloFault.BadServerName ServerNameFault.Empty
          "CH-22 nothing but the root", entries "000001 2e", HelloFault.BadServerName ServerNameFault.Empty
          "CH-23 NUL", entries "000003 610062", HelloFault.BadServerName(ServerNameFault.BadByte 0uy)
          "CH-23 256 bytes", serverName (Hello.hostName (Array.create 256 (byte 'a'))), HelloFault.BadServerName(ServerNameFault.TooLong 256)
          "CH-24", entries "000002 c3a9", HelloFault.BadServerName(ServerNameFault.BadByte 0xc3uy)
          "CH-24 a colon", serverName (Hello.hostName (Hello.ascii "::1")), HelloFault.BadServerName(ServerNameFault.BadByte(byte ':'))
          "CH-25 empty body", alpn [||], length HelloField.Alpn
          "CH-25 empty list", alpn (hex "0000"), length HelloField.Alpn
          "CH-25 empty name", alpn (hex "0004 02 6832 00"), length HelloField.Alpn
          "CH-25 past the list", alpn (hex "0003 03 6832"), length HelloField.Alpn
          "CH-25 trailing byte", alpn (hex "0003 02 6832 00"), length HelloField.Alpn
          "versions: none", ofExtensions [ 0x002b, hex "00" ], length HelloField.SupportedVersions
          "versions: half a one", ofExtensions [ 0x002b, hex "03030403" ], length HelloField.SupportedVersions
          "CH-26", record (Array.append named [| 0uy |]), HelloFault.TrailingBytes
          "CH-26 in the second record", Array.append (record named[..9]) (record (Array.append named[10..] [| 1uy; 0uy; 0uy |])), HelloFault.TrailingBytes ],
        fun (_, bytes, fault) -> parse bytes = Parse.Rejected fault)

[<Fact>]
let ``a refusal comes no later than the byte that decides it`` () =
    Law.HoldsFor(
        [ hex "47", 1; hex "1602", 2; hex "1603014001", 5; hex "16030100ff02", 6; hex "16030100ff01010000", 9; hex "16030100ff01000028", 9 ],
        fun (bytes, at) ->
            bytes.Length = at && (parse bytes).IsRejected && (parse (bytes[.. at - 2])).IsNeedMore)

[<Fact>]
let ``what looks odd but is allowed is accepted`` () =
    let key = 0x0033, Array.zeroCreate 1_216
    Law.HoldsFor(
        [ "CH-5", Hello.inRecords 0x0300 [] named, Some "example.com"
          "CH-5", Hello.inRecords 0x03ff [] named, Some "example.com"
          "CH-14 no block", ofParts Hello.plain, None
          "CH-14 empty block", ofExtensions [], None
          "CH-16 32 bytes", ofParts { Hello.plain with SessionId = Array.zeroCreate 32 }, None
          "CH-23 255 bytes", serverName (Hello.hostName (Array.create 255 (byte 'a'))), Some(String('a', 255))
          "CH-28 GREASE, ECH, post-quantum key share",
          ofExtensions [ 0x2a2a, [||]; key; 0xfe0d, Array.zeroCreate 300; 0, Hello.hostName (Hello.ascii "Outer.Example."); 0x4a4a, [| 0uy |] ],
          Some "outer.example" ],
        fun (_, bytes, name) ->
            match parse bytes with
            | Parse.Done(hello, _) -> (hello.ServerName |> ValueOption.map string |> ValueOption.toOption) = name
            | _ -> false)

[<Fact>]
let ``a hello may take 64 KB as received, and not a byte more`` () =
    // Four extensions of padding: what is over the headers, the plain body and their own.
    let padded total =
        let records = 4
        let room = total - records * 5 - 4 - (Hello.body Hello.plain).Length - 2 - 3 * 4
        Hello.inRecords 0x0301 [] (Hello.message (Hello.withExtensions [ 1, Array.zeroCreate 20_000; 2, Array.zeroCreate 20_000; 3, Array.zeroCreate (room - 40_000) ]))
    Law.HoldsFor([ 65_536, true; 65_537, false ], fun (total, accepted) ->
        let bytes = padded total
        bytes.Length = total
        && (match parse bytes with
            | Parse.Done(_, consumed) -> accepted && consumed = total
            | Parse.Rejected HelloFault.TooLong -> not accepted && parse bytes[..8] = Parse.Rejected HelloFault.TooLong
            | _ -> false))

[<Fact>]
let ``16,000 extensions are read in linear time, and their repeats found`` () =
    let many = [ for kind in 0x1000 .. 0x1000 + 15_999 -> kind, [||] ]
    Law.HoldsFor([ many, true; many @ [ 0x1000, [||] ], false ], fun (list, accepted) ->
        let bytes = Hello.inRecords 0x0301 [] (Hello.message (Hello.withExtensions list))
        let timed () =
            let started = Diagnostics.Stopwatch.StartNew()
            let answer = parse bytes
            started.Elapsed, answer.IsDone = accepted && (accepted || answer = Parse.Rejected(HelloFault.RepeatedExtension 0x1000))
        let parses = [ for _ in 1..200 -> timed () ]
        // A millisecond; quadratic would be 128 million comparisons, 150 of them. The fastest counts: a busy machine makes none faster.
        parses |> List.map fst |> List.min < TimeSpan.FromMilliseconds 75. && parses |> List.forall snd)

[<Fact>]
let ``asking for more costs no memory but the answer`` () =
    Law.HoldsFor(Hello.real.Value, fun (_, bytes) ->
        let look () = ClientHello.parse (ReadOnlySpan(bytes, 0, bytes.Length - 1)) |> ignore
        let cost () =
            let before = GC.GetAllocatedBytesForCurrentThread()
            for _ in 1..100 do look ()
            (GC.GetAllocatedBytesForCurrentThread() - before) / 100L
        // Code that is not yet compiled for good may box: it is waited for.
        Seq.initInfinite (fun _ -> cost ()) |> Seq.truncate 200 |> Seq.exists (fun bytes -> (if bytes > 32L then Threading.Thread.Sleep 20); bytes <= 32L))

// What the client is told.

[<Fact>]
let ``what is no TLS is told nothing, every other refusal has the alert that OpenSSL gives`` () =
    Law.HoldsFor(
        [ HelloFault.NotTls 0uy, None
          HelloFault.NotTlsVersion 2uy, None
          HelloFault.UnexpectedRecord 21uy, Some 10uy
          HelloFault.RecordTooLong 16_385, Some 22uy
          HelloFault.NotAHello 2uy, Some 10uy
          HelloFault.TooLong, Some 47uy
          HelloFault.TooShort 0, Some 50uy
          HelloFault.BadLength HelloField.Extensions, Some 50uy
          HelloFault.RepeatedExtension 0, Some 47uy
          HelloFault.SeveralServerNames, Some 50uy
          HelloFault.BadServerName ServerNameFault.Empty, Some 50uy
          HelloFault.BadServerName(ServerNameFault.BadByte 0uy), Some 112uy ],
        fun (fault, code) -> (HelloFault.alert fault |> ValueOption.map TlsAlert.code |> ValueOption.toOption) = code)

[<Fact>]
let ``an alert is one fatal, unencrypted record`` () =
    Law.HoldsFor(
        [ TlsAlert.UnrecognizedName, "15030300020270"; TlsAlert.NoApplicationProtocol, "15030300020278"; TlsAlert.DecodeError, "15030300020232"
          TlsAlert.ProtocolVersion, "15030300020246"; TlsAlert.HandshakeFailure, "15030300020228"
          TlsAlert.UnexpectedMessage, "1503030002020a"; TlsAlert.RecordOverflow, "15030300020216"; TlsAlert.IllegalParameter, "1503030002022f" ],
        fun (alert, bytes) -> TlsAlert.record alert = hex bytes
    )
