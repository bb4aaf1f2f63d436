namespace Bitflow.Domain

open System

/// Whose doing the end of a connection was.
[<RequireQualifiedAccess; Struct>]
type Who =
    | Client
    | Target
    | Bitflow

    override this.ToString() =
        match this with
        | Who.Client -> "client"
        | Who.Target -> "target"
        | Who.Bitflow -> "bitflow"

/// How far a connection had come, in the order in which it does: of two the lesser is the earlier.
[<RequireQualifiedAccess; Struct>]
type Phase =
    | Admission
    | ProxyHeader
    | Hello
    | Handshake
    | Dial
    | Relay

    override this.ToString() =
        match this with
        | Phase.Admission -> "admission"
        | Phase.ProxyHeader -> "proxy_header"
        | Phase.Hello -> "hello"
        | Phase.Handshake -> "handshake"
        | Phase.Dial -> "dial"
        | Phase.Relay -> "relay"

[<RequireQualifiedAccess; Struct>]
type Cause =
    /// An orderly end.
    | Ended
    | Reset
    /// TLS ended without close_notify.
    | Truncated
    /// The client connected and left without a byte.
    | Probe
    | HandshakeTimeout
    | ConnectTimeout
    | ResolveTimeout
    | ReadTimeout
    | WriteTimeout
    /// The kernel gave up on a silent peer.
    | Vanished
    | Limit
    | Lifetime
    /// Not let in, or not let through.
    | Refused
    | Unreachable
    /// A name without an address (of the family asked for).
    | Unresolved
    /// A certificate that does not verify.
    | Certificate
    /// Bytes that break the protocol of the phase.
    | Protocol
    /// An inherited socket that an earlier connection used up.
    | UsedUp
    | Shutdown
    /// Descriptors, ports, memory or epoll watches ran out here.
    | Exhausted
    /// A fault of Bitflow itself.
    | Fault

    override this.ToString() =
        match this with
        | Cause.Ended -> "ended"
        | Cause.Reset -> "reset"
        | Cause.Truncated -> "truncated"
        | Cause.Probe -> "probe"
        | Cause.HandshakeTimeout -> "handshake_timeout"
        | Cause.ConnectTimeout -> "connect_timeout"
        | Cause.ResolveTimeout -> "resolve_timeout"
        | Cause.ReadTimeout -> "read_timeout"
        | Cause.WriteTimeout -> "write_timeout"
        | Cause.Vanished -> "vanished"
        | Cause.Limit -> "limit"
        | Cause.Lifetime -> "lifetime"
        | Cause.Refused -> "refused"
        | Cause.Unreachable -> "unreachable"
        | Cause.Unresolved -> "unresolved"
        | Cause.Certificate -> "certificate"
        | Cause.Protocol -> "protocol"
        | Cause.UsedUp -> "used_up"
        | Cause.Shutdown -> "shutdown"
        | Cause.Exhausted -> "exhausted"
        | Cause.Fault -> "fault"

/// Why a connection ended: one closed type, the same value in log, metric and test, written `who.phase.cause`.
[<Struct>]
type CloseReason =
    { Who: Who
      Phase: Phase
      Cause: Cause }

    override this.ToString() = $"{this.Who}.{this.Phase}.{this.Cause}"

