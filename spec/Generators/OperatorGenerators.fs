namespace Bitflow.Spec

open System
open System.Net
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// Text as a client may choose it, but valid Unicode: control characters, quotes, other scripts, pairs of surrogates.
type UnicodeText = UnicodeText of string

/// A sequence of events that repeat: milliseconds since the one before, and which of a few kinds.
type Repeats = Repeats of (int * int) list

/// Pieces of a DSN, each legal in its place.
type DsnPieces =
    { Scheme: string
      Key: string
      Secret: string
      Host: string
      Port: string
      Path: string
      Project: string }

/// What may stand in `X-Sentry-Rate-Limits`: pieces of valid limits in any order.
type NearlyRateLimits = NearlyRateLimits of string

/// Generators for what operators are shown.
type OperatorGenerators =
    static member UnicodeText() : Arbitrary<UnicodeText> =
        let piece =
            Gen.oneof [
                Gen.elements [ "\""; "\\"; "\n"; "\r"; "\t"; "\000"; "\u001b"; "\u007f"; "\u0085"; "\u2028"; "é"; "名"; "😀"; "<"; "&"; "'"; " "; "a"; "Z"; "\uFFFD" ]
                Gen.choose (0, 0x10FFFF)
                |> Gen.filter (fun code -> code < 0xD800 || code > 0xDFFF)
                |> Gen.map Char.ConvertFromUtf32
            ]
        Gen.listOf piece |> Gen.map (List.truncate 12 >> String.concat "" >> UnicodeText) |> Arb.fromGen

    static member Repeats() : Arbitrary<Repeats> =
        let step = Gen.zip (Gen.frequency [ 6, Gen.choose (0, 20); 2, Gen.choose (0, 400); 1, Gen.choose (900, 1100) ]) (Gen.choose (0, 3))
        Gen.listOfLength 120 step
        |> Gen.map Repeats
        |> fun gen -> Arb.fromGenShrink (gen, fun (Repeats steps) -> ArbMap.defaults |> ArbMap.arbitrary<(int * int) list> |> _.Shrinker(steps) |> Seq.filter (List.forall (fun (d, k) -> d >= 0 && k >= 0)) |> Seq.map Repeats)

    static member Endpoint() : Arbitrary<Endpoint> =
        gen {
            let! (AnyIp address) = WordGenerators.AnyIp().Generator
            let! port = Gen.choose (0, 65535)
            let! (UnicodeText path) = OperatorGenerators.UnicodeText().Generator
            return! Gen.elements [ Endpoint.OfIp(address, port); Endpoint.OfIp(address, port); Endpoint.Unix path; Endpoint.Unix ""; Endpoint.Unknown ]
        }
        |> Arb.fromGen

    static member ConnectionRecord() : Arbitrary<ConnectionRecord> =
        let text = OperatorGenerators.UnicodeText().Generator |> Gen.map (fun (UnicodeText text) -> text)
        let endpoint = OperatorGenerators.Endpoint().Generator
        let transport = Gen.elements [ SideTransport.Unknown; SideTransport.Plaintext; SideTransport.Tls ]
        let count = Gen.oneof [ Gen.elements [ 0L; 1L; Int64.MaxValue ]; Gen.choose64 (0L, Int64.MaxValue) ]
        let duration = WordGenerators.Duration().Generator
        let few gen = Gen.listOf gen |> Gen.map (List.truncate 3)
        gen {
            let! texts = Gen.listOfLength 9 text
            let! ticks = Gen.choose64 (DateTime.MinValue.Ticks, DateTime.MaxValue.Ticks)
            let! durations = Gen.two duration
            let! source, destination = Gen.two endpoint
            let! peer, local = Gen.two endpoint
            let! headerSource, headerDestination = Gen.two endpoint
            let! header = Gen.elements [ ValueNone; ValueSome ProxyOrigin.TheSender; ValueSome ProxyOrigin.Unstated; ValueSome(ProxyOrigin.Stated(headerSource, headerDestination)) ]
            let! transports = Gen.two transport
            let! counts = Gen.listOfLength 5 count
            let! who = Gen.elements CloseReason.allWho
            let! phase = Gen.elements CloseReason.allPhases
            let! cause = Gen.elements CloseReason.allCauses
            let! reason = Gen.elements [ ValueSome(CloseReason.make who phase cause); ValueNone ]
            let! attempts = Gen.choose (0, Int32.MaxValue)
            let! ticket = Gen.optionOf count
            let! hello = Gen.elements [ true; false ]
            let! offer = few text
            let! tls12, tls13, largeGroup = Gen.zip3 (Gen.elements [ true; false ]) (Gen.elements [ true; false ]) text
            let! keys = Gen.subListOf KeyKind.all
            let! tlsOffer = Gen.elements [ ValueSome { Tls12 = tls12; Tls13 = tls13; LargeGroup = largeGroup; Keys = Seq.toList keys }; ValueNone ]
            let! resolved = few (Gen.zip text (few (WordGenerators.AnyIp().Generator |> Gen.map (fun (AnyIp address) -> address))))
            return
                { Name = texts[0]
                  Timestamp = DateTimeOffset(ticks, TimeSpan.Zero)
                  Duration = fst durations
                  Source = source
                  SourceTransport = fst transports
                  Destination = destination
                  DestinationTransport = snd transports
                  SourceSentBytes = counts[0]
                  DestinationReceiveBytes = counts[1]
                  Id = counts[2]
                  Listener = texts[1]
                  Target = texts[2]
                  CloseReason = reason
                  Error = texts[4]
                  ServerName = texts[5]
                  Alpn = texts[6]
                  TlsVersion = texts[7]
                  ClientCertificateSubject = texts[8]
                  DialDuration = snd durations
                  DialAttempts = attempts
                  ConfigGeneration = counts[3]
                  Peer = peer
                  Local = local
                  Header = header
                  OpenConnections = counts[4]
                  RoundRobinTicket = ValueOption.ofOption ticket
                  HelloRead = hello
                  ClientCertificate = not hello
                  AlpnOffer = offer
                  TlsOffer = tlsOffer
                  Resolved = [ for host, addresses in resolved -> { Host = host; Addresses = addresses } ] }
        }
        |> Arb.fromGen

    static member StatsdSample() : Arbitrary<StatsdSample> =
        let text = WordGenerators.HostileText().Generator |> Gen.map (fun (HostileText text) -> text)
        let real =
            Gen.oneof [
                ArbMap.defaults |> ArbMap.generate<float>
                Gen.elements [ 0.0; -0.0; 3.25; -10.0; 1e-9; 1e300; -1e-7; nan; infinity; -infinity; 0.1 ]
            ]
        gen {
            let! metric = Gen.elements Metrics.all
            let! values = Gen.listOfLength metric.Tags.Length text
            let! count = Gen.choose64 (0L, Int64.MaxValue)
            let! level = real
            let! rate = Gen.oneof [ real; Gen.elements [ 1.0; 0.5; 1.0 / 3.0; 0.001; 1e-12 ] ]
            let! value = Gen.elements [ StatsdValue.Count count; StatsdValue.Gauge level; StatsdValue.Timing(level, rate) ]
            return
                { Name = metric.Name
                  Tags = List.zip (metric.Tags |> List.map _.Key) values
                  Value = value }
        }
        |> Arb.fromGen

    static member MetricsFormat() : Arbitrary<MetricsFormat> =
        Gen.elements [ MetricsFormat.DogStatsD; MetricsFormat.Influx; MetricsFormat.Plain ] |> Arb.fromGen

    static member PrometheusFamily() : Arbitrary<PrometheusFamily> =
        let text = OperatorGenerators.UnicodeText().Generator |> Gen.map (fun (UnicodeText text) -> text)
        let labels metric = Gen.listOfLength (List.length metric.Tags) text |> Gen.map (List.zip (metric.Tags |> List.map _.Key))
        let value kind =
            match kind with
            | PrometheusType.Counter
            | PrometheusType.Gauge ->
                Gen.oneof [ ArbMap.defaults |> ArbMap.generate<float>; Gen.elements [ 0.0; 1.0; nan; infinity; -infinity; 1e300 ] ]
                |> Gen.map PrometheusValue.Single
            | PrometheusType.Histogram ->
                gen {
                    let! counts = Gen.listOfLength 4 (Gen.choose (0, 1000))
                    let cumulative = counts |> List.scan (+) 0 |> List.tail |> List.map int64
                    return PrometheusValue.Histogram(List.zip [ 0.001; 0.5; 10.0 ] (List.truncate 3 cumulative), List.last cumulative, 12.5)
                }
        gen {
            let! metric = Gen.elements Metrics.all
            let kind = Prometheus.typeOf metric
            let! help = text
            let! series = Gen.listOf (Gen.zip (labels metric) (value kind))
            return
                { Name = Metrics.prometheusName metric
                  Help = help
                  Type = kind
                  Series = [ for labels, value in series |> List.distinctBy fst -> { Labels = labels; Value = value } ] }
        }
        |> Arb.fromGen

    static member DsnPieces() : Arbitrary<DsnPieces> =
        gen {
            let! scheme = Gen.elements [ "https"; "http" ]
            let! key = Gen.elements [ "k"; "9ec79c33ec9942ab8353589fcb2e04dc"; "public-key" ]
            let! secret = Gen.elements [ ""; "hunter2"; "s3cr3t-s3cr3t" ]
            let! host = Gen.elements [ "sentry.example"; "127.0.0.1"; "[::1]"; "o1.ingest.example" ]
            let! port = Gen.elements [ ""; ":9000"; ":8443" ]
            let! path = Gen.elements [ ""; "/sentry"; "/a/b" ]
            let! project = Gen.elements [ "1"; "4503"; "web" ]
            return { Scheme = scheme; Key = key; Secret = secret; Host = host; Port = port; Path = path; Project = project }
        }
        |> Arb.fromGen

    static member NearlyRateLimits() : Arbitrary<NearlyRateLimits> =
        Gen.listOf (Gen.elements [ "60"; "2.5"; ":"; ","; ";"; " "; "error"; "default"; "transaction"; "organization"; "key"; "abc"; "-1"; "1e9"; "99999999999999999999999"; "unheard_of" ])
        |> Gen.map (String.concat "" >> NearlyRateLimits)
        |> Arb.fromGen

    static member SentryEvent() : Arbitrary<SentryEvent> =
        let text = WordGenerators.HostileText().Generator |> Gen.map (fun (HostileText text) -> text)
        let long = Gen.oneof [ text; text; Gen.elements [ String('\000', 100_000); String.replicate 50_000 "😀" ] ]
        let frame =
            gen {
                let! call, owner, file = Gen.three long
                let! line = Gen.choose (0, 5_000)
                let! ours = Gen.elements [ true; false ]
                return { Function = call; Module = owner; File = file; Line = line; InApp = ours }
            }
        let fault =
            gen {
                let! kind, message = Gen.two long
                let! some = Gen.listOf frame
                let! times = Gen.elements [ 1; 1; 40 ]
                return { Type = kind; Message = message; Frames = List.replicate times some |> List.concat }
            }
        gen {
            let! id = ArbMap.defaults |> ArbMap.generate<Guid>
            let! message, template, key = Gen.three long
            let! faults = Gen.listOf fault |> Gen.map (List.truncate 8)
            let! stack = Gen.listOf frame
            return
                { Id = id
                  Timestamp = DateTimeOffset(2026, 1, 2, 3, 4, 5, 678, TimeSpan.Zero)
                  Release = "bitflow@0.1.0"
                  ServerName = "host"
                  Message = message
                  Template = template
                  Tags = [ "proxy", key; key, "value" ]
                  Exceptions = faults
                  Stack = stack }
        }
        |> Arb.fromGen
