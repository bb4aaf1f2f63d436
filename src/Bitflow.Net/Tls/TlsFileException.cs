namespace Bitflow.Net.Tls;

/// <summary>A file of a TLS context that cannot be used. The message begins with the file's name.</summary>
internal sealed class TlsFileException(string message, Exception? inner = null) : Exception(message, inner);
