using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>When the loops of an engine use their rings, and how large these are. The values were measured: decision 4.</summary>
internal sealed record RingUse
{
    /// <summary>Buffers of a ring, a power of two. They cost memory as they are used; a receive that finds none is over.</summary>
    public int Buffers { get; init; } = 512;

    /// <summary>
    /// New streams begin in the ring from so many things on that a turn of the loop finds on average: events and completions. Where they come singly the
    /// ring saves no call, and loops that wait in their rings are woken in turn, where epoll wakes the first that sleeps and leaves the others alone.
    /// </summary>
    public double BeginsFrom { get; init; } = 2.5;

    /// <summary>
    /// They do so until a turn finds no more than this: in the ring it finds fewer, since what comes while it runs is taken in by the same.
    /// </summary>
    public double BeginsUntil { get; init; } = 1.3;

    /// <summary>A loop whose ring nobody has used for so long waits in epoll again, where a turn with something for epoll costs no call more.</summary>
    public Duration KeptFor { get; init; } = Duration.OfSeconds(1);

    /// <summary>All is done by epoll.</summary>
    public bool IsNone { get; init; }
}
