namespace Bitflow.Net.Tls;

/// <summary>What loading found wrong, or doubtful, with a file of a TLS context.</summary>
/// <param name="Path">The key of the configuration that names it.</param>
/// <param name="Message">Begins with the name of the file, where it speaks of one.</param>
internal sealed record TlsFinding(bool IsError, string Path, string Message);
