namespace Bitflow.Bench.Proxies;

/// <summary>A proxy in one set-up: how it is started, from which template of <c>bench/peers/</c>, and what it can do.</summary>
internal sealed record Contender
{
    public required string Name { get; init; }

    /// <summary>The program; a name is looked for on the path.</summary>
    public required string Program { get; init; }

    /// <summary>Its arguments, with <c>{{...}}</c> as in the template.</summary>
    public required string Arguments { get; init; }

    public required string Template { get; init; }

    public required IReadOnlySet<Service> Services { get; init; }

    /// <summary>What this set-up puts into the template beside what every one gets.</summary>
    public IReadOnlyDictionary<string, string> Settings { get; init; } = new Dictionary<string, string>();

    /// <summary>What its package starts it with in its environment.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether this is what the others are compared with, rather than one of them.</summary>
    public bool IsOurs { get; init; }

    /// <summary>Whether it enters only where streams are carried in bulk.</summary>
    public bool OnlyBulk { get; init; }

    /// <summary>Whether it enters only where connections carry a request each, in the clear.</summary>
    public bool OnlyShort { get; init; }

    /// <summary>Whether everyone watches it: statsd, a scrape a second, connection log, Sentry. It enters where requests are answered in the clear.</summary>
    public bool IsObserved { get; init; }

    /// <summary>The argument that makes it print its version; null where that is asked otherwise.</summary>
    public string VersionArgument { get; init; } = "-v";

    /// <summary>The program's path, or null where it is not installed.</summary>
    public string? Locate() =>
        Program.Contains('/', StringComparison.Ordinal)
            ? File.Exists(Program) ? Program : null
            : SearchPath.Select(directory => Path.Combine(directory, Program)).FirstOrDefault(File.Exists);

    /// <summary>Debian keeps servers in sbin, which is not on every user's path.</summary>
    private static IEnumerable<string> SearchPath =>
        (System.Environment.GetEnvironmentVariable("PATH") ?? "").Split(':').Concat(["/usr/sbin", "/usr/local/sbin", "/sbin"]);
}
