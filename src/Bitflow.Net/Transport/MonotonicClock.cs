using System.Diagnostics;
using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>The system's monotonic clock (CLOCK_MONOTONIC), which nobody sets: every limit of a connection is timed by it.</summary>
internal static class MonotonicClock
{
    public static Instant Now => Instant.OfNanoseconds(Stopwatch.GetTimestamp() * (1_000_000_000L / Stopwatch.Frequency));
}
