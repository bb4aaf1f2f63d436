namespace Bitflow.Domain

open System
open System.Net

/// How bytes travel on one side.
[<RequireQualifiedAccess>]
type SideTransport =
    /// Nothing was relayed to the side, whether or not it was reached.
    | Unknown
    | Plaintext
    | Tls

/// What a name resolved to when it was dialled.
[<NoComparison>]
type Resolved =
    { Host: string
      Addresses: IPAddress list }

[<RequireQualifiedAccess>]
module Resolved =
    /// What is known and what was found after it: each name once, with the addresses that it had last. However often a connection is dialled,
    /// there are no more than its proxy's targets have names.
    [<CompiledName "Then">]
    let andThen (known: Resolved list) (found: Resolved list) : Resolved list =
        if found.IsEmpty then known
        else List.filter (fun earlier -> not (List.exists (fun later -> later.Host = earlier.Host) found)) known @ found

/// Everything the connection log says of one connection: what happened, and what the decisions were made from, so
/// that `bitflow replay` can make them again. Strings are empty, numbers zero, where something never came to be.
[<NoComparison>]
type ConnectionRecord =
    { /// The proxy's name.
      Name: string
      /// When it was accepted, UTC.
      Timestamp: DateTimeOffset
      /// From accept to its end.
      Duration: Duration
      /// The client: the PROXY header's source where one counts, else the peer.
      Source: Endpoint
      SourceTransport: SideTransport
      /// The address connected to: the target's, or the SOCKS5 proxy's.
      Destination: Endpoint
      DestinationTransport: SideTransport
      /// Bytes of payload received from the client.
      SourceSentBytes: int64
      /// Bytes of payload received from the target.
      DestinationReceiveBytes: int64
      Id: int64
      /// The listener's address as configured.
      Listener: string
      /// The target's name, the last tried where none was reached.
      Target: string
      /// None only where a log that is not ours was read.
      CloseReason: CloseReason voption
      /// The system's or the peer's own words for a failure.
      Error: string
      /// The server name of the ClientHello.
      ServerName: string
      /// The protocol agreed with the client.
      Alpn: string
      /// `1.2` or `1.3`, with the client.
      TlsVersion: string
      ClientCertificateSubject: string
      /// From the first attempt to the last one's end, waits included.
      DialDuration: Duration
      DialAttempts: int
      /// By which configuration its proxy was last changed: 1 for that of the start, one more for every reload since.
      ConfigGeneration: int64
      /// Who is at the other end of the accepted socket.
      Peer: Endpoint
      /// The address that the peer connected to.
      Local: Endpoint
      /// Who the inbound PROXY header said that the client is; none where none was looked for, or none was read.
      Header: ProxyOrigin voption
      /// Connections of the proxy that were open when this one was admitted or refused, without it.
      OpenConnections: int64
      RoundRobinTicket: int64 voption
      /// Whether a ClientHello was read, to terminate TLS or to route by it: one without a name or protocols leaves no other trace.
      HelloRead: bool
      /// As `Alpn.shown` has it.
      AlpnOffer: string list
      /// None where no hello was read, or a log that does not say was.
      TlsOffer: TlsOffer voption
      /// Whether the client presented a certificate that was accepted; its subject may be empty even so.
      ClientCertificate: bool
      Resolved: Resolved list }

    /// A connection of which nothing is known.
    static member Empty =
        { Name = ""
          Timestamp = DateTimeOffset.UnixEpoch
          Duration = Duration.Zero
          Source = Endpoint.Unknown
          SourceTransport = SideTransport.Unknown
          Destination = Endpoint.Unknown
          DestinationTransport = SideTransport.Unknown
          SourceSentBytes = 0L
          DestinationReceiveBytes = 0L
          Id = 0L
          Listener = ""
          Target = ""
          CloseReason = ValueNone
          Error = ""
          ServerName = ""
          Alpn = ""
          TlsVersion = ""
          ClientCertificateSubject = ""
          DialDuration = Duration.Zero
          DialAttempts = 0
          ConfigGeneration = 0L
          Peer = Endpoint.Unknown
          Local = Endpoint.Unknown
          Header = ValueNone
          OpenConnections = 0L
          RoundRobinTicket = ValueNone
          HelloRead = false
          AlpnOffer = []
          TlsOffer = ValueNone
          ClientCertificate = false
          Resolved = [] }
