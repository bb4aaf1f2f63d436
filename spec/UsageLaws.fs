module Bitflow.Spec.UsageLaws

open System.IO
open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private file (path: string list) = File.ReadAllText(Path.Combine(Array.ofList (ConfigFileLaws.repository :: path)))

let private pages = Usage.overview :: (Usage.commands |> List.map Usage.page)

/// The spellings of a command's options, `--help` apart.
let private spellings (command: CommandUsage) =
    command.Options |> List.collect (fun option -> [ option.Name; option.Short ]) |> List.filter ((<>) "")

let private fault (arguments: string list) =
    match Usage.read (Usage.separate arguments) with
    | UsageReading.Fault fault -> Usage.describe fault
    | UsageReading.Command
    | UsageReading.Help _ -> ""

[<Fact>]
let ``every page of help fits a terminal of 24 lines of 80 characters`` () =
    Law.HoldsFor(pages, fun page -> (page.Split '\n').Length <= 23 && page.Split '\n' |> Array.forall (fun line -> line.Length < 80))

[<Fact>]
let ``the first screen names every command, and every page shows an example`` () =
    Law.HoldsFor(Usage.commands, fun command -> Usage.overview.Contains $"bitflow {command.Name} " && (Usage.page command).Contains "Example:")

[<Fact>]
let ``every example is understood`` () =
    Law.HoldsFor(
        Usage.commands |> List.collect _.Examples,
        fun example ->
            let own = (example.Split([| '>'; '&' |])[0]).Trim().Split(' ') |> Array.skip 1
            (CommandLine.parse own "").IsOk)

[<Fact>]
let ``help is found wherever it is asked for`` () =
    Law.HoldsFor(Usage.commands, fun command ->
        let asked arguments = Usage.read arguments = UsageReading.Help(Usage.page command)
        asked [ command.Name; "--help" ] && asked [ command.Name; "-h" ] && asked [ "help"; command.Name ])

[<Fact>]
let ``a mistyped command, option or file is answered with what was probably meant`` () =
    Law.HoldsFor(
        [ [ "chekc" ], "did you mean: bitflow check"
          [ "explian" ], "did you mean: bitflow explain"
          [ "version" ], "did you mean: bitflow --version"
          [ "serve"; "--config"; "x" ], "to serve, write: bitflow --config FILE"
          [ "frobnicate" ], "bitflow --help lists them"
          [ "check"; "--config"; "a.yaml"; "b.yaml" ], "\"b.yaml\" is one too many"
          [ "--config"; "a.yaml"; "b.yaml"; "c.yaml" ], "\"b.yaml\" is one too many"
          [ "check"; "b.yaml" ], "write: bitflow check --config b.yaml"
          [ "stop" ], "send the process SIGTERM"
          [ "reload" ], "send the process SIGHUP"
          [ "status" ], "write bitflow top"
          [ "validate" ], "did you mean: bitflow check"
          [ "--configfile"; "x" ], "did you mean --config?"
          [ "-config"; "x" ], "did you mean --config?"
          [ "check"; "--conf"; "x" ], "did you mean --config?"
          [ "explain"; "--sorce"; "x" ], "did you mean --source?"
          [ "explain"; "-prxi"; "x" ], "did you mean --proxy?"
          [ "bitflow.yaml" ], "write: bitflow --config bitflow.yaml"
          [ "check"; "bitflow.yaml" ], "write: bitflow check --config bitflow.yaml"
          [ "-c" ], "write: --config FILE"
          [ "check"; "--config"; "-c" ], "--config is without its value; write: --config FILE"
          [ "-t"; "schema" ], "bitflow schema has no option \"-t\""
          [ "--version"; "check" ], "bitflow check has no option \"--version\""
          [ "-c"; "x"; "inspect"; "hello"; "16" ], "bitflow inspect has no option \"--config\""
          [ "-c"; "x"; "help" ], "bitflow help has no option \"--config\""
          [ "check"; "-c"; "-t" ], "--config is without its value; write: --config FILE"
          [ "replay"; "--config=a"; "--log"; "-V" ], "--log is without its value; write: --log FILE"
          [ "--config"; "a"; "-c"; "b" ], "--config is written twice"
          [ "explain"; "--config"; "a" ], "needs --source ADDRESS"
          [ "replay"; "--config=a" ], "needs --log FILE"
          [ "diff"; "a" ], "write: bitflow diff OLD NEW"
          [ "top" ], "write: bitflow top ADDRESS"
          [ "schema"; "more" ], "bitflow help schema" ],
        fun (arguments, expected) -> (fault arguments).Contains expected)

