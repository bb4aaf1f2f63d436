namespace Bitflow.Domain

open System
open System.Linq

/// A target, as it is shown.
[<NoComparison>]
type TargetView =
    { Name: string
      Address: string
      /// None where no attempt has failed, or was left, since it was last reached.
      Failure: TargetFailure option }

/// A proxy at one moment.
[<NoComparison>]
type ProxyView =
    { Name: string
      /// As configured.
      Listener: string
      /// Where it really listens; empty once it was closed.
      Bound: Endpoint list
      Policy: Policy
      Targets: TargetView list
      OpenConnections: int
      /// 0: no limit.
      ConnectionLimit: int
      /// Since the start of the program.
      Admitted: int64
      Relays: int64
      /// Bytes received from clients and from targets, those of open connections included.
      SourceSentBytes: int64
      DestinationReceiveBytes: int64
      Generation: int64
      /// Whether the file has it still. One that it no longer has is shown while it has connections.
      IsConfigured: bool }

/// An open connection at one moment.
[<NoComparison>]
type ConnectionView =
    { Id: int64
      Proxy: string
      Phase: Phase
      Source: Endpoint
      Target: string
      /// What the client says it wants; shown, never trusted.
      ServerName: string
      Since: DateTimeOffset
      Age: Duration
      SourceSentBytes: int64
      DestinationReceiveBytes: int64 }

/// What the admin server and SIGUSR2 show of the running program.
[<RequireQualifiedAccess>]
module StateView =
    /// Connections shown at once: a page with all of a hundred thousand would help nobody and hold up the machine.
    let maxConnections = 1_000

    /// Those of all connections that are shown: the newest, the newest first. `id` is a connection's number.
    [<CompiledName("Newest")>]
    let newest (id: Func<'connection, int64>) (all: 'connection seq) : 'connection seq =
        // Linq sorts no more of them than are taken.
        all.OrderByDescending(id).Take maxConnections

    let private targetJson (target: TargetView) =
        let since, fault =
            match target.Failure with
            | Some failure -> Json.Text(JsonText.time failure.Since), TargetFailure.describe failure
            | None -> Json.Null, ""
        Json.Object [
            "name", Json.Text target.Name
            "address", Json.Text target.Address
            "failing_since", since
            "fault", Json.Text fault
        ]

    let private proxyJson (proxy: ProxyView) =
        Json.Object [
            "name", Json.Text proxy.Name
            "listener", Json.Text proxy.Listener
            "bound", Json.Array [ for endpoint in proxy.Bound -> Json.Text(string endpoint) ]
            "policy", Json.Text(string proxy.Policy)
            "targets", Json.Array(proxy.Targets |> List.map targetJson)
            "open_connections", Json.Number(decimal proxy.OpenConnections)
            "connection_limit", Json.Number(decimal proxy.ConnectionLimit)
            "admitted", Json.Number(decimal proxy.Admitted)
            "relays", Json.Number(decimal proxy.Relays)
            "source_sent_bytes", Json.Number(decimal proxy.SourceSentBytes)
            "destination_receive_bytes", Json.Number(decimal proxy.DestinationReceiveBytes)
            "config_generation", Json.Number(decimal proxy.Generation)
            "configured", Json.Boolean proxy.IsConfigured
        ]

    let private connectionJson (connection: ConnectionView) =
        Json.Object [
            "id", Json.Number(decimal connection.Id)
            "name", Json.Text connection.Proxy
            "phase", Json.Text(string connection.Phase)
            "source", Json.Text(string connection.Source)
            "target", Json.Text connection.Target
            "sni", Json.Text connection.ServerName
            "timestamp", Json.Text(JsonText.time connection.Since)
            "age", Json.Number connection.Age.ExactMilliseconds
            "source_sent_bytes", Json.Number(decimal connection.SourceSentBytes)
            "destination_receive_bytes", Json.Number(decimal connection.DestinationReceiveBytes)
        ]

    /// A JSON array, one object a proxy.
    [<CompiledName("ProxiesJson")>]
    let proxiesJson (proxies: ProxyView seq) : byte array = Json.bytes (Json.Array [ for proxy in proxies -> proxyJson proxy ])

    /// A JSON array, one object an open connection; what the keys share with the connection log means the same there.
    [<CompiledName("ConnectionsJson")>]
    let connectionsJson (connections: ConnectionView seq) : byte array =
        Json.bytes (Json.Array [ for connection in connections -> connectionJson connection ])

    let private shown (what: string) = if what = "" then "-" else what

    /// One line for the log.
    [<CompiledName("DescribeProxy")>]
    let describeProxy (proxy: ProxyView) =
        let limit = if proxy.ConnectionLimit = 0 then "no limit" else $"limit {proxy.ConnectionLimit}"
        let bound = proxy.Bound |> List.map string |> String.concat ", "
        let target (target: TargetView) =
            match target.Failure with
            | Some failure -> $"{target.Name} ({target.Address}; since {JsonText.time failure.Since} it {TargetFailure.describe failure})"
            | None -> $"{target.Name} ({target.Address})"
        let targets = proxy.Targets |> List.map target |> String.concat ", "
        let removed = if proxy.IsConfigured then "" else ", no longer configured"
        $"proxy {proxy.Name}: {shown bound} -> {targets} ({string proxy.Policy}): {proxy.OpenConnections} open ({limit}), "
        + $"{proxy.Admitted} admitted, {proxy.Relays} relays ended, {proxy.SourceSentBytes} bytes from clients, {proxy.DestinationReceiveBytes} from targets, configuration {proxy.Generation}{removed}"

    /// One line for the log. The server name is made of letters, digits, `-`, `_` and `.` alone.
    [<CompiledName("DescribeConnection")>]
    let describeConnection (connection: ConnectionView) =
        $"proxy {connection.Proxy}: connection {connection.Id} from {connection.Source} to {shown connection.Target}: {string connection.Phase}, "
        + $"open for {Duration.OfMilliseconds(connection.Age.TotalNanoseconds / 1_000_000L)}, {connection.SourceSentBytes} bytes from the client, {connection.DestinationReceiveBytes} from the target, server name {shown connection.ServerName}"
