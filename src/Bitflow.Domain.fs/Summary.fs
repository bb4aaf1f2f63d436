namespace Bitflow.Domain

open System
open System.Collections.Generic
open System.Globalization

/// What the certificates say that a proxy shows.
type ShownCertificates =
    { /// The listener's, in their order.
      ToClients: CertificateFacts list
      /// Of every target, in their order, the one that it is shown where it asks.
      ToTargets: CertificateFacts option list }

/// What `bitflow check` says of a file that can be served: who may come, how they are spoken with, where they go, what holds.
/// A line is left out where there is nothing to it.
[<RequireQualifiedAccess>]
module Summary =
    let private list (items: string seq) = String.concat ", " items

    /// Long lists are told by their beginning and their length.
    let private few (most: int) (items: string list) =
        if items.Length <= most then list items else $"{list (List.truncate most items)} and {items.Length - most} more"

    let private version version =
        match version with
        | TlsVersion.Tls12 -> "1.2 and 1.3"
        | TlsVersion.Tls13 -> "1.3"

    let private day (at: DateTimeOffset) = at.UtcDateTime.ToString("yyyy-MM-dd", CultureInfo.InvariantCulture)

    let private target (target: TargetConfig) (shown: CertificateFacts option) =
        let how =
            [ match target.Tls with
              | Some tls ->
                  if tls.VerifyMode = VerifyMode.None then "TLS, not verified" else "TLS"
              | None -> ()
              match shown with
              | Some facts -> $"shown a certificate until {day facts.NotAfter}"
              | None -> ()
              match target.Proxy with
              | Some proxy -> $"through SOCKS5 at {proxy.Address}"
              | None -> () ]
        $"""{target.Name} ({list (string target.Address :: how)})"""

    let private clients (proxy: ProxyConfig) =
        let networks (set: IpNetworkSet) = set.Networks |> List.map string |> few 4
        let listener = proxy.Listener
        [ if listener.AuthorizedSources.IsEmpty then "everyone" else networks listener.AuthorizedSources
          if proxy.Options.ConnectionLimit > 0 then $"at most {proxy.Options.ConnectionLimit} at once"
          if not listener.TrustedProxies.IsEmpty then $"announced by PROXY headers from {networks listener.TrustedProxies}" ]

    let private tls (certificates: CertificateFacts list) (tls: ListenerTls) =
        let areOfOneKind = (certificates |> List.distinctBy _.IsRsa).Length <= 1
        let certificate (facts: CertificateFacts) =
            let names = if facts.Names.IsEmpty then "a certificate without names" else few 3 facts.Names
            let kind = if facts.IsRsa then "RSA" else "ECDSA"
            let which = if areOfOneKind then "" else $" ({kind})"
            $"{names}{which} until {day facts.NotAfter}"
        [ version tls.MinVersion
          $"as {certificates |> List.map certificate |> few 3}"
          match tls.VerifyMode with
          | VerifyMode.None -> ()
          | VerifyMode.Relaxed -> "client certificates verified where given"
          | VerifyMode.Strict -> "client certificates required"
          if not tls.ApplicationProtocols.IsEmpty then $"ALPN {tls.ApplicationProtocols |> List.map string |> list}" ]

    let private choice (proxy: ProxyConfig) =
        let options, targets = proxy.Options, proxy.Targets
        [ match options.LoadBalancer with
          | Policy.None -> "the first alone"
          | Policy.Failover -> "in this order (failover)"
          | Policy.RoundRobin -> "in turn (round-robin)"
          | Policy.Sni when proxy.Listener.Tls.IsSome -> "by server name, TLS ends here (sni)"
          | Policy.Sni -> "by server name, TLS passed through (sni)"
          match targets |> List.map _.ConnectAttempts |> List.distinct with
          | [ 1 ] -> ()
          | [ n ] -> $"{n} attempts each"
          | several -> $"{List.min several} to {List.max several} attempts each"
          if options.DualStack then "of the client's family (dual stack)"
          match options.ProxyHeader with
          | Some ProxyHeaderVersion.V1 -> "announced by PROXY headers, version 1"
          | Some ProxyHeaderVersion.V2 -> "announced by PROXY headers, version 2"
          | None -> () ]

    /// `isHandshakeSaid`: whether a handshake_timeout of this length is.
    let private limits (isHandshakeSaid: Duration -> bool) (proxy: ProxyConfig) =
        /// One value where all targets have the same, else how far they go.
        let ofTargets (time: TargetConfig -> Duration) =
            match proxy.Targets |> List.map time |> List.distinct with
            | [ one ] when not one.IsPositive -> None
            | [ one ] -> Some(string one)
            | several -> several |> List.map (fun time -> if time.IsPositive then string time else "none") |> few 3 |> Some
        let both name (listener: Duration) target =
            match (if listener.IsPositive then Some(string listener) else None), ofTargets target with
            | None, None -> []
            | Some a, Some b when a = b -> [ $"{name} {a}" ]
            | a, b -> [ $"""{name} {Option.defaultValue "none" a} for clients, {Option.defaultValue "none" b} for targets""" ]
        [ yield! both "read" proxy.Listener.ReadTimeout _.ReadTimeout
          yield! both "write" proxy.Listener.WriteTimeout _.WriteTimeout
          let handshake = proxy.Listener.HandshakeTimeout
          if proxy.MayReadFirst && isHandshakeSaid handshake then
              if handshake.IsPositive then $"handshake {handshake}" else "handshake none"
          match ofTargets _.ConnectTimeout with
          | Some time -> $"connect {time}"
          | None -> ()
          match ofTargets _.ResolveTimeout with
          | Some time when proxy.Options.DualStack -> $"resolve {time}"
          | _ -> ()
          if proxy.Options.ConnectionLifetime.IsPositive then $"lifetime {proxy.Options.ConnectionLifetime}" ]

    let private ofProxy (certificates: ShownCertificates) (proxy: ProxyConfig) =
        let line name parts = if List.isEmpty parts then [] else [ $"""    {name}: {String.concat "; " parts}""" ]
        [ yield $"proxy {proxy.Name}: {proxy.Listener.Address} -> {List.map2 target proxy.Targets certificates.ToTargets |> few 8}"
          yield! line "clients" (clients proxy)
          match proxy.Listener.Tls with
          | Some settings -> yield! line "TLS" (tls certificates.ToClients settings)
          | None -> ()
          yield! line "targets" (choice proxy)
          yield! line "timeouts" (limits ((<>) Defaults.handshakeTimeout) proxy)
          yield! line "connection log" (Option.toList proxy.Options.ConnectionLog) ]

    let private ofApplication (application: ApplicationConfig) =
        [ match application.LogLevel with
          | None -> "log: off"
          | Some level ->
              let format = match application.LogFormat with LogFormat.Text -> "" | LogFormat.Json -> ", as JSON"
              $"log: {(string level).ToLowerInvariant()}{format}"
          match application.Metrics with
          | Some metrics -> $"metrics: statsd to {metrics.Address}"
          | None -> ()
          match application.Admin with
          | Some address -> $"admin server: {address}"
          | None -> ()
          if application.SentryDsn.IsSome then "errors: reported to Sentry"
          if application.ShutdownTimeout.IsPositive then $"shutdown: connections get {application.ShutdownTimeout} to end" ]

    /// A proxy a paragraph, then what concerns the program as a whole.
    /// `certificates` are those of a proxy, by its name.
    [<CompiledName "Describe">]
    let describe (config: Config) (certificates: Func<string, ShownCertificates>) : IReadOnlyList<string> =
        [| for proxy in config.Proxies do
               yield! ofProxy (certificates.Invoke proxy.Name) proxy |> List.map Shown.line
           yield String.concat "; " (ofApplication config.Application) |> Shown.line |]
        :> IReadOnlyList<string>

    /// The limits of a proxy that are in force, those that no file says among them, in the words of `check`.
    [<CompiledName "InForce">]
    let inForce (proxy: ProxyConfig) : string =
        let limit = proxy.Options.ConnectionLimit
        (if limit > 0 then $"at most {limit} connections at once" else "any number of connections") :: limits (fun _ -> true) proxy
        |> String.concat "; "
        |> Shown.line

    /// The last line: whether the file passes, with so many warnings. `strict`: what is doubtful does not.
    [<CompiledName "Verdict">]
    let verdict (strict: bool) (warnings: int) : Result<string, string> =
        if not strict || warnings = 0 then Ok "usable"
        else Error(if warnings = 1 then "usable, but for a warning" else $"usable, but for {warnings} warnings")
