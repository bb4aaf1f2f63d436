namespace Bitflow.Domain

open System
open System.Linq
open System.Text.Json

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

    let private text (json: Utf8JsonWriter) (key: string) (value: string) = json.WriteString(key, JsonText.orEmpty value)

    /// A JSON array, one object a proxy.
    [<CompiledName("ProxiesJson")>]
    let proxiesJson (proxies: ProxyView seq) : byte array =
        JsonText.bytes (fun json ->
            json.WriteStartArray()
            for proxy in proxies do
                json.WriteStartObject()
                text json "name" proxy.Name
                text json "listener" proxy.Listener
                json.WriteStartArray "bound"
                for endpoint in proxy.Bound do
                    json.WriteStringValue(JsonText.orEmpty (string endpoint))
                json.WriteEndArray()
                json.WriteString("policy", string proxy.Policy)
                json.WriteStartArray "targets"
                for target in proxy.Targets do
                    json.WriteStartObject()
                    text json "name" target.Name
                    text json "address" target.Address
                    match target.Failure with
                    | Some failure ->
                        json.WriteString("failing_since", JsonText.time failure.Since)
                        text json "fault" (TargetFailure.describe failure)
                    | None ->
                        json.WriteNull "failing_since"
                        text json "fault" ""
                    json.WriteEndObject()
                json.WriteEndArray()
                json.WriteNumber("open_connections", proxy.OpenConnections)
                json.WriteNumber("connection_limit", proxy.ConnectionLimit)
                json.WriteNumber("admitted", proxy.Admitted)
                json.WriteNumber("relays", proxy.Relays)
                json.WriteNumber("source_sent_bytes", proxy.SourceSentBytes)
                json.WriteNumber("destination_receive_bytes", proxy.DestinationReceiveBytes)
                json.WriteNumber("config_generation", proxy.Generation)
                json.WriteBoolean("configured", proxy.IsConfigured)
                json.WriteEndObject()
            json.WriteEndArray())

    /// A JSON array, one object an open connection; what the keys share with the connection log means the same there.
    [<CompiledName("ConnectionsJson")>]
    let connectionsJson (connections: ConnectionView seq) : byte array =
        JsonText.bytes (fun json ->
            json.WriteStartArray()
            for connection in connections do
                json.WriteStartObject()
                json.WriteNumber("id", connection.Id)
                text json "name" connection.Proxy
                json.WriteString("phase", string connection.Phase)
                text json "source" (string connection.Source)
                text json "target" connection.Target
                text json "sni" connection.ServerName
                json.WriteString("timestamp", JsonText.time connection.Since)
                json.WriteNumber("age", connection.Age.ExactMilliseconds)
                json.WriteNumber("source_sent_bytes", connection.SourceSentBytes)
                json.WriteNumber("destination_receive_bytes", connection.DestinationReceiveBytes)
                json.WriteEndObject()
            json.WriteEndArray())

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
        + $"open for {connection.Age}, {connection.SourceSentBytes} bytes from the client, {connection.DestinationReceiveBytes} from the target, server name {shown connection.ServerName}"
