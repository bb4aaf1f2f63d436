using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;

namespace Bitflow.App.Commands;

/// <summary>`bitflow --config FILE`: serves until it is told to stop.</summary>
internal static class ServeCommand
{
    public static async Task<int> RunAsync(string path)
    {
        // Before the file is read: a signal during start is a signal like any other.
        using var signals = new Signals();
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
            return await UnusableAsync([problem]).ConfigureAwait(false);
        if (!reading.IsUsable)
            return await UnusableAsync(reading.Errors).ConfigureAwait(false);
        if (reading.Unsupported.Count > 0)
            return await UnusableAsync(reading.Unsupported).ConfigureAwait(false);

        Config config = reading.Config;
        LoadedTls tls = LoadedTls.Load(config, TimeProvider.System);
        if (tls.Findings.Any(f => f.IsError))
            return await UnusableAsync(tls.Findings.Where(f => f.IsError).Select(f => reading.Line(f.Path, f.Message))).ConfigureAwait(false);
        await using var log = new ProgramLog(config.Application);
        foreach (string warning in reading.Warnings)
            log.ConfigurationWarning(warning);
        foreach (TlsFinding warning in tls.Findings)
            log.ConfigurationWarning(reading.Line(warning.Path, warning.Message));
        await using var observation = new Observation(log);
        await observation.ApplyAsync(config.Application).ConfigureAwait(false);
        using var server = new Server(ChooseEngine(config, log.Logger), log.Sessions, log.Server, observation.Logs);
        IReadOnlyList<string> problems = server.Start(config, tls);
        if (problems.Count > 0)
        {
            foreach (string line in problems)
                await Console.Error.WriteLineAsync($"bitflow: {line}").ConfigureAwait(false);
            return ExitStatus.Failed;
        }

        log.Started(path, config.Proxies.Length, server.DescriptorLimit);
        await ServeUntilStoppedAsync(signals, observation).ConfigureAwait(false);
        return await DrainAsync(server, signals, config.Application.ShutdownTimeout, log).ConfigureAwait(false);
    }

    /// <summary>`auto` is the engine that is at home on this system.</summary>
    private static Engine ChooseEngine(Config config, Microsoft.Extensions.Logging.ILogger log) =>
        config.Application.Engine.IsManaged || !OperatingSystem.IsLinux() ? new ManagedEngine() : new LinuxEngine(log);

    private static async Task ServeUntilStoppedAsync(Signals signals, Observation observation)
    {
        while (true)
        {
            switch (await signals.NextAsync().ConfigureAwait(false))
            {
                case Signal.Stop:
                    return;
                case Signal.ReopenLogs:
                    await observation.Logs.ReopenAsync().ConfigureAwait(false);
                    break;
                default:
                    // Reload and the state dump have nothing to act on yet.
                    break;
            }
        }
    }

    private static async Task<int> DrainAsync(Server server, Signals signals, Duration timeout, ProgramLog log)
    {
        log.Draining(server.OpenConnections, timeout);
        using var giveUp = new CancellationTokenSource();
        using var drained = new CancellationTokenSource();
        if (timeout.IsPositive)
            giveUp.CancelAfter(timeout.ToTimeSpan());
        Task secondSignal = WaitForSecondAsync(signals, giveUp, drained.Token);
        await server.DrainAsync(giveUp.Token).ConfigureAwait(false);
        await drained.CancelAsync().ConfigureAwait(false);
        await secondSignal.ConfigureAwait(false);
        if (server.OpenConnections == 0)
        {
            log.Drained();
            return ExitStatus.Done;
        }

        log.ForcedEnd(server.OpenConnections);
        await server.ResetAllAsync().ConfigureAwait(false);
        return ExitStatus.Failed;
    }

    private static async Task WaitForSecondAsync(Signals signals, CancellationTokenSource giveUp, CancellationToken drained)
    {
        try
        {
            // A reload while draining is ignored (section 8).
            while (await signals.NextAsync(drained).ConfigureAwait(false) != Signal.Stop)
            {
            }

            await giveUp.CancelAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Everything ended by itself.
        }
    }

    private static async Task<int> UnusableAsync(IEnumerable<string> lines)
    {
        foreach (string line in lines)
            await Console.Error.WriteLineAsync(line).ConfigureAwait(false);
        return ExitStatus.Unusable;
    }
}
