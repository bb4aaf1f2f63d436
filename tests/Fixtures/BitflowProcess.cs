using System.Globalization;
using System.Net;
using System.Text.RegularExpressions;

namespace Bitflow.Tests.Fixtures;

/// <summary>
/// The built program, run from outside as a user would, in a folder of its own. Listeners bind port 0 and their real ports are read
/// from the log, so that tests never collide. EXTRA_ENGINE (managed, linux) sets the engine for a whole run.
/// </summary>
internal sealed partial class BitflowProcess : ChildProcess
{
    private BitflowProcess(string folder, string configPath, IReadOnlyDictionary<string, string>? environment, IReadOnlyList<string>? launcher)
        : base(
            launcher is null ? Repository.Binary : launcher[0],
            launcher is null ? ["--config", configPath] : [.. launcher.Skip(1), Repository.Binary, "--config", configPath],
            // What the runtime leaves there when it is killed goes with the folder.
            new Dictionary<string, string>(environment ?? new Dictionary<string, string>()) { ["TMPDIR"] = folder })
    {
        Folder = folder;
        ConfigPath = configPath;
    }

    public string Folder { get; }

    public string ConfigPath { get; }

    /// <summary>Starts it and waits until every listener is bound.</summary>
    /// <param name="proxies">The `server.proxies` list, as YAML that begins with `- name:` at column 0.</param>
    /// <param name="application">Keys of `application` beside the log, indented by two.</param>
    /// <param name="environment">Variables beside those inherited.</param>
    /// <param name="launcher">A program, and its arguments, that starts the program (prlimit, systemd-socket-activate).</param>
    /// <param name="engine">`managed` or `linux`; null for the default.</param>
    /// <param name="level">Of the log; `info` where thousands of connections would fill it.</param>
    public static async Task<BitflowProcess> StartAsync(
        string proxies,
        string application = "",
        IReadOnlyDictionary<string, string>? environment = null,
        IReadOnlyList<string>? launcher = null,
        string? engine = null,
        string level = "debug")
    {
        BitflowProcess bitflow = Launch(proxies, application, environment, launcher, engine, level);
        try
        {
            await bitflow.SaysAsync(" serves ");
            return bitflow;
        }
        catch
        {
            bitflow.Dispose();
            throw;
        }
    }

    /// <summary>Starts it, whether or not it will serve.</summary>
    public static BitflowProcess Launch(
        string proxies,
        string application = "",
        IReadOnlyDictionary<string, string>? environment = null,
        IReadOnlyList<string>? launcher = null,
        string? engine = null,
        string level = "debug")
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-test-").FullName;
        string path = Path.Combine(folder, "config.yaml");
        File.WriteAllText(path, Configuration(proxies, application, engine, level));
        return new BitflowProcess(folder, path, environment, launcher);
    }

    /// <summary>Writes another configuration to the same file: what a reload will read.</summary>
    public void Rewrite(string proxies, string application = "", string? engine = null, string level = "debug") =>
        File.WriteAllText(ConfigPath, Configuration(proxies, application, engine, level));

    /// <summary>The port that a proxy's TCP listener was given.</summary>
    public int Port(string proxy = "web") => Ports(proxy)[^1];

    /// <summary>All TCP ports that a proxy listens on, in the order in which they were bound.</summary>
    public IReadOnlyList<int> Ports(string proxy = "web")
    {
        int[] ports = [.. ListeningLine().Matches(Errors)
            .Where(m => m.Groups["proxy"].Value == proxy && m.Groups["port"].Success)
            .Select(m => int.Parse(m.Groups["port"].Value, CultureInfo.InvariantCulture))];
        return ports.Length > 0 ? ports : throw new InvalidOperationException($"proxy {proxy} listens on no port:\n{Errors}");
    }

    public IPEndPoint EndPoint(string proxy = "web") => new(IPAddress.Loopback, Port(proxy));

    /// <summary>Where the admin server listens: `127.0.0.1:…` or a path.</summary>
    public string AdminAddress() => Errors.Split("admin server: listening on ")[1].Split('\n')[0].Trim();

    /// <summary>Waits until a connection's end is logged with this reason and these words; the line. Two connections are logged in no certain order.</summary>
    public async Task<string> EndsWithAsync(string reason, string words = "")
    {
        string? line = null;
        await Eventually.IsTrueAsync(
            () => (line = Errors.Split('\n').FirstOrDefault(l => l.Contains($": {reason}:", StringComparison.Ordinal) && l.Contains(words, StringComparison.Ordinal))) is not null,
            () => $"a connection ends with {reason} {words}; the log:\n{Errors}");
        return line!;
    }

    /// <summary>Open descriptors of the process, without those of its own file: the runtime opens one for each assembly that it comes to need.</summary>
    public int Descriptors() =>
        Directory.GetFiles($"/proc/{Id}/fd").Count(static descriptor => new FileInfo(descriptor).LinkTarget is { } target && target != Repository.Binary);

    public override void Dispose()
    {
        base.Dispose();
        try
        {
            Directory.Delete(Folder, recursive: true);
        }
        catch (IOException)
        {
            // A file that a child still holds; the folder is a temporary one.
        }
    }

    private static string Configuration(string proxies, string application, string? engine, string level)
    {
        engine ??= Environment.GetEnvironmentVariable("EXTRA_ENGINE");
        string engineLine = string.IsNullOrEmpty(engine) ? "" : $"  engine: {engine}\n";
        string indented = string.Concat(proxies.TrimEnd().Split('\n').Select(line => $"    {line}\n"));
        return $"application:\n  log:\n    level: {level}\n{engineLine}{application}\nserver:\n  proxies:\n{indented}";
    }

    [GeneratedRegex(@"proxy (?<proxy>\S+): listening on (?:\S*:(?<port>\d+))?")]
    private static partial Regex ListeningLine();
}
