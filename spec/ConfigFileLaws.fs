module Bitflow.Spec.ConfigFileLaws

open System
open System.IO
open System.Text
open System.Text.RegularExpressions
open Xunit
open Bitflow.Domain

let private read (text: string) = ConfigFile.Read("config.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes text))

let private config (text: string) =
    let reading = read text
    if reading.IsUsable then Some reading.Config else None

/// Line, column, path and message of a line of the reader's.
let private parts (line: string) =
    let found = Regex.Match(line, @"^config\.yaml:([0-9]+):([0-9]+): (\S.*?): (.+)$")
    if not found.Success then failwith $"no such line should be written: {line}"
    int found.Groups[1].Value, int found.Groups[2].Value, found.Groups[3].Value, found.Groups[4].Value

let private paths (lines: string seq) = lines |> Seq.map parts |> Seq.map (fun (_, _, path, _) -> path) |> Seq.toList

/// A file with one proxy, to which lines are added: of the listener, the first target, and the options.
let private file (listener: string) (target: string) (options: string) =
    let indented n (text: string) = text.Split('\n') |> Array.filter ((<>) "") |> Array.map (fun line -> String(' ', n) + line + "\n") |> String.Concat
    "server:\n  proxies:\n    - name: a\n      listener:\n        address: :80\n"
    + indented 8 listener
    + "      targets:\n        - name: t\n          address: localhost:81\n"
    + indented 10 target
    + (if options = "" then "" else "      options:\n" + indented 8 options)

[<Fact>]
let ``a configuration that was written reads back as itself, however it is written`` () =
    Law.Holds(fun (ValidConfig expected) ->
        [ for isFull in [ false; true ] do
              let written = Written.ofConfig isFull expected
              Written.block written
              Written.flow written
              "\uFEFF" + (Written.block written).Replace("\n", "\r\n") ]
        |> List.forall (fun text ->
            let reading = read text
            if reading.Errors.Count > 0 then failwithf "%A\n%s" (List.ofSeq reading.Errors) text
            reading.Config = expected))

[<Fact>]
let ``a tag without meaning is the only error of its value, which is read as if it had none`` () =
    Law.HoldsFor(
        [ "connect_attempts: !foo 3", ""
          "connect_timeout: !foo 5s", ""
          "connect_timeout: !foo", ""
          "connect_timeout: !foo '5s'", ""
          "", "enable_dual_stack: !foo true" ],
        fun (target, options) ->
            let errors = read(file "" target options).Errors
            errors.Count = 1 && errors[0].Contains "the tag \"!foo\" has no meaning here")

let private linesOf (bytes: byte array) = Encoding.UTF8.GetString(bytes).Replace("\r\n", "\n").Replace('\r', '\n').Split('\n')

[<Fact>]
let ``no bytes make the reader throw, and it answers with a configuration or with errors, each inside the file`` () =
    Law.Holds(fun (HostileConfig bytes) ->
        let reading = ConfigFile.Read("config.yaml", ReadOnlyMemory bytes)
        let lines = linesOf bytes
        let isInside line =
            let line, column, _, message = parts line
            line >= 1 && line <= lines.Length && column >= 1 && column <= lines[line - 1].Length + 1 && message <> ""
        let isLast (line: string) = line.EndsWith " more errors"
        reading.IsUsable = (reading.Errors.Count = 0)
        && reading.Errors |> Seq.filter (isLast >> not) |> Seq.forall isInside
        && reading.Warnings |> Seq.forall isInside)

[<Fact>]
let ``whatever a file says, a message is one line that steers no terminal`` () =
    Law.Holds(fun (HostileConfig bytes) ->
        let reading = ConfigFile.Read("config.yaml", ReadOnlyMemory bytes)
        Seq.append reading.Errors reading.Warnings
        |> Seq.forall (fun line -> line.Length < 1_000 && line |> Seq.forall (fun c -> not (Char.IsControl c) && c <> '\u2028' && c <> '\u2029')))

[<Fact>]
let ``a name however long leaves what is said of it whole`` () =
    for length in [ 10; 200; 1_000; 100_000 ] do
        let name = String('x', length)
        for text, expected in [ $"{{ {name}: [ }}", "not YAML"; $"server: {{ {name}: 1 }}", "this key is not known" ] do
            let said = (read text).Errors |> Seq.map parts |> Seq.map (fun (_, _, _, message) -> message) |> Seq.toList
            Assert.Contains(said, fun message -> message.Contains expected)

[<Fact>]
let ``errors stand in the order of the file`` () =
    Law.Holds(fun (HostileConfig bytes) ->
        let places =
            ConfigFile.Read("config.yaml", ReadOnlyMemory bytes).Errors
            |> Seq.filter (fun line -> not (line.EndsWith " more errors"))
            |> Seq.map (parts >> fun (line, column, _, _) -> line, column)
            |> Seq.toList
        places = List.sort places)

/// The paths of all scalars of a file, and the file with some of them replaced by a mapping.
let rec private spoiled (path: YamlPath) (isChosen: YamlPath -> bool) written : Written * YamlPath list =
    match written with
    | Written.Map members ->
        let members = members |> List.map (fun (name, value) -> name, spoiled (path / name) isChosen value)
        Written.Map(members |> List.map (fun (name, (value, _)) -> name, value)), members |> List.collect (snd >> snd)
    | Written.List items ->
        let items = items |> List.mapi (fun i item -> spoiled (path / i) isChosen item)
        Written.List(List.map fst items), List.collect snd items
    | scalar when isChosen path -> (ignore scalar; Written.Map []), [ path ]
    | scalar -> scalar, []

[<Fact>]
let ``all errors are reported together, and no error brings forth another`` () =
    Law.Holds(fun (ValidConfig config) (seed: int) ->
        let isChosen (path: YamlPath) = (hash (string path) ^^^ seed) % 7 = 0
        let written, chosen = spoiled YamlPath.Root isChosen (Written.ofConfig false config)
        let chosen = List.map string chosen
        let reported = paths (read (Written.block written) |> _.Errors |> Seq.filter (fun line -> not (line.EndsWith " more errors")))
        if chosen.Length <= ConfigFile.MaxErrors then Set.ofList reported = Set.ofList chosen && reported.Length = chosen.Length
        else reported.Length = ConfigFile.MaxErrors)

[<Fact>]
let ``the first hundred errors are written out, and the number of the rest`` () =
    Law.HoldsFor([ 1; 99; 100; 101; 250 ], fun count ->
        let unknown = String.Join("", Seq.init count (fun i -> $"k{i}: 1\n"))
        let errors = (read (file "" "" "" + unknown)).Errors
        if count <= 100 then
            errors.Count = count
        else
            errors.Count = 101 && errors[100] = $"config.yaml: {count - 100} more errors")

/// A mapping around a key at a path of the key table.
let private around (path: string) (name: string) =
    let steps = path.Split '.'
    let wrap (step: string) (value: Written) =
        if step.EndsWith "[]" then Written.Map [ step.TrimEnd('[', ']'), Written.List [ value ] ]
        else Written.Map [ step, value ]
    Array.foldBack wrap steps[.. steps.Length - 2] (Written.Map [ name, Written.Plain "x" ]) |> Written.block

[<Fact>]
let ``a mistyped key is refused, and the message names the nearest that is known`` () =
    let typos (name: string) =
        [ for i in 0 .. name.Length - 1 do
              if name.Length > 3 then name.Remove(i, 1)
              if i > 0 && name[i - 1] <> name[i] then name[.. i - 2] + string name[i] + string name[i - 1] + name[i + 1 ..]
          name + "s"
          name.ToUpperInvariant()
          name.Replace('_', '-') ]
    let cases =
        [ for path, key in KeyTable.paths ConfigKeys.all do
              for typo in typos key.Name do
                  if typo <> key.Name then path, key.Name, typo ]
    Law.HoldsFor(cases, fun (path, name, typo) ->
        (read (around path typo)).Errors
        |> Seq.exists (fun line ->
            let _, _, path, message = parts line
            // A typo may be the name of another key, in another place.
            path.EndsWith typo && (message = $"this key is not known; did you mean \"{name}\"?" || message.EndsWith $"if it is not \"{name}\" that you mean")))

[<Fact>]
let ``a key that is like none is answered with those that there are, and one that is in the wrong place is not kept back as a secret`` () =
    Law.HoldsFor(
        [ file "ca: x" "" "", "server.proxies[0].listener.ca", "this key is not known; known here are \"address\""
          "server: { proxy: [] }", "server.proxy", "this key belongs in server.proxies[].targets[], if it is not \"proxies\" that you mean"
          file "connect_timeout: 5s" "" "", "server.proxies[0].listener.connect_timeout", "this key belongs in server.proxies[].targets[], if it is not"
          file "enable_proxy_header: true" "" "", "server.proxies[0].listener.enable_proxy_header", "this key belongs in server.proxies[].options"
          "log: { level: info }", "log", "this key belongs in application"
          // Of the places that it has those nearby.
          "server: { proxies: [ { name: a, address: ':80' } ] }", "server.proxies[0].address", "this key belongs in server.proxies[].listener or server.proxies[].targets[]"
          "proxies: []", "proxies", "this key belongs in server"
          file "" "" "read_timeout: 5s", "server.proxies[0].options.read_timeout", "this key belongs in server.proxies[].listener or server.proxies[].targets[]" ],
        fun (text, path, message) ->
            (read text).Errors |> Seq.exists (fun line ->
                let _, _, at, said = parts line
                at = path && said.StartsWith message))

[<Fact>]
let ``keys at the top that begin with x- are free, and no others`` () =
    Law.HoldsFor(
        [ "x-anything: {goes: [here]}", true; "x-: 1", true; "x_a: 1", false; "X-a: 1", false; "y: 1", false ],
        fun (line, isFree) -> (config (file "" "" "" + line)).IsSome = isFree
    )
    Law.HoldsFor([ file "x-a: 1" "" ""; file "" "x-a: 1" "" ], fun text -> (config text).IsNone)

[<Fact>]
let ``merged keys are as good as written ones, and explicit keys win`` () =
    let text =
        "x-a: &a {connect_attempts: 5, connect_backoff: 1s}\n"
        + file "" "<<: *a\nconnect_attempts: 2" ""
    let target = (config text).Value.Proxies.Head.Targets.Head
    Law.HoldsFor([ target ], fun target -> target.ConnectAttempts = 2 && target.ConnectBackoff = Duration.OfSeconds 1L)

[<Fact>]
let ``a secret stands in no message, in whatever way it is written`` () =
    Law.Holds(fun (SecretValue value) ->
        let withProxy = file "" $"proxy: {value}\nconnect_attempts: many" ""
        let withDsn = $"application:\n  sentry_dsn: {value}\n  shutdown_timeout: 5\n" + file "" "" ""
        let withMetrics = $"application:\n  metrics:\n    address: a:1\n    proxy: {value}\n" + file "" "" ""
        let withoutBlanks =
            [ for key in [ "proxy:"; "proxy="; "Proxy:" ] do file "" $"{key}{value}: x" ""
              $"application: {{sentry_dsn:{value}}}\n" + file "" "" "" ]
        withProxy :: withDsn :: withMetrics :: withoutBlanks
        |> List.forall (fun text ->
            let reading = read text
            Seq.append reading.Errors reading.Warnings |> Seq.forall (fun line -> not (line.Contains SecretValue.Word))))

[<Fact>]
let ``a secret that an alias brings to another key is refused there, and stands in no message`` () =
    let told = "an alias brings the value of a secret key here, where it would be shown; write one of its own"
    let proxied other = file "" $"proxy: &s \"u:sesame@h:1\"\n{other}: *s" ""
    let home anchored target = $"x-s: &s {anchored}\n" + file "" target ""
    Law.HoldsFor(
        [ proxied "connect_timeout"; proxied "connect_attempts"; proxied "tls_context"; proxied "keep_alive"
          home "[u:sesame@h:1]" "proxy: *s\ntls_context: {application_protocols: *s, certificates: *s}"
          home "{u:sesame@h:1}" "proxy: *s\ntls_context: *s"
          home "{sesame: u@h}" "proxy: *s\ntls_context: *s"
          home "u:sesame@h:1" "proxy: *s\ntls_context: {certificates: [{key: *s , certificate: *s }]}"
          home "u:sesame@h:1" "proxy: *s\n*s : 3"
          "x-s: &s u:sesame@h:1\n" + file "" "proxy: *s" "connection_log: *s"
          "application:\n  sentry_dsn: &d \"https://sesame:sesame@h/1\"\n  log:\n    level: *d\n  shutdown_timeout: *d\n" + file "" "" "" ],
        fun text ->
            let reading = read text
            reading.Errors.Count > 0
            && Seq.append reading.Errors reading.Warnings |> Seq.forall (fun line -> not (line.Contains "sesame"))
            && (reading.Errors |> Seq.exists _.EndsWith(told)))

[<Fact>]
let ``a secret may be shared by keys that are secret, and what is none by any`` () =
    Law.HoldsFor(
        [ "x-s: &s u:sesame@h:1\n" + file "" "proxy: *s" ""
          "x-s: &s 10.0.0.1:1080\nx-t: &t {proxy: *s , connect_timeout: 5s}\n" + file "" "<<: *t" ""
          "x-w: &w 5s\n" + file "" "proxy: u:sesame@h:1\nconnect_timeout: *w\nconnect_backoff: *w" "" ],
        fun text -> (read text).Errors.Count = 0)
    // What is wrong with the secret itself is told of every key that has it.
    Law.HoldsFor([ "x-s: &s \"u:sesame@\"\n" + file "" "proxy: *s" "" ], fun text ->
        let errors = (read text).Errors
        errors.Count = 1 && errors[0].Contains ".proxy: " && not (errors[0].Contains "sesame"))

[<Fact>]
let ``a secret key whose value follows without a blank is told so, and shown alone`` () =
    let target written = $"server:\n  proxies:\n    - name: a\n      listener: {{address: \":80\"}}\n      targets:\n        - {{name: t, address: \"a:1\", {written}}}\n"
    let told = "config.yaml:6:37: server.proxies[0].targets[0].proxy: the value is part of the key; write \"proxy: …\", with a colon and a blank"
    Law.HoldsFor([ "proxy:us:pw@h:1"; "proxy=us:pw@h:1"; "proxy:\"us:pw@h:1\"" ], fun written -> List.ofSeq (read (target written)).Errors = [ told ])

[<Fact>]
let ``a key whose value follows without a blank, or behind an equals sign, is told so`` () =
    let block written = $"server:\n  proxies:\n    - name: a\n      listener:\n        {written}\n      targets: [{{name: t, address: 'h:1'}}]\n"
    let flow written = $"server: {{proxies: [{{name: a, listener: {{address: ':80', {written}}}, targets: [{{name: t, address: 'h:1'}}]}}]}}"
    let glued (key: string) = $"the value is part of the key; write \"{key}: …\", with a colon and a blank"
    Law.HoldsFor(
        [ block "address:\":80\"", "listener", glued "address"
          block "address = \":80\"", "listener", glued "address"
          block "address=:80", "listener", glued "address"
          flow "read_timeout:5s", "listener.read_timeout", glued "read_timeout"
          flow "read_timeout=5s", "listener.read_timeout", glued "read_timeout"
          // Another key that begins so is none of these.
          flow "read_timeouts", "listener.read_timeouts", "this key is not known; did you mean \"read_timeout\"?" ],
        fun (text, key, message) ->
            (read text).Errors |> Seq.exists (fun line ->
                let _, _, path, said = parts line
                path = "server.proxies[0]." + key && said = message))

// ---- Values

/// What the only error says, with its path's last key.
let private onlyError (text: string) =
    match List.ofSeq (read text).Errors with
    | [ line ] ->
        let _, _, path, message = parts line
        path.Substring(path.LastIndexOf '.' + 1), message
    | errors -> failwithf "one error was expected: %A" errors

[<Fact>]
let ``a duration without a unit is refused at its place, with its path, its value and the remedy`` () =
    let text = "server:\n  proxies:\n    - name: a\n      listener: {address: \":80\"}\n      targets:\n        - {name: t, address: \"a:1\"}\n        - name: u\n          address: a:1\n          connect_timeout: \"5\"\n"
    let design = "config.yaml:9:28: server.proxies[0].targets[1].connect_timeout: \"5\" has no unit; write \"5s\" for five seconds"
    Law.HoldsFor([ text, design ], fun (text, line) -> List.ofSeq (read text).Errors = [ line ])

[<Fact>]
let ``a duration is zero, or has a unit and no sign`` () =
    Law.HoldsFor(
        [ "0", Some 0L; "\"0\"", Some 0L; "0s", Some 0L; "5s", Some 5_000L; "'1.5s'", Some 1_500L; "1m30s", Some 90_000L; "250ms", Some 250L; "+1s", Some 1_000L
          "!!str 1s", Some 1_000L; "\"\"", None; "5", None; "5.0", None; ".inf", None; "1e3", None; "-1s", None; "-1", None; "1d", None; "1 s", None; "yes", None; "0x10", None; "00", None
          "[1s]", None; "{s: 1}", None; "\"1s\\n\"", None ],
        fun (text, milliseconds) ->
            let read = config (file $"read_timeout: {text}\nwrite_timeout: 1s" "" "")
            Option.map (fun config -> config.Proxies.Head.Listener.ReadTimeout) read = Option.map Duration.OfMilliseconds milliseconds
    )

[<Fact>]
let ``a keep-alive interval may be negative, or a bare -1, and is then off`` () =
    Law.HoldsFor(
        [ "0", Some(KeepAlive.Every 15); "-1", Some KeepAlive.Off; "\"-1\"", Some KeepAlive.Off; "-1s", Some KeepAlive.Off; "-5m", Some KeepAlive.Off
          "1s", Some(KeepAlive.Every 1); "1ms", Some(KeepAlive.Every 1); "1001ms", Some(KeepAlive.Every 2); "1.000000001s", Some(KeepAlive.Every 2); "10h", Some(KeepAlive.Every 32_767)
          "-2", None; "5", None; "-1.0", None; "off", None ],
        fun (text, expected) ->
            config (file "" $"keepalive_interval: {text}" "") |> Option.map (fun config -> config.Proxies.Head.Targets.Head.KeepAlive) = expected
    )

[<Fact>]
let ``a number in quotes is told to be text, and without them`` () =
    Law.HoldsFor([ onlyError (file "" "connect_attempts: '3'" "") ], fun told -> told = ("connect_attempts", "\"3\" is quoted, and so it is text; write 3 without quotes"))

[<Fact>]
let ``a number without a unit is told to add one`` () =
    Law.HoldsFor(
        [ "5", "\"5\" has no unit; write \"5s\" for five seconds"
          "\"5\"", "\"5\" has no unit; write \"5s\" for five seconds"
          "1", "\"1\" has no unit; write \"1s\" for one second"
          "-1", "\"-1\" has no unit, and is negative; write \"1s\" for one second, or \"0\" for none"
          "300", "\"300\" has no unit; write \"300s\" for 300 seconds"
          "1m5", "\"5\" in \"1m5\" has no unit; write \"5s\", for example" ],
        fun (text, message) -> onlyError (file $"read_timeout: {text}" "" "") = ("read_timeout", message)
    )

[<Fact>]
let ``a word that is none of those to choose from is answered with all of them, and with the nearest where one is near`` () =
    let words = "write one of \"none\", \"relaxed\", \"strict\""
    Law.HoldsFor(
        [ "srict", $"\"srict\" is not known here; {words} (the nearest is \"strict\")"; "always", $"\"always\" is not known here; {words}" ],
        fun (text, message) -> onlyError (file "" $"tls_context: {{ verify_mode: {text} }}" "") = ("verify_mode", message)
    )

[<Fact>]
let ``who wants no keep-alive is not told to write zero, which means fifteen seconds`` () =
    Law.HoldsFor(
        [ "-5", "\"-5\" has no unit; write \"-5s\", or \"-1\", for no keep-alive"
          "5", "\"5\" has no unit; write \"5s\" for five seconds"
          "''", "a duration is missing; write \"15s\", or \"-1\" for no keep-alive"
          "soon", "\"soon\" is no duration; write \"250ms\", \"1.5s\" or \"1m30s\", for example"
          "never", "\"never\" is no duration; write \"0\" for none, or leave the key out" ],
        fun (text, message) -> onlyError (file "" $"keepalive_interval: {text}" "") = ("keepalive_interval", message)
    )

[<Fact>]
let ``booleans are those of YAML 1.1, and no quoted word is one`` () =
    let read text = config (file "" "" $"enable_dual_stack: {text}") |> Option.map (fun config -> config.Proxies.Head.Options.DualStack)
    Law.HoldsFor([ "true"; "True"; "TRUE"; "yes"; "Yes"; "YES"; "on"; "On"; "ON"; "y"; "Y" ], fun text -> read text = Some true)
    Law.HoldsFor([ "false"; "False"; "FALSE"; "no"; "No"; "NO"; "off"; "Off"; "OFF"; "n"; "N" ], fun text -> read text = Some false)
    Law.HoldsFor([ "\"yes\""; "'true'"; "1"; "0"; "tRue"; "oui"; "[]"; "\"\"" ], fun text -> read text = None)

[<Fact>]
let ``whole numbers are decimal and within their range`` () =
    Law.HoldsFor(
        [ "0", Some 1; "1", Some 1; "+2", Some 2; "1000", Some 1_000; "1001", None; "-1", None; "1.0", None; "1e2", None; "0x10", None; "0o17", None; "017", None; "1_000", None
          "\"3\"", None; "many", None; "99999999999999999999", None; ".nan", None; "", Some 1; "~", Some 1 ],
        fun (text, expected) ->
            config (file "" $"connect_attempts: {text}" "") |> Option.map (fun config -> config.Proxies.Head.Targets.Head.ConnectAttempts) = expected
    )

[<Fact>]
let ``an empty policy, mode or other text counts as omitted`` () =
    Law.HoldsFor(
        [ file "" "" "connection_load_balancer: \"\""
          file "" "" "connection_log: ''"
          file "" "tls_context: {verify_mode: \"\"}" ""
          file "" "proxy: \"\"" ""
          "application: {log: {level: \"\"}, sentry_dsn: \"\", metrics: {address: \"\"}, engine: \"\"}\n" + file "" "" "" ],
        fun text ->
            let reading = read text
            reading.IsUsable && reading.Warnings.Count = 0
    )

[<Fact>]
let ``nothing at all counts as omitted, with a warning; where a value must be, it is missing`` () =
    Law.HoldsFor(
        [ file "authorized_sources:" "" ""; file "tls_context: ~" "" ""; file "" "" "connection_load_balancer: null"; "application:\n" + file "" "" ""; file "read_timeout:" "" "" ],
        fun text ->
            let reading = read text
            reading.IsUsable && reading.Warnings.Count = 1
    )
    Law.HoldsFor(
        [ "", [ "server" ]; "{}", [ "server" ]; "server:", [ "server" ]; "server: {}", [ "server.proxies" ]; "server: {proxies: }", [ "server.proxies" ]
          "server: {proxies: []}", [ "server.proxies" ]; "server: {proxies: [~]}", [ "server.proxies[0]" ]; "server: {proxies: 5}", [ "server.proxies" ]; "[]", [ "file" ]; "5", [ "file" ]
          "server: {proxies: [{}]}", [ "server.proxies[0].name"; "server.proxies[0].listener"; "server.proxies[0].targets" ]
          "server: {proxies: [{name: a, listener: {}, targets: [{}]}]}"
          , [ "server.proxies[0].listener.address"; "server.proxies[0].targets[0].name"; "server.proxies[0].targets[0].address" ] ],
        fun (text, missing) -> paths (read text).Errors = missing
    )

[<Fact>]
let ``what was text to the reference is text here, quoted or not`` () =
    Law.HoldsFor([ "12", "12"; "yes", "yes"; "1.0", "1.0"; "'~'", "~"; "a b", "a b"; "2001-01-01", "2001-01-01" ], fun (written, name) ->
        config $"server: {{proxies: [{{name: {written}, listener: {{address: \"[::]:80\"}}, targets: [{{name: t, address: a:1}}]}}]}}"
        |> Option.map (fun config -> config.Proxies.Head.Name) = Some name)

[<Fact>]
let ``an unquoted IPv6 address is told to use quotes`` () =
    Law.HoldsFor([ "[::]:443"; "[::1]:443"; "[2001:db8::1]:80"; "[::]" ], fun address ->
        let text = $"server:\n  proxies:\n    - name: a\n      listener:\n        address: {address}\n      targets: [{{name: t, address: a:1}}]\n"
        match List.ofSeq (read text).Errors with
        | [ line ] ->
            let line, column, path, message = parts line
            (line, column, path) = (5, 18, "server.proxies[0].listener.address") && message.Contains "quote it, as in \"[::]:443\""
        | _ -> false)

[<Fact>]
let ``control characters are in no value`` () =
    Law.HoldsFor([ "\"a\\0\""; "\"a\\e[0m\""; "|\n            a\n"; "\"a\\u2028b\""; "\"a\\nb\"" ], fun text ->
        (onlyError (file "" "" $"connection_log: {text}")) |> snd |> _.StartsWith("the value holds the control character U+"))

let private metrics address = config ($"application: {{metrics: {{address: \"{address}\"}}}}\n" + file "" "" "") |> Option.bind _.Application.Metrics |> Option.map _.Address

[<Fact>]
let ``of a control character in a secret nothing is told but that it is there`` () =
    Law.HoldsFor([ "\"https://k\\u0007@h/1\"" ], fun dsn ->
        (onlyError ($"application:\n  sentry_dsn: {dsn}\n" + file "" "" "")) |> snd = "the value holds a control character; remove it")

[<Fact>]
let ``a proxy without a target is refused`` () =
    let text = "server: { proxies: [ { name: a, listener: { address: ':80' }, targets: [] } ] }"
    Law.HoldsFor([ text ], fun text -> (onlyError text |> snd).StartsWith "the list is empty; write a target at least")

[<Fact>]
let ``a list that is empty is read as none, and the warning says what holds then`` () =
    Law.HoldsFor(
        [ "authorized_sources", "everyone"; "trusted_proxies", "no inbound PROXY header" ],
        fun (key, omitted) ->
            let reading = read (file $"{key}: []" "" "")
            reading.IsUsable
            && (List.ofSeq reading.Warnings |> List.map (parts >> fun (_, _, path, said) -> path, said))
               = [ $"server.proxies[0].listener.{key}", $"the list is empty, which counts as if the key were left out: {omitted}" ])

[<Fact>]
let ``a mapping where a list of mappings belongs is answered with how the entries of one begin`` () =
    Law.HoldsFor([ "server: { proxies: { name: b } }" ], fun text -> (onlyError text |> snd).Contains "begin each entry with \"- \"")

[<Fact>]
let ``several addresses where one belongs are told as that, however they are written`` () =
    let address text = "server: { proxies: [ { name: a, listener: { address: " + text + " }, targets: [ { name: t, address: 'x:1' } ] } ] }"
    Law.HoldsFor(
        [ "[ 'a:1', 'b:2' ]", "\"a:1, b:2\" is more than one address"; "'127.0.0.1:1,127.0.0.1:2'", "is more than one address"
          "'a:1-9'", "\"1-9\" is no port; write one, "; "'a:1,2'", "\"1,2\" is no port; write one, "; "'a:-1'", "\"-1\" is no port; write a number" ],
        fun (text, said) -> (onlyError (address text) |> snd).Contains said)

[<Fact>]
let ``a variable of the environment is told to be taken as it stands`` () =
    let address text = "server: { proxies: [ { name: a, listener: { address: '" + text + "' }, targets: [ { name: t, address: 'x:1' } ] } ] }"
    Law.HoldsFor([ "${PORT}"; "$HOST:80"; "localhost:$PORT"; "localhost:${PORT}" ], fun text -> (onlyError (address text) |> snd).Contains "no variables are filled in")

[<Fact>]
let ``what stands where something else belongs is named`` () =
    Law.HoldsFor(
        [ "server: 5", "a plain value stands where "; "server: [ a ]", "a list stands where "; "server: { proxies: { a: b } }", "a mapping stands where "
          "application: ''\n" + file "" "" "", "a plain value stands where "; "application: { log: '' }\n" + file "" "" "", "a plain value stands where " ],
        fun (text, beginning) -> (onlyError text |> snd).StartsWith beginning)

[<Fact>]
let ``metrics go to UDP or to a Unix datagram socket`` () =
    Law.HoldsFor(
        [ "localhost:8125", Some(MetricsAddress.Udp("localhost", 8125)); "udp://10.0.0.1:1", Some(MetricsAddress.Udp("10.0.0.1", 1)); "[::1]:8125", Some(MetricsAddress.Udp("::1", 8125))
          ":8125", Some(MetricsAddress.Udp("127.0.0.1", 8125)); "unix:///run/s", Some(MetricsAddress.UnixDatagram "/run/s")
          "unix://run/s", None; "localhost", None; "localhost:0", None; "udp://x", None; "unix:/run/s", None; "unix:///" + String('x', 107), None ],
        fun (text, expected) -> metrics text = expected
    )

[<Fact>]
let ``the reference's other forms of metrics are refused by their names`` () =
    let message text = onlyError ($"application: {{metrics: {{{text}}}}}\n" + file "" "" "")
    Law.HoldsFor(
        [ "address: 'tcp://a:1'", "address", "\"tcp://\""; "address: 'file:///tmp/x'", "address", "\"file://\""; "address: 'a:1,b:2'", "address", "a list of metrics addresses"
          "address: 'udp://a:1,udp://b:2'", "address", "a list of metrics addresses"; "address: a:1, proxy: b:2", "proxy", "metrics through a proxy are not supported" ],
        fun (text, key, words) ->
            let path, message = message text
            path = key && message.Contains words
    )

[<Fact>]
let ``a key of the reference that has no place here may say nothing`` () =
    let reading value = read ($"application: {{metrics: {{address: 'a:1', proxy: {value}}}}}\n" + file "" "" "")
    Law.HoldsFor([ "''", 0; "\"\"", 0; "~", 1 ], fun (value, warnings) -> (reading value).IsUsable && (reading value).Warnings.Count = warnings)
    Law.HoldsFor([ "b:2"; "[]"; "' '" ], fun value -> not (reading value).IsUsable)

[<Fact>]
let ``an interval of keep-alive is held to what the kernel takes, and is warned of only beyond that`` () =
    Law.HoldsFor([ "32766s", 0; "32767s", 0; "32767.5s", 1; "32768s", 1 ], fun (interval, warnings) -> (read (file "" $"keepalive_interval: {interval}" "")).Warnings.Count = warnings)

[<Fact>]
let ``what is advised for an address of metrics is one`` () =
    let message address = onlyError ($"application: {{metrics: {{address: '{address}'}}}}\n" + file "" "" "") |> snd
    Law.HoldsFor([ "unix://x"; "unix://"; "unix:/x"; "udp://"; "://x"; "udp://tcp://x"; "unix://@x" ], fun address -> (message address).Contains $"\"{address}\" is no metrics address")
    Law.HoldsFor([ "unix:///" + String('x', 107) ], fun address -> (message address).StartsWith "the path has 108 bytes")
    Law.HoldsFor([ "l:0"; "udp://l:0" ], fun address -> (message address).StartsWith "port 0" && not ((message address).Contains "target"))

[<Fact>]
let ``an asterisk without quotes is told to be an alias, once, with what to write`` () =
    let errors address name = read ((file "" "" "").Replace(":80", address).Replace("name: t", $"name: {name}")) |> _.Errors |> Seq.map parts |> Seq.map (fun (_, _, path, message) -> path, message) |> Seq.toList
    match errors "*:80" "t", errors ":80" "*.example.com", errors ":80" "*web" with
    | [ listener ], [ target ], [ other ] ->
        Law.HoldsFor(
            [ listener, "server.proxies[0].listener.address", "\":80\""
              target, "server.proxies[0].targets[0].name", "\"*.example.com\""
              other, "server.proxies[0].targets[0].name", "no anchor \"&web\"" ],
            fun ((path, message), expected, words) -> path = expected && message.Contains words)
    | found -> failwith $"%A{found}"

[<Fact>]
let ``the credentials of a SOCKS5 proxy end at the last at sign, and the first colon divides them`` () =
    let bytes (text: string) = Encoding.Latin1.GetBytes text
    let name host port = DialAddress.Tcp(TcpFamily.Either, DialHost.Name(Sample.dialName host), (DialPort.tryOf port).Value)
    Law.HoldsFor(
        [ "h:1", Some(name "h" 1, None)
          "tcp:h:1", Some(name "h" 1, None)
          "u:p@h:1", Some(name "h" 1, Some("u", "p"))
          "tcp:u:p@h:1", Some(name "h" 1, Some("u", "p"))
          "a:b:c@d@h:1", Some(name "h" 1, Some("a", "b:c@d"))
          "%40%3a:%25%FF@h:1", Some(name "h" 1, Some("@:", "%\u00FF"))
          "u:" + String('p', 255) + "@h:1", Some(name "h" 1, Some("u", String('p', 255)))
          "unix:/run/a@b:c", Some(DialAddress.UnixPath "/run/a@b:c", None)
          "u:" + String('p', 256) + "@h:1", None
          "u:@h:1", None; ":p@h:1", None; "u@h:1", None; "@h:1", None; "u:p@", None; "u:p@h", None; "u:p@h:0", None; "u:%@h:1", None; "u:%4@h:1", None; "u:%zz@h:1", None
          "h", None; ":1", None; "socks5://h:1", None; "socks5://u:p@h:1", None; "unix:rel", None; "fd:x", None ],
        fun (text, expected) ->
            match SocksProxySyntax.tryParse text, expected with
            | Ok proxy, Some(address, None) -> proxy.Address = address && proxy.Credentials.IsNone
            | Ok { Address = found; Credentials = Some credentials }, Some(address, Some(user, password)) ->
                found = address && credentials.User.Bytes = bytes user && credentials.Password.Bytes = bytes password
            | Error _, None -> true
            | _ -> false
    )

/// The directory of the repository, found from where the tests run.
let internal repository =
    let rec up (directory: DirectoryInfo) =
        if isNull directory then failwith "the tests run outside the repository"
        elif File.Exists(Path.Combine(directory.FullName, "Bitflow.sln")) then directory.FullName
        else up directory.Parent
    up (DirectoryInfo AppContext.BaseDirectory)

[<Fact>]
let ``the example at the root is a configuration without a doubt`` () =
    Law.HoldsFor([ "config.example.yaml" ], fun name ->
        let reading = ConfigFile.Read(name, ReadOnlyMemory(File.ReadAllBytes(Path.Combine(repository, name))))
        reading.IsUsable && reading.Warnings.Count = 0)

[<Fact>]
let ``the smallest file is served with the defaults that the page on configuration names`` () =
    Law.HoldsFor([ file "" "" "" ], fun text ->
        let proxy = (read text).Config.Proxies.Head
        let target = proxy.Targets.Head
        proxy.Listener.HandshakeTimeout = Duration.OfSeconds 10L
        && proxy.Listener.ReadTimeout.IsZero && proxy.Listener.WriteTimeout.IsZero
        && proxy.Listener.AuthorizedSources.IsEmpty && proxy.Listener.TrustedProxies.IsEmpty && proxy.Listener.Tls.IsNone
        && target.ConnectAttempts = 1 && target.ConnectBackoff.IsZero && target.ConnectTimeout = Duration.OfSeconds 10L
        && target.ResolveTimeout.IsZero && target.ReadTimeout.IsZero && target.WriteTimeout.IsZero
        && target.KeepAlive = KeepAlive.Every 15 && target.Proxy.IsNone && target.Tls.IsNone
        && proxy.Options.ConnectionLimit = 0 && proxy.Options.ConnectionLifetime.IsZero && proxy.Options.ConnectionLog.IsNone
        && proxy.Options.LoadBalancer = Policy.None && proxy.Options.ProxyHeader.IsNone && not proxy.Options.DualStack)
    Law.HoldsFor([ file "tls_context: {certificates: [{key: k, certificate: c}]}" "tls_context: {}" "enable_proxy_header: yes" ], fun text ->
        let proxy = (read text).Config.Proxies.Head
        let ours, theirs = proxy.Listener.Tls.Value, proxy.Targets.Head.Tls.Value
        ours.VerifyMode = VerifyMode.None && ours.MinVersion = TlsVersion.Tls13 && ours.ApplicationProtocols.IsEmpty
        && theirs.VerifyMode = VerifyMode.Strict && theirs.MinVersion = TlsVersion.Tls13 && theirs.ServerName.IsNone
        && proxy.Options.ProxyHeader = Some ProxyHeaderVersion.V1)

[<Fact>]
let ``a target is shown a certificate with its key or none, an authority stands by itself, and an empty text names no file`` () =
    let files = Some { Certificate = "c"; Key = "k" }
    Law.HoldsFor(
        [ "{key: k, certificate: c}", files, None
          "{key: k, certificate: c, authority: ''}", files, None
          "{key: k, certificate: c, authority: a}", files, Some "a"
          "{key: '', certificate: '', authority: a}", None, Some "a"
          "{authority: a}", None, Some "a"
          "{}", None, None ],
        fun (entry, shown, authority) ->
            match config (file "" $"tls_context: {{certificates: [{entry}]}}" "") with
            | Some config -> config.Proxies.Head.Targets.Head.Tls.Value.Certificates = [ { TargetCertificate.Shown = shown; Authority = authority } ]
            | None -> false)

[<Fact>]
let ``zero and one attempt are the same, and a thousand is the most`` () =
    Law.HoldsFor([ "0", Some 1; "1", Some 1; "2", Some 2; "1000", Some 1000; "1001", None ], fun (written, attempts) ->
        config (file "" $"connect_attempts: {written}" "") |> Option.map (fun c -> c.Proxies.Head.Targets.Head.ConnectAttempts) = attempts)

[<Fact>]
let ``a fault of something that was not written stands where its nearest parent does`` () =
    let reading = read (file "" "" "")
    Law.HoldsFor(
        [ "server.proxies[0].listener.tls_context.certificates[0].key", "5:9"; "server.proxies[0].targets[0].tls_context", "7:11"; "application.log", "1:1"; "file", "1:1" ],
        fun (path, place) -> (reading.Line(path, "m")).StartsWith $"config.yaml:{place}: "
    )
    Law.HoldsFor([ ""; "# nothing\n" ], fun text -> (read text).Errors |> Seq.forall _.StartsWith("config.yaml:1:1: "))

[<Fact>]
let ``an address of metrics that cannot be meant is told how it is written`` () =
    Law.HoldsFor([ "unix:/run/x"; "udp:localhost:8125"; "UDP:h:1" ], fun address ->
        (read ($"application: {{metrics: {{address: '{address}'}}}}\n" + file "" "" "")).Errors |> Seq.exists _.Contains("is no metrics address"))
