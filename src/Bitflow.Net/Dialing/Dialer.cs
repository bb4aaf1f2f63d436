namespace Bitflow.Net.Dialing;

/// <summary>What all dialling shares: the resolver, and the inherited sockets.</summary>
internal sealed class Dialer(Resolver resolver) : IDisposable
{
    public Dialer()
        : this(new Resolver())
    {
    }

    public Resolver Resolver { get; } = resolver;

    public InheritedTargets Inherited { get; } = new();

    public void Dispose() => Resolver.Dispose();
}
