module Bitflow.Spec.IoFaultLaws

open System
open System.Net.Sockets
open Xunit
open Bitflow.Domain

let private everyErrno = [ 0..133 ]

/// What every call means alike.
let private ofAnyCall =
    [ 0, IoFault.None
      Errno.EPERM, IoFault.NotPermitted
      Errno.EACCES, IoFault.NotPermitted
      Errno.EMFILE, IoFault.NoDescriptors
      Errno.ENFILE, IoFault.NoMachineDescriptors
      Errno.ENOBUFS, IoFault.NoMemory
      Errno.ENOMEM, IoFault.NoMemory
      Errno.ECANCELED, IoFault.Aborted ]

/// What connecting and a connection mean alike: the network's words.
let private ofNetwork =
    ofAnyCall
    @ [ Errno.ECONNRESET, IoFault.Reset
        Errno.ECONNABORTED, IoFault.Reset
        Errno.ENETRESET, IoFault.Reset
        Errno.EPIPE, IoFault.Reset
        Errno.ENOTCONN, IoFault.Reset
        Errno.ETIMEDOUT, IoFault.TimedOut
        Errno.ECONNREFUSED, IoFault.Refused
        Errno.EHOSTUNREACH, IoFault.HostUnreachable
        Errno.EHOSTDOWN, IoFault.HostUnreachable
        Errno.ENETUNREACH, IoFault.NetworkUnreachable
        Errno.ENETDOWN, IoFault.NetworkUnreachable
        Errno.EINVAL, IoFault.NetworkUnreachable
        Errno.ENOPROTOOPT, IoFault.NoTcp ]

let private ofUnixConnect =
    ofNetwork
    @ [ Errno.EAGAIN, IoFault.BacklogFull
        Errno.ENOENT, IoFault.NoSuchPath
        Errno.ENOTDIR, IoFault.NoSuchPath
        Errno.ELOOP, IoFault.NoSuchPath
        Errno.EPROTOTYPE, IoFault.NoStreamSocket ]

let private ofTcpConnect local =
    ofNetwork @ [ Errno.EAGAIN, IoFault.NoLocalAddress; Errno.EADDRNOTAVAIL, local; Errno.EAFNOSUPPORT, IoFault.NetworkUnreachable ]

/// Every call whose answers are judged, and what it may answer.
let private calls =
    [ "send, receive, shutdown", IoFaults.ofStream, ofNetwork
      "connect, Unix", IoFaults.ofConnect true true, ofUnixConnect
      "connect, Unix, no source", IoFaults.ofConnect true false, ofUnixConnect
      "connect, TCP", IoFaults.ofConnect false true, ofTcpConnect IoFault.NoLocalAddress
      "connect, TCP, no source", IoFaults.ofConnect false false, ofTcpConnect IoFault.NoSourceAddress
      "socket", IoFaults.ofSocket, ofAnyCall @ [ Errno.EAFNOSUPPORT, IoFault.NetworkUnreachable; Errno.EINVAL, IoFault.NetworkUnreachable ]
      "accept", IoFaults.ofAccept, ofAnyCall @ [ Errno.EINVAL, IoFault.NotListening ]
      "epoll", IoFaults.ofEpoll, ofAnyCall @ [ Errno.ENOSPC, IoFault.NoWatches ] ]

[<Fact>]
let ``why accepting failed is told in words of its own for each fault`` () =
    let told = [ for fault in System.Enum.GetValues<IoFault>() -> IoFaults.reason fault ]
    Law.HoldsFor([ told ], fun told -> List.distinct told = told)

[<Fact>]
let ``the kernel's answer means what it means of the call that was asked, and what it never answers there is told as itself`` () =
    Law.HoldsFor(List.allPairs calls everyErrno, fun ((_, judge, meanings), errno) ->
        let expected = meanings |> List.tryPick (fun (known, fault) -> if known = errno then Some fault else None)
        judge errno = Option.defaultValue (enum<IoFault> (int IoFault.Other + errno)) expected)

