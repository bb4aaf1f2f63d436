namespace Bitflow.Domain

open Argu

/// What `bitflow explain` was asked, as it was written.
type ExplainRequest =
    { ConfigPath: string
      /// Empty: the only proxy of the configuration.
      Proxy: string
      Source: string
      /// The address that the client connects to; empty: the listener's.
      Destination: string
      /// What the client's PROXY header says: a source address, that and a destination, `local`, `unknown`, or empty for none.
      Header: string
      ServerName: string
      ApplicationProtocols: string list
      Down: string list
      Open: int
      Ticket: int64
      AsJson: bool }

/// What captured bytes are taken for.
[<RequireQualifiedAccess>]
type InspectSubject =
    | Hello
    | ProxyHeader

/// What the program was asked to do.
[<RequireQualifiedAccess; NoComparison>]
type Command =
    | Serve of configPath: string
    /// `strict`: what is doubtful is a failure too.
    | Check of configPath: string * strict: bool
    | Schema
    | Explain of request: ExplainRequest
    | Replay of configPath: string * logPath: string * asJson: bool
    | Diff of before: string * after: string * asJson: bool
    /// Run a file of cases.
    | Test of path: string * asJson: bool
    /// A file, or hexadecimal text.
    | Inspect of subject: InspectSubject * input: string
    /// Watch a running Bitflow through its admin server.
    | Top of admin: Address
    /// Listen, and send back what comes.
    | Echo of addresses: Address list
    | Version
    | Help of page: string

