module Bitflow.Spec.SummaryLaws

open System
open System.Text
open Xunit
open Bitflow.Domain

let private certificate =
    { Names = [ "www.example.com" ]; HasAlternativeNames = true; NotBefore = DateTimeOffset.UnixEpoch; NotAfter = DateTimeOffset(2030, 5, 6, 0, 0, 0, TimeSpan.Zero); IsRsa = true; Curve = ""; Issuers = []; ChainBreaksAfter = 0 }

let private lines (file: string) (certificates: CertificateFacts list) =
    let reading = ConfigFile.Read("a.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes file))
    if not reading.IsUsable then failwith (String.Join("\n", reading.Errors))
    let isShownOne (target: TargetConfig) = target.Tls |> Option.exists _.Shown.IsSome
    let shownBy (name: string) =
        { ToClients = certificates
          ToTargets =
            [ for target in (reading.Config.TryProxy name).Value.Targets ->
                  if isShownOne target then Some { certificate with NotAfter = DateTimeOffset(2031, 7, 8, 0, 0, 0, TimeSpan.Zero) } else None ] }
    Summary.describe reading.Config (Func<_, _> shownBy) |> Seq.toList

let private plain =
    "server: { proxies: [ { name: a, listener: { address: ':80' }, targets: [ { name: t, address: 'x:1' } ] } ] }"

let private rich =
    """
application:
  log: { level: warn, format: json }
  metrics: { address: 127.0.0.1:8125 }
  admin: { address: 127.0.0.1:9090 }
  sentry_dsn: https://key@sentry.example.com/1
  shutdown_timeout: 30s
server:
  proxies:
    - name: web
      listener:
        address: ":443"
        authorized_sources: [10.0.0.0/8]
        trusted_proxies: [192.0.2.1]
        read_timeout: 60s
        write_timeout: 20s
        tls_context:
          verify_mode: strict
          min_version: "1.2"
          application_protocols: [h2, http/1.1]
          certificates: [ { key: k, certificate: c, authority: a } ]
      targets:
        - { name: one, address: "10.0.0.1:80", connect_attempts: 3, read_timeout: 60s, write_timeout: 10s }
        - { name: two, address: "10.0.0.2:80", proxy: "me:secret@127.0.0.1:1080", tls_context: { verify_mode: none }, read_timeout: 60s, write_timeout: 10s }
      options:
        connection_load_balancer: failover
        connection_limit: 100
        connection_lifetime: 1h
        connection_log: /var/log/web.jsonl
        enable_proxy_header: true
        proxy_header_version: 2
"""

[<Fact>]
let ``a check says who may come, which targets are tried and what limits hold, of the smallest file and of one with everything`` () =
    Law.HoldsFor(
        [ plain, [], [ "proxy a: :80 -> t (x:1)"; "    clients: everyone"; "    targets: the first alone"; "    timeouts: connect 10s"; "log: off" ]
          rich,
          [ certificate ],
          [ "proxy web: :443 -> one (10.0.0.1:80), two (10.0.0.2:80, TLS, not verified, through SOCKS5 at 127.0.0.1:1080)"
            "    clients: 10.0.0.0/8; at most 100 at once; announced by PROXY headers from 192.0.2.1/32"
            "    TLS: 1.2 and 1.3; as www.example.com until 2030-05-06; client certificates required; ALPN h2, http/1.1"
            "    targets: in this order (failover); 1 to 3 attempts each; announced by PROXY headers, version 2"
            "    timeouts: read 1m; write 20s for clients, 10s for targets; connect 10s; lifetime 1h"
            "    connection log: /var/log/web.jsonl"
            "log: warn, as JSON; metrics: statsd to 127.0.0.1:8125; admin server: 127.0.0.1:9090; errors: reported to Sentry; shutdown: connections get 30s to end" ] ],
        fun (file, certificates, expected) ->
            let said = lines file certificates
            if said = expected then true else failwith (String.concat "\n" said))

[<Fact>]
let ``a check says whether a target is verified, and until when the certificate is valid that it is shown`` () =
    let file tls = "server: { proxies: [ { name: a, listener: { address: ':80' }, targets: [ { name: t, address: 'x:1', tls_context: { " + tls + " } } ] } ] }"
    Law.HoldsFor(
        [ "verify_mode: none", "TLS, not verified"
          "verify_mode: strict", "TLS"
          "verify_mode: strict, certificates: [ { authority: ca.pem } ]", "TLS"
          "verify_mode: strict, certificates: [ { certificate: c.pem, key: k.pem, authority: ca.pem } ]", "TLS, shown a certificate until 2031-07-08"
          "verify_mode: none, certificates: [ { certificate: c.pem, key: k.pem } ]", "TLS, not verified, shown a certificate until 2031-07-08" ],
        fun (tls, how) -> List.head (lines (file tls) []) = $"proxy a: :80 -> t (x:1, {how})")

[<Fact>]
let ``what a check says holds no secret`` () =
    Law.HoldsFor([ String.concat "\n" (lines rich [ certificate ]) ], fun text -> not (text.Contains "secret") && not (text.Contains "key@"))

[<Fact>]
let ``a check says how a target is chosen and tried, and whether a client certificate is asked for`` () =
    let file balancer attempts listener =
        "server: { proxies: [ { name: a, listener: { address: ':80' " + listener + " }, targets: [ { name: t, address: 'x:1', connect_attempts: " + attempts
        + " } ], options: { connection_load_balancer: " + balancer + " } } ] }"
    let tls mode = ", tls_context: { verify_mode: " + mode + ", certificates: [ { key: k, certificate: c, authority: a } ] }"
    Law.HoldsFor(
        [ file "none" "1" "", "targets: the first alone"
          file "failover" "2" "", "targets: in this order (failover); 2 attempts each"
          file "round-robin" "1" "", "targets: in turn (round-robin)"
          file "sni" "1" "", "targets: by server name, TLS passed through (sni)"
          file "sni" "1" (tls "none"), "targets: by server name, TLS ends here (sni)"
          file "none, enable_proxy_header: true" "1" "", "targets: the first alone; announced by PROXY headers, version 1"
          file "none" "1, read_timeout: 5s }, { name: u, address: 'x:2'" "", "timeouts: read none for clients, 5s, none for targets; connect 10s"
          file "none" "1" (tls "none"), "TLS: 1.3; as www.example.com until 2030-05-06"
          file "none" "1" (tls "relaxed"), "TLS: 1.3; as www.example.com until 2030-05-06; client certificates verified where given"
          file "none" "1" (tls "strict"), "TLS: 1.3; as www.example.com until 2030-05-06; client certificates required" ],
        fun (file, expected) ->
            let said = lines file [ certificate ]
            if said |> List.contains ("    " + expected) then true else failwith (String.concat "\n" said))

[<Fact>]
let ``a check says the time for a handshake and for a name where it is in force, and is not the usual`` () =
    let file listener options target =
        "server: { proxies: [ { name: a, listener: { address: ':80'" + listener + " }, targets: [ { name: '*', address: 'x:1'" + target + " } ], options: { " + options + " } } ] }"
    let tls = ", tls_context: { certificates: [ { key: k, certificate: c } ] }"
    Law.HoldsFor(
        [ file (tls + ", handshake_timeout: 3s") "" "", "handshake 3s; connect 10s"
          file (tls + ", handshake_timeout: 0") "" "", "handshake none; connect 10s"
          file (tls + ", handshake_timeout: 10s") "" "", "connect 10s"
          file tls "" "", "connect 10s"
          file ", handshake_timeout: 3s" "connection_load_balancer: sni" "", "handshake 3s; connect 10s"
          file ", handshake_timeout: 3s, trusted_proxies: [10.0.0.1]" "" "", "handshake 3s; connect 10s"
          file ", handshake_timeout: 3s" "" "", "connect 10s"
          file "" "enable_dual_stack: yes" ", resolve_timeout: 2s", "connect 10s; resolve 2s"
          file "" "enable_dual_stack: yes" "", "connect 10s"
          file "" "" ", resolve_timeout: 2s", "connect 10s" ],
        fun (file, expected) ->
            let said = lines file [ certificate ]
            if said |> List.contains ("    timeouts: " + expected) then true else failwith (String.concat "\n" said))

[<Fact>]
let ``the address of statsd is said as a file has it`` () =
    Law.HoldsFor([ "[::1]:8125"; "127.0.0.1:8125"; "statsd.example:8125"; "unix:///run/statsd" ], fun address ->
        let said = lines ("application: { metrics: { address: '" + address + "' } }\n" + plain) []
        List.last said = $"log: off; metrics: statsd to {address}")

[<Fact>]
let ``of a certificate a check tells three names at the most, or that it has none`` () =
    let file = "server: { proxies: [ { name: a, listener: { address: ':80', tls_context: { certificates: [ { key: k, certificate: c } ] } }, targets: [ { name: t, address: 'x:1' } ] } ] }"
    Law.HoldsFor(
        [ [], "a certificate without names"; [ "a"; "b"; "c" ], "a, b, c"; [ "a"; "b"; "c"; "d" ], "a, b, c and 1 more" ],
        fun (names, told) -> lines file [ { certificate with Names = names } ] |> List.contains $"    TLS: 1.3; as {told} until 2030-05-06")

[<Fact>]
let ``of a long list a check tells the beginning and how many more there are`` () =
    let clients (networks: string list) =
        let listed = String.concat ", " networks
        lines ("server: { proxies: [ { name: a, listener: { address: ':80', authorized_sources: [ " + listed + " ] }, targets: [ { name: t, address: 'x:1' } ] } ] }") []
        |> List.item 1
    let networks = [ for i in 1..6 -> $"10.{i}.0.0/16" ]
    Law.HoldsFor(
        [ 4, "    clients: 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16"
          5, "    clients: 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16 and 1 more"
          6, "    clients: 10.1.0.0/16, 10.2.0.0/16, 10.3.0.0/16, 10.4.0.0/16 and 2 more" ],
        fun (n, expected) -> clients (List.truncate n networks) = expected)

[<Fact>]
let ``a file with warnings passes unless it is looked at strictly, and then they are counted`` () =
    Law.HoldsFor(
        [ false, 0, Ok "usable"; false, 3, Ok "usable"; true, 0, Ok "usable"; true, 1, Error "usable, but for a warning"; true, 2, Error "usable, but for 2 warnings" ],
        fun (strict, warnings, told) -> Summary.verdict strict warnings = told)

[<Fact>]
let ``of certificates with keys of two kinds a check tells which is which`` () =
    let file = "server: { proxies: [ { name: a, listener: { address: ':80', tls_context: { certificates: [ { key: k, certificate: c }, { key: l, certificate: d } ] } }, targets: [ { name: t, address: 'x:1' } ] } ] }"
    let ofEcdsa = { certificate with IsRsa = false; Curve = "1.2.840.10045.3.1.7" }
    let name = "www.example.com"
    Law.HoldsFor(
        [ [ ofEcdsa; certificate ], $"{name} (ECDSA) until 2030-05-06, {name} (RSA) until 2030-05-06"
          [ certificate; certificate ], $"{name} until 2030-05-06, {name} until 2030-05-06"
          [ ofEcdsa; { ofEcdsa with Curve = "1.3.132.0.34" } ], $"{name} until 2030-05-06, {name} until 2030-05-06" ],
        fun (certificates, told) -> lines file certificates |> List.contains $"    TLS: 1.3; as {told}")

[<Fact>]
let ``what is in force is told of a start in the words of check, with the limits that no file says`` () =
    let tls = ", tls_context: { certificates: [ { certificate: c, key: k } ] }"
    let proxy listener options =
        let file = $"server: {{ proxies: [ {{ name: a, listener: {{ address: ':80'{listener} }}, targets: [ {{ name: t, address: 'x:1' }} ]{options} }} ] }}"
        ConfigFile.Read("a.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes file)).Config.Proxies.Head
    Law.HoldsFor(
        [ "", "", "any number of connections; connect 10s"
          "", ", options: { connection_limit: 7, connection_lifetime: 1h }", "at most 7 connections at once; connect 10s; lifetime 1h"
          tls, "", "any number of connections; handshake 10s; connect 10s"
          tls + ", handshake_timeout: 0", "", "any number of connections; handshake none; connect 10s"
          tls + ", handshake_timeout: 2s, read_timeout: 1m, write_timeout: 5s", "", "any number of connections; read 1m for clients, none for targets; write 5s for clients, none for targets; handshake 2s; connect 10s" ],
        fun (listener, options, told) -> Summary.inForce (proxy listener options) = told)
