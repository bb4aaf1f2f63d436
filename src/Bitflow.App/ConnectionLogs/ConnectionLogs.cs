using Bitflow.Domain;
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
        string full = Path.GetFullPath(path);
        lock (_gate)
        {
            if (!_logs.TryGetValue(full, out OpenLog? log))
                _logs.Add(full, log = new OpenLog(new ConnectionLogFile(full, events)));
            var writer = new ProxyConnectionLog(log.File, proxy);
            log.Writers.Add(new(writer));
            return writer;
        }
    }

    /// <summary>Opens every path anew (SIGUSR1).</summary>
    public Task ReopenAsync()
    {
        lock (_gate)
            return Task.WhenAll(_logs.Values.Select(static log => log.File.ReopenAsync()));
    }

    /// <summary>
    /// Closes the logs that the configuration no longer names, once no connection is left that began with them: their records still belong
    /// there. Asked again at every reload.
    /// </summary>
    public Task KeepOnlyAsync(IEnumerable<string> paths)
    {
        var kept = paths.Select(Path.GetFullPath).ToHashSet(StringComparer.Ordinal);
        return CloseAsync(log => !kept.Contains(log.File.Path) && log.IsForgotten());
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

        /// <summary>A model holds its writer, and a connection its model: a writer that is collected has no connection left.</summary>
        public List<WeakReference<ProxyConnectionLog>> Writers { get; } = [];

        public bool IsForgotten()
        {
            Writers.RemoveAll(static writer => !writer.TryGetTarget(out _));
            return Writers.Count == 0;
        }
    }

    /// <summary>A proxy's way into a shared file.</summary>
    private sealed class ProxyConnectionLog(ConnectionLogFile file, string proxy) : IConnectionLog
    {
        private readonly KeyValuePair<string, object?>[] _tags = [new(MetricTag.Proxy.Key, proxy)];

        public void Write(ConnectionRecord record) => file.Write(record, _tags);
    }
}
