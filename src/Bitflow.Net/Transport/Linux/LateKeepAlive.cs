using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// Turns TCP keep-alive on for those connections of a loop that live to need it. It finds a peer that vanished, after seconds at the least; most connections
/// are over by then, and setting it costs each of them three calls and a timer of the kernel's.
/// </summary>
/// <remarks>Holds numbers, not connections: a closed one is free at once, and its number finds nobody, or one that is younger.</remarks>
internal sealed class LateKeepAlive(LinuxLoop loop, SinkTable sinks) : LoopTimer
{
    /// <summary>The shortest idle time there is: no probe could be due before.</summary>
    private static readonly Duration Age = Duration.OfSeconds(1);

    /// <summary>Between two looks, so that a turn of the loop does not have one for every connection.</summary>
    private static readonly Duration Pace = Duration.OfMilliseconds(50);

    /// <summary>More room than this is given back once a burst of connections is over.</summary>
    private const int RoomKept = 256;

    private readonly Queue<(ulong Number, Instant Since)> _young = new();

    public void Add(LinuxConnection connection, ulong number)
    {
        Instant now = loop.Now;
        connection.YoungSince = now;
        if (_young.Count == 0)
            loop.Arm(this, now + Age);
        _young.Enqueue((number, now));
    }

    public override void Fire(Instant now)
    {
        while (_young.TryPeek(out (ulong Number, Instant Since) oldest))
        {
            Instant due = oldest.Since + Age;
            if (due > now)
            {
                Instant next = now + Pace;
                loop.Arm(this, next > due ? next : due);
                return;
            }

            _young.Dequeue();
            if (sinks.Find(oldest.Number) is LinuxConnection connection && connection.YoungSince.Equals(oldest.Since))
                connection.TurnKeepAliveOn();
        }

        if (_young.EnsureCapacity(0) > RoomKept)
            _young.TrimExcess();
    }
}
