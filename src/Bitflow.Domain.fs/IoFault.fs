namespace Bitflow.Domain

open System.Runtime.InteropServices

/// The ways in which the kernel, or TLS, can say no; what the shell reports and the core judges.
type IoFault =
    | None = 0
    /// The peer reset the connection, or a write found it reset (ECONNRESET, EPIPE, ECONNABORTED).
    | Reset = 1
    /// TLS ended without close_notify (END-2).
    | Truncated = 2
    /// The kernel gave up on a silent peer (ETIMEDOUT: keep-alive, TCP_USER_TIMEOUT, or its own SYN retries).
    | TimedOut = 3
    | Refused = 4
    | HostUnreachable = 5
    | NetworkUnreachable = 6
    /// A Unix path that leads to nothing (ENOENT, ENOTDIR, ELOOP).
    | NoSuchPath = 7
    | NotPermitted = 8
    /// EMFILE: this process has all the descriptors that it may have. Of the platform's sockets ENFILE as well, which it does not tell apart.
    | NoDescriptors = 9
    /// No local port is free (EADDRNOTAVAIL of connect, or its EAGAIN for TCP).
    | NoLocalAddress = 10
    /// ENOBUFS, ENOMEM.
    | NoMemory = 11
    /// Bitflow itself closed the connection while the call was pending.
    | Aborted = 12
    /// EAGAIN on connect: the backlog of a Unix listener is full.
    | BacklogFull = 13
    /// A TLS record that does not decrypt, or an alert: the peer broke the protocol.
    | TlsProtocol = 14
    /// A Unix path at which a socket of another kind is: of datagrams (EPROTOTYPE).
    | NoStreamSocket = 15
    /// The peer's host knows no TCP (ICMP protocol unreachable, which is ENOPROTOOPT).
    | NoTcp = 16
    /// ENOSPC of epoll_ctl: the user's share of watches is used up (fs.epoll.max_user_watches).
    | NoWatches = 17
    /// EINVAL of accept: somebody has shut the listening socket down.
    | NotListening = 18
    /// ENFILE: the machine's descriptors ran out.
    | NoMachineDescriptors = 19
    /// No address of this machine leads there, as where IPv6 is turned off (EADDRNOTAVAIL of connect).
    | NoSourceAddress = 20
    /// No other. With an errno added to it, the one that it was.
    | Other = 1_000

