using System.Runtime.CompilerServices;
using Bitflow.App.Admin;
using Bitflow.App.Logging;
using Bitflow.App.Metering;
using Bitflow.App.Reporting;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Observing;
using Bitflow.Net.Transport;

namespace Bitflow.App;

/// <summary>
/// Whoever watches the server and is no part of it: connection logs, statsd, Sentry, the admin server. What is not configured is not made, nor loaded. A new
/// configuration is applied while everything runs; one task does so at a time.
/// </summary>
internal sealed class Observation(ProgramLog log, ConnectionLogs.ConnectionLogs logs, LiveState state) : IWatcher, IAsyncDisposable
{
    private MetricStore? _store;
    private StatsdExporter? _statsd;
    private SentryReporter? _sentry;
    private MetricsConfig? _statsdConfig;
    private SentryDsn? _sentryDsn;

    private AdminServer? _admin;

    /// <summary>Whether the web server is loaded, which takes descriptors that are never given back.</summary>
    private bool _adminIsLoaded;

    public LiveState State => state;

    /// <summary>
    /// Opens what of a configuration may fail: the admin server's sockets. To be given to <see cref="ApplyAsync"/>, or taken back. Null where that cannot be.
    /// </summary>
    /// <param name="address">Where they are to be opened; null where none are.</param>
    /// <param name="plan">What becomes of everything else.</param>
    /// <param name="problem">Why that cannot be.</param>
    /// <param name="giveUp">Fires where it is not wanted any more.</param>
    public IReadOnlyList<ListeningSocket>? TryOpenAdmin(Address? address, ReloadPlan plan, out string problem, CancellationToken giveUp)
    {
        problem = "";
        if (address is null)
            return [];
        if (!_adminIsLoaded && DescriptorBudget.AdminShortage(Libc.DescriptorLimit(), Libc.DescriptorsInUse()) is { IsSome: true, Value: var shortage })
        {
            problem = $"application.admin.address: {shortage}";
            return null;
        }

        try
        {
            return ListeningSocket.Open(address, giveUp);
        }
        catch (ListenException e)
        {
            problem = $"application.admin.address: cannot listen on {e.Describe(plan, address)}";
            return null;
        }
    }

    /// <summary>Takes a configuration on. Nothing of the configuration can fail here any more.</summary>
    /// <param name="config">The configuration.</param>
    /// <param name="admin">What <see cref="TryOpenAdmin"/> opened for it.</param>
    public async Task ApplyAsync(Config config, IReadOnlyList<ListeningSocket> admin)
    {
        ApplicationConfig application = config.Application;
        AdminServer? before = _admin;
        await SwitchAdminAsync(application.Admin is not null, admin).ConfigureAwait(false);
        try
        {
            await ApplySentryAsync(application.SentryDsn?.Value).ConfigureAwait(false);
            await ApplyStatsdAsync(application.Metrics?.Value).ConfigureAwait(false);
        }
        catch when (_admin != before)
        {
            // A thread or an assembly that cannot be had. Whoever asks for the state is answered as before.
            AdminServer? unwanted = _admin;
            _admin = before;
            if (unwanted is not null)
                await unwanted.DisposeAsync().ConfigureAwait(false);
            throw;
        }

        log.Apply(application);
        foreach (ListeningSocket socket in admin)
            log.AdminListening(socket.Local);
        if (before is not null && before != _admin)
            await before.DisposeAsync().ConfigureAwait(false);
    }

    /// <inheritdoc cref="ConnectionLogs.ConnectionLogs.CloseUnusedAsync"/>
    public Task<bool> CloseUnusedLogsAsync(IReadOnlySet<IConnectionLog> named, IReadOnlySet<IConnectionLog> used) => logs.CloseUnusedAsync(named, used);

    /// <summary>Does what a signal asks of whoever watches.</summary>
    public void Answer(Signal signal) => SignalModule.Answer(this, signal);

    void IWatcher.ReopenLogs() => logs.Reopen();

    void IWatcher.DumpState() => log.State([.. state.Proxies().Select(StateView.DescribeProxy), .. state.Connections().Select(StateView.DescribeConnection)]);

    public async ValueTask DisposeAsync()
    {
        await logs.DisposeAsync().ConfigureAwait(false);
        if (_admin is not null)
            await _admin.DisposeAsync().ConfigureAwait(false);
        await ApplyStatsdAsync(null).ConfigureAwait(false);
        await ApplySentryAsync(null).ConfigureAwait(false);
        _store?.Dispose();
    }

    /// <summary>Starts the admin server, which may fail: then the one before is still there. That one is not stopped.</summary>
    private async Task SwitchAdminAsync(bool isWanted, IReadOnlyList<ListeningSocket> opened)
    {
        if (isWanted && opened.Count == 0)
            return;
        bool isFirst = !_adminIsLoaded;
        _adminIsLoaded |= isWanted;
        _admin = isWanted ? await StartAdminAsync(opened, State, _store ??= new MetricStore(), isFirst).ConfigureAwait(false) : null;
    }

    /// <summary>A method of its own, so that the web server's assemblies are loaded by a program that has one configured, and by no other.</summary>
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static Task<AdminServer> StartAdminAsync(IReadOnlyList<ListeningSocket> sockets, LiveState state, MetricStore store, bool isFirst) =>
        AdminServer.StartAsync(sockets, state, store, isFirst);

    private async Task ApplySentryAsync(SentryDsn? dsn)
    {
        if (Equals(dsn, _sentryDsn))
            return;
        SentryReporter? before = _sentry;
        // One that cannot be spoken to here LoadedConfiguration warns of.
        _sentry = dsn is null || !SentryReporter.CanSpeakTo(dsn) ? null : new SentryReporter(dsn, log.Reporting);
        _sentryDsn = dsn;
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
        // From one receiver to the next the intervals go on: what the last flush of the one has not sent, the first of the other sends.
        if (config is null)
            _store?.EndIntervals();
        else if (_statsd is null)
            (_store ??= new MetricStore()).BeginIntervals();
        _statsd = config is null ? null : new StatsdExporter(_store!, config, log.MetricsNotSent, problem => log.MetricsNotReceived(config, problem), () => log.MetricsReceivedAgain(config));
        _statsdConfig = config;
    }
}
