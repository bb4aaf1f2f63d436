module Bitflow.Spec.CommandLineLaws

open Xunit
open Bitflow.Domain

let private asText (result: Result<Command, string>) = $"%A{result}"

[<Fact>]
let ``the short way to serve decides as the parser of all the rest does`` () =
    Law.HoldsFor(
        seq {
            yield! [ [| "--config"; "a.yaml" |], ""; [| "-c"; "a.yaml" |], "b.yaml"; [||], "b.yaml"; [||], ""; [| "--help" |], ""; [| "--version" |], "" ]
            // A file may have any name.
            for name in "help" :: (Usage.commands |> List.map _.Name) do
                yield! [ [| "--config"; name |], ""; [| "-c"; name |], "" ]
        },
        fun (arguments, variable) -> asText (CommandLine.parse arguments variable) = asText (CommandLine.parseTheLongWay arguments variable)
    )

[<Fact>]
let ``an option wins over the environment, and without either the fault names both`` () =
    Law.HoldsFor([ "check"; "" ], fun command ->
        let with' rest = if command = "" then rest else Array.append [| command |] rest
        asText (CommandLine.parse (with' [| "--config"; "given" |]) "variable") |> fun text -> text.Contains "given"
        && (asText (CommandLine.parse (with' [||]) "variable")).Contains "variable"
        && (match CommandLine.parse (with' [||]) "" with
            | Error fault -> fault.Contains "--config" && fault.Contains "BITFLOW_CONFIG"
            | Ok _ -> false))

[<Fact>]
let ``check is strict where it is told to be, and -t never is`` () =
    Law.HoldsFor(
        [ [| "check"; "-c"; "x" |], false; [| "check"; "--config"; "x"; "--strict" |], true; [| "check"; "--strict"; "-c"; "x" |], true; [| "-t"; "-c"; "x" |], false ],
        fun (arguments, strict) -> asText (CommandLine.parse arguments "") = asText (Ok(Command.Check("x", strict))))

[<Fact>]
let ``a hundred thousand words are read`` () =
    Law.HoldsFor([ 100_000 ], fun count ->
        match CommandLine.parse (Array.append [| "inspect"; "hello" |] (Array.replicate count "16")) "" with
        | Ok(Command.Inspect(InspectSubject.Hello, input)) -> input.Length = 3 * count - 1
        | _ -> false)

[<Fact>]
let ``what is not understood is refused in one line, never with a stack trace`` () =
    Law.HoldsFor(
        [ [| "--nonsense" |]; [| "serve"; "x" |]; [| "echo" |]; [| "echo"; "nowhere" |]; [| "top" |]; [| "top"; "127.0.0.1" |]; [| "top"; "127.0.0.1:0" |]; [| "top"; "fd:3" |]; [| "diff"; "one" |]
          [| "inspect"; "what" |]; [| "explain"; "--config"; "x"; "--format"; "xml"; "--source"; "::1" |]; [| "--config" |] ],
        fun arguments ->
            match CommandLine.parse arguments "" with
            | Error fault -> fault.Length > 10 && not (fault.Contains '\n')
            | Ok _ -> false
    )

[<Fact>]
let ``an option may be joined to its value with an equals sign, and only the first sign divides them`` () =
    Law.HoldsFor(
        [ [| "--config=a=b.yaml" |], [| "--config"; "a=b.yaml" |]; [| "check"; "--config=x" |], [| "check"; "--config"; "x" |]
          [| "replay"; "--config=x"; "--log=y" |], [| "replay"; "--config"; "x"; "--log"; "y" |]
          [| "explain"; "--config=x"; "--source=::1"; "--open=7" |], [| "explain"; "--config"; "x"; "--source"; "::1"; "--open"; "7" |] ],
        fun (joined, parted) -> asText (CommandLine.parse joined "") = asText (CommandLine.parse parted "") && (asText (CommandLine.parse joined "")).StartsWith "Ok"
    )

[<Fact>]
let ``what stands behind an equals sign is the value, however it begins`` () =
    let asked option value =
        match CommandLine.parse [| "explain"; "--config=a"; "--source=::1"; $"--{option}={value}" |] "" with
        | Ok(Command.Explain asked) -> Ok asked
        | Ok other -> failwith $"%A{other}"
        | Error fault -> Error fault
    Law.HoldsFor([ "-x"; "-c"; "-h"; "--config"; "--source=x"; "-"; "a-b" ], fun value ->
        asText (CommandLine.parse [| $"--config={value}" |] "") = asText (Ok(Command.Serve value))
        && asText (CommandLine.parse [| "check"; $"--config={value}" |] "") = asText (Ok(Command.Check(value, false)))
        && asText (CommandLine.parse [| "replay"; $"--config={value}"; $"--log={value}" |] "") = asText (Ok(Command.Replay(value, value, false)))
        && (asked "down" value |> Result.map _.Down) = Ok [ value ]
        && (asked "down" $"-a,{value}" |> Result.map _.Down) = Ok [ "-a"; value ]
        && (asked "alpn" value |> Result.map _.ApplicationProtocols) = Ok [ value ]
        && (asked "proxy" value |> Result.map _.Proxy) = Ok value
        && (asked "header" value |> Result.map _.Header) = Ok value
        && (asked "sni" value |> Result.map _.ServerName) = Ok value
        && (asked "destination" value |> Result.map _.Destination) = Ok value)
    Law.HoldsFor(
        [ asked "open" "-5", "--open -5 is out of place; write a whole number from 0 to 2147483647"; asked "format" "-x", "--format -x is not known; write text or json"
          CommandLine.parse [| "explain"; "--config=a"; "--source=::1"; "--json"; "--format"; "text" |] "" |> Result.map (fun _ -> Unchecked.defaultof<_>), "--json and --format text contradict each other; write one of them" ],
        fun (asked, fault) -> asked = Error fault)
    Law.HoldsFor([ CommandLine.parse [| "explain"; "--config=a"; "--source=-x" |] "" ], fun parsed ->
        match parsed with
        | Ok(Command.Explain asked) -> asked.Source = "-x"
        | _ -> false)

[<Fact>]
let ``every command that the help shows is understood`` () =
    Law.HoldsFor(
        [ [| "check"; "--config"; "x" |]; [| "-t"; "--config"; "x" |]; [| "schema" |]; [| "echo"; ":80"; "unix:/x" |]; [| "diff"; "a"; "b" |]; [| "test"; "a" |]
          [| "replay"; "--config"; "a"; "--log"; "b" |]; [| "inspect"; "hello"; "16" |]; [| "top"; "127.0.0.1:9100" |]; [| "top"; ":9100" |]; [| "top"; "unix:/run/x" |]
          [| "explain"; "--config"; "x"; "--proxy"; "p"; "--source"; "10.1.2.3" |] ],
        fun arguments -> match CommandLine.parse arguments "" with Ok command -> not command.IsHelp | Error _ -> false
    )

[<Fact>]
let ``the lists of explain may be repeated or joined by commas, and JSON is asked for in either way`` () =
    let explained (rest: string list) =
        match CommandLine.parse (Array.ofList ([ "explain"; "--config"; "a"; "--source"; "::1" ] @ rest)) "" with
        | Ok(Command.Explain asked) -> asked.ApplicationProtocols, asked.Down, asked.AsJson
        | other -> failwith $"%A{other}"
    Law.HoldsFor(
        [ [], ([], [], false)
          [ "--alpn"; "h2,http/1.1"; "--down"; "a"; "--down"; "b" ], ([ "h2"; "http/1.1" ], [ "a"; "b" ], false)
          [ "--alpn"; "h2"; "http/1.1"; "--json" ], ([ "h2"; "http/1.1" ], [], true)
          [ "--down"; "a,,b"; "--format"; "json" ], ([], [ "a"; "b" ], true)
          [ "--format"; "text" ], ([], [], false) ],
        fun (rest, expected) -> explained rest = expected)

[<Fact>]
let ``a rehearsal answers in JSON where it is asked to, before its files or behind them`` () =
    Law.HoldsFor(
        [ [| "diff"; "a"; "b" |], Command.Diff("a", "b", false); [| "diff"; "a"; "b"; "--json" |], Command.Diff("a", "b", true); [| "diff"; "--json"; "a"; "b" |], Command.Diff("a", "b", true)
          [| "test"; "a" |], Command.Test("a", false); [| "test"; "a"; "--json" |], Command.Test("a", true); [| "test"; "--json"; "a" |], Command.Test("a", true)
          [| "replay"; "-c"; "a"; "--log"; "b" |], Command.Replay("a", "b", false); [| "replay"; "--json"; "-c"; "a"; "--log"; "b" |], Command.Replay("a", "b", true) ],
        fun (arguments, command) -> asText (CommandLine.parse arguments "") = asText (Ok command))

[<Fact>]
let ``a value of the wrong kind is told with the option that it was given to`` () =
    Law.HoldsFor([ "--open", "many"; "--open", "-1"; "--open", "+1"; "--open", "2147483648"; "--open", "99999999999"; "--ticket", "next"; "--ticket", "-5"; "--ticket", "9223372036854775808" ], fun (option, value) ->
        match CommandLine.parse [| "explain"; "--config"; "a"; "--source"; "::1"; option; value |] "" with
        | Error fault -> fault.StartsWith $"{option} {value} is out of place; write a whole number from 0 to "
        | Ok _ -> false)

[<Fact>]
let ``no fault of arguments is shown so that it could steer a terminal`` () =
    Law.HoldsFor(
        [ [| "echo"; "\027[31m\n" |]; [| "top"; "\027[31m:\n" |]; [| "explain"; "--config"; "a"; "--source"; "::1"; "--open"; "\027\n" |]; [| "explain"; "--config"; "a"; "--source"; "::1"; "--format"; "\027\n" |] ],
        fun arguments ->
            match CommandLine.parse arguments "" with
            | Error fault -> fault |> Seq.forall (System.Char.IsControl >> not)
            | Ok _ -> false)

[<Fact>]
let ``a fault is told in the words of the help, whatever the parser of arguments would say`` () =
    Law.HoldsFor(
        [ [| "chekc" |]; [| "--configfile"; "x" |]; [| "explain"; "--config"; "a" |]; [| "diff"; "a" |] ],
        fun arguments ->
            match Usage.read (Usage.separate (List.ofArray arguments)), CommandLine.parse arguments "" with
            | UsageReading.Fault fault, Error said -> said = Usage.describe fault
            | _ -> false)

[<Fact>]
let ``without --open none is open, and without --ticket the first target's turn has come`` () =
    let asked (rest: string list) =
        match CommandLine.parse (Array.ofList ([ "explain"; "--config"; "a"; "--source"; "::1" ] @ rest)) "" with
        | Ok(Command.Explain asked) -> asked.Open, asked.Ticket
        | other -> failwith $"%A{other}"
    Law.HoldsFor([ [], (0, 0L); [ "--open"; "7" ], (7, 0L); [ "--ticket"; "3" ], (0, 3L); [ "--open"; "2147483647"; "--ticket"; "9223372036854775807" ], (System.Int32.MaxValue, System.Int64.MaxValue) ], fun (rest, expected) -> asked rest = expected)

[<Fact>]
let ``an address that cannot be watched is refused for what it is`` () =
    Law.HoldsFor(
        [ "127.0.0.1:0", Address.describe AddressError.PortZero; "fd:3", "a descriptor of another process cannot be watched"; "fd:-1", "a descriptor of another process cannot be watched" ],
        fun (address, why) ->
            match CommandLine.parse [| "top"; address |] "" with
            | Error fault -> fault.StartsWith $"{address}: " && fault.Contains why
            | Ok _ -> false)
