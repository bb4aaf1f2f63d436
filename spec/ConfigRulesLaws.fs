module Bitflow.Spec.ConfigRulesLaws

open System
open System.Runtime.CompilerServices
open System.Text
open Xunit
open Bitflow.Domain

/// A file written shortly: parts in braces, the paths of messages shortened to match.
let private read (proxies: string list) =
    let text = "server: {proxies: [" + String.Join(", ", proxies) + "]}"
    ConfigFile.Read("f", ReadOnlyMemory(Encoding.UTF8.GetBytes text))

let private proxyNamed name listener targets options =
    $"{{name: {name}, listener: {{{listener}}}, targets: [" + String.Join(", ", targets |> List.map (fun target -> $"{{{target}}}")) + $"], options: {{{options}}}}}"

let private proxy listener target options = [ proxyNamed "a" listener [ target ] options ]

let private short (line: string) =
    let path = line.Substring(line.IndexOf ' ' + 1)
    path.Substring(0, path.IndexOf ": ").Replace("server.proxies", "").Replace("[0].listener.", "listener.").Replace("[0].targets[0].", "target.").Replace("[0].options.", "options.")

let private errors (file: string list) = (read file).Errors |> Seq.map short |> Seq.toList
let private warnings (file: string list) =
    let reading = read file
    if not reading.IsUsable then failwithf "%A" (List.ofSeq reading.Errors)
    reading.Warnings |> Seq.map short |> Seq.toList

/// What is found in files, by path. The law that asks is the one that is listed.
[<Sealed; AbstractClass>]
type private Found =
    /// Each file has exactly these errors; a file with none is the other direction of its neighbours.
    static member Errors(cases: (string list * string list) list, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string) =
        Law.HoldsFor(cases, (fun (file, expected) -> errors file = expected), ?name = name, ?file = file)

    static member Warnings(cases: (string list * string list) list, [<CallerMemberName>] ?name: string, [<CallerFilePath>] ?file: string) =
        Law.HoldsFor(cases, (fun (file, expected) -> warnings file = expected), ?name = name, ?file = file)

let private plain = "name: t, address: 'h:1'"
let private at address = $"address: '{address}'"
let private target address = $"name: t, address: '{address}'"
let private pair a b = [ proxyNamed "a" (at a) [ plain ] ""; proxyNamed "b" (at b) [ plain ] "" ]

[<Fact>]
let ``listeners that certainly cannot be had side by side are refused, and nothing else is`` () =
    let meets =
        [ ":80", "0.0.0.0:80"; ":80", "[::]:80"; ":80", "[::1]:80"; ":80", "tcp4::80"; ":80", "tcp6::80"; ":80", "tcp:10.0.0.1:80"; "0.0.0.0:80", "127.0.0.1:80"; "10.0.0.1:80", "10.0.0.1:80"
          "tcp6::80", "[::1]:80"; "[::ffff:10.0.0.1]:80", "10.0.0.1:80"; "[2001:db8::1]:80", "[2001:DB8:0::1]:80"; "localhost:80", "127.0.0.1:80"; "h:80", "H:80"; "h:80", ":80"; "tcp4:h:80", "0.0.0.0:80" ]
    let apart =
        [ ":80", ":81"; ":0", ":0"; "10.0.0.1:80", "10.0.0.2:80"; "tcp4::80", "tcp6::80"; "tcp4::80", "[::1]:80"; "tcp6::80", "127.0.0.1:80"; "0.0.0.0:80", "[::1]:80"; "localhost:80", "127.0.0.2:80"; "h:80", "127.0.0.1:80"; "h:80", "tcp4::80"; ":80", "unix:/80" ]
    let swapped = List.map (fun (a, b) -> b, a)
    Found.Errors [
        for a, b in meets @ swapped meets do pair a b, [ "[1].listener.address" ]
        for a, b in apart @ swapped apart do pair a b, []
    ]
    // Both as they are written: what they mean may be the same.
    Law.HoldsFor(meets @ swapped meets, fun (a, b) -> (read (pair a b)).Errors |> Seq.exists _.Contains($"\"{b}\" overlaps with \"{a}\" of server.proxies[0].listener.address"))

