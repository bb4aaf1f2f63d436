module Bitflow.Spec.IoFaultLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``what the kernel says that has no name here is said in the system's words, with its number`` () =
    Law.HoldsFor([ 1..133 ], fun errno ->
        let fault = IoFaults.ofErrno errno
        let words = IoFaults.describe fault
        if fault < IoFault.Other then not (words.Contains "errno")
        else words.StartsWith $"failed: {System.Runtime.InteropServices.Marshal.GetPInvokeErrorMessage errno}" && words.EndsWith $"(errno {errno})")

[<Fact>]
let ``the two engines judge the kernel's answers alike`` () =
    Law.HoldsFor(
        [ System.Net.Sockets.SocketError.ConnectionReset, 104; System.Net.Sockets.SocketError.TimedOut, 110
          System.Net.Sockets.SocketError.ConnectionRefused, 111; System.Net.Sockets.SocketError.HostUnreachable, 113
          System.Net.Sockets.SocketError.NetworkUnreachable, 101; System.Net.Sockets.SocketError.AccessDenied, 13
          System.Net.Sockets.SocketError.TooManyOpenSockets, 24; System.Net.Sockets.SocketError.AddressNotAvailable, 99
          System.Net.Sockets.SocketError.NoBufferSpaceAvailable, 105; System.Net.Sockets.SocketError.WouldBlock, 11; System.Net.Sockets.SocketError.OperationAborted, 125; System.Net.Sockets.SocketError.Interrupted, 125
          System.Net.Sockets.SocketError.Shutdown, 32; System.Net.Sockets.SocketError.Success, 0
          System.Net.Sockets.SocketError.InvalidArgument, 22; System.Net.Sockets.SocketError.AddressFamilyNotSupported, 97
          System.Net.Sockets.SocketError.ProtocolOption, 92; System.Net.Sockets.SocketError.OperationNotSupported, 95
          System.Net.Sockets.SocketError.MessageSize, 90; System.Net.Sockets.SocketError.ProtocolNotSupported, 93 ],
        fun (platform, errno) -> IoFaults.ofSocketError platform = IoFaults.ofErrno errno && (errno = 0) = (IoFaults.ofErrno errno = IoFault.None)
    )

[<Fact>]
let ``a full backlog is a Unix listener's alone: the same answer for TCP is a want of local ports, of which no peer is to blame`` () =
    Law.HoldsFor([ for fault in System.Enum.GetValues<IoFault>() do for isUnix in [ true; false ] -> fault, isUnix ], fun (fault, isUnix) ->
        let judged = IoFaults.ofConnect isUnix fault
        if fault = IoFault.BacklogFull && not isUnix then judged = IoFault.NoLocalAddress && IoFaults.isWant judged else judged = fault)
