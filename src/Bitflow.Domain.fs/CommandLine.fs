namespace Bitflow.Domain

open Argu

/// What the program was asked to do.
[<RequireQualifiedAccess; NoComparison>]
type Command =
    | Serve of configPath: string
    | Check of configPath: string
    | Schema
    /// Listen, and send back what comes.
    | Echo of addresses: Address list
    | Version
    | Help

[<RequireQualifiedAccess>]
module CommandLine =
    type private ConfigArguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string

        interface IArgParserTemplate with
            member _.Usage = "the configuration file"

    type private EchoArguments =
        | [<MainCommand; ExactlyOnce>] Addresses of address: string list

        interface IArgParserTemplate with
            member _.Usage = "where to listen"

    type private NoArguments =
        | [<Hidden>] Nothing

        interface IArgParserTemplate with
            member _.Usage = ""

    type private Arguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string
        | [<CustomCommandLine "-t"; Unique>] Test
        | [<AltCommandLine "-V"; Unique>] Version
        | [<CliPrefix(CliPrefix.None)>] Check of ParseResults<ConfigArguments>
        | [<CliPrefix(CliPrefix.None)>] Schema of ParseResults<NoArguments>
        | [<CliPrefix(CliPrefix.None)>] Echo of ParseResults<EchoArguments>

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Config _ -> "the configuration file"
                | Test -> "check the configuration, as the command check does"
                | Version -> "print the version"
                | Check _ -> "check a configuration without serving it"
                | Schema _ -> "print the JSON Schema of configuration files"
                | Echo _ -> "listen, and send back what comes"

    /// The first screen: what it does, how to begin.
    let help =
        "Bitflow, a flexible TCP proxy.\n\
         \n\
         bitflow --config FILE            serve (or set BITFLOW_CONFIG=FILE)\n\
         bitflow check --config FILE      check the file and print what would be served (also: -t)\n\
         bitflow schema                   print the JSON Schema of configuration files, for editors\n\
         bitflow echo ADDRESS...          listen there and send back what comes, as a target to try\n\
         bitflow --version, --help\n\
         \n\
         Signals: SIGTERM, SIGINT drain and end (a second one ends at once); SIGHUP reads the file again;\n\
         SIGUSR1 reopens connection logs; SIGUSR2 logs the state and the open connections.\n\
         Exit status: 0 done, 1 failed while running, 2 unusable arguments or configuration.\n\
         \n\
         Examples:\n\
         \u0020 bitflow check --config /etc/bitflow/config.yaml && systemctl reload bitflow\n\
         \u0020 bitflow echo 127.0.0.1:8081 & bitflow --config config.example.yaml\n"

    let private configPath (given: string option) (variable: string) : Result<string, string> =
        match given with
        | Some path when path <> "" -> Ok path
        | _ when not (System.String.IsNullOrEmpty variable) -> Ok variable
        | _ -> Error "no configuration: write --config FILE, or set BITFLOW_CONFIG"

    let private echo (addresses: string list) : Result<Command, string> =
        let read =
            addresses
            |> List.map (fun text -> Address.tryParse text |> Result.mapError (fun e -> $"{text}: {Address.describe e}"))
        match read |> List.tryPick (function Error e -> Some e | Ok _ -> None) with
        | Some fault -> Error fault
        | None -> Ok(Command.Echo(read |> List.choose Result.toOption))

    let private parseWithArgu (arguments: string[]) (variable: string) : Result<Command, string> =
        let parser = ArgumentParser.Create<Arguments>(programName = "bitflow", checkStructure = false)
        try
            let results = parser.ParseCommandLine(arguments, raiseOnUsage = false)
            if results.IsUsageRequested then
                Ok Command.Help
            elif results.Contains Version then
                Ok Command.Version
            else
                match results.TryGetSubCommand() with
                | Some(Check check) ->
                    if check.IsUsageRequested then Ok Command.Help
                    else
                        let given = check.TryGetResult ConfigArguments.Config |> Option.orElse (results.TryGetResult Config)
                        configPath given variable |> Result.map Command.Check
                | Some(Schema _) -> Ok Command.Schema
                | Some(Echo addresses) ->
                    if addresses.IsUsageRequested then Ok Command.Help else echo (addresses.GetResult Addresses)
                | _ ->
                    let command = if results.Contains Test then Command.Check else Command.Serve
                    configPath (results.TryGetResult Config) variable |> Result.map command
        with :? ArguParseException as e ->
            // The first line says what is wrong; the usage that follows it is longer than our own.
            Error(e.Message.Split('\n')[0])

    /// What the arguments ask for; `variable` is the value of BITFLOW_CONFIG, or empty.
    ///
    /// The two ways to serve are decided here, before the parser of all the rest is made: making it takes longer than
    /// everything else before the first connection is accepted. A law holds both to the same answer.
    [<CompiledName "Parse">]
    let parse (arguments: string[]) (variable: string) : Result<Command, string> =
        match arguments with
        | [| ("--config" | "-c"); path |] when path <> "" && not (path.StartsWith '-') -> Ok(Command.Serve path)
        | [||] -> configPath None variable |> Result.map Command.Serve
        | [| ("--help" | "-h" | "help") |] -> Ok Command.Help
        | [| "--version" |] -> Ok Command.Version
        | _ -> parseWithArgu arguments variable

    /// The same without the short way, for the law.
    let internal parseTheLongWay arguments variable = parseWithArgu arguments variable
