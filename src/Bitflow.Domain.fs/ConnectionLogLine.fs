namespace Bitflow.Domain

open System
open System.Text
open System.Text.Json

/// Why a line is no record.
[<RequireQualifiedAccess>]
type ConnectionRecordError =
    | NotJson
    | NotAnObject
    /// The key's value has another type, or is out of range.
    | BadField of key: string
    /// Every record has it, the reference's too: without it the line is of something else.
    | Missing of key: string

/// A part of the connection log's line: its keys, each with what it means, and its way from a record and back.
[<NoEquality; NoComparison>]
type private Part =
    { Keys: (string * string) list
      Write: Action<JsonLines, ConnectionRecord>
      /// The record with what the object has under the keys; the key that is at fault.
      Read: JsonElement -> ConnectionRecord -> Result<ConnectionRecord, string> }

/// The connection log: one JSON object a line, all keys always there and always in the order of `fields`.
[<RequireQualifiedAccess>]
module ConnectionLogLine =
    let private field (key: string) (meaning: string) (kind: JsonKind<'a>) (get: ConnectionRecord -> 'a) (set: ConnectionRecord -> 'a -> ConnectionRecord) : Part =
        let written = JsonLines.Quote key
        { Keys = [ key, meaning ]
          Write =
            Action<_, _>(fun lines record ->
                lines.Key written
                kind.Write(lines, get record))
          Read = fun root record -> JsonKind.read kind key root |> Result.map (set record) }

    let private endpoint (stem: string) (ip: string) (port: string) (protocol: string) (get: ConnectionRecord -> Endpoint) (set: ConnectionRecord -> Endpoint -> ConnectionRecord) : Part =
        let ipKey, portKey, protocolKey = $"{stem}_ip", $"{stem}_port", $"{stem}_protocol"
        let ipWritten, portWritten, protocolWritten = JsonLines.Quote ipKey, JsonLines.Quote portKey, JsonLines.Quote protocolKey
        { Keys = [ ipKey, ip; portKey, port; protocolKey, protocol ]
          Write =
            Action<_, _>(fun lines record ->
                let endpoint = get record
                lines.Key ipWritten
                match endpoint with
                | Endpoint.Ip(address, _) -> lines.Quoted(address, "")
                | Endpoint.Unix path -> lines.Text path
                | Endpoint.Unknown -> lines.Text ""
                lines.Key portWritten
                lines.Formatted((match endpoint with Endpoint.Ip(_, port) -> port | Endpoint.Unix _ | Endpoint.Unknown -> 0), "")
                lines.Key protocolWritten
                lines.Text endpoint.Protocol)
          Read =
            fun root record ->
                match JsonKind.read JsonKind.text protocolKey root, JsonKind.read JsonKind.text ipKey root, JsonKind.read (JsonKind.upTo Address.maxPort) portKey root with
                | Error key, _, _
                | _, Error key, _
                | _, _, Error key -> Error key
                | Ok "", _, _ -> Ok(set record Endpoint.Unknown)
                | Ok "unix", Ok path, _ -> Ok(set record (Endpoint.Unix path))
                | Ok("tcp4" | "tcp6"), Ok address, Ok port ->
                    match IpAddress.tryParse address with
                    | ValueSome address -> Ok(set record (Endpoint.OfIp(address, port)))
                    | ValueNone -> Error ipKey
                | _ -> Error protocolKey }

    let private readAll (parts: Part seq) (root: JsonElement) (record: ConnectionRecord) =
        Seq.fold (fun record part -> Result.bind (part.Read root) record) (Ok record) parts

    /// What most connections have nothing to say under: where it is absent as in a record of which nothing is known, it is written in one piece.
    let private seldom (isAbsent: ConnectionRecord -> bool) (parts: Part list) : Part =
        let write (lines: JsonLines) record = for part in parts do part.Write.Invoke(lines, record)
        let absent = JsonLines()
        write absent ConnectionRecord.Empty
        let absent = absent.Written.ToArray()
        { Keys = List.collect _.Keys parts
          Write = Action<_, _>(fun lines record -> if isAbsent record then lines.Key absent else write lines record)
          Read = readAll parts }

    let private transport: JsonKind<SideTransport> =
        JsonKind.named SideTransport.Unknown
            (function SideTransport.Unknown -> "" | SideTransport.Plaintext -> "plaintext" | SideTransport.Tls -> "tls")
            (function "" -> ValueSome SideTransport.Unknown | "plaintext" -> ValueSome SideTransport.Plaintext | "tls" -> ValueSome SideTransport.Tls | _ -> ValueNone)

    let private closeReason: JsonKind<CloseReason voption> =
        JsonKind.named ValueNone
            (function ValueSome reason -> CloseReason.text reason | ValueNone -> "")
            (function "" -> ValueSome ValueNone | written -> CloseReason.tryParse written |> ValueOption.map ValueSome)

    /// Whose addresses have keys of their own.
    let private header: JsonKind<ProxyOrigin voption> =
        JsonKind.named ValueNone
            (function ValueNone -> "" | ValueSome ProxyOrigin.TheSender -> "local" | ValueSome ProxyOrigin.Unstated -> "unknown" | ValueSome(ProxyOrigin.Stated _) -> "proxy")
            (function
             | "" -> ValueSome ValueNone
             | "local" -> ValueSome(ValueSome ProxyOrigin.TheSender)
             | "unknown" -> ValueSome(ValueSome ProxyOrigin.Unstated)
             | "proxy" -> ValueSome(ValueSome(ProxyOrigin.Stated(Endpoint.Unknown, Endpoint.Unknown)))
             | _ -> ValueNone)

    let private headerSource (record: ConnectionRecord) =
        match record.Header with
        | ValueSome(ProxyOrigin.Stated(source, _)) -> source
        | _ -> Endpoint.Unknown

    let private withHeaderSource (record: ConnectionRecord) source =
        match record.Header with
        | ValueSome(ProxyOrigin.Stated(_, destination)) -> { record with Header = ValueSome(ProxyOrigin.Stated(source, destination)) }
        | _ -> record

    let private headerDestination (record: ConnectionRecord) =
        match record.Header with
        | ValueSome(ProxyOrigin.Stated(_, destination)) -> destination
        | _ -> Endpoint.Unknown

    let private withHeaderDestination (record: ConnectionRecord) destination =
        match record.Header with
        | ValueSome(ProxyOrigin.Stated(source, _)) -> { record with Header = ValueSome(ProxyOrigin.Stated(source, destination)) }
        | _ -> record

    let private tlsVersions (offer: TlsOffer) = [ if offer.Tls12 then string TlsVersion.Tls12
                                                  if offer.Tls13 then string TlsVersion.Tls13 ]

    /// Versions not known are passed over, as keys are.
    let private ofTlsVersions versions : TlsOffer =
        { TlsOffer.usual with Tls12 = List.contains (string TlsVersion.Tls12) versions; Tls13 = List.contains (string TlsVersion.Tls13) versions }

    let private withKeys (record: ConnectionRecord) (keys: string list voption) =
        match keys with
        | ValueSome keys -> { record with TlsOffer = record.TlsOffer |> ValueOption.map (fun offer -> { offer with Keys = KeyKind.ofTexts keys }) }
        // A log that does not say so is an older one.
        | ValueNone -> record

    let private resolved: JsonKind<Resolved> =
        let hostKey, addressesKey, addresses = "host", "addresses", JsonKind.list JsonKind.address
        let host, next = JsonLines.Quote hostKey, JsonLines.Quote addressesKey
        { new JsonKind<Resolved>() with
            member _.Absent = { Host = ""; Addresses = [] }
            member _.Write(lines, resolved) =
                lines.Open()
                lines.Key host
                lines.Text resolved.Host
                lines.Key next
                addresses.Write(lines, resolved.Addresses)
                lines.Close()
            member _.Read element =
                if element.ValueKind <> JsonValueKind.Object then ValueNone
                else
                    match element.TryGetProperty hostKey, element.TryGetProperty addressesKey with
                    | (true, host), (true, found) ->
                        match JsonKind.text.Read host, addresses.Read found with
                        | ValueSome host, ValueSome found -> ValueSome { Host = host; Addresses = found }
                        | _ -> ValueNone
                    | _ -> ValueNone }

    /// The reference's keys come first, in its order: there an endpoint has its transport behind its protocol.
    let private table: Part array =
        [| field "name" "The proxy's name" JsonKind.text _.Name (fun record value -> { record with Name = value })
           field "timestamp" "When the connection was accepted (RFC 3339, UTC)" JsonKind.time _.Timestamp (fun record value -> { record with Timestamp = value })
           field "duration" "Milliseconds from accept to its end; what the kernel still holds for a side by then may take longer to go out, and the record with it" JsonKind.milliseconds _.Duration (fun record value -> { record with Duration = value })
           endpoint "source"
               "The client's address (from the PROXY header of a trusted proxy, if any); the path of a Unix socket"
               "The client's port; 0 for a Unix socket"
               "`tcp4`, `tcp6` or `unix`"
               _.Source (fun record value -> { record with Source = value })
           field "source_transport" "`plaintext` or `tls`, as the listener speaks it" transport _.SourceTransport (fun record value -> { record with SourceTransport = value })
           endpoint "destination"
               "The address that was connected to (the SOCKS5 proxy's, where there is one), or a Unix socket's path; where none answered, the one tried last; empty if none was tried"
               "Its port"
               "`tcp4`, `tcp6` or `unix`; empty if no address was tried"
               _.Destination (fun record value -> { record with Destination = value })
           field "destination_transport" "`plaintext` or `tls`; empty if nothing was relayed to it" transport _.DestinationTransport (fun record value -> { record with DestinationTransport = value })
           field "source_sent_bytes" "Bytes received from the client inside TLS and behind its PROXY header; a hello that is read and passed through counts, one that Bitflow answers does not" JsonKind.number _.SourceSentBytes (fun record value -> { record with SourceSentBytes = value })
           field "destination_receive_bytes" "Bytes received from the target" JsonKind.number _.DestinationReceiveBytes (fun record value -> { record with DestinationReceiveBytes = value })
           field "id" "The connection's number since the start of the program, as log lines and the admin page show it" JsonKind.number _.Id (fun record value -> { record with Id = value })
           field "listener" "The listener's address as configured" JsonKind.text _.Listener (fun record value -> { record with Listener = value })
           field "target" "The target's name; of several tried, the last" JsonKind.text _.Target (fun record value -> { record with Target = value })
           field "close_reason" "Who ended it, in which phase, and why: `who.phase.cause`" closeReason _.CloseReason (fun record value -> { record with CloseReason = value })
           seldom
             (fun record -> String.IsNullOrEmpty record.Error && String.IsNullOrEmpty record.ServerName && String.IsNullOrEmpty record.Alpn && String.IsNullOrEmpty record.TlsVersion && String.IsNullOrEmpty record.ClientCertificateSubject)
             [ field "error" "What the system, the library or the peer said, where something failed" JsonKind.text _.Error (fun record value -> { record with Error = value })
               field "sni" "The server name in the ClientHello" JsonKind.text _.ServerName (fun record value -> { record with ServerName = value })
               field "alpn" "The protocol agreed with the client by ALPN" JsonKind.text _.Alpn (fun record value -> { record with Alpn = value })
               field "tls_version" "`1.2` or `1.3`, as agreed with the client" JsonKind.text _.TlsVersion (fun record value -> { record with TlsVersion = value })
               field "client_certificate_subject" "The subject of the client's certificate, if it presented one, accepted or not" JsonKind.text _.ClientCertificateSubject (fun record value -> { record with ClientCertificateSubject = value }) ]
           field "dial_duration" "Milliseconds from the first attempt to dial to the end of the last" JsonKind.milliseconds _.DialDuration (fun record value -> { record with DialDuration = value })
           field "dial_attempts" "How many attempts to dial were made" (JsonKind.upTo Int32.MaxValue) _.DialAttempts (fun record value -> { record with DialAttempts = value })
           field "config_generation" "By which configuration its proxy was last changed: 1 for the one read at start, one more for every reload since" JsonKind.number _.ConfigGeneration (fun record value -> { record with ConfigGeneration = value })
           endpoint "peer"
               "The address at the other end of the accepted socket, before any PROXY header"
               "Its port"
               "`tcp4`, `tcp6` or `unix`"
               _.Peer (fun record value -> { record with Peer = value })
           endpoint "local"
               "The address that the peer connected to"
               "Its port"
               "`tcp4`, `tcp6` or `unix`"
               _.Local (fun record value -> { record with Local = value })
           seldom
             (fun record -> record.Header.IsNone)
             [ field "header" "What the inbound PROXY header was: `proxy`, `local` or `unknown`; empty if none was read" header _.Header (fun record value -> { record with Header = value })
               endpoint "header_source"
                   "The source in the inbound PROXY header"
                   "Its port"
                   "`tcp4`, `tcp6` or `unix`"
                   headerSource withHeaderSource
               endpoint "header_destination"
                   "The destination in the inbound PROXY header"
                   "Its port"
                   "`tcp4`, `tcp6` or `unix`"
                   headerDestination withHeaderDestination ]
           field "open_connections" "Connections of the proxy already open when this one was admitted or refused" JsonKind.number _.OpenConnections (fun record value -> { record with OpenConnections = value })
           seldom
             (fun record -> record.RoundRobinTicket.IsNone && not record.HelloRead && record.AlpnOffer.IsEmpty && record.TlsOffer.IsNone && not record.ClientCertificate && record.Resolved.IsEmpty)
             [ field "round_robin_ticket" "The number that round-robin drew for it; null with every other policy" (JsonKind.orNull JsonKind.number) _.RoundRobinTicket (fun record value -> { record with RoundRobinTicket = value })
               field "hello_read" "Whether a ClientHello was read, to terminate TLS or to route by it" JsonKind.boolean _.HelloRead (fun record value -> { record with HelloRead = value })
               field "alpn_offer" "The protocols that the client offered by ALPN, in its order; of more than 16, or more than 512 bytes, the first, and as the last item `and N more`" (JsonKind.list JsonKind.text) _.AlpnOffer (fun record value -> { record with AlpnOffer = value })
               field "tls_offer" "Of `1.2` and `1.3` the versions of TLS that the client offered; null if no hello was read" (JsonKind.orNull (JsonKind.list JsonKind.text)) (_.TlsOffer >> ValueOption.map tlsVersions) (fun record value -> { record with TlsOffer = ValueOption.map ofTlsVersions value })
               field "large_group" "The finite-field group above 3072 bits in which the client's hello would have keys exchanged, which a listener refuses; empty if there was none" JsonKind.text (fun record -> match record.TlsOffer with ValueSome offer -> offer.LargeGroup | ValueNone -> "") (fun record value -> { record with TlsOffer = record.TlsOffer |> ValueOption.map (fun offer -> { offer with LargeGroup = value }) })
               field "key_offer" "Of `rsa`, `p256`, `p384` and `p521` the kinds of key whose certificates the client's hello says that it verifies; null if no hello was read" (JsonKind.orNull (JsonKind.list JsonKind.text)) (_.TlsOffer >> ValueOption.map (_.Keys >> List.map string)) withKeys
               field "client_certificate" "Whether the client presented a certificate that was accepted" JsonKind.boolean _.ClientCertificate (fun record value -> { record with ClientCertificate = value })
               field "resolved" "For each name that was resolved for it: `host` and `addresses`" (JsonKind.list resolved) _.Resolved (fun record value -> { record with Resolved = value }) ] |]

    /// Every key, in order, with what it means; docs/operations.md shows this table.
    let fields: (string * string) list = [ for part in table do yield! part.Keys ]

    /// The record as one line with its newline, in UTF-8. Text that is no valid Unicode is written with U+FFFD;
    /// control characters are escaped, so that nobody can make two lines of one.
    [<CompiledName("Write")>]
    let write (lines: JsonLines) (record: ConnectionRecord) : unit =
        lines.Open()
        for part in table do
            part.Write.Invoke(lines, record)
        lines.Close()
        lines.End()

    /// The same as text, without the newline.
    [<CompiledName("Format")>]
    let format (record: ConnectionRecord) : string =
        let lines = JsonLines()
        write lines record
        Encoding.UTF8.GetString(lines.Written.Slice(0, lines.Count - 1))

    let private isMissing (root: JsonElement) (key: string) =
        match root.TryGetProperty key with
        | true, element -> element.ValueKind = JsonValueKind.Null
        | _ -> true

    let private readObject (root: JsonElement) : Result<ConnectionRecord, ConnectionRecordError> =
        match readAll table root ConnectionRecord.Empty with
        | Error key -> Error(ConnectionRecordError.BadField key)
        | Ok record ->
            match List.tryFind (isMissing root) [ "name"; "timestamp" ] with
            | Some key -> Error(ConnectionRecordError.Missing key)
            | None -> Ok record

    /// Reads a line back. Keys that are not there have their empty value, so that the reference's own log can be
    /// read too, but for those that every record has; keys not known are passed over.
    [<CompiledName("TryParse")>]
    let tryParse (line: string) : Result<ConnectionRecord, ConnectionRecordError> =
        try
            use document = JsonDocument.Parse(if isNull line then "" else line)
            if document.RootElement.ValueKind = JsonValueKind.Object then readObject document.RootElement
            else Error ConnectionRecordError.NotAnObject
        with
        | :? JsonException
        // A line that is no valid UTF-16 cannot be transcoded for reading.
        | :? ArgumentException
        // An escaped lone surrogate in a key, of whatever object, cannot be unescaped.
        | :? InvalidOperationException -> Error ConnectionRecordError.NotJson
