namespace Bitflow.Domain

/// Every key of the configuration, said once. From these descriptions come the reading, the messages, the JSON Schema
/// and the table in the documentation: to add a key is to add a line here.
[<RequireQualifiedAccess>]
module ConfigKeys =
    let private noLimit = Duration.Zero, "no limit"
    let private verifyModes = Kind.choice [ for mode in [ VerifyMode.None; VerifyMode.Relaxed; VerifyMode.Strict ] -> string mode, mode ]
    let private tlsVersions = Kind.choice [ for version in [ TlsVersion.Tls12; TlsVersion.Tls13 ] -> string version, version ]

    let private certificates (authorities: string) (entry: string option -> string option -> string option -> 'T) =
        let path = Kind.some Value.path
        let certificate =
            mapping {
                let! key = optional "key" path (None, "none") "PEM file with the private key of `certificate`."
                and! certificate = optional "certificate" path (None, "none") "PEM file with the certificate and the intermediates behind it."
                and! authority = optional "authority" path (None, "none") authorities
                return entry certificate key authority
            }
        Kind.list (record "a certificate" certificate)

    /// Of one that is not given `ConfigRules` complains; its stand-in is never opened.
    let private listenerCertificates =
        certificates "PEM file with authorities that vouch for clients. Those of all entries are one set, whichever certificate a client is shown." (fun certificate key authority ->
            let path = Option.defaultValue Value.path.StandIn
            { ListenerCertificate.Shown = { Certificate = path certificate; Key = path key }; Authority = authority })

    let private targetCertificates =
        certificates "PEM file with authorities that vouch for the target, besides the system's." (fun certificate key authority ->
            let shown = Option.map2 (fun certificate key -> { Certificate = certificate; Key = key }) certificate key
            { TargetCertificate.Shown = shown; Authority = authority })

    let private protocols = Kind.list Value.protocolName

    let private listenerTls =
        mapping {
            let! mode = optional "verify_mode" verifyModes (VerifyMode.None, "`none`") "Whether clients are asked for a certificate: `none` does not ask, `relaxed` verifies one that is given, `strict` requires one."
            and! certificates = optional "certificates" listenerCertificates ([], "error") "What the listener shows its clients, chosen by the server name they ask for, and of several for a name the first whose kind of key they take; at least one entry, each with `key` and `certificate`."
            and! protocols = optional "application_protocols" protocols ([], "no ALPN") "ALPN names in the listener's order of preference."
            and! minVersion = extension "min_version" tlsVersions (Defaults.minVersion, "`\"1.3\"`") "The lowest version of TLS that is spoken."
            return
                { ListenerTls.VerifyMode = mode
                  Certificates = certificates
                  ApplicationProtocols = protocols
                  MinVersion = minVersion }
        }

    let private targetTls =
        mapping {
            let! mode = optional "verify_mode" verifyModes (VerifyMode.Strict, "verified, as `strict`") "Whether the target's certificate is verified, chain and name: `relaxed` and `strict` do, `none` accepts any."
            and! certificates = optional "certificates" targetCertificates ([], "none") "Client certificates (`key` and `certificate`), and authorities to trust besides the system's."
            and! protocols = optional "application_protocols" protocols ([], "no ALPN") "ALPN names to offer, best first."
            and! minVersion = extension "min_version" tlsVersions (Defaults.minVersion, "`\"1.3\"`") "The lowest version of TLS that is spoken."
            and! serverName = extension "server_name" (Kind.some Value.hostName) (None, "host of the target's address") "The name to ask for and to verify, by the alternative names of the certificate alone."
            return
                { TargetTls.VerifyMode = mode
                  Certificates = certificates
                  ApplicationProtocols = protocols
                  MinVersion = minVersion
                  ServerName = serverName }
        }

    let private networks = Kind.list Value.network |> Kind.map IpNetworkSet

    let private listener =
        mapping {
            let! address = required "address" Value.listenerAddress "Where clients connect."
            and! readTimeout = optional "read_timeout" Value.duration noLimit "Ends a connection when its client has neither sent nor taken anything for so long."
            and! writeTimeout = optional "write_timeout" Value.duration noLimit "Ends a connection when a write to its client is pending and not one byte is taken for so long."
            and! handshakeTimeout = extension "handshake_timeout" Value.duration (Defaults.handshakeTimeout, "`10s`") "From accept to the end of what must be read from the client before dialling: PROXY header, ClientHello, TLS handshake."
            and! authorized = optional "authorized_sources" networks (IpNetworkSet.Empty, "everyone") "Whose connections are accepted. Of a peer in `trusted_proxies`: which clients, as its PROXY header names them; a connection of its own (LOCAL) always is."
            and! trusted = extension "trusted_proxies" networks (IpNetworkSet.Empty, "no inbound PROXY header") "Whose connections begin with a PROXY header, versions 1 and 2, that says who the client is."
            and! tls = optional "tls_context" (Kind.some (record "the TLS settings" listenerTls)) (None, "no TLS") "Terminates TLS."
            return
                { Address = address
                  ReadTimeout = readTimeout
                  WriteTimeout = writeTimeout
                  HandshakeTimeout = handshakeTimeout
                  AuthorizedSources = authorized
                  TrustedProxies = trusted
                  Tls = tls }
        }

    let private target =
        mapping {
            let! name = required "name" Value.name "What the target is called in logs and metrics; unique in its proxy. For `sni`, the server name that chooses it: a name, `*.suffix` or `*`."
            and! address = required "address" Value.targetAddress "Where to connect to."
            and! proxy = optional "proxy" (Kind.some Value.socksProxy) (None, "direct") "A SOCKS5 proxy to connect through. The credentials are percent-decoded, 1 to 255 bytes each, and never shown."
            and! attempts = optional "connect_attempts" (Kind.integer 0 DialPlan.mostAttempts) (1, "one attempt") "How often to try; 0 and 1 are the same."
            and! backoff = optional "connect_backoff" Value.duration (Duration.Zero, "no wait") "The wait before the second attempt; it doubles for each further one, up to an hour."
            and! connectTimeout = optional "connect_timeout" Value.duration (Defaults.connectTimeout, "`10s`") "For one attempt: resolving, connecting, SOCKS5, PROXY header and TLS handshake."
            and! resolveTimeout = optional "resolve_timeout" Value.duration noLimit "For resolving the target's name; only read with `enable_dual_stack`."
            and! readTimeout = optional "read_timeout" Value.duration noLimit "Ends a connection when the target has neither sent nor taken anything for so long."
            and! writeTimeout = optional "write_timeout" Value.duration noLimit "Ends a connection when a write to the target is pending and not one byte is taken for so long."
            and! keepAlive = optional "keepalive_interval" Value.keepAlive (KeepAlive.Every Defaults.keepAliveSeconds, "`15s`, as for `0`") "TCP keep-alive: idle time and interval, rounded up to a second."
            and! tls = optional "tls_context" (Kind.some (record "the TLS settings" targetTls)) (None, "no TLS") "Connects with TLS."
            return
                { Name = name
                  Address = address
                  Proxy = proxy
                  ConnectAttempts = max 1 attempts
                  ConnectBackoff = backoff
                  ConnectTimeout = connectTimeout
                  ResolveTimeout = resolveTimeout
                  ReadTimeout = readTimeout
                  WriteTimeout = writeTimeout
                  KeepAlive = keepAlive
                  Tls = tls }
        }

    let private policies =
        Kind.choice [ for policy in [ Policy.None; Policy.Failover; Policy.RoundRobin; Policy.Sni ] -> string policy, policy ]

    let private options =
        mapping {
            let! limit = optional "connection_limit" (Kind.integer 0 System.Int32.MaxValue) (0, "`0`: no limit") "How many connections may be open at once; further ones are reset."
            and! lifetime = optional "connection_lifetime" Value.duration noLimit "Ends a connection so long after its accept, whatever it does."
            and! log = optional "connection_log" (Kind.some Value.path) (None, "no log") "File to which a JSON object is appended for every connection."
            and! policy = optional "connection_load_balancer" policies (Policy.None, "`none`") "Which targets are tried: the first alone, all in order, all in turn, or the one that the client's server name chooses."
            and! header = optional "enable_proxy_header" Kind.boolean (false, "`false`") "Sends a PROXY header to the target."
            and! version = extension "proxy_header_version" (Kind.choice [ "1", ProxyHeaderVersion.V1; "2", ProxyHeaderVersion.V2 ]) (ProxyHeaderVersion.V1, "`1`") "Version 1 (text) or 2 (binary) of that header. Version 2 also says what is known of a TLS client: its server name, ALPN, version, cipher, and its certificate, whose common name is left out where it has more than 256 bytes. It has no checksum."
            and! dualStack = optional "enable_dual_stack" Kind.boolean (false, "`false`") "IPv4 clients get the target's IPv4 address, IPv6 clients its IPv6 address."
            return
                { ConnectionLimit = limit
                  ConnectionLifetime = lifetime
                  ConnectionLog = log
                  LoadBalancer = policy
                  ProxyHeader = (if header then Some version else None)
                  DualStack = dualStack }
        }

    let private proxy =
        mapping {
            let! name = required "name" Value.name "What the proxy is called in logs and metrics; unique."
            and! listener = required "listener" (record "a listener" listener) "Where clients connect."
            and! targets = required "targets" (Kind.nonEmptyList (record "a target" target)) "Where connections go; at least one."
            and! options = section "options" "the proxy's options" options "What concerns the proxy as a whole."
            return
                { Name = name
                  Listener = listener
                  Targets = targets
                  Options = options }
        }

    let private metricsFormats =
        Kind.choice [ "dogstatsd", MetricsFormat.DogStatsD; "influx", MetricsFormat.Influx; "plain", MetricsFormat.Plain ]

    let private metrics =
        mapping {
            let! address = optional "address" (Kind.some Value.metricsAddress) (None, "no statsd") "Where statsd datagrams go."
            and! prefix = optional "prefix" (Kind.text "text" "a prefix" "edge" "") ("", "no prefix") "Put before every metric's name, with a dot."
            and! format = extension "format" metricsFormats (MetricsFormat.DogStatsD, "`dogstatsd`") "How tags are written; `plain` has none."
            and! () = retired "proxy" "metrics through a proxy are not supported; remove this key"
            return address |> Option.map (fun address -> { Address = address; Prefix = prefix; Format = format })
        }

    let private logLevels =
        Kind.choice [ "debug", LogLevel.Debug; "info", LogLevel.Info; "warn", LogLevel.Warn; "error", LogLevel.Error ]

    let private log =
        mapping {
            let! level = optional "level" (Kind.some logLevels) (None, "logging off") "The least important lines that are logged, on standard error."
            and! format = extension "format" (Kind.choice [ "text", LogFormat.Text; "json", LogFormat.Json ]) (LogFormat.Text, "`text`") "Lines for people, or a JSON object each."
            return level, format
        }

    let private admin =
        mapping {
            let! address = extension "address" (Kind.some Value.adminAddress) (None, "no admin server") "Where the admin server listens."
            return address
        }

    let private application =
        mapping {
            let! sentryDsn = optional "sentry_dsn" Value.sentryDsn (None, "no error reporting") "Where Bitflow's own errors are reported. Never shown."
            and! metrics = section "metrics" "the metrics settings" metrics "Statsd."
            and! level, format = section "log" "the log settings" log "The log."
            and! shutdownTimeout = extension "shutdown_timeout" Value.duration (Duration.Zero, "`0`: as long as it takes") "How long a shutdown waits for open connections before it resets them."
            and! admin = extension "admin" (record "the admin settings" admin) (None, "no admin server") "The admin server."
            and! engine = extension "engine" (Kind.choice [ "auto", Engine.Auto; "linux", Engine.Linux; "managed", Engine.Managed ]) (Engine.Auto, "`auto`") "What moves the bytes; a change needs a restart."
            return
                { SentryDsn = sentryDsn
                  Metrics = metrics
                  LogLevel = level
                  LogFormat = format
                  ShutdownTimeout = shutdownTimeout
                  Admin = admin
                  Engine = engine }
        }

    let private server =
        mapping {
            let! proxies = required "proxies" (Kind.nonEmptyList (record "a proxy" proxy)) "The proxies; at least one."
            return proxies
        }

    let private file =
        mapping {
            let! application = section "application" "the application settings" application "What concerns the program as a whole."
            and! proxies = required "server" (record "the server" server) "What is served."
            return { Application = application; Proxies = proxies }
        }

    let private root = freeRecord "the configuration" file

    /// Every key, as a tree.
    let all: Key list = root.Inner

    /// The JSON Schema of the whole file, without what makes it a document of its own.
    let schema = root.Schema

    /// The configuration at the root of a file, stand-ins in the place of what is faulty.
    let internal read (site: Site) = readRoot root site
