namespace Bitflow.Domain

open System

/// How many values follow an option.
[<RequireQualifiedAccess>]
type OptionTakes =
    | Nothing
    | One of value: string
    | Several of value: string

/// An option of a command, `--config` for example.
type UsageOption =
    { Name: string
      /// Another way to write it, `-c`; empty: none.
      Short: string
      Takes: OptionTakes
      IsNeeded: bool
      Meaning: string }

/// What follows a command apart from options.
type UsageWords =
    { Written: string
      Least: int
      Most: int }

/// A command as an operator writes it: what the help, the completions and the manual page say of it.
type CommandUsage =
    { /// Empty: to serve.
      Name: string
      Words: UsageWords
      Does: string
      Options: UsageOption list
      /// What else there is to know, lines of at most 78 characters.
      Notes: string list
      Examples: string list }

/// Why arguments mean nothing.
[<RequireQualifiedAccess>]
type UsageFault =
    /// A word, or one of several values of an option. A variable of a shell that is not set makes such arguments.
    | EmptyArgument
    | ServesWithoutACommand of word: string
    /// What other programs have a command for, and a process is asked for by a signal.
    | AskedBySignal of word: string * signal: string
    | FileWithoutOption of command: CommandUsage * file: string
    /// What a pattern of the shell's makes of `--config *.yaml`.
    | FileTooMany of file: string
    | UnknownCommand of word: string * near: string voption
    | UnknownOption of command: CommandUsage * option: string * near: string voption
    | NoValue of command: CommandUsage * option: UsageOption
    | Twice of option: string
    | Needs of command: CommandUsage * option: UsageOption
    | WordsWrong of command: CommandUsage * words: string list

/// What arguments ask for, before they are read.
[<RequireQualifiedAccess>]
type UsageReading =
    /// They are in order.
    | Command
    | Help of page: string
    | Fault of UsageFault

