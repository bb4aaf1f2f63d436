namespace Bitflow.Domain

/// What a TLS side asks of the other side's certificate.
[<RequireQualifiedAccess>]
type VerifyMode =
    | None
    | Relaxed
    | Strict

    /// As the configuration writes it.
    override this.ToString() =
        match this with
        | VerifyMode.None -> "none"
        | VerifyMode.Relaxed -> "relaxed"
        | VerifyMode.Strict -> "strict"

[<RequireQualifiedAccess>]
type TlsVersion =
    | Tls12
    | Tls13

    /// As the configuration and the connection log write it.
    override this.ToString() =
        match this with
        | TlsVersion.Tls12 -> "1.2"
        | TlsVersion.Tls13 -> "1.3"

/// A certificate to show, with its key: paths to PEM files.
type CertificateFiles =
    { Certificate: string
      Key: string }

/// An entry of a listener's certificates.
type ListenerCertificate =
    { Shown: CertificateFiles
      /// PEM file with authorities that vouch for clients.
      Authority: string option }

/// An entry of a target's certificates.
type TargetCertificate =
    { /// None: the entry is there for its authority.
      Shown: CertificateFiles option
      /// PEM file with authorities that vouch for the target.
      Authority: string option }

/// TLS towards the client.
type ListenerTls =
    { VerifyMode: VerifyMode
      /// At least one.
      Certificates: ListenerCertificate list
      /// In the listener's order of preference; empty: no ALPN.
      ApplicationProtocols: AlpnName list
      MinVersion: TlsVersion }

/// TLS towards the target.
type TargetTls =
    { VerifyMode: VerifyMode
      Certificates: TargetCertificate list
      ApplicationProtocols: AlpnName list
      MinVersion: TlsVersion
      /// The name to send and to verify; none: the host of the target's address.
      ServerName: string option }

    /// What the target is shown where it asks for a certificate: the first there is, whichever issuers it names. None: it is shown none.
    member this.Shown = this.Certificates |> List.tryPick _.Shown

/// Every `Duration` of a configuration that is a limit means "no limit" when zero.
[<NoComparison>]
type ListenerConfig =
    { Address: Address
      ReadTimeout: Duration
      WriteTimeout: Duration
      HandshakeTimeout: Duration
      /// Empty: everyone.
      AuthorizedSources: IpNetworkSet
      /// Empty: no inbound PROXY header.
      TrustedProxies: IpNetworkSet
      Tls: ListenerTls option }

/// Credentials for a SOCKS5 proxy (RFC 1929). Never printed.
[<NoComparison; StructuredFormatDisplay("(secret)")>]
type SocksCredentials =
    { User: SocksWord
      Password: SocksWord }

    override _.ToString() = "(secret)"

[<NoComparison>]
type SocksProxy =
    { Address: DialAddress
      Credentials: SocksCredentials option }

[<RequireQualifiedAccess>]
type KeepAlive =
    | Off
    /// Idle time and interval, whole seconds, at least 1.
    | Every of seconds: int

[<NoComparison>]
type TargetConfig =
    { Name: string
      Address: TargetAddress
      Proxy: SocksProxy option
      /// At least 1, at most 1,000 (a configured 0 is 1).
      ConnectAttempts: int
      ConnectBackoff: Duration
      ConnectTimeout: Duration
      ResolveTimeout: Duration
      ReadTimeout: Duration
      WriteTimeout: Duration
      KeepAlive: KeepAlive
      Tls: TargetTls option }

[<RequireQualifiedAccess>]
type Policy =
    | None
    | Failover
    | RoundRobin
    | Sni

    /// As the configuration writes it.
    override this.ToString() =
        match this with
        | Policy.None -> "none"
        | Policy.Failover -> "failover"
        | Policy.RoundRobin -> "round-robin"
        | Policy.Sni -> "sni"

[<RequireQualifiedAccess>]
type ProxyHeaderVersion =
    | V1
    | V2

type ProxyOptions =
    { /// 0: no limit.
      ConnectionLimit: int
      ConnectionLifetime: Duration
      /// The file's path.
      ConnectionLog: string option
      LoadBalancer: Policy
      /// The version of the header to send, where one is sent.
      ProxyHeader: ProxyHeaderVersion option
      DualStack: bool }

[<NoComparison>]
type ProxyConfig =
    { Name: string
      Listener: ListenerConfig
      /// At least one.
      Targets: TargetConfig list
      Options: ProxyOptions }

    /// Whether the client's hello must be read before anything can be decided.
    member this.ReadsHello = this.Listener.Tls.IsSome || this.Options.LoadBalancer = Policy.Sni

    /// Whether something may be read from a client before dialling, which is what handshake_timeout is for.
    member this.MayReadFirst = this.ReadsHello || not this.Listener.TrustedProxies.IsEmpty

[<RequireQualifiedAccess>]
type LogFormat =
    | Text
    | Json

[<RequireQualifiedAccess>]
type MetricsFormat =
    | DogStatsD
    | Influx
    | Plain

/// Where statsd datagrams go.
[<RequireQualifiedAccess>]
type MetricsAddress =
    | Udp of host: string * port: int
    | UnixDatagram of path: string

    override this.ToString() =
        match this with
        | MetricsAddress.Udp(host, port) when host.Contains ':' -> $"[{host}]:{port}"
        | MetricsAddress.Udp(host, port) -> $"{host}:{port}"
        | MetricsAddress.UnixDatagram path -> $"unix://{path}"

type MetricsConfig =
    { Address: MetricsAddress
      /// Empty: no prefix.
      Prefix: string
      Format: MetricsFormat }

[<RequireQualifiedAccess>]
type Engine =
    | Auto
    | Linux
    | Managed

[<NoComparison>]
type ApplicationConfig =
    { SentryDsn: SentryDsn option
      Metrics: MetricsConfig option
      /// None: logging off.
      LogLevel: LogLevel option
      LogFormat: LogFormat
      /// Zero: drain for as long as it takes.
      ShutdownTimeout: Duration
      Admin: Address option
      Engine: Engine }

/// A configuration that is known to be usable; only `ConfigFile` makes one from a file.
[<NoComparison>]
type Config =
    { Application: ApplicationConfig
      Proxies: ProxyConfig list }

    /// The proxy of that name; of none, the only one there is.
    member this.TryProxy(name: string) : ProxyConfig option =
        match name, this.Proxies with
        | "", [ only ] -> Some only
        | _ -> this.Proxies |> List.tryFind (fun proxy -> proxy.Name = name)

/// The values that stand in for omitted keys.
[<RequireQualifiedAccess>]
module Defaults =
    let handshakeTimeout = Duration.OfSeconds 10L
    let connectTimeout = Duration.OfSeconds 10L
    let keepAliveSeconds = 15
    let minVersion = TlsVersion.Tls13
