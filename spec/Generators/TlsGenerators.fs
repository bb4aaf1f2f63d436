namespace Bitflow.Spec

open System
open System.IO
open System.Text
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// A server name as a client may write it: mixed case, perhaps a trailing dot, perhaps an address literal.
type WrittenName = WrittenName of string

/// Names as operators configure them: exact, wildcards, `*`, and some that can never match.
type ConfiguredNames = ConfiguredNames of string list

/// What of a certificate its file is put in order by.
type CertificateInFile =
    { Subject: int
      Key: int
      Issuer: int
      /// The key that it was signed with.
      Signer: int
      /// Whether its signature is of a kind that can be verified here.
      CanBeVerified: bool }

/// The certificates of a file, of few names and few keys, so that some were renewed, or certified by two, signed themselves, stand there twice, or are strangers. There is one at least.
type CertificatesInFile = CertificatesInFile of CertificateInFile list

/// A hello in parts, so that each can be made wrong by itself.
type HelloParts =
    { LegacyVersion: int
      SessionId: byte array
      Ciphers: byte array
      Compression: byte array
      /// None: no extension block at all.
      Extensions: (int * byte array) list option }

/// Writes hellos: the encoder that the parser's laws hold it against.
[<RequireQualifiedAccess>]
module Hello =
    let u16 (n: int) = [| byte (n >>> 8); byte n |]
    let vector8 (bytes: byte array) = Array.append [| byte bytes.Length |] bytes
    let vector16 (bytes: byte array) = Array.append (u16 bytes.Length) bytes
    let ascii (text: string) = Encoding.ASCII.GetBytes text

    let hostName (name: byte array) = vector16 (Array.append [| 0uy |] (vector16 name))
    let protocols (names: byte array list) = vector16 (names |> List.map vector8 |> Array.concat)
    let versions (list: uint16 list) = vector8 (list |> List.map (int >> u16) |> Array.concat)

    let plain =
        { LegacyVersion = 0x0303
          SessionId = [||]
          Ciphers = [| 0xc0uy; 0x2buy; 0xc0uy; 0x2fuy |]
          Compression = [| 0uy |]
          Extensions = None }

    let withExtensions list = { plain with Extensions = Some list }
    let named (name: string) = withExtensions [ 0, hostName (ascii name) ]

    let extensionBlock list =
        list |> List.map (fun (kind, body) -> Array.append (u16 kind) (vector16 body)) |> Array.concat

    /// The handshake message with a body as it is, however wrong.
    let messageOf (body: byte array) =
        Array.concat [ [| 1uy; byte (body.Length >>> 16) |]; u16 body.Length; body ]

    let body (parts: HelloParts) =
        Array.concat [
            u16 parts.LegacyVersion
            [| 0uy .. 31uy |]
            vector8 parts.SessionId
            vector16 parts.Ciphers
            vector8 parts.Compression
            (match parts.Extensions with
             | Some list -> vector16 (extensionBlock list)
             | None -> [||])
        ]

    let message parts = messageOf (body parts)

    let recordOf (version: int) (fragment: byte array) =
        Array.concat [ [| 22uy |]; u16 version; vector16 fragment ]

    /// The message in records of these sizes, the last repeated for as long as it takes.
    let inRecords (version: int) (sizes: int list) (message: byte array) =
        let records = ResizeArray()
        let mutable sizes = sizes
        let mutable at = 0
        while at < message.Length do
            let size = match sizes with size :: _ -> size | [] -> 16_384
            let size = max 1 (min size (min 16_384 (message.Length - at)))
            records.Add(recordOf version message[at .. at + size - 1])
            at <- at + size
            sizes <- match sizes with _ :: next :: rest -> next :: rest | same -> same
        Array.concat records

    let inOneRecord parts = inRecords 0x0301 [] (message parts)

    /// The answer to all bytes at once.
    let parse (bytes: byte array) = ClientHello.parse (ReadOnlySpan bytes)

    /// The answer to bytes that come in pieces: the first answer that is not *need more*, or the last.
    let parsePrefixes (lengths: int seq) (bytes: byte array) =
        let look length = ClientHello.parse (ReadOnlySpan(bytes, 0, length))
        lengths |> Seq.map look |> Seq.tryFind (fun answer -> not answer.IsNeedMore) |> Option.defaultWith (fun () -> parse bytes)

    /// Hellos of real clients, by file name; `spec/hellos/capture.sh` makes them.
    let real: Lazy<(string * byte array) array> =
        lazy
            (Directory.GetFiles(Path.Combine(AppContext.BaseDirectory, "hellos"), "*.hex")
             |> Array.sort
             |> Array.map (fun path ->
                 let digits = File.ReadAllLines path |> Array.filter (fun line -> not (line.StartsWith '#')) |> String.concat ""
                 Path.GetFileNameWithoutExtension path, Convert.FromHexString digits))

