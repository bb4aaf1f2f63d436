namespace Bitflow.Domain

open System
open System.Buffers
open System.Globalization
open System.Net
open System.Text
open System.Text.Json

/// How bytes travel on one side.
[<RequireQualifiedAccess>]
type SideTransport =
    /// The side never came to be: nothing was dialled.
    | Unknown
    | Plaintext
    | Tls

/// What the inbound PROXY header said, as far as a decision depends on it.
[<RequireQualifiedAccess; NoComparison>]
type HeaderSeen =
    /// None was looked for, or none was read.
    | None
    /// A health check of the trusted proxy itself.
    | Local
    /// UNKNOWN or UNSPEC: the real addresses hold.
    | Unknown
    | Addresses of source: Endpoint * destination: Endpoint

    static member Of(header: ProxyHeader) =
        match ProxyOrigin.Of header with
        | ProxyOrigin.Stated(client, connectedTo) -> Addresses(client, connectedTo)
        | ProxyOrigin.Unstated -> Unknown
        | ProxyOrigin.TheSender -> Local

/// What a name resolved to when it was dialled.
[<NoComparison>]
type Resolved =
    { Host: string
      Addresses: IPAddress list }

[<RequireQualifiedAccess>]
module Resolved =
    /// What is known and what was found after it: each name once, with the addresses that it had last. However often a connection is dialled,
    /// there are no more than its proxy's targets have names.
    [<CompiledName "Then">]
    let andThen (known: Resolved list) (found: Resolved list) : Resolved list =
        if found.IsEmpty then known
        else List.filter (fun earlier -> not (List.exists (fun later -> later.Host = earlier.Host) found)) known @ found

/// Everything the connection log says of one connection: what happened, and what the decisions were made from, so
/// that `bitflow replay` can make them again. Strings are empty, numbers zero, where something never came to be.
[<NoComparison>]
type ConnectionRecord =
    { /// The proxy's name.
      Name: string
      /// When it was accepted, UTC.
      Timestamp: DateTimeOffset
      /// From accept to its end.
      Duration: Duration
      /// The client: the PROXY header's source where one counts, else the peer.
      Source: Endpoint
      SourceTransport: SideTransport
      /// The address connected to: the target's, or the SOCKS5 proxy's.
      Destination: Endpoint
      DestinationTransport: SideTransport
      /// Bytes of payload received from the client.
      SourceSentBytes: int64
      /// Bytes of payload received from the target.
      DestinationReceiveBytes: int64
      Id: int64
      /// The listener's address as configured.
      Listener: string
      /// The target's name, the last tried where none was reached.
      Target: string
      /// None only where a log that is not ours was read.
      CloseReason: CloseReason voption
      /// The system's or the peer's own words for a failure.
      Error: string
      /// The server name of the ClientHello.
      ServerName: string
      /// The protocol agreed with the client.
      Alpn: string
      /// `1.2` or `1.3`, with the client.
      TlsVersion: string
      ClientCertificateSubject: string
      /// From the first attempt to the last one's end, waits included.
      DialDuration: Duration
      DialAttempts: int
      /// 1 for the configuration of the start, one more after every reload.
      ConfigGeneration: int64
      /// Who is at the other end of the accepted socket.
      Peer: Endpoint
      /// The address that the peer connected to.
      Local: Endpoint
      Header: HeaderSeen
      /// Connections of the proxy that were open when this one was admitted or refused, without it.
      OpenConnections: int64
      RoundRobinTicket: int64 option
      /// Whether a ClientHello was read, to terminate TLS or to route by it: one without a name or protocols leaves no other trace.
      HelloRead: bool
      /// As `Alpn.shown` has it.
      AlpnOffer: string list
      /// None where no hello was read, or a log that does not say was.
      TlsOffer: TlsOffer voption
      Resolved: Resolved list }

/// Why a line is no record.
[<RequireQualifiedAccess>]
type ConnectionRecordError =
    | NotJson
    | NotAnObject
    /// The key's value has another type, or is out of range.
    | BadField of key: string
    /// Every record has it, the reference's too: without it the line is of something else.
    | Missing of key: string

