namespace Bitflow.Domain

/// Why one attempt to reach a target came to nothing.
[<RequireQualifiedAccess>]
type DialFault =
    /// The kernel's answer to connecting.
    | Connect of fault: IoFault
    /// `connect_timeout` was over.
    | ConnectTimeout of during: DialWait
    /// `resolve_timeout` was over.
    | ResolveTimeout of hop: Hop
    /// The name has no address, or none of the family asked for.
    | Unresolved of hop: Hop * fault: AddressFault
    /// The SOCKS5 proxy cannot be reached.
    | SocksConnect of fault: IoFault
    /// The SOCKS5 proxy broke the protocol, or said no.
    | Socks of fault: SocksFault
    /// The SOCKS5 exchange broke off, while the answer to `during` was waited for.
    | SocksExchange of fault: IoFault * during: string
    /// The PROXY header, or the TLS handshake, broke off.
    | Exchange of fault: IoFault
    /// The target's certificate does not verify.
    | Certificate of detail: string
    /// The TLS handshake failed for another reason.
    | Tls of detail: string
    /// The inherited socket was taken by an earlier connection.
    | UsedUp

[<RequireQualifiedAccess>]
module DialFault =
    /// A certificate does not get better, and a used-up descriptor does not come back: the target is not tried again.
    let isRetryable (fault: DialFault) =
        match fault with
        | DialFault.Certificate _
        | DialFault.UsedUp -> false
        | _ -> true

    /// Why there is no connection to the hop.
    [<CompiledName "OfHop">]
    let ofHop (hop: Hop) (fault: IoFault) : DialFault =
        match hop with
        | Hop.Target -> DialFault.Connect fault
        | Hop.Proxy -> DialFault.SocksConnect fault

    /// What is told of an attempt that has come to one fault after another: an address to which no way leads from here hides nothing of one that was tried.
    [<CompiledName "Told">]
    let told (before: DialFault voption) (fault: DialFault) : DialFault =
        match before, fault with
        | ValueSome before, (DialFault.Connect(IoFault.NoSourceAddress | IoFault.NetworkUnreachable) | DialFault.SocksConnect(IoFault.NoSourceAddress | IoFault.NetworkUnreachable)) -> before
        | _ -> fault

    /// Whether another address of what is connected to, the target or its SOCKS5 proxy, may do where this one did not: nobody was reached there, or
    /// its share of the time is over, however far it had come.
    [<CompiledName "AnotherHopMayDo">]
    let anotherHopMayDo (fault: DialFault) =
        match fault with
        | DialFault.Connect fault
        | DialFault.SocksConnect fault -> fault <> IoFault.Aborted
        | DialFault.ConnectTimeout _ -> true
        | _ -> false

    /// Whether the SOCKS5 proxy is asked for another address of the target's name: it could not or would not connect to this one (RFC 1928 section 6),
    /// or came to no answer within its share of the time. A proxy that breaks the protocol, or will not have us, does so for every address.
    [<CompiledName "AnotherAddressMayDo">]
    let anotherAddressMayDo (fault: DialFault) =
        match fault with
        | DialFault.Socks(SocksFault.Refused _)
        | DialFault.ConnectTimeout _ -> true
        | _ -> false

    /// What sending the PROXY header came to. A target that spoke before it reset has been reached: its words arrive, and the reset behind them.
    [<CompiledName "OfAnnouncement">]
    let ofAnnouncement (fault: IoFault) (hasSpoken: bool) : DialFault voption =
        match fault with
        | IoFault.None -> ValueNone
        | IoFault.Reset when hasSpoken -> ValueNone
        | fault -> ValueSome(DialFault.Exchange fault)

    /// The next step for the operator, where the words of either library say that the versions do not meet: the target's alert, or our own refusal of its hello.
    let private versionAdvice (least: TlsVersion) (detail: string) =
        let isAboutVersions = [ "protocol version"; "unsupported protocol" ] |> List.exists detail.Contains
        match least with
        | TlsVersion.Tls13 when isAboutVersions -> "; if it speaks TLS 1.2 alone, set min_version: \"1.2\""
        | _ -> ""

    /// The next step where what answered was no record of TLS: each library has its own words for that.
    let private portAdvice (detail: string) =
        let isNoTls = [ "wrong version number"; "Cannot determine the frame size" ] |> List.exists detail.Contains
        if isNoTls then "; if it speaks no TLS there, mind the port, or leave tls_context out" else ""

    /// What a failed handshake with a target, of at least that version, is: its certificate, its words, or what the connection beneath said, where
    /// `IoFault.None` stands for nothing.
    [<CompiledName "OfHandshake">]
    let ofHandshake (least: TlsVersion) (fault: IoFault) (isCertificate: bool) (detail: string) =
        match fault with
        | _ when isCertificate -> DialFault.Certificate detail
        | IoFault.None -> DialFault.Tls(detail + versionAdvice least detail + portAdvice detail + CloseReason.alertAdvice Who.Target detail)
        // It left without a word of TLS, which is an end like any other here.
        | IoFault.Truncated -> DialFault.Exchange IoFault.None
        | fault -> DialFault.Exchange fault

    let private causeOfIo (fault: IoFault) =
        match fault with
        | IoFault.Refused
        | IoFault.NoSuchPath
        | IoFault.NotPermitted
        | IoFault.NoStreamSocket
        | IoFault.BacklogFull -> Cause.Refused
        | IoFault.Reset -> Cause.Reset
        | IoFault.TimedOut -> Cause.Vanished
        | fault when IoFaults.isWant fault -> Cause.Exhausted
        | IoFault.Truncated -> Cause.Truncated
        | IoFault.TlsProtocol -> Cause.Protocol
        | IoFault.Aborted -> Cause.Fault
        // Whatever else the kernel says, nobody was reached.
        | _ -> Cause.Unreachable

    /// A refusal by the proxy is one, whether of us, of the request, or of the target behind it; RFC 1928 section 6.
    let private causeOfSocks (fault: SocksFault) =
        match fault with
        | SocksFault.NoAcceptableMethod
        | SocksFault.CredentialsRefused _
        | SocksFault.Refused(1uy | 2uy | 5uy | 7uy | 8uy) -> Cause.Refused
        | SocksFault.Refused(3uy | 4uy) -> Cause.Unreachable
        | SocksFault.Refused 6uy -> Cause.Vanished
        | SocksFault.Ended _ -> Cause.Ended
        | _ -> Cause.Protocol

    /// The close reason of a connection whose last attempt ended so.
    let reason (fault: DialFault) : CloseReason =
        let cause =
            match fault with
            | DialFault.Connect fault
            | DialFault.SocksConnect fault
            | DialFault.SocksExchange(fault, _) -> causeOfIo fault
            | DialFault.Exchange IoFault.None -> Cause.Ended
            | DialFault.Exchange fault -> causeOfIo fault
            | DialFault.ConnectTimeout _ -> Cause.ConnectTimeout
            | DialFault.ResolveTimeout _ -> Cause.ResolveTimeout
            | DialFault.Unresolved _ -> Cause.Unresolved
            | DialFault.Socks fault -> causeOfSocks fault
            | DialFault.Tls _ -> Cause.Protocol
            | DialFault.Certificate _ -> Cause.Certificate
            | DialFault.UsedUp -> Cause.UsedUp
        // Scarcity and our own faults are ours, whichever target they hit.
        let who = if cause = Cause.Exhausted || cause = Cause.Fault then Who.Bitflow else Who.Target
        CloseReason.make who Phase.Dial cause

    /// The level at which a failed attempt is logged: the last one stands in the line of the connection's end, and of the others nothing else may tell.
    [<CompiledName "Level">]
    let level (isLast: bool) : LogLevel = if isLast then LogLevel.Debug else LogLevel.Warn

    /// In plain words, to stand behind the target's name.
    [<CompiledName "Describe">]
    let describe (fault: DialFault) =
        match fault with
        | DialFault.Connect fault -> IoFaults.describe fault
        | DialFault.ConnectTimeout during -> DialWait.describe during
        | DialFault.ResolveTimeout Hop.Target -> "was not resolved within resolve_timeout"
        | DialFault.ResolveTimeout Hop.Proxy -> "cannot be reached: the name of its SOCKS5 proxy was not resolved within resolve_timeout"
        | DialFault.Unresolved(Hop.Target, fault) -> $"has no usable address: {AddressFault.describe fault}"
        | DialFault.Unresolved(Hop.Proxy, fault) -> $"cannot be reached: its SOCKS5 proxy has no usable address: {AddressFault.describe fault}"
        | DialFault.SocksConnect fault -> $"cannot be reached: its SOCKS5 proxy {IoFaults.describe fault}"
        | DialFault.Socks fault -> $"cannot be reached: {SocksFault.describe fault}"
        | DialFault.SocksExchange(fault, during) -> $"cannot be reached: its SOCKS5 proxy {IoFaults.describe fault} during {during}"
        | DialFault.Exchange IoFault.None -> "ended the connection before it was ready"
        | DialFault.Exchange fault -> $"broke off before it was ready: it {IoFaults.describe fault}"
        | DialFault.Certificate detail -> $"showed a certificate that does not verify: {detail}"
        | DialFault.Tls detail -> $"did not complete the TLS handshake: {detail}"
        | DialFault.UsedUp -> "is an inherited socket that an earlier connection used up"