/// A hello that is in order, and what it says.
type ValidHello =
    { Message: byte array
      Bytes: byte array
      Name: string option
      Protocols: byte array list
      Versions: uint16 list }

/// A hello, generated or real, in which something was changed: bytes overwritten, inserted, removed, repeated, or
/// lengths moved by one.
type MangledHello = MangledHello of byte array

/// Generators for the chapters on TLS.
type TlsGenerators =
    // Few labels, so that names and patterns meet often.
    static member private Label = Gen.elements [ "a"; "b"; "www"; "EXAMPLE"; "example"; "com"; "x-1"; "_dmarc"; "xn--bcher-kva"; "1" ]

    static member WrittenName() : Arbitrary<WrittenName> =
        let dotted = Gen.choose (1, 4) |> Gen.bind (fun n -> Gen.listOfLength n TlsGenerators.Label) |> Gen.map (String.concat ".")
        let trailing = Gen.frequency [ 3, Gen.constant ""; 1, Gen.constant "." ]
        Gen.frequency [ 9, dotted; 1, Gen.elements [ "1.2.3.4"; "127.0.0.1" ] ]
        |> Gen.map2 (fun dot name -> WrittenName(name + dot)) trailing
        |> Arb.fromGen

    static member ConfiguredNames() : Arbitrary<ConfiguredNames> =
        let name = TlsGenerators.WrittenName().Generator |> Gen.map (fun (WrittenName n) -> n)
        Gen.frequency [ 4, name; 4, Gen.map (fun n -> "*." + n) name; 1, Gen.elements [ "*"; ""; "a b"; "*.*.com"; "bücher.de"; "::1" ] ]
        |> Gen.listOf
        |> Gen.map ConfiguredNames
        |> Arb.fromGen

    static member CertificatesInFile() : Arbitrary<CertificatesInFile> =
        let certificate canBeVerified =
            gen {
                let few = Gen.choose (0, 3)
                let! subject = few
                let! key = few
                let! issuer = few
                let! signer = few
                let! canBeVerified = canBeVerified
                return { Subject = subject; Key = key; Issuer = issuer; Signer = signer; CanBeVerified = canBeVerified }
            }
        gen {
            let! canBeVerified = Gen.frequency [ 3, Gen.constant (Gen.constant true); 1, Gen.constant (Gen.constant false); 2, Gen.constant (Gen.elements [ true; false ]) ]
            let! count = Gen.choose (1, 8)
            let! file = Gen.listOfLength count (certificate canBeVerified)
            return CertificatesInFile file
        }
        |> Arb.fromGen

    static member ValidHello() : Arbitrary<ValidHello> =
        let bytes low high = Gen.choose (low, high) |> Gen.bind (fun n -> Gen.arrayOfLength n (Gen.choose (0, 255) |> Gen.map byte))
        let grease = Gen.choose (0, 15) |> Gen.map (fun n -> 0x0a0a + n * 0x1010)
        let gen =
            gen {
                let! name = Gen.frequency [ 4, TlsGenerators.WrittenName().Generator |> Gen.map (fun (WrittenName n) -> Some n); 1, Gen.constant None ]
                let! protocols =
                    Gen.oneof [
                        Gen.constant []
                        Gen.nonEmptyListOf (Gen.oneof [ Gen.elements [ Hello.ascii "h2"; Hello.ascii "http/1.1" ]; bytes 1 9; grease |> Gen.map Hello.u16 ])
                    ]
                let! versions = Gen.oneof [ Gen.constant []; Gen.nonEmptyListOf (Gen.oneof [ Gen.elements [ 0x0303; 0x0304 ]; grease ] |> Gen.map uint16) |> Gen.map (List.truncate 127) ]
                let! others =
                    Gen.listOf (Gen.zip (Gen.oneof [ Gen.elements [ 0x000d; 0x0033; 0xfe0d; 0x0015; 0x4469 ]; grease; Gen.choose (0x4000, 0xffff) ]) (Gen.frequency [ 20, bytes 0 20; 1, bytes 1184 1250 ]))
                let known =
                    [ match name with
                      | Some n -> 0x0000, Hello.hostName (Hello.ascii n)
                      | None -> ()
                      if not protocols.IsEmpty then 0x0010, Hello.protocols protocols
                      if not versions.IsEmpty then 0x002b, Hello.versions versions ]
                let! extensions = Gen.shuffle (known @ List.distinctBy fst (List.truncate 12 others))
                let! block = Gen.elements [ true; false ]
                let! sessionId = bytes 0 32
                let! ciphers = Gen.choose (1, 40) |> Gen.bind (fun n -> bytes (2 * n) (2 * n))
                let! legacy = Gen.elements [ 0x0301; 0x0303 ]
                let! recordVersion = Gen.elements [ 0x0300; 0x0301; 0x0303; 0x0304; 0x03ff ]
                let! sizes = Gen.oneof [ Gen.constant []; Gen.nonEmptyListOf (Gen.choose (1, 200)) ]
                let parts =
                    { LegacyVersion = legacy
                      SessionId = sessionId
                      Ciphers = ciphers
                      Compression = [| 1uy; 0uy |]
                      Extensions = if extensions.Length = 0 && not block then None else Some(Array.toList extensions) }
                let message = Hello.message parts
                return
                    { Message = message
                      Bytes = Hello.inRecords recordVersion sizes message
                      Name = name
                      Protocols = protocols
                      Versions = if versions.IsEmpty then [ min (uint16 legacy) 0x0303us ] else versions }
            }
        Arb.fromGen gen

    /// One change; the random numbers come from outside, so that a plain loop can use it too.
    static member internal Change(below: int -> int, bytes: byte array) : byte array =
        if bytes.Length = 0 then
            bytes
        else
            let at = below bytes.Length
            let length = 1 + below (min 8 (bytes.Length - at))
            match below 7 with
            | 0 -> Array.updateAt at (byte (below 256)) bytes
            | 1 -> Array.updateAt at (bytes[at] + 1uy) bytes
            | 2 -> Array.updateAt at (bytes[at] - 1uy) bytes
            | 3 -> Array.insertManyAt at (Array.init length (fun _ -> byte (below 256))) bytes
            | 4 -> Array.removeManyAt at length bytes
            | 5 -> Array.insertManyAt at bytes[at .. at + length - 1] bytes
            | _ -> Array.updateAt at (bytes[at] ^^^ (1uy <<< below 8)) bytes

    static member MangledHello() : Arbitrary<MangledHello> =
        let original =
            Gen.oneof [
                TlsGenerators.ValidHello().Generator |> Gen.map (fun hello -> hello.Bytes)
                Gen.elements Hello.real.Value |> Gen.map snd
            ]
        Gen.zip3 original (Gen.choose (1, 4)) (Gen.choose (0, Int32.MaxValue))
        |> Gen.map (fun (bytes, changes, seed) ->
            let random = Random seed
            let mutable mangled = bytes
            for _ in 1..changes do
                mangled <- TlsGenerators.Change(random.Next, mangled)
            MangledHello mangled)
        |> Arb.fromGen
