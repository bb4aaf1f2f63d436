using Bitflow.App.Admin;
using Bitflow.App.Logging;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Observing;
using Bitflow.Net.Proxies;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;

namespace Bitflow.App.Commands;

/// <summary>`bitflow --config FILE`: serves until it is told to stop.</summary>
internal static class ServeCommand
{
    public static async Task<int> RunAsync(string path)
    {
        // First, while hardly anything is open that was not passed.
        InheritedSockets.TakeOver();

        // Before the file is read: a signal during start is a signal like any other.
        using var signals = new Signals();
        using var manager = ServiceManager.FromEnvironment();
        try
        {
            return await ServeAsync(path, signals, manager).ConfigureAwait(false);
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            // Stopped before anything was served: there is nothing to drain.
            return ExitStatus.Done;
        }
    }

    private static async Task<int> ServeAsync(string path, Signals signals, ServiceManager manager)
    {
        (LoadedConfiguration? loaded, IReadOnlyList<string> errors) = await LoadedConfiguration.LoadAsync(path, signals.Stopping).ConfigureAwait(false);
        if (loaded is null)
        {
            Say(errors);
            return ExitStatus.Unusable;
        }

        await using var log = new ProgramLog(loaded.Config.Application);
        if (manager.Problem is { } problem)
            log.Warnings([problem]);
        var logs = new ConnectionLogs.ConnectionLogs(log.ConnectionLogs);
        if (ChooseEngine(loaded.Config.Application.Engine, log) is not { } engine)
            return ExitStatus.Failed;
        RuntimeSettings.ApplyBeforeSockets(engine is ManagedEngine);
        using var server = new Server(engine, log.Sessions, log.Server, logs);
        await using var observation = new Observation(log, logs, new LiveState(server));
        var reload = new Reload(path, server, log, observation);
        IReadOnlyList<string> problems = await reload.TakeOnAsync(loaded, signals.Stopping).ConfigureAwait(false);
        if (problems.Count > 0)
        {
            Say(problems.Select(static line => $"bitflow: {line}"));
            return ExitStatus.Failed;
        }

        if (InheritedSockets.Unasked(loaded.Config) is { } unasked)
            log.Warnings([unasked]);
        log.Started(path, loaded.Config.Proxies.Length, server.DescriptorLimit);
        observation.State.IsReady = true;
        manager.Ready(Status(server));
        manager.Watch(engine.Loops);
        await ServeUntilStoppedAsync(signals, reload, observation, server, manager).ConfigureAwait(false);
        observation.State.IsReady = false;
        return await DrainAsync(path, server, signals, log, observation, manager).ConfigureAwait(false);
    }

    /// <summary>Null, and said why, where none can run here.</summary>
    private static Engine? ChooseEngine(Domain.Engine wanted, ProgramLog log)
    {
        if (EngineChoice.IsManaged(wanted, OperatingSystem.IsLinux()))
            return new ManagedEngine();
        try
        {
            return new LinuxEngine(log.Logger);
        }
        catch (RefusedCallException e)
        {
            var without = EngineChoice.Without(wanted, e.Call, e.Errno);
            if (without.IsError)
            {
                Say([$"bitflow: {without.ErrorValue}"]);
                return null;
            }

            log.Warnings([without.ResultValue]);
            return new ManagedEngine();
        }
    }

    private static string Status(Server server) => $"serving (proxies: {server.ProxyCount}, listeners: {server.Listeners.Count})";

    private static async Task ServeUntilStoppedAsync(Signals signals, Reload reload, Observation observation, Server server, ServiceManager manager)
    {
        while (await signals.NextAsync().ConfigureAwait(false) is { IsStop: false } signal)
        {
            if (signal.IsReload)
                await ReloadAsync(signals, reload, observation, server, manager).ConfigureAwait(false);
            else
                observation.Answer(signal);
        }
    }

