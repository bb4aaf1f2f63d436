using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Observing;

namespace Bitflow.App.ConnectionLogs;

/// <summary>The connection logs of the process: one path is one file with one writer, shared by all proxies that name it.</summary>
internal sealed class ConnectionLogs(IConnectionLogEvents events) : IConnectionLogs, IAsyncDisposable
{
    /// <summary>How long the end of the process waits for a slow disk.</summary>
    private static readonly TimeSpan ClosingPatience = TimeSpan.FromSeconds(2);

    private readonly Lock _gate = new();
    private readonly Dictionary<string, OpenLog> _logs = new(StringComparer.Ordinal);

    public IConnectionLog Open(string path, string proxy)
    {
        string full = FileProblem.FullPath(path);
        if (TryShare(full, proxy) is { } shared)
            return shared;

        // Outside the gate: a disk that hangs must not keep other logs from being rotated. One caller at a time opens.
        var file = new ConnectionLogFile(full, events);
        lock (_gate)
            _logs.Add(full, new OpenLog(file));
        return TryShare(full, proxy)!;
    }

    private ProxyConnectionLog? TryShare(string full, string proxy)
    {
        lock (_gate)
        {
            if (!_logs.TryGetValue(full, out OpenLog? log))
                return null;
            var writer = new ProxyConnectionLog(log.File, proxy);
            log.Writers.Add(writer);
            return writer;
        }
    }

    /// <summary>Has every path opened anew (SIGUSR1).</summary>
    public void Reopen()
    {
        lock (_gate)
        {
            foreach (OpenLog log in _logs.Values)
                log.File.Reopen();
        }
    }

    /// <summary>Closes the logs that nobody writes to any more.</summary>
    /// <param name="named">Those that the running configuration names.</param>
    /// <param name="used">Those that open connections began with: their records still belong there.</param>
    /// <returns>Whether a log stays open for the sake of such connections.</returns>
    public async Task<bool> CloseUnusedAsync(IReadOnlySet<IConnectionLog> named, IReadOnlySet<IConnectionLog> used)
    {
        await CloseAsync(log => !log.Keep(writer => named.Contains(writer) || used.Contains(writer))).ConfigureAwait(false);
        lock (_gate)
            return _logs.Values.Any(log => !log.IsAny(named.Contains));
    }

    public async ValueTask DisposeAsync() => await CloseAsync(static _ => true).ConfigureAwait(false);

    private Task CloseAsync(Predicate<OpenLog> which)
    {
        List<OpenLog> closed;
        lock (_gate)
        {
            closed = [.. _logs.Values.Where(log => which(log))];
            closed.ForEach(log => _logs.Remove(log.File.Path));
        }

        return Task.WhenAll(closed.Select(static log => log.File.CloseAsync(ClosingPatience)));
    }

    private sealed class OpenLog(ConnectionLogFile file)
    {
        public ConnectionLogFile File { get; } = file;

        /// <summary>One for each proxy of each configuration that named the path.</summary>
        public List<IConnectionLog> Writers { get; } = [];

        public bool IsAny(Predicate<IConnectionLog> writer) => Writers.Exists(writer);

        /// <summary>Forgets the other writers; whether any is left.</summary>
        public bool Keep(Predicate<IConnectionLog> writer)
        {
            Writers.RemoveAll(each => !writer(each));
            return Writers.Count > 0;
        }
    }

    /// <summary>A proxy's way into a shared file.</summary>
    private sealed class ProxyConnectionLog(ConnectionLogFile file, string proxy) : IConnectionLog
    {
        private readonly KeyValuePair<string, object?>[] _tags = [new(MetricTag.Proxy.Key, proxy)];

        public void Write(ConnectionRecord record) => file.Write(record, _tags);
    }
}
