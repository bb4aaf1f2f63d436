// How long does a target get, and when is each attempt? Change a line and run it again:
//
//     dotnet build -c Release spec && dotnet fsi spec/backoff.fsx

#r "bin/Release/net10.0/Bitflow.Domain.dll"
#load "DialSchedule.fs"

open Bitflow.Domain
open Bitflow.Spec

let duration text = match Duration.tryParse text with Ok d -> d | Error e -> failwith $"%A{e}"

for backoff in [ "100ms"; "1s"; "30s" ] do
    let waits = [ for attempt in 2..13 -> string (Backoff.before (duration backoff) attempt) ]
    printfn $"""{backoff}: {String.concat " " waits}"""

let file =
    """
server:
  proxies:
    - name: p
      listener: { address: ":80" }
      targets:
        - { name: a, address: "10.0.0.5:80", connect_attempts: 4, connect_backoff: 250ms, connect_timeout: 2s }
        - { name: b, address: "10.0.0.6:80", connect_attempts: 2, connect_backoff: 1s }
      options: { connection_load_balancer: failover }
"""

let config = ConfigFile.Read("example.yaml", System.ReadOnlyMemory(System.Text.Encoding.UTF8.GetBytes file)).Config
let targets = config.Proxies.Head.Targets |> List.toArray

printfn "target attempt wait"
for struct (target, attempt, wait) in DialSchedule.attempts targets [| 0; 1 |] do
    printfn $"{targets[target].Name} {attempt} {wait}"
printfn $"gives up after {DialPlan.longest targets [| 0; 1 |]} at the latest"
