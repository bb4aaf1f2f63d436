using Bitflow.App.ConnectionLogs;
using Bitflow.App.Logging;
using Bitflow.App.Metering;
using Bitflow.App.Reporting;
using Bitflow.Domain;
using Microsoft.FSharp.Core;

namespace Bitflow.App;

/// <summary>
/// Whoever watches the server and is no part of it: connection logs, statsd, Sentry. What is not configured is not made, nor loaded. A new
/// configuration is applied while everything runs; one task does so at a time.
/// </summary>
internal sealed class Observation(ProgramLog log) : IAsyncDisposable
{
    private MetricStore? _store;
    private StatsdExporter? _statsd;
    private SentryReporter? _sentry;
    private MetricsConfig? _statsdConfig;
    private string _sentryDsn = "";

    public ConnectionLogs.ConnectionLogs Logs { get; } = new(log.ConnectionLogs);

    public async Task ApplyAsync(ApplicationConfig application)
    {
        log.Apply(application);
        await ApplySentryAsync(application.SentryDsn).ConfigureAwait(false);
        await ApplyStatsdAsync(application.Metrics?.Value).ConfigureAwait(false);
    }

    public async ValueTask DisposeAsync()
    {
        await Logs.DisposeAsync().ConfigureAwait(false);
        await ApplyStatsdAsync(null).ConfigureAwait(false);
        await ApplySentryAsync("").ConfigureAwait(false);
        _store?.Dispose();
    }

    private async Task ApplySentryAsync(string text)
    {
        if (text == _sentryDsn)
            return;
        SentryReporter? before = _sentry;
        // The configuration's reader has refused what is no DSN.
        SentryDsn? dsn = Sentry.ParseDsn(text) is { IsOk: true } parsed && FSharpOption<SentryDsn>.get_IsSome(parsed.ResultValue) ? parsed.ResultValue.Value : null;
        _sentry = dsn is null ? null : new SentryReporter(dsn);
        _sentryDsn = text;
        log.ReportErrorsTo(_sentry);
        if (before is not null)
            await before.DisposeAsync().ConfigureAwait(false);
    }

    private async Task ApplyStatsdAsync(MetricsConfig? config)
    {
        if (Equals(config, _statsdConfig))
            return;
        if (_statsd is not null)
            await _statsd.DisposeAsync().ConfigureAwait(false);
        _statsd = config is null ? null : new StatsdExporter(_store ??= new MetricStore(), config);
        _statsdConfig = config;
    }
}
