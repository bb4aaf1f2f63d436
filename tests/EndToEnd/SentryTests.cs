using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Reporting of the built program, to an HTTPS server that plays Sentry and whose authority the program trusts as it does any other. What is
/// reported is provoked from outside: a connection log that cannot be reopened, and a machine without a local port.
/// </summary>
public sealed class SentryTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_error_arrives_as_an_envelope_with_release_and_stack_and_without_a_secret(string engine)
    {
        using var sentry = new SentryServer(static _ => "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry, engine: engine);
        failing.Fail();
        await sentry.HasPostsAsync(1);
        SentryServer.Post post = sentry.Posts[0];
        Assert.Equal("POST /prefix/api/42/envelope/ HTTP/1.1", post.Request);
        Assert.Equal("application/x-sentry-envelope", post.Headers["Content-Type"]);
        Assert.StartsWith("bitflow/", post.Headers["User-Agent"], StringComparison.Ordinal);
        Assert.Equal(
            $"Sentry sentry_version=7, sentry_client={post.Headers["User-Agent"]}, sentry_key=publickey, sentry_secret={SentryServer.Secret}", post.Headers["X-Sentry-Auth"]);
        Assert.Equal($"https://publickey@{sentry.Host}/prefix/42", post.Header.GetProperty("dsn").GetString());
        JsonElement reported = post.Item("event")!.Value;
        Assert.Equal(post.Header.GetProperty("event_id").GetString(), reported.GetProperty("event_id").GetString());
        Assert.Equal("error", reported.GetProperty("level").GetString());
        Assert.StartsWith("bitflow@", reported.GetProperty("release").GetString(), StringComparison.Ordinal);
        // Word for word what the log says.
        Assert.Contains($" {reported.GetProperty("message").GetString()}\n", failing.Bitflow.Errors, StringComparison.Ordinal);
        Assert.Contains("cannot be reopened", reported.GetProperty("message").GetString(), StringComparison.Ordinal);
        JsonElement frames = reported.GetProperty("threads").GetProperty("values")[0].GetProperty("stacktrace").GetProperty("frames");
        Assert.Equal("Bitflow.App.ConnectionLogs.ConnectionLogFile", frames[frames.GetArrayLength() - 1].GetProperty("module").GetString());
        Assert.DoesNotContain(SentryServer.Secret, post.Text, StringComparison.Ordinal);
        Assert.DoesNotContain(SentryServer.Secret, failing.Bitflow.Errors, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_error_is_reported_even_where_nothing_is_logged()
    {
        using var sentry = new SentryServer(static _ => "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry);
        failing.Bitflow.Rewrite("", ""); // An empty list of proxies: a faulty reload.
        failing.Bitflow.Signal("HUP");
        await sentry.HasPostsAsync(2);
        Assert.Contains(sentry.Posts, post => post.Item("event")!.Value.GetProperty("message").GetString()!.Contains("was not taken on", StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("429 Too Many Requests\r\nRetry-After: 3600")]
    [InlineData("429 Too Many Requests\r\nX-Sentry-Rate-Limits: 3600:error:organization")]
    [InlineData("200 OK\r\nX-Sentry-Rate-Limits: 3600:error;transaction:key, 7200:session:organization")]
    [InlineData("429 Too Many Requests")]
    public async Task After_a_limit_nothing_is_sent_and_what_is_kept_back_is_counted(string answer)
    {
        using var sentry = new SentryServer(_ => answer);
        using var failing = await FailingProgram.StartAsync(sentry);
        failing.Fail();
        await sentry.HasPostsAsync(1);
        double before = answer.StartsWith("200", StringComparison.Ordinal) ? 0 : 1;
        await failing.HasDroppedAsync(before);
        for (int i = 1; i <= 5; i++)
        {
            // One after the other: a signal that is still pending does not come a second time.
            failing.Fail();
            await failing.HasDroppedAsync(before + i);
        }

        Assert.Single(sentry.Posts);
        await failing.EndsWellAsync();
    }

    [Fact]
    public async Task When_a_limit_is_over_the_next_event_is_sent_and_tells_what_was_kept_back()
    {
        using var sentry = new SentryServer(static number => number == 1 ? "429 Too Many Requests\r\nRetry-After: 2" : "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry);
        failing.Fail();
        await failing.HasDroppedAsync(1);
        failing.Fail();
        await failing.HasDroppedAsync(2);
        // Fewer than the ten a minute that are our own limit.
        await Eventually.IsTrueAsync(
            () =>
            {
                if (sentry.Posts.Count > 1)
                    return true;
                failing.Fail();
                Thread.Sleep(500);
                return false;
            },
            "reporting goes on when the server's pause is over");
        JsonElement discarded = sentry.Posts[1].Item("client_report")!.Value.GetProperty("discarded_events")[0];
        Assert.Equal("ratelimit_backoff", discarded.GetProperty("reason").GetString());
        Assert.Equal("error", discarded.GetProperty("category").GetString());
        Assert.True(discarded.GetProperty("quantity").GetInt32() >= 1);
    }

    [Fact]
    public async Task What_the_server_refuses_is_not_sent_again_is_said_and_the_next_event_goes_out()
    {
        using var sentry = new SentryServer(static number => number == 1 ? "503 Service Unavailable\r\nX-Sentry-Error: out for lunch" : "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry);
        failing.Fail();
        await failing.Bitflow.SaysAsync("Sentry refused an event with status 503: out for lunch");
        failing.Fail();
        await sentry.HasPostsAsync(2);
        Assert.NotEqual(sentry.Posts[0].Header.GetProperty("event_id").GetString(), sentry.Posts[1].Header.GetProperty("event_id").GetString());
        Assert.Equal("send_error", sentry.Posts[1].Item("client_report")!.Value.GetProperty("discarded_events")[0].GetProperty("reason").GetString());
        await failing.EndsWellAsync();
        Assert.Equal(2, sentry.Posts.Count);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_server_that_never_answers_holds_up_neither_traffic_nor_the_end(string engine)
    {
        using var sentry = new SentryServer(static _ => null);
        using var failing = await FailingProgram.StartAsync(sentry, engine: engine);
        for (int i = 0; i < 5; i++)
            failing.Fail();
        await sentry.HasPostsAsync(1);
        for (int i = 0; i < 20; i++)
            await failing.ExchangeAsync();
        await failing.EndsWellAsync();
    }

    [Fact]
    public async Task A_server_that_is_not_there_is_said_once_and_felt_by_nobody()
    {
        var sentry = new SentryServer(static _ => "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry);
        sentry.Dispose();
        failing.Fail();
        await failing.Bitflow.SaysAsync("Sentry cannot be reached");
        failing.Fail();
        await failing.HasDroppedAsync(2);
        await failing.ExchangeAsync();
        await failing.EndsWellAsync();
        Assert.Single(failing.Bitflow.Errors.Split('\n'), static line => line.Contains("Sentry cannot be reached", StringComparison.Ordinal));
    }

    [Fact]
    public async Task A_server_whose_certificate_nobody_vouches_for_is_told_nothing()
    {
        using var sentry = new SentryServer(static _ => "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry, trusted: false);
        failing.Fail();
        await failing.Bitflow.SaysAsync("Sentry cannot be reached; events are lost until it answers: The remote certificate is invalid");
        Assert.Empty(sentry.Posts);
    }

    [Fact]
    public async Task A_server_that_answers_with_escape_sequences_gets_none_into_the_log()
    {
        using Peer server = Peer.Serving(async socket =>
        {
            await socket.ReadOnceAsync();
            await socket.SendAllAsync("HTTP/1.1 \e[m OK\r\n\r\n");
        });
        string folder = Directory.CreateTempSubdirectory("bitflow-sentry-").FullName;
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $"- name: web\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '127.0.0.1:9' }} ]\n  options: {{ connection_log: '{folder}/log' }}",
            $"  sentry_dsn: 'http://key@{server.Address}/42'\n");
        Directory.Delete(folder, recursive: true);
        bitflow.Signal("USR1");
        await bitflow.SaysAsync("Sentry cannot be reached; events are lost until it answers: ");
        Assert.True(bitflow.Errors.Contains(@"\x1b[m", StringComparison.Ordinal), bitflow.Errors);
        Assert.DoesNotContain('\e', bitflow.Errors);
    }

    [Fact]
    public async Task Errors_of_a_configuration_are_reported_each_as_a_kind_of_its_own()
    {
        using var sentry = new SentryServer(static _ => "200 OK");
        using var failing = await FailingProgram.StartAsync(sentry);
        await File.WriteAllTextAsync(failing.Bitflow.ConfigPath, "server: { proxies: [ { name: a, listener: { address: '127.0.0.1:0' } }, { listener: 1 } ], x: 1 }\n");
        failing.Bitflow.Signal("HUP");
        await failing.Bitflow.SaysAsync("was not taken on");
        int reports = failing.Bitflow.Errors.Split($"ERROR {failing.Bitflow.ConfigPath}").Length - 1;
        Assert.True(reports > 3, failing.Bitflow.Errors);
        await sentry.HasPostsAsync(reports);
        Assert.Equal(reports, sentry.Posts.Select(static post => post.Item("event")!.Value.GetProperty("fingerprint")[0].GetString()).Distinct().Count());
    }

    /// <summary>With no local port left the fault is neither the client's nor the target's: the one kind of connection that is reported.</summary>
    [NetworkTheory]
    [InlineData("managed", 61)]
    [InlineData("linux", 62)]
    public async Task A_connection_that_fails_for_want_of_a_port_is_reported_with_its_proxy(string engine, int number)
    {
        using var network = new NetworkNamespace(number);
        using var sentry = new SentryServer(static _ => "200 OK", network.Here);
        using Peer target = Peer.Echo(new System.Net.IPEndPoint(System.Net.IPAddress.Parse(network.Here), 0));
        string path = Path.Combine(Path.GetTempPath(), $"bitflow-sentry-{Environment.ProcessId}-{number}.sock");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: 'unix:{{path}}' }
              targets: [ { name: a, address: '{{target.Address}}' } ]
            """,
            $"  sentry_dsn: '{sentry.Dsn}'\n",
            SentryServer.Trust,
            [.. network.Inside, "sh", "-c", "sysctl -q -w net.ipv4.ip_local_port_range='40000 40000'; exec \"$@\"", "sh"],
            engine);
        // One port: one connection to the target. The one to Sentry has another destination, and shares the port.
        using Socket first = await SocketWords.ConnectAsync(new UnixDomainSocketEndPoint(path));
        await first.SendAllAsync("x"u8.ToArray());
        await first.ReadExactlyAsync(1);
        using Socket second = await SocketWords.ConnectAsync(new UnixDomainSocketEndPoint(path));
        await bitflow.EndsWithAsync("bitflow.dial.exhausted");
        await sentry.HasPostsAsync(1);
        JsonElement reported = sentry.Posts[0].Item("event")!.Value;
        Assert.Equal("web", reported.GetProperty("tags").GetProperty("proxy").GetString());
        Assert.Equal("a", reported.GetProperty("tags").GetProperty("target").GetString());
        Assert.Equal("bitflow.dial.exhausted", reported.GetProperty("tags").GetProperty("reason").GetString());
        JsonElement frames = reported.GetProperty("threads").GetProperty("values")[0].GetProperty("stacktrace").GetProperty("frames");
        Assert.Contains(frames.EnumerateArray(), static frame => frame.GetProperty("module").GetString() == "Bitflow.Net.Proxies.Session");
    }

    /// <summary>A program with an error at hand: its connection log cannot be reopened, because its folder is gone.</summary>
    private sealed class FailingProgram(BitflowProcess bitflow, Peer target) : IDisposable
    {
        public BitflowProcess Bitflow => bitflow;

        public static async Task<FailingProgram> StartAsync(SentryServer sentry, bool trusted = true, string? engine = null)
        {
            Peer target = Peer.Echo();
            string folder = Directory.CreateTempSubdirectory("bitflow-sentry-").FullName;
            BitflowProcess bitflow = await BitflowProcess.StartAsync(
                $$"""
                - name: web
                  listener: { address: '127.0.0.1:0' }
                  targets: [ { name: a, address: '{{target.Address}}' } ]
                  options: { connection_log: '{{folder}}/connections.log' }
                """,
                $"  sentry_dsn: '{sentry.Dsn}'\n  admin: {{ address: '127.0.0.1:0' }}\n",
                trusted ? SentryServer.Trust : null,
                engine: engine);
            Directory.Delete(folder, recursive: true);
            return new FailingProgram(bitflow, target);
        }

        public void Fail() => bitflow.Signal("USR1");

        /// <summary>Waits until so many events were kept back, as the metric says.</summary>
        public async Task HasDroppedAsync(double events)
        {
            await bitflow.SaysAsync("admin server: listening on ");
            using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
            double dropped = 0;
            for (int look = 0; look < 3_000 && dropped < events; look++)
            {
                string metrics = await http.GetStringAsync("/metrics");
                string? line = metrics.Split('\n').FirstOrDefault(static line => line.StartsWith("bitflow_sentry_dropped_total ", StringComparison.Ordinal));
                dropped = line is null ? 0 : double.Parse(line.Split(' ')[1], System.Globalization.CultureInfo.InvariantCulture);
                await Task.Delay(10);
            }

            Assert.Equal(events, dropped);
        }

        public async Task ExchangeAsync()
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync("hello"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal("hello", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
        }

        /// <summary>Stopped, it ends with 0 and is not held up by what could not be sent for longer than the two seconds that are promised, and what a busy machine adds.</summary>
        public async Task EndsWellAsync()
        {
            bitflow.Signal("TERM");
            Assert.Equal(0, await bitflow.ExitAsync(TimeSpan.FromSeconds(9)));
        }

        public void Dispose()
        {
            bitflow.Dispose();
            target.Dispose();
        }
    }
}
