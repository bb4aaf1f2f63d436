namespace Bitflow.Domain

#nowarn "9" // The set of extension types seen lives on the stack; its one use is bounded by its length.

open System
open System.Runtime.CompilerServices
open Microsoft.FSharp.NativeInterop

/// What a client's first TLS message says that Bitflow decides by.
type ClientHello =
    { /// None: the client sent no server name, which is not the same as one that cannot be read (SNI-8).
      ServerName: ServerName voption
      /// In the client's order; empty: it does not speak ALPN.
      ApplicationProtocols: AlpnName list
      /// As offered, GREASE included: `supported_versions`, or the single old version field where that is absent.
      Versions: uint16 list
      /// `supported_groups`, in the client's order, GREASE included (RFC 8446 section 4.2.7).
      Groups: uint16 list
      /// The groups for which `key_share` brings a key already, in the client's order (RFC 8446 section 4.2.8).
      KeyShares: uint16 list
      /// `signature_algorithms`, in the client's order, GREASE included (RFC 8446 section 4.2.3).
      SignatureAlgorithms: uint16 list
      /// In the client's order. Not read of a client that offers TLS 1.3, whose suites say nothing of certificates: empty.
      CipherSuites: uint16 list }

/// The parts of a hello in which a length can be wrong.
[<RequireQualifiedAccess>]
type HelloField =
    | Fixed
    | SessionId
    | CipherSuites
    | CompressionMethods
    | Extensions
    | ServerName
    | Alpn
    | SupportedVersions

/// Why bytes are no hello that Bitflow passes on, in the order in which they are found.
[<RequireQualifiedAccess>]
type HelloFault =
    /// The first byte begins no TLS record. (From 0x80 on it may begin an SSLv2 hello, which is refused too: it has no
    /// name, and TLS 1.3 forbids it.)
    | NotTls of firstByte: byte
    | NotTlsVersion of major: byte
    /// An alert, ChangeCipherSpec or data record before the hello is whole.
    | UnexpectedRecord of contentType: byte
    | EmptyRecord
    | RecordTooLong of length: int
    | NotAHello of handshakeType: byte
    /// It would take more than the bound in bytes, records' headers included.
    | TooLong
    /// Too short for what every hello holds.
    | TooShort of length: int
    /// A length that is zero, odd, too large, or reaches past what holds it, or bytes that no field accounts for.
    | BadLength of field: HelloField
    | NoNullCompression
    | RepeatedExtension of extensionType: int
    /// A server name entry of a type other than host_name.
    | NotAHostName of nameType: byte
    | SeveralServerNames
    | BadServerName of ServerNameFault
    /// Bytes after the hello in its last record.
    | TrailingBytes

