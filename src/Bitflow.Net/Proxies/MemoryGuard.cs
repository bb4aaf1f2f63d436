using Bitflow.Domain;
using Bitflow.Net.Linux;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Gives memory back to the system once a burst of new connections is over. Costs one count a connection; looks at the program only after a burst.
/// </summary>
/// <param name="open">How many connections are open now.</param>
internal sealed class MemoryGuard(Func<int> open) : IDisposable
{
    /// <summary>Accepted connections between two questions whether there are many more than before.</summary>
    private const int Between = 64;

    private static readonly TimeSpan LookAgain = TimeSpan.FromMilliseconds(200);

    private Timer? _timer;
    private int _accepted;
    private int _looking;
    private int _openThen;
    private long _allocatedThen;

    /// <summary>To be called for each accepted connection.</summary>
    public void Observe()
    {
        if (Interlocked.Increment(ref _accepted) % Between != 0)
            return;
        int now = open();
        _openThen = MemoryReturn.Remembered(_openThen, now);
        if (!MemoryReturn.IsWorthALook(_openThen, now) || Interlocked.Exchange(ref _looking, 1) != 0)
            return;
        _allocatedThen = GC.GetTotalAllocatedBytes();
        _timer ??= new Timer(static state => ((MemoryGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
        _timer.Change(LookAgain, Timeout.InfiniteTimeSpan);
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        long allocated = GC.GetTotalAllocatedBytes();
        int now = open();
        if (!MemoryReturn.IsWorthALook(_openThen, now))
        {
            // The burst was of short connections.
            Volatile.Write(ref _looking, 0);
            return;
        }

        if (MemoryReturn.IsDue(allocated - _allocatedThen, GC.GetTotalMemory(forceFullCollection: false)))
        {
            _openThen = now;
            Volatile.Write(ref _looking, 0);

            // The mode that returns what it frees; the milder ones keep it for a next burst.
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

            // Handshakes leave the heap of the TLS library full of holes.
            if (OperatingSystem.IsLinux())
                Libc.TrimHeaps();
            return;
        }

        _allocatedThen = allocated;
        _timer!.Change(LookAgain, Timeout.InfiniteTimeSpan);
    }
}
