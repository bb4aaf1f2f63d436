namespace Bitflow.Domain

open System
open System.Buffers.Binary
open System.Net
open System.Text

/// Version 2 of the PROXY protocol, binary (PP2-1 to PP2-12).
[<RequireQualifiedAccess>]
module ProxyHeaderBinary =
    let private signature = "\r\n\r\n\000\r\nQUIT\n"B
    let private fixedBytes = 16
    let private tcp4Bytes, tcp6Bytes, unixBytes = 12, 36, 216
    let private unixPathBytes = 108

    /// The longest header that is held while it comes in. The protocol's own maximum: a bound below it would refuse
    /// valid headers, and only trusted peers get to send one.
    let maxBytes = fixedBytes + ProxyHeaderTlvs.maxBlockBytes

    [<Literal>]
    let private Local = 0

    [<Literal>]
    let private Stream = 1

    [<Literal>]
    let private Unspecified = 0

    [<Literal>]
    let private Inet = 1

    [<Literal>]
    let private Inet6 = 2

    [<Literal>]
    let private Unix = 3

    let private addressBytes family =
        match family with
        | Inet -> tcp4Bytes
        | Inet6 -> tcp6Bytes
        | Unix -> unixBytes
        | _ -> 0

    /// Zero-padded, not necessarily zero-terminated; an abstract name begins with a zero (PP2-11).
    let private readPath (bytes: ReadOnlySpan<byte>) =
        let padded = MemoryExtensions.TrimEnd(bytes, 0uy)
        if padded.Length > 0 && padded[0] = 0uy then
            "@" + Encoding.UTF8.GetString(padded.Slice 1)
        else
            match MemoryExtensions.IndexOf(padded, 0uy) with
            | -1 -> Encoding.UTF8.GetString padded
            | zero -> Encoding.UTF8.GetString(padded.Slice(0, zero))

    let private readAddress (bytes: ReadOnlySpan<byte>) = IpAddress.canonical (IPAddress bytes)
    let private readPort (bytes: ReadOnlySpan<byte>) = int (BinaryPrimitives.ReadUInt16BigEndian bytes)

    let private readIp (addresses: ReadOnlySpan<byte>) size tlvs =
        let source = IPEndPoint(readAddress (addresses.Slice(0, size)), readPort (addresses.Slice(2 * size)))
        let destination = IPEndPoint(readAddress (addresses.Slice(size, size)), readPort (addresses.Slice(2 * size + 2)))
        ProxyHeader.BinaryTcp(source, destination, tlvs)

    /// The whole header is there, and its block is long enough for its family.
    let private readBlock family (header: ReadOnlySpan<byte>) =
        match ProxyHeaderTlvs.parse header (fixedBytes + addressBytes family) with
        | Error fault -> Parse.Rejected fault
        | Ok tlvs ->
            let addresses = header.Slice fixedBytes
            let value =
                match family with
                | Inet -> readIp addresses 4 tlvs
                | Inet6 -> readIp addresses 16 tlvs
                | _ ->
                    let source = readPath (addresses.Slice(0, unixPathBytes))
                    let destination = readPath (addresses.Slice(unixPathBytes, unixPathBytes))
                    ProxyHeader.BinaryUnix(source, destination, tlvs)
            Parse.Done(value, header.Length)

    /// The halves of a byte; -1 while it is not there.
    let private nibbles (bytes: ReadOnlySpan<byte>) at =
        if bytes.Length > at then struct (int bytes[at] >>> 4, int bytes[at] &&& 15) else struct (-1, -1)

    /// A header from its first byte on; bytes behind its block are not looked at (PP2-9). Each byte is judged as soon
    /// as it is there, except the block, which is judged whole (PP2-7).
    let parse (bytes: ReadOnlySpan<byte>) : Parse<ProxyHeader, ProxyHeaderFault> =
        if MemoryExtensions.CommonPrefixLength(bytes, ReadOnlySpan signature) < min bytes.Length signature.Length then
            Parse.Rejected ProxyHeaderFault.NotAHeader
        else
            let struct (version, command) = nibbles bytes 12
            let struct (family, transport) = nibbles bytes 13
            if version >= 0 && version <> 2 then
                Parse.Rejected(ProxyHeaderFault.Version version)
            elif command > 1 then
                Parse.Rejected(ProxyHeaderFault.Command command)
            // LOCAL discards family and block, whatever they hold (PP2-2).
            elif command <> Local && family > Unix then
                Parse.Rejected(ProxyHeaderFault.Family family)
            elif command <> Local && transport > 2 then
                Parse.Rejected(ProxyHeaderFault.Transport transport)
            elif bytes.Length < fixedBytes then
                Parse.NeedMore(fixedBytes - bytes.Length)
            else
                let length = int (BinaryPrimitives.ReadUInt16BigEndian(bytes.Slice 14))
                let stated = command <> Local && family <> Unspecified && transport <> Unspecified
                let total = fixedBytes + length
                if stated && length < addressBytes family then
                    Parse.Rejected(ProxyHeaderFault.AddressesCut(length, addressBytes family))
                elif bytes.Length < total then
                    Parse.NeedMore(total - bytes.Length)
                elif command = Local then
                    Parse.Done(ProxyHeader.BinaryLocal, total)
                elif not stated || transport <> Stream then
                    Parse.Done(ProxyHeader.BinaryUnspecified, total)
                else
                    readBlock family (bytes.Slice(0, total))

    let private bigEndian (value: int) = [| byte (value >>> 8); byte value |]

    let private writePath (path: string) =
        let bytes =
            if path.StartsWith '@' then Array.append [| 0uy |] (Encoding.UTF8.GetBytes(path.Substring 1))
            else Encoding.UTF8.GetBytes path
        Array.init unixPathBytes (fun i -> if i < bytes.Length then bytes[i] else 0uy)

    /// Ends of different families can only be written as IPv6, one of them mapped; reading makes it IPv4 again.
    let private writeIp (source: IPEndPoint) (destination: IPEndPoint) =
        let v4 = IpAddress.isV4 source.Address && IpAddress.isV4 destination.Address
        let address (e: IPEndPoint) = (if v4 then e.Address else e.Address.MapToIPv6()).GetAddressBytes()
        struct ((if v4 then Inet else Inet6),
                Array.concat [ address source; address destination; bigEndian source.Port; bigEndian destination.Port ])

    let private write command family transport (addresses: byte array) (tlvs: byte array) =
        let head = [| byte (0x20 ||| command); byte ((family <<< 4) ||| transport) |]
        Array.concat [ signature; head; bigEndian (addresses.Length + tlvs.Length); addresses; tlvs ]

    let private writeWithTlvs family (addresses: byte array) (tlvs: ProxyTlvs) =
        write 1 family Stream addresses (ProxyHeaderTlvs.encode (ProxyHeaderTlvs.maxBlockBytes - addresses.Length) tlvs)

    let encodeTcp source destination tlvs =
        let struct (family, addresses) = writeIp source destination
        writeWithTlvs family addresses tlvs

    let encodeUnix source destination tlvs =
        writeWithTlvs Unix (Array.append (writePath source) (writePath destination)) tlvs

    let encodeUnspecified () = write 1 Unspecified Unspecified [||] [||]
    let encodeLocal () = write Local Unspecified Unspecified [||] [||]
