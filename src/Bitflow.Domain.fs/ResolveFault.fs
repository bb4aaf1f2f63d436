namespace Bitflow.Domain

open System.Net.Sockets

/// Why the resolver has no address of a name (getaddrinfo(3)).
[<RequireQualifiedAccess>]
type ResolveFault =
    /// EAI_NONAME: resolvers do not tell the two apart.
    | NoSuchNameOrAddress
    /// The name is known, and has no address.
    | NoAddress
    /// EAI_AGAIN.
    | NameServer
    /// There is nobody to ask it: the system gives no thread.
    | NoThread
    /// Whatever else, in the platform's words.
    | Other of words: string

[<RequireQualifiedAccess>]
module ResolveFault =
    /// What the platform says of a lookup, in its names for getaddrinfo's EAI codes; of the rest its `words` are kept.
    [<CompiledName "OfSocketError">]
    let ofSocketError (error: SocketError) (words: string) =
        match error with
        | SocketError.HostNotFound -> ResolveFault.NoSuchNameOrAddress
        | SocketError.NoData -> ResolveFault.NoAddress
        | SocketError.TryAgain -> ResolveFault.NameServer
        | _ -> ResolveFault.Other words

    /// In plain words, to stand behind the name.
    [<CompiledName "Describe">]
    let describe (fault: ResolveFault) =
        match fault with
        | ResolveFault.NoSuchNameOrAddress -> "no such name, or it has no address"
        | ResolveFault.NoAddress -> "it has no address"
        | ResolveFault.NameServer -> "the name server did not answer, or failed"
        | ResolveFault.NoThread -> "the system has no thread to look it up with"
        | ResolveFault.Other words -> words
