namespace Bitflow.Net.Transport.Managed;

/// <summary>The portable engine: the platform's sockets, the thread pool, one timer.</summary>
internal sealed class ManagedEngine : Engine
{
    private readonly ManagedLoop _loop = new();

    public ManagedEngine() => Loops = [_loop];

    public override string Name => "managed";

    public override IReadOnlyList<EventLoop> Loops { get; }

    public override Acceptor Accept(ListeningSocket socket, IAcceptHandler handler) => new ManagedAcceptor(_loop, socket, handler);

    public override void Dispose() => _loop.Dispose();
}
