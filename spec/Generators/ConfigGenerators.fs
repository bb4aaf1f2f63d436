namespace Bitflow.Spec

open System
open System.Text
open FsCheck
open FsCheck.FSharp
open Bitflow.Domain

/// YAML about to be written.
[<RequireQualifiedAccess>]
type Written =
    | Plain of string
    | Quoted of string
    | List of Written list
    | Map of (string * Written) list

/// Writing configurations, in all the ways that are read alike.
[<RequireQualifiedAccess>]
module Written =
    let private quoted (text: string) = "\"" + text.Replace("\\", "\\\\").Replace("\"", "\\\"") + "\""

    /// All on one line, as JSON would be.
    let rec flow written =
        match written with
        | Written.Plain text -> text
        | Written.Quoted text -> quoted text
        | Written.List items -> "[" + String.Join(", ", List.map flow items) + "]"
        | Written.Map members -> "{" + String.Join(", ", members |> List.map (fun (name, value) -> $"{name}: {flow value}")) + "}"

    /// One value a line, indented.
    let block (written: Written) =
        let text = StringBuilder()
        let rec write (indent: string) isInline written =
            match written with
            | Written.List(_ :: _ as items) ->
                text.Append '\n' |> ignore
                for item in items do
                    text.Append(indent).Append("- ") |> ignore
                    write (indent + "  ") true item
            | Written.Map(_ :: _ as members) ->
                if not isInline then text.Append '\n' |> ignore
                members
                |> List.iteri (fun i (name, value) ->
                    if i > 0 || not isInline then text.Append indent |> ignore
                    text.Append(name).Append(": ") |> ignore
                    write (indent + "  ") false value)
            | scalar -> text.Append(flow scalar).Append('\n') |> ignore
        write "" true written
        text.ToString()

    /// A configuration as its file; `isFull` writes keys that have their defaults too.
    let ofConfig isFull (config: Config) =
        let quote value = Written.Quoted(string value)
        let key name isDefault value = if isFull || not isDefault then [ name, value ] else []
        let part name members = if List.isEmpty members && not isFull then [] else [ name, Written.Map members ]
        let text name (value: 'T option) = key name value.IsNone (match value with Some value -> quote value | None -> Written.Quoted "")
        let limit name (d: Duration) = key name d.IsZero (Written.Plain(string d))
        let texts name (items: 'T list) = key name items.IsEmpty (Written.List(List.map quote items))
        let protocols (names: AlpnName list) = names |> List.map (fun name -> Text.Encoding.UTF8.GetString name.Bytes.Span) |> texts "application_protocols"
        let mode name isDefault value =
            key name isDefault (Written.Plain(match value with VerifyMode.None -> "none" | VerifyMode.Relaxed -> "relaxed" | VerifyMode.Strict -> "strict"))
        let version value = key "min_version" (value = Defaults.minVersion) (Written.Quoted(if value = TlsVersion.Tls12 then "1.2" else "1.3"))
        let certificates (entries: (CertificateFiles option * string option) list) =
            let entry (shown: CertificateFiles option, authority) =
                Written.Map [
                    yield! text "key" (shown |> Option.map _.Key)
                    yield! text "certificate" (shown |> Option.map _.Certificate)
                    yield! text "authority" authority
                ]
            key "certificates" entries.IsEmpty (Written.List(List.map entry entries))
        let listenerTls (tls: ListenerTls) =
            Written.Map [
                yield! mode "verify_mode" (tls.VerifyMode = VerifyMode.None) tls.VerifyMode
                yield! certificates (tls.Certificates |> List.map (fun entry -> Some entry.Shown, entry.Authority))
                yield! protocols tls.ApplicationProtocols
                yield! version tls.MinVersion
            ]
        let targetTls (tls: TargetTls) =
            Written.Map [
                yield! mode "verify_mode" (tls.VerifyMode = VerifyMode.Strict) tls.VerifyMode
                yield! certificates (tls.Certificates |> List.map (fun entry -> entry.Shown, entry.Authority))
                yield! protocols tls.ApplicationProtocols
                yield! version tls.MinVersion
                yield! text "server_name" tls.ServerName
            ]
        let percent (word: SocksWord) = word.Bytes |> Array.map (fun b -> $"%%{b:X2}") |> String.Concat
        let socks (proxy: SocksProxy) =
            match proxy.Credentials with
            | Some credentials -> quote $"{percent credentials.User}:{percent credentials.Password}@{proxy.Address}"
            | None -> quote proxy.Address
        let listener (listener: ListenerConfig) =
            Written.Map [
                "address", quote listener.Address
                yield! limit "read_timeout" listener.ReadTimeout
                yield! limit "write_timeout" listener.WriteTimeout
                yield! key "handshake_timeout" (listener.HandshakeTimeout = Defaults.handshakeTimeout) (quote listener.HandshakeTimeout)
                yield! texts "authorized_sources" listener.AuthorizedSources.Networks
                yield! texts "trusted_proxies" listener.TrustedProxies.Networks
                match listener.Tls with
                | Some tls -> "tls_context", listenerTls tls
                | None -> ()
            ]
        let target (target: TargetConfig) =
            Written.Map [
                "name", quote target.Name
                "address", quote target.Address
                match target.Proxy with
                | Some proxy -> "proxy", socks proxy
                | None -> ()
                yield! key "connect_attempts" (target.ConnectAttempts = 1) (Written.Plain(string target.ConnectAttempts))
                yield! limit "connect_backoff" target.ConnectBackoff
                yield! key "connect_timeout" (target.ConnectTimeout = Defaults.connectTimeout) (quote target.ConnectTimeout)
                yield! limit "resolve_timeout" target.ResolveTimeout
                yield! limit "read_timeout" target.ReadTimeout
                yield! limit "write_timeout" target.WriteTimeout
                match target.KeepAlive with
                | KeepAlive.Off -> "keepalive_interval", Written.Plain "-1"
                | KeepAlive.Every seconds ->
                    yield! key "keepalive_interval" (seconds = Defaults.keepAliveSeconds) (Written.Plain $"{seconds}s")
                match target.Tls with
                | Some tls -> "tls_context", targetTls tls
                | None -> ()
            ]
        let options (options: ProxyOptions) =
            let policy =
                match options.LoadBalancer with
                | Policy.None -> "none"
                | Policy.Failover -> "failover"
                | Policy.RoundRobin -> "round-robin"
                | Policy.Sni -> "sni"
            [ yield! key "connection_limit" (options.ConnectionLimit = 0) (Written.Plain(string options.ConnectionLimit))
              yield! limit "connection_lifetime" options.ConnectionLifetime
              yield! text "connection_log" options.ConnectionLog
              yield! key "connection_load_balancer" (options.LoadBalancer = Policy.None) (Written.Plain policy)
              yield! key "enable_proxy_header" options.ProxyHeader.IsNone (Written.Plain(if options.ProxyHeader.IsSome then "yes" else "off"))
              if options.ProxyHeader = Some ProxyHeaderVersion.V2 then "proxy_header_version", Written.Plain "2"
              yield! key "enable_dual_stack" (not options.DualStack) (Written.Plain(if options.DualStack then "true" else "No")) ]
        let proxy (proxy: ProxyConfig) =
            Written.Map [
                "name", quote proxy.Name
                "listener", listener proxy.Listener
                "targets", Written.List(List.map target proxy.Targets)
                yield! part "options" (options proxy.Options)
            ]
        let metrics (metrics: MetricsConfig) =
            let address =
                match metrics.Address with
                | MetricsAddress.Udp(host, port) when host.Contains ':' -> $"udp://[{host}]:{port}"
                | MetricsAddress.Udp(host, port) -> $"{host}:{port}"
                | MetricsAddress.UnixDatagram path -> $"unix://{path}"
            let format =
                match metrics.Format with
                | MetricsFormat.DogStatsD -> "dogstatsd"
                | MetricsFormat.Influx -> "influx"
                | MetricsFormat.Plain -> "plain"
            [ "address", quote address
              yield! key "prefix" (metrics.Prefix = "") (quote metrics.Prefix)
              yield! key "format" (metrics.Format = MetricsFormat.DogStatsD) (Written.Plain format) ]
        let application (application: ApplicationConfig) =
            let level level =
                match level with
                | LogLevel.Debug -> "debug"
                | LogLevel.Info -> "info"
                | LogLevel.Warn -> "warn"
                | LogLevel.Error -> "error"
            let engine =
                match application.Engine with
                | Engine.Auto -> "auto"
                | Engine.Linux -> "linux"
                | Engine.Managed -> "managed"
            [ yield! text "sentry_dsn" application.SentryDsn
              yield! application.Metrics |> Option.map metrics |> Option.defaultValue [] |> part "metrics"
              yield! part "log" [
                  match application.LogLevel with
                  | Some value -> "level", Written.Plain(level value)
                  | None -> ()
                  yield! key "format" (application.LogFormat = LogFormat.Text) (Written.Plain(if application.LogFormat = LogFormat.Text then "text" else "json"))
              ]
              yield! limit "shutdown_timeout" application.ShutdownTimeout
              yield! part "admin" [
                  match application.Admin with
                  | Some address -> "address", quote address
                  | None -> ()
              ]
              yield! key "engine" (application.Engine = Engine.Auto) (Written.Plain engine) ]
        Written.Map [
            yield! part "application" (application config.Application)
            "server", Written.Map [ "proxies", Written.List(List.map proxy config.Proxies) ]
        ]

/// A configuration that breaks no rule.
type ValidConfig =
    | ValidConfig of Config

    member this.Config = let (ValidConfig config) = this in config
    override this.ToString() = Written.block (Written.ofConfig false this.Config)

/// Bytes that are nearly a configuration, or nothing like one.
type HostileConfig =
    | HostileConfig of byte array

    override this.ToString() = let (HostileConfig bytes) = this in $"{Convert.ToBase64String bytes}\n{Encoding.UTF8.GetString bytes}"

/// A value of a secret key, in every way to write one, with the secret word in it.
type SecretValue =
    | SecretValue of string

    /// Stands in every one of them.
    static member Word = "hunter2"

/// Generators for configuration files.
type ConfigGenerators =
    static member private Often most usual gen = Gen.frequency [ most, Gen.constant usual; 1, gen ]

    static member private Limit =
        Gen.oneof [
            Gen.constant Duration.Zero
            Gen.choose (1, 100_000) |> Gen.map (fun ms -> Duration.OfMilliseconds(int64 ms))
            WordGenerators.Duration().Generator |> Gen.map (fun d -> if d.IsNegative then Duration.Max else d)
        ]

    static member private Path = Gen.elements [ "/etc/tls/a.pem"; "relative.pem"; "/var/log/ä b.log"; "C:\\x"; "/a\"b"; "#no comment"; "~"; "null"; "- x"; "{}" ]
    static member private Port = Gen.choose (1, 65535)
    static member private HostName = Gen.elements [ "localhost"; "db.example.com"; "a_b"; "x"; "EXAMPLE.org." ]

    static member private Networks =
        WordGenerators.IpNetwork().Generator |> Gen.listOf |> Gen.map (List.truncate 4 >> IpNetworkSet)

    static member private Alpn =
        Gen.elements [ for name in [ "h2"; "http/1.1"; "ü"; String('x', 255) ] -> (AlpnName.tryOfText name).Value ] |> Gen.listOf |> Gen.map (List.truncate 3)

    static member private Credentials =
        let part = Gen.choose (0, 255) |> Gen.map byte |> Gen.nonEmptyListOf |> Gen.map (List.truncate 255 >> List.toArray >> Sample.socksWord)
        Gen.map2 (fun user password -> { User = user; Password = password }) part part

    static member private SocksProxy =
        gen {
            let! port = ConfigGenerators.Port
            let! name = ConfigGenerators.HostName
            let! credentials = Gen.optionOf ConfigGenerators.Credentials
            return!
                Gen.elements [
                    { Address = DialAddress.Tcp(TcpFamily.Either, DialHost.Name(Sample.dialName name), (DialPort.tryOf port).Value); Credentials = credentials }
                    { Address = DialAddress.UnixPath "/run/socks@a:b"; Credentials = None }
                ]
        }

    static member private ListenerTls =
        gen {
            let! mode = Gen.elements [ VerifyMode.None; VerifyMode.Relaxed; VerifyMode.Strict ]
            let! certificate = ConfigGenerators.Path
            let! key = ConfigGenerators.Path
            let! more = Gen.choose (0, 2)
            let! protocols = ConfigGenerators.Alpn
            let! version = Gen.elements [ TlsVersion.Tls12; TlsVersion.Tls13 ]
            let entry authority = { ListenerCertificate.Shown = { Certificate = certificate; Key = key }; Authority = authority }
            return
                { ListenerTls.VerifyMode = mode
                  Certificates = List.replicate more (entry None) @ [ entry (if mode = VerifyMode.None then None else Some "ca.pem") ]
                  ApplicationProtocols = protocols
                  MinVersion = version }
        }

    static member private TargetTls(needsName: bool) =
        gen {
            let! mode = Gen.elements [ VerifyMode.None; VerifyMode.Relaxed; VerifyMode.Strict ]
            let! certificates =
                Gen.elements [
                    []
                    [ { TargetCertificate.Shown = Some { Certificate = "c.pem"; Key = "k.pem" }; Authority = None } ]
                    [ { TargetCertificate.Shown = None; Authority = Some "ca.pem" } ]
                ]
            let! protocols = ConfigGenerators.Alpn
            let! name = Gen.elements [ "db.example.com"; "10.0.0.1" ]
            let! hasName = Gen.elements [ needsName; true ]
            return
                { TargetTls.VerifyMode = mode
                  Certificates = certificates
                  ApplicationProtocols = protocols
                  MinVersion = TlsVersion.Tls13
                  ServerName = (if hasName then Some name else None) }
        }

    /// Everything that must be unique is made of the indexes.
    static member private Target(proxy: int, index: int, dualStack: bool, mayHaveTls: bool) =
        gen {
            let! port = ConfigGenerators.Port
            let! (AnyIp ip) = WordGenerators.AnyIp().Generator
            let! host = ConfigGenerators.HostName
            let literal = DialHost.Literal(if IpAddress.isV4 ip then ip else Net.IPAddress.IPv6Loopback)
            let tcp family host = TargetAddress.Dialled(DialAddress.Tcp(family, host, (DialPort.tryOf port).Value))
            let! address =
                Gen.elements [
                    tcp TcpFamily.Either (DialHost.Name(Sample.dialName host))
                    tcp TcpFamily.Either literal
                    if not dualStack then
                        tcp (if IpAddress.isV4 ip then TcpFamily.V4 else TcpFamily.V6) literal
                        TargetAddress.Dialled(DialAddress.UnixPath $"/run/target ä.{index}")
                        TargetAddress.Dialled(DialAddress.UnixAbstract "abstract:@")
                        TargetAddress.Descriptor(1_000 * (proxy + 1) + index)
                ]
            let! socks = if address.IsTcpAddress then Gen.optionOf ConfigGenerators.SocksProxy else Gen.constant None
            let! tls = ConfigGenerators.Often 2 None (ConfigGenerators.TargetTls(not address.IsTcpAddress) |> Gen.map Some)
            let! attempts = ConfigGenerators.Often 1 1 (Gen.choose (1, 1_000))
            let! limits = Gen.arrayOfLength 4 ConfigGenerators.Limit
            let! connectTimeout = ConfigGenerators.Often 1 Defaults.connectTimeout ConfigGenerators.Limit
            let! keepAlive = Gen.elements [ KeepAlive.Off; KeepAlive.Every 15; KeepAlive.Every 1; KeepAlive.Every 32_767 ]
            let! word = Gen.elements [ "web"; "ä ö"; "12"; "*."; "yes"; "a: b" ]
            return
                { Name = $"{word}{index}"
                  Address = address
                  Proxy = socks
                  ConnectAttempts = attempts
                  ConnectBackoff = limits[0]
                  ConnectTimeout = connectTimeout
                  ResolveTimeout = limits[1]
                  ReadTimeout = limits[2]
                  WriteTimeout = limits[3]
                  KeepAlive = keepAlive
                  Tls = (if mayHaveTls then tls else None) }
        }

    static member private Proxy(index: int) =
        gen {
            let! (AnyIp ip) = WordGenerators.AnyIp().Generator
            let port = 10_000 + index
            let! address =
                Gen.elements [
                    Address.Tcp(TcpFamily.Either, Host.Any, port)
                    Address.Tcp(TcpFamily.V4, Host.Any, port)
                    Address.Tcp(TcpFamily.V6, Host.Any, port)
                    Address.Tcp(TcpFamily.Either, (if ip.Equals Net.IPAddress.IPv6Any then Host.Any else Host.Literal ip), port)
                    Address.Tcp(TcpFamily.Either, Host.Name "localhost", 0)
                    Address.UnixPath $"/run/{index}"
                    Address.UnixAbstract $"x{index}"
                    Address.Descriptor(3 + index)
                    Address.NamedDescriptor $"web{index}"
                ]
            let isUnix = match address with Address.UnixPath _ | Address.UnixAbstract _ -> true | _ -> false
            let! tls = Gen.optionOf ConfigGenerators.ListenerTls
            let! authorized = if isUnix then Gen.constant IpNetworkSet.Empty else ConfigGenerators.Networks
            let! trusted = if isUnix then Gen.constant IpNetworkSet.Empty else ConfigGenerators.Networks
            let! limits = Gen.arrayOfLength 3 ConfigGenerators.Limit
            let! handshake = ConfigGenerators.Often 1 Defaults.handshakeTimeout ConfigGenerators.Limit
            let! policy = Gen.elements [ Policy.None; Policy.Failover; Policy.RoundRobin; Policy.Sni ]
            let! dualStack = Gen.elements [ true; false ]
            let! count = Gen.choose (1, 4)
            let! targets =
                [ 0 .. count - 1 ]
                |> List.map (fun i -> ConfigGenerators.Target(index, i, dualStack, policy <> Policy.Sni || tls.IsSome))
                |> Gen.sequenceToList
            let! limit = Gen.elements [ 0; 1; 100; Int32.MaxValue ]
            let! log = Gen.optionOf ConfigGenerators.Path
            let! header = Gen.elements [ None; Some ProxyHeaderVersion.V1; Some ProxyHeaderVersion.V2 ]
            return
                { ProxyConfig.Name = $"proxy {index}"
                  Listener =
                    { Address = address
                      ReadTimeout = limits[0]
                      WriteTimeout = limits[1]
                      HandshakeTimeout = handshake
                      AuthorizedSources = authorized
                      TrustedProxies = trusted
                      Tls = tls }
                  Targets = targets
                  Options =
                    { ConnectionLimit = limit
                      ConnectionLifetime = limits[2]
                      ConnectionLog = log
                      LoadBalancer = policy
                      ProxyHeader = header
                      DualStack = dualStack } }
        }

    static member private Application =
        gen {
            let! dsn = Gen.elements [ ""; "https://key@sentry.example.com/42"; "http://key@localhost:9000/prefix/7" ] |> Gen.map Sample.sentryDsn
            let! metrics =
                gen {
                    let! address =
                        Gen.elements [
                            MetricsAddress.Udp("localhost", 8125)
                            MetricsAddress.Udp("::1", 1)
                            MetricsAddress.UnixDatagram "/run/statsd.sock"
                        ]
                    let! prefix = Gen.elements [ ""; "edge"; "a.b" ]
                    let! format = Gen.elements [ MetricsFormat.DogStatsD; MetricsFormat.Influx; MetricsFormat.Plain ]
                    return { Address = address; Prefix = prefix; Format = format }
                }
                |> Gen.optionOf
            let! level = Gen.elements [ None; Some LogLevel.Debug; Some LogLevel.Info; Some LogLevel.Warn; Some LogLevel.Error ]
            let! format = Gen.elements [ LogFormat.Text; LogFormat.Json ]
            let! timeout = ConfigGenerators.Limit
            let! admin = Gen.elements [ None; Some(Address.Tcp(TcpFamily.Either, Host.Any, 9_000)); Some(Address.UnixPath "/run/admin") ]
            let! engine = Gen.elements [ Engine.Auto; Engine.Linux; Engine.Managed ]
            return
                { SentryDsn = dsn
                  Metrics = metrics
                  LogLevel = level
                  LogFormat = format
                  ShutdownTimeout = timeout
                  Admin = admin
                  Engine = engine }
        }

    static member ValidConfig() : Arbitrary<ValidConfig> =
        let shrink (ValidConfig config) =
            seq {
                for i in 0 .. config.Proxies.Length - 1 do
                    if config.Proxies.Length > 1 then ValidConfig { config with Proxies = List.removeAt i config.Proxies }
                    let proxy = config.Proxies[i]
                    for j in 0 .. proxy.Targets.Length - 1 do
                        if proxy.Targets.Length > 1 then
                            ValidConfig { config with Proxies = List.updateAt i { proxy with Targets = List.removeAt j proxy.Targets } config.Proxies }
            }
        let valid =
            gen {
                let! application = ConfigGenerators.Application
                let! count = Gen.choose (1, 4)
                let! proxies = [ 0 .. count - 1 ] |> List.map ConfigGenerators.Proxy |> Gen.sequenceToList
                return ValidConfig { Application = application; Proxies = proxies }
            }
        Arb.fromGenShrink (valid, shrink)

    static member HostileConfig() : Arbitrary<HostileConfig> =
        let pieces =
            [ "["; "]"; "{"; "}"; "&a "; "*a"; "*a : "; "!!str "; "!x "; "!!binary "; "<<: "; "<<: *a\n"; "<<: [*a, 1]\n"; "? "; ": "; "- "; "\t"
              "\n"; "\r\n"; "\r"; "\""; "'"; "|\n"; ">-\n"; "#"; "---\n"; "...\n"; "%YAML 1.1\n"; "%TAG ! x\n"; "null"; "~"; ".inf"; "0o17"; "-1"; "1e3"
              "\u0000"; "\u0085"; "\u2028"; "\uFEFF"; "😀"; "\\x"; "\\uD800"; "@"; "`"; "[::]:443"; "server:"; "proxies:"; "name: "; "address: "; "x-a: &a {b: c}\n" ]
            |> List.map Encoding.UTF8.GetBytes
            |> List.append [ [| 0xFFuy |]; [| 0xC0uy; 0x80uy |]; [| 0xEDuy; 0xA0uy; 0x80uy |]; [| 0xE2uy; 0x82uy |]; [| 0uy |] ]
        let soup = Gen.listOf (Gen.elements pieces) |> Gen.map (Array.concat)
        let mangled =
            gen {
                let! (ValidConfig config) = ConfigGenerators.ValidConfig().Generator
                let! isBlock = Gen.elements [ true; false ]
                let written = Written.ofConfig false config
                let bytes = Encoding.UTF8.GetBytes(if isBlock then Written.block written else Written.flow written)
                let mangle bytes =
                    gen {
                        let! at = Gen.choose (0, Array.length bytes)
                        let! cut = Gen.elements [ 0; 1; 2; 20 ]
                        let! piece = Gen.elements ([||] :: pieces)
                        return Array.concat [ Array.truncate at bytes; piece; bytes[min bytes.Length (at + cut) ..] ]
                    }
                let! times = Gen.choose (1, 4)
                return! List.fold (fun gen _ -> Gen.bind mangle gen) (Gen.constant bytes) [ 1..times ]
            }
        let any = WordGenerators.HostileBytes().Generator |> Gen.map (fun (HostileBytes bytes) -> bytes)
        let shrink (HostileConfig bytes) =
            seq {
                for size in [ bytes.Length / 2; bytes.Length / 8; 1 ] do
                    if size > 0 then
                        for at in 0..size .. bytes.Length - size do
                            HostileConfig(Array.append bytes[.. at - 1] bytes[at + size ..])
            }
        Arb.fromGenShrink (Gen.frequency [ 5, mangled; 2, soup; 1, any ] |> Gen.map HostileConfig, shrink)

    static member SecretValue() : Arbitrary<SecretValue> =
        let word = SecretValue.Word
        let noise = Gen.listOf (Gen.elements [ ":"; "@"; "%"; "%zz"; "/"; "//"; "tcp:"; "unix:"; "https:"; "é"; "1"; "["; "]"; "." ]) |> Gen.map (String.concat "")
        let quoted (text: string) = "\"" + text + "\""
        gen {
            let! before = noise
            let! after = noise
            let text = before + word + after
            let! written =
                Gen.elements [
                    quoted text
                    quoted (text + "\\0")
                    quoted (text + "\\e[0m")
                    $"'{text}'"
                    $"!{word} x"
                    $"!!{word} x"
                    $"!<{word}> x"
                    $"*{word}"
                    $"&{word} {quoted text}"
                    $"{{{word}: 1}}"
                    $"{{{word}: 1, {word}: 2}}"
                    $"{{<<: {word}}}"
                    $"{{? [{word}] : 1}}"
                    $"[{word}, {quoted text}]"
                    $"[[[{word}]]]"
                    $"&a [*a, {word}]"
                    $"[{word}]:1080"
                    $"[::1]:1080{word}"
                    $"user:{word}@host"
                    $"{word}@host:1"
                    $"user:{word}@[::1]:0"
                    $"@{word}"
                    $"`{word}"
                    $"%%{word}"
                    $"\"{word}"
                    $"\"{word}\\q\""
                    $"{word}: x"
                    $"https://{word}@host: 1"
                    $"https://:{word}@host/1"
                    $"ftp://{word}@host/1"
                    $"https://{word}@host"
                ]
            return SecretValue written
        }
        |> Arb.fromGen
