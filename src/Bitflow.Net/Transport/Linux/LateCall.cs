using Bitflow.Domain;

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// Does something for those connections of a loop that live to need it: most are over before.
/// </summary>
/// <remarks>Holds numbers, not connections: a closed one is free at once, and its number finds nobody.</remarks>
/// <param name="age">How long after <see cref="Add"/> it is done, or up to <paramref name="pace"/> later.</param>
/// <param name="pace">Between two looks, so that a turn of the loop does not have one for every connection.</param>
internal sealed class LateCall(LinuxLoop loop, SinkTable sinks, Duration age, Duration pace, Action<LinuxConnection> call) : LoopTimer
{
    /// <summary>More room than this is given back once a burst of connections is over.</summary>
    private const int RoomKept = 256;

    private readonly Queue<(ulong Number, Instant Since)> _young = new();

    public void Add(ulong number)
    {
        Instant now = loop.Now;
        if (_young.Count == 0)
            loop.Arm(this, now + age);
        _young.Enqueue((number, now));
    }

    public override void Fire(Instant now)
    {
        while (_young.TryPeek(out (ulong Number, Instant Since) oldest))
        {
            Instant due = oldest.Since + age;
            if (due.Nanoseconds > now.Nanoseconds)
            {
                Instant next = now + pace;
                loop.Arm(this, next.Nanoseconds > due.Nanoseconds ? next : due);
                return;
            }

            _young.Dequeue();
            if (sinks.Find(oldest.Number) is LinuxConnection connection)
                call(connection);
        }

        if (_young.EnsureCapacity(0) > RoomKept)
            _young.TrimExcess();
    }
}
