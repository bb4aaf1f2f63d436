namespace Bitflow.Net.Transport;

/// <summary>A listener that cannot be had. The message is for people and stands behind the name of the proxy.</summary>
internal sealed class ListenException : Exception
{
    public ListenException()
    {
    }

    public ListenException(string message)
        : base(message)
    {
    }

    public ListenException(string message, Exception inner)
        : base(message, inner)
    {
    }
}
