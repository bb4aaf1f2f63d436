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
    let private proxyOf (config: Config) (case: ScenarioCase) =
        match config.TryProxy case.Proxy with
        | Some proxy -> Ok proxy
        | None when case.Proxy = "" -> Error "the configuration has several proxies; say which with proxy"
        | None -> Error $"the configuration has no proxy {case.Proxy}"

    /// What keeps a case from being tried.
    let private obstacles (proxy: ProxyConfig) (case: ScenarioCase) =
        let named = List.concat [ case.Down; Option.defaultValue [] case.Alive; Option.toList case.Expect.Target ]
        let known = proxy.Targets |> List.map _.Name |> set
        [ for name in List.distinct named do
              if not (known.Contains name) then $"proxy {proxy.Name} has no target {name}"
          if not (DescribedClient.canReach proxy.Listener case.Peer) then
              $"no connection leads from client {case.Peer} to the listener's {proxy.Listener.Address}: they are not of one family" ]

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
        let isRefused wanted =
            match life.CloseReason with
            | ValueSome reason ->
                (match wanted with
                 | ExpectedRefusal.ForAnyReason -> true
                 | ExpectedRefusal.For words -> CloseReason.isNamed words (string reason))
            | ValueNone -> false
        let certificate =
            match forecast.Hello, proxy.Listener.Tls with
            | ValueSome(HelloAnswer.Serve(index, _)), Some tls -> tls.Certificates[index].Certificate
            | _ -> ""
        [ match expect.Target with
          | Some wanted when target <> Some wanted -> $"expected target {wanted}, got {came}"
          | _ -> ()
          match expect.Refused with
          | Some wanted when not (isRefused wanted) -> $"expected refusal {wanted}, got {came}"
          | _ -> ()
          match expect.Certificate with
          | Some wanted when certificate <> wanted && not (certificate.EndsWith("/" + wanted, StringComparison.Ordinal)) ->
              let got = if certificate = "" then "none" else certificate
              $"expected certificate {wanted}, got {got}"
          | _ -> ()
          match expect.Attempts with
          | Some wanted when attempts <> wanted -> $"expected {wanted} attempts, got {attempts}"
          | _ -> () ]

    /// `tls`: the rules for hellos of the proxy of that name; null where its listener terminates no TLS.
    let private runCase (config: Config) (tls: Func<string, ListenerTlsRules>) (case: ScenarioCase) : ScenarioResult =
        let failures =
            match proxyOf config case with
            | Error message -> [ message ]
            | Ok proxy ->
                match obstacles proxy case with
                | [] ->
                    let down, alive = set case.Down, Option.map set case.Alive
                    let isDown (name: string) =
                        down.Contains name || (match alive with Some alive -> not (alive.Contains name) | None -> false)
                    let rules = Rules proxy
                    let client =
                        { Peer = case.Peer
                          Local = DescribedClient.localOf proxy.Listener case.Peer
                          Header = case.Header
                          ServerName = case.ServerName
                          AlpnOffer = case.AlpnOffer
                          TlsOffer = TlsOffer.usual
                          OpenConnections = case.OpenConnections
                          Ticket = case.Ticket }
                    let forecast = Forecast.untilDial rules (ValueOption.ofObj (tls.Invoke proxy.Name)) client
                    let attempts, life = Forecast.connect (fun index -> isDown rules.Targets[index].Name) forecast
                    compare proxy client forecast life attempts.Length case.Expect
                | obstacles -> obstacles
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
