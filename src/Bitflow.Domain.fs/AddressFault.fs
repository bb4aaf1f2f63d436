namespace Bitflow.Domain

/// Why an address leads to nothing that can be connected to.
[<RequireQualifiedAccess>]
type AddressFault =
    | Unresolved of name: string * fault: ResolveFault
    /// None of the name's addresses, so many, is of the family that it is held to.
    | NoneOfFamily of name: string * addresses: int * family: TcpFamily
    /// The address is of the other family than the one that the client came over, under dual stack.
    | OtherThanClients of client: TcpFamily

[<RequireQualifiedAccess>]
module AddressFault =
    let private nameOf family =
        match family with
        | TcpFamily.V4 -> "IPv4"
        | TcpFamily.V6 -> "IPv6"
        | TcpFamily.Either -> "either"

    /// In plain words.
    [<CompiledName "Describe">]
    let describe (fault: AddressFault) =
        match fault with
        | AddressFault.Unresolved(name, fault) -> $"{name}: {ResolveFault.describe fault}"
        | AddressFault.NoneOfFamily(name, 1, family) -> $"{name}: its one address is not {nameOf family}"
        | AddressFault.NoneOfFamily(name, addresses, family) -> $"{name}: none of its {addresses} addresses is {nameOf family}"
        | AddressFault.OtherThanClients client ->
            let own = if client = TcpFamily.V4 then TcpFamily.V6 else TcpFamily.V4
            $"its address is {nameOf own}, and the client came over {nameOf client} (enable_dual_stack)"