/// The connection log: one JSON object a line, all keys always there and always in the order of `fields`.
[<RequireQualifiedAccess>]
module ConnectionRecord =
    /// Every key, in order, with what it means; docs/operations.md shows this table.
    let fields: (string * string) list =
        [ "name", "The proxy's name"
          "timestamp", "When the connection was accepted (RFC 3339, UTC)"
          "duration", "Milliseconds from accept to the end"
          "source_ip", "The client's address (from the PROXY header of a trusted proxy, if any); the path of a Unix socket"
          "source_port", "The client's port; 0 for a Unix socket"
          "source_protocol", "`tcp4`, `tcp6` or `unix`"
          "source_transport", "`plaintext` or `tls`, as the listener speaks it"
          "destination_ip", "The address that was connected to (the SOCKS5 proxy's, where there is one), or a Unix socket's path; where none answered, the one tried last; empty if none was tried"
          "destination_port", "Its port"
          "destination_protocol", "`tcp4`, `tcp6` or `unix`; empty if no address was tried"
          "destination_transport", "`plaintext` or `tls`; empty if nothing was connected to"
          "source_sent_bytes", "Bytes received from the client inside TLS and behind its PROXY header; a hello that is read and passed through counts, one that Bitflow answers does not"
          "destination_receive_bytes", "Bytes received from the target"
          "id", "The connection's number since the start of the program, as log lines and the admin page show it"
          "listener", "The listener's address as configured"
          "target", "The target's name; of several tried, the last"
          "close_reason", "Who ended it, in which phase, and why: `who.phase.cause`"
          "error", "What the system, the library or the peer said, where something failed"
          "sni", "The server name in the ClientHello"
          "alpn", "The protocol agreed with the client by ALPN"
          "tls_version", "`1.2` or `1.3`, as agreed with the client"
          "client_certificate_subject", "The subject of the client's certificate, if it presented one"
          "dial_duration", "Milliseconds from the first attempt to dial to the end of the last"
          "dial_attempts", "How many attempts to dial were made"
          "config_generation", "1 for the configuration read at start, one more after every reload"
          "peer_ip", "The address at the other end of the accepted socket, before any PROXY header"
          "peer_port", "Its port"
          "peer_protocol", "`tcp4`, `tcp6` or `unix`"
          "local_ip", "The address that the peer connected to"
          "local_port", "Its port"
          "local_protocol", "`tcp4`, `tcp6` or `unix`"
          "header", "What the inbound PROXY header was: `proxy`, `local` or `unknown`; empty if none was read"
          "header_source_ip", "The source in the inbound PROXY header"
          "header_source_port", "Its port"
          "header_source_protocol", "`tcp4`, `tcp6` or `unix`"
          "header_destination_ip", "The destination in the inbound PROXY header"
          "header_destination_port", "Its port"
          "header_destination_protocol", "`tcp4`, `tcp6` or `unix`"
          "open_connections", "Connections of the proxy already open when this one was admitted or refused"
          "round_robin_ticket", "The number that round-robin drew for it; null with every other policy"
          "hello_read", "Whether a ClientHello was read, to terminate TLS or to route by it"
          "alpn_offer", "The protocols that the client offered by ALPN, in its order; of more than 16, or more than 512 bytes, the first, and as the last item `and N more`"
          "tls_offer", "Of `1.2` and `1.3` the versions of TLS that the client offered; null if no hello was read"
          "large_group", "The finite-field group above 3072 bits in which the client's hello would have keys exchanged, which a listener refuses; empty if there was none"
          "resolved", "For each name that was resolved for it: `host` and `addresses`" ]

    let private transportText transport =
        match transport with
        | SideTransport.Unknown -> ""
        | SideTransport.Plaintext -> "plaintext"
        | SideTransport.Tls -> "tls"

    let private milliseconds (duration: Duration) = decimal duration.TotalNanoseconds / 1_000_000m

    /// The keys, encoded once: a record has more keys than text.
    module private Key =
        let private key (name: string) = JsonEncodedText.Encode name
        let name = key "name"
        let timestamp = key "timestamp"
        let duration = key "duration"
        let sourceIp = key "source_ip"
        let sourcePort = key "source_port"
        let sourceProtocol = key "source_protocol"
        let sourceTransport = key "source_transport"
        let destinationIp = key "destination_ip"
        let destinationPort = key "destination_port"
        let destinationProtocol = key "destination_protocol"
        let destinationTransport = key "destination_transport"
        let sourceSentBytes = key "source_sent_bytes"
        let destinationReceiveBytes = key "destination_receive_bytes"
        let id = key "id"
        let listener = key "listener"
        let target = key "target"
        let closeReason = key "close_reason"
        let error = key "error"
        let sni = key "sni"
        let alpn = key "alpn"
        let tlsVersion = key "tls_version"
        let clientCertificateSubject = key "client_certificate_subject"
        let dialDuration = key "dial_duration"
        let dialAttempts = key "dial_attempts"
        let configGeneration = key "config_generation"
        let peerIp = key "peer_ip"
        let peerPort = key "peer_port"
        let peerProtocol = key "peer_protocol"
        let localIp = key "local_ip"
        let localPort = key "local_port"
        let localProtocol = key "local_protocol"
        let header = key "header"
        let headerSourceIp = key "header_source_ip"
        let headerSourcePort = key "header_source_port"
        let headerSourceProtocol = key "header_source_protocol"
        let headerDestinationIp = key "header_destination_ip"
        let headerDestinationPort = key "header_destination_port"
        let headerDestinationProtocol = key "header_destination_protocol"
        let openConnections = key "open_connections"
        let roundRobinTicket = key "round_robin_ticket"
        let helloRead = key "hello_read"
        let alpnOffer = key "alpn_offer"
        let tlsOffer = key "tls_offer"
        let largeGroup = key "large_group"
        let resolved = key "resolved"
        let host = key "host"

    let private writeEndpoint (json: Utf8JsonWriter) (ipKey: JsonEncodedText) (portKey: JsonEncodedText) (protocolKey: JsonEncodedText) (endpoint: Endpoint) =
        match endpoint with
        | Endpoint.Ip(address, port) ->
            json.WriteString(ipKey, string address)
            json.WriteNumber(portKey, port)
        | Endpoint.Unix path ->
            json.WriteString(ipKey, JsonText.orEmpty path)
            json.WriteNumber(portKey, 0)
        | Endpoint.Unknown ->
            json.WriteString(ipKey, "")
            json.WriteNumber(portKey, 0)
        json.WriteString(protocolKey, endpoint.Protocol)

    let private write (json: Utf8JsonWriter) (record: ConnectionRecord) =
        let text (key: JsonEncodedText) (value: string) = json.WriteString(key, JsonText.orEmpty value)
        let number (key: JsonEncodedText) (value: int64) = json.WriteNumber(key, value)
        json.WriteStartObject()
        text Key.name record.Name
        json.WriteString(Key.timestamp, record.Timestamp.UtcDateTime.ToString("O", CultureInfo.InvariantCulture))
        json.WriteNumber(Key.duration, milliseconds record.Duration)
        // The reference's log has the transport behind the protocol, so each endpoint is followed by its own.
        writeEndpoint json Key.sourceIp Key.sourcePort Key.sourceProtocol record.Source
        text Key.sourceTransport (transportText record.SourceTransport)
        writeEndpoint json Key.destinationIp Key.destinationPort Key.destinationProtocol record.Destination
        text Key.destinationTransport (transportText record.DestinationTransport)
        number Key.sourceSentBytes record.SourceSentBytes
        number Key.destinationReceiveBytes record.DestinationReceiveBytes
        number Key.id record.Id
        text Key.listener record.Listener
        text Key.target record.Target
        text Key.closeReason (match record.CloseReason with ValueSome reason -> CloseReason.text reason | ValueNone -> "")
        text Key.error record.Error
        text Key.sni record.ServerName
        text Key.alpn record.Alpn
        text Key.tlsVersion record.TlsVersion
        text Key.clientCertificateSubject record.ClientCertificateSubject
        json.WriteNumber(Key.dialDuration, milliseconds record.DialDuration)
        number Key.dialAttempts (int64 record.DialAttempts)
        number Key.configGeneration record.ConfigGeneration
        writeEndpoint json Key.peerIp Key.peerPort Key.peerProtocol record.Peer
        writeEndpoint json Key.localIp Key.localPort Key.localProtocol record.Local
        let header, source, destination =
            match record.Header with
            | HeaderSeen.None -> "", Endpoint.Unknown, Endpoint.Unknown
            | HeaderSeen.Local -> "local", Endpoint.Unknown, Endpoint.Unknown
            | HeaderSeen.Unknown -> "unknown", Endpoint.Unknown, Endpoint.Unknown
            | HeaderSeen.Addresses(source, destination) -> "proxy", source, destination
        text Key.header header
        writeEndpoint json Key.headerSourceIp Key.headerSourcePort Key.headerSourceProtocol source
        writeEndpoint json Key.headerDestinationIp Key.headerDestinationPort Key.headerDestinationProtocol destination
        number Key.openConnections record.OpenConnections
        match record.RoundRobinTicket with
        | Some ticket -> number Key.roundRobinTicket ticket
        | None -> json.WriteNull(Key.roundRobinTicket)
        json.WriteBoolean(Key.helloRead, record.HelloRead)
        json.WriteStartArray(Key.alpnOffer)
        for name in record.AlpnOffer do
            json.WriteStringValue(JsonText.orEmpty name)
        json.WriteEndArray()
        match record.TlsOffer with
        | ValueSome offer ->
            json.WriteStartArray(Key.tlsOffer)
            if offer.Tls12 then json.WriteStringValue "1.2"
            if offer.Tls13 then json.WriteStringValue "1.3"
            json.WriteEndArray()
            text Key.largeGroup offer.LargeGroup
        | ValueNone ->
            json.WriteNull(Key.tlsOffer)
            text Key.largeGroup ""
        json.WriteStartArray(Key.resolved)
        for resolved in record.Resolved do
            json.WriteStartObject()
            text Key.host resolved.Host
            json.WriteStartArray "addresses"
            for address in resolved.Addresses do
                json.WriteStringValue(string address)
            json.WriteEndArray()
            json.WriteEndObject()
        json.WriteEndArray()
        json.WriteEndObject()

    /// The record as one line with its newline, in UTF-8. Text that is no valid Unicode is written with U+FFFD;
    /// control characters are escaped, so that nobody can make two lines of one.
    [<CompiledName("WriteLine")>]
    let writeLine (buffer: IBufferWriter<byte>) (record: ConnectionRecord) : unit =
        use json = new Utf8JsonWriter(buffer, JsonText.options)
        write json record
        json.Flush()
        buffer.Write("\n"B.AsSpan())

    /// The same as text, without the newline.
    let format (record: ConnectionRecord) : string =
        JsonText.bytes (fun json -> write json record) |> Encoding.UTF8.GetString

    // Inside the parser only: how the first bad field ends the reading.
    exception private BadField of key: string

    let private readRecord (root: JsonElement) : ConnectionRecord =
        let value (key: string) =
            match root.TryGetProperty key with
            | true, element when element.ValueKind <> JsonValueKind.Null -> ValueSome element
            | _ -> ValueNone
        let read key missing (convert: JsonElement -> 'a voption) =
            match value key with
            | ValueNone -> missing
            | ValueSome element ->
                match convert element with
                | ValueSome result -> result
                | ValueNone -> raise (BadField key)
        let asText (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.String then ValueNone
            // An escaped lone surrogate is a string in JSON and none here.
            else try ValueSome(element.GetString()) with :? InvalidOperationException -> ValueNone
        let asInt64 (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.Number then ValueNone
            else match element.TryGetInt64() with | true, n -> ValueSome n | _ -> ValueNone
        let asBoolean (element: JsonElement) =
            match element.ValueKind with
            | JsonValueKind.True -> ValueSome true
            | JsonValueKind.False -> ValueSome false
            | _ -> ValueNone
        let within low high (element: JsonElement) =
            match asInt64 element with
            | ValueSome n when n >= low && n <= high -> ValueSome(int n)
            | _ -> ValueNone
        let asDuration (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.Number then
                ValueNone
            else
                match element.TryGetDecimal() with
                | true, ms when abs ms <= decimal Int64.MaxValue / 1_000_000m -> ValueSome(Duration.OfNanoseconds(int64 (ms * 1_000_000m)))
                | _ -> ValueNone
        let asAddress (element: JsonElement) =
            match asText element with
            | ValueSome text -> IpAddress.tryParse text
            | ValueNone -> ValueNone
        let asList (item: JsonElement -> 'a voption) (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.Array then
                ValueNone
            else
                let items = [ for element in element.EnumerateArray() -> item element ]
                if List.forall ValueOption.isSome items then ValueSome(List.map ValueOption.get items) else ValueNone
        let text key = read key "" asText
        let int64 key = read key 0L asInt64
        let endpoint stem =
            let address, port, protocol = text $"{stem}_ip", read $"{stem}_port" 0 (within 0L 65535L), text $"{stem}_protocol"
            match protocol with
            | "" -> Endpoint.Unknown
            | "unix" -> Endpoint.Unix address
            | "tcp4"
            | "tcp6" ->
                match IpAddress.tryParse address with
                | ValueSome address -> Endpoint.OfIp(address, port)
                | ValueNone -> raise (BadField $"{stem}_ip")
            | _ -> raise (BadField $"{stem}_protocol")
        let transport key =
            match text key with
            | "" -> SideTransport.Unknown
            | "plaintext" -> SideTransport.Plaintext
            | "tls" -> SideTransport.Tls
            | _ -> raise (BadField key)
        let time (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.String then
                ValueNone
            else
                match element.TryGetDateTimeOffset() with
                | true, at -> ValueSome(at.ToUniversalTime())
                | _ -> ValueNone
        let resolved (element: JsonElement) =
            if element.ValueKind <> JsonValueKind.Object then
                ValueNone
            else
                match element.TryGetProperty "host", element.TryGetProperty "addresses" with
                | (true, host), (true, addresses) ->
                    match asText host, asList asAddress addresses with
                    | ValueSome host, ValueSome addresses -> ValueSome { Host = host; Addresses = addresses }
                    | _ -> ValueNone
                | _ -> ValueNone
        { Name = text "name"
          Timestamp = read "timestamp" DateTimeOffset.UnixEpoch time
          Duration = read "duration" Duration.Zero asDuration
          Source = endpoint "source"
          SourceTransport = transport "source_transport"
          Destination = endpoint "destination"
          DestinationTransport = transport "destination_transport"
          SourceSentBytes = int64 "source_sent_bytes"
          DestinationReceiveBytes = int64 "destination_receive_bytes"
          Id = int64 "id"
          Listener = text "listener"
          Target = text "target"
          CloseReason =
            (match text "close_reason" with
             | "" -> ValueNone
             | written ->
                 match CloseReason.tryParse written with
                 | ValueSome reason -> ValueSome reason
                 | ValueNone -> raise (BadField "close_reason"))
          Error = text "error"
          ServerName = text "sni"
          Alpn = text "alpn"
          TlsVersion = text "tls_version"
          ClientCertificateSubject = text "client_certificate_subject"
          DialDuration = read "dial_duration" Duration.Zero asDuration
          DialAttempts = read "dial_attempts" 0 (within 0L (Operators.int64 Int32.MaxValue))
          ConfigGeneration = int64 "config_generation"
          Peer = endpoint "peer"
          Local = endpoint "local"
          Header =
            (match text "header" with
             | "" -> HeaderSeen.None
             | "local" -> HeaderSeen.Local
             | "unknown" -> HeaderSeen.Unknown
             | "proxy" -> HeaderSeen.Addresses(endpoint "header_source", endpoint "header_destination")
             | _ -> raise (BadField "header"))
          OpenConnections = int64 "open_connections"
          RoundRobinTicket = read "round_robin_ticket" None (asInt64 >> ValueOption.map Some)
          HelloRead = read "hello_read" false asBoolean
          AlpnOffer = read "alpn_offer" [] (asList asText)
          TlsOffer =
            // Versions not known are passed over, as keys are.
            (match read "tls_offer" ValueNone (asList asText >> ValueOption.map ValueSome) with
             | ValueSome versions ->
                 ValueSome { Tls12 = List.contains "1.2" versions; Tls13 = List.contains "1.3" versions; LargeGroup = text "large_group" }
             | ValueNone -> ValueNone)
          Resolved = read "resolved" [] (asList resolved) }

    let private isMissing (root: JsonElement) (key: string) =
        match root.TryGetProperty key with
        | true, element -> element.ValueKind = JsonValueKind.Null
        | _ -> true

    /// Reads a line back. Keys that are not there have their empty value, so that the reference's own log can be
    /// read too, but for those that every record has; keys not known are passed over.
    [<CompiledName("TryParse")>]
    let tryParse (line: string) : Result<ConnectionRecord, ConnectionRecordError> =
        try
            use document = JsonDocument.Parse(if isNull line then "" else line)
            if document.RootElement.ValueKind <> JsonValueKind.Object then Error ConnectionRecordError.NotAnObject
            else
                let record = readRecord document.RootElement
                match [ "name"; "timestamp" ] |> List.tryFind (isMissing document.RootElement) with
                | Some key -> Error(ConnectionRecordError.Missing key)
                | None -> Ok record
        with
        | BadField key -> Error(ConnectionRecordError.BadField key)
        | :? JsonException
        // A line that is no valid UTF-16 cannot be transcoded for reading.
        | :? ArgumentException -> Error ConnectionRecordError.NotJson
