namespace Bitflow.Net.Dialing;

/// <summary>What all dialling shares: the resolver, the inherited sockets, and how many connections are still to be given a target.</summary>
internal sealed class Dialer(Resolver resolver) : IDisposable
{
    private int _owed;

    public Dialer()
        : this(new Resolver())
    {
    }

    public Resolver Resolver { get; } = resolver;

    public InheritedTargets Inherited { get; } = new();

    /// <summary>Connections without a target yet: each is about to want a descriptor for it.</summary>
    public int Owed => Volatile.Read(ref _owed);

    /// <summary>A connection was accepted, whatever it must do before it dials.</summary>
    public void Owe() => Interlocked.Increment(ref _owed);

    /// <summary>It has its target, or will never have one.</summary>
    public void Settle() => Interlocked.Decrement(ref _owed);

    public void Dispose() => Resolver.Dispose();
}
