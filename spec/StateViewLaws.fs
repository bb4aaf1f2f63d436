module Bitflow.Spec.StateViewLaws

open System
open System.Net
open System.Text.Json
open Xunit
open Bitflow.Domain

let private proxy name : ProxyView =
    { Name = name
      Listener = ":443"
      Bound = [ Endpoint.OfIp(IPAddress.Loopback, 443) ]
      Policy = Policy.RoundRobin
      Targets = [ { Name = name; Address = "10.0.0.1:80"; Failure = None } ]
      OpenConnections = 3
      ConnectionLimit = 10
      Admitted = 7L
      Relays = 4L
      SourceSentBytes = 100L
      DestinationReceiveBytes = Int64.MaxValue
      Generation = 2L
      IsConfigured = true }

let private connection source serverName : ConnectionView =
    { Id = 9L
      Proxy = "web"
      Phase = Phase.Relay
      Source = source
      Target = "a"
      ServerName = serverName
      Since = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)
      Age = Duration.OfMilliseconds 1_500L
      SourceSentBytes = 1L
      DestinationReceiveBytes = 2L }

[<Fact>]
let ``whatever proxies and clients are called, what is shown of them is JSON that says so`` () =
    Law.Holds(fun (UnicodeText name) (UnicodeText path) ->
        use proxies = JsonDocument.Parse(ReadOnlyMemory(StateView.proxiesJson [ proxy name; proxy "b" ]))
        use connections = JsonDocument.Parse(ReadOnlyMemory(StateView.connectionsJson [ connection (Endpoint.Unix path) name ]))
        proxies.RootElement.GetArrayLength() = 2
        && proxies.RootElement[0].GetProperty("name").GetString() = name
        && proxies.RootElement[0].GetProperty("targets").[0].GetProperty("name").GetString() = name
        && proxies.RootElement[0].GetProperty("configured").GetBoolean()
        && [ "open_connections", 3L; "connection_limit", 10L; "admitted", 7L; "relays", 4L; "source_sent_bytes", 100L; "destination_receive_bytes", Int64.MaxValue; "config_generation", 2L ]
           |> List.forall (fun (key, number) -> proxies.RootElement[0].GetProperty(key).GetInt64() = number)
        && [ "id", 9L; "source_sent_bytes", 1L; "destination_receive_bytes", 2L ]
           |> List.forall (fun (key, number) -> connections.RootElement[0].GetProperty(key).GetInt64() = number)
        && connections.RootElement[0].GetProperty("target").GetString() = "a"
        && connections.RootElement[0].GetProperty("sni").GetString() = name
        && connections.RootElement[0].GetProperty("age").GetDecimal() = 1500m)

[<Fact>]
let ``no text makes the writing of a view throw`` () =
    Law.Holds(fun (HostileText text) ->
        (StateView.connectionsJson [ connection (Endpoint.Unix text) text ]).Length > 0 && (StateView.proxiesJson [ proxy text ]).Length > 0)

[<Fact>]
let ``the state in the log is one line a proxy and one a connection`` () =
    Law.HoldsFor(
        [ StateView.describeProxy (proxy "web"),
          "proxy web: 127.0.0.1:443 -> web (10.0.0.1:80) (round-robin): 3 open (limit 10), 7 admitted, 4 relays ended, 100 bytes from clients, 9223372036854775807 from targets, configuration 2"
          StateView.describeProxy { proxy "free" with ConnectionLimit = 0 },
          "proxy free: 127.0.0.1:443 -> free (10.0.0.1:80) (round-robin): 3 open (no limit), 7 admitted, 4 relays ended, 100 bytes from clients, 9223372036854775807 from targets, configuration 2"
          StateView.describeProxy { proxy "old" with Bound = []; IsConfigured = false },
          "proxy old: - -> old (10.0.0.1:80) (round-robin): 3 open (limit 10), 7 admitted, 4 relays ended, 100 bytes from clients, 9223372036854775807 from targets, configuration 2, no longer configured"
          StateView.describeConnection (connection (Endpoint.OfIp(IPAddress.Parse "192.0.2.1", 5)) "www.example"),
          "proxy web: connection 9 from 192.0.2.1:5 to a: relay, open for 1.5s, 1 bytes from the client, 2 from the target, server name www.example" ],
        fun (text, expected) -> text = expected
    )

[<Fact>]
let ``a target that fails is shown with since when and of what`` () =
    let since = DateTimeOffset(2026, 1, 1, 0, 0, 0, TimeSpan.Zero)
    let failure = TargetFailure.afterFailed Instant.Never since (DialFault.Connect IoFault.Refused) None
    let failing = { proxy "web" with Targets = [ { Name = "a"; Address = "10.0.0.1:80"; Failure = failure } ] }
    use json = JsonDocument.Parse(ReadOnlyMemory(StateView.proxiesJson [ failing; proxy "web" ]))
    let target (i: int) = json.RootElement[i].GetProperty("targets").[0]
    Law.HoldsFor([ StateView.describeProxy failing ], fun line ->
        line.Contains "-> a (10.0.0.1:80; since 2026-01-01T00:00:00.000Z it refused the connection: nothing listens there) (round-robin)")
    Law.HoldsFor([ 0, "\"2026-01-01T00:00:00.000Z\"", "refused the connection: nothing listens there"; 1, "null", "" ], fun (i, since, fault) ->
        (target i).GetProperty("failing_since").GetRawText() = since && (target i).GetProperty("fault").GetString() = fault)

[<Fact>]
let ``policies and phases are shown by the names that they have in the configuration and in close reasons`` () =
    let policy p =
        use json = JsonDocument.Parse(ReadOnlyMemory(StateView.proxiesJson [ { proxy "p" with Policy = p } ]))
        json.RootElement[0].GetProperty("policy").GetString()
    let phase p =
        use json = JsonDocument.Parse(ReadOnlyMemory(StateView.connectionsJson [ { connection Endpoint.Unknown "" with Phase = p } ]))
        json.RootElement[0].GetProperty("phase").GetString()
    Law.HoldsFor([ Policy.None, "none"; Policy.Failover, "failover"; Policy.RoundRobin, "round-robin"; Policy.Sni, "sni" ], fun (p, name) -> policy p = name)
    Law.HoldsFor(CloseReason.allPhases, fun p -> (string (CloseReason.make Who.Client p Cause.Ended)).Split('.').[1] = phase p)

[<Fact>]
let ``a page shows the thousand newest connections, the newest first`` () =
    Law.HoldsFor([ 0; 1; 999; 1_000; 1_001; 5_000 ], fun count ->
        // Out of order, and no two alike: the modulus is prime.
        let connections = [ for n in 1..count -> { connection Endpoint.Unknown "" with Id = int64 n * 7_919L % 100_003L } ]
        let shown = StateView.newest (Func<ConnectionView, int64> _.Id) connections |> Seq.map _.Id |> Seq.toList
        shown = (connections |> List.map _.Id |> List.sortDescending |> List.truncate 1_000))
