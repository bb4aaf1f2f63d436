namespace Bitflow.Domain

open System
open System.Collections.Generic

/// What a case came to; no failure: as expected.
type ScenarioResult =
    { Line: int
      Name: string
      Failures: string list }

/// `bitflow test`: cases decided without a socket, by the functions that serve.
[<RequireQualifiedAccess>]
module Scenario =
    /// The targets that a case names.
    let private namedTargets (case: ScenarioCase) =
        match case.Expect.End with
        | ExpectedEnd.Target name -> case.Up.Names @ [ name ]
        | _ -> case.Up.Names

    /// What is to be known of the PROXY header where a case did not come out as expected.
    let private headerRemark (client: DescribedClient) (life: Life) =
        match life.CloseReason with
        | _ when Forecast.leavesHeaderUnread life client -> " (the client is no trusted proxy: its PROXY header is taken for its own bytes)"
        | ValueSome { Phase = Phase.ProxyHeader } -> " (a trusted proxy must send a PROXY header; say with header what it holds)"
        | _ -> ""

    let private compare (proxy: ProxyConfig) (client: DescribedClient) (forecast: Forecast) (life: Life) (attempts: int) (expect: Expectation) =
        let came =
            let ended = match life.CloseReason with ValueSome reason -> string reason | ValueNone -> $"relayed to {proxy.Targets[life.LastTarget.Value].Name}"
            ended + headerRemark client life
        let target = if life.IsOver then None else Some proxy.Targets[life.LastTarget.Value].Name
        let certificate =
            match forecast.Hello, proxy.Listener.Tls with
            | ValueSome(HelloAnswer.Serve(index, _)), Some tls -> tls.Certificates[index].Shown.Certificate
            | _ -> ""
        [ match expect.End, life.CloseReason with
          | ExpectedEnd.Target wanted, _ when target <> Some wanted -> $"expected target {wanted}, got {came}"
          | ExpectedEnd.AnyRefusal, ValueNone -> $"expected refusal for any reason, got {came}"
          | ExpectedEnd.Refusal wanted, reason when not (reason |> ValueOption.exists (string >> CloseReason.isNamed wanted)) -> $"expected refusal {wanted}, got {came}"
          | _ -> ()
          match expect.Certificate with
          | Some wanted when certificate <> wanted && not (certificate.EndsWith("/" + wanted, StringComparison.Ordinal)) ->
              let shown text = if text = "" then "none" else text
              $"expected certificate {shown wanted}, got {shown certificate}"
          | _ -> ()
          match expect.Attempts with
          | Some wanted when attempts <> wanted -> $"expected {wanted} attempts, got {attempts}"
          | _ -> () ]

    /// `tls`: the rules for hellos of the proxy of that name; null where its listener terminates no TLS.
    let private runCase (config: Config) (tls: Func<string, ListenerTlsRules>) (case: ScenarioCase) : ScenarioResult =
        let failures =
            match DescribedClient.proxyOf config "proxy" case.Proxy with
            | Error message -> [ message ]
            | Ok proxy ->
                match DescribedClient.unknownTargets proxy (namedTargets case), DescribedClient.reach proxy.Listener $"client {case.Peer}" case.Peer with
                | [], Ok local ->
                    let rules = Rules proxy
                    let client =
                        { Peer = case.Peer
                          Local = local
                          Header = case.Header
                          ServerName = case.ServerName
                          AlpnOffer = case.AlpnOffer
                          TlsOffer = { TlsOffer.usual with Keys = case.Keys }
                          OpenConnections = case.OpenConnections
                          Ticket = case.Ticket }
                    let forecast = Forecast.untilDial rules (ValueOption.ofObj (tls.Invoke proxy.Name)) client
                    let attempts, life = Forecast.connect (fun index -> not (case.Up.IsUp rules.Targets[index].Name)) forecast
                    compare proxy client forecast life attempts.Length case.Expect
                | unknown, Ok _ -> unknown
                | unknown, Error message -> unknown @ [ message ]
        { Line = case.At.Line; Name = case.Name; Failures = failures }

    [<CompiledName "Run">]
    let run (config: Config) (tls: Func<string, ListenerTlsRules>) (file: ScenarioFile) : IReadOnlyList<ScenarioResult> =
        file.Cases |> List.map (runCase config tls) |> List.toArray :> IReadOnlyList<ScenarioResult>

    /// A line a failure, then the sum.
    [<CompiledName "Report">]
    let report (fileName: string) (results: IReadOnlyList<ScenarioResult>) : string =
        let failed = results |> Seq.filter (fun r -> not r.Failures.IsEmpty) |> Seq.toList
        let lines = [ for result in failed do for failure in result.Failures -> Shown.line $"{fileName}:{result.Line}: {result.Name}: {failure}" ]
        let cases = if results.Count = 1 then "1 case" else $"{results.Count} cases"
        let sum = if failed.IsEmpty then $"{cases}, all as expected" else $"{cases}, {failed.Length} not as expected"
        String.concat "\n" (lines @ [ sum ]) + "\n"

    /// The same for programs: every case, in the order of the file.
    [<CompiledName "ToJson">]
    let json (fileName: string) (results: IReadOnlyList<ScenarioResult>) : string =
        let failed = results |> Seq.filter (fun r -> not r.Failures.IsEmpty) |> Seq.length
        Json.Object [
            "file", Json.Text fileName
            "passed", Json.Number(decimal (results.Count - failed))
            "failed", Json.Number(decimal failed)
            "cases",
            Json.Array [
                for result in results ->
                    Json.Object [
                        "name", Json.Text result.Name
                        "line", Json.Number(decimal result.Line)
                        "failures", Json.Array(result.Failures |> List.map Json.Text)
                    ]
            ]
        ]
        |> Json.format
