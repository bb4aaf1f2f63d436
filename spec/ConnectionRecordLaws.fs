module Bitflow.Spec.ConnectionRecordLaws

open System
open System.Net
open System.Text
open System.Text.Json
open Xunit
open Bitflow.Domain

let private keys (line: string) =
    use document = JsonDocument.Parse line
    [ for property in document.RootElement.EnumerateObject() -> property.Name ]

let private sample =
    { Name = "web"
      Timestamp = DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero)
      Duration = Duration.OfNanoseconds 1_500_001L
      Source = Endpoint.OfIp(IPAddress.Parse "192.0.2.7", 51234)
      SourceTransport = SideTransport.Tls
      Destination = Endpoint.Unix "/run/app.sock"
      DestinationTransport = SideTransport.Plaintext
      SourceSentBytes = 12L
      DestinationReceiveBytes = 345L
      Id = 9L
      Listener = ":443"
      Target = "app"
      CloseReason = CloseReason.tryParse "client.relay.ended"
      Error = ""
      ServerName = "www.example"
      Alpn = "h2"
      TlsVersion = "1.3"
      ClientCertificateSubject = ""
      DialDuration = Duration.OfMilliseconds 1L
      DialAttempts = 1
      ConfigGeneration = 1L
      Peer = Endpoint.OfIp(IPAddress.Parse "192.0.2.7", 51234)
      Local = Endpoint.OfIp(IPAddress.Parse "2001:db8::1", 443)
      Header = ValueNone
      OpenConnections = 3L
      RoundRobinTicket = ValueNone
      HelloRead = true
      AlpnOffer = [ "h2"; "http/1.1" ]
      TlsOffer = ValueSome { Tls12 = true; Tls13 = true; LargeGroup = "ffdhe4096"; Keys = [ KeyKind.Rsa; KeyKind.P256 ] }
      ClientCertificate = true
      Resolved = [ { Host = "app.internal"; Addresses = [ IPAddress.Parse "10.0.0.1" ] } ] }

[<Fact>]
let ``a record that was written reads back as itself`` () =
    Law.Holds(fun (record: ConnectionRecord) ->
        match ConnectionLogLine.tryParse (ConnectionLogLine.format record) with
        | Ok read -> ConnectionLogLine.format read = ConnectionLogLine.format record && read.Timestamp = record.Timestamp && read.Duration = record.Duration
                     && read.Source = record.Source && read.Error = record.Error && read.AlpnOffer = record.AlpnOffer && read.HelloRead = record.HelloRead && read.TlsOffer = record.TlsOffer && read.ClientCertificate = record.ClientCertificate && read.RoundRobinTicket = record.RoundRobinTicket
        | Error _ -> false)

[<Fact>]
let ``what a record says alone is said`` () =
    let nothing = ConnectionRecord.Empty
    Law.HoldsFor(
        [ { nothing with Error = "x" }; { nothing with ServerName = "x" }; { nothing with Alpn = "x" }; { nothing with TlsVersion = "x" }; { nothing with ClientCertificateSubject = "x" }
          { nothing with Header = ValueSome ProxyOrigin.TheSender }; { nothing with RoundRobinTicket = ValueSome 0L }; { nothing with HelloRead = true }; { nothing with AlpnOffer = [ "x" ] }
          { nothing with TlsOffer = ValueSome { Tls12 = false; Tls13 = false; LargeGroup = ""; Keys = [] } }; { nothing with ClientCertificate = true }
          { nothing with Resolved = [ { Host = ""; Addresses = [] } ] } ],
        fun record -> ConnectionLogLine.format record <> ConnectionLogLine.format nothing
    )

[<Fact>]
let ``every record has every key once, in the order of the table`` () =
    Law.Holds(fun (record: ConnectionRecord) -> keys (ConnectionLogLine.format record) = List.map fst ConnectionLogLine.fields)

[<Fact>]
let ``the reference's keys come first, in the reference's order`` () =
    Law.HoldsFor(
        [ [ "name"; "timestamp"; "duration"; "source_ip"; "source_port"; "source_protocol"; "source_transport"; "destination_ip"; "destination_port"
            "destination_protocol"; "destination_transport"; "source_sent_bytes"; "destination_receive_bytes" ] ],
        fun reference -> List.truncate reference.Length (List.map fst ConnectionLogLine.fields) = reference
    )

[<Fact>]
let ``whatever a client put into a record, it is one line of valid UTF-8 without a control character`` () =
    Law.Holds(fun (HostileText a) (HostileText b) ->
        let record = { sample with ServerName = a; Error = b; AlpnOffer = [ a ]; Source = Endpoint.Unix b }
        let lines = JsonLines()
        ConnectionLogLine.write lines record
        let text = UTF8Encoding(false, true).GetString lines.Written
        text.EndsWith '\n'
        && text.Substring(0, text.Length - 1) |> Seq.forall (fun c -> c >= ' ')
        && (match ConnectionLogLine.tryParse text with Ok read -> read.Target = "app" | Error _ -> false))

