using System.Globalization;
using Bitflow.Domain;
using Spectre.Console;
using Spectre.Console.Rendering;

namespace Bitflow.App.Commands.Top;

/// <summary>What is shown, as text of so many lines. Names are text, never Spectre's markup.</summary>
internal static class TopScreen
{
    /// <summary>Lines that are no row: two of the head, a free one before each table and its titles.</summary>
    private const int OtherLines = 6;

    /// <summary>Rows of connections that are seen however many proxies there are.</summary>
    private const int FewestConnections = 3;

    public static readonly Style Faint = new(decoration: Decoration.Dim);
    private static readonly Style Bad = new(Color.Red, decoration: Decoration.Bold);

    public static IRenderable Whole(Address admin, TopSample sample, string problem, int width, int height)
    {
        int rows = Math.Max(0, height - OtherLines);
        int connections = Math.Min(sample.Connections.Count, Math.Max(FewestConnections, rows - sample.Proxies.Count));
        int proxies = Math.Max(1, rows - connections);
        IEnumerable<IRenderable> lines =
        [
            Head(admin, sample, problem, width),
            new Text("q quits", Faint),
            Text.Empty,
            .. Proxies(sample, proxies).Lines(width),
            .. More(sample.Proxies.Count, proxies, "proxies"),
            Text.Empty,
            .. Connections(sample.Connections, connections).Lines(width),
            .. More(sample.Connections.Count, connections, "connections"),
        ];
        return new Rows(lines.Take(height));
    }

    public static TopTable Proxies(TopSample sample, int rows)
    {
        var table = new TopTable("proxy", ">open", ">new/s", "failing", ">from clients", ">from targets", ">admitted", "<listening on", "policy", "targets");
        foreach (TopProxy proxy in sample.Proxies.Take(Fitting(sample.Proxies.Count, rows)))
        {
            bool full = proxy.Limit > 0 && proxy.Open >= proxy.Limit;
            table.Add(
                (proxy.Name, Style.Plain),
                (proxy.Limit > 0 ? $"{Number(proxy.Open)} of {Number(proxy.Limit)}" : Number(proxy.Open), full ? Bad : Style.Plain),
                (Number(proxy.NewRate), Style.Plain),
                (proxy.Failing.Length > 0 ? proxy.Failing : "-", proxy.Failing.Length > 0 ? Bad : Faint),
                ($"{Bytes(proxy.FromClientsRate)}/s", Style.Plain),
                ($"{Bytes(proxy.FromTargetsRate)}/s", Style.Plain),
                (Number(proxy.Admitted), Style.Plain),
                (!proxy.IsConfigured ? "no longer configured" : proxy.Bound.Length > 0 ? proxy.Bound : "closed", Style.Plain),
                (proxy.Policy, Style.Plain),
                (proxy.Targets, Faint));
        }

        return table;
    }

    public static TopTable Connections(IReadOnlyList<TopConnection> all, int rows)
    {
        var table = new TopTable(">id", "proxy", "<client", "target", "phase", "server name", ">age", ">from client", ">from target");
        foreach (TopConnection connection in all.Take(Fitting(all.Count, rows)))
        {
            table.Add(
                (connection.Id.ToString(CultureInfo.InvariantCulture), Style.Plain),
                (connection.Proxy, Style.Plain),
                (connection.Client, Style.Plain),
                (connection.Target, Style.Plain),
                (connection.Phase, Style.Plain),
                (connection.ServerName, Style.Plain),
                (Age(connection.Age), Style.Plain),
                (Bytes(connection.FromClient), Style.Plain),
                (Bytes(connection.FromTarget), Style.Plain));
        }

        return table;
    }

    private static Text Head(Address admin, TopSample sample, string problem, int width)
    {
        if (problem.Length > 0)
            return new Text(TopTable.Cut($"{admin} is gone: {problem}. What it said last:", width), Bad);
        string sums = $"{Number(sample.Proxies.Sum(static p => p.Open))} open, {Number(sample.Proxies.Sum(static p => p.NewRate))} new/s, "
            + $"{Bytes(sample.Proxies.Sum(static p => p.FromClientsRate))}/s from clients, {Bytes(sample.Proxies.Sum(static p => p.FromTargetsRate))}/s from targets";
        return new Text(TopTable.Cut($"{admin} {(sample.IsReady ? "serves" : "starts or drains")}: {sums}", width), sample.IsReady ? Style.Plain : Bad);
    }

    /// <summary>As many as fit; where some do not, one line is for saying so.</summary>
    private static int Fitting(int all, int rows) => all <= rows ? all : Math.Max(0, rows - 1);

    private static IEnumerable<IRenderable> More(int all, int rows, string what) =>
        all > rows ? [new Text($"and {Number(all - Fitting(all, rows))} more {what}", Faint)] : [];

    private static string Number(double value) => value.ToString(value is > 0 and < 10 && value != Math.Floor(value) ? "F1" : "N0", CultureInfo.InvariantCulture);

    private static string Bytes(double value)
    {
        string[] units = ["B", "kB", "MB", "GB", "TB", "PB"];
        int unit = 0;
        for (; value >= 999.5 && unit < units.Length - 1; unit++)
            value /= 1000;
        string number = value.ToString(unit == 0 || value >= 99.95 ? "F0" : value >= 9.995 ? "F1" : "F2", CultureInfo.InvariantCulture);
        return $"{number} {units[unit]}";
    }

    private static string Age(TimeSpan age) => age switch
    {
        { TotalSeconds: < 60 } => string.Create(CultureInfo.InvariantCulture, $"{Math.Floor(age.TotalSeconds)} s"),
        { TotalHours: < 1 } => $"{age.Minutes} min {age.Seconds} s",
        { TotalDays: < 1 } => $"{age.Hours} h {age.Minutes} min",
        _ => $"{age.Days} d {age.Hours} h",
    };
}
