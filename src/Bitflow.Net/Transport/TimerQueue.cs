using Bitflow.Domain;

namespace Bitflow.Net.Transport;

/// <summary>
/// All timers of one loop: a four-ary heap whose nodes know their own place. Arming and moving cost O(log n) and no
/// allocation; timers that are not due cost nothing. Not synchronised: a loop with a thread calls it there, any other locks.
/// </summary>
internal sealed class TimerQueue
{
    private const int Arity = 4;

    private LoopTimer?[] _heap = new LoopTimer?[64];
    private int _count;

    public int Count => _count;

    /// <summary>When the next timer is due; <see cref="Instant.Never"/> when none is armed.</summary>
    public Instant Next => _count == 0 ? Instant.Never : Instant.OfNanoseconds(_heap[0]!.DueNanoseconds);

    /// <summary>Arms or moves; <see cref="Instant.Never"/> removes.</summary>
    public void Set(LoopTimer timer, Instant at)
    {
        if (at.IsNever)
        {
            if (timer.QueueIndex != LoopTimer.NotQueued)
                RemoveAt(timer.QueueIndex);
            return;
        }

        long before = timer.DueNanoseconds;
        timer.DueNanoseconds = at.Nanoseconds;
        if (timer.QueueIndex == LoopTimer.NotQueued)
        {
            if (_count == _heap.Length)
                Array.Resize(ref _heap, _count * 2);
            int end = _count++;
            Place(timer, end);
            SiftUp(end);
        }
        else if (at.Nanoseconds < before)
        {
            SiftUp(timer.QueueIndex);
        }
        else
        {
            SiftDown(timer.QueueIndex);
        }
    }

    /// <summary>Takes out one timer that is due, or null. It is disarmed before its owner hears of it, and may be armed again at once.</summary>
    public LoopTimer? TakeDue(Instant now)
    {
        if (_count == 0 || _heap[0]!.DueNanoseconds > now.Nanoseconds)
            return null;
        LoopTimer due = _heap[0]!;
        RemoveAt(0);
        return due;
    }

    private void RemoveAt(int index)
    {
        _heap[index]!.QueueIndex = LoopTimer.NotQueued;
        LoopTimer last = _heap[--_count]!;
        _heap[_count] = null;
        if (index == _count)
            return;
        Place(last, index);
        SiftUp(index);
        SiftDown(last.QueueIndex);
    }

    private void SiftUp(int index)
    {
        LoopTimer timer = _heap[index]!;
        while (index > 0)
        {
            int parent = (index - 1) / Arity;
            if (_heap[parent]!.DueNanoseconds <= timer.DueNanoseconds)
                break;
            Place(_heap[parent]!, index);
            index = parent;
        }

        Place(timer, index);
    }

    private void SiftDown(int index)
    {
        LoopTimer timer = _heap[index]!;
        while (true)
        {
            int first = index * Arity + 1;
            if (first >= _count)
                break;
            int least = first;
            int end = Math.Min(first + Arity, _count);
            for (int child = first + 1; child < end; child++)
            {
                if (_heap[child]!.DueNanoseconds < _heap[least]!.DueNanoseconds)
                    least = child;
            }

            if (_heap[least]!.DueNanoseconds >= timer.DueNanoseconds)
                break;
            Place(_heap[least]!, index);
            index = least;
        }

        Place(timer, index);
    }

    private void Place(LoopTimer timer, int index)
    {
        _heap[index] = timer;
        timer.QueueIndex = index;
    }
}
