namespace Bitflow.Domain

open System
open System.Net
open System.Text

/// What the sender says of the client's TLS (type 20, TLV-2 to TLV-5). Every text is the client's word.
type ProxySsl =
    { ClientUsedTls: bool
      CertificateOnConnection: bool
      CertificateInSession: bool
      /// True only with a certificate: some senders write "verified" where there was none (TLV-3).
      Verified: bool
      Version: string option
      CommonName: string option
      Cipher: string option }

/// The TLVs that are understood; others are skipped, and of a repeated one the first counts.
type ProxyTlvs =
    { Alpn: string option
      Authority: string option
      /// At most 128 bytes.
      UniqueId: byte array option
      Ssl: ProxySsl option
      NetworkNamespace: string option }

    static member None =
        { Alpn = None
          Authority = None
          UniqueId = None
          Ssl = None
          NetworkNamespace = None }

/// A PROXY protocol header: version 1 is text, version 2 binary. Addresses are canonical (never IPv4-mapped, never with a
/// zone); the two ends are of different families only where a sender mapped one of them and not the other.
[<RequireQualifiedAccess; CustomEquality; NoComparison>]
type ProxyHeader =
    | TextTcp of source: IPEndPoint * destination: IPEndPoint
    | TextUnknown
    | BinaryTcp of source: IPEndPoint * destination: IPEndPoint * tlvs: ProxyTlvs
    /// Paths as `Endpoint.Unix` writes them: `@name` for an abstract one, empty for none.
    | BinaryUnix of source: string * destination: string * tlvs: ProxyTlvs
    /// UNSPEC, and the datagram combinations, which a stream cannot mean (PP2-4, PP2-5).
    | BinaryUnspecified
    /// LOCAL: a connection of the sender's own, such as a health check.
    | BinaryLocal

    override this.Equals other =
        match other with
        | :? ProxyHeader as that ->
            match this, that with
            | TextTcp(s, d), TextTcp(s', d') -> s.Equals s' && d.Equals d'
            | BinaryTcp(s, d, t), BinaryTcp(s', d', t') -> s.Equals s' && d.Equals d' && t = t'
            | BinaryUnix(s, d, t), BinaryUnix(s', d', t') -> s = s' && d = d' && t = t'
            | TextUnknown, TextUnknown
            | BinaryUnspecified, BinaryUnspecified
            | BinaryLocal, BinaryLocal -> true
            | _ -> false
        | _ -> false

    override this.GetHashCode() =
        match this with
        | TextTcp(s, d) -> hash (s.GetHashCode(), d.GetHashCode())
        | BinaryTcp(s, d, _) -> hash (s.GetHashCode(), d.GetHashCode(), 2)
        | BinaryUnix(s, d, _) -> hash (s, d)
        | TextUnknown -> 1
        | BinaryUnspecified -> 2
        | BinaryLocal -> 3

/// Why bytes are no PROXY header.
[<RequireQualifiedAccess>]
type ProxyHeaderFault =
    /// Neither form begins like this (PP-9).
    | NotAHeader
    | Version of version: int
    | Command of command: int
    | Family of family: int
    | Transport of transport: int
    /// Version 2: the block is shorter than its family's addresses (PP2-6).
    | AddressesCut of length: int * needed: int
    | TlvPastEnd of kind: int * length: int * left: int
    | BytesAfterTlvs of left: int
    | ChecksumLength of length: int
    | ChecksumMismatch of stated: uint32 * computed: uint32
    | UniqueIdTooLong of length: int
    | SslTooShort of length: int
    /// Version 1: neither TCP4, TCP6 nor UNKNOWN.
    | Protocol
    | LoneCarriageReturn
    | LoneLineFeed
    /// No CR LF within the longest line there is (PP1-2).
    | LineTooLong
    | EmptyField
    | FieldCount of count: int
    | BadAddress of text: string
    /// An address of the family that the keyword does not name.
    | WrongFamily of text: string
    | BadPort of text: string
    /// The stream ended inside the header, or before its first byte.
    | Ended of received: int

[<RequireQualifiedAccess>]
module ProxyHeaderFault =
    [<CompiledName("Describe")>]
    let describe (fault: ProxyHeaderFault) =
        // What stood in the line, a character a byte.
        let quoted (text: string) = $"\"{Printable.ofBytes (ReadOnlySpan(Encoding.Latin1.GetBytes text))}\""
        match fault with
        | ProxyHeaderFault.NotAHeader -> "the connection does not begin with a PROXY header"
        | ProxyHeaderFault.Version version -> $"a PROXY header of version {version}; 1 and 2 are known"
        | ProxyHeaderFault.Command command -> $"a PROXY header with command {command}; LOCAL (0) and PROXY (1) are known"
        | ProxyHeaderFault.Family family -> $"a PROXY header with address family {family}; 0 to 3 are known"
        | ProxyHeaderFault.Transport transport -> $"a PROXY header with transport {transport}; 0 to 2 are known"
        | ProxyHeaderFault.AddressesCut(length, needed) -> $"a PROXY header of length {length}, where its addresses alone take {needed}"
        | ProxyHeaderFault.TlvPastEnd(kind, length, left) -> $"a PROXY header whose TLV {kind:x2} has length {length} where {left} bytes are left"
        | ProxyHeaderFault.BytesAfterTlvs left -> $"""a PROXY header with {left} {(if left = 1 then "byte" else "bytes")} left over after its last TLV"""
        | ProxyHeaderFault.ChecksumLength length -> $"a PROXY header whose CRC32C has {length} bytes instead of 4"
        | ProxyHeaderFault.ChecksumMismatch(stated, computed) -> $"a PROXY header whose CRC32C is {stated:x8}, computed {computed:x8}"
        | ProxyHeaderFault.UniqueIdTooLong length -> $"a PROXY header whose UNIQUE_ID has {length} bytes; 128 are allowed"
        | ProxyHeaderFault.SslTooShort length -> $"a PROXY header whose SSL TLV has {length} bytes; its flags and result take 5"
        | ProxyHeaderFault.Protocol -> "a PROXY line that says neither TCP4, TCP6 nor UNKNOWN"
        | ProxyHeaderFault.LoneCarriageReturn -> "a PROXY line with a carriage return that no line feed follows"
        | ProxyHeaderFault.LoneLineFeed -> "a PROXY line with a line feed that no carriage return precedes"
        | ProxyHeaderFault.LineTooLong -> "a PROXY line that does not end within 107 bytes"
        | ProxyHeaderFault.EmptyField -> "a PROXY line with an empty field; fields are separated by exactly one space"
        | ProxyHeaderFault.FieldCount count -> $"a PROXY line with {count} fields after its protocol instead of 4"
        | ProxyHeaderFault.BadAddress text -> $"a PROXY line with {quoted text} for an address"
        | ProxyHeaderFault.WrongFamily text -> $"a PROXY line with {quoted text}, an address of the other family"
        | ProxyHeaderFault.BadPort text -> $"a PROXY line with {quoted text} for a port; 0 to {Address.maxPort} without leading zeros"
        | ProxyHeaderFault.Ended 0 -> "the connection ended before a PROXY header"
        | ProxyHeaderFault.Ended 1 -> "the connection ended after 1 byte of a PROXY header"
        | ProxyHeaderFault.Ended received -> $"the connection ended after {received} bytes of a PROXY header"

    /// The same of a peer in `trusted_proxies`, with the next step where it may be none of them.
    [<CompiledName("DescribeOfTrusted")>]
    let describeOfTrusted (fault: ProxyHeaderFault) =
        match fault with
        | ProxyHeaderFault.NotAHeader -> $"{describe fault}, which trusted_proxies says that its peer sends; have it send one, or take it out of the list"
        | _ -> describe fault

/// Who a header says that the client is.
[<RequireQualifiedAccess; NoComparison>]
type ProxyOrigin =
    /// LOCAL: the sender itself, admitted as such, whatever the header's address block holds (PP2-2).
    | TheSender
    /// UNKNOWN and UNSPEC: the connection's own addresses stand.
    | Unstated
    | Stated of client: Endpoint * connectedTo: Endpoint

    static member Of(header: ProxyHeader) =
        let ip (e: IPEndPoint) = Endpoint.OfIp(e.Address, e.Port)
        match header with
        | ProxyHeader.TextTcp(source, destination)
        | ProxyHeader.BinaryTcp(source, destination, _) -> Stated(ip source, ip destination)
        | ProxyHeader.BinaryUnix(source, destination, _) -> Stated(Endpoint.Unix source, Endpoint.Unix destination)
        | ProxyHeader.TextUnknown
        | ProxyHeader.BinaryUnspecified -> Unstated
        | ProxyHeader.BinaryLocal -> TheSender
