/// What holds of a whole Bitflow, whatever comes: laws over simulated runs of thousands of connections.
module Bitflow.Spec.SimulatorLaws

open System
open Xunit
open Bitflow.Domain

let private sources = [| Sample.ip "10.9.9.9"; Sample.ip "10.9.9.9"; Sample.ip "10.9.9.9"; Sample.ip "203.0.113.9"; Sample.ip "10.1.2.3" |]
let private names = [| ValueNone; ValueSome(Sample.serverName "a.example"); ValueSome(Sample.serverName "x.example"); ValueSome(Sample.serverName "other.org") |]
let private ends = [| RelayEvent.Ended; RelayEvent.Ended; RelayEvent.Ended; RelayEvent.Ended; RelayEvent.Reset; RelayEvent.Truncated; RelayEvent.Left; RelayEvent.Vanished; RelayEvent.WriteFailed |]

/// Clients and targets of every kind, good, slow, silent and rude.
let private anyClient (_: int) (chance: Chance) : ClientScript =
    let draws = Draws chance
    let side () =
        { Pieces = draws.OneOf [| 0; 0; 1; 1; 2; 3 |]
          PieceBytes = draws.OneOf [| 1; 100; 16_384 |]
          GapMs = draws.OneOf [| 0; 1; 1; 5; 30 |]
          Finally = draws.OneOf ends
          TakesNothing = draws.OneOf [| false; false; false; false; false; false; false; true |] }
    let speaks = draws.OneOf [| 0; 0; 1; 5; 20; 200; -1 |]
    let leaves = draws.OneOf [| -1; -1; -1; -1; 3; 15; 60 |]
    let reset = draws.OneOf [| true; false |]
    let source = draws.OneOf sources
    let name = draws.OneOf names
    let fromClient = side ()
    { SpeaksMs = speaks
      LeavesMs = leaves
      LeavesWithReset = reset
      Source = source
      ServerName = name
      FromClient = fromClient
      FromTarget = side () }

/// Limits in force everywhere, so that every run ends by itself.
let private bounded (p: ProxyConfig) : ProxyConfig =
    { p with
        Options = { p.Options with ConnectionLifetime = (if p.Options.ConnectionLifetime.IsZero then Sample.milliseconds 400 else p.Options.ConnectionLifetime) } }

let private moods (p: ProxyConfig) (seed: uint64) =
    let draws = Draws(Chance.OfSeed seed)
    p.Targets
    |> List.map (fun t ->
        let mood () = draws.OneOf [| TargetMood.Up 1; TargetMood.Up 1; TargetMood.Up 50; TargetMood.Refusing; TargetMood.Silent; TargetMood.Untrusted |]
        let first = mood ()
        let second = mood ()
        t.Name, [ 0, first; 10, second; 25, TargetMood.Up 1 ])
    |> Map.ofList

let private world connections (p: ProxyConfig) (q: ProxyConfig) seed : World =
    { Configs = [ 0, bounded p; 15, bounded { q with Name = p.Name } ]
      Moods = moods p seed
      Connections = connections
      ArrivalGapMicroseconds = 500
      Client = anyClient
      DrainAtMs = -1
      ShutdownAfterMs = -1 }

let private size = 60
let private limitOf (world: World) (o: Outcome) = (snd world.Configs[o.Generation]).Options.ConnectionLimit

let private check (law: World -> Run -> bool) (SmallProxy p) (SmallProxy q) (seed: uint64) =
    let world = world size p q seed
    law world (Simulator.run world seed)

[<Fact>]
let ``every accepted connection ends exactly once, with one reason`` () =
    Law.Holds(check (fun world run ->
        run.SecondEnds = 0
        && run.OpenLeft = 0
        && run.Accepted = world.Connections
        && (run.Outcomes |> Array.map _.Number |> Array.distinct).Length = run.Accepted
        && run.Outcomes.Length = run.Accepted))

[<Fact>]
let ``when the last connection has ended, no timer is left`` () =
    Law.Holds(check (fun _ run -> run.TimersLeft = 0))

[<Fact>]
let ``nobody is admitted over the limit, and nobody refused below it`` () =
    Law.Holds(check (fun world run ->
        run.Outcomes |> Array.forall (fun o ->
            let limit = limitOf world o
            (not o.WasCounted || limit = 0 || o.OpenBefore < limit)
            && (o.Reason.Cause <> Cause.Limit || (limit > 0 && o.OpenBefore >= limit)))))

[<Fact>]
let ``no byte is made up, and an end in good order has lost none`` () =
    Law.Holds(check (fun _ run ->
        run.Outcomes |> Array.forall (fun o ->
            o.ToTarget <= o.FromClient
            && o.ToClient <= o.FromTarget
            && (o.Ending <> Ending.Orderly || (o.ToTarget = o.FromClient && o.ToClient = o.FromTarget)))))

