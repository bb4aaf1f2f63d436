using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Proxies;
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
        using var manager = ServiceManager.FromEnvironment();
        InheritedSockets.TakeOver();
        LoadedConfiguration? loaded = LoadedConfiguration.Load(path, out IReadOnlyList<string> errors);
        if (loaded is null)
        {
            await SayAsync(errors).ConfigureAwait(false);
            return ExitStatus.Unusable;
        }

        await using var log = new ProgramLog(loaded.Config.Application);
        log.Warnings(loaded.Warnings);
        if (manager.Problem is { } problem)
            log.Warnings([problem]);
        await using var observation = new Observation(log);
        await observation.ApplyAsync(loaded.Config.Application).ConfigureAwait(false);
        Engine engine = ChooseEngine(loaded.Config, log.Logger);
        using var server = new Server(engine, log.Sessions, log.Server, observation.Logs);
        if (server.Prepare(loaded.Snapshot, loaded.Tls, out IReadOnlyList<string> problems) is not { } preparation)
        {
            await SayAsync(problems.Select(static line => $"bitflow: {line}")).ConfigureAwait(false);
            return ExitStatus.Failed;
        }

        await server.CommitAsync(preparation).ConfigureAwait(false);
        log.Started(path, loaded.Config.Proxies.Length, server.DescriptorLimit);
        manager.Ready(Status(server));
        manager.Watch(engine.Loops);
        await ServeUntilStoppedAsync(signals, new Reload(path, server, log, observation), observation, server, manager).ConfigureAwait(false);
        manager.Stopping($"draining {server.OpenConnections} connections");
        return await DrainAsync(server, signals, server.Serving!.Config.Application.ShutdownTimeout, log).ConfigureAwait(false);
    }

    /// <summary>`auto` is the engine that is at home on this system.</summary>
    private static Engine ChooseEngine(Config config, Microsoft.Extensions.Logging.ILogger log) =>
        config.Application.Engine.IsManaged || !OperatingSystem.IsLinux() ? new ManagedEngine() : new LinuxEngine(log);

    private static string Status(Server server) => $"serving {server.Proxies.Count} proxies on {server.Listeners.Count} listeners";

    private static async Task ServeUntilStoppedAsync(Signals signals, Reload reload, Observation observation, Server server, ServiceManager manager)
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
                case Signal.Reload:
                    manager.Reloading();
                    await reload.RunAsync().ConfigureAwait(false);
                    manager.Ready(Status(server));
                    break;
                default:
                    // The state dump has nothing to act on yet.
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

    private static async Task SayAsync(IEnumerable<string> lines)
    {
        foreach (string line in lines)
            await Console.Error.WriteLineAsync(line).ConfigureAwait(false);
    }
}
