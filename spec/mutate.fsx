// Breaks the core in plausible ways, one at a time, and shows which law notices.
//
//     dotnet fsi spec/mutate.fsx                 all modules; writes docs/mutations.md
//     dotnet fsi spec/mutate.fsx Backoff Life    these alone, printed, nothing written
//
// Every condition of a module (`if`, `elif`, `when`) is broken once: a comparison becomes its neighbour (an off-by-one), an
// equality its opposite, an `&&` an `||`; any other condition is negated. All mutants are compiled into one copy of the core,
// each behind a switch, so that two hundred of them cost one build. The laws then run against one mutant at a time, each in
// a process of its own: a law that fails, or does not end, has caught it.

open System
open System.Diagnostics
open System.IO
open System.Text
open System.Text.RegularExpressions

let root = Path.GetFullPath(Path.Combine(__SOURCE_DIRECTORY__, ".."))
let core = Path.Combine("src", "Bitflow.Domain.fs")
let mostPerModule = 7
let cases = "100"
let patience = TimeSpan.FromSeconds 120.

/// The modules that decide, and the chapters of laws that are to notice; a chapter before another where both may.
let modules =
    [ "Duration", [ "DurationLaws" ]
      "IpNetwork", [ "IpNetworkLaws" ]
      "Address", [ "AddressLaws" ]
      "CloseReason", [ "CloseReasonLaws" ]
      "ServerName", [ "ServerNameLaws" ]
      "ClientHello", [ "ClientHelloLaws" ]
      "Alpn", [ "ClientHelloLaws"; "CertificatesLaws"; "TlsRulesLaws" ]
      "Certificates", [ "CertificatesLaws"; "TlsRulesLaws" ]
      "TlsRules", [ "TlsRulesLaws" ]
      "ProxyHeaderText", [ "ProxyHeaderLaws" ]
      "ProxyHeaderBinary", [ "ProxyHeaderLaws" ]
      "ProxyHeaderTlvs", [ "ProxyHeaderLaws" ]
      "OutboundHeader", [ "OutboundHeaderLaws" ]
      "Socks5", [ "Socks5Laws" ]
      "Backoff", [ "BackoffLaws" ]
      "Balancer", [ "BalancerLaws" ]
      "DialFault", [ "DialLaws" ]
      "DialPlan", [ "DialLaws"; "LifeLaws" ]
      "DialRoute", [ "DialRouteLaws" ]
      "Admission", [ "AdmissionLaws" ]
      "RelayLife", [ "RelayLaws" ]
      "RelayClock", [ "RelayClockLaws" ]
      "Farewell", [ "FarewellLaws" ]
      "Life", [ "LifeLaws"; "SimulatorLaws" ]
      "ReloadPlan", [ "ReloadPlanLaws" ]
      "Forecast", [ "ExplainLaws" ]
      "Scenario", [ "ExplainLaws" ]
      "Replay", [ "ExplainLaws" ] ]

/// Conditions whose mutant means the same, so that no law can tell: the module, a piece of the line, and why.
let equivalent: (string * string * string) list =
    [ "Duration", "if total < 0L then text.Append", "zero was written before"
      "Duration", "if total < 0L then uint64", "zero was written before"
      "IpNetwork", "if first <= l then", "two ranges that share one address, joined or not, hold the same addresses"
      "IpNetwork", "if slash < 0 then text else", "before a leading slash no address was read"
      "ProxyHeaderText", "if rest.Length < full tcp6", "at the full keyword both ways ask for the same number of bytes" ]

