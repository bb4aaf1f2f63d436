using Bitflow.Bench.Proxies;

namespace Bitflow.Bench.Measures;

/// <summary>The workloads, in the order of the report. Goals are those the project set itself.</summary>
internal static class Workloads
{
    public static IReadOnlyList<Workload> All { get; } =
    [
        Bulk("bulk-down", "Bulk, 4 streams to the client", Kind.Download, Service.Plain, 0.60),
        Bulk("bulk-up", "Bulk, 4 streams to the target", Kind.Upload, Service.Plain, 0.60),
        Requests("keep-alive", "Requests of 64 kept clients", Service.Plain, 60_000, 0.95),
        Connections("connect", "Connect, request, close", Service.Plain, 10_000, 0.95),
        Connections("header", "The same with a PROXY header sent", Service.Header, 10_000, 1.00),
        Connections("sni", "Routed by server name, passed through", Service.Sni, 8_000, 1.00) with { Kind = Kind.Hello },
        Connections("tls-handshake", "TLS, full handshakes", Service.Tls, 1_500, 1.00) with { Tls = true },
        Connections("tls-resumed", "TLS, resumed handshakes", Service.Tls, 2_000, 1.00) with { Tls = true, Resumes = true },
        Requests("tls-keep-alive", "TLS, requests of 64 kept clients", Service.Tls, 40_000, 1.00) with { Tls = true },
        Bulk("tls-bulk-down", "TLS bulk, 4 streams to the client", Kind.Download, Service.Tls, 1.00),
        Bulk("tls-bulk-up", "TLS bulk, 4 streams to the target", Kind.Upload, Service.Tls, 1.00),
        Special("idle", "Idle connections", Kind.Idle, Service.Plain),
        Special("idle-tls", "Idle TLS connections", Kind.Idle, Service.Tls) with { Tls = true },
        Special("start", "Start to first answer", Kind.Start, Service.Plain),
    ];

    /// <summary>The workloads of a comma list; all of them for none.</summary>
    public static IReadOnlyList<Workload> Named(string? names)
    {
        if (string.IsNullOrWhiteSpace(names))
            return All;
        string[] wanted = names.Split([',', ' '], StringSplitOptions.RemoveEmptyEntries);
        string? unknown = Array.Find(wanted, name => All.All(workload => workload.Name != name));
        return unknown is null
            ? [.. All.Where(workload => wanted.Contains(workload.Name))]
            : throw new BenchException($"WORKLOAD: \"{unknown}\" is none of {string.Join(", ", All.Select(each => each.Name))}");
    }

    private static Workload Bulk(string name, string title, Kind kind, Service service, double goal) =>
        new()
        {
            Name = name,
            Title = title,
            Kind = kind,
            Service = service,
            Tls = service == Service.Tls,
            Unit = "GB",
            ConnectsEach = true,
            Clients = 4,
            Units = 4,
            StreamBytes = service == Service.Tls ? 125_000_000 : 250_000_000,
            CpuGoal = goal,
        };

    private static Workload Requests(string name, string title, Service service, int units, double goal) =>
        new()
        {
            Name = name,
            Title = title,
            Kind = Kind.Requests,
            Service = service,
            Unit = "request",
            Clients = 64,
            Units = units,
            CpuGoal = goal,
        };

    private static Workload Connections(string name, string title, Service service, int units, double goal) =>
        new()
        {
            Name = name,
            Title = title,
            Kind = Kind.Requests,
            Service = service,
            Unit = "connection",
            ConnectsEach = true,
            Clients = 32,
            Units = units,
            CpuGoal = goal,
        };

    private static Workload Special(string name, string title, Kind kind, Service service) =>
        new() { Name = name, Title = title, Kind = kind, Service = service, Unit = kind == Kind.Idle ? "connection" : "start" };
}