[<Fact>]
let ``a record is written as the operators' guide shows it`` () =
    Law.HoldsFor(
        [ sample,
          """{"name":"web","timestamp":"2026-01-02T03:04:05.6780000Z","duration":1.500001,"source_ip":"192.0.2.7","source_port":51234,"source_protocol":"tcp4","source_transport":"tls","destination_ip":"/run/app.sock","destination_port":0,"destination_protocol":"unix","destination_transport":"plaintext","source_sent_bytes":12,"destination_receive_bytes":345,"id":9,"listener":":443","target":"app","close_reason":"client.relay.ended","error":"","sni":"www.example","alpn":"h2","tls_version":"1.3","client_certificate_subject":"","dial_duration":1,"dial_attempts":1,"config_generation":1,"peer_ip":"192.0.2.7","peer_port":51234,"peer_protocol":"tcp4","local_ip":"2001:db8::1","local_port":443,"local_protocol":"tcp6","header":"","header_source_ip":"","header_source_port":0,"header_source_protocol":"","header_destination_ip":"","header_destination_port":0,"header_destination_protocol":"","open_connections":3,"round_robin_ticket":null,"hello_read":true,"alpn_offer":["h2","http/1.1"],"tls_offer":["1.2","1.3"],"large_group":"ffdhe4096","key_offer":["rsa","p256"],"client_certificate":true,"resolved":[{"host":"app.internal","addresses":["10.0.0.1"]}]}""" ],
        fun (record, line) -> ConnectionLogLine.format record = line
    )

[<Fact>]
let ``the reference's own log reads too; what it lacks is empty`` () =
    Law.HoldsFor(
        [ """{"name":"web","timestamp":"2020-05-01T10:00:00.123456789+02:00","duration":12.5,"source_ip":"10.0.0.9","source_port":4000,"source_protocol":"tcp4","source_transport":"plaintext","destination_ip":"10.0.0.1","destination_port":80,"destination_protocol":"tcp4","destination_transport":"plaintext","source_sent_bytes":1,"destination_receive_bytes":2}""" ],
        fun line ->
            match ConnectionLogLine.tryParse line with
            | Ok read -> read.Name = "web" && read.Timestamp.Hour = 8 && read.Duration = Duration.OfNanoseconds 12_500_000L && read.Target = "" && read.Resolved = [] && read.TlsOffer = ValueNone
            | Error _ -> false
    )

[<Fact>]
let ``no line makes the reading throw`` () =
    Law.NeverThrows(fun (HostileText text, at: int, HostileText piece) ->
        let line = ConnectionLogLine.format sample
        let at = abs (at % line.Length)
        [ text; line.Insert(at, piece); line.Substring(0, at) ] |> List.map ConnectionLogLine.tryParse)

[<Fact>]
let ``a field of another type is named`` () =
    Law.HoldsFor(
        [ """{"name":1}""", "name"; """{"timestamp":"yesterday"}""", "timestamp"; """{"source_protocol":"tcp4","source_ip":"::1.2"}""", "source_ip"
          """{"source_port":70000}""", "source_port"; """{"duration":"1"}""", "duration"; """{"duration":1e300}""", "duration"
          """{"source_transport":"carrier pigeon"}""", "source_transport"; """{"error":"\ud800"}""", "error"; """{"timestamp":"\ud8002026-01-02T03:04:05Z"}""", "timestamp"; """{"header":"v3"}""", "header"
          """{"close_reason":"a.b.c"}""", "close_reason"
          """{"resolved":[{}]}""", "resolved"; """{"alpn_offer":[1]}""", "alpn_offer"; """{"hello_read":"yes"}""", "hello_read"; """{"tls_offer":"1.3"}""", "tls_offer"; """{"tls_offer":[],"large_group":4096}""", "large_group"
          """{"tls_offer":[],"key_offer":"rsa"}""", "key_offer"
          """{"dial_attempts":99999999999}""", "dial_attempts" ],
        fun (line, key) -> match ConnectionLogLine.tryParse line with Error(ConnectionRecordError.BadField bad) -> bad = key | _ -> false
    )

[<Fact>]
let ``a key that is no Unicode makes a line none of the log's`` () =
    let beside more = $"""{{"name":"web","timestamp":"2026-01-02T03:04:05Z",{more}}}"""
    let key = "\\ud800" + System.String('a', 50)
    Law.HoldsFor([ beside $"\"{key}\":1"; beside $"\"resolved\":[{{\"{key}\":1}}]" ], fun line ->
        match ConnectionLogLine.tryParse line with Error ConnectionRecordError.NotJson -> true | _ -> false)

