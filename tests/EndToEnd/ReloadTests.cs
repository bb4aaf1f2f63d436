using System.Net.Sockets;
using System.Text;
using Bitflow.Spec;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// SIGHUP: the listening socket stays, new connections get the new settings, open ones keep what they began with, and a fault anywhere
/// leaves everything as it was.
/// </summary>
public sealed class ReloadTests
{
    private static string Proxy(string target, string options = "", string name = "web", string listener = "127.0.0.1:0") =>
        $"""
        - name: {name}
          listener: {"{"} address: '{listener}' {"}"}
          targets: [ {"{"} name: a, address: '{target}' {"}"} ]
        {(options.Length == 0 ? "" : $"  options: {options}")}
        """;

    private static Peer Saying(string word) => Peer.Serving(async socket =>
    {
        await socket.SendAllAsync(Encoding.ASCII.GetBytes(word));
        await socket.ReadToEndAsync();
    });

    private static async Task<string> HearAsync(Socket client) => Encoding.ASCII.GetString(await client.ReadExactlyAsync(3));

    [Fact]
    public async Task New_connections_go_to_the_new_target_and_open_ones_stay_with_the_old()
    {
        using Peer one = Saying("one");
        using Peer two = Saying("two");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address));
        using Socket before = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(before));

        bitflow.Rewrite(Proxy(two.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");

        using Socket after = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("two", await HearAsync(after));
        Assert.Single(bitflow.Ports());
        before.Shutdown(SocketShutdown.Send);
        Assert.Empty(await before.ReadToEndAsync());
    }

    [Fact]
    public async Task A_faulty_file_changes_nothing_and_every_fault_is_said()
    {
        using Peer one = Saying("one");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address));
        await File.WriteAllTextAsync(bitflow.ConfigPath, "application: { log: { levle: info } }\nserver:\n  proxies:\n    - nmae: web\n      options: { connection_limit: many }\n");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        foreach (string fault in new[] { "levle", "nmae", "many" })
            Assert.Contains(fault, bitflow.Errors, StringComparison.Ordinal);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(client));
    }

    /// <summary>An operator is called by what stays, not by a line that went by.</summary>
    [Fact]
    public async Task That_a_reload_was_refused_is_a_metric_until_one_is_in_force()
    {
        const string Admin = "  admin: { address: '127.0.0.1:0' }\n";
        using Peer one = Saying("one");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address), Admin);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        await IsToldAsync(1);
        await File.WriteAllTextAsync(bitflow.ConfigPath, "server:\n  proxies:\n    - nmae: web\n");
        bitflow.Signal("HUP");
        await IsToldAsync(0);
        bitflow.Rewrite(Proxy(one.Address), Admin);
        bitflow.Signal("HUP");
        await IsToldAsync(1);

        Task IsToldAsync(double value) => Eventually.HoldsAsync(
            async () => PrometheusReader.Find(await http.GetStringAsync("/metrics"), "bitflow_config_last_reload_successful", [])?.Value == value, () => $"it is {value}");
    }

    [Fact]
    public async Task A_new_listener_that_cannot_be_had_undoes_the_whole_reload()
    {
        using Peer one = Saying("one");
        using Peer two = Saying("two");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address));
        bitflow.Rewrite(Proxy(two.Address) + "\n" + Proxy(two.Address, name: "second", listener: one.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        Assert.Contains("proxy second: cannot listen on", bitflow.Errors, StringComparison.Ordinal);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(client));
    }

    [Fact]
    public async Task An_address_that_overlaps_with_one_that_closes_is_refused_with_the_way_out()
    {
        using Peer one = Saying("one");
        int port = Ports.Next();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address, listener: $"127.0.0.1:{port}"));
        bitflow.Rewrite(Proxy(one.Address, listener: $":{port}"));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        Assert.Contains($"proxy web listens on 127.0.0.1:{port} until the new sockets are open; free it with one reload and bring :{port} with the next", bitflow.Errors, StringComparison.Ordinal);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(client));
    }

    [Theory]
    [InlineData("127.0.0.1:{0}", "127.0.0.1:{1}", "127.0.0.1:{1}", "127.0.0.1:{2}", "proxy web: cannot listen on 127.0.0.1:{1}: Bitflow itself has the address: the admin server listens on 127.0.0.1:{1} until")]
    [InlineData("127.0.0.1:{0}", "127.0.0.1:{1}", "127.0.0.1:{2}", "127.0.0.1:{0}", "application.admin.address: cannot listen on 127.0.0.1:{0}: Bitflow itself has the address: proxy web listens on 127.0.0.1:{0} until")]
    [InlineData("127.0.0.1:{0}", "127.0.0.1:{1}", "127.0.0.1:{0}", ":{1}", "application.admin.address: cannot listen on :{1}: Bitflow itself has the address: the admin server listens on 127.0.0.1:{1} until")]
    [InlineData("127.0.0.1:{0}", "127.0.0.1:{1}", "127.0.0.1:{1}", "127.0.0.1:{0}", "the admin server listens on 127.0.0.1:{1} until")]
    [InlineData("localhost:{0}", "127.0.0.1:{1}", "127.0.0.1:{0}", "127.0.0.1:{1}", "proxy web listens on localhost:{0} until")]
    [InlineData("127.0.0.1:{0}", "unix:/tmp/bitflow-{1}.sock", "unix:/tmp/bitflow-{1}.sock", "127.0.0.1:{1}", "the admin server listens on unix:/tmp/bitflow-{1}.sock until")]
    public async Task An_address_that_Bitflow_itself_has_is_said_to_be_its_own_by_the_reload_and_by_diff_and_two_reloads_bring_it(
        string proxy, string admin, string proxyThen, string adminThen, string why)
    {
        object[] ports = [Ports.Next(), Ports.Next(), Ports.Next()];
        using Peer one = Saying("one");
        string before = Proxy(one.Address, listener: At(proxy));
        string after = Proxy(one.Address, listener: At(proxyThen));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(before, Admin(admin));
        string old = Path.Combine(bitflow.Folder, "old.yaml");
        File.Copy(bitflow.ConfigPath, old);
        bitflow.Rewrite(after, Admin(adminThen));
        (int status, string plan, _) = await ChildProcess.RunAsync(Repository.Binary, ["diff", old, bitflow.ConfigPath]);
        Assert.Equal(1, status);
        Assert.Contains("cannot be opened", plan, StringComparison.Ordinal);
        Assert.EndsWith("as it stands this reload fails, and everything stays as it is\n", plan, StringComparison.Ordinal);

        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        Assert.Contains(At(why), bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain("another process", bitflow.Errors, StringComparison.Ordinal);
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
            Assert.Equal("one", await HearAsync(client));
        Assert.Equal(0, (await ChildProcess.RunAsync(Repository.Binary, ["top", bitflow.AdminAddress()])).Status);

        bitflow.Rewrite(Proxy(one.Address, name: "between"));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("proxy web: no longer listening");
        bitflow.Rewrite(after, Admin(adminThen));
        bitflow.Signal("HUP");
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split("is in force").Length == 3, () => bitflow.Errors);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());

        string At(string text) => string.Format(System.Globalization.CultureInfo.InvariantCulture, text, ports);
        string Admin(string address) => $"  admin: {{ address: '{At(address)}' }}\n";
    }

    [Theory]
    [InlineData("127.0.0.1:{0}", "[::1]:{1}", "tcp4:127.0.0.1:{0}", "tcp6:[::1]:{1}")]
    [InlineData("0.0.0.0:{0}", "localhost:{1}", "tcp4::{0}", "LOCALHOST:{1}")]
    public async Task A_socket_that_is_written_in_another_way_is_kept_and_serves_the_new_target(string proxy, string admin, string proxyThen, string adminThen)
    {
        object[] ports = [Ports.Next(), Ports.Next()];
        using Peer one = Saying("one");
        using Peer two = Saying("two");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address, listener: At(proxy)), Admin(admin));
        foreach ((string listener, string adminThere, string target) in new[] { (proxyThen, adminThen, two.Address), (proxy, admin, one.Address) })
        {
            bitflow.Rewrite(Proxy(target, listener: At(listener)), Admin(adminThere));
            int before = bitflow.Errors.Split("is in force").Length;
            bitflow.Signal("HUP");
            await Eventually.IsTrueAsync(() => bitflow.Errors.Split("is in force").Length > before, () => bitflow.Errors);
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            Assert.Equal(target == two.Address ? "two" : "one", await HearAsync(client));
            Assert.Equal(0, (await ChildProcess.RunAsync(Repository.Binary, ["top", bitflow.AdminAddress()])).Status);
        }

        Assert.DoesNotContain("no longer listening", bitflow.Errors, StringComparison.Ordinal);

        string At(string text) => string.Format(System.Globalization.CultureInfo.InvariantCulture, text, ports);
        string Admin(string address) => $"  admin: {{ address: '{At(address)}' }}\n";
    }

    [Fact]
    public async Task A_dropped_listener_closes_while_its_open_connections_go_on()
    {
        using Peer one = Saying("one");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address) + "\n" + Proxy(one.Address, name: "second"));
        using Socket open = await SocketWords.ConnectAsync(bitflow.EndPoint("second"));
        Assert.Equal("one", await HearAsync(open));
        bitflow.Rewrite(Proxy(one.Address));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => SocketWords.ConnectAsync(bitflow.EndPoint("second")));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
        open.Shutdown(SocketShutdown.Send);
        Assert.Empty(await open.ReadToEndAsync());
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    [Fact]
    public async Task The_count_of_open_connections_survives_a_reload()
    {
        using Peer one = Saying("one");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address, "{ connection_limit: 5 }"));
        using Socket first = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket second = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await HearAsync(first);
        await HearAsync(second);
        bitflow.Rewrite(Proxy(one.Address, "{ connection_limit: 2 }"));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        await SocketWords.IsResetAtOnceAsync(bitflow.EndPoint());
        await bitflow.EndsWithAsync("bitflow.admission.limit");
        second.Dispose();
        await bitflow.EndsWithAsync("client.relay.ended");
        using Socket fourth = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(fourth));
    }

    [Fact]
    public async Task A_reload_for_which_descriptors_do_not_suffice_changes_nothing_and_says_what_to_raise()
    {
        using Peer one = Saying("one");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(one.Address), launcher: ["prlimit", "--nofile=256:256"]);
        bitflow.Rewrite(string.Join('\n', Enumerable.Range(0, 250).Select(i => Proxy(one.Address, name: $"p{i}"))));
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        Assert.Contains(" 249 descriptors are needed for new listeners and connection logs, and ", bitflow.Errors, StringComparison.Ordinal);
        Assert.Contains(" of 256 are free for them; raise LimitNOFILE or ulimit -n\n", bitflow.Errors, StringComparison.Ordinal);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Equal("one", await HearAsync(client));
    }

    [Fact]
    public async Task A_reload_from_a_working_directory_that_has_been_removed_changes_nothing_and_says_so()
    {
        using Peer one = Saying("one");
        int port = Ports.Next();
        string folder = Directory.CreateTempSubdirectory("bitflow-removed-").FullName;
        await File.WriteAllTextAsync(
            Path.Combine(folder, "config.yaml"),
            "application: { log: { level: info } }\nserver:\n  proxies:\n" + Proxy(one.Address, listener: $"127.0.0.1:{port}").ReplaceLineEndings("\n    ").Insert(0, "    "));
        using var bitflow = new ChildProcess(Repository.Binary, ["--config", "config.yaml"], workingDirectory: folder);
        await bitflow.SaysAsync(" serves ");
        Directory.Delete(folder, recursive: true);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("everything is as it was");
        Assert.Contains("config.yaml: there is no such file in the working directory, which has been removed", bitflow.Errors, StringComparison.Ordinal);
        using Socket client = await SocketWords.ConnectAsync(new System.Net.IPEndPoint(System.Net.IPAddress.Loopback, port));
        Assert.Equal("one", await HearAsync(client));
    }

    [Fact]
    public async Task A_connection_log_named_from_a_working_directory_that_has_been_removed_is_doubted_and_cannot_be_opened()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-removed-").FullName;
        string config = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(
                config,
                "server:\n  proxies:\n    - { name: web, listener: { address: '127.0.0.1:0' }, targets: [ { name: a, address: '127.0.0.1:9' } ], options: { connection_log: web.jsonl } }\n");
            foreach ((string[] command, int expected) in new[] { (new[] { "check", "--config", config }, 0), (["--config", config], 1) })
            {
                (int status, string output, string errors) = await ChildProcess.RunAsync(
                    "sh", ["-c", "mkdir \"$0\"; cd \"$0\"; rmdir \"$0\"; exec \"$@\"", Path.Combine(folder, "removed"), Repository.Binary, .. command]);
                Assert.Equal(expected, status);
                Assert.Contains(
                    "web.jsonl: there is no such file in the working directory, which has been removed; name the file from the root on", output + errors, StringComparison.Ordinal);
            }
        }
        finally
        {
            File.Delete(config);
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_hundred_reloads_lose_no_request()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(echo.Address));
        using var stop = new CancellationTokenSource();
        Task<int>[] clients = [.. Enumerable.Range(0, 8).Select(i => Task.Run(() => RequestAsync(i)))];
        for (int i = 1; i <= 100; i++)
        {
            bitflow.Rewrite(Proxy(echo.Address, $"{{ connection_limit: {1000 + i} }}"));
            bitflow.Signal("HUP");
            int expected = i;
            await Eventually.IsTrueAsync(() => bitflow.Errors.Split("is in force").Length > expected, $"reload {i}");
        }

        await stop.CancelAsync();
        Assert.All(await Task.WhenAll(clients), requests => Assert.True(requests > 0));

        async Task<int> RequestAsync(int seed)
        {
            byte[] request = SocketWords.Noise(3_000, seed);
            int requests = 0;
            while (!stop.IsCancellationRequested)
            {
                using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
                await client.SendAllAsync(request);
                Assert.Equal(request, await client.ReadExactlyAsync(request.Length));
                client.Shutdown(SocketShutdown.Send);
                Assert.Empty(await client.ReadToEndAsync());
                requests++;
            }

            return requests;
        }
    }
}
