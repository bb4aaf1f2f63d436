using System.Diagnostics.CodeAnalysis;
using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Bitflow.Net.Transport;

namespace Bitflow.App;

/// <summary>
/// SIGHUP: reads the file again, opens everything new before anything switches, and leaves everything as it was where one thing fails.
/// Starting is the same, from nothing.
/// </summary>
[SuppressMessage("Design", "CA1001", Justification = "It lives as long as the process.")]
internal sealed class Reload(string path, Server server, ProgramLog log, Observation observation)
{
    /// <summary>How often it is looked whether a dropped connection log is still written to; also time for a connection that begins with what was before.</summary>
    private static readonly TimeSpan LogInterval = TimeSpan.FromSeconds(1);

    private readonly CertificateWatch _certificates = new(log);
    private CancellationTokenSource _nextReload = new();
    private Task _closingLogs = Task.CompletedTask;

    /// <summary>Whether the file is in force now.</summary>
    /// <param name="giveUp">The process is about to end: what is not switched to by then never is.</param>
    /// <exception cref="OperationCanceledException">It was given up; everything is as it was.</exception>
    public async Task<bool> RunAsync(CancellationToken giveUp)
    {
        try
        {
            LoadedConfiguration? loaded;
            IReadOnlyList<string> problems;
            using (new Reminder(() => log.StillReading(path)))
                (loaded, problems) = await LoadedConfiguration.LoadAsync(path, giveUp).ConfigureAwait(false);
            if (loaded is not null)
                problems = await TakeOnAsync(loaded, giveUp).ConfigureAwait(false);
            if (problems.Count > 0)
                log.ReloadFailed(path, problems);
            return problems.Count == 0;
        }
        catch (OperationCanceledException) when (giveUp.IsCancellationRequested)
        {
            log.ReloadGivenUp(path);
            throw;
        }
        catch (Exception e)
        {
            // A file that Bitflow stumbles over must not end what runs.
            log.ReloadFaulted(path, e);
            return false;
        }
    }

    /// <summary>Serves the configuration from now on, or says everything that stands in the way.</summary>
    /// <param name="loaded">The configuration.</param>
    /// <param name="giveUp">Fires where it is not wanted any more: until it is switched to, it can be given up.</param>
    /// <exception cref="OperationCanceledException">It was given up; everything is as it was.</exception>
    public async Task<IReadOnlyList<string>> TakeOnAsync(LoadedConfiguration loaded, CancellationToken giveUp)
    {
        // What is prepared is used by nobody yet, and must not be taken for unused.
        await _nextReload.CancelAsync().ConfigureAwait(false);
        await _closingLogs.ConfigureAwait(false);

        // Reloads may come faster than it is looked otherwise.
        await observation.CloseUnusedLogsAsync(server.NamedLogs(), server.UsedLogs()).ConfigureAwait(false);
        try
        {
            return await SwitchToAsync(loaded, giveUp).ConfigureAwait(false);
        }
        finally
        {
            _nextReload.Dispose();
            _nextReload = new CancellationTokenSource();
            _closingLogs = CloseUnusedLogsAsync(_nextReload.Token);
        }
    }

    private async Task<IReadOnlyList<string>> SwitchToAsync(LoadedConfiguration loaded, CancellationToken giveUp)
    {
        bool starts = server.Serving is null;
        Opened opened;
        using (new Reminder(() => log.StillOpening(path)))
            opened = starts ? Open(loaded, giveUp) : await UnlessGivenUpAsync(() => Open(loaded, giveUp), giveUp).ConfigureAwait(false);
        bool isComplete = false;
        try
        {
            giveUp.ThrowIfCancellationRequested();
            if (opened is not { Preparation: { } preparation, Admin: { } admin })
                return opened.Problems;

            // Whoever watches is there before the first client. What starts here may still fail, an assembly that cannot be loaded for example.
            await observation.ApplyAsync(loaded.Config, admin).ConfigureAwait(false);
            isComplete = true;
            log.Warnings(loaded.Warnings);
            await server.CommitAsync(preparation).ConfigureAwait(false);
            _certificates.Follow(loaded.Config, loaded.Tls);
            if (!starts)
                log.Reloaded(path, preparation.Plan);
            return [];
        }
        finally
        {
            if (!isComplete)
                opened.Undo();
        }
    }

    private Opened Open(LoadedConfiguration loaded, CancellationToken giveUp)
    {
        Preparation? preparation = server.Prepare(loaded.Snapshot, loaded.Tls, out IReadOnlyList<string> problems, giveUp);
        try
        {
            Address? toOpen = ReloadPlanModule.AdminToOpen(server.Serving?.Config.Application.Admin, loaded.Config.Application.Admin)?.Value;
            IReadOnlyList<ListeningSocket>? admin = observation.TryOpenAdmin(toOpen, server.PlanTo(loaded.Snapshot), out string problem, giveUp);
            return new Opened(preparation, admin, admin is null ? [.. problems, problem] : problems);
        }
        catch
        {
            preparation?.Undo();
            throw;
        }
    }

    /// <summary>
    /// A connection log on a disk that does not answer may keep whoever opens it: that is waited for only as long as it is wanted, and taken back if it comes after all. A start
    /// goes without: nobody is served yet, and what is awaited in it is compiled in it (decision 10).
    /// </summary>
    private static async Task<Opened> UnlessGivenUpAsync(Func<Opened> open, CancellationToken giveUp)
    {
        Task<Opened> opening = Task.Run(open, CancellationToken.None);
        try
        {
            return await opening.WaitAsync(giveUp).ConfigureAwait(false);
        }
        catch (OperationCanceledException)
        {
            _ = UndoAsync(opening);
            throw;
        }

        static async Task UndoAsync(Task<Opened> opening)
        {
            await ((Task)opening).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (opening.IsCompletedSuccessfully)
                opening.Result.Undo();
        }
    }

    /// <summary>What was opened for another configuration, and why not all of it was.</summary>
    private sealed record Opened(Preparation? Preparation, IReadOnlyList<ListeningSocket>? Admin, IReadOnlyList<string> Problems)
    {
        public void Undo()
        {
            Preparation?.Undo();
            foreach (ListeningSocket socket in Admin ?? [])
                socket.Undo();
        }
    }

    /// <summary>Until no log is left that only connections of earlier configurations write to.</summary>
    private async Task CloseUnusedLogsAsync(CancellationToken token)
    {
        bool isAnyLeft = true;
        while (isAnyLeft)
        {
            await Task.Delay(LogInterval, token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            if (token.IsCancellationRequested)
                return;
            isAnyLeft = await observation.CloseUnusedLogsAsync(server.NamedLogs(), server.UsedLogs()).ConfigureAwait(false);
        }
    }
}