/// Reads a record layer and the message in it as one sequence, without joining them. The first thing that goes wrong
/// sticks, and later reads do nothing: the parser below is straight-line code, judges each byte by those before it
/// alone, and so gives one answer however the bytes were cut (G2).
[<Struct; IsByRefLike; NoEquality; NoComparison>]
type private HelloCursor =
    val Given: ReadOnlySpan<byte>
    /// The next byte of `Given`; at a record's header until that is whole.
    val mutable Wire: int
    /// What is left of the current record's fragment.
    val mutable InRecord: int
    /// The place in the joined message.
    val mutable At: int
    /// Where the message ends; the shortest possible until its length is read.
    val mutable MessageEnd: int
    /// Where the innermost field ends: no read passes it.
    val mutable Limit: int
    val mutable Short: bool
    val mutable Fault: HelloFault voption

    static member MaxBytes = 65_536
    static member RecordHeader = 5
    static member MaxFragment = 16_384
    static member MessageHeader = 4
    /// Version, random, empty session id, one cipher suite, one compression method.
    static member ShortestBody = 2 + 32 + 1 + 4 + 2

    new(given: ReadOnlySpan<byte>) =
        { Given = given
          Wire = 0
          InRecord = 0
          At = 0
          MessageEnd = HelloCursor.MessageHeader + HelloCursor.ShortestBody
          Limit = HelloCursor.MessageHeader
          Short = false
          Fault = ValueNone }

    member c.Going = not c.Short && c.Fault.IsNone

    member c.Fail fault =
        if c.Going then c.Fault <- ValueSome fault

    /// The fewest bytes on the wire with which the message can be whole.
    member c.LeastTotal =
        let left = c.MessageEnd - c.At
        let here = min c.InRecord left
        let later = left - here
        let records = (later + HelloCursor.MaxFragment - 1) / HelloCursor.MaxFragment
        c.Wire + here + later + records * HelloCursor.RecordHeader

    member c.FailIfTooLong() =
        if c.LeastTotal > HelloCursor.MaxBytes then c.Fail HelloFault.TooLong

    member private c.EnterRecord() =
        let header = c.Given.Slice c.Wire
        let handshake = 22uy
        if header.Length > 0 && header[0] <> handshake then
            // ChangeCipherSpec, alert and data are TLS, in the wrong place; anything else first is another protocol.
            if c.Wire > 0 || (header[0] >= 20uy && header[0] <= 23uy) then
                c.Fail(HelloFault.UnexpectedRecord header[0])
            else
                c.Fail(HelloFault.NotTls header[0])
        elif header.Length > 1 && header[1] <> 3uy then
            c.Fail(HelloFault.NotTlsVersion header[1])
        elif header.Length < HelloCursor.RecordHeader then
            c.Short <- true
        else
            // The minor version is not looked at: 0300 to 03ff are all seen in the wild (TLS-2).
            let length = (int header[3] <<< 8) ||| int header[4]
            if length = 0 then c.Fail HelloFault.EmptyRecord
            elif length > HelloCursor.MaxFragment then c.Fail(HelloFault.RecordTooLong length)
            else
                c.Wire <- c.Wire + HelloCursor.RecordHeader
                c.InRecord <- length
                c.FailIfTooLong()

    member c.U8(field: HelloField) : int =
        if c.Going && c.At >= c.Limit then c.Fail(HelloFault.BadLength field)
        if c.Going && c.InRecord = 0 then c.EnterRecord()
        if c.Going && c.Wire >= c.Given.Length then c.Short <- true
        if c.Going then
            let value = int c.Given[c.Wire]
            c.Wire <- c.Wire + 1
            c.InRecord <- c.InRecord - 1
            c.At <- c.At + 1
            value
        else
            0

    member c.U16(field: HelloField) : int =
        let high = c.U8 field
        (high <<< 8) ||| c.U8 field

    member c.Skip(count: int, field: HelloField) =
        if c.Going && count > c.Limit - c.At then c.Fail(HelloFault.BadLength field)
        let mutable left = count
        while c.Going && left > 0 do
            if c.InRecord = 0 then c.EnterRecord()
            if c.Going then
                let step = min left (min c.InRecord (c.Given.Length - c.Wire))
                if step = 0 then c.Short <- true
                c.Wire <- c.Wire + step
                c.InRecord <- c.InRecord - step
                c.At <- c.At + step
                left <- left - step