[<Fact>]
let ``no connection outlives its lifetime`` () =
    Law.Holds(check (fun world run ->
        run.Outcomes |> Array.forall (fun o ->
            (o.EndedAt - o.AcceptedAt) <= (snd world.Configs[o.Generation]).Options.ConnectionLifetime)))

[<Fact>]
let ``over any window of tickets round robin begins with each target equally often, whatever fails meanwhile`` () =
    Law.Holds(fun (SmallProxy p) (seed: uint64) ->
        let p = { p with Options = { p.Options with LoadBalancer = Policy.RoundRobin } }
        let world = { world size p p seed with Configs = [ 0, bounded p ] }
        let firsts =
            (Simulator.run world seed).Outcomes
            |> Array.filter (fun o -> o.Ticket.IsSome)
            |> Array.sortBy _.Ticket
        let count = p.Targets.Length
        (firsts |> Array.map _.Ticket) = Array.init firsts.Length (int64 >> ValueSome)
        && (firsts |> Array.windowed count |> Array.forall (fun window -> (window |> Array.map _.FirstTarget |> Array.distinct).Length = count)))

[<Fact>]
let ``each connection has the settings that were in force when it was accepted, to its end`` () =
    Law.Holds(check (fun world run ->
        run.Outcomes |> Array.forall (fun o ->
            let began, config = world.Configs[o.Generation]
            let isOver = world.Configs |> List.exists (fun (from, _) -> from > began && (o.AcceptedAt - Instant 0L) >= Sample.milliseconds from)
            obj.ReferenceEquals(o.Config, config)
            && (o.AcceptedAt - Instant 0L) >= Sample.milliseconds began
            && not isOver
            && o.LastTarget |> ValueOption.forall (fun target -> target < config.Targets.Length)
            && o.Attempts <= (config.Targets |> List.sumBy _.ConnectAttempts))))

[<Fact>]
let ``a dial takes no longer than the longest time to give up, and no attempt is made after one that connected`` () =
    Law.Holds(check (fun world run ->
        run.Outcomes |> Array.forall (fun o ->
            let config = snd world.Configs[o.Generation]
            let targets = List.toArray config.Targets
            let longest = DialPlan.longest targets [| 0 .. targets.Length - 1 |]
            let dialled = if o.RelayedAt.IsNever then o.EndedAt else o.RelayedAt
            o.LateAttempts = 0 && (o.DialledAt.IsNever || (dialled - o.DialledAt) <= longest))))

[<Fact>]
let ``a target that is always down relays nothing, and is never the reason for a clean end`` () =
    Law.Holds(fun (SmallProxy p) (seed: uint64) ->
        let world = { world size p p seed with Moods = p.Targets |> List.map (fun t -> t.Name, [ 0, TargetMood.Refusing ]) |> Map.ofList }
        (Simulator.run world seed).Outcomes |> Array.forall (fun o -> o.RelayedAt.IsNever && o.Ending <> Ending.Orderly))

[<Fact>]
let ``a target that comes back is used again without anyone's doing`` () =
    Law.Holds(fun (seed: uint64) ->
        let p = { Sample.proxy "p" with Targets = [ { Sample.target "a" with ConnectAttempts = 8; ConnectBackoff = Sample.milliseconds 1 } ] }
        let polite _ _ =
            { SpeaksMs = 0; LeavesMs = -1; LeavesWithReset = false; Source = Sample.ip "10.9.9.9"; ServerName = ValueNone
              FromClient = { Pieces = 1; PieceBytes = 1; GapMs = 0; Finally = RelayEvent.Ended; TakesNothing = false }
              FromTarget = { Pieces = 1; PieceBytes = 1; GapMs = 0; Finally = RelayEvent.Ended; TakesNothing = false } }
        let world =
            { world size p p seed with
                Configs = [ 0, p ]
                Client = polite
                Moods = Map [ "a", [ 0, TargetMood.Up 1; 5, TargetMood.Refusing; 12, TargetMood.Up 1 ] ] }
        let outcomes = (Simulator.run world seed).Outcomes
        outcomes |> Array.forall (fun o -> o.Ending = Ending.Orderly)
        && outcomes |> Array.exists (fun o -> o.Attempts > 1)
        && (outcomes |> Array.maxBy _.Number).Attempts = 1)

