// Where would this client go? Change a line and run it again:
//
//     dotnet build -c Release spec && dotnet fsi spec/routing.fsx

#r "bin/Release/net10.0/Bitflow.Domain.dll"

open System
open System.Text
open Bitflow.Domain

let file =
    """
server:
  proxies:
    - name: mail
      listener: { address: ":993", authorized_sources: [10.0.0.0/8, 2001:db8::/32] }
      targets:
        - { name: imap.example.com, address: "10.0.0.5:993" }
        - { name: "*.example.com", address: "10.0.0.6:993" }
        - { name: "*", address: "10.0.0.7:993" }
      options: { connection_load_balancer: sni }
    - name: web
      listener: { address: ":80" }
      targets:
        - { name: a, address: "10.0.0.8:80" }
        - { name: b, address: "10.0.0.9:80" }
        - { name: c, address: "10.0.0.10:80" }
      options: { connection_load_balancer: round-robin }
"""

let config = ConfigFile.Read("example.yaml", ReadOnlyMemory(Encoding.UTF8.GetBytes file)).Config
let proxy name = config.Proxies |> List.find (fun p -> p.Name = name)

let ask name source serverName ticket down =
    let client =
        { Peer = (DescribedClient.tryPeer source).Value
          Local = Endpoint.Unknown
          Header = ValueNone
          ServerName = (match ServerName.tryCreate serverName with Ok name -> ValueSome name | Error _ -> ValueNone)
          AlpnOffer = []
          TlsOffer = TlsOffer.usual
          OpenConnections = 0
          Ticket = ticket }
    let forecast = Forecast.untilDial (Rules(proxy name)) ValueNone client
    let isDown index = List.contains (List.item index (proxy name).Targets).Name down
    let attempts, life = Forecast.connect isDown forecast
    match life.CloseReason with
    | ValueSome reason -> printfn $"{name} {source} {serverName}: {reason}"
    | ValueNone -> printfn $"{name} {source} {serverName}: {(List.item life.LastTarget.Value (proxy name).Targets).Name}, attempt {attempts.Length}"

ask "mail" "10.1.2.3" "IMAP.example.com." 0L []
ask "mail" "10.1.2.3" "smtp.example.com" 0L []
ask "mail" "10.1.2.3" "a.b.example.com" 0L []
ask "mail" "10.1.2.3" "10.0.0.5" 0L []
ask "mail" "10.1.2.3" "imap.example.com" 0L [ "imap.example.com" ]
ask "mail" "192.0.2.9" "imap.example.com" 0L []
for ticket in 0L .. 3L do
    ask "web" "192.0.2.9" "" ticket [ "b" ]
