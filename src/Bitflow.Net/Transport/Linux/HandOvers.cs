namespace Bitflow.Net.Transport.Linux;

/// <summary>Connections that were taken on one loop and are under way to another, of all listeners together: each will want a descriptor more.</summary>
internal sealed class HandOvers
{
    private int _underWay;

    public int UnderWay => Volatile.Read(ref _underWay);

    public void Begin() => Interlocked.Increment(ref _underWay);

    public void End() => Interlocked.Decrement(ref _underWay);
}
