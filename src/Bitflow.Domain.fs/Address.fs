namespace Bitflow.Domain

open System
open System.Net
open System.Text

/// The families that a TCP address may be held to.
[<RequireQualifiedAccess>]
type TcpFamily =
    | Either
    | V4
    | V6

/// The host part of a TCP address.
[<RequireQualifiedAccess; NoComparison>]
type Host =
    /// No host (`:80`), or `[::]`: every local address, of both families unless the address is held to one.
    | Any
    /// Canonical: never IPv4-mapped.
    | Literal of IPAddress
    /// A name, kept as it was written; ASCII letters, digits, `-`, `_` and `.`, at most 253 characters.
    | Name of string

    override this.ToString() =
        match this with
        | Any -> ""
        | Literal address when IpAddress.isV4 address -> string address
        | Literal address -> "[" + string address + "]"
        | Name name -> name

/// A place to listen on or to connect to, as a configuration names it.
[<RequireQualifiedAccess; NoComparison>]
type Address =
    | Tcp of family: TcpFamily * host: Host * port: int
    /// A socket in the file system, at most 107 bytes.
    | UnixPath of path: string
    /// A socket in Linux's abstract namespace (written `unix:@name`), at most 107 bytes.
    | UnixAbstract of name: string
    /// An inherited descriptor by number.
    | Descriptor of number: int
    /// An inherited listening socket by its name in LISTEN_FDNAMES.
    | NamedDescriptor of name: string

    /// The form that reads back as the same address.
    override this.ToString() =
        match this with
        | Tcp(family, host, port) ->
            let prefix =
                match family with
                | TcpFamily.Either -> ""
                | TcpFamily.V4 -> "tcp4:"
                | TcpFamily.V6 -> "tcp6:"
            // `fd:3` and `unix:…` are other kinds: a host of that name needs its scheme.
            let prefix =
                match family, host with
                | TcpFamily.Either, Host.Name("tcp" | "tcp4" | "tcp6" | "unix" | "fd") -> "tcp:"
                | _ -> prefix
            // Put together by hand: the first interpolation of what is no text loads a hundred types, and each start writes an address (decision 10).
            prefix + string host + ":" + string port
        | UnixPath path -> $"unix:{path}"
        | UnixAbstract name -> $"unix:@{name}"
        | Descriptor number -> $"fd:{number}"
        | NamedDescriptor name -> $"fd:{name}"

    /// Whether it is a socket that the process was started with: one that is not opened, and once closed stays so.
    member this.IsInherited = match this with Descriptor _ | NamedDescriptor _ -> true | _ -> false

[<RequireQualifiedAccess>]
type AddressError =
    | Empty
    | NoPort of text: string
    /// The same behind `tcp4:`, for example.
    | NoPortBehind of scheme: string * text: string
    | NotAPort of text: string
    | BadHost of text: string
    | UnbracketedV6 of text: string
    /// An IPv6 address with a zone (RFC 4007 section 11), which no address here has.
    | Zone of text: string
    /// `tcp4:` with an IPv6 literal, or the reverse.
    | WrongFamily of text: string
    | EmptyPath
    /// A Unix path must be absolute (or `@name`).
    | RelativePath of text: string
    | PathTooLong of bytes: int
    /// A path ends at its first NUL byte (path_resolution(7)).
    | NulInPath
    | BadDescriptor of text: string
    | UnknownScheme of scheme: string
    /// Several addresses with commas between them.
    | Several of text: string
    /// `tcp://host:port`: the slashes of a URL.
    | SlashesAfter of scheme: string
    /// A target needs a host and a port other than 0.
    | NoHost
    | PortZero
    /// `fd:NAME` is for listeners; a target's descriptor is a number.
    | NamedTarget of name: string

