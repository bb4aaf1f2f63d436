namespace Bitflow.Domain

open System.Runtime.InteropServices

/// Why an address cannot be listened on.
[<RequireQualifiedAccess>]
type ListenFault =
    | NameWithoutAddress of name: string * fault: ResolveFault
    | NameWithoutFamily of name: string
    /// A file of another kind, where a socket's is to be.
    | NoSocketAtPath
    /// A socket, but of datagrams or of packets.
    | OtherSocketAtPath
    | ListenedAtPath of backlogIsFull: bool
    /// Nobody may ask whether somebody listens at the path.
    | MayNotAskAtPath
    | CannotAskAtPath of errno: int
    /// Nobody listens at the path, and the file cannot be removed.
    | StaleStaysAtPath
    | NoDirectory
    | MayNotWriteDirectory
    | InUse
    /// A name of the abstract namespace (unix(7)).
    | NameInUse
    /// By a socket of this very process.
    | InUseByBitflow
    | DescriptorInUseByBitflow of descriptor: int
    | MayNotListen
    | NotThisMachines
    /// The kernel has not that family.
    | NoSuchFamily
    | NoDescriptors of limit: int64
    | Inherited of descriptor: int * fault: InheritedFault
    | NotNamed of fault: NamedSocketError
    | Failed of errno: int

[<RequireQualifiedAccess>]
module ListenFault =
    /// What connecting to a Unix socket's path says of whoever is there: none where nobody listens any more, so that the file may be removed
    /// (unix(7), connect(2)). 0 is a connection.
    [<CompiledName "OfProbe">]
    let ofProbe (errno: int) =
        match errno with
        | Errno.ECONNREFUSED -> ValueNone
        | 0 -> ValueSome(ListenFault.ListenedAtPath false)
        | Errno.EAGAIN
        | Errno.EINPROGRESS -> ValueSome(ListenFault.ListenedAtPath true)
        | Errno.EPROTOTYPE -> ValueSome ListenFault.OtherSocketAtPath
        | Errno.EACCES
        | Errno.EPERM -> ValueSome ListenFault.MayNotAskAtPath
        | errno -> ValueSome(ListenFault.CannotAskAtPath errno)

    /// What bind and listen say of an address (bind(2), ip(7)).
    [<CompiledName "OfBind">]
    let ofBind (errno: int) =
        match errno with
        | Errno.EADDRINUSE -> ListenFault.InUse
        | Errno.EACCES
        | Errno.EPERM -> ListenFault.MayNotListen
        | Errno.EADDRNOTAVAIL -> ListenFault.NotThisMachines
        | Errno.EAFNOSUPPORT -> ListenFault.NoSuchFamily
        | errno -> ListenFault.Failed errno

    /// What bind says of the path of a Unix socket (unix(7), bind(2)).
    [<CompiledName "OfBindAtPath">]
    let ofBindAtPath (errno: int) =
        match errno with
        | Errno.ENOENT
        | Errno.ENOTDIR -> ListenFault.NoDirectory
        | Errno.EACCES
        | Errno.EPERM -> ListenFault.MayNotWriteDirectory
        | errno -> ofBind errno

    /// What bind says of a name of the abstract namespace.
    [<CompiledName "OfBindAtName">]
    let ofBindAtName (errno: int) =
        match errno with
        | Errno.EADDRINUSE -> ListenFault.NameInUse
        | errno -> ofBind errno

    /// Why there is no socket at all (socket(2)), where the process may have `limit` descriptors.
    [<CompiledName "OfSocket">]
    let ofSocket (limit: int64) (errno: int) =
        match errno with
        // The platform, which is asked for it, does not tell them apart.
        | Errno.EMFILE
        | Errno.ENFILE -> ListenFault.NoDescriptors limit
        | Errno.EAFNOSUPPORT -> ListenFault.NoSuchFamily
        | errno -> ListenFault.Failed errno

    /// Whether it may be for want of IPv6: every address of both families is then every address of IPv4.
    [<CompiledName "MayLackV6">]
    let mayLackV6 (fault: ListenFault) =
        match fault with
        | ListenFault.NoSuchFamily
        | ListenFault.NotThisMachines -> true
        | _ -> false

    /// In plain words, to stand behind the address, and what to do.
    [<CompiledName "Describe">]
    let describe (fault: ListenFault) =
        match fault with
        | ListenFault.NameWithoutAddress(name, fault) -> $"the name {name} does not resolve ({ResolveFault.describe fault})"
        | ListenFault.NameWithoutFamily name -> $"the name {name} has no address of that family"
        | ListenFault.NoSocketAtPath -> "something that is no socket is at that path; move it away"
        | ListenFault.OtherSocketAtPath ->
            "a socket of another kind, of datagrams or of packets, is at that path; stop whoever made it and remove it, or choose another path"
        | ListenFault.ListenedAtPath false -> "another process listens there (ss -xlp shows which); stop it, or choose another path"
        | ListenFault.ListenedAtPath true -> "another process listens there, and its backlog is full; stop it, or choose another path"
        | ListenFault.MayNotAskAtPath ->
            "permission denied, so that nobody can tell whether somebody listens there; remove the socket if it is stale, or let Bitflow's user write to it"
        | ListenFault.CannotAskAtPath errno ->
            $"whether somebody listens there cannot be told ({Marshal.GetPInvokeErrorMessage errno}); remove the socket if it is stale, or choose another path"
        | ListenFault.StaleStaysAtPath -> "the stale socket at that path cannot be removed; check the permissions of its directory"
        | ListenFault.NoDirectory -> "the directory does not exist; make it first"
        | ListenFault.MayNotWriteDirectory -> "permission denied in that directory; let Bitflow's user write to it"
        | ListenFault.InUse -> "the address is in use by another process, or its port by a connection (ss -tanp shows which)"
        | ListenFault.NameInUse -> "another process has that name (ss -xlp shows which); stop it, or choose another name"
        | ListenFault.InUseByBitflow -> "Bitflow itself has the address"
        | ListenFault.DescriptorInUseByBitflow descriptor -> $"Bitflow itself has descriptor {descriptor}"
        | ListenFault.MayNotListen -> "permission denied (ports below 1024 need a privilege)"
        | ListenFault.NotThisMachines -> "the address is not one of this machine"
        | ListenFault.NoSuchFamily -> Marshal.GetPInvokeErrorMessage Errno.EAFNOSUPPORT
        | ListenFault.NoDescriptors limit -> $"no descriptor is left of {limit}; raise the limit (ulimit -n, LimitNOFILE)"
        | ListenFault.Inherited(descriptor, fault) -> InheritedFault.describe descriptor fault
        | ListenFault.NotNamed fault -> SystemdSockets.describeNamed fault
        | ListenFault.Failed errno -> Marshal.GetPInvokeErrorMessage errno
