namespace Bitflow.Spec

open System
open System.Net
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// Any text at all, well-formed or not, null excepted.
type HostileText = HostileText of string

/// Text that is nearly an address: pieces of valid addresses, shuffled and cut.
type NearlyAddress = NearlyAddress of string

/// A few addresses around one port, many of which overlap or are the same.
type CrowdedAddresses = CrowdedAddresses of Address list

/// Bytes without any promise.
type HostileBytes = HostileBytes of byte[]

/// A canonical address of either family.
type AnyIp = AnyIp of IPAddress

/// Whole numbers of a type: as often near zero as anywhere in its range or at its edges. FsCheck's own stay within a hundred or so of zero.
module private Whole =
    let arbitrary (near: Gen<'n>) (anywhere: Gen<'n>) (edges: 'n list) : Arbitrary<'n> =
        Arb.fromGenShrink (Gen.oneof [ near; anywhere; Gen.elements edges ], (ArbMap.defaults |> ArbMap.arbitrary<'n>).Shrinker)

/// Generators for the words that every chapter uses.
type WordGenerators =
    static member Int32() : Arbitrary<int> =
        Whole.arbitrary (Gen.choose (-100, 100)) (Gen.choose (Int32.MinValue, Int32.MaxValue)) [ Int32.MinValue; -1; 0; 1; Int32.MaxValue ]

    static member Int64() : Arbitrary<int64> =
        Whole.arbitrary (Gen.choose64 (-100L, 100L)) (Gen.choose64 (Int64.MinValue, Int64.MaxValue)) [ Int64.MinValue; -1L; 0L; 1L; Int64.MaxValue ]

    static member UInt16() : Arbitrary<uint16> =
        Whole.arbitrary (Gen.choose (0, 100) |> Gen.map uint16) (Gen.choose (0, 65_535) |> Gen.map uint16) [ 0us; 1us; UInt16.MaxValue ]

    static member UInt32() : Arbitrary<uint32> =
        Whole.arbitrary (Gen.choose (0, 100) |> Gen.map uint32) (Gen.choose64 (0L, int64 UInt32.MaxValue) |> Gen.map uint32) [ 0u; 1u; UInt32.MaxValue ]

    static member Duration() : Arbitrary<Duration> =
        let gen =
            Gen.oneof [
                Gen.choose64 (Int64.MinValue + 1L, Int64.MaxValue)
                Gen.choose64 (-10_000_000_000L, 10_000_000_000L)
                Gen.elements [ 0L; 1L; -1L; 999L; 1_000L; 1_000_000L; 1_000_000_000L; 60_000_000_000L; 3_600_000_000_000L; Int64.MaxValue ]
            ]
            |> Gen.map Duration.OfNanoseconds
        let shrink (d: Duration) =
            ArbMap.defaults |> ArbMap.arbitrary<int64> |> (fun a -> a.Shrinker d.TotalNanoseconds) |> Seq.map Duration.OfNanoseconds
        Arb.fromGenShrink (gen, shrink)

    static member AnyIp() : Arbitrary<AnyIp> =
        let bytes n = Gen.arrayOfLength n (Gen.choose (0, 255) |> Gen.map byte)
        let sparse n = Gen.arrayOfLength n (Gen.frequency [ 3, Gen.constant 0uy; 1, Gen.choose (0, 255) |> Gen.map byte ])
        Gen.oneof [ bytes 4; sparse 4; bytes 16; sparse 16 ]
        |> Gen.map (fun b -> AnyIp(IpAddress.canonical (IPAddress b)))
        |> Arb.fromGen

    static member IpNetwork() : Arbitrary<IpNetwork> =
        WordGenerators.AnyIp().Generator
        |> Gen.bind (fun (AnyIp address) ->
            Gen.choose (0, (if IpAddress.isV4 address then 32 else 128))
            |> Gen.map (fun length -> let struct (network, _) = IpNetwork.create address length in network))
        |> Arb.fromGen

    static member HostileText() : Arbitrary<HostileText> =
        let any = ArbMap.defaults |> ArbMap.generate<string> |> Gen.map (fun s -> if isNull s then "" else s)
        let ascii = Gen.listOf (Gen.elements (List.map char [ 0 .. 127 ])) |> Gen.map (fun cs -> String(List.toArray cs))
        let plausible =
            Gen.listOf (Gen.elements [ "1"; "0"; ":"; "."; "/"; "["; "]"; "-"; "+"; "s"; "ms"; "h"; "tcp:"; "unix:"; "@"; "fd:"; "::"; "%"; "é"; "\000"; " "; "99999999999999999999" ])
            |> Gen.map (String.concat "")
        Gen.oneof [ any; ascii; plausible ]
        |> Gen.map HostileText
        |> Arb.fromGen

    static member HostileBytes() : Arbitrary<HostileBytes> =
        Gen.arrayOf (Gen.choose (0, 255) |> Gen.map byte) |> Gen.map HostileBytes |> Arb.fromGen

    static member Address() : Arbitrary<Address> =
        let label = Gen.elements [ "a"; "www"; "example"; "x-1"; "_srv"; "tcp"; "unix"; "fd" ]
        let name = Gen.nonEmptyListOf label |> Gen.map (List.truncate 5 >> String.concat ".")
        let port = Gen.oneof [ Gen.choose (0, 65535); Gen.elements [ 0; 1; 65535 ] ]
        let tcp =
            gen {
                let! port = port
                let! (AnyIp address) = WordGenerators.AnyIp().Generator
                let! name = name
                let literal =
                    if address.Equals IPAddress.IPv6Any then Host.Any else Host.Literal address
                return!
                    Gen.elements [
                        Address.Tcp(TcpFamily.Either, Host.Any, port)
                        Address.Tcp(TcpFamily.V4, Host.Any, port)
                        Address.Tcp(TcpFamily.V6, Host.Any, port)
                        Address.Tcp(TcpFamily.Either, literal, port)
                        Address.Tcp((if IpAddress.isV4 address then TcpFamily.V4 else TcpFamily.V6), literal, port)
                        Address.Tcp(TcpFamily.Either, Host.Name name, port)
                        Address.Tcp(TcpFamily.V4, Host.Name name, port)
                        Address.Tcp(TcpFamily.V6, Host.Name name, port)
                    ]
            }
        let path = Gen.nonEmptyListOf (Gen.elements [ 'a'; '/'; '.'; 'é'; ' '; ':'; '@' ]) |> Gen.map (List.truncate 40 >> List.toArray >> String)
        Gen.oneof [
            tcp
            path |> Gen.map (fun p -> Address.UnixPath("/" + String.Join('/', p.Split('/', StringSplitOptions.RemoveEmptyEntries) |> Array.filter ((<>) "."))))
            path |> Gen.map Address.UnixAbstract
            Gen.choose (0, 100_000) |> Gen.map Address.Descriptor
            label |> Gen.map Address.NamedDescriptor
        ]
        |> Arb.fromGen

    static member TargetAddress() : Arbitrary<TargetAddress> =
        WordGenerators.Address().Generator |> Gen.map (TargetAddress.ofAddress >> Result.toOption) |> Gen.filter Option.isSome |> Gen.map Option.get |> Arb.fromGen

    static member DialAddress() : Arbitrary<DialAddress> =
        WordGenerators.TargetAddress().Generator
        |> Gen.map (fun address -> match address with TargetAddress.Dialled address -> Some address | TargetAddress.Descriptor _ -> None)
        |> Gen.filter Option.isSome
        |> Gen.map Option.get
        |> Arb.fromGen

    static member CrowdedAddresses() : Arbitrary<CrowdedAddresses> =
        let tcp =
            gen {
                let! held = Gen.elements [ ""; "tcp4:"; "tcp6:" ]
                let! host = Gen.elements [ ""; "0.0.0.0"; "127.0.0.1"; "10.0.0.1"; "[::]"; "[::1]"; "localhost"; "LocalHost"; "a.example"; "b.example" ]
                let! port = Gen.frequency [ 6, Gen.constant 80; 1, Gen.elements [ 0; 81 ] ]
                return $"{held}{host}:{port}"
            }
        Gen.frequency [ 12, tcp; 1, Gen.elements [ "unix:/a"; "unix:@a"; "fd:3" ] ]
        |> Gen.listOf
        |> Gen.map (List.truncate 12 >> List.choose (Address.tryParse >> Result.toOption) >> CrowdedAddresses)
        |> Arb.fromGen

    static member NearlyAddress() : Arbitrary<NearlyAddress> =
        WordGenerators.Address().Generator
        |> Gen.bind (fun address ->
            let text = string address
            gen {
                let! at = Gen.choose (0, text.Length)
                let! piece = Gen.elements [ ""; ":"; "]"; "["; "0"; "."; "é"; "99999"; "tcp4:"; "tcp6:"; "%eth0"; " " ]
                let! cut = Gen.choose (0, min 3 (text.Length - at))
                return NearlyAddress(text.Remove(at, cut).Insert(at, piece))
            })
        |> Arb.fromGen
