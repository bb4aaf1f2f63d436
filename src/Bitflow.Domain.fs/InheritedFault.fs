namespace Bitflow.Domain

/// Why a descriptor that a configuration names is no socket for it: they are those that the process was started with.
[<RequireQualifiedAccess>]
type InheritedFault =
    | NotPassed
    /// A reload dropped its listener, which closed it.
    | Dropped
    /// A connection had it for its target, and closed it.
    | UsedUp
    | NoSocket of why: string
    | NoStream
    | NotConnected
    | NotListening
    /// It cannot be kept from children.
    | NotKept

[<RequireQualifiedAccess>]
module InheritedFault =
    /// In plain words, and what to do.
    [<CompiledName "Describe">]
    let describe (descriptor: int) (fault: InheritedFault) : string =
        let what =
            match fault with
            | InheritedFault.NotPassed -> "is no socket that Bitflow was started with; pass it one under that number, or write an address"
            | InheritedFault.Dropped -> "was closed when an earlier configuration dropped it; restart to have it again"
            | InheritedFault.UsedUp -> "was used up by an earlier connection, whose target it was; restart to have it again"
            | InheritedFault.NoSocket why -> $"is no socket ({why})"
            | InheritedFault.NoStream -> "is no stream socket"
            | InheritedFault.NotConnected -> "is not connected"
            | InheritedFault.NotListening -> "is no listening socket of TCP or of Unix streams"
            | InheritedFault.NotKept -> "cannot be kept from children"
        $"descriptor {descriptor} {what}"