[<RequireQualifiedAccess>]
module ClientHello =
    /// The bound on a hello, in bytes as received (records' headers included).
    let maxBytes = HelloCursor.MaxBytes

    /// Where in the joined message the wanted fields lie; zero lengths where they are absent.
    [<Struct>]
    type private Places =
        { mutable LegacyVersion: int
          mutable SuitesAt: int
          mutable SuitesLength: int
          mutable NameAt: int
          mutable NameLength: int
          mutable AlpnAt: int
          mutable AlpnLength: int
          mutable VersionsAt: int
          mutable VersionsLength: int
          mutable GroupsAt: int
          mutable GroupsLength: int
          mutable SharesAt: int
          mutable SharesLength: int
          mutable SignaturesAt: int
          mutable SignaturesLength: int }

    let private readServerName (c: byref<HelloCursor>) (places: byref<Places>) =
        let field = HelloField.ServerName
        let listLength = c.U16 field
        if c.Going && listLength <> c.Limit - c.At then c.Fail(HelloFault.BadLength field)
        let nameType = c.U8 field
        if nameType <> 0 then c.Fail(HelloFault.NotAHostName(byte nameType))
        let length = c.U16 field
        if c.Going && length = 0 then c.Fail(HelloFault.BadServerName ServerNameFault.Empty)
        if length > c.Limit - c.At then c.Fail(HelloFault.BadLength field)
        if length > ServerName.maxLength then c.Fail(HelloFault.BadServerName(ServerNameFault.TooLong length))
        places.NameAt <- c.At
        places.NameLength <- length
        let mutable left = length
        while c.Going && left > 0 do
            let b = byte (c.U8 field)
            if c.Going && not (ServerName.isNameByte b) then c.Fail(HelloFault.BadServerName(ServerNameFault.BadByte b))
            if c.Going && length = 1 && b = byte '.' then c.Fail(HelloFault.BadServerName ServerNameFault.Empty)
            left <- left - 1
        if c.Going && c.At < c.Limit then c.Fail HelloFault.SeveralServerNames

    let private readAlpn (c: byref<HelloCursor>) (places: byref<Places>) =
        let field = HelloField.Alpn
        let listLength = c.U16 field
        if c.Going && (listLength < 2 || listLength <> c.Limit - c.At) then c.Fail(HelloFault.BadLength field)
        places.AlpnAt <- c.At
        places.AlpnLength <- listLength
        while c.Going && c.At < c.Limit do
            let length = c.U8 field
            if c.Going && length = 0 then c.Fail(HelloFault.BadLength field)
            c.Skip(length, field)

    let private readVersions (c: byref<HelloCursor>) (places: byref<Places>) =
        let field = HelloField.SupportedVersions
        let length = c.U8 field
        if c.Going && (length < 2 || length % 2 = 1 || length <> c.Limit - c.At) then c.Fail(HelloFault.BadLength field)
        places.VersionsAt <- c.At
        places.VersionsLength <- length
        c.Skip(length, field)

    let private readExtensions (c: byref<HelloCursor>) (places: byref<Places>) =
        let field = HelloField.Extensions
        let blockLength = c.U16 field
        if c.Going && blockLength <> c.MessageEnd - c.At then c.Fail(HelloFault.BadLength field)
        // One bit a type: finding repeats among 16,000 extensions must not be quadratic (TLS-15).
        let words = 65_536 / 64
        let seen = Span<uint64>(NativePtr.toVoidPtr (NativePtr.stackalloc<uint64> words), words)
        seen.Clear()
        while c.Going && c.At < c.MessageEnd do
            let extension = c.U16 field
            let bit = 1UL <<< (extension &&& 63)
            if c.Going && seen[extension >>> 6] &&& bit <> 0UL then c.Fail(HelloFault.RepeatedExtension extension)
            seen[extension >>> 6] <- seen[extension >>> 6] ||| bit
            let length = c.U16 field
            if length > c.MessageEnd - c.At then c.Fail(HelloFault.BadLength field)
            if c.Going then
                c.Limit <- c.At + length
                match extension with
                | 0x0000 -> readServerName &c &places
                | 0x0010 -> readAlpn &c &places
                | 0x002b -> readVersions &c &places
                | 0x000a ->
                    places.GroupsAt <- c.At
                    places.GroupsLength <- length
                    c.Skip(length, field)
                | 0x0033 ->
                    places.SharesAt <- c.At
                    places.SharesLength <- length
                    c.Skip(length, field)
                | 0x000d ->
                    places.SignaturesAt <- c.At
                    places.SignaturesLength <- length
                    c.Skip(length, field)
                | _ -> c.Skip(length, field)
                c.Limit <- c.MessageEnd

    let private readMessage (c: byref<HelloCursor>) (places: byref<Places>) =
        let handshakeType = c.U8 HelloField.Fixed
        if c.Going && handshakeType <> 1 then c.Fail(HelloFault.NotAHello(byte handshakeType))
        let length = (c.U8 HelloField.Fixed <<< 16) ||| c.U16 HelloField.Fixed
        if c.Going then
            if length < HelloCursor.ShortestBody then c.Fail(HelloFault.TooShort length)
            c.MessageEnd <- HelloCursor.MessageHeader + length
            c.Limit <- c.MessageEnd
            c.FailIfTooLong()
        places.LegacyVersion <- c.U16 HelloField.Fixed
        c.Skip(32, HelloField.Fixed)
        let sessionId = c.U8 HelloField.SessionId
        if sessionId > 32 then c.Fail(HelloFault.BadLength HelloField.SessionId)
        c.Skip(sessionId, HelloField.SessionId)
        let ciphers = c.U16 HelloField.CipherSuites
        if c.Going && (ciphers = 0 || ciphers % 2 = 1) then c.Fail(HelloFault.BadLength HelloField.CipherSuites)
        places.SuitesAt <- c.At
        places.SuitesLength <- ciphers
        c.Skip(ciphers, HelloField.CipherSuites)
        let methods = c.U8 HelloField.CompressionMethods
        if c.Going && methods = 0 then c.Fail(HelloFault.BadLength HelloField.CompressionMethods)
        if methods > c.Limit - c.At then c.Fail(HelloFault.BadLength HelloField.CompressionMethods)
        let mutable hasNull = false
        let mutable left = methods
        while c.Going && left > 0 do
            if c.U8 HelloField.CompressionMethods = 0 then hasNull <- true
            left <- left - 1
        if not hasNull then c.Fail HelloFault.NoNullCompression
        // No block at all is valid before TLS 1.3 (TLS-13).
        if c.Going && c.At < c.MessageEnd then readExtensions &c &places
        if c.Going && c.InRecord > 0 then c.Fail HelloFault.TrailingBytes

    let private copy (given: ReadOnlySpan<byte>) (at: int) (length: int) : byte array =
        let mutable c = HelloCursor given
        c.Limit <- at + length
        c.Skip(at, HelloField.Fixed)
        let bytes = Array.zeroCreate length
        for i in 0 .. length - 1 do
            bytes[i] <- byte (c.U8 HelloField.Fixed)
        bytes

    /// The two-byte names from there to the end, each with a key behind it or not.
    let private names (c: byref<HelloCursor>) (withKeys: bool) : uint16 list =
        let field = HelloField.Extensions
        let mutable found = []
        while c.Going && c.At < c.Limit do
            let name = c.U16 field
            if withKeys then c.Skip(c.U16 field, field)
            if c.Going then found <- uint16 name :: found
        List.rev found

    /// What an extension lists behind the length of the list: groups (`supported_groups`), keys for them (`key_share`) or signatures (`signature_algorithms`). No
    /// route hangs on these, so what is malformed in them is left to the TLS library, which refuses it before it calculates anything.
    let private listed (given: ReadOnlySpan<byte>) (at: int) (length: int) (withKeys: bool) : uint16 list =
        let mutable c = HelloCursor given
        c.Limit <- at + length
        c.Skip(at + 2, HelloField.Extensions)
        names &c withKeys

    let private suites (given: ReadOnlySpan<byte>) (at: int) (length: int) : uint16 list =
        let mutable c = HelloCursor given
        c.Limit <- at + length
        c.Skip(at, HelloField.CipherSuites)
        names &c false

    let private build (given: ReadOnlySpan<byte>) (places: inref<Places>) : Result<ClientHello, HelloFault> =
        let protocols =
            let list = copy given places.AlpnAt places.AlpnLength
            let rec split at names =
                if at >= list.Length then
                    List.rev names
                else
                    let length = int list[at]
                    match AlpnName.tryOfBytes (ReadOnlySpan(list, at + 1, length)) with
                    | ValueSome name -> split (at + 1 + length) (name :: names)
                    | ValueNone -> split (at + 1 + length) names
            split 0 []
        let versions =
            match places.VersionsLength with
            // Without the extension it is TLS 1.2 at most, whatever stands there (RFC 8446 section 4.2.1).
            | 0 -> [ min (uint16 places.LegacyVersion) 0x0303us ]
            | length ->
                copy given places.VersionsAt length
                |> Array.chunkBySize 2
                |> Array.map (fun pair -> (uint16 pair[0] <<< 8) ||| uint16 pair[1])
                |> Array.toList
        let offered = listed given places.GroupsAt places.GroupsLength false
        let shares = listed given places.SharesAt places.SharesLength true
        let signatures = listed given places.SignaturesAt places.SignaturesLength false
        let suites = if List.contains 0x0304us versions then [] else suites given places.SuitesAt places.SuitesLength
        let hello name =
            { ServerName = name
              ApplicationProtocols = protocols
              Versions = versions
              Groups = offered
              KeyShares = shares
              SignatureAlgorithms = signatures
              CipherSuites = suites }
        if places.NameLength = 0 then
            Ok(hello ValueNone)
        else
            match ServerName.tryOfBytes (ReadOnlySpan(copy given places.NameAt places.NameLength)) with
            | Ok name -> Ok(hello (ValueSome name))
            | Error fault -> Error(HelloFault.BadServerName fault)

    /// Reads the hello at the start of a connection from all bytes received so far. `consumed` ends with the record
    /// that ends the hello.
    [<CompiledName "Parse">]
    let parse (given: ReadOnlySpan<byte>) : Parse<ClientHello, HelloFault> =
        let mutable c = HelloCursor given
        let mutable places = Unchecked.defaultof<Places>
        readMessage &c &places
        match c.Fault with
        | ValueSome fault -> Parse.Rejected fault
        | ValueNone when c.Short -> Parse.NeedMore(c.LeastTotal - given.Length)
        | ValueNone ->
            match build given &places with
            | Ok hello -> Parse.Done(hello, c.Wire)
            | Error fault -> Parse.Rejected fault

    /// With how many bytes in all to look again, after an answer of *need more*. Early bytes are looked at as they
    /// come, so that what is no hello is refused at once; later ones only when the hello can be whole, so that a
    /// client that sends 64 KB in single bytes costs no more than its bytes.
    [<CompiledName "NextLook">]
    let nextLook (have: int) (atLeast: int) = if have < 4_096 then have + 1 else have + atLeast

