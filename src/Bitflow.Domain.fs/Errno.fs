namespace Bitflow.Domain

/// The kernel's error numbers that something is decided by, under their names in C, as Linux has them on x86-64 and arm64 (asm-generic/errno.h). A system call of
/// the data path answers with the negative number.
[<RequireQualifiedAccess>]
module Errno =
    [<Literal>]
    let EPERM = 1

    [<Literal>]
    let ENOENT = 2

    [<Literal>]
    let EINTR = 4

    /// Of open, a FIFO that nobody reads, or a socket.
    [<Literal>]
    let ENXIO = 6

    /// EWOULDBLOCK too; of connect on a Unix socket, a full backlog.
    [<Literal>]
    let EAGAIN = 11

    [<Literal>]
    let ENOMEM = 12

    [<Literal>]
    let EACCES = 13

    [<Literal>]
    let EBUSY = 16

    [<Literal>]
    let ENOTDIR = 20

    [<Literal>]
    let EISDIR = 21

    /// Of connect, a blackhole route; of accept, a socket that does not listen.
    [<Literal>]
    let EINVAL = 22

    [<Literal>]
    let ENFILE = 23

    [<Literal>]
    let EMFILE = 24

    /// Of epoll_ctl, the user's share of watches; of write, the disk's.
    [<Literal>]
    let ENOSPC = 28

    [<Literal>]
    let EPIPE = 32

    [<Literal>]
    let ENOSYS = 38

    [<Literal>]
    let ELOOP = 40

    /// A wait of the ring's is over.
    [<Literal>]
    let ETIME = 62

    [<Literal>]
    let EPROTO = 71

    [<Literal>]
    let EPROTOTYPE = 91

    /// Of connect, ICMP protocol unreachable.
    [<Literal>]
    let ENOPROTOOPT = 92

    /// A kernel without that family.
    [<Literal>]
    let EAFNOSUPPORT = 97

    [<Literal>]
    let EADDRINUSE = 98

    [<Literal>]
    let EADDRNOTAVAIL = 99

    [<Literal>]
    let ENETDOWN = 100

    [<Literal>]
    let ENETUNREACH = 101

    /// No word of Linux's for TCP: of other systems, keep-alive without an answer.
    [<Literal>]
    let ENETRESET = 102

    [<Literal>]
    let ECONNABORTED = 103

    [<Literal>]
    let ECONNRESET = 104

    [<Literal>]
    let ENOBUFS = 105

    /// Reset before it was looked at.
    [<Literal>]
    let ENOTCONN = 107

    [<Literal>]
    let ETIMEDOUT = 110

    [<Literal>]
    let ECONNREFUSED = 111

    [<Literal>]
    let EHOSTDOWN = 112

    [<Literal>]
    let EHOSTUNREACH = 113

    [<Literal>]
    let EINPROGRESS = 115

    [<Literal>]
    let ECANCELED = 125
