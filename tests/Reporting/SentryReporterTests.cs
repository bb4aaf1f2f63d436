using System.Text;
using Bitflow.App.Logging;
using Bitflow.App.Reporting;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Microsoft.FSharp.Collections;
using Xunit;

namespace Bitflow.Tests.Reporting;

/// <summary>The reporter against a server that plays Sentry: takes events, limits them, fails, is not there.</summary>
public sealed class SentryReporterTests
{
    private static SentryEvent Event(string message) => new(
        Guid.NewGuid(), DateTimeOffset.UtcNow, "bitflow@test", "host", message, message,
        FSharpList<Tuple<string, string>>.Empty, FSharpList<SentryException>.Empty, FSharpList<SentryFrame>.Empty);

    private static SentryDsn Dsn(string host) => SentryDsnModule.Parse($"http://key:hunter2@{host}/prefix/42").ResultValue.Value;

    /// <summary>A server that gives each request the same answer; what it was sent so far.</summary>
    private static (Peer Server, string Host, List<string> Received) Play(string status, string headers = "")
    {
        var received = new List<string>();
        Peer peer = Peer.Serving(async socket =>
        {
            var text = new StringBuilder();
            byte[] buffer = new byte[65536];
            while (!IsWhole(text.ToString()))
            {
                int bytes = await socket.ReceiveAsync(buffer);
                if (bytes == 0)
                    return;
                text.Append(Encoding.UTF8.GetString(buffer, 0, bytes));
            }

            lock (received)
                received.Add(text.ToString());
            await socket.SendAllAsync(Encoding.ASCII.GetBytes($"HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n"));
        });
        return (peer, peer.Address, received);
    }

    private static bool IsWhole(string request)
    {
        int end = request.IndexOf("\r\n\r\n", StringComparison.Ordinal);
        if (end < 0)
            return false;
        string length = request.Split("Content-Length: ")[1].Split('\r')[0];
        return Encoding.UTF8.GetByteCount(request[(end + 4)..]) >= int.Parse(length, System.Globalization.CultureInfo.InvariantCulture);
    }

