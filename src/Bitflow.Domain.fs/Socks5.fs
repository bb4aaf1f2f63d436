namespace Bitflow.Domain

open System
open System.Net
open System.Text

/// What a SOCKS5 proxy is asked to connect to.
[<RequireQualifiedAccess; NoComparison>]
type SocksDestination =
    /// Sent unresolved, so that the proxy resolves it (SK-15).
    | Name of host: DialName * port: int
    | Ip of address: IPAddress * port: int

/// What the exchange does next.
[<RequireQualifiedAccess; NoComparison; NoEquality>]
type SocksStep =
    /// The answer so far took `consumed` bytes; send these and go on with the new state.
    | Send of bytes: byte array * next: Socks5 * consumed: int
    /// A prefix of an answer; at least this many further bytes are missing. Whoever reads no more than that many never
    /// reads what is the target's (SK-12).
    | NeedMore of atLeast: int
    /// Connected. Bytes behind the consumed ones are the target's.
    | Connected of consumed: int
    | Rejected of fault: SocksFault

/// Where in the exchange we are, and what is left to say. Prints nothing of the credentials.
and [<Sealed; StructuredFormatDisplay("{Waiting}")>] Socks5 internal (phase: SocksPhase, credentials: SocksCredentials option, request: byte array) =
    member internal _.Phase = phase
    member internal _.Credentials = credentials
    member internal _.Request = request

    /// What is waited for, for messages: when the proxy falls silent or leaves.
    member _.Waiting =
        match phase with
        | SocksPhase.Method -> "the greeting"
        | SocksPhase.Authentication -> "the authentication"
        | SocksPhase.Reply -> "the request"

    override this.ToString() = this.Waiting

and [<RequireQualifiedAccess>] internal SocksPhase =
    | Method
    | Authentication
    | Reply

/// SOCKS5 (RFC 1928) with user and password (RFC 1929), the client's side, as a machine that is fed with bytes. It does no
/// reading, writing or waiting itself; one deadline of the shell's covers the whole exchange (SK-16).
[<RequireQualifiedAccess>]
module Socks5Exchange =
    let private version = 5uy
    let private authenticationVersion = 1uy
    let private noAuthentication, userAndPassword, noneAcceptable = 0uy, 2uy, 255uy
    let private connect = 1uy
    let private ipv4, name, ipv6 = 1uy, 3uy, 4uy

    /// The longest answer is a reply with a name at its longest (SK-9): no reader needs a larger buffer.
    let maxAnswerBytes = 4 + 1 + 255 + 2

    /// Behind version, reply code, reserved byte and address type: a name of one byte and the port.
    let private shortestReply = 4 + 2 + 2

    let private request (destination: SocksDestination) : byte array =
        let build (kind: byte) (address: byte array) (port: int) =
            Array.concat [ [| version; connect; 0uy; kind |]; address; [| byte (port >>> 8); byte port |] ]
        match destination with
        | SocksDestination.Name(host, port) ->
            // At most 254, its last dot among them: one byte tells how many.
            let bytes = Encoding.ASCII.GetBytes host.Text
            build name (Array.append [| byte bytes.Length |] bytes) port
        | SocksDestination.Ip(address, port) ->
            let address = IpAddress.canonical address
            build (if IpAddress.isV4 address then ipv4 else ipv6) (address.GetAddressBytes()) port

    let private authentication (credentials: SocksCredentials) =
        let user, password = credentials.User.Bytes, credentials.Password.Bytes
        Array.concat [ [| authenticationVersion; byte user.Length |]; user; [| byte password.Length |]; password ]

    /// The first step: the greeting. User and password are offered only where there are any (SK-4).
    [<CompiledName("Begin")>]
    let start (credentials: SocksCredentials option) (destination: SocksDestination) : SocksStep =
        let methods = if credentials.IsSome then [| noAuthentication; userAndPassword |] else [| noAuthentication |]
        let greeting = Array.append [| version; byte methods.Length |] methods
        SocksStep.Send(greeting, Socks5(SocksPhase.Method, credentials, request destination), 0)

    let private methodChosen (state: Socks5) (answer: ReadOnlySpan<byte>) =
        if answer.Length >= 1 && answer[0] <> version then
            SocksStep.Rejected(SocksFault.Version answer[0])
        elif answer.Length < 2 then
            SocksStep.NeedMore(2 - answer.Length)
        else
            match answer[1], state.Credentials with
            | method, _ when method = noAuthentication ->
                SocksStep.Send(state.Request, Socks5(SocksPhase.Reply, None, state.Request), 2)
            | method, Some credentials when method = userAndPassword ->
                SocksStep.Send(authentication credentials, Socks5(SocksPhase.Authentication, None, state.Request), 2)
            | method, _ when method = noneAcceptable -> SocksStep.Rejected SocksFault.NoAcceptableMethod
            | method, _ -> SocksStep.Rejected(SocksFault.MethodNotOffered method)

    let private authenticated (state: Socks5) (answer: ReadOnlySpan<byte>) =
        if answer.Length >= 1 && answer[0] <> authenticationVersion then
            SocksStep.Rejected(SocksFault.AuthenticationVersion answer[0])
        elif answer.Length < 2 then
            SocksStep.NeedMore(2 - answer.Length)
        elif answer[1] <> 0uy then
            SocksStep.Rejected(SocksFault.CredentialsRefused answer[1])
        else
            SocksStep.Send(state.Request, Socks5(SocksPhase.Reply, None, state.Request), 2)

    /// A failure is told by the first two bytes; its rest is not waited for (SK-11). The reserved byte is not
    /// looked at (SK-14), the bound address only for its length (SK-13).
    let private replied (answer: ReadOnlySpan<byte>) =
        let total =
            if answer.Length < 4 then ValueSome shortestReply
            elif answer[3] = ipv4 then ValueSome(4 + 4 + 2)
            elif answer[3] = ipv6 then ValueSome(4 + 16 + 2)
            elif answer[3] <> name then ValueNone
            elif answer.Length < 5 then ValueSome shortestReply
            else ValueSome(4 + 1 + int answer[4] + 2)
        if answer.Length >= 1 && answer[0] <> version then
            SocksStep.Rejected(SocksFault.Version answer[0])
        elif answer.Length >= 2 && answer[1] <> 0uy then
            SocksStep.Rejected(SocksFault.Refused answer[1])
        else
            match total with
            | ValueNone -> SocksStep.Rejected(SocksFault.AddressType answer[3])
            | ValueSome _ when answer.Length >= 5 && answer[3] = name && answer[4] = 0uy ->
                SocksStep.Rejected SocksFault.EmptyBoundName
            | ValueSome total when answer.Length < total -> SocksStep.NeedMore(total - answer.Length)
            | ValueSome total -> SocksStep.Connected total

    /// The step that follows from the bytes of the answer that is waited for: those received since the last `Send`, and
    /// not consumed by it.
    [<CompiledName("Feed")>]
    let feed (state: Socks5) (answer: ReadOnlySpan<byte>) : SocksStep =
        match state.Phase with
        | SocksPhase.Method -> methodChosen state answer
        | SocksPhase.Authentication -> authenticated state answer
        | SocksPhase.Reply -> replied answer

    /// The stream ended where bytes were waited for.
    [<CompiledName("Ended")>]
    let ended (state: Socks5) = SocksFault.Ended state.Waiting