[<Fact>]
let ``what is wrong is said of the key that it is about`` () =
    let said (file: string list) = let reading = read file in Seq.append reading.Errors reading.Warnings |> String.concat "\n"
    Law.HoldsFor(
        [ proxy (at ":1" + ", tls_context: {certificates: [{key: k}]}") plain "", "add \"certificate\""
          proxy (at ":1" + ", tls_context: {certificates: [{certificate: c}]}") plain "", "add \"key\""
          proxy (at ":1") (plain + ", tls_context: {certificates: [{key: k}]}") "", "add \"certificate\""
          proxy (at ":1") (plain + ", tls_context: {certificates: [{certificate: c}]}") "", "add \"key\""
          proxy (at ":1" + ", read_timeout: 1s") plain "", "a write to the target is pending"
          proxy (at ":1") (plain + ", read_timeout: 1s") "", "a write to the client is pending"
          proxy (at ":1") (plain + ", connect_timeout: 0") "", "as long as the kernel tries"
          proxy (at ":1") (plain + ", connect_attempts: 4") "", "may wait 40s"
          pair "fd:3" "fd:3", "a descriptor has one place"
          pair "unix:/a" "unix:/a", "choose another path"
          proxy (at ":1") (target "fd:3" + ", connect_attempts: 2") "", "already connected" ],
        fun (file, words) -> if (said file).Contains words then true else failwith (said file))
    Found.Warnings [ proxy (at ":1") (target "fd:3" + ", connect_timeout: 0") "", [] ]

[<Fact>]
let ``every listener that meets an earlier one is named, and with it the one that it meets`` () =
    let file =
        [ proxyNamed "a" (at "10.0.0.1:80") [ plain ] ""; proxyNamed "b" (at "10.0.0.2:80") [ plain ] ""; proxyNamed "c" (at ":80") [ plain ] ""; proxyNamed "d" (at "10.0.0.2:80") [ plain ] "" ]
    Law.HoldsFor([ file ], fun file ->
        match List.ofSeq (read file).Errors with
        | [ c; d ] -> c.Contains "server.proxies[2]" && c.Contains "of server.proxies[0].listener.address" && d.Contains "server.proxies[3]"
        | _ -> false)

[<Fact>]
let ``the admin server is a listener among the others`` () =
    let file admin listener =
        let text = $"application: {{admin: {{address: '{admin}'}}}}\nserver: {{proxies: [" + proxyNamed "a" (at listener) [ plain ] "" + "]}"
        (ConfigFile.Read("f", ReadOnlyMemory(Encoding.UTF8.GetBytes text))).Errors |> Seq.map short |> Seq.toList
    Law.HoldsFor(
        [ ":80", "127.0.0.1:80", [ "listener.address" ]; "127.0.0.1:81", ":80", []; "unix:/a", "unix:/a", [ "listener.address" ]; "unix:/a", "unix:/b", []; "fd:3", ":80", [ "application.admin.address" ] ],
        fun (admin, listener, expected) -> file admin listener = expected
    )

[<Fact>]
let ``a Unix path is one proxy's, and a descriptor has one place`` () =
    Found.Errors [
        pair "unix:/a" "unix:/a", [ "[1].listener.address" ]
        pair "unix:/p/u.sock" "unix:/p/./u.sock", [ "[1].listener.address" ]
        pair "unix:@a" "unix:@a", [ "[1].listener.address" ]
        pair "unix:/a" "unix:@/a", []
        pair "fd:3" "fd:3", [ "[1].listener.address" ]
        pair "fd:web" "fd:web", [ "[1].listener.address" ]
        pair "fd:3" "fd:4", []
        proxy (at "fd:3") (target "fd:3") "", [ "target.address" ]
        [ proxyNamed "a" (at ":1") [ "name: t, address: 'fd:3'"; "name: u, address: 'fd:3'" ] "" ], [ "[0].targets[1].address" ]
        [ proxyNamed "a" (at ":1") [ target "fd:3" ] ""; proxyNamed "b" (at ":2") [ target "fd:3" ] "" ], [ "[1].targets[0].address" ]
        // Any number of proxies may connect to one path.
        [ proxyNamed "a" (at ":1") [ target "unix:/x" ] ""; proxyNamed "b" (at ":2") [ target "unix:/x" ] "" ], []
    ]