    [Fact]
    public async Task An_event_is_posted_as_an_envelope_to_its_project_and_the_secret_stays_in_the_header()
    {
        (Peer server, string host, List<string> received) = Play("200 OK");
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
            reporter.Report(() => Event("it broke"));
        string request = Assert.Single(received);
        Assert.StartsWith("POST /prefix/api/42/envelope/ HTTP/1.1\r\n", request, StringComparison.Ordinal);
        Assert.Contains("X-Sentry-Auth: Sentry sentry_version=7, sentry_client=bitflow/", request, StringComparison.Ordinal);
        string body = request[request.IndexOf("\r\n\r\n", StringComparison.Ordinal)..];
        Assert.Contains("\"message\":\"it broke\"", body, StringComparison.Ordinal);
        Assert.DoesNotContain("hunter2", body, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("429 Too Many Requests", "Retry-After: 60\r\n")]
    [InlineData("429 Too Many Requests", "")]
    [InlineData("200 OK", "X-Sentry-Rate-Limits: 60:error:organization\r\n")]
    public async Task After_a_limit_nothing_more_is_sent(string status, string headers)
    {
        (Peer server, string host, List<string> received) = Play(status, headers);
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
        {
            reporter.Report(() => Event("first"));
            reporter.Report(() => Event("second"));
        }

        Assert.Single(received);
    }

    [Fact]
    public async Task What_the_server_refused_is_not_sent_again_and_the_next_event_is()
    {
        (Peer server, string host, List<string> received) = Play("503 Service Unavailable");
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
        {
            reporter.Report(() => Event("first"));
            reporter.Report(() => Event("second"));
        }

        Assert.Equal(2, received.Count);
    }

    [Theory]
    [InlineData("413 Content Too Large", "X-Sentry-Error: event submission rejected: too large\r\n", "413 event submission rejected: too large")]
    [InlineData("403 Forbidden", "", "403 ")]
    public async Task A_refusal_is_said_with_the_servers_reason_and_counted_in_the_next_report(string status, string headers, string said)
    {
        (Peer server, string host, List<string> received) = Play(status, headers);
        using Peer open = server;
        var heard = new Heard();
        await using (var reporter = new SentryReporter(Dsn(host), heard))
        {
            reporter.Report(() => Event("first"));
            reporter.Report(() => Event("second"));
            reporter.Report(() => Event("third"));
        }

        Assert.Equal([said, said, said], heard.Said);
        Assert.DoesNotContain("client_report", received[0], StringComparison.Ordinal);
        Assert.Contains("{\"reason\":\"send_error\",\"category\":\"error\",\"quantity\":2}", received[2], StringComparison.Ordinal);
    }

    [Fact]
    public Task What_reads_or_writes_a_socket_for_it_goes_on_in_the_pool_wherever_the_socket_completes() => Task.Run(async () =>
    {
        // Completions on a thread that is no pool thread, as the portable engine has them.
        using var inner = new ForeignStream();
        await using var stream = new PoolStream(inner);
        Assert.Equal(1, await stream.ReadAsync(new byte[1]));
        Assert.True(Thread.CurrentThread.IsThreadPoolThread, "after a read");
        await stream.WriteAsync(new byte[1]);
        Assert.True(Thread.CurrentThread.IsThreadPoolThread, "after a write");
        inner.Fails = true;
        try
        {
            await stream.ReadExactlyAsync(new byte[1]);
            Assert.Fail("the inner stream fails");
        }
        catch (IOException)
        {
            Assert.True(Thread.CurrentThread.IsThreadPoolThread, "after a failure");
        }
    });

    [Fact]
    public async Task One_kind_of_event_is_sent_at_most_ten_times_a_minute()
    {
        (Peer server, string host, List<string> received) = Play("200 OK");
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
        {
            for (int i = 0; i < 30; i++)
                reporter.Report(() => Event("again"));
            await Eventually.IsTrueAsync(
                () =>
                {
                    lock (received)
                        return received.Count >= 10;
                },
                "ten events arrive");
        }

        Assert.Equal(10, received.Count);
    }

    [Fact]
    public async Task An_event_that_would_be_dropped_is_known_before_it_is_made_and_told_with_the_next_of_another_kind()
    {
        (Peer server, string host, List<string> received) = Play("200 OK");
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
        {
            for (int i = 0; i < 10; i++)
            {
                Assert.False(reporter.KeepsBack("again"));
                reporter.Report(() => Event("again"));
            }

            await Eventually.IsTrueAsync(
                () =>
                {
                    lock (received)
                        return received.Count >= 10;
                },
                "ten events arrive");
            Assert.True(reporter.KeepsBack("again"));
            Assert.True(reporter.KeepsBack("again"));
            Assert.False(reporter.KeepsBack("other"));
            reporter.Report(() => Event("other"));
        }

        Assert.Equal(11, received.Count);
        Assert.Contains("{\"reason\":\"event_processor\",\"category\":\"error\",\"quantity\":2}", received[10], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_flood_of_one_proxys_errors_keeps_back_no_error_of_another_or_for_another_reason()
    {
        (Peer server, string host, List<string> received) = Play("200 OK");
        using Peer open = server;
        var sink = new SentrySink();
        using Serilog.Core.Logger log = new Serilog.LoggerConfiguration().WriteTo.Sink(sink).CreateLogger();
        void End(string proxy, string reason) => log.Error("proxy {Proxy}: connection {Id} ended: {Reason}", proxy, Guid.NewGuid(), reason);
        bool HasReceived(int count)
        {
            lock (received)
                return received.Count >= count;
        }

        await using (var reporter = new SentryReporter(Dsn(host), new Heard()))
        {
            sink.ReportTo(reporter);
            for (int i = 0; i < 20; i++)
                End("flooded", "bitflow.dial.exhausted");
            await Eventually.IsTrueAsync(() => HasReceived(10), "ten events arrive");
            End("quiet", "bitflow.dial.exhausted");
            End("flooded", "bitflow.relay.fault");
            await Eventually.IsTrueAsync(() => HasReceived(12), "both of the other errors arrive");
        }

        Assert.Equal(12, received.Count);
        Assert.Single(received, static post => post.Contains("\"proxy\":\"quiet\"", StringComparison.Ordinal));
        Assert.Single(received, static post => post.Contains("\"reason\":\"bitflow.relay.fault\"", StringComparison.Ordinal));
    }

    [Fact]
    public async Task After_a_limit_of_the_servers_nothing_is_made()
    {
        (Peer server, string host, List<string> received) = Play("429 Too Many Requests", "Retry-After: 60\r\n");
        using Peer open = server;
        await using var reporter = new SentryReporter(Dsn(host), new Heard());
        Assert.False(reporter.KeepsBack("first"));
        reporter.Report(() => Event("first"));
        await Eventually.IsTrueAsync(() => reporter.KeepsBack("second"), "the server's limit is known");
        Assert.Single(received);
    }

    [Fact]
    public async Task A_server_that_is_not_there_or_a_fault_in_making_the_event_reaches_nobody()
    {
        string nobody;
        using (var peer = new Peer())
            nobody = peer.Address;
        var heard = new Heard();
        await using (var reporter = new SentryReporter(Dsn(nobody), heard))
        {
            reporter.Report(() => throw new InvalidOperationException("no event"));
            reporter.Report(() => Event("lost"));
            reporter.Report(() => Event("lost too"));
        }

        Assert.Contains("refused", Assert.Single(heard.Said), StringComparison.OrdinalIgnoreCase);
    }

    /// <summary>What the operator is told.</summary>
    private sealed class Heard : IReportingEvents
    {
        public List<string> Said { get; } = [];

        public void Refused(int status, string reason) => Said.Add($"{status} {reason}");

        public void Unreachable(string reason) => Said.Add(reason);
    }

    /// <summary>Completes everything on a thread of its own.</summary>
    private sealed class ForeignStream : MemoryStream
    {
        public bool Fails { get; set; }

        public override async ValueTask<int> ReadAsync(Memory<byte> buffer, CancellationToken cancellationToken = default)
        {
            await CompleteElsewhereAsync().ConfigureAwait(false);
            return Fails ? throw new IOException("no more") : 1;
        }

        public override async ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            await CompleteElsewhereAsync().ConfigureAwait(false);

        private static Task CompleteElsewhereAsync()
        {
            var done = new TaskCompletionSource();
            new Thread(() => done.SetResult()) { IsBackground = true }.Start();
            return done.Task;
        }
    }
}
