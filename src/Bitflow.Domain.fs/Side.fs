namespace Bitflow.Domain

/// The two sides of a connection.
type Side =
    | Client = 0
    | Target = 1

[<RequireQualifiedAccess>]
module Side =
    [<CompiledName "Other">]
    let other (side: Side) = if side = Side.Client then Side.Target else Side.Client
    let who (side: Side) = if side = Side.Client then Who.Client else Who.Target