[<RequireQualifiedAccess>]
module IoFaults =
    /// A failure without a name here; only that it failed, where there is no number above zero.
    let internal other (errno: int) = enum<IoFault> (int IoFault.Other + max 0 errno)

    /// Whether the kernel gave up on a peer that does not answer: it then says the last that it was told of the way there.
    let gaveUp (fault: IoFault) =
        match fault with
        | IoFault.TimedOut
        | IoFault.HostUnreachable
        | IoFault.NetworkUnreachable
        | IoFault.NoTcp -> true
        | _ -> false

    /// Whether something ran out on this machine: no peer is to blame.
    let isWant (fault: IoFault) =
        match fault with
        | IoFault.NoDescriptors
        | IoFault.NoMachineDescriptors
        | IoFault.NoLocalAddress
        | IoFault.NoMemory
        | IoFault.NoWatches -> true
        | _ -> false

    /// What every call means alike; any other number is told as itself.
    let private ofAnyCall (errno: int) =
        match errno with
        | 0 -> IoFault.None
        | Errno.EPERM
        | Errno.EACCES -> IoFault.NotPermitted
        | Errno.EMFILE -> IoFault.NoDescriptors
        | Errno.ENFILE -> IoFault.NoMachineDescriptors
        | Errno.ENOBUFS
        | Errno.ENOMEM -> IoFault.NoMemory
        | Errno.ECANCELED -> IoFault.Aborted
        | errno -> other errno

    /// What a connected socket says to send, receive, shutdown or splice, or by SO_ERROR (send(2), recv(2), shutdown(2)). Of TCP it is that the peer has reset
    /// (EPIPE), or what was heard last of the way there when the kernel gave up (tcp(7), "Error handling"): from ICMP, or from the routes, where EINVAL is a
    /// blackhole (ip(7)). EAGAIN is no failure of such a call, and is not asked about.
    [<CompiledName "OfStream">]
    let ofStream (errno: int) =
        match errno with
        | Errno.ECONNRESET
        | Errno.ECONNABORTED
        | Errno.ENETRESET
        | Errno.EPIPE
        | Errno.ENOTCONN -> IoFault.Reset
        | Errno.ETIMEDOUT -> IoFault.TimedOut
        | Errno.ECONNREFUSED -> IoFault.Refused
        | Errno.EHOSTUNREACH
        | Errno.EHOSTDOWN -> IoFault.HostUnreachable
        | Errno.ENETUNREACH
        | Errno.EINVAL
        | Errno.ENETDOWN -> IoFault.NetworkUnreachable
        | Errno.ENOPROTOOPT -> IoFault.NoTcp
        | errno -> ofAnyCall errno

    /// unix(7), connect(2), path_resolution(7).
    let private ofUnixConnect (errno: int) =
        match errno with
        | Errno.EAGAIN -> IoFault.BacklogFull
        | Errno.ENOENT
        | Errno.ENOTDIR
        | Errno.ELOOP -> IoFault.NoSuchPath
        | Errno.EPROTOTYPE -> IoFault.NoStreamSocket
        | errno -> ofStream errno

    /// tcp(7), ip(7), connect(2).
    let private ofTcpConnect (hasSource: bool) (errno: int) =
        match errno with
        | Errno.EAGAIN -> IoFault.NoLocalAddress
        | Errno.EADDRNOTAVAIL -> if hasSource then IoFault.NoLocalAddress else IoFault.NoSourceAddress
        | Errno.EAFNOSUPPORT -> IoFault.NetworkUnreachable
        | errno -> ofStream errno

    /// What connect says, at once or by SO_ERROR (connect(2)). EAGAIN is a full backlog of a Unix listener, and for TCP a want of this machine's. EADDRNOTAVAIL is
    /// that no local port is free or, where this machine has no source address that leads there (`hasSource`), that. What else the network says, it says of a
    /// connection too.
    [<CompiledName "OfConnect">]
    let ofConnect (isUnix: bool) (hasSource: bool) (errno: int) =
        if isUnix then ofUnixConnect errno else ofTcpConnect hasSource errno

    /// Why there is no socket to connect with (socket(2)): where the kernel has not the family, no way leads to its addresses.
    [<CompiledName "OfSocket">]
    let ofSocket (errno: int) =
        match errno with
        | Errno.EAFNOSUPPORT
        | Errno.EINVAL -> IoFault.NetworkUnreachable
        | errno -> ofAnyCall errno

    /// What accept says of the listening socket (accept(2)); what it passes on of a client's network is `AcceptFailure`'s.
    [<CompiledName "OfAccept">]
    let ofAccept (errno: int) =
        match errno with
        | Errno.EINVAL -> IoFault.NotListening
        | errno -> ofAnyCall errno

    /// What the calls say by which a loop waits (epoll_create1(2), epoll_ctl(2), eventfd(2)).
    [<CompiledName "OfEpoll">]
    let ofEpoll (errno: int) =
        match errno with
        | Errno.ENOSPC -> IoFault.NoWatches
        | errno -> ofAnyCall errno

    /// Whether splice(2) says something of the call with it, and nothing of the connection, whose own error it would have taken from the kernel: a receive goes on.
    [<CompiledName "IsOfSplice">]
    let isOfSplice (errno: int) =
        match errno with
        | Errno.EPERM
        | Errno.EINTR
        | Errno.ENOMEM
        | Errno.EINVAL
        | Errno.ENOSYS
        | Errno.ENOBUFS -> true
        | _ -> false

    /// Whether a completion of the ring (io_uring(7)) says something of the ring with it, and nothing of the connection.
    [<CompiledName "IsOfRing">]
    let isOfRing (errno: int) =
        match errno with
        | Errno.ECANCELED
        | Errno.ENOBUFS
        | Errno.ENOMEM
        | Errno.EINTR -> true
        | _ -> false

    /// In plain words, to stand behind "the target 10.0.0.1:80".
    [<CompiledName "Describe">]
    let describe (fault: IoFault) =
        match fault with
        | IoFault.None -> "no fault"
        | IoFault.Reset -> "reset the connection"
        | IoFault.Truncated -> "ended TLS without close_notify"
        | IoFault.TimedOut -> "did not answer"
        | IoFault.Refused -> "refused the connection: nothing listens there"
        | IoFault.HostUnreachable -> "is unreachable: no host answers"
        | IoFault.NetworkUnreachable -> "is unreachable: no route to its network"
        | IoFault.NoSuchPath -> "does not exist"
        | IoFault.NotPermitted -> "may not be used: permission denied"
        | IoFault.NoDescriptors -> "cannot be used: this process is out of descriptors"
        | IoFault.NoMachineDescriptors -> "cannot be used: the machine is out of descriptors (fs.file-max)"
        | IoFault.NoLocalAddress -> "cannot be reached: no local port is free"
        | IoFault.NoSourceAddress -> "is unreachable: this machine has no address to reach it from"
        | IoFault.NoMemory -> "cannot be used: the kernel is out of socket memory"
        | IoFault.NoWatches -> "cannot be used: the user's epoll watches are used up (fs.epoll.max_user_watches)"
        | IoFault.Aborted -> "was closed here"
        | IoFault.BacklogFull -> "is full: its backlog takes no more"
        | IoFault.NoStreamSocket -> "is no stream socket"
        | IoFault.TlsProtocol -> "broke the TLS protocol"
        | IoFault.NoTcp -> "is unreachable: its host knows no TCP"
        | IoFault.NotListening -> "listens no more: whoever shares it has shut it down"
        | IoFault.Other -> "failed"
        | fault ->
            let errno = int fault - int IoFault.Other
            $"failed: {Marshal.GetPInvokeErrorMessage errno} (errno {errno})"

    /// Why a call of our own failed that no peer had part in: accepting.
    [<CompiledName "Reason">]
    let reason (fault: IoFault) =
        match fault with
        | IoFault.NoDescriptors -> "this process is out of descriptors"
        | IoFault.NoMachineDescriptors -> "the machine is out of descriptors (fs.file-max)"
        | IoFault.NoMemory -> "the kernel is out of socket memory"
        | IoFault.NotPermitted -> "permission denied"
        | IoFault.NoLocalAddress -> "no local port is free"
        | IoFault.NoWatches -> "the user's epoll watches are used up (fs.epoll.max_user_watches)"
        | fault -> $"the socket {describe fault}"