[<Fact>]
let ``an empty word is refused wherever it stands, and an empty value as a missing one`` () =
    let commands = [ [ "" ]; [ "help"; "" ]; [ "check"; "" ]; [ "test"; "" ]; [ "diff"; ""; "b" ]; [ "diff"; "a"; "" ]; [ "inspect"; "hello"; "" ]; [ "top"; "" ]; [ "echo"; ":80"; "" ]; [ "explain"; "--source"; "::1"; "--down"; "a"; "" ] ]
    Law.HoldsFor(commands, fun arguments -> fault arguments = Usage.describe UsageFault.EmptyArgument)
    let valued = [ for command in Usage.serving :: Usage.commands do for option in command.Options do if option.Takes <> OptionTakes.Nothing then command, option.Name ]
    Law.HoldsFor(valued, fun (command, option) ->
        let before = if command.Name = "" then [] else [ command.Name ]
        let isRefused (written: string list) = (fault (before @ written)).StartsWith $"{option} is without its value"
        isRefused [ option; "" ] && isRefused [ $"{option}=" ])

[<Fact>]
let ``no argument is shown so that it could steer a terminal`` () =
    Law.Holds(fun (word: string) (others: string list) ->
        let word, others = (if isNull word then "" else word), others |> List.map (fun other -> if isNull other then "" else other)
        fault (word :: others) |> Seq.forall (System.Char.IsControl >> not))

[<Fact>]
let ``an option with its value behind an equals sign is the option and its value`` () =
    Law.Holds(fun (value: string) ->
        // A NUL is in no argument.
        let value = if isNull value then "" else value.Replace("\000", "")
        (Usage.separate [ "--config=" + value ] |> List.map Usage.bare) = [ "--config"; value ] && Usage.separate [ "--json=" + value ] = [ "--json=" + value ])

[<Fact>]
let ``the completions of each shell offer every command with its options, and no others`` () =
    let bash, zsh, fish =
        file [ "deploy"; "completions"; "bitflow.bash" ], file [ "deploy"; "completions"; "_bitflow" ], file [ "deploy"; "completions"; "bitflow.fish" ]
    let names = Usage.commands |> List.map _.Name |> String.concat " "
    let bashOffers (command: CommandUsage) =
        let head = if command.Name = "" then "\"\"" else command.Name
        let line = Regex.Match(bash, $@"(?m)^        {Regex.Escape head}\) words=""(?<words>[^""]*)""").Groups["words"].Value
        let expected = spellings command @ [ "--help"; "-h" ] @ (if command.Name = "" then Usage.commands |> List.map _.Name else [])
        Set.ofArray (line.Split ' ') = Set.ofList expected
    /// The branch of a command: from its name to the end of the branch.
    let zshOffers (command: CommandUsage) =
        let branch =
            if command.Name = "" then zsh.Substring(zsh.LastIndexOf "_arguments -C")
            else Regex.Match(zsh, $@"(?ms)^        {command.Name}\).*?;;").Value
        let offered = Regex.Matches(branch, @"(?<=['{,*])--?[a-zA-Z]+(?==?[\[},])") |> Seq.map _.Value |> Set.ofSeq
        offered = Set.ofList (spellings command @ [ "--help"; "-h" ])
    let fishOffers (command: CommandUsage) =
        let condition = if command.Name = "" then "\"not __fish_seen_subcommand_from $commands\"" else $"'__fish_seen_subcommand_from {command.Name}'"
        let offered =
            fish.Split '\n'
            |> Seq.filter _.Contains($"-n {condition}")
            |> Seq.collect (fun line ->
                Regex.Matches(line, @" -(?<kind>[sl]) (?<name>\w+)")
                |> Seq.map (fun option -> (if option.Groups["kind"].Value = "s" then "-" else "--") + option.Groups["name"].Value))
            |> Set.ofSeq
        offered = Set.ofList (spellings command)
    Law.HoldsFor(Usage.serving :: Usage.commands, fun command -> bashOffers command && zshOffers command && fishOffers command)
    Law.HoldsFor([ fish ], fun fish -> fish.Contains $"set -l commands {names}\n")
    Law.HoldsFor(Usage.commands, fun command -> zsh.Contains $"    '{command.Name}:" && fish.Contains $" -a {command.Name} -d ")