/// Breakages by hand, where the rule is a number or an expression and no condition: the module, the text, what it becomes.
let byHand =
    [ "Backoff", "min (attempt - 2) 62", "min (attempt - 1) 62"
      "Backoff", "Duration.OfSeconds 3_600L", "Duration.OfSeconds 3_601L"
      "Backoff", "cap.TotalNanoseconds >>> doublings", "cap.TotalNanoseconds >>> (doublings + 1)"
      "Backoff", "Duration.OfNanoseconds(nanoseconds <<< doublings)", "Duration.OfNanoseconds(nanoseconds * int64 (doublings + 1))"
      "Balancer", "[| 0 |]", "[| count - 1 |]"
      "Balancer", "Array.init count id", "Array.init (max 1 (count - 1)) id"
      "Balancer", "int (uint64 ticket % uint64 count)", "int (abs ticket % int64 count)"
      "Balancer", "(start + i) % count", "(start + 2 * i) % count"
      "Balancer", "[| index |]", "[| index; 0 |]"
      "DialFault", "CloseReason.make who Phase.Dial cause", "CloseReason.make who Phase.Relay cause"
      "DialFault", "| IoFault.NetworkUnreachable -> Cause.Unreachable", "| IoFault.NetworkUnreachable -> Cause.Refused"
      "DialFault", "| IoFault.TimedOut -> Cause.Vanished", "| IoFault.TimedOut -> Cause.Reset"
      "DialFault", "| DialFault.UsedUp -> false", "| DialFault.UsedUp -> true"
      "DialPlan", "Attempt = 1; Begun = 1 }", "Attempt = 0; Begun = 1 }"
      "DialPlan", "let attempt = plan.Attempt + 1", "let attempt = plan.Attempt + 2"
      "DialPlan", "Place = plan.Place + 1; Attempt = 1", "Place = plan.Place + 1; Attempt = plan.Attempt"
      "DialPlan", "max least (left.TotalNanoseconds / int64 addressesLeft)", "min least (left.TotalNanoseconds / int64 addressesLeft)"
      "Admission", "limit <= 0 || openNow < limit", "limit <= 0 || openNow <= limit"
      "Admission", "listener.AuthorizedSources.IsEmpty", "not listener.AuthorizedSources.IsEmpty"
      "Admission", "listener.TrustedProxies.Contains address", "listener.AuthorizedSources.Contains address"
      "Admission", "int64 newest >= descriptorLimit - int64 reservedDescriptors", "int64 newest > descriptorLimit - int64 reservedDescriptors"
      "Admission", "int64 reservedDescriptors + 8L", "int64 reservedDescriptors - 8L"
      "Certificates", "owners[index]", "index"
      "Certificates", "| ValueNone -> 0", "| ValueNone -> owners.Length - 1"
      "Alpn", "List.contains name offered", "not (List.contains name offered)"
      "Alpn", "| None -> AlpnChoice.Refused", "| None -> AlpnChoice.Absent"
      "CloseReason", "| Cause.Probe -> \"probe\"", "| Cause.Probe -> \"ended\""
      "CloseReason", "| Who.Bitflow -> \"bitflow\"", "| Who.Bitflow -> \"client\""
      "CloseReason", "| Cause.Probe -> true", "| Cause.Probe -> false"
      "RelayClock", "a.LastMoved + timeout", "a.LastTaken + timeout"
      "RelayClock", "(lastMoved + (now - heldSince))", "lastMoved"
      "RelayClock", "now + timeout", "Instant.Never"
      "Life", "{ life with IsCounted = true }", "life"
      "Life", "dial life now -1L", "dial life now 0L"
      "Life", "(Instant.limitFrom life.AcceptedAt life.Rules.Proxy.Listener.HandshakeTimeout)", "(Instant.limitFrom life.AcceptedAt (life.Rules.Proxy.Listener.HandshakeTimeout + life.Rules.Proxy.Listener.HandshakeTimeout))"
      "Life", "toStep life Step.Relay (lifetimeEnd life)", "toStep life Step.Relay life.Deadline"
      "Forecast", "Event.HeaderRead(Endpoint.Unknown, Endpoint.Unknown, true)", "Event.HeaderRead(Endpoint.Unknown, Endpoint.Unknown, false)"
      "Forecast", "Event.Ticket client.Ticket", "Event.Ticket(client.Ticket + 1L)"
      "Forecast", "Admission.isBelowLimit rules.ConnectionLimit client.OpenConnections", "Admission.isBelowLimit rules.ConnectionLimit (client.OpenConnections - 1)" ]

type Mutant =
    { Number: int
      Module: string
      Line: int
      Was: string
      Is: string
      /// The line with a switch in it.
      Switched: string }

