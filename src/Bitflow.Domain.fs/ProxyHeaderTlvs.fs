namespace Bitflow.Domain

open System
open System.Buffers.Binary
open System.Text

/// The type-length-value items behind a version 2 header's addresses (PP2-8 to PP2-10, TLV-1 to TLV-6).
[<RequireQualifiedAccess>]
module ProxyHeaderTlvs =
    [<Literal>]
    let private Alpn = 0x01uy

    [<Literal>]
    let private Authority = 0x02uy

    [<Literal>]
    let private Checksum = 0x03uy

    [<Literal>]
    let private UniqueId = 0x05uy

    [<Literal>]
    let private Ssl = 0x20uy

    [<Literal>]
    let private NetworkNamespace = 0x30uy

    [<Literal>]
    let private SslVersion = 0x21uy

    [<Literal>]
    let private SslCommonName = 0x22uy

    [<Literal>]
    let private SslCipher = 0x23uy

    [<Literal>]
    let private UsedTls = 1uy

    [<Literal>]
    let private CertificateOnConnection = 2uy

    [<Literal>]
    let private CertificateInSession = 4uy

    let private itemHead = 3
    let private sslHead = 5
    let maxUniqueIdBytes = 128
    let maxBlockBytes = 65_535

    [<Struct>]
    type private Item = { Kind: byte; Start: int; Length: int }

    let private next (bytes: ReadOnlySpan<byte>) at : Result<Item, ProxyHeaderFault> =
        let left = bytes.Length - at
        if left < itemHead then
            Error(ProxyHeaderFault.BytesAfterTlvs left)
        else
            let length = int (BinaryPrimitives.ReadUInt16BigEndian(bytes.Slice(at + 1)))
            if length > left - itemHead then
                Error(ProxyHeaderFault.TlvPastEnd(int bytes[at], length, left - itemHead))
            else
                Ok { Kind = bytes[at]; Start = at + itemHead; Length = length }

    let private text (bytes: ReadOnlySpan<byte>) (item: Item) = Encoding.UTF8.GetString(bytes.Slice(item.Start, item.Length))

    let private parseSsl (value: ReadOnlySpan<byte>) : Result<ProxySsl, ProxyHeaderFault> =
        if value.Length < sslHead then
            Error(ProxyHeaderFault.SslTooShort value.Length)
        else
            let flags = value[0]
            let certificate = flags &&& (CertificateOnConnection ||| CertificateInSession) <> 0uy
            let mutable ssl =
                { ClientUsedTls = flags &&& UsedTls <> 0uy
                  CertificateOnConnection = flags &&& CertificateOnConnection <> 0uy
                  CertificateInSession = flags &&& CertificateInSession <> 0uy
                  Verified = certificate && BinaryPrimitives.ReadUInt32BigEndian(value.Slice 1) = 0u
                  Version = None
                  CommonName = None
                  Cipher = None }
            let mutable at = sslHead
            let mutable fault = ValueNone
            while fault.IsNone && at < value.Length do
                match next value at with
                | Error f -> fault <- ValueSome f
                | Ok item ->
                    match item.Kind with
                    | SslVersion when ssl.Version.IsNone -> ssl <- { ssl with Version = Some(text value item) }
                    | SslCommonName when ssl.CommonName.IsNone -> ssl <- { ssl with CommonName = Some(text value item) }
                    | SslCipher when ssl.Cipher.IsNone -> ssl <- { ssl with Cipher = Some(text value item) }
                    | _ -> ()
                    at <- item.Start + item.Length
            match fault with
            | ValueSome f -> Error f
            | ValueNone -> Ok ssl

    /// The items of a whole header (its checksum covers all of it) from an offset to its end, which they fill exactly.
    let parse (header: ReadOnlySpan<byte>) (start: int) : Result<ProxyTlvs, ProxyHeaderFault> =
        let mutable tlvs = ProxyTlvs.None
        let mutable checksumSeen = false
        let mutable at = start
        let mutable fault = ValueNone
        while fault.IsNone && at < header.Length do
            match next header at with
            | Error f -> fault <- ValueSome f
            | Ok item ->
                match item.Kind with
                | Alpn when tlvs.Alpn.IsNone -> tlvs <- { tlvs with Alpn = Some(text header item) }
                | Authority when tlvs.Authority.IsNone -> tlvs <- { tlvs with Authority = Some(text header item) }
                | NetworkNamespace when tlvs.NetworkNamespace.IsNone ->
                    tlvs <- { tlvs with NetworkNamespace = Some(text header item) }
                | UniqueId when tlvs.UniqueId.IsNone ->
                    if item.Length > maxUniqueIdBytes then fault <- ValueSome(ProxyHeaderFault.UniqueIdTooLong item.Length)
                    else tlvs <- { tlvs with UniqueId = Some(header.Slice(item.Start, item.Length).ToArray()) }
                | Checksum when not checksumSeen ->
                    checksumSeen <- true
                    if item.Length <> 4 then
                        fault <- ValueSome(ProxyHeaderFault.ChecksumLength item.Length)
                    else
                        let stated = BinaryPrimitives.ReadUInt32BigEndian(header.Slice item.Start)
                        let computed = Crc32c.ofBytesWithHole header item.Start
                        if stated <> computed then fault <- ValueSome(ProxyHeaderFault.ChecksumMismatch(stated, computed))
                | Ssl when tlvs.Ssl.IsNone ->
                    match parseSsl (header.Slice(item.Start, item.Length)) with
                    | Ok ssl -> tlvs <- { tlvs with Ssl = Some ssl }
                    | Error f -> fault <- ValueSome f
                | _ -> ()
                at <- item.Start + item.Length
        match fault with
        | ValueSome f -> Error f
        | ValueNone -> Ok tlvs

    let private item kind (value: byte array) =
        Array.concat [ [| kind; byte (value.Length >>> 8); byte value.Length |]; value ]

    let private utf8 (text: string) = Encoding.UTF8.GetBytes text

    /// Keeps the items that fit, each whole: half a name would be somebody else's name.
    let private fit limit (items: byte array list) =
        let mutable left = limit
        items
        |> List.filter (fun item ->
            let fits = item.Length <= left
            if fits then left <- left - item.Length
            fits)
        |> Array.concat

    let private some kind (value: byte array option) =
        match value with
        | Some value when value.Length <= maxBlockBytes -> [ item kind value ]
        | _ -> []

    let private encodeSsl (ssl: ProxySsl) =
        let certificate = ssl.CertificateOnConnection || ssl.CertificateInSession
        let flags =
            (if ssl.ClientUsedTls then UsedTls else 0uy)
            ||| (if ssl.CertificateOnConnection then CertificateOnConnection else 0uy)
            ||| (if ssl.CertificateInSession then CertificateInSession else 0uy)
        let items =
            some SslVersion (Option.map utf8 ssl.Version)
            @ some SslCommonName (Option.map utf8 ssl.CommonName)
            @ some SslCipher (Option.map utf8 ssl.Cipher)
        Array.append [| flags; 0uy; 0uy; 0uy; (if certificate && ssl.Verified then 0uy else 1uy) |] (fit (maxBlockBytes - sslHead) items)

    /// The items in the order of their types, at most so many bytes together; an item that would not fit is left out.
    let encode (limit: int) (tlvs: ProxyTlvs) : byte array =
        some Alpn (Option.map utf8 tlvs.Alpn)
        @ some Authority (Option.map utf8 tlvs.Authority)
        @ some UniqueId (tlvs.UniqueId |> Option.map (Array.truncate maxUniqueIdBytes))
        @ some Ssl (Option.map encodeSsl tlvs.Ssl)
        @ some NetworkNamespace (Option.map utf8 tlvs.NetworkNamespace)
        |> fit limit
