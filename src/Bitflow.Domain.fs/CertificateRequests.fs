namespace Bitflow.Domain

/// A target that asks for our certificate: in the handshake, and in TLS 1.3 whenever it likes (RFC 8446 section 4.6.2).
[<RequireQualifiedAccess>]
module CertificateRequests =
    /// How many requests of one connection are answered. Each costs a signature, up to some milliseconds in which a loop does nothing else; a server
    /// asks once, or once for each realm that it guards.
    let most = 32

    /// Why a request is not answered, which ends the connection; none where it is.
    [<CompiledName "Refusal">]
    let refusal (number: int) : string voption =
        if number <= most then ValueNone else ValueSome $"it asked for a certificate more than {most} times"
