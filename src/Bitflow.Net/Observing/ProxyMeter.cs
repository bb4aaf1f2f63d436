using System.Diagnostics.Metrics;
using Bitflow.Domain;

namespace Bitflow.Net.Observing;

/// <summary>
/// What one proxy, in one configuration, tells the instruments. What is counted when is the core's (<see cref="Tallies"/>); here it meets the
/// tags, which are made once, so that counting allocates nothing.
/// </summary>
internal sealed class ProxyMeter
{
    private readonly KeyValuePair<string, object?>[] _proxied;
    private readonly KeyValuePair<string, object?>[][] _targeted;

    /// <param name="proxy">The proxy's name.</param>
    /// <param name="listener">The listener's address as configured.</param>
    /// <param name="targets">The targets' names, in file order: a life's <c>LastTarget</c> points into them.</param>
    public ProxyMeter(string proxy, string listener, IEnumerable<string> targets)
    {
        _proxied = [new(MetricTag.Proxy.Key, proxy), new(MetricTag.Listener.Key, listener)];
        _targeted = [.. targets.Select(target => (KeyValuePair<string, object?>[])[.. _proxied, new(MetricTag.Target.Key, target)])];
    }

    /// <summary>The tags that every metric of the proxy carries.</summary>
    public KeyValuePair<string, object?>[] Tags => _proxied;

    /// <summary>The tags that every metric of the target carries.</summary>
    /// <param name="target">Its place in the file.</param>
    public KeyValuePair<string, object?>[] TagsOf(int target) => _targeted[target];

    /// <summary>
    /// The proxy is in force: what may be counted is there with nothing yet, so that whoever watches for an increase sees the first. Of close reasons there are too many.
    /// </summary>
    public void Begin()
    {
        Counter<long>[] ofProxy =
            [Instruments.AcceptSuccess, Instruments.AcceptReject, Instruments.AcceptUnauthorized, Instruments.AcceptError, Instruments.AcceptShutdown, Instruments.ProtocolError, Instruments.HandshakeError];
        Counter<long>[] ofTarget = [Instruments.DialSuccess, Instruments.DialError, Instruments.AttemptError, Instruments.PipeSuccess, Instruments.PipeError];
        foreach (Counter<long> counter in ofProxy)
            counter.Add(0, _proxied);
        Instruments.LogDropped.Add(0, _proxied[0]);
        foreach (KeyValuePair<string, object?>[] tags in _targeted)
        {
            foreach (Counter<long> counter in ofTarget)
                counter.Add(0, tags);
        }
    }

    /// <summary>A call to accept failed.</summary>
    public void AcceptFailed() => Instruments.AcceptError.Add(1, _proxied);

    /// <summary>The listener was closed.</summary>
    public void ListenerClosed() => Instruments.AcceptShutdown.Add(1, _proxied);

    /// <summary>A connection took its first step.</summary>
    public void Count(Life first) => Count(Tallies.AtStart(first), first);

    /// <summary>A connection took a step. Answers what was counted.</summary>
    public Tally Count(Life before, Life after)
    {
        Tally tally = Tallies.Between(before, after);
        if (tally != Tally.None)
            Count(tally, after);
        return tally;
    }

    /// <summary>An attempt to reach a target failed.</summary>
    /// <param name="target">The target's place in file order.</param>
    public void AttemptFailed(int target) => Instruments.AttemptError.Add(1, _targeted[target]);

    /// <summary>A target was reached.</summary>
    /// <param name="target">The target's place in file order.</param>
    /// <param name="latency">From the first attempt until the target was ready.</param>
    public void Dialled(int target, Duration latency) => Instruments.DialLatency.Record(latency.TotalMilliseconds, _targeted[target]);

    /// <summary>A relay ended, in whatever way.</summary>
    public void Relayed(int target, Duration duration, long sourceSent, long destinationReceived)
    {
        KeyValuePair<string, object?>[] tags = _targeted[target];
        Instruments.PipeDuration.Record(duration.TotalMilliseconds, tags);
        Instruments.SourceSentSize.Record(sourceSent, tags);
        Instruments.DestinationReceivedSize.Record(destinationReceived, tags);
    }

    /// <summary>A connection is over. The reason is the recorded one, so that log and metric say the same.</summary>
    public void Closed(CloseReason reason)
    {
        if (Instruments.Close.Enabled)
            Instruments.Close.Add(1, _proxied[0], _proxied[1], new(MetricTag.Reason.Key, CloseReasonModule.Text(reason)));
    }

    private void Count(Tally tally, Life life)
    {
        Add(Tally.AcceptSuccess, Instruments.AcceptSuccess, _proxied);
        Add(Tally.AcceptReject, Instruments.AcceptReject, _proxied);
        Add(Tally.AcceptUnauthorized, Instruments.AcceptUnauthorized, _proxied);
        Add(Tally.ProtocolError, Instruments.ProtocolError, _proxied);
        Add(Tally.HandshakeError, Instruments.HandshakeError, _proxied);
        // Only a connection that dialled counts these, so a target is known.
        if ((tally & (Tally.DialSuccess | Tally.DialError | Tally.PipeSuccess | Tally.PipeError)) != 0)
        {
            KeyValuePair<string, object?>[] targeted = _targeted[life.LastTarget.Value];
            Add(Tally.DialSuccess, Instruments.DialSuccess, targeted);
            Add(Tally.DialError, Instruments.DialError, targeted);
            Add(Tally.PipeSuccess, Instruments.PipeSuccess, targeted);
            Add(Tally.PipeError, Instruments.PipeError, targeted);
        }

        void Add(Tally flag, Counter<long> counter, KeyValuePair<string, object?>[] tags)
        {
            if ((tally & flag) != 0)
                counter.Add(1, tags);
        }
    }
}