let neighbours =
    [ " <= ", " < "; " >= ", " > "; " < ", " <= "; " > ", " >= "; " <> ", " = "; " = ", " <> "; " && ", " || "; " || ", " && " ]

let broken (condition: string) =
    match neighbours |> List.tryFind (fun (from, _) -> condition.Contains from) with
    | Some(from, into) ->
        let at = condition.IndexOf from
        condition.Substring(0, at) + into + condition.Substring(at + from.Length)
    | None -> $"not ({condition})"

let conditionOf (line: string) =
    let found = Regex.Match(line, @"^(?<before>.*\b(?:if|elif) )(?<condition>.+?)(?<after> then\b.*)$")
    let guard = Regex.Match(line, @"^(?<before>\s*\| .* when )(?<condition>.+?)(?<after> ->.*)$")
    let found = if guard.Success then guard else found
    let isCode = not (line.TrimStart().StartsWith "//") && not (line.Contains "$\"") && not (line.Contains "\"\"\"")
    if isCode && found.Success && Regex.Matches(line, @"\bif\b").Count <= 1 then
        Some(found.Groups["before"].Value, found.Groups["condition"].Value, found.Groups["after"].Value)
    else None

let mutantsOf (name: string) (lines: string array) =
    let ofHand =
        [ for m, was, into in byHand do
              if m = name && was <> into then
                  match lines |> Array.tryFindIndex (fun l -> l.Contains was && not (l.TrimStart().StartsWith "//")) with
                  | Some at -> at, was, into
                  | None -> printfn $"{name}: \"{was}\" is no longer there" ]
    let ofConditions =
        [ for at in 0 .. lines.Length - 1 do
              match conditionOf lines[at] with
              | Some(_, condition, _) when not (equivalent |> List.exists (fun (m, piece, _) -> m = name && lines[at].Contains piece)) ->
                  at, condition, broken condition
              | _ -> () ]
    let room = max 0 (mostPerModule - ofHand.Length)
    let spread =
        if ofConditions.Length <= room then ofConditions
        else [ for i in 0 .. room - 1 -> ofConditions[i * ofConditions.Length / room] ]
    ofHand @ spread

let run (directory: string) (program: string) (arguments: string) (environment: (string * string) list) (limit: TimeSpan) =
    let info = ProcessStartInfo(program, arguments, WorkingDirectory = directory, RedirectStandardOutput = true, RedirectStandardError = true)
    for name, value in environment do
        info.Environment[name] <- value
    use child = Process.Start info
    let output, errors = child.StandardOutput.ReadToEndAsync(), child.StandardError.ReadToEndAsync()
    if child.WaitForExit limit then
        child.ExitCode, output.Result + errors.Result
    else
        child.Kill true
        -1, "did not end"

// -- A copy of the core and its laws, with every mutant in it -------------------------------------------------------------------

let chosen =
    match fsi.CommandLineArgs |> Array.skip 1 with
    | [||] -> modules
    | names -> modules |> List.filter (fun (name, _) -> Array.contains name names)

let place = Path.Combine(Path.GetTempPath(), $"bitflow-mutants-{Environment.ProcessId}")

let copy (folder: string) =
    for file in Directory.EnumerateFiles(Path.Combine(root, folder), "*", SearchOption.AllDirectories) do
        let relative = Path.GetRelativePath(root, file)
        let parts = relative.Split Path.DirectorySeparatorChar
        if not (Array.contains "bin" parts || Array.contains "obj" parts) then
            let target = Path.Combine(place, relative)
            Directory.CreateDirectory(Path.GetDirectoryName target) |> ignore
            File.Copy(file, target, true)

