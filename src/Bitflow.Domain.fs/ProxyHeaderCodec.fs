namespace Bitflow.Domain

open System

/// PROXY protocol headers of both versions, read and written. Whether a header is expected at all is configuration, never a
/// guess from the bytes (PP-7).
[<RequireQualifiedAccess>]
module ProxyHeaderCodec =
    /// The most bytes that are ever held while a header comes in.
    let maxBytes = ProxyHeaderBinary.maxBytes

    /// The shortest header of all is `PROXY UNKNOWN` with its line end.
    let private shortest = "PROXY UNKNOWN\r\n".Length

    /// Reads a header from its first byte on, and refuses at the first byte that departs from both forms (PP-9). The
    /// bytes behind it are the client's (PP-10).
    [<CompiledName("Parse")>]
    let parse (bytes: ReadOnlySpan<byte>) : Parse<ProxyHeader, ProxyHeaderFault> =
        if bytes.IsEmpty then
            Parse.NeedMore shortest
        else
            match bytes[0] with
            | 'P'B -> ProxyHeaderText.parse bytes
            | '\r'B -> ProxyHeaderBinary.parse bytes
            | _ -> Parse.Rejected ProxyHeaderFault.NotAHeader

    let parseBytes (bytes: byte array) = parse (ReadOnlySpan bytes)

    [<CompiledName("Encode")>]
    let encode (header: ProxyHeader) : byte array =
        match header with
        | ProxyHeader.TextTcp(source, destination) -> ProxyHeaderText.encodeTcp source destination
        | ProxyHeader.TextUnknown -> ProxyHeaderText.encodeUnknown ()
        | ProxyHeader.BinaryTcp(source, destination, tlvs) -> ProxyHeaderBinary.encodeTcp source destination tlvs
        | ProxyHeader.BinaryUnix(source, destination, tlvs) -> ProxyHeaderBinary.encodeUnix source destination tlvs
        | ProxyHeader.BinaryUnspecified -> ProxyHeaderBinary.encodeUnspecified ()
        | ProxyHeader.BinaryLocal -> ProxyHeaderBinary.encodeLocal ()
