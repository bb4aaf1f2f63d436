namespace Bitflow.Spec

open System
open System.Buffers.Binary
open System.Net
open System.Text
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// PROXY headers as others send them: with a checksum, which Bitflow checks and never sends.
[<RequireQualifiedAccess>]
module Checksummed =
    /// The header with a CRC32C behind its other TLVs (TLV-1), where it has a place for them: they leave it room.
    let encode (header: ProxyHeader) : byte[] =
        match header with
        | ProxyHeader.BinaryTcp _
        | ProxyHeader.BinaryUnix _ ->
            let bytes = Array.append (ProxyHeaderCodec.encode header) [| 3uy; 0uy; 4uy; 0uy; 0uy; 0uy; 0uy |]
            BinaryPrimitives.WriteUInt16BigEndian(Span(bytes, 14, 2), uint16 (bytes.Length - 16))
            BinaryPrimitives.WriteUInt32BigEndian(Span(bytes, bytes.Length - 4, 4), Crc32c.ofBytesWithHole (ReadOnlySpan bytes) -1)
            bytes
        | header -> ProxyHeaderCodec.encode header

/// A valid PROXY header with a few bytes changed, removed or put in.
type MangledHeader = MangledHeader of byte[]

/// What a SOCKS5 proxy that lets us through says, from its greeting to its reply, and whether we have credentials.
type WillingSocksProxy =
    { Credentials: SocksCredentials option
      Destination: SocksDestination
      Answers: byte[] }

/// What a SOCKS5 proxy says that may be anything, nearly right ones among them.
type AnySocksProxy = AnySocksProxy of WillingSocksProxy

/// Sizes in which bytes arrive, each at least 1; the last repeats.
type Cuts =
    | Cuts of int list

    member this.Size index =
        let (Cuts sizes) = this
        sizes[min index (sizes.Length - 1)]

