using System.Diagnostics.CodeAnalysis;

namespace Bitflow.Net.Transport;

/// <summary>
/// Lets one at a time pass, for some instructions that never wait, and no one twice: a lock of one word and one atomic instruction, where a connection passes a
/// dozen times and on its loop never meets anybody.
/// </summary>
internal struct Gate
{
    private SpinLock _lock = new(enableThreadOwnerTracking: false);

    public Gate()
    {
    }

    /// <summary>Waits until it is free; whoever has passed leaves it behind him with the end of the scope.</summary>
    [UnscopedRef]
    public Passage Pass()
    {
        bool isTaken = false;
        _lock.Enter(ref isTaken);
        return new Passage(ref _lock);
    }

    public readonly ref struct Passage(ref SpinLock gate)
    {
        private readonly ref SpinLock _gate = ref gate;

        public void Dispose() => _gate.Exit(useMemoryBarrier: false);
    }
}
