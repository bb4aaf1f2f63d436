namespace Bitflow.Domain

open System.Net.Sockets

/// What the platform's sockets say, for the engine that makes its calls through them: each of their names is judged by the errno that it stands for, as
/// `IoFaults` judges it of the same call. They do not tell ENFILE from EMFILE, and have no name for ENOMEM.
[<RequireQualifiedAccess>]
module PlatformFaults =
    /// None where the name stands for nothing that is told apart.
    let private errnoOf (error: SocketError) =
        match error with
        | SocketError.Success -> ValueSome 0
        | SocketError.ConnectionReset -> ValueSome Errno.ECONNRESET
        | SocketError.ConnectionAborted -> ValueSome Errno.ECONNABORTED
        | SocketError.NetworkReset -> ValueSome Errno.ENETRESET
        | SocketError.Shutdown -> ValueSome Errno.EPIPE
        | SocketError.NotConnected -> ValueSome Errno.ENOTCONN
        | SocketError.TimedOut -> ValueSome Errno.ETIMEDOUT
        | SocketError.ConnectionRefused -> ValueSome Errno.ECONNREFUSED
        | SocketError.HostUnreachable -> ValueSome Errno.EHOSTUNREACH
        | SocketError.HostDown -> ValueSome Errno.EHOSTDOWN
        | SocketError.NetworkUnreachable -> ValueSome Errno.ENETUNREACH
        | SocketError.NetworkDown -> ValueSome Errno.ENETDOWN
        | SocketError.InvalidArgument -> ValueSome Errno.EINVAL
        | SocketError.AddressFamilyNotSupported -> ValueSome Errno.EAFNOSUPPORT
        | SocketError.ProtocolOption -> ValueSome Errno.ENOPROTOOPT
        | SocketError.ProtocolType -> ValueSome Errno.EPROTOTYPE
        | SocketError.AccessDenied -> ValueSome Errno.EACCES
        | SocketError.TooManyOpenSockets -> ValueSome Errno.EMFILE
        | SocketError.NoBufferSpaceAvailable -> ValueSome Errno.ENOBUFS
        | SocketError.AddressNotAvailable -> ValueSome Errno.EADDRNOTAVAIL
        | SocketError.WouldBlock -> ValueSome Errno.EAGAIN
        // A call that closing the socket has ended: EINTR itself never gets here, because the platform makes such a call again.
        | SocketError.Interrupted
        | SocketError.OperationAborted -> ValueSome Errno.ECANCELED
        | _ -> ValueNone

    let private judged (ofErrno: int -> IoFault) (error: SocketError) =
        match errnoOf error with
        | ValueSome errno -> ofErrno errno
        | ValueNone -> IoFaults.other (SocketException(int error).NativeErrorCode)

    /// As `IoFaults.ofStream`.
    [<CompiledName "OfStream">]
    let ofStream (error: SocketError) = judged IoFaults.ofStream error

    /// As `IoFaults.ofConnect`.
    [<CompiledName "OfConnect">]
    let ofConnect (isUnix: bool) (hasSource: bool) (error: SocketError) =
        match error with
        // How the platform spells ENOENT; ENOTDIR and ELOOP it does not spell at all.
        | SocketError.AddressNotAvailable
        | SocketError.SocketError when isUnix -> IoFault.NoSuchPath
        | error -> judged (IoFaults.ofConnect isUnix hasSource) error

    /// As `IoFaults.ofSocket`.
    [<CompiledName "OfSocket">]
    let ofSocket (error: SocketError) = judged IoFaults.ofSocket error
