using System.Net;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// The admin page of the built program in a real browser: what runs is shown and refreshed, on a wide screen and on a phone, in the dark, for the
/// keyboard, and whatever proxies and clients are called. Screenshots lie beside the tests, in `screenshots/`.
/// </summary>
public sealed class AdminPageTests
{
    private const string Hostile = "<script>document.title='taken'</script>";
    private const string ProxyRows = "document.querySelectorAll('#proxies tr').length";
    private const string ConnectionRows = "document.querySelectorAll('#connections tr').length";
    private const string FitsTheScreen = "document.documentElement.scrollWidth <= window.innerWidth";
    private const string Focus = "document.activeElement.id || document.activeElement.className";

    private static string Screenshot(string name) => Path.Combine(AppContext.BaseDirectory, "screenshots", $"{name}.png");

    private static async Task<string> UrlAsync(BitflowProcess bitflow)
    {
        await bitflow.SaysAsync("admin server: listening on ");
        return $"http://{bitflow.AdminAddress()}/";
    }

    [Fact]
    public async Task The_page_shows_proxies_rates_and_live_connections_refreshes_itself_and_obeys_the_keyboard()
    {
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("shop.example");
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: first, address: '{{target.Address}}' }, { name: second, address: '127.0.0.1:9' } ]
              options: { connection_load_balancer: failover, connection_limit: 3 }
            - name: "{{Hostile}}"
              listener: { address: '127.0.0.2:0', tls_context: { certificates: [ {{certificate.Entry}} ] } }
              targets: [ { name: '<img src=x onerror=fail()>', address: '{{target.Address}}' } ]
            """,
            "  admin: { address: '127.0.0.1:0' }\n");
        string url = await UrlAsync(bitflow);
        int secure = int.Parse(bitflow.Errors.Split("listening on 127.0.0.2:")[1].Split('\n')[0], System.Globalization.CultureInfo.InvariantCulture);
        using Socket plain = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await plain.SendAllAsync("hello"u8.ToArray());
        await plain.ReadExactlyAsync(5);
        using TestEnd tls = await TestEnd.ClientAsync(await SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Parse("127.0.0.2"), secure)), "shop.example");
        await tls.SendAsync("hello"u8.ToArray());
        await tls.ReadExactlyAsync(5);

        await using Chromium page = await Chromium.OpenAsync(url, 1300, 700);
        await page.ShowsAsync($"{ProxyRows} === 2 && {ConnectionRows} === 2");
        Assert.Equal("serving", await page.AskAsync("document.getElementById('state').textContent"));
        string[] proxies = (await page.AskAsync("document.getElementById('proxies').innerText")).Split('\n');
        Assert.Contains(proxies, line => line.StartsWith("web", StringComparison.Ordinal) && line.Contains("1 of 3", StringComparison.Ordinal) && line.Contains(bitflow.EndPoint().ToString(), StringComparison.Ordinal));
        Assert.Contains(proxies, line => line.Contains($"first {target.Address}", StringComparison.Ordinal));
        Assert.Contains(proxies, line => line.Contains("<img src=x onerror=fail()>", StringComparison.Ordinal));
        string[] connections = (await page.AskAsync("document.getElementById('connections').innerText")).Split('\n');
        Assert.Contains(connections, line => line.Contains(Hostile, StringComparison.Ordinal) && line.Contains("shop.example", StringComparison.Ordinal) && line.Contains("relay", StringComparison.Ordinal));
        Assert.Contains(connections, line => line.Contains(plain.LocalEndPoint!.ToString()!, StringComparison.Ordinal) && line.Contains("5 B", StringComparison.Ordinal));

        // Names are text: nothing of them ran, nothing became an element.
        Assert.Equal("2 open – Bitflow", await page.AskAsync("document.title"));
        Assert.Equal("1 0", await page.AskAsync("document.querySelectorAll('script').length + ' ' + document.querySelectorAll('img').length"));

        // Bytes that move, and a connection that comes, are seen without a hand.
        using var stop = new CancellationTokenSource();
        Task traffic = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await plain.SendAllAsync(new byte[10_000]);
                await plain.ReadExactlyAsync(10_000);
                await Task.Delay(5);
            }
        });
        await page.ShowsAsync("/ [kM]B\\/s$/.test(document.querySelectorAll('#proxies tr')[0].cells[3].textContent)");
        using Socket another = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await page.ShowsAsync($"{ConnectionRows} === 3 && document.title === '3 open – Bitflow'");
        await page.ScreenshotAsync(Screenshot("two-wide"));

        // Tab goes through what can be used, in the order of reading.
        var order = new List<string>();
        for (int i = 0; i < 4; i++)
        {
            await page.PressAsync("Tab", "Tab", 9);
            order.Add(await page.AskAsync(Focus));
        }

        Assert.Equal(["pause", "filter", "scroll", "scroll"], order);
        Assert.Equal("p f", await page.AskAsync("document.getElementById('pause').accessKey + ' ' + document.getElementById('filter').accessKey"));
        await page.PressAsync("/", "Slash", 191, "/");
        Assert.Equal("filter", await page.AskAsync(Focus));
        await page.TypeAsync("shop.ex");
        await page.ShowsAsync($"{ConnectionRows} === 1 && {ProxyRows} === 0");
        await page.AskAsync("document.getElementById('filter').select()");
        await page.TypeAsync("web first");
        await page.ShowsAsync($"{ConnectionRows} === 2 && {ProxyRows} === 1");
        await page.AskAsync("document.getElementById('filter').select()");
        await page.PressAsync("Delete", "Delete", 46);
        await page.ShowsAsync($"{ProxyRows} === 2");
        await page.AskAsync("document.getElementById('pause').focus()");
        await page.PressAsync(" ", "Space", 32, " ");
        await page.ShowsAsync("document.getElementById('pause').ariaPressed === 'true' && document.getElementById('state').textContent === 'paused'");
        await page.PressAsync(" ", "Space", 32, " ");
        await page.ShowsAsync("document.getElementById('state').textContent === 'serving'");

        await page.DarkenAsync();
        await page.ScreenshotAsync(Screenshot("two-dark"));
        await page.ResizeAsync(390, 844);
        await page.ShowsAsync(FitsTheScreen);
        await page.ScreenshotAsync(Screenshot("two-phone"));

        // No other origin, and nothing that the browser had to refuse.
        Assert.All(page.Requests, request => Assert.True(
            request.StartsWith(url, StringComparison.Ordinal) || request == "data:,", request));
        Assert.Contains(url + "connections", page.Requests);
        Assert.Empty(page.Complaints);

        await stop.CancelAsync();
        await traffic;
        bitflow.Signal("TERM");
        await page.ShowsAsync("document.getElementById('state').textContent === 'starting or draining'");
        bitflow.Signal("TERM");
        await page.ShowsAsync("document.getElementById('state').textContent === 'does not answer' && document.getElementById('main').className === 'stale'");
    }

    [Fact]
    public async Task Fifty_proxies_and_no_connection_are_shown_in_order_and_fit_every_screen()
    {
        string[] names = [.. Enumerable.Range(1, 50).Select(static number => $"service-{number}")];
        string proxies = string.Concat(names.Select(static name =>
            $$"""
            - name: {{name}}
              listener: { address: '127.0.0.1:0' }
              targets:
              - { name: primary-in-a-data-centre-far-away, address: 'a-very-long-host-name.in-a-department.internal.example.com:5432' }
              - { name: secondary, address: '127.0.0.1:9' }
              options: { connection_load_balancer: failover }

            """));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(proxies, "  admin: { address: '127.0.0.1:0' }\n");
        await using Chromium page = await Chromium.OpenAsync(await UrlAsync(bitflow), 1300, 900);
        await page.ShowsAsync($"{ProxyRows} === 50");
        Assert.Equal(string.Join(' ', names), await page.AskAsync("[...document.querySelectorAll('#proxies tr')].map(row => row.cells[0].textContent).join(' ')"));
        Assert.Equal("No connection is open.", await page.AskAsync("document.getElementById('none').innerText"));
        Assert.Equal("true", await page.AskAsync(FitsTheScreen));
        await page.ScreenshotAsync(Screenshot("fifty-wide"));
        await page.ResizeAsync(360, 780);
        await page.ShowsAsync(FitsTheScreen);
        await page.ScreenshotAsync(Screenshot("fifty-phone"));
    }
}
