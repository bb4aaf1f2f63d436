namespace Bitflow.Domain

/// What can be configured and does not exist yet. `check` warns of it and serving refuses it: TLS that is configured
/// and not applied would be a leak. A feature that comes takes its line away from here.
[<RequireQualifiedAccess>]
module Unsupported =
    let private application: (string * (ApplicationConfig -> bool) * string) list =
        [ "sentry_dsn", (fun application -> application.SentryDsn <> ""), "reporting errors to Sentry"
          "metrics", _.Metrics.IsSome, "statsd"
          "admin", _.Admin.IsSome, "the admin server" ]

    let private options: (string * (ProxyOptions -> bool) * string) list =
        [ "connection_log", (fun options -> options.ConnectionLog <> ""), "the connection log" ]

    /// The keys of a configuration that ask for what does not exist yet, each with the name of that.
    [<CompiledName("InConfig")>]
    let inConfig (config: Config) : (YamlPath * string) list =
        let asked features (path: YamlPath) part =
            features |> List.filter (fun (_, isAsked, _) -> isAsked part) |> List.map (fun (key: string, _, what: string) -> path / key, what)
        [ yield! asked application (YamlPath.Root / "application") config.Application
          for i, proxy in List.indexed config.Proxies do
              yield! asked options (YamlPath.Root / "server" / "proxies" / i / "options") proxy.Options ]
