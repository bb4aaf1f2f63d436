namespace Bitflow.Net.Tls;

/// <summary>What a peer showed of itself, as the TLS library has it; good for the call that it is handed to.</summary>
/// <param name="Leaf">The peer's own certificate (`X509`).</param>
/// <param name="Sent">All that it sent, its own among them (`STACK_OF(X509)`).</param>
internal readonly record struct ShownChain(nint Leaf, nint Sent);