[<RequireQualifiedAccess>]
module HelloFault =
    /// What the client is told before its connection is closed; none where it does not speak TLS at all.
    [<CompiledName "Alert">]
    let alert (fault: HelloFault) : TlsAlert voption =
        match fault with
        | HelloFault.NotTls _
        | HelloFault.NotTlsVersion _ -> ValueNone
        | HelloFault.UnexpectedRecord _
        | HelloFault.EmptyRecord
        | HelloFault.NotAHello _
        | HelloFault.TrailingBytes -> ValueSome TlsAlert.UnexpectedMessage
        | HelloFault.RecordTooLong _ -> ValueSome TlsAlert.RecordOverflow
        | HelloFault.TooLong
        | HelloFault.RepeatedExtension _ -> ValueSome TlsAlert.IllegalParameter
        | HelloFault.BadServerName(ServerNameFault.BadByte _ | ServerNameFault.TooLong _) -> ValueSome TlsAlert.UnrecognizedName
        | HelloFault.TooShort _
        | HelloFault.BadLength _
        | HelloFault.NoNullCompression
        | HelloFault.NotAHostName _
        | HelloFault.SeveralServerNames
        | HelloFault.BadServerName ServerNameFault.Empty -> ValueSome TlsAlert.DecodeError

    let private fieldName (field: HelloField) =
        match field with
        | HelloField.Fixed -> "its fixed part"
        | HelloField.SessionId -> "its session id"
        | HelloField.CipherSuites -> "its cipher suites"
        | HelloField.CompressionMethods -> "its compression methods"
        | HelloField.Extensions -> "its extensions"
        | HelloField.ServerName -> "its server name"
        | HelloField.Alpn -> "its application protocols"
        | HelloField.SupportedVersions -> "its supported versions"

    /// In plain words, for the log.
    [<CompiledName "Describe">]
    let describe (fault: HelloFault) =
        match fault with
        | HelloFault.NotTls first when first >= 0x80uy ->
            $"not TLS: the first byte is 0x{first:x2} (an SSLv2 hello, which is not supported, begins so)"
        | HelloFault.NotTls first when first >= 0x20uy && first < 0x7fuy ->
            $"not TLS: the first byte is '{char first}' (another protocol on a TLS listener?)"
        | HelloFault.NotTls first -> $"not TLS: the first byte is 0x{first:x2}"
        | HelloFault.NotTlsVersion major -> $"not TLS: the record's major version is {major}, not 3"
        | HelloFault.UnexpectedRecord contentType -> $"a record of type {contentType} came before the hello was whole"
        | HelloFault.EmptyRecord -> "an empty record came before the hello was whole"
        | HelloFault.RecordTooLong length -> $"a record of {length} bytes; at most 16384 are allowed"
        | HelloFault.NotAHello handshakeType -> $"the first message is of type {handshakeType}, not a hello"
        | HelloFault.TooLong -> $"the hello takes more than {ClientHello.maxBytes} bytes"
        | HelloFault.TooShort length -> $"a hello of {length} bytes is too short to be one"
        | HelloFault.BadLength field -> $"the hello is malformed: a length in {fieldName field} does not fit"
        | HelloFault.NoNullCompression -> "the hello is malformed: it does not offer the null compression method"
        | HelloFault.RepeatedExtension extensionType -> $"the hello is malformed: it repeats extension {extensionType}"
        | HelloFault.NotAHostName nameType -> $"the hello is malformed: a server name of type {nameType}, not a host name"
        | HelloFault.SeveralServerNames -> "the hello is malformed: it has more than one server name"
        | HelloFault.BadServerName fault -> ServerName.describeFault fault
        | HelloFault.TrailingBytes -> "bytes follow the hello in its record"
