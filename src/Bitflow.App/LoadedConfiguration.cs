using System.Globalization;
using Bitflow.App.Reporting;
using Bitflow.App.Terminal;
using Bitflow.Domain;
using Bitflow.Net.Files;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Microsoft.FSharp.Collections;
using Microsoft.FSharp.Core;

namespace Bitflow.App;

/// <summary>
/// A configuration with everything loaded that its file names, nothing bound: what `check` looks at, starting starts from, and a reload
/// goes over to.
/// </summary>
internal sealed class LoadedConfiguration
{
    private LoadedConfiguration(ConfigSnapshot snapshot, LoadedTls tls, IEnumerable<string> warnings)
    {
        Snapshot = snapshot;
        Tls = tls;
        Warnings = warnings;
    }

    public ConfigSnapshot Snapshot { get; }

    public Config Config => Snapshot.Config;

    public LoadedTls Tls { get; }

    /// <summary>What is doubtful, a line each, with its place in the file; written out when it is asked for.</summary>
    public IEnumerable<string> Warnings { get; }

    /// <summary>What is in the way at the paths of sockets and connection logs, here and now: looked for when it is asked, since a start opens them and says more.</summary>
    public required IEnumerable<string> PathDoubts { get; init; }

    /// <summary>Null where the file cannot be served; <paramref name="errors"/> then holds every reason.</summary>
    public static LoadedConfiguration? Load(string path, out IReadOnlyList<string> errors)
    {
        ConfigReading? reading = ConfigLoading.Read(path, out string problem);
        if (reading is null)
        {
            errors = [problem];
            return null;
        }

        return Of(path, reading, out errors);
    }

    /// <summary>The same of a file that was read.</summary>
    public static LoadedConfiguration? Of(string path, ConfigReading reading, out IReadOnlyList<string> errors)
    {
        if (!reading.IsUsable)
        {
            errors = reading.Errors;
            return null;
        }

        var files = new NamedFiles();
        using var progress = new Progress();
        int certificates = 0;
        LoadedTls tls = LoadedTls.Load(
            reading.Config,
            files,
            TimeProvider.System,
            () =>
            {
                certificates++;
                progress.Report(() => string.Create(CultureInfo.InvariantCulture, $"{path}: {certificates:N0} certificates loaded"));
            });
        errors = [.. tls.Findings.Where(static f => f.IsError).Select(f => reading.Line(f.Path, f.Message))];
        if (errors.Count > 0)
            return null;
        IEnumerable<string> doubts = tls.Findings.Select(f => reading.Line(f.Path, f.Message));
        ConfigSnapshot snapshot = SnapshotOf(reading.Config, files);
        int toOpen = ReloadPlanModule.OfStart(snapshot).DescriptorsToOpen;
        if (DescriptorBudget.Foreseen(Libc.DescriptorLimit(), Environment.ProcessorCount, reading.Config, toOpen) is { IsSome: true, Value: var shortage })
            doubts = doubts.Append(reading.Line("server.proxies", shortage));
        if (reading.Config.Application.SentryDsn is { Value: { } dsn } && !SentryReporter.CanSpeakTo(dsn))
            doubts = doubts.Append(reading.Line("application.sentry_dsn", $"nothing will be reported: {PlatformTls.Missing}"));
        return new LoadedConfiguration(snapshot, tls, WarningsOf(reading, doubts)) { PathDoubts = DoubtsOfPaths(reading) };
    }

    private static IEnumerable<string> WarningsOf(ConfigReading reading, IEnumerable<string> doubts)
    {
        foreach (string warning in reading.Warnings)
            yield return warning;
        foreach (string doubt in doubts)
            yield return doubt;
    }

    private static IEnumerable<string> DoubtsOfPaths(ConfigReading reading)
    {
        IEnumerable<(string Place, Address? Address)> listeners = reading.Config.Proxies
            .Select(static (proxy, index) => ($"server.proxies[{index}].listener.address", (Address?)proxy.Listener.Address))
            .Append(("application.admin.address", reading.Config.Application.Admin?.Value));
        foreach ((string place, Address? address) in listeners)
        {
            if (address is Address.UnixPath socket && PathDoubt.OfListener(PathLook.At(socket.path)) is { IsSome: true, Value: var doubt })
                yield return reading.Line(place, $"{Shown.Escaped(socket.path)}: {doubt}");
        }

        IEnumerable<(string Place, string? Path)> logs = reading.Config.Proxies
            .Select(static (proxy, index) => ($"server.proxies[{index}].options.connection_log", proxy.Options.ConnectionLog?.Value));
        foreach ((string place, string? path) in logs)
        {
            if (path is not null && PathDoubt.OfLog(PathLook.At(path)) is { IsSome: true, Value: var doubt })
                yield return reading.Line(place, $"{Shown.Escaped(path)}: {doubt}");
        }
    }

    /// <summary>The same for a process that hears signals: a file may be one that keeps its reader waiting, a named pipe for example. The thread is its own, and the pool's are not there yet at a start (decision 10).</summary>
    /// <exception cref="OperationCanceledException">The token fired first; whoever reads is left alone with it.</exception>
    public static Task<LoadAttempt> LoadAsync(string path, CancellationToken giveUp)
    {
        try
        {
            return Task.Factory.StartNew(Attempt, giveUp, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(giveUp);
        }
        catch (TaskSchedulerException)
        {
            // No further thread is to be had (pids.max): a reload waits until one of the pool's is free.
            return Task.Run(Attempt, giveUp).WaitAsync(giveUp);
        }

        LoadAttempt Attempt() => new(Load(path, out IReadOnlyList<string> errors), errors);
    }

    /// <summary>The same for a command: null where the file cannot be served, and every reason is then on standard error.</summary>
    public static LoadedConfiguration? LoadOrSay(string path)
    {
        LoadedConfiguration? loaded = Load(path, out IReadOnlyList<string> errors);
        foreach (string line in errors)
            Screen.Complain(Tone.Bad, line);
        return loaded;
    }

    /// <summary>A configuration as a reload compares it: with digests of the files that it names.</summary>
    public static ConfigSnapshot SnapshotOf(Config config, NamedFiles files) => new(config, files.Digests(ReloadPlanModule.Files(config)));

    /// <summary>The listener's rules for hellos; null where it terminates no TLS, or there is no such proxy.</summary>
    public ListenerTlsRules? TlsOf(string proxyName) =>
        Config.Proxies.FirstOrDefault(p => p.Name == proxyName) is { } proxy ? Tls.Of(proxy).Listener?.Rules : null;

    /// <summary>What the certificates say that a proxy shows.</summary>
    public ShownCertificates CertificatesOf(string proxyName)
    {
        ProxyTls tls = Tls.Of(Config.Proxies.First(p => p.Name == proxyName));
        return new ShownCertificates(
            ListModule.OfSeq(tls.Listener?.Certificates ?? []),
            ListModule.OfSeq(tls.Targets.Select(static target => OptionModule.OfObj(target?.Shown))));
    }
}
