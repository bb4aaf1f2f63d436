// What does a PROXY header look like on the wire, and what do our parsers see in it? Change a line and run it again:
//
//     dotnet build -c Release spec && dotnet fsi spec/header-bytes.fsx

#r "bin/Release/net10.0/Bitflow.Domain.dll"

open System
open Bitflow.Domain

let client, here = (DescribedClient.tryPeer "192.0.2.1:56324").Value, (DescribedClient.tryPeer "198.51.100.2:443").Value

let tls =
    { Version = TlsVersion.Tls13
      Cipher = "TLS_AES_256_GCM_SHA384"
      Alpn = "h2"
      ServerName = "www.example.com"
      ClientCertificate = Some { CommonName = "client1"; Verified = true } }

let show title header =
    let bytes = ProxyHeaderCodec.encode header
    let struct (seen, _) = Inspect.proxyHeader bytes
    printfn $"{title}\n{Convert.ToHexStringLower bytes}\n{seen}"

show "version 1" (OutboundHeader.choose ProxyHeaderVersion.V1 client here None None)
show "version 2" (OutboundHeader.choose ProxyHeaderVersion.V2 client here None None)
show "version 2, TLS terminated here" (OutboundHeader.choose ProxyHeaderVersion.V2 client here None (Some tls))

for cut in [ "PROXY TCP4 192.0.2.1"; "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n"; "GET / HTTP/1.1\r\n" ] do
    let struct (seen, _) = Inspect.proxyHeader (Text.Encoding.ASCII.GetBytes cut)
    printf $"{Printable.ofText cut}\n    {seen}"