[<Fact>]
let ``names are unique, those of targets in their proxy`` () =
    Found.Errors [
        [ proxyNamed "a" (at ":1") [ plain ] ""; proxyNamed "a" (at ":2") [ plain ] "" ], [ "[1].name" ]
        [ proxyNamed "a" (at ":1") [ plain ] ""; proxyNamed "A" (at ":2") [ plain ] "" ], []
        [ proxyNamed "a" (at ":1") [ plain; plain ] "connection_load_balancer: failover" ], [ "[0].targets[1].name" ]
        [ proxyNamed "a" (at ":1") [ plain ] ""; proxyNamed "b" (at ":2") [ plain ] "" ], []
    ]

[<Fact>]
let ``a listener that verifies needs an authority, and each of its certificates a key`` () =
    let tls settings = proxy (at ":1" + $", tls_context: {{{settings}}}") plain ""
    let entry = "{key: k, certificate: c}"
    Found.Errors [
        tls $"certificates: [{entry}]", []
        tls "", [ "listener.tls_context" ]
        tls "certificates: []", [ "listener.tls_context" ]
        tls "certificates: 5", [ "listener.tls_context.certificates" ]
        tls "certificates: [{key: k}]", [ "listener.tls_context.certificates[0]" ]
        tls "certificates: [{certificate: c}]", [ "listener.tls_context.certificates[0]" ]
        tls "certificates: [{authority: a}]", [ "listener.tls_context.certificates[0]"; "listener.tls_context.certificates[0]" ]
        tls "certificates: [{key: '', certificate: c}]", [ "listener.tls_context.certificates[0]" ]
        tls "certificates: [{key: k, certificate: ''}]", [ "listener.tls_context.certificates[0]" ]
        tls $"verify_mode: strict, certificates: [{entry}]", [ "listener.tls_context.verify_mode" ]
        tls $"verify_mode: relaxed, certificates: [{entry}]", [ "listener.tls_context.verify_mode" ]
        tls $"verify_mode: none, certificates: [{entry}]", []
        tls $"verify_mode: strict, certificates: [{entry}, {{key: k, certificate: c, authority: a}}]", []
    ]

[<Fact>]
let ``who verifies without an authority is told by which mode`` () =
    Law.HoldsFor([ "strict"; "relaxed" ], fun mode ->
        match List.ofSeq (read (proxy (at ":1" + $", tls_context: {{verify_mode: {mode}, certificates: [{{key: k, certificate: c}}]}}") plain "")).Errors with
        | [ line ] -> line.Contains $"\"{mode}\" verifies"
        | _ -> false)

[<Fact>]
let ``a target's certificate has both its files or none`` () =
    let tls settings = proxy (at ":1") (plain + $", tls_context: {{{settings}}}") ""
    Found.Errors [
        tls "", []
        tls "certificates: [{key: k, certificate: c}]", []
        tls "certificates: [{authority: a}]", []
        tls "certificates: [{key: k}]", [ "target.tls_context.certificates[0]" ]
        tls "certificates: [{certificate: c, authority: a}]", [ "target.tls_context.certificates[0]" ]
        tls "certificates: [{key: '', certificate: c}]", [ "target.tls_context.certificates[0]" ]
        tls "certificates: [{key: k, certificate: ''}]", [ "target.tls_context.certificates[0]" ]
        tls "certificates: [{key: '', certificate: '', authority: a}]", []
    ]

[<Fact>]
let ``networks mean nothing on a Unix listener`` () =
    Found.Errors [
        proxy (at "unix:/a" + ", authorized_sources: [10.0.0.1]") plain "", [ "listener.authorized_sources" ]
        proxy (at "unix:@a" + ", trusted_proxies: [10.0.0.1]") plain "", [ "listener.trusted_proxies" ]
        proxy (at "unix:/a" + ", authorized_sources: []") plain "", []
        proxy (at ":1" + ", authorized_sources: [10.0.0.1], trusted_proxies: ['::/0']") plain "", []
        proxy (at "fd:3" + ", authorized_sources: [10.0.0.1]") plain "", []
    ]

