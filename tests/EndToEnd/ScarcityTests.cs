using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// More clients than descriptors: accepting pauses while there is still room for dials and logs, says so once, costs nothing while it
/// lasts, leaves open connections alone, and goes on by itself. The admin server answers meanwhile.
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

        await CostsNothingAsync(bitflow);
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
        using BitflowProcess bitflow = await WithHeadersAsync(echo, engine);
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, Clients).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        await bitflow.SaysAsync("descriptors are scarce");
        await AllAreServedAsync(bitflow, clients);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>
    /// A shortage leaves gaps in the numbers, with descriptors in use above them: the number of a new descriptor then says little about how many are left.
    /// </summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task After_a_shortage_too_clients_that_wait_before_they_dial_leave_room_for_all_their_targets(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await WithHeadersAsync(echo, engine);

        // One after the other, so that the first have the low numbers; the last may have to wait.
        var early = new List<Socket>();
        Task scarce = bitflow.SaysAsync("descriptors are scarce");
        while (!scarce.IsCompleted)
        {
            Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync("PROXY UNKNOWN\r\nx"u8.ToArray());
            early.Add(client);
            await Task.WhenAny(client.ReadExactlyAsync(1), scarce);
        }

        await scarce;
        foreach (Socket client in early[..(early.Count * 2 / 3)])
            client.Dispose();
        await bitflow.SaysAsync("descriptors are free again");

        Socket[] silent = await Task.WhenAll(Enumerable.Range(0, 100).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split("descriptors are scarce").Length > 2, "they are more than there are descriptors for");
        await AllAreServedAsync(bitflow, silent);
        foreach (Socket client in early)
            client.Dispose();
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>Who is under way from the loop that took him to the one that will serve him is counted, whichever listener he came by.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Clients_of_several_listeners_leave_room_for_all_their_targets_together(string engine)
    {
        const int Clients = 1200;
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: one
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            - name: other
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            launcher: ["prlimit", "--nofile=300:300"]);
        await Task.WhenAll(Enumerable.Range(0, Clients).Select(async i =>
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint(i % 2 == 0 ? "one" : "other"));
            await client.SendAllAsync(new byte[] { 7 });
            Assert.Single(await client.ReadExactlyAsync(1));
        }));
        Assert.DoesNotContain("out of descriptors", bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(".dial.", bitflow.Errors, StringComparison.Ordinal);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>Whose clients say who they are before they are dialled for.</summary>
    private static Task<BitflowProcess> WithHeadersAsync(Peer echo, string engine) =>
        BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', trusted_proxies: [ 127.0.0.1 ], handshake_timeout: 5m }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            launcher: ["prlimit", "--nofile=256:256"]);

    /// <summary>All speak at once, and are served as others leave.</summary>
    private static async Task AllAreServedAsync(BitflowProcess bitflow, Socket[] clients)
    {
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
    }

    private static readonly string[] AdminPaths = ["/healthz", "/readyz", "/metrics", "/proxies", "/connections", "/"];

    private static string Web(Peer echo) => Web(echo.Address);

    private static string Web(string target) =>
        $$"""
        - name: web
          listener: { address: '127.0.0.1:0' }
          targets: [ { name: a, address: '{{target}}' } ]
        """;

    /// <summary>So many proxies, each with a connection log of its own.</summary>
    private static string Logged(Peer echo, int proxies, string folder) => Logged(echo.Address, proxies, folder);

    private static string Logged(string target, int proxies, string folder) =>
        string.Concat(Enumerable.Range(0, proxies).Select(i =>
            $$"""

            - name: logged{{i}}
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{target}}' } ]
              options: { connection_log: '{{folder}}/{{i}}.jsonl' }
            """));

    private const string Admin = "  admin: { address: '127.0.0.1:0' }\n";

    [Fact]
    public async Task The_admin_server_answers_while_clients_hold_all_the_descriptors_that_they_may()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), Admin, launcher: ["prlimit", "--nofile=256:256"]);
        Socket[] clients = await FillAsync(bitflow, 200);
        await AnswersAsync(bitflow);
        foreach (Socket client in clients)
            client.Dispose();
        await bitflow.SaysAsync("descriptors are free again");
        await AnswersAsync(bitflow);
    }

    /// <summary>Its first use among them: what is not loaded while there are descriptors never would be.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Clients_of_the_admin_server_beyond_the_descriptors_wait_at_no_cost(bool wasUsed)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), Admin, launcher: ["prlimit", "--nofile=200:200"]);
        await bitflow.SaysAsync("admin server: listening on ");
        if (wasUsed)
            await AnswersAsync(bitflow);
        IPEndPoint admin = IPEndPoint.Parse(bitflow.AdminAddress());
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 90).Select(_ => SocketWords.ConnectAsync(admin)));
        foreach (Socket client in clients)
            await client.SendAllAsync("GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n");
        await Eventually.IsTrueAsync(() => clients.Count(static client => client.Available > 0) > 20, "those that were accepted are answered");
        await CostsNothingAsync(bitflow);
        Assert.Contains(clients, static client => client.Available == 0);
        foreach (Socket client in clients)
            client.Dispose();
        await AnswersAsync(bitflow);
        using Socket served = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await served.SendAllAsync("x"u8.ToArray());
        Assert.Single(await served.ReadExactlyAsync(1));
    }

    [Fact]
    public async Task An_admin_server_for_which_too_few_descriptors_are_free_is_a_faulty_reload_and_starts_once_they_are()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), launcher: ["prlimit", "--nofile=200:200"]);
        Socket[] clients = await FillAsync(bitflow, 150);
        bitflow.Rewrite(Web(echo), Admin);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("application.admin.address: it needs 74 free descriptors to start, and ");
        await bitflow.SaysAsync("was not taken on; everything is as it was");
        foreach (Socket client in clients)
            client.Dispose();

        // Those that waited in the backlog are accepted still, and have descriptors until they are seen to have gone.
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split(" from 127.0.0.1:").Length > clients.Length, "all have ended");
        await bitflow.SaysAsync("descriptors are free again");
        bitflow.Signal("HUP");
        await AnswersAsync(bitflow);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_stop_that_has_no_descriptors_for_those_that_wait_says_how_many_it_resets(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), engine: engine, launcher: ["prlimit", "--nofile=200:200"]);
        Socket[] clients = await FillAsync(bitflow, 150);
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("were reset with it, for want of descriptors (");
        foreach (Socket client in clients)
            client.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>For want of a descriptor the runtime cannot start a thread, and aborts.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_reload_that_would_open_more_than_is_left_is_refused_and_taken_on_once_clients_have_left(string engine)
    {
        using Peer echo = Peer.Echo();
        using var folder = new TemporaryFolder();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), engine: engine, launcher: ["prlimit", "--nofile=256:256"]);
        Socket[] clients = await FillAsync(bitflow, 100);
        bitflow.Rewrite(Web(echo) + Logged(echo, 20, folder.Path), engine: engine);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("40 descriptors are needed for new listeners and connection logs, and ");
        await bitflow.SaysAsync(" of 256 are free for them; raise LimitNOFILE or ulimit -n, or try again when clients have left");
        await bitflow.SaysAsync("was not taken on; everything is as it was");
        Assert.Empty(Directory.GetFiles(folder.Path));
        await clients[0].SendAllAsync("x"u8.ToArray());
        Assert.Single(await clients[0].ReadExactlyAsync(1));

        foreach (Socket client in clients)
            client.Dispose();
        await bitflow.SaysAsync("descriptors are free again");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("proxy logged19: listening on ");
        using Socket served = await SocketWords.ConnectAsync(bitflow.EndPoint("logged19"));
        await served.SendAllAsync("x"u8.ToArray());
        Assert.Single(await served.ReadExactlyAsync(1));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_start_that_would_open_more_than_there_is_says_so_in_one_sentence(string engine)
    {
        using var folder = new TemporaryFolder();
        using var bitflow = BitflowProcess.Launch(Logged("127.0.0.1:9", 80, folder.Path), engine: engine, launcher: Limited(250));
        Assert.Equal(1, await bitflow.ExitAsync());
        int loops = engine == "managed" ? 1 : Environment.ProcessorCount;
        int free = 250 - (106 + 3 * loops) - 16;
        Assert.Equal($"bitflow: 160 descriptors are needed for new listeners and connection logs, and {free} of 250 are free for them; raise LimitNOFILE or ulimit -n\n", bitflow.Errors);
    }

    /// <summary>Looks at how many descriptors are free come at intervals: by those alone the last would wait for longer than a test has patience.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Who_comes_behind_a_crowd_that_left_at_once_does_not_wait_for_look_after_look(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Web(echo), engine: engine, launcher: ["prlimit", "--nofile=180:180"]);
        for (int i = 0; i < 4000; i++)
        {
            using Socket gone = await SocketWords.ConnectAsync(bitflow.EndPoint());
        }

        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("x"u8.ToArray());
        Assert.Single(await client.ReadExactlyAsync(1));
    }

    [Fact]
    public async Task A_limit_that_cannot_carry_the_clients_and_the_program_itself_is_said_at_the_start()
    {
        using Peer echo = Peer.Echo();
        foreach ((int clients, bool fits) in new[] { (490, false), (300, true) })
        {
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(
                $"{Web(echo)}\n  options: {{ connection_limit: {clients} }}", Admin, launcher: ["prlimit", "--nofile=1024:1024"], level: "info");
            Assert.Equal(!fits, bitflow.Errors.Contains($"connection_limit lets in {clients} connections", StringComparison.Ordinal));
        }
    }

    /// <summary>
    /// From the least with which the runtime comes up to the last that is refused; a command needs none of the loops' descriptors, but names them.
    /// </summary>
    [Theory]
    [InlineData(46)]
    [InlineData(52)]
    [InlineData(64)]
    [InlineData(88)]
    [InlineData(137)]
    public async Task With_too_few_descriptors_nothing_starts_and_one_sentence_says_so(int limit)
    {
        using var serves = BitflowProcess.Launch(Web("127.0.0.1:9"), launcher: Limited(limit));
        Assert.Equal(1, await serves.ExitAsync());
        int least = 138 + 3 * Environment.ProcessorCount;
        string needed = $"bitflow: no more than {limit} descriptors may be open, and Bitflow needs {least} to start; raise LimitNOFILE or ulimit -n\n";
        Assert.Equal(needed, serves.Errors);

        (int status, string output, string errors) = await ChildProcess.RunAsync("sh", [.. Limited(limit).Skip(1), Repository.Binary, "check", "--config", serves.ConfigPath]);
        Assert.Equal((1, "", needed), (status, output, errors));
    }

    [Theory]
    [InlineData(2)]
    [InlineData(64)]
    public async Task Every_processor_to_serve_on_asks_for_three_descriptors_more(int processors)
    {
        using Peer echo = Peer.Echo();
        int needed = 138 + 3 * processors;
        var environment = new Dictionary<string, string> { ["DOTNET_PROCESSOR_COUNT"] = $"{processors}" };
        using var refused = BitflowProcess.Launch(Web(echo.Address), environment: environment, launcher: Limited(needed - 1));
        Assert.Equal(1, await refused.ExitAsync());
        Assert.Equal($"bitflow: no more than {needed - 1} descriptors may be open, and Bitflow needs {needed} to start; raise LimitNOFILE or ulimit -n\n", refused.Errors);

        foreach (string engine in new[] { "managed", "linux" })
        {
            using BitflowProcess serves = await BitflowProcess.StartAsync(Web(echo.Address), environment: environment, launcher: Limited(needed), engine: engine);
            using Socket client = await SocketWords.ConnectAsync(serves.EndPoint());
            await client.SendAllAsync("x"u8.ToArray());
            Assert.Single(await client.ReadExactlyAsync(1));
        }
    }

    private static string[] Limited(int descriptors) => ["sh", "-c", $"ulimit -n {descriptors}; exec \"$0\" \"$@\""];

    /// <summary>Clients that are served until descriptors are scarce.</summary>
    /// <summary>So many clients that hold all the descriptors that they may. The program pauses before: while it dials, a target may be counted twice.</summary>
    private static async Task<Socket[]> FillAsync(BitflowProcess bitflow, int clients)
    {
        Socket[] all = await Task.WhenAll(Enumerable.Range(0, clients).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
        await bitflow.SaysAsync("descriptors are scarce");
        string limit = File.ReadLines($"/proc/{bitflow.Id}/limits").Single(static line => line.StartsWith("Max open files", StringComparison.Ordinal));
        int most = int.Parse(limit.Split(' ', StringSplitOptions.RemoveEmptyEntries)[3], CultureInfo.InvariantCulture) - DescriptorBudget.reservedDescriptors;

        // Less than what a connection needs is left, and the kernel counts numbers that it has only just set aside.
        await Eventually.IsTrueAsync(() => Held() > most - (2 * DescriptorBudget.descriptorsPerConnection), () => $"it holds {most} descriptors and not {Held()}; it said:\n{bitflow.Errors}");
        return all;

        int Held() => Directory.GetFiles($"/proc/{bitflow.Id}/fd").Length;
    }

    private static async Task AnswersAsync(BitflowProcess bitflow)
    {
        await bitflow.SaysAsync("admin server: listening on ");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}"), Timeout = Eventually.Patience };
        foreach (string path in AdminPaths)
        {
            using HttpResponseMessage answer = await http.GetAsync(path);
            Assert.True(answer.IsSuccessStatusCode, $"{path}: {answer.StatusCode}");
        }
    }

    /// <summary>Once what was compiled meanwhile is compiled.</summary>
    private static async Task CostsNothingAsync(BitflowProcess bitflow)
    {
        double share = 1;
        for (int look = 0; look < 10 && share >= 0.05; look++)
        {
            TimeSpan before = CpuTime(bitflow);
            long began = Stopwatch.GetTimestamp();
            await Task.Delay(1_000);
            share = (CpuTime(bitflow) - before) / Stopwatch.GetElapsedTime(began);
        }

        Assert.True(share < 0.05, $"{share:P1} of a processor while accepting is paused");
    }

    private static TimeSpan CpuTime(BitflowProcess bitflow)
    {
        using var process = Process.GetProcessById(bitflow.Id);
        return process.TotalProcessorTime;
    }
}
