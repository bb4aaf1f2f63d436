namespace Bitflow.Net.Tls;

/// <summary>A file of a TLS context that cannot be used. The message begins with the file's name.</summary>
internal sealed class TlsFileException : Exception
{
    public TlsFileException()
    {
    }

    public TlsFileException(string message)
        : base(message)
    {
    }

    public TlsFileException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