[<Fact>]
let ``the manual page has every command with its options, and no others`` () =
    let page = (file [ "deploy"; "bitflow.1" ]).Replace("\\-", "-")
    let commands = page.Substring(page.IndexOf ".SH COMMANDS", page.IndexOf ".SH SIGNALS" - page.IndexOf ".SH COMMANDS")
    let listed = Regex.Matches(commands, @"(?m)^\.TP\n\.B (?<name>[a-z]+)") |> Seq.map _.Groups["name"].Value |> Seq.toList
    Law.HoldsFor([ listed ], fun listed -> listed = (Usage.commands |> List.map _.Name))
    Law.HoldsFor(Usage.commands, fun command ->
        let section = Regex.Match(commands, $@"(?ms)^\.TP\n\.B {command.Name}\b.*?(?=^\.TP\n\.B [a-z]|\z)").Value
        let shown = Regex.Matches(section, @"--[a-z]+") |> Seq.map _.Value |> Set.ofSeq
        shown = (command.Options |> List.map _.Name |> Set.ofList))
    Law.HoldsFor(Usage.serving.Options, fun option -> page.Contains option.Name)

[<Fact>]
let ``a page shows that there are options exactly where some may be left out`` () =
    let first name = (Usage.page (Usage.commands |> List.find (fun command -> command.Name = name))).Split('\n')[0]
    Law.HoldsFor(
        [ "explain", true; "check", true; "schema", false; "replay", true; "diff", true; "inspect", false ],
        fun (name, more) -> (first name).EndsWith " [options]" = more)

[<Fact>]
let ``an option that takes one value is shown with one, one that takes several with dots`` () =
    let page = Usage.page (Usage.commands |> List.find (fun command -> command.Name = "explain"))
    Law.HoldsFor([ page ], fun page -> Regex.IsMatch(page, @"--sni [A-Z]+ ") && Regex.IsMatch(page, @"--down [A-Z]+\.\.\. "))

[<Fact>]
let ``a word is told from others by its beginning and its end, even where it leaves the most of it out`` () =
    let known = [ "address"; "admin"; "log"; "shutdown_timeout"; "read_timeout" ]
    Law.HoldsFor(
        [ "shutdwon", "shutdown_timeout"; "shutdown", "shutdown_timeout"; "timeout", "shutdown_timeout"; "read", "read_timeout"
          "adress", "address"; "admn", "admin"; "lgo", "log"; "ad", "address" ],
        fun (word, meant) -> Spelling.nearest word known = ValueSome meant
    )
    // A part that fits is worth two letters that do not.
    Law.HoldsFor(
        [ [ "tabc"; "timeouts" ], "timeouts"; [ "tibc"; "timeouts" ], "tibc" ],
        fun (known, meant) -> Spelling.nearest "time" known = ValueSome meant
    )

[<Fact>]
let ``a word is taken for another that it is part of, shares a word with or differs little from, and for none else`` () =
    let ofTargets = [ "name"; "address"; "proxy"; "connect_attempts"; "connect_timeout"; "read_timeout"; "tls_context" ]
    let ofOptions = [ "connection_limit"; "connection_lifetime"; "connection_log"; "connection_load_balancer"; "enable_dual_stack" ]
    Law.HoldsFor(
        [ "weight", ofTargets, ""; "retries", ofTargets, ""; "check", ofTargets, ""; "backup", ofTargets, ""; "max_fails", ofTargets, ""; "sni", ofTargets, ""; "ssl", ofTargets, ""
          "tls", ofTargets, "tls_context"; "timeout_read", ofTargets, "read_timeout"; "adress", ofTargets, "address"; "Read-Timeout", ofTargets, "read_timeout"; "proxy_protocol", ofTargets, "proxy"
          "nodelay", ofOptions, ""; "log_file", ofOptions, "connection_log"; "of", ofOptions, ""; "balance", ofOptions, "connection_load_balancer"; "limit", ofOptions, "connection_limit"; "dual_stack", ofOptions, "enable_dual_stack"
          "ca", [ "key"; "certificate"; "authority" ], ""; "chain", [ "key"; "certificate"; "authority" ], ""; "cert", [ "key"; "certificate"; "authority" ], "certificate"
          "key_file", [ "key"; "certificate"; "authority" ], "key"; "", [ "key" ], "" ],
        fun (word, known, meant) -> Spelling.similar word known = (if meant = "" then ValueNone else ValueSome meant))

[<Fact>]
let ``two neighbours in the wrong order are one mistake`` () =
    Law.HoldsFor([ "tset", ValueSome "test"; "idff", ValueSome "diff"; "tets", ValueSome "test"; "ttse", ValueNone ], fun (word, meant) -> Spelling.similar word [ "test"; "diff" ] = meant)
