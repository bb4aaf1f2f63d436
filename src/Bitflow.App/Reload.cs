using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Bitflow.Net.Transport;

namespace Bitflow.App;

/// <summary>
/// SIGHUP: reads the file again, opens everything new before anything switches, and leaves everything as it was where one thing fails.
/// Starting is the same, from nothing.
/// </summary>
internal sealed class Reload(string path, Server server, ProgramLog log, Observation observation)
{
    public async Task RunAsync()
    {
        LoadedConfiguration? loaded = LoadedConfiguration.Load(path, out IReadOnlyList<string> problems);
        if (loaded is not null)
            problems = await TakeOnAsync(loaded).ConfigureAwait(false);
        if (problems.Count > 0)
            log.ReloadFailed(path, problems);
    }

    /// <summary>Serves the configuration from now on, or says everything that stands in the way.</summary>
    public async Task<IReadOnlyList<string>> TakeOnAsync(LoadedConfiguration loaded)
    {
        bool starts = server.Serving is null;
        Preparation? preparation;
        IReadOnlyList<ListeningSocket>? admin;
        IReadOnlyList<string> problems;
        string problem;
        using (new Reminder(() => log.StillOpening(path)))
        {
            preparation = server.Prepare(loaded.Snapshot, loaded.Tls, out problems);
            admin = observation.TryOpenAdmin(loaded.Config.Application, out problem);
        }

        if (preparation is null || admin is null)
        {
            preparation?.Undo();
            foreach (ListeningSocket socket in admin ?? [])
                socket.Undo();
            return admin is null ? [.. problems, problem] : problems;
        }

        // Whoever watches is there before the first client.
        await observation.ApplyAsync(loaded.Config, admin).ConfigureAwait(false);
        log.Warnings(loaded.Warnings);
        await server.CommitAsync(preparation).ConfigureAwait(false);
        if (!starts)
            log.Reloaded(path, ReloadPlanModule.Describe(preparation.Plan));
        return [];
    }
}
