using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>
/// What a loop does whose timers are very late: the process was stopped (SIGSTOP, a frozen container, a suspended machine), or had no processor, and so its sockets
/// were not looked at either. What came meanwhile comes before any clock.
/// </summary>
internal static class LateAlarm
{
    /// <summary>So late an alarm is more than a busy turn.</summary>
    public static readonly Duration VeryLate = Duration.OfMilliseconds(100);

    /// <summary>How long the timers then wait for the sockets, once.</summary>
    public static readonly Duration Grace = Duration.OfMilliseconds(50);

    public static bool IsVeryLate(Instant due, Instant now) => !due.IsNever && (now - due).TotalNanoseconds >= VeryLate.TotalNanoseconds;
}
