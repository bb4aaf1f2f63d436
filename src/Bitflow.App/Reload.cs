using Bitflow.App.Logging;
using Bitflow.Domain;
using Bitflow.Net.Proxies;

namespace Bitflow.App;

/// <summary>
/// SIGHUP: reads the file again, opens everything new before anything switches, and leaves everything as it was where one thing fails.
/// </summary>
internal sealed class Reload(string path, Server server, ProgramLog log, Observation observation)
{
    public async Task RunAsync()
    {
        LoadedConfiguration? loaded = LoadedConfiguration.Load(path, out IReadOnlyList<string> problems);
        Preparation? preparation = loaded is null ? null : server.Prepare(loaded.Snapshot, loaded.Tls, out problems);
        if (loaded is null || preparation is null)
        {
            log.ReloadFailed(path, problems);
            return;
        }

        await observation.ApplyAsync(loaded.Config.Application).ConfigureAwait(false);
        log.Warnings(loaded.Warnings);
        await server.CommitAsync(preparation).ConfigureAwait(false);
        log.Reloaded(path, ReloadPlanModule.Describe(preparation.Plan));
    }
}
