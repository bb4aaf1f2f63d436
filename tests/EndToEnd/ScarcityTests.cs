using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// More clients than descriptors: accepting pauses while there is still room for dials and logs, says so once, costs nothing while it
/// lasts, leaves open connections alone, and goes on by itself.
/// </summary>
public sealed class ScarcityTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Accepting_pauses_and_resumes_by_itself_while_open_connections_go_on(string engine)
    {
        const int Clients = 400;
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            launcher: ["prlimit", "--nofile=256:256"]);

        // The backlog takes them all: those that are not accepted wait.
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        Task<byte[]>[] answers = [.. clients.Select(async client =>
        {
            await client.SendAllAsync(new byte[] { 7 });
            byte[] answer = new byte[1];
            int bytes = await client.ReceiveAsync(answer);
            return answer[..bytes];
        })];
        await bitflow.SaysAsync("descriptors are scarce");
        await Eventually.IsTrueAsync(() => answers.Count(a => a.IsCompleted) >= 50, "those that were accepted are served");

        // The pause costs nothing, once what was compiled meanwhile is compiled.
        double share = 1;
        for (int look = 0; look < 10 && share >= 0.05; look++)
        {
            TimeSpan before = CpuTime(bitflow);
            long began = Stopwatch.GetTimestamp();
            await Task.Delay(1_000);
            share = (CpuTime(bitflow) - before) / Stopwatch.GetElapsedTime(began);
        }

        Assert.True(share < 0.05, $"{share:P1} of a processor while accepting is paused");
        Assert.True(answers.Count(a => a.IsCompleted) < Clients);

        // Those that are open go on.
        int open = Array.FindIndex(answers, a => a.IsCompleted);
        Assert.Single(await answers[open]);
        await clients[open].SendAllAsync(new byte[] { 1, 2, 3 });
        Assert.Equal([1, 2, 3], await clients[open].ReadExactlyAsync(3));

        // One after the other leaves, and all the others have their turn.
        for (int i = 0; i < Clients; i++)
        {
            int done = Array.FindIndex(answers, a => a is { IsCompleted: true });
            if (done < 0)
                done = Array.IndexOf(answers, await Task.WhenAny(answers.Where(a => a is not null)).WaitAsync(Eventually.Patience));
            Assert.Equal([7], await answers[done]);
            answers[done] = null!;
            clients[done].Dispose();
        }

        await Eventually.IsTrueAsync(() => bitflow.Errors.Contains("descriptors are free again", StringComparison.Ordinal), "it says that accepting goes on");
        Assert.DoesNotContain("out of descriptors", bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(".dial.", bitflow.Errors, StringComparison.Ordinal);
        int episodes = bitflow.Errors.Split("descriptors are scarce").Length - 1;
        Assert.True(episodes < 60, $"said {episodes} times");
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>The reserve is there for logs and the runtime: who has not dialled yet will want a descriptor more, and is counted for two.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Clients_that_wait_before_they_dial_leave_room_for_all_their_targets(string engine)
    {
        const int Clients = 200;
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', trusted_proxies: [ 127.0.0.1 ], handshake_timeout: 5m }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            launcher: ["prlimit", "--nofile=256:256"]);
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        await bitflow.SaysAsync("descriptors are scarce");

        // All speak at once, and are served as others leave.
        await Task.WhenAll(clients.Select(async client =>
        {
            using (client)
            {
                await client.SendAllAsync("PROXY UNKNOWN\r\nx"u8.ToArray());
                Assert.Single(await client.ReadExactlyAsync(1));
            }
        }));
        Assert.DoesNotContain("out of descriptors", bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(".dial.", bitflow.Errors, StringComparison.Ordinal);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    private static TimeSpan CpuTime(BitflowProcess bitflow)
    {
        using var process = Process.GetProcessById(bitflow.Id);
        return process.TotalProcessorTime;
    }
}
