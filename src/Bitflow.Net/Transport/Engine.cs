namespace Bitflow.Net.Transport;

/// <summary>How sockets are driven. Two kinds: the portable one on the platform's sockets, and the one that makes Linux calls itself.</summary>
internal abstract class Engine : IDisposable
{
    public abstract string Name { get; }

    public abstract IReadOnlyList<EventLoop> Loops { get; }

    /// <summary>Begins to accept from a listening socket, which stays the caller's.</summary>
    public abstract Acceptor Accept(ListeningSocket socket, IAcceptHandler handler);

    public abstract void Dispose();
}
