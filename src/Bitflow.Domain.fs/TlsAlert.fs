namespace Bitflow.Domain

/// The fatal alerts that Bitflow itself sends in answer to a hello (RFC 8446 section 6.2, RFC 6066, RFC 7301). All
/// others are the TLS library's own.
[<RequireQualifiedAccess; Struct>]
type TlsAlert =
    | UnexpectedMessage
    | RecordOverflow
    | HandshakeFailure
    | IllegalParameter
    | DecodeError
    | ProtocolVersion
    | UnrecognizedName
    | NoApplicationProtocol

[<RequireQualifiedAccess>]
module TlsAlert =
    let code (alert: TlsAlert) : byte =
        match alert with
        | TlsAlert.UnexpectedMessage -> 10uy
        | TlsAlert.RecordOverflow -> 22uy
        | TlsAlert.HandshakeFailure -> 40uy
        | TlsAlert.IllegalParameter -> 47uy
        | TlsAlert.DecodeError -> 50uy
        | TlsAlert.ProtocolVersion -> 70uy
        | TlsAlert.UnrecognizedName -> 112uy
        | TlsAlert.NoApplicationProtocol -> 120uy

    /// The one record to send, unencrypted: nothing has been agreed on yet. Its version is 0303, which every client
    /// that can be answered reads, and which RFC 8446 section 5.1 fixes for servers.
    [<CompiledName "Record">]
    let record (alert: TlsAlert) : byte array =
        let fatal = 2uy
        [| 21uy; 3uy; 3uy; 0uy; 2uy; fatal; code alert |]

    /// The name that the specifications give it.
    [<CompiledName "Describe">]
    let describe (alert: TlsAlert) =
        match alert with
        | TlsAlert.UnexpectedMessage -> "unexpected_message"
        | TlsAlert.RecordOverflow -> "record_overflow"
        | TlsAlert.HandshakeFailure -> "handshake_failure"
        | TlsAlert.IllegalParameter -> "illegal_parameter"
        | TlsAlert.DecodeError -> "decode_error"
        | TlsAlert.ProtocolVersion -> "protocol_version"
        | TlsAlert.UnrecognizedName -> "unrecognized_name"
        | TlsAlert.NoApplicationProtocol -> "no_application_protocol"