[<Fact>]
let ``a drain ends by itself when its connections do, and with a shutdown_timeout no later than that`` () =
    Law.Holds(fun (SmallProxy p) (seed: uint64) (after: byte) ->
        let drainAt, after = 12, int after
        let world = { world size p p seed with DrainAtMs = drainAt; ShutdownAfterMs = after }
        let run = Simulator.run world seed
        let cut = Instant 0L + Sample.milliseconds (drainAt + after)
        run.OpenLeft = 0
        && run.TimersLeft = 0
        && run.Outcomes |> Array.forall (fun o ->
            o.AcceptedAt.Nanoseconds <= (Instant 0L + Sample.milliseconds drainAt).Nanoseconds
            && o.EndedAt.Nanoseconds <= cut.Nanoseconds
            && (o.Reason.Cause <> Cause.Shutdown || (o.EndedAt = cut && o.Ending = Ending.ResetBoth))))

[<Fact>]
let ``the same world and the same seed make the same run`` () =
    Law.Holds(fun (SmallProxy p) (SmallProxy q) (seed: uint64) ->
        let world = world size p q seed
        let told (run: Run) = run.Outcomes |> Array.map (fun o -> struct (o.Number, o.EndedAt, o.Reason, o.ToTarget))
        told (Simulator.run world seed) = told (Simulator.run world seed))

/// One large world, in which all of this is meant to happen.
let private largeWorld connections =
    let p =
        { Sample.proxy "large" with
            Listener =
                { Sample.listener with
                    HandshakeTimeout = Sample.milliseconds 100
                    ReadTimeout = Sample.milliseconds 25
                    WriteTimeout = Sample.milliseconds 20
                    AuthorizedSources = Sample.networks [ "10.0.0.0/8" ]
                    TrustedProxies = Sample.networks [ "10.1.0.0/16" ]
                    Tls = Some Sample.listenerTls }
            Targets =
                [ for name in [ "a"; "b"; "c" ] ->
                      { Sample.target name with
                          ConnectAttempts = 2
                          ConnectBackoff = Sample.milliseconds 5
                          ConnectTimeout = Sample.milliseconds 30
                          ReadTimeout = Sample.milliseconds 40
                          WriteTimeout = Sample.milliseconds 20 } ]
            Options = { Sample.options with LoadBalancer = Policy.RoundRobin; ConnectionLimit = 300; ConnectionLifetime = Sample.milliseconds 250 } }
    let spread mood = [ for k in 0..200 -> k * 100, (if k % 2 = 0 then TargetMood.Up 1 else mood) ]
    { Configs = [ 0, p; 700, { p with Options = { p.Options with ConnectionLimit = 100; LoadBalancer = Policy.Failover } } ]
      Moods = Map [ "a", spread TargetMood.Refusing; "b", spread TargetMood.Silent; "c", spread TargetMood.Untrusted ]
      Connections = connections
      ArrivalGapMicroseconds = 400
      Client = anyClient
      DrainAtMs = -1
      ShutdownAfterMs = 60 }

/// CASES=50000 makes it a million connections.
[<Fact>]
let ``thousands of connections, failing targets, a reload and a drain: one end each, no limit passed, nothing left`` () =
    Law.HoldsFor([ 1UL ], fun seed ->
        let world = largeWorld (20 * Law.Cases)
        let run = Simulator.run world seed
        let reasons = run.Outcomes |> Array.countBy (fun o -> string o.Reason)
        run.OpenLeft = 0
        && run.TimersLeft = 0
        && run.SecondEnds = 0
        && run.Outcomes.Length = world.Connections
        && run.Outcomes |> Array.forall (fun o -> not o.WasCounted || o.OpenBefore < limitOf world o)
        // A world in which little happens would show little.
        && (Law.Cases < 1_000 || reasons.Length >= 25))

[<Fact>]
let ``scenarios that the real program plays too have the ends that the design gives them`` () =
    let expected =
        Map [
            "the client ends first", ("client.relay.ended", "a", 1)
            "the target ends first", ("target.relay.ended", "a", 1)
            "a client that neither says nor hears a byte", ("client.relay.probe", "a", 1)
            "the client resets", ("client.relay.reset", "a", 1)
            "the target resets", ("target.relay.reset", "a", 1)
            "the second target stands in for the first", ("client.relay.ended", "b", 3)
            "every target is down", ("target.dial.refused", "b", 3)
            "without a policy the second target stands in for nobody", ("target.dial.refused", "a", 1)
            "a source that no list lets in", ("bitflow.admission.refused", "", 0)
            "the lifetime is over", ("bitflow.relay.lifetime", "a", 1)
            "a silent client and its read_timeout", ("client.relay.read_timeout", "a", 1)
            "a silent target and its read_timeout", ("target.relay.read_timeout", "a", 1)
            "a hello that never comes", ("client.hello.handshake_timeout", "", 0)
            "a client that leaves before its hello", ("client.hello.probe", "", 0)
        ]
    Law.HoldsFor(Rehearsals.all, fun rehearsal ->
        let played = Rehearsals.simulate rehearsal
        expected[rehearsal.Name] = (played.Reason, played.Target, played.Attempts))