[<Fact>]
let ``a line without what every record has, the reference's too, is none`` () =
    Law.HoldsFor(
        [ "{}", "name"; """{"timestamp":"2026-01-02T03:04:05Z"}""", "name"; """{"name":null,"timestamp":"2026-01-02T03:04:05Z"}""", "name"; """{"name":"web"}""", "timestamp"
          """{"level":"info","message":"hello","timestamp":"2026-01-02T03:04:05Z"}""", "name" ],
        fun (line, key) -> match ConnectionLogLine.tryParse line with Error error -> error = ConnectionRecordError.Missing key | Ok _ -> false)

[<Fact>]
let ``what a line does not say is empty, zero, null, false or nothing at all, as in a record of which nothing is known`` () =
    let said line =
        use json = JsonDocument.Parse(line: string)
        [ for property in json.RootElement.EnumerateObject() do
              if property.Name <> "name" && property.Name <> "timestamp" then property.Value.GetRawText() ]
    Law.HoldsFor(
        [ """{"name":"web","timestamp":"2026-01-02T03:04:05Z"}""" ],
        fun line ->
            let read = ConnectionLogLine.tryParse line |> Result.map (ConnectionLogLine.format >> said)
            read = Ok(said (ConnectionLogLine.format ConnectionRecord.Empty))
            && (match read with
                | Ok values -> values |> List.forall (fun value -> List.contains value [ "\"\""; "0"; "null"; "false"; "[]" ])
                | Error _ -> false))

[<Fact>]
let ``what an inbound header said is recorded as it was said`` () =
    let v4 (text: string) = IPEndPoint.Parse text
    let header (record: ConnectionRecord) =
        use json = JsonDocument.Parse(ConnectionLogLine.format record)
        let text (key: string) = json.RootElement.GetProperty(key).GetString()
        text "header", text "header_source_ip", text "header_destination_ip"
    Law.HoldsFor(
        [ ProxyHeader.BinaryLocal, ("local", "", ""); ProxyHeader.TextUnknown, ("unknown", "", ""); ProxyHeader.BinaryUnspecified, ("unknown", "", "")
          ProxyHeader.TextTcp(v4 "192.0.2.1:1", v4 "192.0.2.2:2"), ("proxy", "192.0.2.1", "192.0.2.2") ],
        fun (read, expected) -> header { sample with Header = ValueSome(ProxyOrigin.Of read) } = expected
    )
    Law.HoldsFor([ ("", "", "") ], fun expected -> header { sample with Header = ValueNone } = expected)

[<Fact>]
let ``of the names that were resolved each is said once, with the addresses that it had last, in the order in which they were found`` () =
    Law.Holds(fun (found: (byte * byte) list) ->
        let found = [ for name, last in found -> { Host = $"{name % 4uy}.example"; Addresses = [ IPAddress [| 10uy; 0uy; 0uy; last |] ] } ]
        let said = List.fold (fun known one -> Resolved.andThen known [ one ]) [] found
        said = (found |> List.rev |> List.distinctBy _.Host |> List.rev))

[<Fact>]
let ``half a character is written as U+FFFD, and whole ones as they are`` () =
    // Not as literals: the compiler mends them.
    let high, low, lost = string (char 0xD800), string (char 0xDC00), string (char 0xFFFD)
    Law.HoldsFor(
        [ high, lost; "x" + high, "x" + lost; low + "x", lost + "x"; high + "x", lost + "x"; "xy" + low + "z", "xy" + lost + "z"
          high + low, high + low; "a" + high + low + "b", "a" + high + low + "b"; high + high + low, lost + high + low; "", "" ],
        fun (text, written) ->
            use json = JsonDocument.Parse(ConnectionLogLine.format { sample with Target = text })
            json.RootElement.GetProperty("target").GetString() = written
    )

[<Fact>]
let ``every port that there is can be read, and no other number`` () =
    let port (n: int64) = ConnectionLogLine.tryParse $"{{\"name\":\"web\",\"timestamp\":\"2026-01-02T03:04:05Z\",\"source_ip\":\"192.0.2.1\",\"source_protocol\":\"tcp4\",\"source_port\":{n}}}"
    Law.HoldsFor([ -1L, false; 0L, true; 1L, true; 65_535L, true; 65_536L, false; 4_294_967_297L, false ], fun (n, isPort) ->
        match port n with
        | Ok read -> isPort && read.Source = Endpoint.OfIp(IPAddress.Parse "192.0.2.1", int n)
        | Error error -> not isPort && error = ConnectionRecordError.BadField "source_port")
