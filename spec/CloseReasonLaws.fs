module Bitflow.Spec.CloseReasonLaws

open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private all =
    [ for who in CloseReason.allWho do for phase in CloseReason.allPhases do for cause in CloseReason.allCauses -> CloseReason.make who phase cause ]

[<Fact>]
let ``every reason is written who dot phase dot cause, and reads back`` () =
    Law.HoldsFor(all, fun reason ->
        Regex.IsMatch(string reason, @"^(client|target|bitflow)\.(admission|proxy_header|hello|handshake|dial|relay)\.[a-z_]+$")
        && CloseReason.tryParse (string reason) = ValueSome reason)

[<Fact>]
let ``a reason's text as a tag is its text in the log`` () =
    Law.HoldsFor(all, fun reason -> CloseReason.text reason = string reason)

[<Fact>]
let ``no two reasons are written alike`` () =
    Law.HoldsFor([ all ], fun all -> (all |> List.map string |> List.distinct).Length = all.Length)

[<Fact>]
let ``what is no reason reads as none`` () =
    Law.Holds(fun (HostileText text) ->
        match CloseReason.tryParse text with
        | ValueSome reason -> string reason = text
        | ValueNone -> true)

[<Fact>]
let ``every reason can be said in plain words`` () =
    Law.HoldsFor(all, fun reason -> (CloseReason.explain reason).Length > 10)

[<Fact>]
let ``only an end in good order and a probe are nothing to worry about`` () =
    Law.HoldsFor(all, fun reason -> CloseReason.isOrderly reason = (string reason |> fun text -> text.EndsWith ".ended" || text.EndsWith ".probe"))

[<Fact>]
let ``every socket fault has words of its own, on either engine`` () =
    Law.HoldsFor(System.Enum.GetValues<IoFault>(), fun fault -> fault = IoFault.Other || IoFaults.describe fault <> "failed")

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
let ``a refusal says by which rule`` () =
    Law.HoldsFor(
        [ "bitflow.admission.refused", "authorized_sources"
          "bitflow.hello.refused", "server name"
          "target.dial.refused", "refused the connection"
          "bitflow.admission.limit", "connection_limit" ],
        fun (text, words) -> (CloseReason.explain (CloseReason.tryParse text).Value).Contains words
    )

[<Fact>]
let ``each side has one other side, and it is not itself`` () =
    Law.HoldsFor([ Side.Client; Side.Target ], fun side ->
        Side.other side <> side && Side.other (Side.other side) = side && (Side.who side = Who.Client) = (side = Side.Client))