let switchIn (dropped: Set<string * int * string>) =
    let mutable number = 0
    [ for name, _ in chosen do
          let path = Path.Combine(core, name + ".fs")
          let lines = File.ReadAllLines(Path.Combine(root, path))
          let mutated = Array.copy lines
          let mutable touched = Set.empty
          for at, was, into in mutantsOf name lines do
              // One switch a line keeps the rewriting simple.
              if not (touched.Contains at) && not (dropped.Contains(name, at, was)) then
                  touched <- touched.Add at
                  number <- number + 1
                  let line = lines[at]
                  let start = line.IndexOf was
                  let arrow = was.IndexOf " -> "
                  let switched =
                      // A whole case: the switch goes behind its arrow.
                      if was.StartsWith "| " && arrow > 0 then
                          let head, tail, other = was.Substring(0, arrow + 4), was.Substring(arrow + 4), into.Substring(into.IndexOf " -> " + 4)
                          $"{head}(if Mutant.is {number} then {other} else {tail})"
                      elif was.StartsWith "let " then
                          let equals = was.IndexOf " = " + 3
                          $"{was.Substring(0, equals)}(if Mutant.is {number} then ({into.Substring equals}) else ({was.Substring equals}))"
                      elif was.Contains "; " && was.Contains " = " then
                          // Fields of a record: switch in the value that differs.
                          let pairs = Array.zip (was.Split "; ") (into.Split "; ")
                          pairs
                          |> Array.map (fun (a, b) ->
                              if a = b then a
                              else
                                  let equals = a.IndexOf " = " + 3
                                  $"{a.Substring(0, equals)}(if Mutant.is {number} then {b.Substring equals} else {a.Substring equals})")
                          |> String.concat "; "
                      else
                          $"(if Mutant.is {number} then ({into}) else ({was}))"
                  mutated[at] <- line.Substring(0, start) + switched + line.Substring(start + was.Length)
                  { Number = number; Module = name; Line = at + 1; Was = was; Is = into; Switched = mutated[at] }
          File.WriteAllLines(Path.Combine(place, path), mutated) ]

let runner = """module Bitflow.Spec.MutantRunner

open System
open System.Reflection
open Xunit

[<EntryPoint>]
let main chapters =
    let laws =
        [ for chapter in chapters do
              for law in Assembly.GetExecutingAssembly().GetType($"Bitflow.Spec.{chapter}").GetMethods() do
                  // A law about the clock on the wall says nothing while the machine is busy.
                  if not (isNull (law.GetCustomAttribute<FactAttribute>())) && not (law.Name.Contains "bounded time") then chapter, law ]
    let caught =
        laws |> List.tryFind (fun (_, law) ->
            try
                law.Invoke(null, [||]) |> ignore
                false
            with _ -> true)
    match caught with
    | Some(chapter, law) ->
        Console.Out.WriteLine $"CAUGHT\t{chapter}\t{law.Name}"
        1
    | None -> 0
"""

let replaceIn path (was: string) (into: string) =
    let path = Path.Combine(place, path)
    let text = File.ReadAllText path
    if not (text.Contains was) then failwith $"{path} does not hold {was}"
    File.WriteAllText(path, text.Replace(was, into))

let rec build dropped =
    let mutants = switchIn dropped
    let status, output = run place "dotnet" "build spec -v q -nologo" [] (TimeSpan.FromMinutes 15.)
    if status = 0 then
        mutants
    else
        // A condition that binds names, or is of a kind that the switch cannot hold, is left alone.
        let faults =
            [ for found in Regex.Matches(output, @"/(?<module>\w+)\.fs\((?<line>\d+),\d+\): error") -> found.Groups["module"].Value, int found.Groups["line"].Value ]
        let guilty = mutants |> List.filter (fun m -> List.contains (m.Module, m.Line) faults)
        if guilty.IsEmpty then failwith $"the copy does not build:\n{output}"
        for m in guilty do
            printfn $"left alone: {m.Module}.fs:{m.Line} {m.Was}"
        build (guilty |> List.fold (fun d m -> Set.add (m.Module, m.Line - 1, m.Was) d) dropped)

let cell (text: string) = "`" + text.Replace("|", "\\|") + "`"

