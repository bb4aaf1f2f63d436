module Bitflow.Spec.TargetAddressLaws

open Xunit
open Bitflow.Domain

[<Fact>]
let ``a target's host is never left out and its port never 0`` () =
    Law.Holds(fun (a: Address) ->
        match TargetAddress.ofAddress a |> Result.map _.AsAddress with
        | Ok(Address.Tcp(_, host, port)) -> host <> Host.Any && port > 0
        | Ok(Address.NamedDescriptor _) -> false
        | Ok _ -> true
        | Error _ -> true)

[<Fact>]
let ``every address but one without a host, of port 0, or of a descriptor by its name is that of a target, and is written alike`` () =
    Law.Holds(fun (a: Address) ->
        match TargetAddress.ofAddress a, a with
        | Error AddressError.NoHost, Address.Tcp(_, Host.Any, _)
        | Error AddressError.PortZero, Address.Tcp(_, _, 0)
        | Error(AddressError.NamedTarget _), Address.NamedDescriptor _ -> true
        | Ok target, _ -> target.AsAddress = a && string target = string a && (match target with TargetAddress.Dialled dialled -> string dialled = string a | _ -> true)
        | Error _, _ -> false)

[<Fact>]
let ``a port to connect to is one of 1 to 65535`` () =
    Law.HoldsFor([ -1, false; 0, false; 1, true; 65535, true; 65536, false ], fun (number, isPort) ->
        match DialPort.tryOf number with
        | ValueSome port -> isPort && port.Number = number && string port = string number
        | ValueNone -> not isPort)

[<Fact>]
let ``a name to connect to has labels of 1 to 63 characters, and 253 with their dots but for a last one`` () =
    let long = String.concat "." [ for n in [ 63; 63; 63; 61 ] -> System.String('n', n) ]
    Law.HoldsFor(
        [ "n", true; "a_b.example", true; long, true; long + ".", true
          "", false; ".", false; "a..b", false; "a b", false; "ä.example", false; System.String('n', 64), false; long + "n", false ],
        fun (text, isName) ->
            match DialName.tryOf text, TargetAddress.ofAddress (Address.Tcp(TcpFamily.Either, Host.Name text, 80)) with
            | ValueSome name, Ok(TargetAddress.Dialled(DialAddress.Tcp(_, DialHost.Name same, _))) -> isName && same = name && name.Text = text && string name = text
            | ValueNone, Error(AddressError.BadHost refused) -> not isName && refused = text
            | _ -> false)

[<Fact>]
let ``a target's address reads back from its text`` () =
    Law.Holds(fun (a: TargetAddress) -> TargetAddress.tryParse (string a) = Ok a)

[<Fact>]
let ``a target's address is read as any other, and refused where none can be connected to`` () =
    Law.Holds(fun (a: Address) -> TargetAddress.tryParse (string a) = TargetAddress.ofAddress a)
