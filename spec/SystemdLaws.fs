module Bitflow.Spec.SystemdLaws

open System
open Xunit
open Bitflow.Domain

let private own = 4711
let private read pid fds names = SystemdSockets.read own pid fds names

[<Fact>]
let ``the path of the service manager's socket has at most 107 bytes`` () =
    Law.HoldsFor([ 106, true; 107, true; 108, false ], fun (length, isGood) ->
        match SystemdNotify.tryAddress ("/" + String('a', length - 1)) with
        | Some(Ok(NotifyAddress.Path path)) -> isGood && path.Length = length
        | Some(Error(NotifyAddressError.TooLong bytes)) -> not isGood && bytes = length
        | _ -> false)

[<Fact>]
let ``no variables make the reading of inherited sockets throw`` () =
    Law.Holds(fun (HostileText pid) (HostileText fds) (HostileText names) ->
        [ read pid fds names; read "4711" fds names; read "4711" "2" names ]
        |> List.forall (fun sockets ->
            match sockets with
            | SystemdSockets.Unreadable error -> (SystemdSockets.describe error).Length > 20
            | _ -> true))

[<Fact>]
let ``inherited sockets are consecutive from descriptor 3 and found by their names, which need not be unique`` () =
    Law.Holds(fun (names: bool list) ->
        let names = names |> List.map (fun n -> if n then "web" else "api")
        let sockets = read "4711" (string names.Length) (String.Join(':', names))
        let expected wanted = [ for i, n in List.indexed names do if n = wanted then 3 + i ]
        names.IsEmpty
        || [ "web"; "api" ]
           |> List.forall (fun wanted ->
               match SystemdSockets.withName wanted sockets with
               | Ok found -> found = expected wanted
               | Error(NamedSocketError.NoSuchName known) -> expected wanted = [] && not (List.contains wanted known)
               | Error _ -> false))

[<Fact>]
let ``what the variables say is read to the letter`` () =
    let given list = SystemdSockets.Given list
    Law.HoldsFor(
        [ null, null, null, SystemdSockets.NotGiven
          "", "2", "", SystemdSockets.NotGiven
          "4711", null, null, SystemdSockets.NotGiven
          "4711", "0", null, SystemdSockets.NotGiven
          "4711", "2", null, given [ struct (3, "unknown"); struct (4, "unknown") ]
          "4711", "2", "web:api", given [ struct (3, "web"); struct (4, "api") ]
          "4711", "1", "a.socket", given [ struct (3, "a.socket") ]
          "4712", "2", "web:api", SystemdSockets.ForAnotherProcess 4712
          "4712", "garbage", "web:api", SystemdSockets.ForAnotherProcess 4712
          "x", "2", null, SystemdSockets.Unreadable(SystemdSocketsError.NotAProcessId "x")
          "-1", "2", null, SystemdSockets.Unreadable(SystemdSocketsError.NotAProcessId "-1")
          "4711", "x", null, SystemdSockets.Unreadable(SystemdSocketsError.NotACount "x")
          "4711", "-1", null, SystemdSockets.Unreadable(SystemdSocketsError.NotACount "-1")
          "4711", " 1", null, SystemdSockets.Unreadable(SystemdSocketsError.NotACount " 1")
          "4711", "2147483647", null, SystemdSockets.Unreadable(SystemdSocketsError.TooMany "2147483647")
          "4711", "99999999999999999999", null, SystemdSockets.Unreadable(SystemdSocketsError.TooMany "99999999999999999999")
          "4711", "1048576", "web", SystemdSockets.Unreadable(SystemdSocketsError.NameCount(1, 1_048_576))
          "4711", "1048577", "web", SystemdSockets.Unreadable(SystemdSocketsError.TooMany "1048577")
          "4711", "2", "web", SystemdSockets.Unreadable(SystemdSocketsError.NameCount(1, 2))
          "4711", "1", "web:api", SystemdSockets.Unreadable(SystemdSocketsError.NameCount(2, 1)) ],
        fun (pid, fds, names, expected) -> read pid fds names = expected)

[<Fact>]
let ``a name that is not inherited is refused with what would be right`` () =
    Law.HoldsFor(
        [ read null null null; read "1" "1" null; read "4711" "1" "api"; read "4711" "x" null ],
        fun sockets ->
            match SystemdSockets.withName "web" sockets with
            | Error error -> (SystemdSockets.describeNamed error).Contains "LISTEN_" && ListenFault.describe (ListenFault.NotNamed error) = SystemdSockets.describeNamed error
            | Ok _ -> false)

[<Fact>]
let ``what is wrong with a descriptor is said with its number, and where a restart brings it back, that`` () =
    Law.HoldsFor(
        [ InheritedFault.NotPassed, "pass it one under that number"; InheritedFault.Dropped, "restart to have it again"; InheritedFault.UsedUp, "restart to have it again"
          InheritedFault.NoSocket "x", "no socket (x)"; InheritedFault.NotListening, "no listening socket of TCP" ],
        fun (fault, words) ->
            let said = InheritedFault.describe 7 fault
            said.StartsWith "descriptor 7 " && said.Contains words && ListenFault.describe (ListenFault.Inherited(7, fault)) = said)

let private at text = match Address.tryParse text with Ok address -> address | Error _ -> failwith text

