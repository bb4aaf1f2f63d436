using System.Globalization;
using System.Net.Sockets;
using System.Text.Json;
using Bitflow.Domain;
using Spectre.Console;

namespace Bitflow.App.Commands;

/// <summary>
/// `bitflow top`: the proxies of a running Bitflow in a terminal, once a second, through its admin server. Where the output is no terminal,
/// one table and an end: for a look from a script.
/// </summary>
internal static class TopCommand
{
    private static readonly TimeSpan Interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(5);

    public static async Task<int> RunAsync(Address admin)
    {
        using var signals = new Signals();
        using HttpClient client = ClientFor(admin);
        try
        {
            ProxyRow[] rows = await ReadAsync(client).ConfigureAwait(false);
            if (Console.IsOutputRedirected)
            {
                AnsiConsole.Write(TableOf(rows, rows));
                return ExitStatus.Done;
            }

            using var stop = new CancellationTokenSource();
            Task stopped = StopAsync(signals, stop);
            await AnsiConsole.Live(TableOf(rows, rows)).StartAsync(async live =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await Task.Delay(Interval, stop.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                    ProxyRow[] next = await ReadAsync(client).ConfigureAwait(false);
                    live.UpdateTarget(TableOf(next, rows));
                    rows = next;
                }
            }).ConfigureAwait(false);
            await stopped.ConfigureAwait(false);
            return ExitStatus.Done;
        }
        catch (Exception e) when (e is HttpRequestException or TaskCanceledException or JsonException)
        {
            await Console.Error.WriteLineAsync($"bitflow top: {admin} does not answer as an admin server: {e.Message}").ConfigureAwait(false);
            await Console.Error.WriteLineAsync("Is it the application.admin.address of a Bitflow that runs?").ConfigureAwait(false);
            return ExitStatus.Failed;
        }
    }

    private static async Task StopAsync(Signals signals, CancellationTokenSource stop)
    {
        while (await signals.NextAsync().ConfigureAwait(false) != Signal.Stop)
        {
            // Only an end means something here.
        }

        await stop.CancelAsync().ConfigureAwait(false);
    }

    private static HttpClient ClientFor(Address admin)
    {
        string? path = admin switch
        {
            Address.UnixPath unix => unix.path,
            Address.UnixAbstract name => "\0" + name.name,
            _ => null,
        };
        var handler = new SocketsHttpHandler { UseProxy = false };
        if (path is not null)
        {
            handler.ConnectCallback = async (_, token) =>
            {
                var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
                try
                {
                    await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), token).ConfigureAwait(false);
                    return new NetworkStream(socket, ownsSocket: true);
                }
                catch
                {
                    socket.Dispose();
                    throw;
                }
            };
        }

        string authority = admin is Address.Tcp tcp ? $"{tcp.host}:{tcp.port}" : "localhost";
        return new HttpClient(handler) { BaseAddress = new Uri($"http://{authority}/"), Timeout = Patience };
    }

    private static async Task<ProxyRow[]> ReadAsync(HttpClient client)
    {
        using JsonDocument document = JsonDocument.Parse(await client.GetByteArrayAsync(new Uri("proxies", UriKind.Relative)).ConfigureAwait(false));
        return [.. document.RootElement.EnumerateArray().Select(static proxy => new ProxyRow(
            proxy.GetProperty("name").GetString() ?? "",
            string.Join(", ", proxy.GetProperty("bound").EnumerateArray().Select(static b => b.GetString())),
            proxy.GetProperty("open_connections").GetInt64(),
            proxy.GetProperty("connection_limit").GetInt64(),
            proxy.GetProperty("admitted").GetInt64(),
            proxy.GetProperty("source_sent_bytes").GetInt64(),
            proxy.GetProperty("destination_receive_bytes").GetInt64()))];
    }

    private static Table TableOf(ProxyRow[] now, ProxyRow[] before)
    {
        Table table = new Table().Border(TableBorder.Simple).AddColumn("proxy").AddColumn("listening on");
        foreach (string column in new[] { "open", "limit", "admitted", "new/s", "from clients/s", "from targets/s" })
            table.AddColumn(new TableColumn(column).RightAligned());
        foreach (ProxyRow row in now)
        {
            // A proxy that was not there a second ago has moved nothing since.
            ProxyRow was = Array.Find(before, b => b.Name == row.Name) ?? row;
            table.AddRow(
                Markup.Escape(row.Name),
                Markup.Escape(row.Bound),
                Number(row.Open),
                row.Limit == 0 ? "-" : Number(row.Limit),
                Number(row.Admitted),
                Number(Math.Max(0, row.Admitted - was.Admitted)),
                Bytes(Math.Max(0, row.FromClients - was.FromClients)),
                Bytes(Math.Max(0, row.FromTargets - was.FromTargets)));
        }

        return table;
    }

    private static string Number(long value) => value.ToString("N0", CultureInfo.InvariantCulture);

    private static string Bytes(long value) => value switch
    {
        < 10_000 => string.Create(CultureInfo.InvariantCulture, $"{value} B"),
        < 10_000_000 => string.Create(CultureInfo.InvariantCulture, $"{value / 1e3:F0} kB"),
        _ => string.Create(CultureInfo.InvariantCulture, $"{value / 1e6:F0} MB"),
    };

    private sealed record ProxyRow(string Name, string Bound, long Open, long Limit, long Admitted, long FromClients, long FromTargets);
}