[<Fact>]
let ``dual stack needs targets of which a family can be chosen`` () =
    Found.Errors [
        for address, isGood in [ "h:1", true; "tcp:h:1", true; "10.0.0.1:1", true; "tcp4:h:1", false; "tcp6:h:1", false; "tcp4:10.0.0.1:1", false; "unix:/a", false; "unix:@a", false; "fd:3", false ] do
            proxy (at ":1") (target address) "enable_dual_stack: on", (if isGood then [] else [ "target.address" ])
            proxy (at ":1") (target address) "enable_dual_stack: off", []
    ]

[<Fact>]
let ``a SOCKS5 proxy is for TCP targets`` () =
    Found.Errors [
        for address, isGood in [ "h:1", true; "tcp4:h:1", true; "unix:/a", false; "fd:3", false ] do
            proxy (at ":1") (target address + ", proxy: 'p:1'") "", (if isGood then [] else [ "target.proxy" ])
    ]

[<Fact>]
let ``a target that is verified has a name to verify`` () =
    Found.Errors [
        for address, hasHost in [ "h:1", true; "10.0.0.1:1", true; "unix:/a", false; "fd:3", false ] do
            proxy (at ":1") (target address + ", tls_context: {}") "", (if hasHost then [] else [ "target.tls_context" ])
            proxy (at ":1") (target address + ", tls_context: {verify_mode: relaxed}") "", (if hasHost then [] else [ "target.tls_context" ])
            proxy (at ":1") (target address + ", tls_context: {server_name: x}") "", []
            proxy (at ":1") (target address + ", tls_context: {server_name: '::1'}") "", []
            proxy (at ":1") (target address + ", tls_context: {server_name: 10.0.0.2}") "", []
            // Digits and dots alone are a mistyped address, which the TLS library would read in its own way.
            for name in [ "1234"; "10.1"; "a..b"; "x:y" ] do
                proxy (at ":1") (target address + $", tls_context: {{server_name: '{name}'}}") "", [ "target.tls_context.server_name" ]
            proxy (at ":1") (target address + ", tls_context: {verify_mode: none}") "", []
    ]

[<Fact>]
let ``TLS that is passed through is not wrapped again`` () =
    let terminated = at ":1" + ", tls_context: {certificates: [{key: k, certificate: c}]}"
    let tls = plain + ", tls_context: {}"
    Found.Errors [
        proxy (at ":1") tls "connection_load_balancer: sni", [ "target.tls_context" ]
        proxy terminated tls "connection_load_balancer: sni", []
        proxy (at ":1") tls "connection_load_balancer: failover", []
        proxy (at ":1") plain "connection_load_balancer: sni", []
    ]

// ---- Warnings

[<Fact>]
let ``a target that no client can reach is doubted`` () =
    let file policy names =
        [ proxyNamed "a" (at ":1") (names |> List.map (fun name -> $"name: '{name}', address: 'h:1', connect_timeout: 1s")) policy ]
    let sni = "connection_load_balancer: sni"
    Found.Warnings [
        file "" [ "t"; "u"; "v" ], [ "[0].targets[1]"; "[0].targets[2]" ]
        file "" [ "t" ], []
        file "connection_load_balancer: failover" [ "t"; "u" ], []
        file "connection_load_balancer: round-robin" [ "t"; "u" ], []
        file sni [ "a.example"; "*.example"; "*"; "b" ], []
        file sni [ "a.example"; "A.Example"; "a.example." ], [ "[0].targets[1]"; "[0].targets[2]" ]
        file sni [ "10.0.0.1"; "a b"; "a.*.example"; "**" ], [ "[0].targets[0]"; "[0].targets[1]"; "[0].targets[2]"; "[0].targets[3]" ]
    ]

[<Fact>]
let ``a family that a SOCKS5 proxy is not told is named as it was written`` () =
    Law.HoldsFor([ "tcp4"; "tcp6" ], fun family ->
        [ for warning in (read (proxy (at ":1") (target $"{family}:h:1" + ", proxy: 'h:2'") "")).Warnings -> warning ]
        |> List.exists (fun warning -> warning.Contains $"without effect: \"{family}:\" is not told to the SOCKS5 proxy, which resolves h as it likes"))

