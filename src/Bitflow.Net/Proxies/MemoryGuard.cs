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

    /// <summary>
    /// The runtime's compiler keeps the memory that it worked in, some megabytes behind a burst that made code hot, for when it is needed again. It lets go of what it has
    /// not needed where the finalizers' thread wakes, but not within two seconds of the last time, and only of what it had then already.
    /// </summary>
    private static readonly TimeSpan CompilerKeeps = TimeSpan.FromSeconds(2.2);

    /// <summary>Looks behind a return until all of that is let go of.</summary>
    private const int LaterLooks = 3;

    private int _looksLeft;
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
        LookIn(LookAgain);
    }

    public void Dispose() => _timer?.Dispose();

    private void Look()
    {
        GC.WaitForPendingFinalizers();
        long allocated = GC.GetTotalAllocatedBytes();
        int now = open();
        if (MemoryReturn.IsWorthALook(_openThen, now))
        {
            if (!MemoryReturn.IsDue(allocated - _allocatedThen, GC.GetTotalMemory(forceFullCollection: false)))
            {
                _allocatedThen = allocated;
                LookIn(LookAgain);
                return;
            }

            // The mode that returns what it frees; the milder ones keep it for a next burst.
            _openThen = now;
            GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);
            _looksLeft = LaterLooks;
            Trim();
        }
        else if (_looksLeft > 0)
        {
            _looksLeft--;
            Trim();
        }

        // Else the burst was of short connections. Whoever sees the next one sets the timer anew.
        if (_looksLeft > 0)
            LookIn(CompilerKeeps);
        Volatile.Write(ref _looking, 0);
    }

    private void LookIn(TimeSpan time)
    {
        try
        {
            _ = _timer!.Change(time, Timeout.InfiniteTimeSpan);
        }
        catch (ObjectDisposedException)
        {
            // The server has ended meanwhile.
        }
    }

    /// <summary>Handshakes leave the heap of the TLS library full of holes.</summary>
    private static void Trim()
    {
        if (OperatingSystem.IsLinux())
            Libc.TrimHeaps();
    }
}
