using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>`bitflow top` of the built program: piped and in a terminal, over TCP and Unix, at a wrong address, and while the server goes and comes.</summary>
public sealed class TopTests
{
    private static readonly Dictionary<string, string> Terminal = new() { ["TERM"] = "xterm-256color" };

    private static Task<BitflowProcess> StartAsync(Peer target, string admin) => BitflowProcess.StartAsync(
        $$"""
        - name: "web [bold]"
          listener: { address: '127.0.0.1:0' }
          targets: [ { name: first, address: '{{target.Address}}' }, { name: second, address: '127.0.0.1:9' } ]
          options: { connection_limit: 1, connection_load_balancer: failover }
        """,
        $"  admin: {{ address: '{admin}' }}\n");

    private static async Task<Socket> ConnectAsync(BitflowProcess bitflow)
    {
        string line = bitflow.Errors.Split("proxy web [bold]: listening on ")[1].Split('\n')[0].Trim();
        Socket client = await SocketWords.ConnectAsync(System.Net.IPEndPoint.Parse(line));
        await client.SendAllAsync("hello"u8.ToArray());
        await client.ReadExactlyAsync(5);
        return client;
    }

    /// <summary>In a terminal of its own, of 120 columns and 30 lines.</summary>
    private static ChildProcess InTerminal(string admin) =>
        new("script", ["-qec", $"stty rows 30 cols 120; exec '{Repository.Binary}' top '{admin}'", "/dev/null"], Terminal);