[<Fact>]
let ``what this machine is short of is never a peer's fault, whichever call was told of it`` () =
    let everywhere = [ for name, judge, _ in calls do for errno in [ Errno.EMFILE; Errno.ENFILE; Errno.ENOBUFS; Errno.ENOMEM ] -> name, judge errno ]
    let here =
        [ "epoll watches", IoFaults.ofEpoll Errno.ENOSPC
          "a local port", IoFaults.ofConnect false true Errno.EADDRNOTAVAIL
          "whatever TCP has to wait for", IoFaults.ofConnect false true Errno.EAGAIN
          "the same, unasked for a source", IoFaults.ofConnect false false Errno.EAGAIN ]
    let ofPlatform =
        [ for error in [ SocketError.TooManyOpenSockets; SocketError.NoBufferSpaceAvailable ] do
              for judge in [ PlatformFaults.ofStream; PlatformFaults.ofSocket; PlatformFaults.ofConnect false true; PlatformFaults.ofConnect true true ] -> string error, judge error ]
    Law.HoldsFor(everywhere @ here @ ofPlatform, fun (_, fault) ->
        IoFaults.isWant fault
        && [ DialFault.Connect fault; DialFault.SocksConnect fault; DialFault.Exchange fault ]
           |> List.forall (fun dial -> (DialFault.reason dial).Who = Who.Bitflow)
        && RelayEvents.ofReceive fault = RelayEvent.Starved
        && RelayEvents.ofSend fault = RelayEvent.Starved)

[<Fact>]
let ``what the kernel says that has no name here is said in the system's words, with its number`` () =
    Law.HoldsFor(List.allPairs calls [ 1..133 ], fun ((_, judge, _), errno) ->
        let fault = judge errno
        let words = IoFaults.describe fault
        if fault < IoFault.Other then not (words.Contains "errno")
        else words.StartsWith $"failed: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage errno}" && words.EndsWith $"(errno {errno})")

/// The errno of a name, as the platform gives it; of two names it is another that is meant.
let private errnoOf (error: SocketError) =
    match error with
    // Of EMFILE and ENFILE it gives one.
    | SocketError.TooManyOpenSockets -> Errno.EMFILE
    // A call that was ended by closing the socket.
    | SocketError.Interrupted -> Errno.ECANCELED
    | error -> SocketException(int error).NativeErrorCode

/// EAI_AGAIN, of which the platform makes EAGAIN, is of lookups alone.
let private ofSockets = Enum.GetValues<SocketError>() |> List.ofArray |> List.except [ SocketError.TryAgain ]

[<Fact>]
let ``the two engines judge the kernel's answers alike`` () =
    Law.HoldsFor(ofSockets, fun error ->
        let errno = errnoOf error
        PlatformFaults.ofStream error = IoFaults.ofStream errno
        && PlatformFaults.ofSocket error = IoFaults.ofSocket errno
        && (error = SocketError.Success) = (PlatformFaults.ofStream error = IoFault.None)
        && List.forall (fun hasSource -> PlatformFaults.ofConnect false hasSource error = IoFaults.ofConnect false hasSource errno) [ true; false ])

[<Fact>]
let ``a Unix path that leads nowhere is told as that by both engines, although the platform has another name for it or none`` () =
    let nowhere = [ SocketError.AddressNotAvailable; SocketError.SocketError ]
    Law.HoldsFor(List.allPairs ofSockets [ true; false ], fun (error, hasSource) ->
        let errno = if List.contains error nowhere then Errno.ENOENT else errnoOf error
        let judged = PlatformFaults.ofConnect true hasSource error
        judged = IoFaults.ofConnect true hasSource errno && (judged = IoFault.NoSuchPath) = List.contains error nowhere)

[<Fact>]
let ``a full backlog is a Unix listener's alone: the same answer for TCP is a want of local ports, of which no peer is to blame`` () =
    Law.HoldsFor([ for name, judge, _ in calls do for errno in everyErrno -> name, judge, errno ], fun (name, judge, errno) ->
        (judge errno = IoFault.BacklogFull) = (name.StartsWith "connect, Unix" && errno = Errno.EAGAIN))
    Law.HoldsFor([ true; false ], fun hasSource ->
        let judged = IoFaults.ofConnect false hasSource Errno.EAGAIN
        judged = IoFault.NoLocalAddress && IoFaults.isWant judged)

[<Fact>]
let ``an answer of splice or the ring that is none of the connection's is never taken for a fault of it`` () =
    Law.HoldsFor([ 0 .. 133 ], fun errno ->
        IoFaults.isOfSplice errno = List.contains errno [ 1; 4; 12; 22; 38; 105 ]
        && IoFaults.isOfRing errno = List.contains errno [ 4; 12; 105; 125 ]
        // What says that the peer has gone is always the connection's.
        && not ((IoFaults.isOfSplice errno || IoFaults.isOfRing errno) && IoFaults.ofStream errno = IoFault.Reset))