/// Generators for what comes over the wire: PROXY headers and SOCKS5 answers.
type WireGenerators =
    static member private Bytes least most = Gen.choose (least, most) |> Gen.bind (fun n -> Gen.arrayOfLength n (Gen.choose (0, 255) |> Gen.map byte))

    static member private EndPoint =
        gen {
            let! (AnyIp address) = WordGenerators.AnyIp().Generator
            let! port = Gen.oneof [ Gen.choose (0, 65535); Gen.elements [ 0; 1; 9; 10; 65535 ] ]
            return IPEndPoint(address, port)
        }

    static member private Word =
        Gen.listOf (Gen.elements [ "a"; "Z"; "9"; "."; "-"; "é"; "😀"; "\n"; "\""; "\u0000"; "\u001b"; " " ])
        |> Gen.map (List.truncate 60 >> String.concat "")
        |> Gen.optionOf

    static member private UnixPath =
        let rest = Gen.nonEmptyListOf (Gen.elements [ "a"; "/"; "."; "é"; " "; "@" ]) |> Gen.map (List.truncate 50 >> String.concat "")
        Gen.oneof [
            Gen.constant ""
            rest |> Gen.map (fun r -> "/" + r)
            rest |> Gen.map (fun r -> "@" + r)
            Gen.constant ("/" + String('x', 107))
            Gen.constant ("@" + String('x', 107))
        ]

    static member private Ssl =
        gen {
            let! tls = Gen.elements [ true; false ]
            let! connection = Gen.elements [ true; false ]
            let! session = Gen.elements [ true; false ]
            let! verified = Gen.elements [ true; false ]
            let! version = WireGenerators.Word
            let! name = WireGenerators.Word
            let! cipher = WireGenerators.Word
            return
                { ClientUsedTls = tls
                  CertificateOnConnection = connection
                  CertificateInSession = session
                  Verified = verified && (connection || session)
                  Version = version
                  CommonName = name
                  Cipher = cipher }
        }

    static member private Tlvs =
        gen {
            let! alpn = WireGenerators.Word
            let! authority = WireGenerators.Word
            let! id = Gen.optionOf (WireGenerators.Bytes 0 128)
            let! ssl = Gen.optionOf WireGenerators.Ssl
            let! ns = WireGenerators.Word
            return { Alpn = alpn; Authority = authority; UniqueId = id; Ssl = ssl; NetworkNamespace = ns }
        }

    static member ProxyHeader() : Arbitrary<ProxyHeader> =
        let tcp = Gen.zip WireGenerators.EndPoint WireGenerators.EndPoint
        Gen.oneof [
            tcp |> Gen.map ProxyHeader.TextTcp
            Gen.map2 (fun (s, d) tlvs -> ProxyHeader.BinaryTcp(s, d, tlvs)) tcp WireGenerators.Tlvs
            Gen.map3 (fun s d tlvs -> ProxyHeader.BinaryUnix(s, d, tlvs)) WireGenerators.UnixPath WireGenerators.UnixPath WireGenerators.Tlvs
            Gen.elements [ ProxyHeader.TextUnknown; ProxyHeader.BinaryUnspecified; ProxyHeader.BinaryLocal ]
        ]
        |> Arb.fromGen

    static member MangledHeader() : Arbitrary<MangledHeader> =
        let mangle (bytes: byte[]) =
            gen {
                let! at = Gen.choose (0, bytes.Length - 1)
                let! cut = Gen.frequency [ 3, Gen.constant 1; 1, Gen.choose (0, min 4 (bytes.Length - at)) ]
                let! piece =
                    Gen.frequency [
                        3, WireGenerators.Bytes 1 1
                        1, WireGenerators.Bytes 0 3
                        2, Gen.elements [ " "B; "\r"B; "\n"B; "0"B; "::"B; "65536"B; [| 0uy |]; [| 255uy |] ]
                    ]
                let cut = min cut (bytes.Length - at)
                return Array.concat [ bytes[.. at - 1]; piece; bytes[at + cut ..] ]
            }
        WireGenerators.ProxyHeader().Generator
        |> Gen.bind (fun header ->
            Gen.choose (0, 2)
            |> Gen.bind (fun times ->
                let mutable bytes = mangle (Checksummed.encode header)
                for _ in 1..times do
                    bytes <- Gen.bind (fun (b: byte[]) -> if b.Length = 0 then Gen.constant b else mangle b) bytes
                bytes))
        |> Gen.map MangledHeader
        |> Arb.fromGen

    static member Cuts() : Arbitrary<Cuts> =
        Gen.nonEmptyListOf (Gen.frequency [ 3, Gen.constant 1; 2, Gen.choose (1, 20); 1, Gen.constant 100_000 ]) |> Gen.map Cuts |> Arb.fromGen

    static member TerminatedTls() : Arbitrary<TerminatedTls> =
        let word = WireGenerators.Word |> Gen.map (Option.defaultValue "")
        let long = Gen.frequency [ 9, word; 1, Gen.choose (250, 70_000) |> Gen.map (fun n -> String('x', n)) ]
        gen {
            let! version = Gen.elements [ TlsVersion.Tls12; TlsVersion.Tls13 ]
            let! cipher = word
            let! alpn = long
            let! name = long
            let! common = long
            let! verified = Gen.elements [ true; false ]
            let! given = Gen.elements [ true; false ]
            return
                { Version = version
                  Cipher = cipher
                  Alpn = alpn
                  ServerName = name
                  ClientCertificate = if given then Some { CommonName = common; Verified = verified } else None }
        }
        |> Arb.fromGen

    static member Endpoint() : Arbitrary<Endpoint> =
        Gen.frequency [
            4, WireGenerators.EndPoint |> Gen.map (fun e -> Endpoint.OfIp(e.Address, e.Port))
            2, WireGenerators.UnixPath |> Gen.map Endpoint.Unix
            1, Gen.constant Endpoint.Unknown
        ]
        |> Arb.fromGen

    static member private SocksCredentials =
        let word = WireGenerators.Bytes 1 255 |> Gen.map (fun bytes -> (SocksWord.tryOf bytes).Value)
        Gen.map2 (fun user password -> { User = user; Password = password }) word word
        |> Gen.optionOf

    static member SocksDestination() : Arbitrary<SocksDestination> =
        let name =
            gen {
                let! length = Gen.choose (1, 253)
                let! dot = Gen.elements [ ""; "." ]
                let labels = String.init length (fun i -> if i % 64 = 63 then "." else "n")
                return (DialName.tryOf (labels.TrimEnd '.' + dot)).Value
            }
        Gen.oneof [
            Gen.map2 (fun n (e: IPEndPoint) -> SocksDestination.Name(n, e.Port)) name WireGenerators.EndPoint
            WireGenerators.EndPoint |> Gen.map (fun e -> SocksDestination.Ip(e.Address, e.Port))
        ]
        |> Arb.fromGen

    static member WillingSocksProxy() : Arbitrary<WillingSocksProxy> =
        gen {
            let! credentials = WireGenerators.SocksCredentials
            let! destination = WireGenerators.SocksDestination().Generator
            let! asks = Gen.elements [ true; false ]
            let greeting = if credentials.IsSome && asks then [| 5uy; 2uy; 1uy; 0uy |] else [| 5uy; 0uy |]
            let! reserved = Gen.frequency [ 9, Gen.constant 0uy; 1, Gen.constant 7uy ]
            let! bound =
                Gen.oneof [
                    WireGenerators.Bytes 4 4 |> Gen.map (Array.append [| 1uy |])
                    WireGenerators.Bytes 16 16 |> Gen.map (Array.append [| 4uy |])
                    WireGenerators.Bytes 1 255 |> Gen.map (fun n -> Array.append [| 3uy; byte n.Length |] n)
                ]
            let! port = WireGenerators.Bytes 2 2
            return
                { Credentials = credentials
                  Destination = destination
                  Answers = Array.concat [ greeting; [| 5uy; 0uy; reserved |]; bound; port ] }
        }
        |> Arb.fromGen

    static member AnySocksProxy() : Arbitrary<AnySocksProxy> =
        WireGenerators.WillingSocksProxy().Generator
        |> Gen.bind (fun proxy ->
            gen {
                let! at = Gen.choose (0, min 14 (proxy.Answers.Length - 1))
                let! b = Gen.choose (0, 255)
                let! keep = Gen.choose (0, proxy.Answers.Length)
                let changed = proxy.Answers |> Array.mapi (fun i old -> if i = at then byte b else old)
                let! answers = Gen.elements [ changed; Array.truncate keep proxy.Answers; Array.truncate keep changed ]
                return AnySocksProxy { proxy with Answers = answers }
            })
        |> Arb.fromGen