    private static string UnixPath() => Path.Combine(Path.GetTempPath(), $"bitflow-top-{Guid.NewGuid():N}.sock");

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task Piped_it_prints_proxies_and_connections_once_and_ends(bool unix)
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(target, unix ? $"unix:{UnixPath()}" : "127.0.0.1:0");
        await bitflow.SaysAsync("admin server: listening on ");
        using Socket client = await ConnectAsync(bitflow);
        (int status, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["top", bitflow.AdminAddress()]);
        Assert.True(status == 0 && errors.Length == 0, errors);
        string[] lines = output.Split('\n');
        Assert.Contains(lines, line => line.Contains("web [bold]", StringComparison.Ordinal) && line.Contains("1 of 1", StringComparison.Ordinal)
            && line.Contains("failover", StringComparison.Ordinal) && line.Contains($"first {target.Address}, second 127.0.0.1:9", StringComparison.Ordinal));
        Assert.Contains(lines, line => line.Contains(client.LocalEndPoint!.ToString()!, StringComparison.Ordinal) && line.Contains("relay", StringComparison.Ordinal)
            && line.Contains("5 B", StringComparison.Ordinal));
        Assert.DoesNotContain('\e', output);
    }

    [Theory]
    [InlineData(80)]
    [InlineData(200)]
    public async Task A_target_that_fails_is_seen_however_narrow_the_terminal_is(int columns)
    {
        using var down = new Refusal();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"- name: ledgers\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: brokenone, address: '{down.Address}' }} ]", "  admin: { address: '127.0.0.1:0' }\n");
        await bitflow.SaysAsync("admin server: listening on ");
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint("ledgers")))
            Assert.Empty(await client.ReadToEndAsync());
        using var top = new ChildProcess("script", ["-qec", $"stty rows 30 cols {columns}; exec '{Repository.Binary}' top '{bitflow.AdminAddress()}'", "/dev/null"], Terminal);
        await Eventually.IsTrueAsync(
            () => top.Output.Contains("failing", StringComparison.Ordinal) && top.Output.Contains("broken", StringComparison.Ordinal), () => $"it is seen; it showed:\n{top.Output}");
        await top.Input.WriteAsync("q");
        await top.Input.FlushAsync();
        Assert.Equal(0, await top.ExitAsync());
    }

    [Fact]
    public async Task A_wrong_address_is_a_clear_error_and_status_one()
    {
        string nobody;
        using (var peer = new Peer())
            nobody = peer.Address;
        using Peer echo = Peer.Echo();
        using Peer server = Saying("[]", "[]");
        using Peer elsewhere = Answering(async socket => await socket.SendAllAsync($"HTTP/1.1 302 Found\r\nLocation: http://{server.Address}/\r\nContent-Length: 0\r\n\r\n"));
        using Peer silent = Answering(static socket =>
        {
            socket.Shutdown(SocketShutdown.Both);
            return Task.CompletedTask;
        });
        using Peer leaving = Answering(static socket =>
        {
            socket.Reset();
            return Task.CompletedTask;
        });
        using Peer endless = Answering(static async socket =>
        {
            await socket.SendAllAsync("HTTP/1.1 200 OK\r\n\r\n[");
            byte[] more = [.. Enumerable.Repeat("1,"u8.ToArray(), 50_000).SelectMany(static item => item)];
            while (true)
                await socket.SendAllAsync(more);
        });
        foreach ((string address, string why) in new[]
        {
            (nobody, "cannot connect: Connection refused"),
            ("unix:/nowhere/admin.sock", "there is no such socket"),
            (echo.Address, "it answers, but not as an admin server"),
            (elsewhere.Address, "it answers, but not as an admin server"),
            (endless.Address, "it answers, but at a length that no admin server does"),
            (silent.Address, "it ends the connection without an answer"),
            (leaving.Address, "no answer: Connection reset by peer"),
        })
        {
            (int status, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["top", address]);
            Assert.Equal(1, status);
            Assert.Equal("", output);
            Assert.StartsWith($"bitflow top: {address}: {why}\n", errors, StringComparison.Ordinal);
        }

        // Why a name has no address depends on the machine.
        Assert.StartsWith(
            "bitflow top: nobody.invalid:80: cannot connect: ", (await ChildProcess.RunAsync(Repository.Binary, ["top", "nobody.invalid:80"])).Errors, StringComparison.Ordinal);
        Assert.Equal(2, (await ChildProcess.RunAsync(Repository.Binary, ["top", "fd:3"])).Status);
    }

    [Theory]
    [InlineData("0.0.0.0:0")]
    [InlineData("tcp6:[::]:0")]
    [InlineData(":0")]
    public async Task Who_listens_on_every_address_is_asked_on_this_machines_own(string admin)
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(target, admin);
        await bitflow.SaysAsync("admin server: listening on ");
        string port = bitflow.AdminAddress().Split(':')[^1];
        (int status, string output, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["top", admin[..^1] + port]);
        Assert.True(status == 0, errors);
        Assert.Contains("web [bold]", output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("q")]
    [InlineData("TERM")]
    [InlineData("HUP")]
    public async Task In_a_terminal_it_refreshes_until_it_is_told_to_end_and_leaves_the_terminal_as_it_was(string end)
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(target, "127.0.0.1:0");
        await bitflow.SaysAsync("admin server: listening on ");
        using ChildProcess top = InTerminal(bitflow.AdminAddress());
        await ShowsAsync(top, "0 of 1");
        using Socket client = await ConnectAsync(bitflow);
        await ShowsAsync(top, "1 of 1");
        await ShowsAsync(top, client.LocalEndPoint!.ToString()!);
        if (end == "q")
        {
            await top.Input.WriteAsync("q");
            await top.Input.FlushAsync();
        }
        else
        {
            // The terminal's own child.
            int child = int.Parse((await ChildProcess.RunAsync("ps", ["-o", "pid=", "--ppid", $"{top.Id}"])).Output.Trim(), System.Globalization.CultureInfo.InvariantCulture);
            await ChildProcess.RunAsync("kill", [$"-{end}", $"{child}"]);
        }

        Assert.Equal(0, await top.ExitAsync());
        Assert.Contains("\e[?1049h", top.Output, StringComparison.Ordinal);
        Assert.Contains("\e[?1049l", top.Output, StringComparison.Ordinal);

        // A keypad's mode of its own is never entered: nothing would take it back.
        Assert.DoesNotContain("\e[?1h", top.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("\e=", top.Output, StringComparison.Ordinal);
    }

    /// <summary>By a shell that controls its jobs: the kernel stops no process whose shell does not.</summary>
    [Fact]
    public async Task Who_stops_it_for_a_while_sees_what_stood_there_before_and_then_it_goes_on()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(target, "127.0.0.1:0");
        await bitflow.SaysAsync("admin server: listening on ");
        using var shell = new ChildProcess("script", ["-qec", "stty rows 30 cols 120; bash --norc --noprofile -i", "/dev/null"], Terminal);
        await TypeAsync($"'{Repository.Binary}' top '{bitflow.AdminAddress()}'\n");
        await ShowsAsync(shell, "0 of 1");
        await TypeAsync("\u001a");
        await ShowsAsync(shell, "Stopped");
        Assert.Contains("\e[?1049l", shell.Output, StringComparison.Ordinal);
        await TypeAsync("fg\n");
        await Eventually.IsTrueAsync(
            () => shell.Output.Split("\e[?1049h") is { Length: 3 } screens && screens[2].Contains("0 of 1", StringComparison.Ordinal),
            () => $"it is shown again; it said:\n{shell.Output}");

        // The platform takes the keys back a moment later: one that is typed before waits for the next.
        Task ended = Eventually.IsTrueAsync(() => shell.Output.Split("\e[?1049l").Length == 3, () => $"it has ended; it said:\n{shell.Output}");
        while (!ended.IsCompleted)
        {
            await TypeAsync("q");
            await Task.WhenAny(ended, Task.Delay(100));
        }

        await ended;
        await TypeAsync("\u0015exit\n");
        Assert.Equal(0, await shell.ExitAsync());

        async Task TypeAsync(string keys)
        {
            await shell.Input.WriteAsync(keys);
            await shell.Input.FlushAsync();
        }
    }

    /// <summary>
    /// Its window was closed: `script` is killed, and with it goes the terminal. The shell between them lives on to say how it ended.
    /// </summary>
    [Theory]
    [InlineData("trap : HUP;")]
    [InlineData("trap '' HUP;")]
    public async Task Whose_terminal_goes_away_ends_without_a_crash(string before)
    {
        string said = Path.Combine(Path.GetTempPath(), $"bitflow-top-{Guid.NewGuid():N}.err");
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await StartAsync(target, "127.0.0.1:0");
        await bitflow.SaysAsync("admin server: listening on ");
        using var top = new ChildProcess(
            "script",
            ["-qec", $"stty rows 30 cols 120; {before} '{Repository.Binary}' top '{bitflow.AdminAddress()}' 2>'{said}'; echo \"ended with $?\" >>'{said}'", "/dev/null"],
            Terminal);
        await ShowsAsync(top, "0 of 1");
        top.Signal("KILL");
        await Eventually.IsTrueAsync(() => File.ReadAllText(said).Contains("ended with", StringComparison.Ordinal), () => $"it ends; it said:\n{File.ReadAllText(said)}");
        Assert.Equal("ended with 0\n", await File.ReadAllTextAsync(said));
        File.Delete(said);
    }

    [Fact]
    public async Task Words_of_an_admin_server_steer_no_terminal()
    {
        const string Proxies =
            """[{"name":"a\u001b[31m\nb","bound":["\u001b]0;x\u0007"],"policy":"none","targets":[],"open_connections":0,"connection_limit":0,"admitted":0,"source_sent_bytes":0,"destination_receive_bytes":0}]""";
        using Peer server = Saying(Proxies, "[]");
        (int status, string output, _) = await ChildProcess.RunAsync(Repository.Binary, ["top", server.Address]);
        Assert.Equal(0, status);
        Assert.Contains(@"a\u{1B}[31m\u{A}b", output, StringComparison.Ordinal);
        Assert.DoesNotContain('\e', output);
    }

    [Fact]
    public async Task A_server_that_goes_away_is_said_and_one_that_comes_back_is_shown()
    {
        string admin = $"unix:{UnixPath()}";
        using Peer target = Peer.Echo();
        ChildProcess top;
        using (BitflowProcess bitflow = await StartAsync(target, admin))
        {
            top = InTerminal(admin);
            await ShowsAsync(top, "serves");
            bitflow.Signal("TERM");
            Assert.Equal(0, await bitflow.ExitAsync());
        }

        using (top)
        {
            await ShowsAsync(top, "is gone: there is no such socket");
            int before = top.Output.Length;
            using BitflowProcess next = await StartAsync(target, admin);
            await Eventually.IsTrueAsync(() => top.Output[before..].Contains("serves", StringComparison.Ordinal), () => $"it shows the new server; it showed:\n{top.Output}");
            await top.Input.WriteAsync("q");
            await top.Input.FlushAsync();
            Assert.Equal(0, await top.ExitAsync());
        }
    }

    private static Task ShowsAsync(ChildProcess top, string text) =>
        Eventually.IsTrueAsync(() => top.Output.Contains(text, StringComparison.Ordinal), () => $"it shows \"{text}\"; it showed:\n{top.Output}{top.Errors}");

    [Theory]
    [InlineData("1.5", "0")]
    [InlineData("1", "1e300")]
    public async Task Numbers_that_no_Bitflow_would_say_are_not_taken_for_one(string open, string age)
    {
        string proxies = $$$"""[{"name":"a","bound":[],"policy":"none","targets":[],"open_connections":{{{open}}},"connection_limit":0,"admitted":0,"source_sent_bytes":0,"destination_receive_bytes":0}]""";
        string connections = $$$"""[{"id":1,"name":"a","source":"","target":"","phase":"","sni":"","age":{{{age}}},"source_sent_bytes":0,"destination_receive_bytes":0}]""";
        using Peer server = Saying(proxies, connections);
        (int status, _, string errors) = await ChildProcess.RunAsync(Repository.Binary, ["top", server.Address]);
        Assert.Equal(1, status);
        Assert.StartsWith($"bitflow top: {server.Address}: it answers, but not as an admin server\n", errors, StringComparison.Ordinal);
    }

    /// <summary>Whoever answers the first request in this way.</summary>
    private static Peer Answering(Func<Socket, Task> answer) => Peer.Serving(async socket =>
    {
        Assert.NotEmpty(await socket.ReadOnceAsync());
        await answer(socket);
    });

    /// <summary>An admin server of whatever words.</summary>
    private static Peer Saying(string proxies, string connections) => Peer.Serving(async socket =>
    {
        string request = "";
        while (await socket.ReadOnceAsync() is { Length: > 0 } bytes)
        {
            request += System.Text.Encoding.ASCII.GetString(bytes);
            if (!request.EndsWith("\r\n\r\n", StringComparison.Ordinal))
                continue;
            string body = request.Contains(" /proxies ", StringComparison.Ordinal) ? proxies
                : request.Contains(" /connections ", StringComparison.Ordinal) ? connections
                : "[]";
            await socket.SendAllAsync($"HTTP/1.1 200 OK\r\nContent-Length: {body.Length}\r\n\r\n{body}");
            request = "";
        }
    });

    /// <summary>Clients of one network differ at the end of their addresses.</summary>
    [Theory]
    [InlineData("10.0.0.1:51234", 14, "10.0.0.1:51234")]
    [InlineData("203.0.113.25:51234", 14, "….113.25:51234")]
    [InlineData("[2001:db8::1]:443", 8, "…:1]:443")]
    [InlineData("", 8, "")]
    public void An_address_that_is_cut_keeps_its_end(string address, int width, string seen) =>
        Assert.Equal(seen, Bitflow.App.Commands.Top.TopTable.CutBefore(address, width));
}