[<RequireQualifiedAccess>]
module CloseReason =
    let allWho = [ Who.Client; Who.Target; Who.Bitflow ]
    let allPhases = [ Phase.Admission; Phase.ProxyHeader; Phase.Hello; Phase.Handshake; Phase.Dial; Phase.Relay ]

    let allCauses =
        [ Cause.Ended; Cause.Reset; Cause.Truncated; Cause.Probe; Cause.HandshakeTimeout; Cause.ConnectTimeout
          Cause.ResolveTimeout; Cause.ReadTimeout; Cause.WriteTimeout; Cause.Vanished; Cause.Limit; Cause.Lifetime
          Cause.Refused; Cause.Unreachable; Cause.Unresolved; Cause.Certificate; Cause.Protocol; Cause.UsedUp
          Cause.Shutdown; Cause.Exhausted; Cause.Fault ]

    let make who phase cause = { Who = who; Phase = phase; Cause = cause }

    /// No target answers to the client's server name.
    let unmatchedName = make Who.Bitflow Phase.Hello Cause.Refused

    let private texts =
        lazy
            (dict [
                for who in allWho do
                    for phase in allPhases do
                        for cause in allCauses do
                            let reason = make who phase cause
                            string reason, reason
            ])

    let private written =
        lazy
            (let byReason = System.Collections.Generic.Dictionary<CloseReason, string>()
             for entry in texts.Value do
                 byReason[entry.Value] <- entry.Key
             byReason)

    /// The same as `ToString`, without making it anew: for the tag of a metric, once a connection.
    [<CompiledName "Text">]
    let text (reason: CloseReason) = written.Value[reason]

    /// Reads `who.phase.cause` back.
    [<CompiledName "TryParse">]
    let tryParse (text: string) : CloseReason voption =
        match (if isNull text then (false, Unchecked.defaultof<_>) else texts.Value.TryGetValue text) with
        | true, reason -> ValueSome reason
        | _ -> ValueNone

    /// Every reason as it is written.
    let allTexts () : string seq = texts.Value.Keys

    /// Whether words name a reason as it is written: all of it, or its end.
    let isNamed (words: string) (written: string) = written = words || written.EndsWith("." + words, System.StringComparison.Ordinal)

    let private whoInWords (who: Who) =
        match who with
        | Who.Client -> "the client"
        | Who.Target -> "the target"
        | Who.Bitflow -> "Bitflow"

    let private duringInWords (phase: Phase) =
        match phase with
        | Phase.Admission -> "at admission"
        | Phase.ProxyHeader -> "before its PROXY header was read"
        | Phase.Hello -> "before its TLS hello was read"
        | Phase.Handshake -> "during the TLS handshake"
        | Phase.Dial -> "while the target was dialled"
        | Phase.Relay -> "during the relay"

    /// In plain words, for people: what stands in the log.
    [<CompiledName "Explain">]
    let explain (reason: CloseReason) =
        let who, during = whoInWords reason.Who, duringInWords reason.Phase
        match reason.Cause with
        | Cause.Ended -> $"{who} ended the connection {during}"
        | Cause.Reset -> $"{who} reset the connection {during}"
        | Cause.Truncated -> $"{who} ended TLS without close_notify {during}"
        | Cause.Probe -> $"{who} left without sending a byte {during}"
        | Cause.HandshakeTimeout -> $"{who} did not finish within handshake_timeout, {during}"
        | Cause.ConnectTimeout -> $"{who} did not answer within connect_timeout"
        | Cause.ResolveTimeout -> $"the name of {who} was not resolved within resolve_timeout"
        | Cause.ReadTimeout -> $"{who} moved nothing for its read_timeout"
        | Cause.WriteTimeout -> $"{who} took nothing for its write_timeout"
        | Cause.Vanished -> $"{who} stopped answering the kernel {during}"
        | Cause.Limit -> "connection_limit was reached"
        | Cause.Lifetime -> $"connection_lifetime was over {during}"
        | Cause.Refused when reason.Phase = Phase.Admission -> "the source is not in authorized_sources"
        | Cause.Refused when reason.Phase = Phase.Hello && reason.Who = Who.Client ->
            "the client's hello offers no TLS version, application protocol or key exchange that the listener has"
        | Cause.Refused when reason = unmatchedName -> "no target answers to the client's server name"
        | Cause.Refused -> $"{who} refused the connection {during}"
        | Cause.Unreachable -> $"{who} is unreachable"
        | Cause.Unresolved -> $"the name of {who} has no usable address"
        | Cause.Certificate -> $"the certificate of {who} does not verify"
        // The library does not tell the two apart.
        | Cause.Protocol when reason.Phase = Phase.Handshake -> $"{who} broke the protocol {during}, or has no cipher suite, group or kind of key in common with us"
        | Cause.Protocol -> $"{who} broke the protocol {during}"
        | Cause.UsedUp -> "the inherited socket of the target was used up by an earlier connection"
        | Cause.Shutdown -> $"Bitflow was shut down {during}"
        | Cause.Exhausted -> $"descriptors, ports, memory or epoll watches ran out {during}"
        | Cause.Fault -> $"a fault of Bitflow itself {during}"

    /// Whether the side to blame broke TLS once hands were shaken, so that its connection knows what it was: before that a failed handshake has words of its own.
    [<CompiledName "IsOfBrokenTls">]
    let isOfBrokenTls (reason: CloseReason) =
        match reason with
        | { Cause = Cause.Protocol; Phase = Phase.Dial | Phase.Relay } -> true
        | _ -> false

    /// The next step for the operator, where the words of the TLS library say by which alert a peer has refused the certificate that it was shown, or that it was shown none
    /// (RFC 8446 section 6.2). In TLS 1.3 a target may say so only once hands are shaken (section 4.4.2.4).
    let alertAdvice (peer: Who) (detail: string) : string =
        let isRefused =
            [ "bad certificate"; "unsupported certificate"; "certificate revoked"; "certificate expired"; "certificate unknown"; "unknown ca" ]
            |> List.exists (fun alert -> detail.EndsWith("alert " + alert, System.StringComparison.Ordinal))
        match peer with
        | Who.Target when detail.EndsWith("alert certificate required", System.StringComparison.Ordinal) -> "; give its tls_context a certificate and key to show"
        | Who.Target when isRefused -> "; it does not accept the certificate that it was shown: mind the dates and the authority of the one in its tls_context"
        | Who.Client when isRefused -> "; it does not accept the certificate that it was shown: mind the names and dates of that one, and the client's authorities"
        | _ -> ""

    /// The reason in plain words, and what is known beside it. Who gives TLS up by an alert has broken nothing (RFC 8446 section 6.2).
    [<CompiledName "ExplainWith">]
    let explainWith (reason: CloseReason) (detail: string) =
        match reason with
        | { Cause = Cause.Protocol; Phase = Phase.Handshake | Phase.Dial | Phase.Relay } when detail.Contains " alert " ->
            $"{whoInWords reason.Who} gave TLS up by an alert {duringInWords reason.Phase}: {detail}{alertAdvice reason.Who detail}"
        | _ -> $"{explain reason}: {detail}"

    /// Ended in good order, or left without a byte: nothing to worry anyone. A target that ends it while it is dialled serves nobody.
    [<CompiledName "IsOrderly">]
    let isOrderly (reason: CloseReason) =
        match reason with
        | { Who = Who.Target; Phase = Phase.Dial } -> false
        | { Cause = Cause.Ended | Cause.Probe } -> true
        | _ -> false

    /// The level at which the end of a connection is logged.
    [<CompiledName "Level">]
    let level (reason: CloseReason) : LogLevel =
        match reason with
        | { Cause = Cause.Fault | Cause.Exhausted } -> LogLevel.Error
        // However it was done: the client was not served.
        | { Who = Who.Target; Phase = Phase.Dial } -> LogLevel.Warn
        | { Cause = Cause.Ended | Cause.Probe | Cause.Truncated | Cause.Lifetime } -> LogLevel.Debug
        // Whatever the Internet sends to a TLS port: refusals there are daily bread.
        | { Phase = Phase.Hello | Phase.Handshake } -> LogLevel.Debug
        | _ -> LogLevel.Warn
