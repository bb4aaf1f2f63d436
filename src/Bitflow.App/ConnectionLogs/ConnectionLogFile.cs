using System.Diagnostics.CodeAnalysis;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Observing;

namespace Bitflow.App.ConnectionLogs;

/// <summary>
/// One file that connection records are appended to, by one thread of its own: a disk that hangs holds up that thread and nothing else. What
/// the queue cannot hold, or the file does not take, is dropped and counted.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "The thread disposes the file when it ends; the events hold nothing of the system's.")]
internal sealed class ConnectionLogFile
{
    /// <summary>Records that may wait for a slow disk.</summary>
    public const int QueueRecords = 16_384;

    /// <summary>
    /// How long records gather before they are written together: waking a thread for each would cost more than the record. Well below the
    /// 250 ms within which a record is promised.
    /// </summary>
    private static readonly TimeSpan Gathering = TimeSpan.FromMilliseconds(40);

    private static readonly string TooSlow = $"it takes them too slowly, and {QueueRecords} wait already";

    /// <summary>Bytes after which gathered records are written at once.</summary>
    private const int BatchBytes = 256 * 1024;

    private readonly Channel<Entry> _queue = Channel.CreateBounded<Entry>(
        new BoundedChannelOptions(QueueRecords) { SingleReader = true, FullMode = BoundedChannelFullMode.Wait });

    private readonly JsonLines _batch = new();
    private readonly List<BatchedLine> _lines = [];
    private readonly IConnectionLogEvents _events;
    private readonly LossWatch _losses;
    private readonly SemaphoreSlim _wake = new(0);
    private readonly CancellationTokenSource _closing = new();
    private readonly Thread _writer;
    private readonly TaskCompletionSource _done = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private AppendFile _file;
    private bool _mustReopen;
    private int _asleep;

    /// <summary>Whether the file ends in the middle of a line, because the disk took only part of one.</summary>
    private bool _endsInsideLine;

    /// <exception cref="IOException">The file cannot be opened for appending, or nobody can write to it.</exception>
    public ConnectionLogFile(string path, IConnectionLogEvents events)
    {
        Path = path;
        _events = events;
        _losses = new LossWatch(path, events);

        // With the first line the runtime loads what lines are written with, which takes descriptors, and it does not try that twice: when a client ends there may be none left.
        ConnectionLogLine.Write(_batch, ConnectionRecord.Empty);
        _batch.Clear();
        _file = AppendFile.Open(path);
        _writer = new Thread(Run, maxStackSize: 256 * 1024) { IsBackground = true, Name = "connection log" };
        try
        {
            _writer.Start();
        }
        catch (OutOfMemoryException e)
        {
            _file.Dispose();
            throw new IOException($"{path}: no thread can be had to write it: memory, descriptors or threads have run out (pids.max, RLIMIT_NPROC)", e);
        }
    }

    public string Path { get; }

    /// <summary>Takes a record for the proxy that the drop would be counted for, or drops it.</summary>
    public void Write(ConnectionRecord record, KeyValuePair<string, object?>[] proxy)
    {
        if (!_queue.Writer.TryWrite(new Entry(record, proxy)))
        {
            Instruments.LogDropped.Add(1, proxy);
            // Said from here: the writer may well be the one that hangs.
            if (!_closing.IsCancellationRequested)
                _losses.OnLost(TooSlow);
            return;
        }

        // Only a sleeping writer is woken: under load it is awake, and a record costs no system call here.
        if (Volatile.Read(ref _asleep) != 0 && Interlocked.Exchange(ref _asleep, 0) != 0)
            _wake.Release();
    }

    /// <summary>
    /// Has the path opened anew, after a rotation has moved the file away, and the old one closed. Where that fails the old file stays in use. The
    /// writer does it as soon as it can, which nobody waits for: its disk may hang.
    /// </summary>
    public void Reopen()
    {
        Volatile.Write(ref _mustReopen, true);
        _wake.Release();
    }

    /// <summary>Writes what is queued, then closes the file. Gives up on a disk that takes too long; the rest is lost with the process.</summary>
    public async Task CloseAsync(TimeSpan patience)
    {
        _queue.Writer.TryComplete();
        await _closing.CancelAsync().ConfigureAwait(false);
        _wake.Release();
        await Task.WhenAny(_done.Task, Task.Delay(patience)).ConfigureAwait(false);
    }

    private void Run()
    {
        try
        {
            bool last, isMore;
            do
            {
                // Before each batch: a queue that never runs dry keeps nobody's file from being rotated, and no loss from being told.
                last = _closing.IsCancellationRequested;
                if (Interlocked.Exchange(ref _mustReopen, false))
                    OpenAnew();
                isMore = Gather();
                if (isMore)
                    Flush();
                _losses.Look();
                if (!isMore && !last)
                    Sleep();
            }
            while (isMore || !last);
        }
        catch (Exception e)
        {
            // Nothing here is expected to throw; a log that ends silently would be worse than one that says so.
            _events.WriterFailed(Path, e);
        }
        finally
        {
            _file.Dispose();
            _done.TrySetResult();
        }
    }

    /// <summary>Waits for the first record after a quiet time, then for those that come shortly after it. Does not wait for one where losses are to be looked at.</summary>
    private void Sleep()
    {
        Volatile.Write(ref _asleep, 1);
        Thread.MemoryBarrier();
        // A record that came between the last look and now saw a writer awake.
        if (!_queue.Reader.TryPeek(out _) && !Volatile.Read(ref _mustReopen) && !_closing.IsCancellationRequested)
            _wake.Wait(_losses.UntilLook());
        Volatile.Write(ref _asleep, 0);
        if (!Volatile.Read(ref _mustReopen))
            _closing.Token.WaitHandle.WaitOne(Gathering);
    }

    private bool Gather()
    {
        while (_batch.Count < BatchBytes && _queue.Reader.TryRead(out Entry entry))
        {
            ConnectionLogLine.Write(_batch, entry.Record);
            _lines.Add(new BatchedLine(_batch.Count, entry.Proxy));
        }

        return _lines.Count > 0;
    }

    private void Flush()
    {
        if (_endsInsideLine)
        {
            // The broken line stands alone; what follows it can be read.
            if (_file.Write("\n"u8, out _) == 1)
                _endsInsideLine = false;
        }

        int error = 0;
        int written = _endsInsideLine ? 0 : _file.Write(_batch.Written, out error);
        int dropped = 0;
        foreach (BatchedLine line in _lines)
        {
            if (line.End <= written)
                continue;
            dropped++;
            Instruments.LogDropped.Add(1, line.Proxy);
        }

        if (written > 0)
            _endsInsideLine = _batch.Written[written - 1] != (byte)'\n';
        if (dropped > 0)
            _losses.OnLost(LogFileFault.OfWrite(error));
        else
            _losses.OnWritten();
        _batch.Clear();
        _lines.Clear();
    }

    private void OpenAnew()
    {
        try
        {
            AppendFile next = AppendFile.Open(Path);

            // Perhaps nobody has moved it away; a pipe nobody can.
            _endsInsideLine &= next.IsSameAs(_file);
            _file.Dispose();
            _file = next;
            _events.Reopened(Path);
        }
        catch (IOException e)
        {
            _events.ReopenFailed(Path, e.Message);
        }
    }

    private readonly record struct Entry(ConnectionRecord Record, KeyValuePair<string, object?>[] Proxy);

    /// <summary>A line in the batch, by the offset behind its end.</summary>
    private readonly record struct BatchedLine(int End, KeyValuePair<string, object?>[] Proxy);
}
