using System.Diagnostics;
#if DEBUG
using System.Globalization;
using System.Runtime;
#endif

namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// In a debug build, asserts that no callback holds its loop for longer than 50 ms, since everything else on the loop waits meanwhile.
/// In a release build it is nothing. A machine that stood still is not a callback that blocks: the same one is found three times before it counts.
/// </summary>
#pragma warning disable CA1822 // Without a debug build's fields its methods touch nothing.
internal sealed class LoopWatch
{
    private const double LimitMilliseconds = 50;

#if DEBUG
    private const int TimesBeforeAssert = 3;

    private static readonly System.Collections.Concurrent.ConcurrentDictionary<string, int> Overruns = new();

    private FileStream? _schedule;
    private long _began;
    private double _queued;
    private TimeSpan _paused;
    private long _compiled;
#endif

    [Conditional("DEBUG")]
    public void Begin()
    {
#if DEBUG
        _queued = QueuedMilliseconds();
        _paused = GC.GetTotalPauseDuration();
        _compiled = JitInfo.GetCompiledMethodCount(currentThread: true);
        _began = Stopwatch.GetTimestamp();
#endif
    }

    /// <param name="what">Whose callback it was.</param>
    [Conditional("DEBUG")]
    public void End(object what)
    {
#if DEBUG
        double wall = Stopwatch.GetElapsedTime(_began).TotalMilliseconds;
        if (wall <= LimitMilliseconds)
            return;

        // Not the callback's doing: waiting for a processor, the collector, and code that is compiled and loaded at its first call.
        if (JitInfo.GetCompiledMethodCount(currentThread: true) != _compiled)
            return;
        double own = wall - (QueuedMilliseconds() - _queued) - (GC.GetTotalPauseDuration() - _paused).TotalMilliseconds;
        if (own <= LimitMilliseconds)
            return;
        string whose = what is Delegate work ? $"{work.Method.DeclaringType}.{work.Method.Name}" : $"{what.GetType()}";
        Debug.Assert(
            Overruns.AddOrUpdate(whose, 1, static (_, times) => times + 1) < TimesBeforeAssert,
            string.Create(CultureInfo.InvariantCulture, $"a callback of {whose} held its loop for {own:F0} ms"));
#endif
    }

#if DEBUG
    /// <summary>How long this thread has been ready to run and did not: the second number of the kernel's schedstat.</summary>
    private double QueuedMilliseconds()
    {
        try
        {
            _schedule ??= new FileStream("/proc/thread-self/schedstat", FileMode.Open, FileAccess.Read, FileShare.ReadWrite, bufferSize: 0);
            Span<byte> text = stackalloc byte[96];
            int read = RandomAccess.Read(_schedule.SafeFileHandle, text, 0);
            Span<byte> rest = text[..read];
            rest = rest[(rest.IndexOf((byte)' ') + 1)..];
            rest = rest[..Math.Max(rest.IndexOf((byte)' '), 0)];
            return long.TryParse(rest, NumberStyles.None, CultureInfo.InvariantCulture, out long nanoseconds) ? nanoseconds / 1e6 : 0;
        }
        catch (IOException)
        {
            return 0;
        }
    }
#endif
}
