namespace Bitflow.Spec

open System
open System.Text
open Bitflow.Domain

/// One scenario that can be played twice: in the simulator, and against the real program with sockets.
[<NoComparison; NoEquality>]
type Rehearsal =
    { Name: string
      /// One proxy; `@a` and `@b` stand for the addresses of its targets.
      Yaml: string
      /// Of each target; only `Up` and `Refusing` are played with sockets.
      Moods: (string * TargetMood) list
      FromClient: SideScript
      FromTarget: SideScript
      /// Milliseconds after which a client that is not being relayed leaves; negative: it waits.
      LeavesMs: int }

    override this.ToString() = this.Name

/// What a scenario came to, wherever it was played.
type Played =
    { Reason: string
      Target: string
      Attempts: int }

[<RequireQualifiedAccess>]
module Rehearsals =
    let private sends pieces finally' =
        { Pieces = pieces; PieceBytes = 1_000; GapMs = 1; Finally = finally'; TakesNothing = false }

    /// Sends once, then stays and says nothing.
    let private stays = sends 1 RelayEvent.WriteFailed
    let private silent = sends 0 RelayEvent.WriteFailed
    let private late (side: SideScript) = { side with GapMs = 150 }

    let private proxy listener targets options =
        $"- name: web\n  listener: {{ address: '127.0.0.1:0'{listener} }}\n  targets:\n"
        + (targets |> List.map (fun t -> $"    - {{ {t} }}\n") |> String.concat "")
        + $"  options: {{ connection_log: '@log'{options} }}\n"

    let private a = "name: a, address: '@a'"
    let private b = "name: b, address: '@b'"
    let private up = TargetMood.Up 1

    let private rehearsal name yaml moods fromClient fromTarget =
        { Name = name; Yaml = yaml; Moods = moods; FromClient = fromClient; FromTarget = fromTarget; LeavesMs = -1 }

    let all: Rehearsal list =
        let plain = proxy "" [ a ] ""
        let ended = RelayEvent.Ended
        let failover = ", connection_load_balancer: failover"
        let patient = a + ", connect_attempts: 2, connect_backoff: 20ms"
        [ rehearsal "the client ends first" plain [ "a", up ] (sends 2 ended) (late (sends 1 ended))
          rehearsal "the target ends first" plain [ "a", up ] (late (sends 1 ended)) (sends 2 ended)
          rehearsal "a client that neither says nor hears a byte" plain [ "a", up ] (sends 0 ended) (late (sends 0 ended))
          rehearsal "the client resets" plain [ "a", up ] (late (sends 1 RelayEvent.Reset)) stays
          rehearsal "the target resets" plain [ "a", up ] stays (late (sends 1 RelayEvent.Reset))
          rehearsal "the second target stands in for the first" (proxy "" [ patient; b ] failover) [ "a", TargetMood.Refusing; "b", up ] (sends 1 ended) (late (sends 1 ended))
          rehearsal "every target is down" (proxy "" [ patient; b ] failover) [ "a", TargetMood.Refusing; "b", TargetMood.Refusing ] stays silent
          rehearsal "without a policy the second target stands in for nobody" (proxy "" [ a; b ] "") [ "a", TargetMood.Refusing; "b", up ] stays silent
          rehearsal "a source that no list lets in" (proxy ", authorized_sources: [10.0.0.0/8]" [ a ] "") [ "a", up ] stays silent
          rehearsal "the lifetime is over" (proxy "" [ a ] ", connection_lifetime: 300ms") [ "a", up ] stays stays
          rehearsal "a silent client and its read_timeout" (proxy ", read_timeout: 200ms" [ a ] "") [ "a", up ] stays silent
          rehearsal "a silent target and its read_timeout" (proxy "" [ a + ", read_timeout: 200ms" ] "") [ "a", up ] stays silent
          rehearsal "a hello that never comes" (proxy ", handshake_timeout: 200ms" [ a ] ", connection_load_balancer: sni") [ "a", up ] silent silent
          { rehearsal "a client that leaves before its hello" (proxy "" [ a ] ", connection_load_balancer: sni") [ "a", up ] (sends 0 ended) silent with LeavesMs = 50 } ]

    /// The scenario in virtual time.
    let simulate (rehearsal: Rehearsal) : Played =
        let yaml = rehearsal.Yaml.Replace("@a", "127.0.0.1:1").Replace("@b", "127.0.0.1:2").Replace("@log", "/dev/null")
        let file = "server:\n  proxies:\n" + (yaml.TrimEnd().Split '\n' |> Array.map (fun line -> "    " + line + "\n") |> String.concat "")
        let reading = ConfigFile.Read("rehearsal.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes file))
        let proxy = reading.Config.Proxies.Head
        let client _ _ =
            { SpeaksMs = -1
              LeavesMs = rehearsal.LeavesMs
              LeavesWithReset = false
              Source = Endpoint.OfIp(Net.IPAddress.Loopback, 50_000)
              ServerName = ValueNone
              FromClient = rehearsal.FromClient
              FromTarget = rehearsal.FromTarget }
        let world =
            { Configs = [ 0, proxy ]
              Moods = rehearsal.Moods |> List.map (fun (name, mood) -> name, [ 0, mood ]) |> Map.ofList
              Connections = 1
              ArrivalGapMicroseconds = 1
              Client = client
              DrainAtMs = -1
              ShutdownAfterMs = -1 }
        match (Simulator.run world 1UL).Outcomes with
        | [| outcome |] ->
            { Reason = string outcome.Reason
              Target = (match outcome.LastTarget with ValueSome target -> proxy.Targets[target].Name | ValueNone -> "")
              Attempts = outcome.Attempts }
        | outcomes -> failwith $"{outcomes.Length} ends of one connection in \"{rehearsal.Name}\""