    private static async Task ReloadAsync(Signals signals, Reload reload, Observation observation, Server server, ServiceManager manager)
    {
        manager.Reloading();
        using var over = new CancellationTokenSource();
        Task beside = AnswerBesideReloadAsync(signals, observation, over.Token);
        try
        {
            bool isInForce = await reload.RunAsync(signals.Stopping).ConfigureAwait(false);
            Instruments.EndReload(isInForce);
            manager.Ready(isInForce ? Status(server) : $"{Status(server)}; the last reload was refused");
        }
        catch (OperationCanceledException) when (signals.Stopping.IsCancellationRequested)
        {
            // What the last one came to is still so, and what the manager hears next is that we stop.
        }

        await over.CancelAsync().ConfigureAwait(false);
        await beside.ConfigureAwait(false);
    }

    /// <summary>A file that does not come keeps nobody from the state, and no log from being rotated.</summary>
    private static async Task AnswerBesideReloadAsync(Signals signals, Observation observation, CancellationToken over)
    {
        try
        {
            while (true)
                observation.Answer(await signals.NextBesideReloadAsync(over).ConfigureAwait(false));
        }
        catch (OperationCanceledException)
        {
            // The reload is over: what waits still is answered in its turn.
        }
    }

    private static async Task<int> DrainAsync(string path, Server server, Signals signals, ProgramLog log, Observation observation, ServiceManager manager)
    {
        Duration timeout = server.Serving!.Config.Application.ShutdownTimeout;
        int open = server.OpenConnections;
        log.Draining(open, timeout);
        using var giveUp = new CancellationTokenSource();
        using var drained = new CancellationTokenSource();
        if (timeout.IsPositive)
            _ = GiveUpAfterAsync(timeout, giveUp, drained.Token);
        Task secondSignal = WaitForSecondAsync(path, signals, log, observation, giveUp, drained.Token);
        Task draining = server.DrainAsync(giveUp.Token);

        // Behind that: a manager whose queue is full is waited for, and no client is to be accepted meanwhile.
        manager.Stopping($"draining (connections: {open})");
        int most = open;
        using (new Reminder(() => StillDraining(server.OpenConnections, ref most, log, manager)))
            await draining.ConfigureAwait(false);
        await drained.CancelAsync().ConfigureAwait(false);
        await secondSignal.ConfigureAwait(false);
        int reset = await server.ResetAllAsync().ConfigureAwait(false);
        if (reset == 0)
        {
            log.Drained();
            return ExitStatus.Done;
        }

        log.ForcedEnd(reset);
        return ExitStatus.Failed;
    }

    /// <summary>Ends the wait for open connections, unless the last has ended before.</summary>
    private static async Task GiveUpAfterAsync(Duration timeout, CancellationTokenSource giveUp, CancellationToken drained)
    {
        await Deadline.PassesAsync(timeout, drained).ConfigureAwait(false);
        if (!drained.IsCancellationRequested)
            await giveUp.CancelAsync().ConfigureAwait(false);
    }

    /// <param name="most">How many were open at once since the drain began: those that waited to be accepted are among them.</param>
    private static void StillDraining(int left, ref int most, ProgramLog log, ServiceManager manager)
    {
        most = Math.Max(most, left);
        log.StillDraining(left, most);
        manager.Stopping($"draining (connections left: {left} of {most})");
    }

    private static async Task WaitForSecondAsync(
        string path, Signals signals, ProgramLog log, Observation observation, CancellationTokenSource giveUp, CancellationToken drained)
    {
        try
        {
            while (await signals.NextAsync(drained).ConfigureAwait(false) is { IsStop: false } signal)
            {
                // What a reload would open has nobody left to serve.
                if (signal.IsReload)
                    log.ReloadGivenUp(path);
                else
                    observation.Answer(signal);
            }

            await giveUp.CancelAsync().ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            // Everything ended by itself.
        }
    }

    private static void Say(IEnumerable<string> lines)
    {
        foreach (string line in lines)
            Screen.Complain(Tone.Bad, line);
    }
}
