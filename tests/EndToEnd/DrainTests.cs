using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Stopping under load: what was accepted or queued ends by itself and loses no byte, new connections are refused, and only a second
/// signal or `shutdown_timeout` cuts anything off.
/// </summary>
public sealed class DrainTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static Task<BitflowProcess> StartAsync(string engine, string target, string application = "", string listener = "") =>
        BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0'{{listener}} }
              targets: [ { name: a, address: '{{target}}', connect_attempts: 10, connect_backoff: 50ms } ]
            """,
            application,
            engine: engine);

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_drain_under_load_loses_no_byte_and_ends_with_the_last_connection(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(engine, echo.Address);
        byte[] noise = SocketWords.Noise(1_000_000);
        var stopped = new TaskCompletionSource();
        Task[] connections = [.. Enumerable.Range(0, 50).Select(async i =>
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            Task sending = Task.Run(async () =>
            {
                // Half before the signal, half after it.
                await client.SendAllAsync(noise.AsMemory(0, 500_000));
                await stopped.Task;
                await client.SendAllAsync(noise.AsMemory(500_000));
                client.Shutdown(SocketShutdown.Send);
            });
            byte[] back = await client.ReadToEndAsync();
            await sending;
            Assert.Equal(noise, back);
        })];
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() > 100, "all are open");
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("no longer listening");
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => SocketWords.ConnectAsync(bitflow.EndPoint()));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        Assert.False(bitflow.HasExited);

        // Neither a reload nor anything else than a second stop matters now.
        bitflow.Signal("HUP");
        stopped.SetResult();
        await Task.WhenAll(connections);
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.Equal(50, bitflow.Errors.Split(".relay.ended:").Length - 1);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Two_hundred_starts_and_drains_lose_no_byte(string engine)
    {
        using Peer echo = Peer.Echo();

        // Half of them with each engine, four at a time.
        int left = 100;
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Decrement(ref left) >= 0)
            {
                using BitflowProcess bitflow = await StartAsync(engine, echo.Address);
                byte[] noise = SocketWords.Noise(100_000, left);
                Task<byte[]>[] answers = [.. Enumerable.Range(0, 5).Select(async _ =>
                {
                    using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
                    await client.SendAllAsync(noise);
                    client.Shutdown(SocketShutdown.Send);
                    return await client.ReadToEndAsync();
                })];
                using Socket last = await SocketWords.ConnectAsync(bitflow.EndPoint());
                bitflow.Signal(left % 2 == 0 ? "TERM" : "INT");
                await last.SendAllAsync(noise);
                last.Shutdown(SocketShutdown.Send);
                Assert.Equal(noise, await last.ReadToEndAsync());

                // Those that had not yet connected when the listener closed were refused; none was cut.
                foreach (Task<byte[]> answer in answers)
                {
                    try
                    {
                        Assert.Equal(noise, await answer);
                    }
                    catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionRefused)
                    {
                    }
                }

                last.Dispose();
                Assert.Equal(0, await bitflow.ExitAsync());
            }
        })));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_connection_that_still_dials_is_drained_too(string engine)
    {
        using var down = new Refusal();
        using BitflowProcess bitflow = await StartAsync(engine, down.Address);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("still here"u8.ToArray());
        await bitflow.SaysAsync("attempt 2:");
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("no longer listening");
        down.Dispose();
        using Peer echo = Peer.Echo(System.Net.IPEndPoint.Parse(down.Address));
        Assert.Equal(10, (await client.ReadExactlyAsync(10)).Length);
        Assert.False(bitflow.HasExited);
        client.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_second_signal_resets_the_rest_at_once(string engine)
    {
        using var peer = new Peer();
        using BitflowProcess bitflow = await StartAsync(engine, peer.Address);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket target = await peer.AcceptAsync();
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("no longer listening");
        await client.SendAllAsync("goes on"u8.ToArray());
        Assert.Equal(7, (await target.ReadExactlyAsync(7)).Length);
        long began = Stopwatch.GetTimestamp();
        bitflow.Signal("INT");
        Assert.Empty(await client.ReadToResetAsync());
        Assert.Empty(await target.ReadToResetAsync());
        Assert.Equal(1, await bitflow.ExitAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalSeconds, 0, 5);
        await bitflow.EndsWithAsync("bitflow.relay.shutdown");
    }

    /// <summary>What its target sent before a reset waits for a client that does not read: the reset is owed to the client still.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_second_signal_resets_a_client_too_that_was_waited_for_to_take_what_came_before_a_reset(string engine)
    {
        using var peer = new Peer();

        // The patience with the client's queue, which must last until the second signal.
        using BitflowProcess bitflow = await StartAsync(engine, peer.Address, listener: ", write_timeout: 1m");
        using var client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp) { ReceiveBufferSize = 4096 };
        await client.ConnectAsync(bitflow.EndPoint());
        using Socket target = await peer.AcceptAsync();
        await target.SendAllAsync(new byte[30_000]);
        _ = await client.ReadExactlyAsync(1);
        int relaying = Sockets();
        target.Reset();
        await Eventually.IsTrueAsync(() => Sockets() < relaying, "the target's side is closed");
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("no longer listening");
        bitflow.Signal("TERM");
        Assert.Equal(1, await bitflow.ExitAsync());
        await client.ReadToResetAsync();
        await bitflow.EndsWithAsync("target.relay.reset");

        int Sockets() => Directory.GetFiles($"/proc/{bitflow.Id}/fd").Count(
            static descriptor => new FileInfo(descriptor).LinkTarget?.StartsWith("socket:", StringComparison.Ordinal) == true);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_rest_is_reset_when_shutdown_timeout_is_over(string engine)
    {
        using var peer = new Peer();
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{peer.Address}}' } ]
            - name: dialling
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{blackhole.Address}}', connect_timeout: 1m } ]
            """,
            "  shutdown_timeout: 700ms\n",
            engine: engine);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket dialling = await SocketWords.ConnectAsync(bitflow.EndPoint("dialling"));
        using Socket target = await peer.AcceptAsync();
        bitflow.Signal("TERM");
        long began = Stopwatch.GetTimestamp();
        Assert.Empty(await client.ReadToResetAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 650, 4000);
        Assert.Empty(await target.ReadToResetAsync());
        Assert.Empty(await dialling.ReadToResetAsync());
        Assert.Equal(1, await bitflow.ExitAsync());
        await bitflow.EndsWithAsync("bitflow.relay.shutdown");
        await bitflow.EndsWithAsync("bitflow.dial.shutdown");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_drain_without_an_end_in_sight_costs_nothing(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(engine, echo.Address, "  shutdown_timeout: 2000000h\n");
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 500).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() > 1000, "all are open");
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("no longer listening");
        using var process = Process.GetProcessById(bitflow.Id);
        double spent = double.MaxValue;
        for (int look = 0; look < 10 && spent > 50; look++)
        {
            // What was being compiled in the background may take a while to be done.
            TimeSpan before = process.TotalProcessorTime;
            await Task.Delay(1000);
            process.Refresh();
            spent = (process.TotalProcessorTime - before).TotalMilliseconds;
        }

        Assert.InRange(spent, 0, 50);
        foreach (Socket client in clients)
            client.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
    }
}
