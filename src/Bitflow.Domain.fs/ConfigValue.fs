namespace Bitflow.Domain

open System
open System.Text

/// The kinds of values that stand in a configuration and mean something to it: durations, addresses, names.
[<RequireQualifiedAccess>]
module internal Value =
    /// A name that cannot be read is no other one's double.
    let name = Kind.text "text" "a name" "web" ""
    let path = Kind.text "path" "a path" "/etc/bitflow/tls.pem" "stand-in" |> Kind.refine (fun _ -> FilePath.withoutSpareSteps) "stand-in"

    let private durationPattern (sign: string) = $@"^{sign}(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|us|µs|μs|ms|s|m|h))+)$"

    /// Nothing, with a sign before it, is nothing.
    let private noDurationPattern = @"^-(0|((0+(\.0*)?|\.0+)(ns|us|µs|μs|ms|s|m|h))+)$"

    let private durationText (text: string) =
        Duration.tryParse text |> Result.mapError (fun error -> ConfigFault.Duration(text, error))

    /// A duration of zero (no limit) or more.
    let duration : Kind<Duration> =
        let schema = lazy Kind.schemaOf [ "anyOf", Json.Array [ Kind.pattern (durationPattern @"\+?"); Kind.pattern noDurationPattern; Kind.schemaOf [ "const", Json.Number 0m ] ] ]
        Kind.scalar "duration" "a duration" "30s" schema Duration.Zero (fun text ->
            match durationText text with
            | Ok value when value.IsNegative -> Error(ConfigFault.NegativeDuration text)
            | decoded -> decoded)

    /// The longest idle time and interval that Linux takes (MAX_TCP_KEEPIDLE, MAX_TCP_KEEPINTVL), in seconds.
    let maxKeepAliveSeconds = 32767

    let private keepAliveFault (text: string) error =
        match error with
        | DurationError.Empty -> ConfigFault.KeepAliveMissing
        | DurationError.NoUnit number when text = "-" + number -> ConfigFault.NegativeKeepAlive number
        | error -> ConfigFault.Duration(text, error)

    /// A duration of which a negative one, and a bare `-1`, means off.
    let keepAlive : Kind<KeepAlive> =
        let schema =
            lazy Kind.schemaOf [ "anyOf", Json.Array [ Kind.pattern (durationPattern "[-+]?"); Kind.enumeration [ Json.Number 0m; Json.Number -1m; Json.Text "-1" ] ] ]
        let whenOmitted = KeepAlive.Every Defaults.keepAliveSeconds
        let ofDuration (site: Site) (wanted: Duration) =
            if wanted.IsNegative then
                KeepAlive.Off
            elif wanted.IsZero then
                whenOmitted
            else
                let seconds = (wanted.TotalNanoseconds - 1L) / 1_000_000_000L + 1L
                if seconds > int64 maxKeepAliveSeconds then site.Warn(ConfigWarning.KeepAliveHeld maxKeepAliveSeconds)
                KeepAlive.Every(int (min seconds (int64 maxKeepAliveSeconds)))
        Kind.scalar "duration; negative (`-1`): off" "a duration" "15s" schema Duration.Zero (fun text ->
            if text = "-1" then Ok(Duration.OfSeconds -1L)
            else Duration.tryParse text |> Result.mapError (keepAliveFault text))
        |> Kind.refine ofDuration whenOmitted

    /// Stands in for an address that cannot be read: a name, which no rule about literals, paths or descriptors meets.
    // Of port 0, so that it overlaps with no listener, itself among them.
    let private someAddress = Address.Tcp(TcpFamily.Either, Host.Name "stand-in", 0)

    /// The same to connect to.
    let private someDialAddress = DialAddress.Tcp(TcpFamily.Either, DialHost.Name (DialName.tryOf "stand-in").Value, (DialPort.tryOf 1).Value)

    let private addressKind form example standIn decode : Kind<'T> =
        let kind = Kind.scalar form "an address" example Kind.textSchema standIn decode
        let read (site: Site) =
            match site.Node.Value with
            | YamlValue.Sequence [||]
            | YamlValue.Sequence [| _ |] ->
                site.Fail(ConfigFault.Yaml YamlFault.UnquotedIpv6)
                standIn
            | YamlValue.Sequence items ->
                let written = items |> Array.map (fun item -> match item.Value with YamlValue.Scalar(text, _) -> text | _ -> "…")
                site.Fail(ConfigFault.Address(AddressError.Several(String.concat ", " written)))
                standIn
            | _ -> kind.Read site
        { kind with Read = read }

    let private addressText text = Address.tryParse text |> Result.mapError ConfigFault.Address

    let listenerAddress = addressKind "address" "127.0.0.1:8080" someAddress addressText

    let targetAddress =
        addressKind "address" "127.0.0.1:8081" (TargetAddress.Dialled someDialAddress) (TargetAddress.tryParse >> Result.mapError ConfigFault.Address)

    let adminAddress =
        addressKind "address (TCP or Unix)" "127.0.0.1:9000" someAddress (fun text ->
            match addressText text with
            | Ok(Address.Descriptor _ | Address.NamedDescriptor _)
            | Error(ConfigFault.Address(AddressError.BadDescriptor _)) -> Error ConfigFault.DescriptorForAdmin
            | decoded -> decoded)
        |> Kind.emptyIsOmitted

    /// A network, or a single address.
    let network : Kind<IpNetwork> =
        let some = let struct (network, _) = IpNetwork.create Net.IPAddress.Loopback 32 in network
        let warned (site: Site) (struct (network, hadHostBits)) =
            match site.Node.Value with
            | YamlValue.Scalar(text, _) when hadHostBits -> site.Warn(ConfigWarning.HostBits(text, network))
            | _ -> ()
            network
        Kind.scalar "CIDR or single IP" "a network" "10.0.0.0/8" Kind.textSchema (struct (some, false)) (fun text ->
            IpNetwork.tryParse text |> Result.mapError ConfigFault.Network)
        |> Kind.refine warned some

    let protocolName : Kind<AlpnName> =
        let schema = lazy Kind.schemaOf [ "type", Kind.textOrNumber (); "minLength", Json.Number 1m; "maxLength", Json.Number(decimal AlpnName.maxLength) ]
        Kind.scalar "ALPN name" "an ALPN name" "h2" schema (AlpnName.tryOfText "stand-in").Value
            (Kind.notEmpty "an ALPN name" "h2" (fun text ->
                match AlpnName.tryOfText text with
                | ValueSome name -> Ok name
                | ValueNone -> Error(ConfigFault.ProtocolNameTooLong(Encoding.UTF8.GetByteCount text))))

    let hostName : Kind<string> =
        Kind.scalar "host name" "a host name" "db.example.com" (lazy Kind.schemaOf [ "type", Kind.textOrNumber () ]) "stand-in" (fun text ->
            match Address.plainHost text with
            | Ok(Host.Name _ | Host.Literal _) -> Ok text
            | _ -> Error(ConfigFault.NotAHostName text))
        |> Kind.emptyIsOmitted

    /// `host:port`, `udp://host:port` or `unix:///path`. The reference's other forms are refused by their names.
    let metricsAddress : Kind<MetricsAddress> =
        let decode (text: string) =
            let after (prefix: string) = text.Substring prefix.Length
            let starts (prefix: string) = text.StartsWith(prefix, StringComparison.OrdinalIgnoreCase)
            let udp (hostAndPort: string) =
                match Address.tryParse ("tcp:" + hostAndPort) with
                | Ok(Address.Tcp(_, _, 0)) -> Error(ConfigFault.Address AddressError.PortZero)
                // Without a host the reference meant the machine itself.
                | Ok(Address.Tcp(_, Host.Any, port)) -> Ok(MetricsAddress.Udp("127.0.0.1", port))
                | Ok(Address.Tcp(_, Host.Literal host, port)) -> Ok(MetricsAddress.Udp(string host, port))
                | Ok(Address.Tcp(_, Host.Name host, port)) -> Ok(MetricsAddress.Udp(host, port))
                // What these would advise is no address of metrics.
                | Error(AddressError.Empty | AddressError.UnknownScheme _)
                | Ok _ -> Error(ConfigFault.MetricsAddress text)
                | Error error -> Error(ConfigFault.Address error)
            if text.Contains ',' then
                Error ConfigFault.MetricsList
            elif starts "udp://" then
                udp (after "udp://")
            elif starts "unix://" then
                match Address.tryParse ("unix:" + after "unix://") with
                | Ok(Address.UnixPath path) -> Ok(MetricsAddress.UnixDatagram path)
                | Error(AddressError.PathTooLong _ as error) -> Error(ConfigFault.Address error)
                | _ -> Error(ConfigFault.MetricsAddress text)
            else
                match text.IndexOf("://", StringComparison.Ordinal) with
                | scheme when scheme > 0 -> Error(ConfigFault.MetricsScheme(text.Substring(0, scheme)))
                | _ when starts "unix:" || starts "udp:" -> Error(ConfigFault.MetricsAddress text)
                | _ -> udp text
        Kind.scalar "`host:port`, `udp://host:port` or `unix:///path` (datagrams)" "an address" "127.0.0.1:8125" Kind.textSchema (MetricsAddress.Udp("", 0)) decode
        |> Kind.emptyIsOmitted

    let socksProxy : Kind<SocksProxy> =
        let form = "`[tcp:][user:password@]host:port` or `unix:/path`"
        Kind.scalar form "a SOCKS5 proxy" "127.0.0.1:1080" Kind.textSchema { Address = someDialAddress; Credentials = None } (fun text ->
            SocksProxySyntax.tryParse text |> Result.mapError ConfigFault.SocksProxy)
        |> Kind.emptyIsOmitted
        |> Kind.secret

    let sentryDsn : Kind<SentryDsn option> =
        Kind.scalar "Sentry DSN" "a Sentry DSN" "https://KEY@HOST/PROJECT" Kind.textSchema None (fun text ->
            SentryDsn.parse text |> Result.mapError ConfigFault.SentryDsn)
        |> Kind.emptyIsOmitted
        |> Kind.secret