[<Fact>]
let ``why a target is never chosen is said`` () =
    let names policy names = proxyNamed "a" (at ":1") (names |> List.map (fun name -> $"name: '{name}', address: 'h:1', connect_timeout: 1s")) policy
    Law.HoldsFor(
        [ names "" [ "t"; "u" ], "only the first target is used"
          names "connection_load_balancer: sni" [ "a b" ], "no server name matches its name"
          names "connection_load_balancer: sni" [ "10.0.0.1"; "[::1]" ], "clients send no addresses as server names"
          names "connection_load_balancer: sni" [ "https://a.example"; "a.example:443" ], "a server name has no scheme, port or path"
          names "connection_load_balancer: sni" [ "www.*.example"; "*.*.example"; "**" ], "a wildcard stands for the first label alone"
          names "connection_load_balancer: sni" [ "münchen.example" ], "clients send names in ASCII"
          names "connection_load_balancer: sni" [ "a.example"; "A.example" ], "a target above has the same server name" ],
        fun (file, reason) ->
            let told = (read [ file ]).Warnings |> Seq.filter _.Contains("never chosen") |> Seq.toList
            not told.IsEmpty && told |> List.forall _.Contains(reason)
    )

[<Fact>]
let ``a name that other programs write for many is doubted where targets are chosen by name, and said as it is written here`` () =
    let named policy name = proxy (at ":1") $"name: '{name}', address: 'h:1', connect_timeout: 1s" policy
    Found.Warnings [
        named "connection_load_balancer: sni" ".example.com", [ "target.name" ]
        named "connection_load_balancer: sni" "default", [ "target.name" ]
        named "connection_load_balancer: sni" "default.example", []
        named "" ".example.com", []
        named "" "default", []
    ]
    Law.HoldsFor([ ".example.com", "\"*.example.com\""; "default", "\"*\"" ], fun (name, instead) ->
        (read (named "connection_load_balancer: sni" name)).Warnings |> Seq.exists (fun warning -> warning.Contains $"write {instead} for"))

[<Fact>]
let ``a path that a shell would fill in is doubted, for here it is taken as it stands`` () =
    Found.Warnings [
        proxy (at ":1") plain "connection_log: ~/log", [ "options.connection_log" ]
        proxy (at ":1") plain "connection_log: $LOGS/log", [ "options.connection_log" ]
        proxy (at ":1") plain "connection_log: /a/~/log", []
        proxy (at "unix:/run/$NAME") plain "", [ "listener.address" ]
        proxy (at ":1") "name: t, address: 'unix:/run/${NAME}', connect_timeout: 1s" "", [ "target.address" ]
    ]

[<Fact>]
let ``a target that is the proxy's own listener is doubted`` () =
    let leads listener target = proxy (at listener) $"name: t, address: '{target}', connect_timeout: 1s" ""
    let back = [ "target.address" ]
    Found.Warnings [
        leads "127.0.0.1:80" "127.0.0.1:80", back
        leads ":80" "127.0.0.1:80", back
        leads ":80" "localhost:80", back
        leads "0.0.0.0:80" "127.1.2.3:80", back
        leads "127.0.0.1:80" "localhost:80", back
        leads "[::1]:80" "[::1]:80", back
        leads "localhost:80" "127.0.0.1:80", back
        leads "10.0.0.1:80" "10.0.0.1:80", back
        leads "a.example:80" "a.example:80", back
        leads "unix:/run/a" "unix:/run/a", back
        leads ":80" "127.0.0.1:81", []
        leads "127.0.0.1:80" "127.0.0.2:80", []
        leads ":80" "10.0.0.1:80", []
        leads "10.0.0.1:80" "localhost:80", []
        leads "a.example:80" "b.example:80", []
        leads "unix:/run/a" "unix:/run/b", []
        proxy (at "127.0.0.1:80") "name: t, address: '127.0.0.1:80', proxy: 'h:1', connect_timeout: 1s" "", []
    ]

