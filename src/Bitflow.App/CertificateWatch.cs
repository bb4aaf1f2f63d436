using System.Diagnostics.CodeAnalysis;
using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Tls;

namespace Bitflow.App;

/// <summary>Says when a certificate that is shown nears its end, and when it has passed it: while nothing is reloaded nobody else looks.</summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process.")]
internal sealed class CertificateWatch
{
    /// <summary>The start has better to do.</summary>
    private static readonly TimeSpan FirstLook = TimeSpan.FromSeconds(1);

    private readonly ProgramLog _log;
    private readonly Timer _timer;
    private readonly Lock _gate = new();
    private Config? _config;
    private LoadedTls? _tls;
    private DateTimeOffset _looked;

    public CertificateWatch(ProgramLog log)
    {
        _log = log;
        _timer = new Timer(_ => Look());
    }

    /// <summary>From now on it is these that are shown; what was said of them when they were loaded is not said again.</summary>
    public void Follow(Config config, LoadedTls tls)
    {
        lock (_gate)
        {
            (_config, _tls, _looked) = (config, tls, tls.At);
            _timer.Change(FirstLook, Timeout.InfiniteTimeSpan);
        }
    }

    private void Look()
    {
        lock (_gate)
        {
            DateTimeOffset now = TimeProvider.System.GetUtcNow();
            (ProxyConfig Proxy, string File, CertificateFacts Facts)[] shown =
                [.. _config!.Proxies.SelectMany(proxy => _tls!.Of(proxy).Shown(proxy).Select(one => (proxy, one.File, one.Facts)))];
            _log.Warnings(shown.SelectMany(one => CertificateChecks.Turned(_looked, now, one.Facts).Select(line => $"proxy {one.Proxy.Name}: {Shown.Escaped(one.File)}: {line}")));
            _looked = now;
            if (shown.Length > 0)
                _timer.Change(CertificateChecks.UntilLook(now, shown.Select(static one => one.Facts)).ToTimerSpan(), Timeout.InfiniteTimeSpan);
        }
    }
}
