module Bitflow.Spec.LoggedFailureLaws

open System
open Xunit
open Bitflow.Domain

let private levels = [ LogLevel.Debug; LogLevel.Info; LogLevel.Warn; LogLevel.Error ]
let private ended = "connection {Id}: {Reason}"

let private told level template (filled: (string * string) list) =
    LoggedFailure.tryOf level template (Func<string, string>(fun name -> filled |> List.tryFind (fun (key, _) -> key = name) |> Option.map snd |> Option.toObj))

[<Fact>]
let ``a warning and an error are failures whatever they say, and what is said below them only where it tells of a fault or of a disorderly end`` () =
    let reasons = [ for text in CloseReason.allTexts () -> [ "Reason", text ], not (CloseReason.isOrderly (CloseReason.tryParse text).Value) ]
    let others = [ [], false; [ "Fault", "it refused" ], true; [ "Fault", "" ], true; [ "Reason", "no reason" ], false; [ "Proxy", "web" ], false ]
    Law.HoldsFor(List.allPairs levels (reasons @ others), fun (level, (filled, isFailure)) ->
        (told level ended filled).IsSome = (isFailure || level = LogLevel.Warn || level = LogLevel.Error))

[<Fact>]
let ``two lines are one failure where level, words, proxy, target, reason, path and fault are the same, whatever else differs`` () =
    let line = [ "Proxy", "web"; "Target", "a"; "Reason", "target.relay.reset"; "Path", "/log"; "Fault", "it refused"; "Id", "1"; "Client", "192.0.2.1:5" ]
    let with' name value = line |> List.map (fun (key, was) -> key, (if key = name then value else was))
    let same filled = told LogLevel.Warn ended filled = told LogLevel.Warn ended line
    Law.HoldsFor(line, fun (name, _) -> same (with' name "other") = (name = "Id" || name = "Client"))
    Law.HoldsFor([ LogLevel.Error, ended; LogLevel.Warn, "other words" ], fun (level, template) -> told level template line <> told LogLevel.Warn ended line)

[<Fact>]
let ``a failure is named by whom it happened to and why, and one that names nobody by its words`` () =
    Law.HoldsFor(
        [ [ "Reason", "target.relay.reset"; "Id", "7"; "Target", "a"; "Proxy", "web" ], "proxy web, target a, reason target.relay.reset"
          [ "Path", "/var/log/web" ], "path /var/log/web"
          [ "Limit", "20" ], ended ],
        fun (filled, name) -> LoggedFailure.describe (told LogLevel.Warn ended filled).Value = name)
