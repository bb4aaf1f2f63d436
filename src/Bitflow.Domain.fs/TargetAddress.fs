namespace Bitflow.Domain

open System.Net

/// A port to connect to, 1 to 65535. Port 0 is none: it lets who listens have any that is free.
type DialPort =
    private
    | DialPort of int

    member this.Number = let (DialPort number) = this in number

    override this.ToString() = string this.Number

[<RequireQualifiedAccess>]
module DialPort =
    /// None for what is no port, or 0.
    let tryOf (number: int) : DialPort voption =
        if number >= 1 && number <= Address.maxPort then ValueSome(DialPort number) else ValueNone

/// The name of a host to connect to, kept as it was written: at most 253 ASCII letters, digits, `-`, `_` and `.`, and a last dot.
type DialName =
    private
    | DialName of string

    member this.Text = let (DialName text) = this in text

    override this.ToString() = this.Text

[<RequireQualifiedAccess>]
module DialName =
    /// None for what is no host's name.
    let tryOf (text: string) : DialName voption =
        if Address.isHostName text then ValueSome(DialName text) else ValueNone

/// The host part of what is connected to by TCP.
[<RequireQualifiedAccess; NoComparison>]
type DialHost =
    /// Canonical: never IPv4-mapped.
    | Literal of IPAddress
    | Name of DialName

/// What can be connected to: a target, or the SOCKS5 proxy before one.
[<RequireQualifiedAccess; NoComparison>]
type DialAddress =
    | Tcp of family: TcpFamily * host: DialHost * port: DialPort
    /// As the same of `Address`.
    | UnixPath of path: string
    | UnixAbstract of name: string

    /// The same among all addresses.
    member this.AsAddress =
        match this with
        | Tcp(family, DialHost.Literal literal, port) -> Address.Tcp(family, Host.Literal literal, port.Number)
        | Tcp(family, DialHost.Name name, port) -> Address.Tcp(family, Host.Name name.Text, port.Number)
        | UnixPath path -> Address.UnixPath path
        | UnixAbstract name -> Address.UnixAbstract name

    /// The form that reads back as the same address.
    override this.ToString() = string this.AsAddress

/// What a target may be.
[<RequireQualifiedAccess; NoComparison>]
type TargetAddress =
    | Dialled of address: DialAddress
    /// An inherited descriptor by number: it is connected already.
    | Descriptor of number: int

    /// The same among all addresses.
    member this.AsAddress =
        match this with
        | Dialled address -> address.AsAddress
        | Descriptor number -> Address.Descriptor number

    /// The form that reads back as the same address.
    override this.ToString() = string this.AsAddress

    /// Whether it is dialled by TCP: what a SOCKS5 proxy can be asked for, and what has a host to verify.
    member this.IsTcpAddress = match this with Dialled(DialAddress.Tcp _) -> true | _ -> false

[<RequireQualifiedAccess>]
module TargetAddress =
    /// The target at an address: a host with a name that is one, a port other than 0, no descriptor by name.
    let ofAddress (address: Address) : Result<TargetAddress, AddressError> =
        let tcp family host port =
            match DialPort.tryOf port with
            | ValueSome port -> Ok(TargetAddress.Dialled(DialAddress.Tcp(family, host, port)))
            | ValueNone -> Error AddressError.PortZero
        match address with
        | Address.Tcp(_, Host.Any, _) -> Error AddressError.NoHost
        | Address.Tcp(family, Host.Literal literal, port) -> tcp family (DialHost.Literal literal) port
        | Address.Tcp(family, Host.Name name, port) ->
            match DialName.tryOf name with
            | ValueSome name -> tcp family (DialHost.Name name) port
            | ValueNone -> Error(AddressError.BadHost name)
        | Address.UnixPath path -> Ok(TargetAddress.Dialled(DialAddress.UnixPath path))
        | Address.UnixAbstract name -> Ok(TargetAddress.Dialled(DialAddress.UnixAbstract name))
        | Address.Descriptor number -> Ok(TargetAddress.Descriptor number)
        | Address.NamedDescriptor name -> Error(AddressError.NamedTarget name)

    /// The address of a target. What is advised for any address, a name from LISTEN_FDNAMES or no host at all, is not advised for a target.
    let tryParse (text: string) : Result<TargetAddress, AddressError> =
        match Address.tryParse text |> Result.bind ofAddress with
        | Error(AddressError.BadDescriptor descriptor) -> Error(AddressError.NamedTarget descriptor)
        | Error(AddressError.BadHost "*" | AddressError.NoPort "*" | AddressError.NoPortBehind(_, "*")) -> Error AddressError.NoHost
        | Error(AddressError.NoPort port | AddressError.NoPortBehind(_, port)) when port.TrimStart ':' |> String.forall System.Char.IsAsciiDigit -> Error AddressError.NoHost
        | read -> read