[<RequireQualifiedAccess>]
module CommandLine =
    type private CheckArguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string
        | [<Unique>] Strict

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Config _ -> "the configuration file"
                | Strict -> "what is doubtful fails too"

    type private EchoArguments =
        | [<MainCommand; ExactlyOnce>] Addresses of address: string list

        interface IArgParserTemplate with
            member _.Usage = "where to listen"

    type private ExplainArguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string
        | [<Unique>] Proxy of name: string
        | [<Mandatory; Unique>] Source of address: string
        | [<Unique>] Destination of address: string
        | [<Unique>] Header of header: string
        | [<Unique>] Sni of name: string
        | Alpn of protocols: string list
        | Down of targets: string list
        | [<Unique>] Open of connections: string
        | [<Unique>] Ticket of number: string
        | [<Unique>] Json
        | [<Unique>] Format of format: string

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Config _ -> "the configuration file"
                | Proxy _ -> "the proxy's name; not needed where there is one"
                | Source _ -> "the address that connects"
                | Destination _ -> "the address that it connects to"
                | Header _ -> "what its PROXY header says"
                | Sni _ -> "the server name in its hello"
                | Alpn _ -> "the application protocols in its hello"
                | Down _ -> "targets to take for down"
                | Open _ -> "connections of the proxy that are open"
                | Ticket _ -> "what round-robin draws"
                | Json -> "answer in JSON"
                | Format _ -> "text or json"

    type private ReplayArguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string
        | [<Mandatory; Unique>] Log of file: string
        | [<Unique>] Json

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Config _ -> "the configuration to decide by"
                | Log _ -> "a connection log"
                | Json -> "answer in JSON"

    type private FilesArguments =
        | [<MainCommand; ExactlyOnce>] Files of file: string list
        | [<Unique>] Json

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Files _ -> "what it reads"
                | Json -> "answer in JSON"

    type private WordsArguments =
        | [<MainCommand; ExactlyOnce>] Words of word: string list

        interface IArgParserTemplate with
            member _.Usage = "what it is about"

    type private NoArguments =
        | [<Hidden>] Nothing

        interface IArgParserTemplate with
            member _.Usage = ""

    type private Arguments =
        | [<AltCommandLine "-c"; Unique>] Config of file: string
        | [<CustomCommandLine "-t"; Unique>] Test
        | [<AltCommandLine "-V"; Unique>] Version
        | [<CliPrefix(CliPrefix.None)>] Check of ParseResults<CheckArguments>
        | [<CliPrefix(CliPrefix.None)>] Schema of ParseResults<NoArguments>
        | [<CliPrefix(CliPrefix.None)>] Echo of ParseResults<EchoArguments>
        | [<CliPrefix(CliPrefix.None)>] Explain of ParseResults<ExplainArguments>
        | [<CliPrefix(CliPrefix.None)>] Replay of ParseResults<ReplayArguments>
        | [<CliPrefix(CliPrefix.None)>] Diff of ParseResults<FilesArguments>
        | [<CliPrefix(CliPrefix.None); CustomCommandLine "test">] Cases of ParseResults<FilesArguments>
        | [<CliPrefix(CliPrefix.None)>] Inspect of ParseResults<WordsArguments>
        | [<CliPrefix(CliPrefix.None)>] Top of ParseResults<WordsArguments>

        interface IArgParserTemplate with
            member this.Usage =
                match this with
                | Config _ -> "the configuration file"
                | Test -> "check the configuration, as the command check does"
                | Version -> "print the version"
                | Check _ -> "check a configuration without serving it"
                | Schema _ -> "print the JSON Schema of configuration files"
                | Echo _ -> "listen, and send back what comes"
                | Explain _ -> "say what would be decided for a described client"
                | Replay _ -> "decide recorded connections again by another configuration"
                | Diff _ -> "say what a reload from one file to another would do"
                | Cases _ -> "run a file of cases"
                | Inspect _ -> "say what the parsers see in captured bytes"
                | Top _ -> "watch a running Bitflow"

    let private configPath (given: string option) (variable: string) : Result<string, string> =
        match given with
        | Some path when path <> "" -> Ok(Usage.bare path)
        | _ when not (System.String.IsNullOrEmpty variable) -> Ok variable
        | _ -> Error "no configuration: write --config FILE, or set BITFLOW_CONFIG"

    let private echo (addresses: string list) : Result<Command, string> =
        let read =
            addresses
            |> List.map (fun text -> Address.tryParse text |> Result.mapError (fun e -> $"{text}: {Address.describe e}"))
        match read |> List.tryPick (function Error e -> Some e | Ok _ -> None) with
        | Some fault -> Error fault
        | None -> Ok(Command.Echo(read |> List.choose Result.toOption))

    /// Not written: 0.
    let private number option (most: int64) (written: string option) : Result<int64, string> =
        match written with
        | None -> Ok 0L
        | Some text ->
            let text = Usage.bare text
            match WholeNumber.tryParse most text with
            | ValueSome number -> Ok number
            | ValueNone -> Error $"{option} {text} is out of place; write a whole number from 0 to {most}"

    let private explain (arguments: ParseResults<ExplainArguments>) (path: string) : Result<Command, string> =
        let text (result: string option) = result |> Option.map Usage.bare |> Option.defaultValue ""
        let list (lists: string list list) =
            lists |> List.concat |> List.collect (fun text -> List.ofArray ((Usage.bare text).Split ',')) |> List.filter ((<>) "")
        let format = arguments.TryGetResult ExplainArguments.Format |> Option.map Usage.bare
        let openConnections = number "--open" (int64 System.Int32.MaxValue) (arguments.TryGetResult ExplainArguments.Open)
        let ticket = number "--ticket" System.Int64.MaxValue (arguments.TryGetResult ExplainArguments.Ticket)
        match format, openConnections, ticket with
        | Some "text", _, _ when arguments.Contains ExplainArguments.Json -> Error "--json and --format text contradict each other; write one of them"
        | Some other, _, _ when other <> "text" && other <> "json" -> Error $"--format {other} is not known; write text or json"
        | _, Error fault, _
        | _, _, Error fault -> Error fault
        | _, Ok openConnections, Ok ticket ->
            Ok(
                Command.Explain
                    { ConfigPath = path
                      Proxy = text (arguments.TryGetResult ExplainArguments.Proxy)
                      Source = Usage.bare (arguments.GetResult ExplainArguments.Source)
                      Destination = text (arguments.TryGetResult ExplainArguments.Destination)
                      Header = text (arguments.TryGetResult ExplainArguments.Header)
                      ServerName = text (arguments.TryGetResult ExplainArguments.Sni)
                      ApplicationProtocols = list (arguments.GetResults ExplainArguments.Alpn)
                      Down = list (arguments.GetResults ExplainArguments.Down)
                      Open = int openConnections
                      Ticket = ticket
                      AsJson = arguments.Contains ExplainArguments.Json || format = Some "json" }
            )

    let private words (arguments: ParseResults<WordsArguments>) = arguments.GetResult Words

    let private inspect (words: string list) : Result<Command, string> =
        match words with
        | "hello" :: (_ :: _ as input) -> Ok(Command.Inspect(InspectSubject.Hello, String.concat " " input))
        | "proxy-header" :: (_ :: _ as input) -> Ok(Command.Inspect(InspectSubject.ProxyHeader, String.concat " " input))
        | _ -> Error "write: bitflow inspect hello FILE, or bitflow inspect proxy-header FILE; hexadecimal text may stand for the file"

    let private top (words: string list) : Result<Command, string> =
        match words with
        | [ text ] ->
            match Address.tryParse text with
            | Ok(Address.Tcp(_, _, 0)) -> Error $"{text}: {Address.describe AddressError.PortZero}"
            | Ok(Address.Descriptor _ | Address.NamedDescriptor _)
            | Error(AddressError.BadDescriptor _) -> Error $"{text}: a descriptor of another process cannot be watched; write \"host:port\" or \"unix:/path\""
            | Ok address -> Ok(Command.Top address)
            | Error fault -> Error $"{text}: {Address.describe fault}"
        | _ -> Error "write: bitflow top ADDRESS, the application.admin.address of a running Bitflow"

    let private parseWithArgu (arguments: string[]) (variable: string) : Result<Command, string> =
        // Unless it is told how wide the terminal is, it asks the console, which begins by changing the terminal's mode.
        let parser = ArgumentParser.Create<Arguments>(programName = "bitflow", usageStringCharacterWidth = 80, checkStructure = false)
        try
            let results = parser.ParseCommandLine(arguments, raiseOnUsage = false)
            if results.Contains Version then
                Ok Command.Version
            else
                match results.TryGetSubCommand() with
                | Some(Check check) ->
                    let given = check.TryGetResult CheckArguments.Config |> Option.orElse (results.TryGetResult Config)
                    configPath given variable |> Result.map (fun path -> Command.Check(path, check.Contains Strict))
                | Some(Schema _) -> Ok Command.Schema
                | Some(Explain arguments) ->
                    let given = arguments.TryGetResult ExplainArguments.Config |> Option.orElse (results.TryGetResult Config)
                    configPath given variable |> Result.bind (explain arguments)
                | Some(Replay arguments) ->
                    let given = arguments.TryGetResult ReplayArguments.Config |> Option.orElse (results.TryGetResult Config)
                    configPath given variable
                    |> Result.map (fun path -> Command.Replay(path, Usage.bare (arguments.GetResult Log), arguments.Contains ReplayArguments.Json))
                | Some(Diff arguments) ->
                    match arguments.GetResult Files with
                    | [ before; after ] -> Ok(Command.Diff(before, after, arguments.Contains FilesArguments.Json))
                    | _ -> Error "write: bitflow diff OLD NEW, two configuration files"
                | Some(Cases arguments) ->
                    match arguments.GetResult Files with
                    | [ path ] -> Ok(Command.Test(path, arguments.Contains FilesArguments.Json))
                    | _ -> Error "write: bitflow test FILE, one file of cases"
                | Some(Inspect arguments) -> inspect (words arguments)
                | Some(Top arguments) -> top (words arguments)
                | Some(Echo addresses) -> echo (addresses.GetResult Addresses)
                | _ ->
                    let command path = if results.Contains Test then Command.Check(path, false) else Command.Serve path
                    configPath (results.TryGetResult Config) variable |> Result.map command
        with :? ArguParseException as e ->
            // The first line says what is wrong; the usage that follows it is longer than our own.
            Error(e.Message.Split('\n')[0])

    /// The table of commands says what is wrong with arguments in words of our own; Argu reads those that are in order.
    let private parseByTable (arguments: string[]) (variable: string) : Result<Command, string> =
        let arguments = Usage.separate (List.ofArray arguments)
        match Usage.read arguments with
        | UsageReading.Help page -> Ok(Command.Help page)
        | UsageReading.Fault fault -> Error(Usage.describe fault)
        | UsageReading.Command -> parseWithArgu (Array.ofList arguments) variable |> Result.mapError Shown.escaped

    /// What the arguments ask for; `variable` is the value of BITFLOW_CONFIG, or empty.
    ///
    /// The two ways to serve are decided here, before the parser of all the rest is made: making it takes longer than
    /// everything else before the first connection is accepted. A law holds both to the same answer.
    [<CompiledName "Parse">]
    let parse (arguments: string[]) (variable: string) : Result<Command, string> =
        match arguments with
        | [| ("--config" | "-c"); path |] when path <> "" && not (path.StartsWith '-') -> Ok(Command.Serve path)
        | [||] -> configPath None variable |> Result.map Command.Serve
        | [| ("--help" | "-h") |] -> Ok(Command.Help Usage.overview)
        | [| "--version" |] -> Ok Command.Version
        | _ -> parseByTable arguments variable

    /// The same without the short way, for the law.
    let parseTheLongWay arguments variable = parseByTable arguments variable
