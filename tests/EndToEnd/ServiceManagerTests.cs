using System.Net.Sockets;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>What a service manager hears of a start, a reload and an end; the test is the service manager.</summary>
public sealed class ServiceManagerTests
{
    private const string Proxy =
        """
        - name: web
          listener:
            address: "127.0.0.1:0"
          targets:
            - name: t
              address: "127.0.0.1:1"
        """;

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task It_hears_when_we_are_ready_when_we_reload_and_when_we_stop(bool isAbstract)
    {
        string path = isAbstract ? "@" + Guid.NewGuid().ToString("N") : Path.Combine(PeerProcess.NewHome(), "notify");
        using Socket manager = Listen(path);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy, environment: new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path });
        Assert.Equal("READY=1\nSTATUS=serving (proxies: 1, listeners: 1)", await HearAsync(manager));

        bitflow.Signal("HUP");
        string reloading = await HearAsync(manager);
        Assert.StartsWith("RELOADING=1\nMONOTONIC_USEC=", reloading, StringComparison.Ordinal);
        long told = long.Parse(reloading.Split('=')[2], System.Globalization.CultureInfo.InvariantCulture);
        double now = System.Diagnostics.Stopwatch.GetElapsedTime(0).TotalMicroseconds;
        Assert.InRange(told, now - 60_000_000, now);
        Assert.StartsWith("READY=1\n", await HearAsync(manager), StringComparison.Ordinal);

        // Ready again though the reload failed: what served before serves on.
        await File.WriteAllTextAsync(bitflow.ConfigPath, "nonsense");
        bitflow.Signal("HUP");
        Assert.StartsWith("RELOADING=1\n", await HearAsync(manager), StringComparison.Ordinal);
        Assert.Equal("READY=1\nSTATUS=serving (proxies: 1, listeners: 1); the last reload was refused", await HearAsync(manager));
        bitflow.Rewrite(Proxy);
        bitflow.Signal("HUP");
        Assert.StartsWith("RELOADING=1\n", await HearAsync(manager), StringComparison.Ordinal);
        Assert.Equal("READY=1\nSTATUS=serving (proxies: 1, listeners: 1)", await HearAsync(manager));

        bitflow.Signal("TERM");
        Assert.Equal("STOPPING=1\nSTATUS=draining (connections: 0)", await HearAsync(manager));
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    [Fact]
    public async Task Its_watchdog_hears_of_us_again_and_again()
    {
        string path = "@" + Guid.NewGuid().ToString("N");
        using Socket manager = Listen(path);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy, environment: new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path, ["WATCHDOG_USEC"] = "200000" });
        Assert.StartsWith("READY=1\n", await HearAsync(manager), StringComparison.Ordinal);
        for (int i = 0; i < 3; i++)
            Assert.Equal("WATCHDOG=1", await HearAsync(manager));
    }

    [Fact]
    public async Task One_whose_queue_is_full_hears_of_it_all_once_it_reads_and_holds_up_nothing_for_long()
    {
        string path = "@" + Guid.NewGuid().ToString("N");
        using Socket manager = Listen(path);
        using var crowd = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified) { Blocking = false };
        await crowd.ConnectAsync(new UnixDomainSocketEndPoint("\0" + path[1..]));
        Crowd();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy, environment: new Dictionary<string, string> { ["NOTIFY_SOCKET"] = path });

        // It is in no hurry.
        await Task.Delay(300);
        Assert.StartsWith("READY=1\n", await HearPastTheCrowdAsync(), StringComparison.Ordinal);
        Crowd();
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());

        void Crowd()
        {
            while (crowd.Send("STATUS=busy"u8, SocketFlags.None, out _) > 0)
            {
                // Until no more is taken.
            }
        }

        async Task<string> HearPastTheCrowdAsync()
        {
            string heard;
            do
            {
                heard = await HearAsync(manager);
            }
            while (heard == "STATUS=busy");
            return heard;
        }
    }

    [Theory]
    [InlineData("@nobody-listens-there")]
    [InlineData("/nonexistent/notify")]
    [InlineData("relative")]
    [InlineData("vsock:2:1")]
    public async Task One_that_cannot_be_reached_costs_nothing_but_a_warning(string address)
    {
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy, environment: new Dictionary<string, string> { ["NOTIFY_SOCKET"] = address });
        Assert.Contains($"NOTIFY_SOCKET is {(address.StartsWith("vsock", StringComparison.Ordinal) ? address : $"\"{address}\"")}", bitflow.Errors, StringComparison.Ordinal);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    private static Socket Listen(string path)
    {
        var socket = new Socket(AddressFamily.Unix, SocketType.Dgram, ProtocolType.Unspecified);
        socket.Bind(new UnixDomainSocketEndPoint(path[0] == '@' ? "\0" + path[1..] : path));
        return socket;
    }

    private static async Task<string> HearAsync(Socket manager)
    {
        byte[] buffer = new byte[4096];
        int bytes = await manager.ReceiveAsync(buffer).WaitAsync(Eventually.Patience);
        return Encoding.UTF8.GetString(buffer, 0, bytes);
    }
}
