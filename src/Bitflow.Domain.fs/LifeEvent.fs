namespace Bitflow.Domain

/// What the shell reports. Addresses and names that an event brings are kept; bytes never come here.
[<RequireQualifiedAccess; NoComparison>]
type Event =
    /// Answers `Admit`: whether the connection was counted.
    | Counted of within: bool
    /// Answers `ReadProxyHeader`.
    | HeaderRead of origin: ProxyOrigin
    /// The bytes are no PROXY header.
    | HeaderMalformed
    /// Answers `ReadHello`.
    | HelloRead of serverName: ServerName voption
    /// The bytes are no ClientHello that may be let through.
    | HelloMalformed of fault: HelloFault
    /// The hello is refused by the listener's rules: no common application protocol, no protocol version, no key exchange.
    | HelloRefused of serverName: ServerName voption * alert: TlsAlert
    /// Answers `Handshake`.
    | HandshakeDone
    /// `certificate` tells a client certificate that is missing or does not verify from every other failure.
    | HandshakeFailed of certificate: bool
    /// Answers `DrawTicket`.
    | Ticket of number: int64
    /// Answers `Attempt`.
    | Connected
    | AttemptFailed of fault: DialFault
    /// Bytes of the client wait while nobody reads them (before the relay), or were read and came to nothing.
    | ClientSent
    /// The client ended its stream before the relay.
    | ClientEnded
    /// The client's connection failed before the relay: reset, given up by the kernel, or broken TLS.
    | ClientFailed of fault: IoFault
    /// A side's connection is seen to have failed, whether or not anyone receives from it. What it sent before may wait still; all of it does where the side
    /// had ended in order before.
    | SideFailed of side: Side * fault: IoFault * behindItsEnd: bool
    /// The deadline of the step has come. An attempt of which no more is known waited for the target's connection.
    | TimeUp
    /// The same, of an attempt that waited for `during`.
    | AttemptTimeUp of during: DialWait
    | Relayed of side: Side * event: RelayEvent
    /// A clock of the relay is over.
    | ClockOver of side: Side * cause: Cause
    /// A forced end: the second signal, or shutdown_timeout.
    | Shutdown
    /// Something of Bitflow itself failed in this connection; it ends this connection alone.
    | InternalFault

[<RequireQualifiedAccess>]
module Events =
    /// What it is that a client's stream is over, with `IoFault.None` for an end in order, before its header or its hello was whole. None where the
    /// connection was closed here.
    [<CompiledName "OfEarlyEnd">]
    let ofEarlyEnd (fault: IoFault) : Event option =
        match fault with
        | IoFault.None -> Some Event.ClientEnded
        | IoFault.Aborted -> None
        | fault -> Some(Event.ClientFailed fault)

    /// The same, inside a PROXY header of which so many bytes have come: a part of one is none (PP-5).
    [<CompiledName "OfEarlyEndOfHeader">]
    let ofEarlyEndOfHeader (fault: IoFault) (received: int) : Event option =
        if fault = IoFault.None && received > 0 then Some Event.HeaderMalformed else ofEarlyEnd fault

    /// Whether that is preceded by `ClientSent`: of a client that leaves behind bytes which were read, and came to nothing whole, it is not so that it said nothing.
    [<CompiledName "HasSpokenBefore">]
    let hasSpokenBefore (event: Event) (received: int) : bool =
        match event with
        | Event.ClientEnded
        | Event.ClientFailed _ -> received > 0
        | _ -> false

    /// What it is that the handshake with a client failed: for its words, with `IoFault.None`, or for what the connection beneath said.
    [<CompiledName "OfFailedHandshake">]
    let ofFailedHandshake (fault: IoFault) (isCertificate: bool) : Event option =
        match fault with
        | IoFault.None
        | IoFault.TlsProtocol -> Some(Event.HandshakeFailed isCertificate)
        | IoFault.Truncated -> Some Event.ClientEnded
        | fault -> ofEarlyEnd fault
