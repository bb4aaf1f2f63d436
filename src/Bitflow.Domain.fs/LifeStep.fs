namespace Bitflow.Domain

/// What the shell is to be doing for a connection. Each step ends with an event that answers it; a connection is
/// always at exactly one step.
[<RequireQualifiedAccess; NoComparison>]
type Step =
    /// Count the connection against the proxy's limit, if `Admission.isBelowLimit` lets it in.
    | Admit
    | ReadProxyHeader
    | ReadHello
    /// Complete the TLS handshake with the client.
    | Handshake
    /// Draw a ticket for the balancing policy.
    | DrawTicket
    /// One attempt to reach a target: resolve, connect, SOCKS5, PROXY header, TLS.
    | Attempt of plan: DialPlan
    /// Wait before an attempt.
    | Wait of plan: DialPlan
    | Relay of Relaying
    | Ended of reason: CloseReason * ending: Ending
