using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Thousands of connections that end in every way there is, side by side. Each leaves one line in the connection log, with the reason that
/// was to be, and nothing else: no descriptor, no memory. BITFLOW_ENDINGS sets how many (100000 for the long run).
/// </summary>
public sealed class EndingsTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static readonly int Connections =
        int.Parse(Environment.GetEnvironmentVariable("BITFLOW_ENDINGS") ?? "6000", CultureInfo.InvariantCulture);

    /// <summary>What a client does in one way of ending; throws nothing but what the way allows.</summary>
    private sealed record Way(string Proxy, Func<Socket, Task> Act, params string[] Reasons);

    private static readonly Way[] Ways =
    [
        new("echo", async s =>
        {
            await s.SendAllAsync("hello"u8.ToArray());
            s.Shutdown(SocketShutdown.Send);
            Assert.Equal(5, (await s.ReadToEndAsync()).Length);
        }, "client.relay.ended"),
        new("greeting", async s => Assert.Equal(2, (await s.ReadToEndAsync()).Length), "target.relay.ended"),
        new("probed", s =>
        {
            s.Dispose();
            return Task.CompletedTask;
        }, "client.relay.probe", "client.dial.probe"),
        new("reset", s =>
        {
            s.Reset();
            return Task.CompletedTask;
        }, "client.relay.probe", "client.dial.probe"),
        new("talked", async s =>
        {
            await s.SendAllAsync("hello"u8.ToArray());
            await s.ReadExactlyAsync(5);
            s.Reset();
        }, "client.relay.reset"),
        new("resetting", async s => Assert.Equal(2, (await s.ReadToResetAsync()).Length), "target.relay.reset"),
        new("full", s => ResetOrEndAsync(s), "bitflow.admission.limit"),
        new("closed", s => ResetOrEndAsync(s), "bitflow.admission.refused"),
        new("down", async s =>
        {
            await s.SendAllAsync(new byte[1000]);
            Assert.Empty(await s.ReadToEndAsync());
        }, "target.dial.refused"),
        new("hole", async s => Assert.Empty(await s.ReadToEndAsync()), "target.dial.connect_timeout"),
        new("left", async s =>
        {
            await s.SendAllAsync("GET /"u8.ToArray());
            await Task.Delay(20);
            s.Reset();
        }, "client.dial.reset"),
        new("idle", async s => Assert.Empty(await s.ReadToResetAsync()), "client.relay.read_timeout"),
        new("old", async s => Assert.Empty(await s.ReadToResetAsync()), "bitflow.relay.lifetime"),
        new("headed", async s =>
        {
            await s.SendAllAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
            Assert.Empty(await s.ReadToEndAsync());
        }, "client.proxy_header.protocol"),
        new("stalled", async s =>
        {
            await s.SendAllAsync("PROXY "u8.ToArray());
            Assert.Empty(await s.ReadToEndAsync());
        }, "client.proxy_header.handshake_timeout"),
    ];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Whatever_way_connections_end_each_is_logged_once_for_what_it_was_and_nothing_of_it_is_left(string engine)
    {
        using Peer echo = Peer.Echo();
        using Peer greeting = Peer.Serving(s => s.SendAllAsync("hi"u8.ToArray()));
        using Peer resetting = Peer.Serving(async s =>
        {
            await s.SendAllAsync("hi"u8.ToArray());
            await Task.Delay(1);
            s.Reset();
        });
        using var blackhole = new Blackhole();
        int down;
        using (var free = new Peer())
            down = free.Port;
        string folder = Directory.CreateTempSubdirectory("bitflow-endings-").FullName;
        string log = Path.Combine(folder, "connections.json");
        string Proxy(string name, string target, string listener = "", string dial = "", string options = "") =>
            $$"""
            - name: {{name}}
              listener: { address: '127.0.0.1:0' {{listener}} }
              targets: [ { name: a, address: '{{target}}' {{dial}} } ]
              options: { connection_log: '{{log}}' {{options}} }

            """;
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy("echo", echo.Address) + Proxy("greeting", greeting.Address) + Proxy("probed", echo.Address) + Proxy("reset", echo.Address)
            + Proxy("talked", echo.Address) + Proxy("resetting", resetting.Address) + Proxy("full", echo.Address, options: ", connection_limit: 1")
            + Proxy("closed", echo.Address, listener: ", authorized_sources: [ 10.0.0.1 ]") + Proxy("down", $"127.0.0.1:{down}")
            + Proxy("hole", blackhole.Address, dial: ", connect_timeout: 50ms") + Proxy("left", $"127.0.0.1:{down}", dial: ", connect_attempts: 9, connect_backoff: 1m")
            + Proxy("idle", echo.Address, listener: ", read_timeout: 200ms") + Proxy("old", echo.Address, options: ", connection_lifetime: 600ms")
            + Proxy("headed", echo.Address, listener: ", trusted_proxies: [ 127.0.0.1 ]")
            + Proxy("stalled", echo.Address, listener: ", trusted_proxies: [ 127.0.0.1 ], handshake_timeout: 50ms"),
            engine: engine);
        using Socket holder = await SocketWords.ConnectAsync(bitflow.EndPoint("full"));
        await holder.SendAllAsync("x"u8.ToArray());
        Assert.Single(await holder.ReadExactlyAsync(1));

        // What is loaded and pooled at the first use of each way is there before the count begins.
        int each = Math.Max(1, Connections / Ways.Length);
        int warmUp = Math.Max(1, each / 4);
        await EndAllAsync(bitflow, warmUp);
        await LoggedAsync(log, warmUp);
        int descriptors = bitflow.Descriptors();
        long resident = Resident(bitflow);
        await EndAllAsync(bitflow, each);
        List<ConnectionLog.Line> lines = await LoggedAsync(log, warmUp + each);
        foreach (Way way in Ways)
        {
            Assert.All(lines.Where(l => l.Name == way.Proxy), l => Assert.Contains(l.CloseReason, way.Reasons));
            Assert.Equal(warmUp + each, lines.Count(l => l.Name == way.Proxy));
        }

        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "no descriptor is left behind");
        Assert.True(Resident(bitflow) - resident < 60_000_000, $"{(Resident(bitflow) - resident) / 1e6:F0} MB more than before {each * Ways.Length} connections");
        Assert.DoesNotContain("fault of Bitflow", bitflow.Errors, StringComparison.Ordinal);

        // Nothing keeps the program but the connection that is open.
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("draining 1 connections");
        holder.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
        Directory.Delete(folder, recursive: true);
    }

    private static async Task EndAllAsync(BitflowProcess bitflow, int each)
    {
        using var atOnce = new SemaphoreSlim(120);
        await Task.WhenAll(Enumerable.Range(0, each).SelectMany(_ => Ways).Select(async way =>
        {
            await atOnce.WaitAsync();
            try
            {
                using Socket socket = await SocketWords.ConnectAsync(bitflow.EndPoint(way.Proxy));
                await way.Act(socket);
            }
            catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset && way.Proxy is ("full" or "closed" or "resetting" or "idle" or "old"))
            {
                // The reset came before the client had looked that it is connected: connecting itself heard of it.
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{way.Proxy}: {e.Message}", e);
            }
            finally
            {
                atOnce.Release();
            }
        }));
    }

    private static async Task<List<ConnectionLog.Line>> LoggedAsync(string log, int each)
    {
        List<ConnectionLog.Line> lines = [];
        long looked = 0;
        await Eventually.IsTrueAsync(
            () =>
            {
                if (Stopwatch.GetElapsedTime(looked).TotalMilliseconds < 200)
                    return false;
                lines = ConnectionLog.Read(log);
                looked = Stopwatch.GetTimestamp();
                return lines.Count >= each * Ways.Length;
            },
            $"{each * Ways.Length} connections are logged");
        return lines;
    }

    private static async Task ResetOrEndAsync(Socket socket)
    {
        try
        {
            Assert.Equal(0, await socket.ReceiveAsync(new byte[1]).WaitAsync(Eventually.Patience));
            Assert.Fail("it was to be reset");
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
        }
    }

    private static long Resident(BitflowProcess bitflow)
    {
        using var process = Process.GetProcessById(bitflow.Id);
        return process.WorkingSet64;
    }
}
