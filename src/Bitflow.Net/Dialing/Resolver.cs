using System.Collections.Concurrent;
using System.Net;
using Bitflow.Domain;
using Bitflow.Net.Transport;

namespace Bitflow.Net.Dialing;

/// <summary>
/// Names to addresses, when dialling. The platform's resolver blocks its caller, so lookups run on a few threads of their own; one
/// lookup is in flight for a name, shared by all that wait for it. Nothing is cached.
/// </summary>
/// <param name="lookUp">All addresses of a name; throws as <see cref="Dns.GetHostAddresses(string)"/> does.</param>
/// <param name="start">Starts a thread; throws where the system has none to give.</param>
internal sealed class Resolver(Func<string, IPAddress[]> lookUp, Action<ThreadStart> start) : IDisposable
{
    public const int MaxThreads = 8;

    private readonly ConcurrentDictionary<string, Lookup> _inFlight = new(StringComparer.OrdinalIgnoreCase);
    private readonly BlockingCollection<Lookup> _queue = [];
    private readonly Lock _gate = new();
    private int _threads;
    private int _unanswered;

    public Resolver()
        : this(Dns.GetHostAddresses)
    {
    }

    public Resolver(Func<string, IPAddress[]> lookUp)
        : this(lookUp, static work => new Thread(work) { IsBackground = true, Name = "bitflow resolver" }.Start())
    {
    }

    /// <summary>All addresses of a name in the resolver's order; a failed lookup says why instead.</summary>
    public Task<Resolution> ResolveAsync(string name)
    {
        var fresh = new Lookup(name);
        Lookup lookup = _inFlight.GetOrAdd(name, fresh);
        if (ReferenceEquals(lookup, fresh))
        {
            _queue.Add(lookup);
            EnsureThread(Interlocked.Increment(ref _unanswered));
        }

        return lookup.Done.Task;
    }

    public void Dispose() => _queue.CompleteAdding();

    /// <summary>A lookup never waits behind another while there may be one more thread.</summary>
    private void EnsureThread(int unanswered)
    {
        lock (_gate)
        {
            if (_threads >= Math.Min(unanswered, MaxThreads))
                return;
            try
            {
                start(Work);
                _threads++;
            }
            catch (Exception)
            {
                // A limit on tasks. Those that are there take the queue; where none is, nobody would ever answer.
                while (_threads == 0 && _queue.TryTake(out Lookup? lookup))
                    Answer(lookup, new Resolution([], ResolveFault.NoThread));
            }
        }
    }

    private void Work()
    {
        while (_queue.TryTake(out Lookup? lookup, Timeout.Infinite))
            Answer(lookup, Resolution.Of(lookup.Name, lookUp));
    }

    private void Answer(Lookup lookup, Resolution resolution)
    {
        // Whoever asks from now on gets a lookup of its own: an answer is never older than the question.
        _inFlight.TryRemove(lookup.Name, out _);
        Interlocked.Decrement(ref _unanswered);
        lookup.Done.TrySetResult(resolution);
    }

    private sealed class Lookup(string name)
    {
        public string Name { get; } = name;

        public TaskCompletionSource<Resolution> Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
