using Bitflow.Domain;

namespace Bitflow.Net.Dialing;

/// <summary>Whom a target is dialled for, as far as dialling needs to know.</summary>
/// <param name="Client">The client: the peer, or whom a PROXY header named.</param>
/// <param name="DualStack">Whether the target's address must be of the client's family.</param>
/// <param name="Header">The PROXY header that announces the client; empty where none is sent.</param>
/// <param name="HasBytesAtHand">
/// Asked when the header is sent: whether bytes of the client wait to follow it at once. Then it shares their segment.
/// </param>
internal sealed record Caller(Endpoint Client, bool DualStack, ReadOnlyMemory<byte> Header, Func<bool> HasBytesAtHand);