[<Fact>]
let ``an inherited socket that no listener and no target asks for is warned of, by its number and its name`` () =
    let asking listener target =
        { Application = Sample.application
          Proxies = [ { Sample.proxy "a" with Listener = { Sample.listener with Address = at listener }; Targets = [ { Sample.target "t" with Address = Sample.targetAddress target } ] } ] }
    let three = read "4711" "3" "web:api:web"
    Law.HoldsFor(
        [ asking "fd:web" "x:1", three, [ "fd:4 (api)" ]
          asking "fd:web" "fd:4", three, []
          asking "fd:3" "fd:4", three, [ "fd:5 (web)" ]
          asking ":80" "x:1", three, [ "fd:3 (web)"; "fd:4 (api)"; "fd:5 (web)" ]
          asking ":80" "x:1", read "4711" "1" null, [ "fd:3 (unknown)" ]
          asking ":80" "x:1", read "4711" "1" "a\nb", [ "fd:3 (a\\x0ab)" ]
          asking ":80" "x:1", read "1" "1" "web", []
          asking ":80" "x:1", read null null null, [] ],
        fun (config, sockets, unused) ->
            match UnaskedSockets.describe config sockets, String.Join(", ", unused) with
            | ValueNone, listed -> listed = ""
            | ValueSome _, "" -> false
            | ValueSome said, listed -> said.StartsWith $"inherited, and used by no listener and no target: {listed}; ")

/// What is said where nothing asks for any.
let private unasked sockets = ValueOption.get (UnaskedSockets.describe { Application = Sample.application; Proxies = [] } sockets)

[<Fact>]
let ``where it cannot be told which sockets were passed on, it is said why`` () =
    Law.HoldsFor([ "x", "2", null, "LISTEN_PID is"; "4711", "x", null, "LISTEN_FDS is"; "4711", "2", "web", "LISTEN_FDNAMES has 1 names for 2" ], fun (pid, fds, names, why) ->
        (unasked (read pid fds names)).Contains why)

[<Fact>]
let ``of many inherited sockets that nothing asks for twenty are named and the others counted`` () =
    let said = unasked (read "4711" "1000" (String.Join(':', List.replicate 1000 "x")))
    Law.HoldsFor([ "fd:22 (x) and 980 more; " ], fun (end': string) -> said.Contains end' && not (said.Contains "fd:23"))
    let twentyOne = unasked (read "4711" "21" (String.Join(':', List.replicate 21 "x")))
    Law.HoldsFor([ "fd:22 (x) and 1 more; " ], fun (end': string) -> twentyOne.Contains end')
    let twenty = unasked (read "4711" "20" (String.Join(':', List.replicate 20 "x")))
    Law.HoldsFor([ "fd:22 (x); " ], fun (end': string) -> twenty.Contains end')

[<Fact>]
let ``a notification is lines of assignments, and its status one of them whatever it holds`` () =
    Law.Holds(fun (HostileText status) ->
        [ NotifyMessage.Ready status; NotifyMessage.Stopping status ]
        |> List.map (fun m -> SystemdNotify.write(m).Split '\n')
        |> List.forall (fun lines ->
            lines.Length <= 2 && lines |> Array.forall (fun l -> l = "" && lines.Length = 1 || l.Contains '=' && not (String.exists Char.IsControl l))))

[<Fact>]
let ``notifications are written as sd_notify reads them`` () =
    Law.HoldsFor(
        [ NotifyMessage.Ready "", "READY=1"
          NotifyMessage.Ready "serving 2 proxies", "READY=1\nSTATUS=serving 2 proxies"
          NotifyMessage.Stopping "draining\n(connections: 3)", "STOPPING=1\nSTATUS=draining (connections: 3)"
          NotifyMessage.Reloading(Instant.OfNanoseconds 1_234_567_890L), "RELOADING=1\nMONOTONIC_USEC=1234567"
          NotifyMessage.Watchdog, "WATCHDOG=1" ],
        fun (message, text) -> SystemdNotify.write message = text)

[<Fact>]
let ``the address of the service manager is a path, an abstract name or a virtual machine's socket`` () =
    let long = "/" + String('x', 107)
    Law.HoldsFor(
        [ null, None
          "", None
          "/run/systemd/notify", Some(Ok(NotifyAddress.Path "/run/systemd/notify"))
          "@abstract", Some(Ok(NotifyAddress.Abstract "abstract"))
          "vsock:2:1234", Some(Ok(NotifyAddress.Vsock(2u, 1234u)))
          "vsock:2", Some(Error(NotifyAddressError.UnknownForm "vsock:2"))
          "vsock:x:1", Some(Error(NotifyAddressError.UnknownForm "vsock:x:1"))
          "@", Some(Error(NotifyAddressError.UnknownForm "@"))
          "relative", Some(Error(NotifyAddressError.UnknownForm "relative"))
          long, Some(Error(NotifyAddressError.TooLong 108)) ],
        fun (text, expected) -> SystemdNotify.tryAddress text = expected)

[<Fact>]
let ``the watchdog hears of us at half its patience, if it waits for us`` () =
    Law.HoldsFor(
        [ "30000000", null, Some(Duration.OfSeconds 15L)
          "30000000", "4711", Some(Duration.OfSeconds 15L)
          "30000000", "4712", None
          "30000000", "x", None
          "0", null, None
          "-1", null, None
          "x", null, None
          null, null, None
          "9223372036854775807", null, Some Duration.Max ],
        fun (usec, pid, interval) -> SystemdNotify.watchdogInterval own usec pid = interval)
