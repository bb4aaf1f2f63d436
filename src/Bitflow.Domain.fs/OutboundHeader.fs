namespace Bitflow.Domain

open System.Net
open System.Text

/// What is known of a TLS connection that was terminated here. Empty texts: none was negotiated, sent or known.
type TerminatedTls =
    { Version: TlsVersion
      Cipher: string
      Alpn: string
      ServerName: string
      ClientCertificate: PresentedCertificate option }

and PresentedCertificate =
    { /// The subject's common name.
      CommonName: string
      Verified: bool }

/// Which PROXY header announces a client to a target.
[<RequireQualifiedAccess>]
module OutboundHeader =
    /// Longer words are left out whole. The whole header then fits the smallest segment but for a common name at its
    /// longest (PP-3); RFC 5280 allows a common name 64 characters, 256 bytes in UTF-8.
    let maxWordBytes = 256

    let private word (text: string) =
        if System.String.IsNullOrEmpty text || Encoding.UTF8.GetByteCount text > maxWordBytes then None else Some text

    let private ssl (tls: TerminatedTls) =
        let certificate = tls.ClientCertificate
        { ClientUsedTls = true
          CertificateOnConnection = certificate.IsSome
          CertificateInSession = certificate.IsSome
          Verified = certificate |> Option.exists (fun c -> c.Verified)
          Version = Some(match tls.Version with TlsVersion.Tls12 -> "TLSv1.2" | TlsVersion.Tls13 -> "TLSv1.3")
          CommonName = certificate |> Option.bind (fun c -> word c.CommonName)
          Cipher = word tls.Cipher }

    let private tlvs (tls: TerminatedTls option) =
        match tls with
        | None -> ProxyTlvs.None
        | Some tls ->
            { ProxyTlvs.None with
                Alpn = word tls.Alpn
                Authority = word tls.ServerName
                Ssl = Some(ssl tls) }

    let private ipEndPoint (address: IPAddress) (port: int) = IPEndPoint(IpAddress.canonical address, port)

    /// Source is the client and destination the address that the client connected to, or those of the inbound header
    /// where that states any. A Unix client has no address: its path, if it has one, says nothing of who it is.
    [<CompiledName("Choose")>]
    let choose
        (version: ProxyHeaderVersion)
        (peer: Endpoint)
        (local: Endpoint)
        (inbound: ProxyHeader option)
        (tls: TerminatedTls option)
        : ProxyHeader =
        let struct (source, destination) =
            match inbound |> Option.map ProxyOrigin.Of, peer with
            | Some(ProxyOrigin.Stated(client, connectedTo)), _ -> struct (client, connectedTo)
            | _, Endpoint.Unix _ -> struct (Endpoint.Unix "", local)
            | _ -> struct (peer, local)
        match version, source, destination with
        | ProxyHeaderVersion.V1, Endpoint.Ip(s, sp), Endpoint.Ip(d, dp) -> ProxyHeader.TextTcp(ipEndPoint s sp, ipEndPoint d dp)
        | ProxyHeaderVersion.V1, _, _ -> ProxyHeader.TextUnknown
        | ProxyHeaderVersion.V2, Endpoint.Ip(s, sp), Endpoint.Ip(d, dp) ->
            ProxyHeader.BinaryTcp(ipEndPoint s sp, ipEndPoint d dp, tlvs tls)
        | ProxyHeaderVersion.V2, Endpoint.Unix s, Endpoint.Unix d -> ProxyHeader.BinaryUnix(s, d, tlvs tls)
        | ProxyHeaderVersion.V2, _, _ -> ProxyHeader.BinaryUnspecified
