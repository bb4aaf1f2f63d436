namespace Bitflow.Domain

/// Who came, from where and to where, as far as the kernel, a PROXY header and a hello have said. It is settled before a target is dialled, and a `Life`
/// that moves on from there has it in common with the one before.
[<NoComparison>]
type Arrival =
    { AcceptedAt: Instant
      /// What the kernel says of the other end.
      Peer: Endpoint
      /// The client: the peer, or whom the PROXY header named.
      Source: Endpoint
      /// The address that the client connected to: ours, or the one in the PROXY header.
      Destination: Endpoint
      /// Whether a PROXY header must be read, and its source checked.
      FromTrustedProxy: bool
      ServerName: ServerName voption }