[<Fact>]
let ``a time that no connection lives to see the end of is doubted`` () =
    let lived = "connection_lifetime: 5s"
    Found.Warnings [
        proxy (at ":1" + ", write_timeout: 4s") (plain + ", read_timeout: 5s") lived, [ "target.read_timeout" ]
        proxy (at ":1" + ", write_timeout: 5s") (plain + ", read_timeout: 4s") lived, [ "listener.write_timeout" ]
        proxy (at ":1" + ", write_timeout: 4s") (plain + ", read_timeout: 4s") lived, []
        proxy (at ":1" + ", write_timeout: 5s") (plain + ", read_timeout: 5s") "", []
        proxy (at ":1" + ", read_timeout: 1h") (plain + ", write_timeout: 1h") lived, [ "listener.read_timeout"; "target.write_timeout" ]
        proxy (at ":1" + ", trusted_proxies: ['::1'], handshake_timeout: 5s") plain lived, [ "listener.handshake_timeout" ]
        // What is not written is not doubted, and each key for one reason alone.
        proxy (at ":1" + ", trusted_proxies: ['::1']") plain lived, []
        proxy (at ":1" + ", handshake_timeout: 6s") plain lived, [ "listener.handshake_timeout" ]
        proxy (at ":1") (target "h:1" + ", resolve_timeout: 9s") (lived + ", enable_dual_stack: on"), [ "target.resolve_timeout" ]
        proxy (at ":1") ("name: t, address: 'h:1', connect_timeout: 5s") lived, [ "target.connect_timeout" ]
    ]

[<Fact>]
let ``a key that does nothing beside its neighbours is doubted`` () =
    let certificate = "certificates: [{key: k, certificate: c, authority: a}]"
    Found.Warnings [
        proxy (at ":1") (plain + ", resolve_timeout: 1s") "", [ "target.resolve_timeout" ]
        proxy (at ":1") (plain + ", resolve_timeout: 1s") "enable_dual_stack: yes", []
        proxy (at ":1") (plain + ", connect_backoff: 1s") "", [ "target.connect_backoff" ]
        proxy (at ":1") (plain + ", connect_backoff: 1s, connect_attempts: 1") "", [ "target.connect_backoff" ]
        proxy (at ":1") (plain + ", connect_backoff: 1s, connect_attempts: 2") "", []
        proxy (at ":1") (target "tcp4:h:1" + ", proxy: 'h:2'") "", [ "target.address" ]
        proxy (at ":1") (target "tcp6:h:1") "", []
        proxy (at ":1") (target "tcp4:10.0.0.1:1" + ", proxy: 'h:2'") "", []
        proxy (at ":1") plain "proxy_header_version: 2", [ "options.proxy_header_version" ]
        proxy (at ":1") plain "proxy_header_version: 2, enable_proxy_header: yes", []
        proxy (at ":1" + ", handshake_timeout: 1s") plain "", [ "listener.handshake_timeout" ]
        proxy (at ":1" + ", handshake_timeout: 1s, trusted_proxies: [10.0.0.1]") plain "", []
        proxy (at ":1" + ", handshake_timeout: 1s") plain "connection_load_balancer: sni", []
        proxy (at ":1" + $", handshake_timeout: 1s, tls_context: {{verify_mode: strict, {certificate}}}") plain "", []
        proxy (at ":1" + $", tls_context: {{{certificate}}}") plain "", [ "listener.tls_context.certificates[0].authority" ]
        proxy (at ":1") (plain + ", tls_context: {application_protocols: [h2, h3]}") "", []
        proxy (at ":1") (plain + ", tls_context: {application_protocols: [h2, h3, h2, h2]}") "",
        [ "target.tls_context.application_protocols[2]"; "target.tls_context.application_protocols[3]" ]
        proxy (at ":1" + $", tls_context: {{application_protocols: [h2, h2], verify_mode: strict, {certificate}}}") plain "", [ "listener.tls_context.application_protocols[1]" ]
        proxy (at ":1") (plain + $", tls_context: {{verify_mode: none, {certificate}}}") "", [ "target.tls_context.certificates[0].authority" ]
        proxy (at ":1") (plain + $", tls_context: {{{certificate}}}") "", []
        proxy (at ":1") (plain + ", tls_context: {certificates: [{}]}") "", [ "target.tls_context.certificates[0]" ]
        proxy (at ":1") (target "unix:/a" + ", keepalive_interval: 1s") "", [ "target.keepalive_interval" ]
        proxy (at ":1") (target "fd:3" + ", connect_attempts: 2, connect_backoff: 1s") "", [ "target.connect_attempts"; "target.connect_backoff" ]
    ]
    let application settings = 
        let text = $"application: {{{settings}}}\nserver: {{proxies: [" + List.head (proxy (at ":1") plain "") + "]}"
        (ConfigFile.Read("f", ReadOnlyMemory(Encoding.UTF8.GetBytes text))).Warnings |> Seq.map short |> Seq.toList
    Law.HoldsFor(
        [ "log: {format: json}", [ "application.log.format" ]; "log: {format: json, level: info}", []
          "metrics: {prefix: x, format: plain}", [ "application.metrics.prefix"; "application.metrics.format" ]; "metrics: {prefix: x, address: 'a:1'}", [] ],
        fun (settings, expected) -> application settings = expected
    )

