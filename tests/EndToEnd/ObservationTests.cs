using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Bitflow.App.ConnectionLogs;
using Bitflow.Domain;
using Bitflow.Spec;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>What operators see of the built program: statsd, the connection log and its rotation, the admin server.</summary>
public sealed class ObservationTests
{
    private static string Proxy(Peer target, string options = "") =>
        $$"""
        - name: web
          listener: { address: '127.0.0.1:0' }
          targets: [ { name: a, address: '{{target.Address}}' } ]
          options: { {{options}} }
        """;

    private static Task ExchangeAsync(BitflowProcess bitflow) => ExchangeAsync(bitflow.EndPoint());

    private static async Task ExchangeAsync(EndPoint listener)
    {
        using Socket client = await SocketWords.ConnectAsync(listener);
        await client.SendAllAsync("hello"u8.ToArray());
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("hello", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
    }

    [Theory]
    [InlineData("path")]
    [InlineData("abstract name")]
    public async Task The_admin_server_answers_on_a_Unix_socket_that_a_reload_adds(string kind)
    {
        string name = Guid.NewGuid().ToString("N");
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target));
        string path = Path.Combine(bitflow.Folder, name);
        bitflow.Rewrite(Proxy(target), $"  admin: {{ address: 'unix:{(kind == "path" ? path : "@" + name)}' }}\n");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        Assert.EndsWith("ok\n", await AskAsync(new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified)), StringComparison.Ordinal);

        // One that has a name itself, longer than the server's.
        var named = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        named.Bind(new UnixDomainSocketEndPoint("\0" + name.PadRight(107, 'x')));
        Assert.EndsWith("ok\n", await AskAsync(named), StringComparison.Ordinal);

        async Task<string> AskAsync(Socket socket)
        {
            using Socket client = socket;
            await client.ConnectAsync(new UnixDomainSocketEndPoint(kind == "path" ? path : "\0" + name));
            await client.SendAllAsync("GET /healthz HTTP/1.1\r\nHost: bitflow\r\nConnection: close\r\n\r\n");
            return await client.ReadTextToEndAsync();
        }
    }

    [Fact]
    public async Task Statsd_is_sent_every_count_gauge_and_timing_of_a_connection_in_packed_datagrams()
    {
        using var receiver = new StatsdReceiver();
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target), $"  metrics: {{ address: '{receiver.Address}', prefix: bitflow }}\n");
        await ExchangeAsync(bitflow);
        string tags = $"proxy:web,listener:127.0.0.1:0";
        string[] wanted =
        [
            $"bitflow.proxy.serve.accept.success:1|c|#{tags}",
            $"bitflow.proxy.serve.dial.success:1|c|#{tags},target:a",
            $"bitflow.proxy.pipe.success:1|c|#{tags},target:a",
            $"bitflow.proxy.pipe.src_sent.size:5|ms|#{tags},target:a",
            $"bitflow.proxy.pipe.dst_recv.size:5|ms|#{tags},target:a",
            $"bitflow.proxy.pipe.src_sent.total:5|g|#{tags}",
            $"bitflow.proxy.serve.total:1|g|#{tags}",
            $"bitflow.proxy.serve.active_connections:0|g|#{tags}",
            $"bitflow.proxy.close:1|c|#{tags},reason:client.relay.ended",
        ];
        await receiver.HearsAsync(lines => lines.ToHashSet().IsSupersetOf(wanted), string.Join(", ", wanted));
        Assert.All(receiver.Datagrams, static datagram => Assert.InRange(datagram.Length, 1, 1432));

        // Every line's grammar is a law of the core; here: nothing but our metrics comes.
        Assert.All(receiver.Lines, static line => Assert.StartsWith("bitflow.", line, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task A_target_that_is_down_is_shown_to_be_until_it_is_reached_again(string engine)
    {
        using var down = new Refusal();
        using Peer other = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{down.Address}}' }, { name: b, address: '{{other.Address}}' } ]
              options: { connection_load_balancer: failover }
            """,
            "  admin: { address: '127.0.0.1:0' }\n",
            engine: engine);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        Assert.Equal(["", ""], await FaultsAsync());
        await ExchangeAsync(bitflow);
        Assert.Equal(["refused the connection: nothing listens there", ""], await FaultsAsync());
        down.Dispose();
        using Peer back = Peer.Echo(IPEndPoint.Parse(down.Address));
        await ExchangeAsync(bitflow);
        Assert.Equal(["", ""], await FaultsAsync());

        Task<string[]> FaultsAsync() => FaultsOfTargetsAsync(http);
    }

    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task A_target_that_is_silent_for_longer_than_its_clients_wait_is_shown_to_be(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{blackhole.Address}}', connect_timeout: 1h } ]
            """,
            "  admin: { address: '127.0.0.1:0' }\n",
            engine: engine);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await Eventually.HoldsAsync(async () => await AgeInTheDialAsync() > 1100, () => "a second of the dial is over");
            Assert.Equal([""], await FaultsOfTargetsAsync(http));
            client.Reset();
        }

        await bitflow.EndsWithAsync("client.dial.probe");
        Assert.Equal(["did not answer before its client left"], await FaultsOfTargetsAsync(http));

        async Task<double> AgeInTheDialAsync()
        {
            using JsonDocument connections = JsonDocument.Parse(await http.GetStringAsync("/connections"));
            return connections.RootElement.EnumerateArray().Where(static one => one.GetProperty("phase").GetString() == "dial").Sum(static one => one.GetProperty("age").GetDouble());
        }
    }

    private static async Task<string[]> FaultsOfTargetsAsync(HttpClient http)
    {
        using JsonDocument proxies = JsonDocument.Parse(await http.GetStringAsync("/proxies"));
        JsonElement[] targets = [.. proxies.RootElement[0].GetProperty("targets").EnumerateArray()];
        Assert.All(targets, static target =>
            Assert.Equal(target.GetProperty("fault").GetString()!.Length == 0, target.GetProperty("failing_since").ValueKind == JsonValueKind.Null));
        return [.. targets.Select(static target => target.GetProperty("fault").GetString()!)];
    }

    /// <summary>Whoever watches for an increase would miss the first, had it no 0 before it.</summary>
    [Fact]
    public async Task Counters_are_there_before_anything_is_counted_also_where_the_admin_server_comes_later()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target));
        bitflow.Rewrite(Proxy(target), "  admin: { address: '127.0.0.1:0' }\n");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        string metrics = await http.GetStringAsync("/metrics");
        foreach (string name in new[] { "proxy_serve_accept_error", "proxy_serve_accept_reject", "proxy_tls_handshake_error" })
            Assert.Contains($"bitflow_{name}_total{{proxy=\"web\",listener=\"127.0.0.1:0\"}} 0\n", metrics, StringComparison.Ordinal);
        foreach (string name in new[] { "proxy_serve_dial_error", "proxy_serve_dial_attempt_error", "proxy_pipe_error" })
            Assert.Contains($"bitflow_{name}_total{{proxy=\"web\",listener=\"127.0.0.1:0\",target=\"a\"}} 0\n", metrics, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("managed")]
    [InlineData("linux")]
    public async Task When_a_certificate_expires_is_a_metric_of_who_shows_it_and_follows_a_reload(string engine)
    {
        using Peer target = Peer.Echo();
        IssuedCertificate shorter = TestAuthority.Trusted.Issue("a.example", validFor: TimeSpan.FromDays(2));
        IssuedCertificate longer = TestAuthority.Trusted.Issue("a.example", validFor: TimeSpan.FromDays(3));
        string Both(IssuedCertificate shown) => Proxy(target).Replace("127.0.0.1:0'", $"127.0.0.1:0', tls_context: {{ certificates: [ {shown.Entry} ] }}", StringComparison.Ordinal) + "\n" +
            Proxy(target).Replace("name: web", "name: plain", StringComparison.Ordinal);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Both(shorter), "  admin: { address: '127.0.0.1:0' }\n", engine: engine);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        Assert.Equal([EndOf(shorter)], await EndsAsync());
        bitflow.Rewrite(Both(longer), "  admin: { address: '127.0.0.1:0' }\n");
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        Assert.Equal([EndOf(longer)], await EndsAsync());

        static string EndOf(IssuedCertificate shown) =>
            $"bitflow_proxy_tls_certificate_not_after_seconds{{proxy=\"web\",listener=\"127.0.0.1:0\"}} {new DateTimeOffset(shown.Certificate.NotAfter).ToUnixTimeSeconds()}";

        async Task<string[]> EndsAsync() =>
            [.. (await http.GetStringAsync("/metrics")).Split('\n').Where(static line => line.StartsWith("bitflow_proxy_tls_certificate_not_after_seconds", StringComparison.Ordinal))];
    }

    /// <summary>The queue of a Unix socket takes ten datagrams (net.unix.max_dgram_qlen): what has no room in it waits, and so do counts that come meanwhile.</summary>
    [Fact]
    public async Task A_receiver_of_statsd_at_a_Unix_socket_that_reads_late_is_sent_every_count_all_the_same()
    {
        const int Proxies = 30;
        string folder = Directory.CreateTempSubdirectory("bitflow-statsd-").FullName;
        try
        {
            string path = Path.Combine(folder, "socket");
            using var receiver = new StatsdReceiver(new UnixDomainSocketEndPoint(path), isIdle: true);
            using Peer target = Peer.Echo();
            string proxies = string.Concat(Enumerable.Range(0, Proxies).Select(i =>
                $"- name: a-proxy-with-a-long-name-{i}\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a-target-with-a-long-name, address: '{target.Address}' }} ]\n"));
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(proxies, $"  metrics: {{ address: 'unix://{path}' }}\n");
            for (int i = 0; i < Proxies; i++)
                await ExchangeAsync(bitflow.EndPoint($"a-proxy-with-a-long-name-{i}"));
            await bitflow.SaysAsync("it does not read them as fast as they come");
            for (int i = 0; i < Proxies; i++)
                await ExchangeAsync(bitflow.EndPoint($"a-proxy-with-a-long-name-{i}"));
            receiver.Read();
            await receiver.HearsAsync(static lines => Sum(lines, "proxy.close") == 2 * Proxies, $"{2 * Proxies} ends");
            Assert.Equal(2 * Proxies, Sum(receiver.Lines, "proxy.pipe.success"));
            Assert.Equal(0, Sum(receiver.Lines, "statsd.dropped"));
            await bitflow.SaysAsync("nothing stands in their way any more");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static int Sum(IEnumerable<string> lines, string counter) => lines
            .Where(line => line.StartsWith($"{counter}:", StringComparison.Ordinal))
            .Sum(static line => int.Parse(line.Split(':', '|')[1], System.Globalization.CultureInfo.InvariantCulture));
    }

    /// <summary>The sums go on under the address that there is now: a receiver that keeps what it was told last would have them twice.</summary>
    [Fact]
    public async Task A_listener_that_a_reload_moves_is_counted_as_closed_and_its_sums_go_on_under_the_new_address_alone()
    {
        int[] ports = [Ports.Next(), Ports.Next()];
        using var receiver = new StatsdReceiver();
        string application = $"  metrics: {{ address: '{receiver.Address}' }}\n";
        using Peer target = Peer.Echo();
        string[] proxies = [.. ports.Select(port => Proxy(target).Replace("127.0.0.1:0", $"127.0.0.1:{port}", StringComparison.Ordinal))];
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(proxies[0], application);
        await ExchangeAsync(bitflow);
        await receiver.HearsAsync($"proxy.serve.total:1|g|#proxy:web,listener:127.0.0.1:{ports[0]}");
        bitflow.Rewrite(proxies[1], application);
        bitflow.Signal("HUP");
        await receiver.HearsAsync($"proxy.serve.accept.shutdown:1|c|#proxy:web,listener:127.0.0.1:{ports[0]}");
        await receiver.HearsAsync($"proxy.serve.total:1|g|#proxy:web,listener:127.0.0.1:{ports[1]}");
        await receiver.HearsAsync($"proxy.serve.total:0|g|#proxy:web,listener:127.0.0.1:{ports[0]}");
    }

    [Fact]
    public async Task What_one_receiver_of_statsd_was_not_sent_the_next_one_is()
    {
        using var receiver = new StatsdReceiver();
        using Peer target = Peer.Echo();
        // Until the name resolves nothing is sent.
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target), "  metrics: { address: 'statsd.invalid:8125' }\n");
        await ExchangeAsync(bitflow);
        await bitflow.EndsWithAsync("client.relay.ended");
        bitflow.Rewrite(Proxy(target), $"  metrics: {{ address: '{receiver.Address}', format: plain }}\n");
        bitflow.Signal("HUP");
        string[] wanted = ["proxy.serve.accept.success:1|c", "proxy.pipe.success:1|c", "proxy.pipe.src_sent.size:5|ms", "proxy.close:1|c"];
        await receiver.HearsAsync(static lines => lines.Count > 0, "anything");
        Assert.Superset(wanted.ToHashSet(), receiver.Datagrams[0].Split('\n').ToHashSet());
    }

    [Fact]
    public async Task Statsd_and_prometheus_are_told_how_a_proxy_ended_that_a_reload_took_out()
    {
        const string Web = "#proxy:web,listener:127.0.0.1:0";
        const string Level = "proxy.serve.active_connections:";
        const string Relays = "bitflow_proxy_serve_total{proxy=\"web\",listener=\"127.0.0.1:0\"} 2\n";
        using var receiver = new StatsdReceiver();
        string application = $"  admin: {{ address: '127.0.0.1:0' }}\n  metrics: {{ address: '{receiver.Address}' }}\n";
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target), application);
        Socket[] clients = [await SocketWords.ConnectAsync(bitflow.EndPoint()), await SocketWords.ConnectAsync(bitflow.EndPoint())];
        foreach (Socket client in clients)
        {
            await client.SendAllAsync("hello"u8.ToArray());
            await client.ReadExactlyAsync(5);
        }

        bitflow.Rewrite(Proxy(target).Replace("web", "renamed", StringComparison.Ordinal), application);
        bitflow.Signal("HUP");
        await receiver.HearsAsync(
            static told => told.Exists(static line => line.StartsWith($"{Level}0|g|#proxy:renamed,", StringComparison.Ordinal)) && told.Contains($"{Level}2|g|{Web}"), "the level of both");
        foreach (Socket client in clients)
            client.Dispose();

        // The level goes, after a last nought; the sums are there to stay.
        await receiver.HearsAsync(
            static told => told.Where(static line => line.StartsWith(Level, StringComparison.Ordinal)).TakeLast(2).All(static line => line.Contains("renamed", StringComparison.Ordinal)),
            "the level of the one that is left, alone");
        List<string> told = receiver.Lines;
        Assert.Equal($"{Level}0|g|{Web}", told.FindLast(static line => line.StartsWith(Level, StringComparison.Ordinal) && line.EndsWith(Web, StringComparison.Ordinal)));
        Assert.Equal($"proxy.serve.total:2|g|{Web}", told.FindLast(static line => line.StartsWith("proxy.serve.total:", StringComparison.Ordinal) && line.EndsWith(Web, StringComparison.Ordinal)));
        Assert.Contains($"proxy.pipe.src_sent.total:10|g|{Web}", told);
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        Assert.Contains(Relays, await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_log_rotated_fifty_times_under_load_loses_no_line_and_every_line_reads_back()
    {
        const int Rotations = 50;
        using Peer target = Peer.Echo();
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        string path = Path.Combine(folder, "connections.log");
        try
        {
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, $"connection_log: '{path}'"));
            Assert.StartsWith("640 ", (await ChildProcess.RunAsync("stat", ["-c", "%a %n", path])).Output, StringComparison.Ordinal);
            int made = 0;
            using var stop = new CancellationTokenSource();
            Task load = Task.Run(async () =>
            {
                while (!stop.IsCancellationRequested)
                {
                    await ExchangeAsync(bitflow);
                    made++;
                }
            });
            for (int i = 0; i < Rotations; i++)
            {
                File.Move(path, $"{path}.{i}");
                bitflow.Signal("USR1");
                await Eventually.IsTrueAsync(() => File.Exists(path), "the log is reopened");
            }

            await stop.CancelAsync();
            await load;
            bitflow.Signal("TERM");
            Assert.Equal(0, await bitflow.ExitAsync());
            string[] lines = [.. Directory.GetFiles(folder).SelectMany(File.ReadAllLines)];
            Assert.Equal(made, lines.Length);
            var ids = lines.Select(line => ConnectionLogLine.TryParse(line)).Select(read => read.IsOk ? read.ResultValue.Id : -1).ToHashSet();
            Assert.Equal(made, ids.Count);
            Assert.DoesNotContain(-1, ids);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task A_full_disk_under_the_connection_log_is_said_once_and_felt_by_no_connection()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, "connection_log: /dev/full"));
        for (int i = 0; i < 20; i++)
            await ExchangeAsync(bitflow);
        await bitflow.SaysAsync("connection log /dev/full: lines are lost until it can be written again");
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.Single(bitflow.Errors.Split('\n'), line => line.Contains("lines are lost", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_reader_that_takes_nothing_of_the_connection_log_is_felt_by_no_connection_and_what_is_lost_is_counted()
    {
        const int Connections = 400;
        using Peer target = Peer.Echo();
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        string fifo = Path.Combine(folder, "log");
        Assert.Equal(0, (await ChildProcess.RunAsync("mkfifo", [fifo])).Status);
        try
        {
            // Opened for reading and writing, a FIFO waits for nobody.
            await using var reader = new FileStream(fifo, FileMode.Open, FileAccess.ReadWrite);
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, $"connection_log: '{fifo}'"), "  admin: { address: '127.0.0.1:0' }\n");
            for (int i = 0; i < Connections; i++)
                await ExchangeAsync(bitflow);
            await bitflow.SaysAsync("lines are lost until it can be written again");
            using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
            double dropped = 0;
            for (int look = 0; look < 1_000 && dropped == 0; look++)
            {
                dropped = PrometheusReader.Find(await http.GetStringAsync("/metrics"), "bitflow_proxy_log_dropped_total", [Tuple.Create("proxy", "web")])?.Value ?? 0;
                await Task.Delay(10);
            }

            Assert.InRange(dropped, 1, Connections);
            bitflow.Signal("TERM");
            Assert.Equal(0, await bitflow.ExitAsync());

            // Behind a batch of which the pipe took a part there may be room for a smaller one, which ends nothing: more are lost at once.
            string[] lines = bitflow.Errors.Split('\n');
            Assert.Single(lines, static line => line.Contains("lines are lost", StringComparison.Ordinal));
            Assert.DoesNotContain(lines, static line => line.EndsWith(": can be written again", StringComparison.Ordinal));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>The writer hangs, as it would in a disk; so it is not the writer that says so.</summary>
    [Fact]
    public async Task Lines_that_a_full_queue_drops_are_said_once_and_so_is_that_they_are_taken_again()
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        string path = Path.Combine(folder, "connections.log");
        using var heard = new HeardOfLog();
        try
        {
            var log = new ConnectionLogFile(path, heard);
            ConnectionRecord record = ConnectionLogLine.TryParse("""{"name":"web","timestamp":"2026-01-02T03:04:05Z"}""").ResultValue;
            KeyValuePair<string, object?>[] tags = [new("proxy", "web")];
            log.Reopen();
            await Eventually.IsTrueAsync(() => heard.IsHeld, "the writer is held up");
            for (int i = 0; i < 3 * ConnectionLogFile.QueueRecords; i++)
                log.Write(record, tags);
            Assert.Equal([$"unwritable: it takes them too slowly, and {ConnectionLogFile.QueueRecords} wait already"], heard.Said);
            heard.LetGo();
            await Eventually.IsTrueAsync(() => heard.Said.Count == 2, () => string.Join('\n', heard.Said));
            Assert.Equal("writable again", heard.Said[1]);
            log.Write(record, tags);
            await log.CloseAsync(Eventually.Patience);
            Assert.Equal(2, heard.Said.Count);
            Assert.Equal(ConnectionLogFile.QueueRecords + 1, File.ReadLines(path).Count());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>A batch is larger than a pipe.</summary>
    [Fact]
    public async Task A_pipe_whose_reader_reads_loses_no_line_of_the_connection_log()
    {
        const int Records = 4_000;
        await WithPipeAsync(async (path, reader) =>
        {
            using var heard = new HeardOfLog();
            heard.LetGo();
            var log = new ConnectionLogFile(path, heard);
            Task<string> reading = ReadLinesAsync(reader, Records);
            for (int i = 0; i < Records; i++)
                log.Write(SomeRecord, SomeTags);
            Assert.Equal(Records, (await reading.WaitAsync(Eventually.Patience)).Split('\n', StringSplitOptions.RemoveEmptyEntries).Count(static line => ConnectionLogLine.TryParse(line).IsOk));
            await log.CloseAsync(Eventually.Patience);
            Assert.Empty(heard.Said);
        });
    }

    /// <summary>The pipe is the same behind SIGUSR1, and what stands half in it too.</summary>
    [Fact]
    public async Task A_line_that_a_pipe_took_in_part_stays_alone_though_the_log_is_reopened()
    {
        await WithPipeAsync(async (path, reader) =>
        {
            using var heard = new HeardOfLog();
            heard.LetGo();
            var log = new ConnectionLogFile(path, heard);
            int written = 0;
            for (; heard.Said.Count == 0; written++)
            {
                log.Write(SomeRecord, SomeTags);
                await Task.Yield();
            }

            log.Reopen();
            await Eventually.IsTrueAsync(() => heard.IsHeld, "it is reopened");
            Task<string> reading = ReadLinesAsync(reader, int.MaxValue);
            await Eventually.IsTrueAsync(
                () =>
                {
                    log.Write(SomeRecord, SomeTags);
                    return heard.Said.Contains("writable again");
                },
                () => string.Join('\n', heard.Said));
            await log.CloseAsync(Eventually.Patience);
            reader.WriteByte((byte)'\0');
            await reader.FlushAsync();
            string[] lines = (await reading.WaitAsync(Eventually.Patience)).Split('\n', StringSplitOptions.RemoveEmptyEntries);
            Assert.InRange(lines.Count(static line => !ConnectionLogLine.TryParse(line).IsOk), 0, 1);
            Assert.All(lines, static line => Assert.True(line.IndexOf("\"name\"", StringComparison.Ordinal) == line.LastIndexOf("\"name\"", StringComparison.Ordinal), line));
        });
    }

    private static readonly ConnectionRecord SomeRecord = ConnectionLogLine.TryParse("""{"name":"web","timestamp":"2026-01-02T03:04:05Z"}""").ResultValue;

    private static readonly KeyValuePair<string, object?>[] SomeTags = [new("proxy", "web")];

    /// <summary>Until so many lines are there, or a NUL, which is in no line.</summary>
    private static async Task<string> ReadLinesAsync(FileStream reader, int count)
    {
        var text = new StringBuilder();
        byte[] buffer = new byte[16 * 1024];
        for (int lines = 0; lines < count;)
        {
            int bytes = await reader.ReadAsync(buffer);
            int end = buffer.AsSpan(0, bytes).IndexOf((byte)0);
            lines += buffer.AsSpan(0, bytes).Count((byte)'\n');
            text.Append(Encoding.UTF8.GetString(buffer, 0, end < 0 ? bytes : end));
            if (end >= 0)
                break;
        }

        return text.ToString();
    }

    /// <summary>A named pipe, open for reading and writing: so it waits for nobody.</summary>
    private static async Task WithPipeAsync(Func<string, FileStream, Task> test)
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        try
        {
            string path = Path.Combine(folder, "log");
            Assert.Equal(0, (await ChildProcess.RunAsync("mkfifo", [path])).Status);
            await using var reader = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite, bufferSize: 0);
            await test(path, reader);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    /// <summary>What is said of a connection log; that it was reopened is heard until the test lets go.</summary>
    private sealed class HeardOfLog : IConnectionLogEvents, IDisposable
    {
        private readonly List<string> _said = [];
        private readonly ManualResetEventSlim _letGo = new();

        public volatile bool IsHeld;

        public IReadOnlyList<string> Said
        {
            get
            {
                lock (_said)
                    return [.. _said];
            }
        }

        public void LetGo() => _letGo.Set();

        public void Reopened(string path)
        {
            IsHeld = true;
            _letGo.Wait();
        }

        public void ReopenFailed(string path, string reason) => Say($"reopen failed: {reason}");

        public void Unwritable(string path, string reason) => Say($"unwritable: {reason}");

        public void WritableAgain(string path) => Say("writable again");

        public void WriterFailed(string path, Exception exception) => Say($"failed: {exception}");

        public void Dispose() => _letGo.Dispose();

        private void Say(string words)
        {
            lock (_said)
                _said.Add(words);
        }
    }

    [Fact]
    public async Task A_log_that_a_reload_dropped_is_closed_after_the_last_connection_that_began_with_it()
    {
        using Peer target = Peer.Echo();
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        string dropped = Path.Combine(folder, "dropped.log");
        string kept = Path.Combine(folder, "kept.log");
        try
        {
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target, $"connection_log: '{dropped}'"));
            using Socket early = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await early.SendAllAsync("hello"u8.ToArray());
            await early.ReadExactlyAsync(5);
            bitflow.Rewrite(Proxy(target, $"connection_log: '{kept}'"));
            bitflow.Signal("HUP");
            await bitflow.SaysAsync("was read again and is in force");
            await ExchangeAsync(bitflow);
            await Eventually.IsTrueAsync(() => ConnectionLog.Read(kept).Count == 1, "the new log is written");
            // Longer than a log without a connection stays open.
            await Task.Delay(2_500);
            Assert.True(Holds(bitflow, dropped), "the log of an open connection is open");
            early.Shutdown(SocketShutdown.Send);
            await early.ReadToEndAsync();
            await Eventually.IsTrueAsync(() => !Holds(bitflow, dropped), "the dropped log is closed");
            Assert.Equal("client.relay.ended", Assert.Single(ConnectionLog.Read(dropped)).CloseReason);
            Assert.True(Holds(bitflow, kept));

            // One that no connection began with goes by itself, and comes back when it is named again.
            bitflow.Rewrite(Proxy(target, $"connection_log: '{dropped}'"));
            bitflow.Signal("HUP");
            await Eventually.IsTrueAsync(() => !Holds(bitflow, kept) && Holds(bitflow, dropped), "the logs have changed places");
            await ExchangeAsync(bitflow);
            await Eventually.IsTrueAsync(() => ConnectionLog.Read(dropped).Count == 2, "it is appended to");
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static bool Holds(BitflowProcess bitflow, string path) =>
            Directory.GetFiles($"/proc/{bitflow.Id}/fd").Any(descriptor => new FileInfo(descriptor).LinkTarget == path);
    }

    [Fact]
    public async Task The_connection_log_says_which_address_a_failed_dial_tried()
    {
        string nobody;
        using (var peer = new Peer())
            nobody = peer.Address;
        string folder = Directory.CreateTempSubdirectory("bitflow-log-").FullName;
        string path = Path.Combine(folder, "connections.log");
        try
        {
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(
                $$"""
                - name: web
                  listener: { address: '127.0.0.1:0' }
                  targets: [ { name: a, address: '{{nobody}}' } ]
                  options: { connection_log: '{{path}}' }
                """);
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await Eventually.IsTrueAsync(() => ConnectionLog.Read(path).Count == 1, "the failed dial is recorded");
            JsonElement line = JsonDocument.Parse(await File.ReadAllTextAsync(path)).RootElement;
            Assert.Equal("target.dial.refused", line.GetProperty("close_reason").GetString());
            Assert.Equal(nobody, $"{line.GetProperty("destination_ip").GetString()}:{line.GetProperty("destination_port").GetInt32()}");
            Assert.Equal("tcp4", line.GetProperty("destination_protocol").GetString());
            Assert.Equal("", line.GetProperty("destination_transport").GetString());
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    [Fact]
    public async Task The_admin_server_shows_health_readiness_proxies_connections_and_metrics()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target), "  admin: { address: '127.0.0.1:0' }\n");
        await bitflow.SaysAsync("admin server: listening on ");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("hello"u8.ToArray());
        await client.ReadExactlyAsync(5);
        Assert.Equal("ok\n", await http.GetStringAsync("/healthz"));
        Assert.Equal("ready\n", await http.GetStringAsync("/readyz"));
        Assert.Contains("\"name\":\"web\"", await http.GetStringAsync("/proxies"), StringComparison.Ordinal);
        Assert.Contains("\"phase\":\"relay\"", await http.GetStringAsync("/connections"), StringComparison.Ordinal);
        string metrics = await http.GetStringAsync("/metrics");
        Assert.Contains("\nbitflow_proxy_serve_accept_success_total{proxy=\"web\",listener=\"127.0.0.1:0\"} 1\n", metrics, StringComparison.Ordinal);
        using (HttpResponseMessage page = await http.GetAsync("/"))
        {
            Assert.Contains("default-src 'none'", page.Headers.GetValues("Content-Security-Policy").Single(), StringComparison.Ordinal);
            string html = await page.Content.ReadAsStringAsync();
            Assert.DoesNotContain("http", html.Replace("http-equiv", "", StringComparison.Ordinal), StringComparison.Ordinal);
        }

        using (HttpResponseMessage refused = await http.PostAsync("/", content: null))
            Assert.Equal(HttpStatusCode.MethodNotAllowed, refused.StatusCode);
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("draining (connections: 1,");
        using (HttpResponseMessage draining = await http.GetAsync("/readyz"))
            Assert.Equal(HttpStatusCode.ServiceUnavailable, draining.StatusCode);
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>A Unix client chooses the name of its own socket; log, state and `top` show it, and obey it nowhere.</summary>
    [Theory]
    [InlineData("linux")]
    [InlineData("managed")]
    public async Task A_client_that_calls_itself_a_line_of_the_log_or_an_escape_sequence_forges_neither(string engine)
    {
        string name = Guid.NewGuid().ToString("N");
        string listener = Path.Combine(Path.GetTempPath(), $"bitflow-{name}.sock");
        string path = Path.Combine(Path.GetTempPath(), $"{name}\n\e[31m");
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: 'unix:{{listener}}' }
              targets: [ { name: a, address: '{{target.Address}}' } ]
            """,
            "  admin: { address: '127.0.0.1:0' }\n",
            engine: engine);
        await bitflow.SaysAsync("admin server: listening on ");
        using Socket named = await CalledAsync(path);
        using Socket nameless = await CalledAsync($"\0{name}\nFAKE LINE");
        (int status, string top, _) = await ChildProcess.RunAsync(Repository.Binary, ["top", bitflow.AdminAddress()]);
        Assert.Equal(0, status);
        bitflow.Signal("USR2");
        await bitflow.SaysAsync("state: proxy web: connection 1 ");
        named.Dispose();
        nameless.Dispose();
        File.Delete(path);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        Assert.DoesNotContain('\e', bitflow.Errors + top);
        Assert.DoesNotContain((bitflow.Errors + top).Split('\n'), static line => line.StartsWith("FAKE", StringComparison.Ordinal));
        Assert.Equal(2, bitflow.Errors.Split($@"from unix:@{name}\x0aFAKE LINE to a").Length - 1);
        Assert.Equal(2, bitflow.Errors.Split($@"from unix:{Path.GetTempPath()}{name}\x0a\x1b[31m to a").Length - 1);

        async Task<Socket> CalledAsync(string called)
        {
            var client = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
            client.Bind(new UnixDomainSocketEndPoint(called));
            await client.ConnectAsync(new UnixDomainSocketEndPoint(listener));
            await client.SendAllAsync("x"u8.ToArray());
            await client.ReadExactlyAsync(1);
            return client;
        }
    }

    [Fact]
    public async Task Connections_of_a_proxy_that_a_reload_took_out_are_shown_everywhere_until_the_last_has_ended()
    {
        const string Admin = "  admin: { address: '127.0.0.1:0' }\n";
        const string OpenInMetrics = "bitflow_proxy_serve_active_connections{proxy=\"web\",listener=\"127.0.0.1:0\"} 2\n";
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target), Admin);
        await bitflow.SaysAsync("admin server: listening on ");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        using Socket first = await BeginAsync();
        using Socket second = await BeginAsync();

        bitflow.Rewrite(Proxy(target).Replace("web", "renamed", StringComparison.Ordinal), Admin);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");
        Assert.Equal("renamed true 0, web false 2", await ProxiesAsync());
        Assert.Equal(2, (await JsonAsync("/connections")).EnumerateArray().Count(static connection => connection.GetProperty("name").GetString() == "web"));
        Assert.Contains(OpenInMetrics, await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        string[] top = (await ChildProcess.RunAsync(Repository.Binary, ["top", bitflow.AdminAddress()])).Output.Split('\n');
        Assert.Contains(top, static line => line.StartsWith("web ", StringComparison.Ordinal) && line.Contains("no longer configured", StringComparison.Ordinal));
        Assert.Contains(top, line => line.Contains(first.LocalEndPoint!.ToString()!, StringComparison.Ordinal));
        bitflow.Signal("USR2");
        await bitflow.SaysAsync($"from {second.LocalEndPoint} to a: relay");
        Assert.Contains("2 open (no limit), 2 admitted, 0 relays ended, 10 bytes from clients, 10 from targets, configuration 1, no longer configured", bitflow.Errors, StringComparison.Ordinal);

        await EndAsync(first);
        await ShowAsync("renamed true 0, web false 1");
        await EndAsync(second);
        await ShowAsync("renamed true 0");
        Assert.DoesNotContain("bitflow_proxy_serve_active_connections{proxy=\"web\"", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);

        async Task<Socket> BeginAsync()
        {
            Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync("hello"u8.ToArray());
            await client.ReadExactlyAsync(5);
            return client;
        }

        async Task EndAsync(Socket client)
        {
            client.Shutdown(SocketShutdown.Send);
            Assert.Empty(await client.ReadToEndAsync());
        }

        async Task ShowAsync(string expected)
        {
            long began = Environment.TickCount64;
            string shown;
            while ((shown = await ProxiesAsync()) != expected)
                Assert.True(Environment.TickCount64 - began < Eventually.Patience.TotalMilliseconds, $"{shown} never becomes {expected}");
        }

        async Task<JsonElement> JsonAsync(string path) => JsonDocument.Parse(await http.GetStringAsync(path)).RootElement;

        async Task<string> ProxiesAsync() => string.Join(", ", (await JsonAsync("/proxies")).EnumerateArray()
            .Select(static proxy => $"{proxy.GetProperty("name").GetString()} {(proxy.GetProperty("configured").GetBoolean() ? "true" : "false")} {proxy.GetProperty("open_connections").GetInt32()}"));
    }

    [Fact]
    public async Task Every_doubt_about_a_configuration_is_said_however_many_look_alike()
    {
        const int Doubts = 15;
        string folder = Directory.CreateTempSubdirectory("bitflow-doubts-").FullName;
        string proxies = string.Concat(Enumerable.Range(0, Doubts).Select(i =>
            $$"""
            - name: p{{i}}
              listener: { address: '127.0.0.1:0', authorized_sources: [ 10.0.0.1/8 ] }
              targets: [ { name: a, address: '127.0.0.1:9' } ]

            """)) + $"- name: last\n  listener: {{ address: 'unix:{folder}/last' }}\n  targets: [ {{ name: a, address: '127.0.0.1:9' }} ]";
        try
        {
            using (BitflowProcess bitflow = BitflowProcess.Launch(proxies, level: "warn"))
            {
                await Eventually.IsTrueAsync(() => Said(bitflow) == Doubts, () => $"all are said; it said:\n{bitflow.Errors}");
                bitflow.Signal("HUP");
                await Eventually.IsTrueAsync(() => Said(bitflow) == 2 * Doubts, () => $"all are said again; it said:\n{bitflow.Errors}");
                bitflow.Signal("TERM");
                Assert.Equal(0, await bitflow.ExitAsync());
                Assert.DoesNotContain("suppressed", bitflow.Errors, StringComparison.Ordinal);
            }

            // Who asks for errors alone is told of those.
            using BitflowProcess quiet = BitflowProcess.Launch(proxies, level: "error");
            await Eventually.IsTrueAsync(() => File.Exists($"{folder}/last"), () => $"it has started; it said:\n{quiet.Errors}");
            await File.WriteAllTextAsync(quiet.ConfigPath, "nonsense");
            quiet.Signal("HUP");
            await quiet.SaysAsync("was not taken on");
            Assert.Equal(0, Said(quiet));
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }

        static int Said(BitflowProcess bitflow) => bitflow.Errors.Split("10.0.0.1/8").Length - 1;
    }

    [Fact]
    public async Task What_prometheus_is_shown_is_sound_under_traffic_and_with_names_that_need_escaping()
    {
        string[] names = ["plain", "say \"hi\"", @"back\slash\n", "a } { = , # 1", "名前 😀 ünïcode"];
        using Peer target = Peer.Echo();
        string proxies = string.Concat(names.Select(name =>
            $$"""
            - name: {{JsonSerializer.Serialize(name)}}
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: {{JsonSerializer.Serialize($"to {name}")}}, address: '{{target.Address}}' } ]

            """));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(proxies, "  admin: { address: '127.0.0.1:0' }\n");
        await bitflow.SaysAsync("admin server: listening on ");
        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        var listeners = JsonDocument.Parse(await http.GetStringAsync("/proxies")).RootElement.EnumerateArray()
            .ToDictionary(static proxy => proxy.GetProperty("name").GetString()!, static proxy => IPEndPoint.Parse(proxy.GetProperty("bound")[0].GetString()!));
        Assert.Equal(names.Order(), listeners.Keys.Order());

        using var stop = new CancellationTokenSource();
        Task[] traffic = [.. listeners.Values.Select(listener => Task.Run(async () =>
        {
            do
            {
                await ExchangeAsync(listener);
            }
            while (!stop.IsCancellationRequested);
        }))];
        string metrics = "";
        // A name holds no line break: the configuration refuses it. Values move while they are read; no scrape may tear them.
        for (int scrape = 0; scrape < 50; scrape++)
        {
            using HttpResponseMessage answer = await http.GetAsync("/metrics");
            Assert.Equal("text/plain; version=0.0.4; charset=utf-8", answer.Content.Headers.ContentType!.ToString());
            metrics = new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(await answer.Content.ReadAsByteArrayAsync());
            Assert.Empty(PrometheusReader.Problems(metrics));
        }

        await stop.CancelAsync();
        await Task.WhenAll(traffic);
        // More scrapes than one: a relay is counted when both its sockets are closed, which its client does not see.
        foreach (string name in names)
        {
            Tuple<string, string>[] labels = [Tuple.Create("proxy", name), Tuple.Create("listener", "127.0.0.1:0"), Tuple.Create("target", $"to {name}")];
            long began = Environment.TickCount64;
            while (!(PrometheusReader.Find(metrics, "bitflow_proxy_pipe_duration_seconds_count", labels)?.Value > 0))
            {
                Assert.True(Environment.TickCount64 - began < Eventually.Patience.TotalMilliseconds, $"the relays of {name} are counted in {metrics}");
                metrics = await http.GetStringAsync("/metrics");
            }
        }
    }
}