/// The table of commands: the help, the completions, the manual page and every message about arguments come from it,
/// or are held to it by a law.
[<RequireQualifiedAccess>]
module Usage =
    let private option name short takes meaning =
        { Name = name; Short = short; Takes = takes; IsNeeded = false; Meaning = meaning }

    let private words written least most = { Written = written; Least = least; Most = most }

    let private noWords = words "" 0 0

    let private config = option "--config" "-c" (OptionTakes.One "FILE") "the configuration (or set BITFLOW_CONFIG=FILE)"

    let private json = option "--json" "" OptionTakes.Nothing "answer in JSON"

    /// The same everywhere, and therefore in no command's own list.
    let help = option "--help" "-h" OptionTakes.Nothing "say how to use it"

    /// Serving: what `bitflow` does without the name of a command.
    let serving =
        { Name = ""
          Words = noWords
          Does = "serve"
          Options =
            [ config
              option "-t" "" OptionTakes.Nothing "check the configuration, as the command check does"
              option "--version" "-V" OptionTakes.Nothing "print the version" ]
          Notes = []
          Examples = [] }

    let commands: CommandUsage list =
        [ { Name = "check"
            Words = noWords
            Does = "say what would be served, or all that is wrong"
            Options = [ config; option "--strict" "" OptionTakes.Nothing "exit status 1 where there are warnings" ]
            Notes =
              [ "Runs the very plan that starting runs: files and certificates are loaded,"
                "nothing is bound. Errors and warnings go to standard error, a line each, as"
                "FILE:LINE:COLUMN: KEY: what is wrong, and what would be right. Exit status 2"
                "where anything is wrong." ]
            Examples = [ "bitflow check --config bitflow.yaml && systemctl reload bitflow" ] }
          { Name = "explain"
            Words = noWords
            Does = "say what would be decided for a client, and why"
            Options =
              [ config
                option "--proxy" "" (OptionTakes.One "NAME") "whose client it is; not needed of one proxy alone"
                { option "--source" "" (OptionTakes.One "ADDRESS") "where it connects from" with IsNeeded = true }
                option "--destination" "" (OptionTakes.One "ADDRESS") "where it connects to; else the listener's address"
                option "--header" "" (OptionTakes.One "HEADER") "PROXY header: SOURCE[,DESTINATION], local or unknown"
                option "--sni" "" (OptionTakes.One "NAME") "the server name in its hello"
                option "--alpn" "" (OptionTakes.Several "PROTOCOL") "the application protocols in its hello"
                option "--down" "" (OptionTakes.Several "TARGET") "targets to take for down"
                option "--open" "" (OptionTakes.One "N") "connections of the proxy that are open already"
                option "--ticket" "" (OptionTakes.One "N") "what round-robin draws"
                { json with Meaning = "answer in JSON (also: --format json)" }
                option "--format" "" (OptionTakes.One "text|json") "text or json" ]
            Notes = []
            Examples = [ "bitflow explain --config bitflow.yaml --source 10.1.2.3 --down primary" ] }
          { Name = "test"
            Words = words "FILE" 1 1
            Does = "run cases: this client and target, expect that"
            Options = [ json ]
            Notes =
              [ "The file is YAML: \"config\" names a configuration, \"cases\" lists cases with"
                "name, proxy, client, header, sni, alpn, keys, open, ticket, alive, down and"
                "expect (target, refused, certificate, attempts). Exit status 1: one failed." ]
            Examples = [ "bitflow test cases.yaml" ] }
          { Name = "diff"
            Words = words "OLD NEW" 2 2
            Does = "say what a reload to another file would do"
            Options = [ json ]
            Notes = [ "Exit status 1 where such a reload is known to fail." ]
            Examples = [ "bitflow diff /etc/bitflow/config.yaml new.yaml" ] }
          { Name = "replay"
            Words = noWords
            Does = "decide a recorded log again by another file"
            Options =
              [ config
                { option "--log" "" (OptionTakes.One "FILE") "a connection log, as it is or compressed by gzip" with IsNeeded = true }
                { json with Meaning = "answer in JSON, an object a line, the sum last" } ]
            Notes = []
            Examples = [ "bitflow replay --config new.yaml --log /var/log/bitflow/web.jsonl" ] }
          { Name = "inspect"
            Words = words "hello|proxy-header FILE|HEX" 2 Int32.MaxValue
            Does = "say what the parsers see in captured bytes"
            Options = []
            Notes = [ "Exit status 1 where the bytes are not whole, or not valid." ]
            Examples = [ "bitflow inspect proxy-header 50524f585920554e4b4e4f574e0d0a" ] }
          { Name = "top"
            Words = words "ADDRESS" 1 1
            Does = "watch a running Bitflow through its admin server"
            Options = []
            Notes =
              [ "ADDRESS is its application.admin.address. Where the output is no terminal, one"
                "table is printed." ]
            Examples = [ "bitflow top 127.0.0.1:9090" ] }
          { Name = "schema"
            Words = noWords
            Does = "print the JSON Schema of files, for editors"
            Options = []
            Notes = []
            Examples = [ "bitflow schema > bitflow.schema.json" ] }
          { Name = "echo"
            Words = words "ADDRESS..." 1 Int32.MaxValue
            Does = "listen and send back what comes: a target to try"
            Options = []
            Notes = []
            Examples = [ "bitflow echo 127.0.0.1:8081" ] }
          { Name = "help"
            Words = words "COMMAND" 0 1
            Does = "more about one of these"
            Options = []
            Notes = []
            Examples = [ "bitflow help explain" ] } ]

    let private tryCommand name = commands |> List.tryFind (fun command -> command.Name = name)

    let private valueOf takes =
        match takes with
        | OptionTakes.Nothing -> ""
        | OptionTakes.One value -> " " + value
        | OptionTakes.Several value -> $" {value}..."

    let private invocation (command: CommandUsage) = if command.Name = "" then "bitflow" else $"bitflow {command.Name}"

    /// The words of a command behind its name, with the options that it needs.
    let private synopsis (command: CommandUsage) =
        let needed = [ for option in command.Options do if option.IsNeeded || option.Name = "--config" then option.Name + valueOf option.Takes ]
        String.concat " " (invocation command :: needed @ (if command.Words.Written = "" then [] else [ command.Words.Written ]))

    /// The first screen, within 24 lines of 80 characters: what there is, and how to begin.
    let overview =
        let row (left: string) right = $"  {left.PadRight 27} {right}"
        let commandRow command =
            let left = if command.Words.Most > 2 && command.Words.Least = 2 then "WHAT BYTES" else command.Words.Written
            row (invocation command + (if left = "" then "" else " " + left)) command.Does
        [ yield "Bitflow, a flexible TCP proxy."
          yield ""
          yield row "bitflow --config FILE" "serve (or set BITFLOW_CONFIG=FILE)"
          for command in commands do yield commandRow command
          yield row "bitflow --version" "print the version"
          yield ""
          yield "Signals: TERM and INT drain and end, a second one ends at once; HUP reads the"
          yield "file again; USR1 reopens connection logs; USR2 logs the open connections."
          yield "Exit status: 0 done, 1 failed while running, 2 unusable arguments or files."
          yield ""
          yield "Examples:"
          yield "  bitflow check --config bitflow.yaml && bitflow --config bitflow.yaml"
          yield "  bitflow echo 127.0.0.1:8081 & bitflow --config config.example.yaml" ]
        |> String.concat "\n"

    /// The help of one command, within a screen too.
    let page (command: CommandUsage) : string =
        let optionRow option =
            let names = if option.Short = "" then option.Name else $"{option.Short}, {option.Name}"
            $"  {(names + valueOf option.Takes).PadRight 24} {option.Meaning}"
        let section title lines = if List.isEmpty lines then [] else "" :: title :: lines
        let hasMore = command.Options |> List.exists (fun option -> not option.IsNeeded && option.Name <> config.Name)
        [ yield synopsis command + (if hasMore then " [options]" else "")
          yield $"    {command.Does}"
          yield! section "Options:" (command.Options |> List.map optionRow)
          if not command.Notes.IsEmpty then yield! "" :: command.Notes
          yield! section "Example:" (command.Examples |> List.map (fun example -> "  " + example)) ]
        |> String.concat "\n"

    let private known (command: CommandUsage) = help :: command.Options

    let private isWritten (text: string) (option: UsageOption) = text = option.Name || (option.Short <> "" && text = option.Short)

    let private tryOption command text = known command |> List.tryFind (isWritten text)

    let private allOptions = help :: serving.Options @ (commands |> List.collect _.Options)

    /// Stands before a value that would pass for an option or a command: behind an equals sign it cannot be the one, behind an option that takes a value not the other.
    /// No argument of a process has it within.
    let private valueMark = '\000'

    /// A value that `separate` left, as it was written.
    let bare (value: string) = value.TrimStart valueMark

    let private marked (value: string) = $"{valueMark}{value}"

    /// `--config=FILE` is `--config FILE`, for every option that takes a value. Arguments may be many: the bytes of a dump, each a word.
    let separate (arguments: string list) : string list =
        let takesOne name = allOptions |> List.exists (fun option -> isWritten name option && option.Takes.IsOne)
        let rec go separated arguments =
            match arguments with
            | option :: value :: rest when takesOne option && (tryCommand value).IsSome -> go (marked value :: option :: separated) rest
            | argument :: rest ->
                match argument.IndexOf '=' with
                | at when at > 2 && argument.StartsWith("--", StringComparison.Ordinal) ->
                    let name = argument.Substring(0, at)
                    if allOptions |> List.exists (fun option -> option.Name = name && option.Takes <> OptionTakes.Nothing) then
                        let value = argument.Substring(at + 1)
                        go ((if value.StartsWith '-' || (tryCommand value).IsSome then marked value else value) :: name :: separated) rest
                    else
                        go (argument :: separated) rest
                | _ -> go (argument :: separated) rest
            | [] -> List.rev separated
        go [] arguments

    let private isOption (word: string) = word.StartsWith("--", StringComparison.Ordinal) || (allOptions |> List.exists (isWritten word))

    let private isFile (word: string) = word.Contains '/' || word.EndsWith(".yaml", StringComparison.Ordinal) || word.EndsWith(".yml", StringComparison.Ordinal)

    let private takesConfig command = command.Options |> List.exists (fun option -> option.Name = config.Name)

    /// What others call what a signal asks for.
    let private signalled =
        [ "stop", "TERM"; "shutdown", "TERM"; "quit", "TERM"; "kill", "TERM"; "drain", "TERM"; "reload", "HUP"; "restart", "HUP"; "rotate", "USR1"; "reopen", "USR1"; "status", "USR2" ]

    let private strayWord command (given: string list) word =
        if takesConfig command && List.contains config.Name given && isFile word then UsageFault.FileTooMany word
        elif takesConfig command && isFile word then UsageFault.FileWithoutOption(command, word)
        elif command.Name <> "" then UsageFault.WordsWrong(command, [ word ])
        elif List.contains word [ "serve"; "start"; "run"; "proxy" ] then UsageFault.ServesWithoutACommand word
        elif List.contains word [ "validate"; "verify"; "configtest"; "lint" ] then UsageFault.UnknownCommand(word, ValueSome "check")
        else
            match List.tryFind (fun (asked, _) -> asked = word) signalled with
            | Some(_, signal) -> UsageFault.AskedBySignal(word, signal)
            | None -> UsageFault.UnknownCommand(word, Spelling.similar word ("--version" :: (commands |> List.map _.Name)))

    let private endOf command (words: string list) (given: string list) =
        match command.Options |> List.tryFind (fun option -> option.IsNeeded && not (List.contains option.Name given)) with
        | Some missing -> UsageReading.Fault(UsageFault.Needs(command, missing))
        | None when words.Length < command.Words.Least || words.Length > command.Words.Most ->
            match words with
            | word :: _ when command.Words.Most = 0 -> UsageReading.Fault(strayWord command given word)
            | _ -> UsageReading.Fault(UsageFault.WordsWrong(command, words))
        | None -> UsageReading.Command

    let rec private readBehind command (words: string list) (given: string list) (rest: string list) : UsageReading =
        match rest with
        | [] -> endOf command (List.rev words) given
        | "" :: _ -> UsageReading.Fault UsageFault.EmptyArgument
        | text :: rest when text.StartsWith '-' && text <> "-" ->
            match tryOption command text with
            | Some option when option.Name = help.Name -> UsageReading.Help(if command.Name = "" then overview else page command)
            | Some option ->
                let isTwice = match option.Takes with OptionTakes.Several _ -> false | _ -> List.contains option.Name given
                match option.Takes, rest with
                | _ when isTwice -> UsageReading.Fault(UsageFault.Twice option.Name)
                | OptionTakes.Nothing, _ -> readBehind command words (option.Name :: given) rest
                | OptionTakes.One _, value :: rest when value <> "" && not (isOption value) ->
                    readBehind command words (option.Name :: given) rest
                | OptionTakes.Several _, value :: _ when value <> "" && not (value.StartsWith '-') ->
                    readBehind command words (option.Name :: given) (rest |> List.skipWhile (fun value -> value <> "" && not (value.StartsWith '-')))
                | _ -> UsageReading.Fault(UsageFault.NoValue(command, option))
            | None ->
                let bare (name: string) = name.TrimStart '-'
                let names = known command |> List.map _.Name
                let near =
                    Spelling.similar (bare (text.Split('=')[0])) (names |> List.map bare)
                    |> ValueOption.map (fun near -> names |> List.find (fun name -> bare name = near))
                UsageReading.Fault(UsageFault.UnknownOption(command, text, near))
        | word :: rest when command.Name = "" ->
            match tryCommand word with
            | Some command ->
                // What was said of serving must mean something to the command too.
                match given |> List.tryFind (fun option -> (tryOption command option).IsNone) with
                | Some option -> UsageReading.Fault(UsageFault.UnknownOption(command, option, ValueNone))
                | None -> readBehind command [] given rest
            | None -> UsageReading.Fault(strayWord command given word)
        | word :: rest -> readBehind command (word :: words) given rest

    /// Arguments, after `separate`, read against the table.
    let read (arguments: string list) : UsageReading =
        match arguments with
        | [ "help" ] -> UsageReading.Help overview
        | [ "help"; name ] when name <> "" && not (name.StartsWith '-') ->
            match tryCommand name with
            | Some command -> UsageReading.Help(page command)
            | None -> UsageReading.Fault(strayWord serving [] name)
        | _ -> readBehind serving [] [] arguments

    let private tryHelp (command: CommandUsage) =
        if command.Name = "" then "bitflow --help says how to use it" else $"bitflow help {command.Name} says how to use it"

    /// What is wrong, and the next step.
    let describe (fault: UsageFault) : string =
        let shown (text: string) = $"\"{Shown.line text}\""
        match fault with
        | UsageFault.EmptyArgument -> "an argument is empty; write something in its place, or leave it out"
        | UsageFault.ServesWithoutACommand word -> $"there is no command {shown word}; to serve, write: bitflow --config FILE"
        | UsageFault.AskedBySignal(word, "USR2") -> $"there is no command {shown word}; write bitflow top, or send the process SIGUSR2, whose answer is in its log"
        | UsageFault.AskedBySignal(word, signal) -> $"there is no command {shown word}; send the process SIG{signal}, as in: kill -{signal} PID"
        | UsageFault.FileWithoutOption(command, file) ->
            $"{shown file} stands alone; write: {invocation command} --config {Shown.line file}"
        | UsageFault.FileTooMany file -> $"one configuration is read at a time, and {shown file} is one too many; leave it out"
        | UsageFault.UnknownCommand(word, ValueSome near) -> $"there is no command {shown word}; did you mean: bitflow {near}"
        | UsageFault.UnknownCommand(word, ValueNone) -> $"there is no command {shown word}; bitflow --help lists them"
        | UsageFault.UnknownOption(command, option, ValueSome near) -> $"{invocation command} has no option {shown option}; did you mean {near}?"
        | UsageFault.UnknownOption(command, option, ValueNone) -> $"{invocation command} has no option {shown option}; {tryHelp command}"
        | UsageFault.NoValue(_, option) -> $"{option.Name} is without its value; write: {option.Name}{valueOf option.Takes}"
        | UsageFault.Twice option -> $"{option} is written twice; write it once"
        | UsageFault.Needs(command, option) -> $"{invocation command} needs {option.Name}{valueOf option.Takes}, {option.Meaning}; {tryHelp command}"
        | UsageFault.WordsWrong(command, _) when command.Words.Most = 0 ->
            $"{invocation command} takes nothing that is not an option; {tryHelp command}"
        | UsageFault.WordsWrong(command, _) -> $"write: {synopsis command}; {tryHelp command}"