[<RequireQualifiedAccess>]
module Address =
    /// sun_path holds 108 bytes, one of them the terminator (unix(7)).
    let maxUnixPathBytes = 107

    /// Characters of a name without its last dot (RFC 1035, section 2.3.4: 255 bytes with the lengths of its labels).
    let maxHostNameLength = 253

    /// RFC 1035, section 2.3.4.
    let maxLabelLength = 63

    /// The largest number of 16 bits (RFC 9293, section 3.1).
    let maxPort = 65535

    /// Of the name of an inherited socket (sd_listen_fds(3)).
    let maxDescriptorNameLength = 255

    let isHostName (text: string) =
        let bare = if text.EndsWith '.' then text.Substring(0, text.Length - 1) else text
        bare.Length >= 1
        && bare.Length <= maxHostNameLength
        && bare.Split '.'
           |> Array.forall (fun label ->
               label.Length >= 1
               && label.Length <= maxLabelLength
               && label |> String.forall (fun c -> Char.IsAsciiLetterOrDigit c || c = '-' || c = '_'))

    let private tryPort (text: string) =
        if text.Length >= 1 && text.Length <= 5 && String.forall Char.IsAsciiDigit text && int text <= maxPort then
            ValueSome(int text)
        else
            ValueNone

    let private bracketedHost (family: TcpFamily) (inner: string) : Result<Host, AddressError> =
        match IpAddress.tryParse inner with
        | ValueSome address when IpAddress.isV4 address -> Error(AddressError.BadHost $"[{inner}]")
        // `[::]` and `:port` are one thing: every address of both families (or of IPv6 under tcp6:).
        | ValueSome address when address.Equals IPAddress.IPv6Any && family <> TcpFamily.V4 -> Ok Host.Any
        // An IPv4-mapped address is an IPv4 address, to Go as well: a socket of IPv6 alone cannot be bound to it.
        | ValueSome address -> Ok(Host.Literal(IpAddress.canonical address))
        | ValueNone ->
            match inner.IndexOf '%' with
            | zone when zone > 0 && (IpAddress.tryParse (inner.Substring(0, zone))).IsSome -> Error(AddressError.Zone $"[{inner}]")
            | _ -> Error(AddressError.BadHost $"[{inner}]")

    let private isDigitOrDot c = Char.IsAsciiDigit c || c = '.'

    /// A host without brackets: a name, an IPv4 address, or nothing for every address.
    let plainHost (name: string) : Result<Host, AddressError> =
        match IpAddress.tryParse name with
        | _ when name = "" -> Ok Host.Any
        | ValueSome address -> Ok(Host.Literal address)
        // Digits and dots alone are a mistyped address, not a name.
        | ValueNone when String.forall isDigitOrDot name -> Error(AddressError.BadHost name)
        | ValueNone when isHostName name -> Ok(Host.Name name)
        | ValueNone -> Error(AddressError.BadHost name)

    /// What is wrong with a text without a colon: the port is missing, or not even that would make an address of it.
    let private withoutColon (text: string) =
        if text = "" then AddressError.Empty
        elif isHostName text || (IpAddress.tryParse text).IsSome || text = "*" || text.Contains '/' then AddressError.NoPort text
        else AddressError.BadHost text

    /// What several colons without brackets are: an IPv6 address, or a scheme that is none here.
    let private severalColons (text: string) =
        let isLikeV6 = text |> String.forall (fun c -> Char.IsAsciiHexDigit c || isDigitOrDot c || c = ':' || c = '%')
        if text.Contains ',' then AddressError.Several text
        elif isLikeV6 then AddressError.UnbracketedV6 text
        else AddressError.UnknownScheme(text.Substring(0, text.IndexOf ':'))

    /// The host, and all that stands behind it.
    let private hostAndRest family (text: string) : Result<struct (Host * string), AddressError> =
        let colon = text.IndexOf ':'
        if text.StartsWith '[' then
            match text.IndexOf ']' with
            | -1 -> Error(AddressError.BadHost text)
            | close -> bracketedHost family (text.Substring(1, close - 1)) |> Result.map (fun host -> struct (host, text.Substring(close + 1)))
        elif colon < 0 then Error(withoutColon text)
        elif text.IndexOf(':', colon + 1) >= 0 then Error(severalColons text)
        else plainHost (text.Substring(0, colon)) |> Result.map (fun host -> struct (host, text.Substring colon))

    let private hostAndPort family (text: string) : Result<Address, AddressError> =
        let withPort (struct (host, rest: string)) =
            if rest.Length < 2 || rest[0] <> ':' then
                Error(AddressError.NoPort text)
            else
                match host, family, tryPort (rest.Substring 1) with
                | _, _, ValueNone -> Error(AddressError.NotAPort(rest.Substring 1))
                | Host.Literal address, TcpFamily.V4, _ when not (IpAddress.isV4 address) -> Error(AddressError.WrongFamily text)
                | Host.Literal address, TcpFamily.V6, _ when IpAddress.isV4 address -> Error(AddressError.WrongFamily text)
                | _, _, ValueSome port -> Ok(Address.Tcp(family, host, port))
        hostAndRest family text |> Result.bind withPort

    let private unix (rest: string) =
        let name = if rest.StartsWith '@' then rest.Substring 1 else FilePath.withoutSpareSteps rest
        let bytes = Encoding.UTF8.GetByteCount name
        if name = "" then Error AddressError.EmptyPath
        elif bytes > maxUnixPathBytes then Error(AddressError.PathTooLong bytes)
        elif rest.StartsWith '@' then Ok(Address.UnixAbstract name)
        elif name.Contains '\000' then Error AddressError.NulInPath
        elif not (name.StartsWith '/') then Error(AddressError.RelativePath rest)
        else Ok(Address.UnixPath name)

    let private descriptor (rest: string) =
        if rest = "" then
            Error(AddressError.BadDescriptor rest)
        elif String.forall Char.IsAsciiDigit rest then
            match Int32.TryParse rest with
            | true, n -> Ok(Address.Descriptor n)
            | _ -> Error(AddressError.BadDescriptor rest)
        elif rest.Length > 1 && (rest[0] = '-' || rest[0] = '+') && String.forall Char.IsAsciiDigit (rest.Substring 1) then
            Error(AddressError.BadDescriptor rest)
        // SD-3: ASCII without control characters and `:`.
        elif rest.Length <= maxDescriptorNameLength && rest |> String.forall (fun c -> c > ' ' && c < '\127' && c <> ':') then
            Ok(Address.NamedDescriptor rest)
        else
            Error(AddressError.BadDescriptor rest)

    /// Any address: `host:port`, `tcp:…`, `tcp4:…`, `tcp6:…`, `unix:…`, `fd:…`.
    let tryParse (text: string) : Result<Address, AddressError> =
        let text = if isNull text then "" else text
        let after (scheme: string) = text.Substring scheme.Length
        let behind scheme error =
            match error with
            | AddressError.NoPort text when text.IndexOfAny [| '/'; ']' |] < 0 -> AddressError.NoPortBehind(scheme, text)
            | error -> error
        let scheme = text.IndexOf("://", StringComparison.Ordinal)
        if text = "" then
            Error AddressError.Empty
        // `unix:///path` is a path with slashes to spare.
        elif scheme > 0 && not (text.StartsWith("unix:", StringComparison.Ordinal)) then
            match text.Substring(0, scheme) with
            | "tcp" | "tcp4" | "tcp6" | "fd" as known -> Error(AddressError.SlashesAfter known)
            | unknown -> Error(AddressError.UnknownScheme unknown)
        elif text.StartsWith("tcp:", StringComparison.Ordinal) then
            hostAndPort TcpFamily.Either (after "tcp:")
        elif text.StartsWith("tcp4:", StringComparison.Ordinal) then
            hostAndPort TcpFamily.V4 (after "tcp4:") |> Result.mapError (behind "tcp4:")
        elif text.StartsWith("tcp6:", StringComparison.Ordinal) then
            hostAndPort TcpFamily.V6 (after "tcp6:") |> Result.mapError (behind "tcp6:")
        elif text.StartsWith("unix:", StringComparison.Ordinal) then
            unix (after "unix:")
        elif text.StartsWith("fd:", StringComparison.Ordinal) then
            descriptor (after "fd:")
        else
            hostAndPort TcpFamily.Either text

    /// The host by which whoever listens there is reached from the same machine, as a URL has it: who listens on every address, of one family or
    /// of both, listens on this machine's own.
    [<CompiledName "HostFromHere">]
    let hostFromHere (family: TcpFamily) (host: Host) =
        match family, host with
        | TcpFamily.Either, Host.Any -> "localhost"
        | TcpFamily.V6, Host.Any -> "[::1]"
        | TcpFamily.V4, Host.Any -> "127.0.0.1"
        | _, Host.Literal address when address.Equals IPAddress.Any -> "127.0.0.1"
        | _ -> string host

    /// What is wrong, and what would be right.
    let describe (error: AddressError) =
        match error with
        | AddressError.Empty -> "an address is missing; write \"host:port\", \"unix:/path\" or \"fd:N\""
        | AddressError.NoPortBehind(_, "*")
        | AddressError.NoPort "*"
        | AddressError.BadHost "*" -> "\"*\" is no host; leave it out for every address, as in \":80\""
        | AddressError.NoPort text when text <> "" && String.forall Char.IsAsciiDigit text ->
            $"\"{text}\" is a port without a colon before it; write \":{text}\", or \"127.0.0.1:{text}\" for this machine alone"
        | AddressError.NoPort text when text.StartsWith '/' -> $"\"{text}\" has no port; for the path of a Unix socket write \"unix:{text}\""
        | AddressError.NoPort text when text.Contains '/' -> $"\"{text}\" has no port; write \"unix:/path\" for a Unix socket, with all of its path"
        | AddressError.NoPort text when text.Contains ']' ->
            $"\"{text}\" has no port behind a colon; write \"{text.Substring(0, text.LastIndexOf ']' + 1)}:80\", for example"
        | AddressError.NoPort text -> $"\"{text}\" has no port; write \"{text.TrimEnd ':'}:80\", for example"
        | AddressError.NoPortBehind(scheme, text) when text <> "" && String.forall Char.IsAsciiDigit text ->
            $"\"{scheme}{text}\" has a port without a colon before it; write \"{scheme}:{text}\""
        | AddressError.NoPortBehind(scheme, text) -> $"\"{scheme}{text}\" has no port; write \"{scheme}{text.TrimEnd ':'}:80\", for example"
        | AddressError.BadHost text
        | AddressError.NotAPort text when text.Contains '$' -> $"\"{text}\" is taken as it stands: no variables are filled in; write what it stands for"
        | AddressError.NotAPort text when text.IndexOfAny [| '-'; ',' |] > 0 -> $"\"{text}\" is no port; write one, from 1 to {maxPort}: each port is an entry of its own"
        | AddressError.NotAPort text -> $"\"{text}\" is no port; write a number from 1 to {maxPort} (a listener's may be 0)"
        | AddressError.BadHost text -> $"\"{text}\" is neither a host name nor an address; IPv6 addresses go in brackets, as in \"[::1]:80\""
        | AddressError.UnbracketedV6 text -> $"\"{text}\" has several colons; write an IPv6 address in brackets, as in \"[::1]:80\""
        | AddressError.Zone text -> $"\"{text}\" has a zone, which Bitflow does not take; use an address that needs none, or the path of a Unix socket"
        | AddressError.WrongFamily text -> $"\"{text}\" is an address of the other family; drop the \"tcp4:\" or \"tcp6:\" before it"
        | AddressError.EmptyPath -> "a path is missing; write \"unix:/path\" or \"unix:@name\""
        | AddressError.RelativePath text -> $"\"{text}\" is no absolute path; write \"unix:/path\", or \"unix:@name\" for an abstract socket"
        | AddressError.NulInPath -> "a path holds no NUL byte; write \"unix:/path\" without one"
        | AddressError.PathTooLong bytes -> $"the path has {bytes} bytes; a Unix socket's has at most {maxUnixPathBytes}"
        | AddressError.BadDescriptor text -> $"\"{text}\" is no descriptor; write \"fd:3\", or \"fd:NAME\" with a name from LISTEN_FDNAMES"
        | AddressError.UnknownScheme scheme -> $"\"{scheme}:\" is not known here; write \"host:port\", \"unix:/path\" or \"fd:N\""
        | AddressError.Several text -> $"\"{text}\" is more than one address; write one: each is an entry of its own"
        | AddressError.SlashesAfter "fd" -> "no slashes stand in the address of a descriptor; write \"fd:3\""
        | AddressError.SlashesAfter scheme -> $"no slashes stand behind \"{scheme}:\"; write \"{scheme}:host:port\""
        | AddressError.NoHost -> "a target needs a host; write \"127.0.0.1:80\" for this machine"
        | AddressError.PortZero -> $"port 0 is none to connect to; write a port from 1 to {maxPort}"
        | AddressError.NamedTarget name -> $"\"fd:{name}\" is no descriptor of a target; write its number, as in \"fd:3\""
