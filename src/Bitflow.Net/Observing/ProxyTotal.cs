namespace Bitflow.Net.Observing;

/// <summary>
/// What one proxy has done since the start of the program, and how much it is doing. It belongs to the proxy's name and survives
/// reloads, whether anybody listens or not. All members may be used from any thread.
/// </summary>
internal sealed class ProxyTotal
{
    private long _active;
    private long _relays;
    private long _sourceSent;
    private long _destinationReceived;
    private volatile KeyValuePair<string, object?>[] _tags;

    public ProxyTotal(string name, string listener)
    {
        Name = name;
        _tags = Tags(name, listener);
    }

    public string Name { get; }

    /// <summary>Connections that count against the limit now: from admission until both sockets are closed.</summary>
    public long Active => Volatile.Read(ref _active);

    /// <summary>Relays ended, failed ones included.</summary>
    public long Relays => Volatile.Read(ref _relays);

    /// <summary>Bytes received from clients in ended relays.</summary>
    public long SourceSent => Volatile.Read(ref _sourceSent);

    /// <summary>Bytes received from targets in ended relays.</summary>
    public long DestinationReceived => Volatile.Read(ref _destinationReceived);

    public KeyValuePair<string, object?>[] CurrentTags => _tags;

    /// <summary>A reload may give the proxy another listener; its counts go on.</summary>
    public void MoveTo(string listener) => _tags = Tags(Name, listener);

    public void Opened() => Interlocked.Increment(ref _active);

    public void Closed() => Interlocked.Decrement(ref _active);

    public void RelayEnded(long sourceSent, long destinationReceived)
    {
        Interlocked.Increment(ref _relays);
        Interlocked.Add(ref _sourceSent, sourceSent);
        Interlocked.Add(ref _destinationReceived, destinationReceived);
    }

    internal static KeyValuePair<string, object?>[] Tags(string name, string listener) =>
        [new(Domain.MetricTag.Proxy.Key, name), new(Domain.MetricTag.Listener.Key, listener)];
}
