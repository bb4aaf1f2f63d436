namespace Bitflow.Domain

open System.Collections.Generic
open System.Net

/// Which of a name's addresses may be used, in the resolver's order.
[<RequireQualifiedAccess>]
module AddressChoice =
    /// `tcp4:` and `tcp6:` hold a target to one family.
    [<CompiledName "Usable">]
    let usable (family: TcpFamily) (addresses: IReadOnlyList<IPAddress>) : IReadOnlyList<IPAddress> =
        match family with
        | TcpFamily.Either -> addresses
        | TcpFamily.V4 -> addresses |> Seq.filter IpAddress.isV4 |> Seq.toArray :> IReadOnlyList<IPAddress>
        | TcpFamily.V6 -> addresses |> Seq.filter (IpAddress.isV4 >> not) |> Seq.toArray :> IReadOnlyList<IPAddress>
