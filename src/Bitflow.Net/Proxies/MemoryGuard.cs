using Bitflow.Domain;
using Bitflow.Net.Linux;
using Microsoft.FSharp.Collections;

namespace Bitflow.Net.Proxies;

/// <summary>
/// Gives memory back to the system once a burst of new connections is over, as the core says (<see cref="MemoryReturn"/>). Costs one count a connection.
/// </summary>
internal sealed class MemoryGuard : IMemoryGuard, IDisposable
{
    /// <summary>Accepted connections between two questions whether there are many more than before.</summary>
    private const int Between = 64;

    private readonly Lock _gate = new();
    private readonly Func<int> _open;
    private readonly Timer _timer;
    private MemoryReturn _memory = MemoryReturnModule.Start;
    private int _accepted;

    /// <param name="open">How many connections are open now.</param>
    public MemoryGuard(Func<int> open)
    {
        _open = open;
        _timer = new Timer(static state => ((MemoryGuard)state!).Look(), this, Timeout.Infinite, Timeout.Infinite);
    }

    /// <summary>To be called for each accepted connection.</summary>
    public void Observe()
    {
        if (Interlocked.Increment(ref _accepted) % Between == 0)
            Follow(memory => MemoryReturnModule.Accepted(_open(), GC.GetTotalAllocatedBytes(), memory));
    }

    public void Dispose() => _timer.Dispose();

    private void Look()
    {
        // The finalizers' thread is what the runtime's compiler lets go of its memory on.
        GC.WaitForPendingFinalizers();
        Follow(memory => MemoryReturnModule.Looked(_open(), GC.GetTotalAllocatedBytes(), GC.GetTotalMemory(forceFullCollection: false), memory));
    }

    /// <summary>Loops accept meanwhile: what takes milliseconds is done outside the gate.</summary>
    private void Follow(Func<MemoryReturn, (MemoryReturn State, FSharpList<MemoryOrder> Orders)> decide)
    {
        FSharpList<MemoryOrder> orders;
        lock (_gate)
            (_memory, orders) = decide(_memory);
        foreach (MemoryOrder order in orders)
            MemoryOrderModule.CarryOut(this, order);
    }

    /// <summary>The mode that returns what it frees; the milder ones keep it for a next burst.</summary>
    void IMemoryGuard.Collect() => GC.Collect(GC.MaxGeneration, GCCollectionMode.Aggressive, blocking: true, compacting: true);

    /// <summary>Handshakes leave the heap of the TLS library full of holes.</summary>
    void IMemoryGuard.Trim()
    {
        if (OperatingSystem.IsLinux())
            Libc.TrimHeaps();
    }

    void IMemoryGuard.LookIn(Duration wait) => _timer.Change(wait.ToTimerSpan(), Timeout.InfiniteTimeSpan);
}
