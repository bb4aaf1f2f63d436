namespace Bitflow.Bench.Proxies;

/// <summary>Everyone who enters. How each is set up, and why, stands in the comments of its template.</summary>
internal static class Contenders
{
    private static readonly HashSet<Service> Everything = [Service.Plain, Service.Tls, Service.Sni, Service.Header];
    private static readonly HashSet<Service> TlsAlone = [Service.Tls];

    public static IReadOnlyList<Contender> All(string bitflow, IReadOnlyDictionary<string, string> environment) =>
    [
        Bitflow("bitflow", bitflow, environment, "auto"),
        Bitflow("bitflow-managed", bitflow, environment, "managed"),
        Bitflow("bitflow-observed", bitflow, environment, "auto", isObserved: true),
        Haproxy("haproxy", "# Bytes are copied.", onlyBulk: false),
        // Splicing needs both sides plain; where it cannot be used HAProxy copies.
        Haproxy("haproxy-splice", "    option splice-auto", onlyBulk: true),
        Nginx("nginx", halfClose: "off", onlyShort: false),
        // What everyone else here does, and nginx does only when told: one side's end is passed on, and the other side's is awaited.
        Nginx("nginx-half-close", halfClose: "on", onlyShort: true),
        new()
        {
            Name = "hitch",
            Program = "hitch",
            Arguments = "--config={{config}}",
            Template = "hitch.conf",
            Services = TlsAlone,
            VersionArgument = "--version",
            Settings = new Dictionary<string, string>
            {
                ["hitch.user"] = Environment.IsPrivilegedProcess ? "user = \"nobody\"\ngroup = \"nogroup\"" : "",
            },
        },
        new()
        {
            Name = "stunnel",
            Program = "stunnel",
            Arguments = "{{config}}",
            Template = "stunnel.conf",
            Services = TlsAlone,
            VersionArgument = "-version",
        },
    ];

    /// <summary>An error would be reported where nobody listens; there is none.</summary>
    private const string Observation = """
          sentry_dsn: http://key@127.0.0.1:9/1
          metrics:
            address: 127.0.0.1:{{statsd}}
            prefix: bench
          admin:
            address: 127.0.0.1:{{admin}}
        """;

    private static Contender Bitflow(string name, string program, IReadOnlyDictionary<string, string> environment, string engine, bool isObserved = false) =>
        new()
        {
            Name = name,
            Program = program,
            Arguments = "--config {{config}}",
            Template = "bitflow.yaml",
            Services = Everything,
            VersionArgument = "--version",
            Environment = environment,
            IsOurs = true,
            IsObserved = isObserved,
            Settings = new Dictionary<string, string>
            {
                ["engine"] = engine,
                ["observation"] = isObserved ? Observation : "  # Nobody watches.",
                ["log"] = isObserved ? "connection_log: {{dir}}/connections.log" : "connection_limit: 0",
            },
        };

    private static Contender Haproxy(string name, string splice, bool onlyBulk) =>
        new()
        {
            Name = name,
            Program = "haproxy",
            Arguments = "-f {{config}}",
            Template = "haproxy.cfg",
            Services = Everything,
            OnlyBulk = onlyBulk,
            Settings = new Dictionary<string, string> { ["splice"] = splice },
        };

    private static Contender Nginx(string name, string halfClose, bool onlyShort) =>
        new()
        {
            Name = name,
            Program = "nginx",
            Arguments = "-p {{dir}} -c {{config}} -e stderr",
            Template = "nginx.conf",
            Services = Everything,
            OnlyShort = onlyShort,
            Settings = new Dictionary<string, string> { ["half.close"] = halfClose },
        };
}
