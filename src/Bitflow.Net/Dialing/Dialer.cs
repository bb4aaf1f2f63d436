using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>What all dialling shares: the resolver, and the inherited sockets.</summary>
internal sealed class Dialer : IDisposable
{
    public Resolver Resolver { get; } = new();

    public InheritedTargets Inherited { get; } = new();

    public void Dispose() => Resolver.Dispose();
}