try
    for folder in [ core; "spec" ] do
        copy folder
    for file in [ "Directory.Build.props"; "Directory.Packages.props"; "global.json" ] do
        File.Copy(Path.Combine(root, file), Path.Combine(place, file), true)
    File.WriteAllText(
        Path.Combine(place, core, "Mutant.fs"),
        "module internal Bitflow.Domain.Mutant\n\nlet private number = System.Environment.GetEnvironmentVariable \"MUTANT\"\nlet is (n: int) = (string n = number)\n"
    )
    replaceIn (Path.Combine(core, "Bitflow.Domain.fsproj")) "<Compile Include=\"Duration.fs\" />" "<Compile Include=\"Mutant.fs\" /><Compile Include=\"Duration.fs\" />"
    // Conditions that are never true are the point here, and redundant parentheses no harm.
    replaceIn (Path.Combine(core, "Bitflow.Domain.fsproj")) "<WarningLevel>5</WarningLevel>" "<WarningLevel>3</WarningLevel><TreatWarningsAsErrors>false</TreatWarningsAsErrors>"
    File.WriteAllText(Path.Combine(place, "spec", "MutantRunner.fs"), runner)
    replaceIn (Path.Combine("spec", "Bitflow.Spec.fsproj")) "<IsPackable>false</IsPackable>" "<IsPackable>false</IsPackable><GenerateProgramFile>false</GenerateProgramFile><OutputType>Exe</OutputType>"
    replaceIn (Path.Combine("spec", "Bitflow.Spec.fsproj")) "  <ItemGroup>\n    <ProjectReference" "  <ItemGroup><Compile Include=\"MutantRunner.fs\" /></ItemGroup>\n  <ItemGroup>\n    <ProjectReference"
    let mutants = build Set.empty
    printfn $"{mutants.Length} mutants of {chosen.Length} modules, {cases} cases a law"
    let program = Directory.EnumerateFiles(Path.Combine(place, "spec", "bin"), "Bitflow.Spec.dll", SearchOption.AllDirectories) |> Seq.head
    let judge number chapters =
        run root "dotnet" $"""{program} {String.concat " " chapters}""" [ "MUTANT", string number; "CASES", cases; "LAWS_FILE", "" ] patience
    for name, chapters in chosen do
        match judge 0 chapters with
        | 0, _ -> ()
        | _, output -> failwith $"the laws of {name} do not hold without a mutant: {output}"
    let write (results: (Mutant * string) list) =
        let caught = results |> List.filter (fun (_, law) -> law <> "")
        let judged = results |> List.map (fun (m, _) -> m.Module) |> List.distinct
        let text = StringBuilder()
        let line (s: string) = text.Append(s).Append('\n') |> ignore
        line "# Mutations"
        line ""
        line "Written by `dotnet fsi spec/mutate.fsx`, which breaks the core in plausible ways, one at a time, and runs the laws."
        line $"{caught.Length} of {results.Length} mutations of {judged.Length} modules were caught; the law named is the first that failed."
        for name in judged do
            line ""
            line $"## {name}"
            line ""
            line "| line | was | became | caught by |"
            line "|---|---|---|---|"
            for m, law in results do
                if m.Module = name then
                    line $"""| {m.Line} | {cell m.Was} | {cell m.Is} | {if law = "" then "**nothing**" else law} |"""
        File.WriteAllText(Path.Combine(root, "docs", "mutations.md"), string text)
    let judgeMutant (m: Mutant) =
        let chapters = chosen |> List.find (fun (name, _) -> name = m.Module) |> snd
        let status, output = judge m.Number chapters
        let law =
            match status, Regex.Match(output, "CAUGHT\t(.*)\t(.*)") with
            | -1, _ -> "(did not end)"
            | _, found when found.Success -> $"{found.Groups[1].Value}: {found.Groups[2].Value.TrimEnd()}"
            | 0, _ -> ""
            | _ -> "(the process broke down)"
        let shown = if law = "" then "SURVIVED" else law
        printfn $"{m.Module}.fs:{m.Line} {m.Was} -> {m.Is}: {shown}"
        m, law
    let mutable results = []
    for name, _ in chosen do
        results <- results @ (mutants |> List.filter (fun m -> m.Module = name) |> List.map judgeMutant)
        // After each module, so that a run that is broken off leaves what it found.
        if fsi.CommandLineArgs.Length = 1 then write results
    let survived = results |> List.filter (fun (_, law) -> law = "")
    printfn $"{results.Length - survived.Length} of {results.Length} caught"
    exit (if survived.IsEmpty then 0 else 1)
finally
    if Directory.Exists place then Directory.Delete(place, true)