[<Fact>]
let ``a read_timeout wants a write_timeout on the opposite side`` () =
    Found.Warnings [
        proxy (at ":1" + ", read_timeout: 1s") plain "", [ "listener.read_timeout" ]
        proxy (at ":1" + ", read_timeout: 1s, write_timeout: 1s") plain "", [ "listener.read_timeout" ]
        proxy (at ":1" + ", read_timeout: 1s") (plain + ", write_timeout: 1s") "", []
        proxy (at ":1") (plain + ", read_timeout: 1s") "", [ "target.read_timeout" ]
        proxy (at ":1" + ", write_timeout: 1s") (plain + ", read_timeout: 1s") "", []
        proxy (at ":1" + ", read_timeout: 0") (plain + ", read_timeout: 0s") "", []
        // A target that is never chosen has no side.
        [ proxyNamed "a" (at ":1" + ", read_timeout: 1s") [ "name: a, address: 'h:1', write_timeout: 1s"; "name: b, address: 'h:1', read_timeout: 1s" ] "" ], [ "[0].targets[1]" ]
    ]

[<Fact>]
let ``a literal target or SOCKS5 proxy beside dual stack, host bits, and too long an interval are doubted`` () =
    Found.Warnings [
        proxy (at ":1") (target "10.0.0.1:1") "enable_dual_stack: yes", [ "target.address" ]
        proxy (at ":1") (target "10.0.0.1:1") "", []
        proxy (at ":1") (target "h:1") "enable_dual_stack: yes", []
        proxy (at ":1") (target "h:1" + ", proxy: '10.0.0.1:1080'") "enable_dual_stack: yes", [ "target.proxy" ]
        proxy (at ":1") (target "10.0.0.2:1" + ", proxy: '[::1]:1080'") "enable_dual_stack: yes", [ "target.address"; "target.proxy" ]
        proxy (at ":1") (target "h:1" + ", proxy: 'h:1080'") "enable_dual_stack: yes", []
        proxy (at ":1") (target "h:1" + ", proxy: '10.0.0.1:1080'") "", []
        proxy (at ":1" + ", authorized_sources: [10.0.0.1/8, 10.0.0.0/8, '2001:db8::1/32']") plain "", [ "listener.authorized_sources[0]"; "listener.authorized_sources[2]" ]
        proxy (at ":1") (plain + ", keepalive_interval: 10h") "", [ "target.keepalive_interval" ]
    ]

[<Fact>]
let ``a dial that may last beyond thirty seconds is doubted`` () =
    let file policy targets = [ proxyNamed "a" (at ":1") (targets |> List.mapi (fun i settings -> $"name: t{i}, address: 'h:1'{settings}")) policy ]
    let failover = "connection_load_balancer: failover"
    let sni = "connection_load_balancer: sni"
    let slow = [ "[0].targets" ]
    Found.Warnings [
        file "" [ ", connect_timeout: 30s" ], []
        file "" [ ", connect_timeout: 31s" ], slow
        file "" [ ", connect_attempts: 3" ], []
        file "" [ ", connect_attempts: 3, connect_backoff: 1ms" ], slow
        file "" [ ", connect_attempts: 4" ], slow
        file failover [ ""; ""; "" ], []
        file failover [ ""; ""; ""; "" ], slow
        file sni [ ""; ""; ""; "" ], []
        file sni [ ""; ", connect_attempts: 4" ], slow
        file "" [ ", connect_timeout: 0" ], slow
        file "connection_lifetime: 20s" [ ", connect_timeout: 0" ], []
        file "connection_lifetime: 1h" [ ", connect_timeout: 0" ], slow
        file "connection_lifetime: 30s" [ ", connect_attempts: 1000, connect_backoff: 1h" ], []
    ]
