module Bitflow.Spec.ListenFaultLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``the file of a Unix socket is taken for stale only where connecting to it is refused`` () =
    Law.HoldsFor([ 0..133 ], fun errno -> (ListenFault.ofProbe errno).IsNone = (errno = Errno.ECONNREFUSED))

[<Fact>]
let ``who listens at a path is told apart from what is no listener, and from what nobody may ask`` () =
    Law.HoldsFor(
        [ 0, ListenFault.ListenedAtPath false
          Errno.EAGAIN, ListenFault.ListenedAtPath true
          Errno.EPROTOTYPE, ListenFault.OtherSocketAtPath
          Errno.EACCES, ListenFault.MayNotAskAtPath
          Errno.EPERM, ListenFault.MayNotAskAtPath
          Errno.ELOOP, ListenFault.CannotAskAtPath Errno.ELOOP ],
        fun (errno, fault) -> ListenFault.ofProbe errno = ValueSome fault)

[<Fact>]
let ``a refused bind is told with what can be done about it, at an address and at a path`` () =
    Law.HoldsFor(
        [ Errno.EADDRINUSE, ListenFault.InUse, ListenFault.InUse
          Errno.EACCES, ListenFault.MayNotListen, ListenFault.MayNotWriteDirectory
          Errno.EPERM, ListenFault.MayNotListen, ListenFault.MayNotWriteDirectory
          Errno.EADDRNOTAVAIL, ListenFault.NotThisMachines, ListenFault.NotThisMachines
          Errno.EAFNOSUPPORT, ListenFault.NoSuchFamily, ListenFault.NoSuchFamily
          Errno.ENOENT, ListenFault.Failed Errno.ENOENT, ListenFault.NoDirectory
          Errno.ENOTDIR, ListenFault.Failed Errno.ENOTDIR, ListenFault.NoDirectory
          Errno.ENOMEM, ListenFault.Failed Errno.ENOMEM, ListenFault.Failed Errno.ENOMEM ],
        fun (errno, atAddress, atPath) -> ListenFault.ofBind errno = atAddress && ListenFault.ofBindAtPath errno = atPath)

[<Fact>]
let ``who listens at a path is told, and whether he is overrun`` () =
    Law.HoldsFor([ false, "another process listens there (ss"; true, "another process listens there, and its backlog is full" ], fun (isFull, words) ->
        (ListenFault.describe (ListenFault.ListenedAtPath isFull)).StartsWith words)

[<Fact>]
let ``a name of the abstract namespace that somebody has is told as one, and any other fault as at an address`` () =
    Law.HoldsFor([ 1..133 ], fun errno ->
        ListenFault.ofBindAtName errno = (if errno = Errno.EADDRINUSE then ListenFault.NameInUse else ListenFault.ofBind errno))

[<Fact>]
let ``where descriptors have run out the limit is told, and what raises it`` () =
    Law.HoldsFor([ Errno.EMFILE; Errno.ENFILE ], fun errno -> (ListenFault.describe (ListenFault.ofSocket 64L errno)).StartsWith "no descriptor is left of 64; raise the limit")

[<Fact>]
let ``every address of IPv4 stands in for every address of both families only where IPv6 may be what is missing`` () =
    Law.HoldsFor([ 1..133 ], fun errno ->
        ListenFault.mayLackV6 (ListenFault.ofBind errno) = (errno = Errno.EADDRNOTAVAIL || errno = Errno.EAFNOSUPPORT)
        && ListenFault.mayLackV6 (ListenFault.ofSocket 64L errno) = (errno = Errno.EAFNOSUPPORT))

[<Fact>]
let ``what has no name here is told in the system's words`` () =
    Law.HoldsFor([ 1..133 ], fun errno ->
        let words = System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage errno
        let isSaid fault isNamed = isNamed || (ListenFault.describe fault).Contains words
        isSaid (ListenFault.ofBind errno) (List.contains errno [ Errno.EADDRINUSE; Errno.EACCES; Errno.EPERM; Errno.EADDRNOTAVAIL ])
        && isSaid (ListenFault.ofSocket 64L errno) (List.contains errno [ Errno.EMFILE; Errno.ENFILE ])
        && isSaid (ListenFault.CannotAskAtPath errno) false)
