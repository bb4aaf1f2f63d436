using System.Text;
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
        FSharpList<Tuple<string, string>>.Empty, FSharpList<SentryException>.Empty);

    private static SentryDsn Dsn(string host) => Sentry.ParseDsn($"http://key:hunter2@{host}/prefix/42").ResultValue.Value;

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
        await using (var reporter = new SentryReporter(Dsn(host)))
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
        await using (var reporter = new SentryReporter(Dsn(host)))
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
        await using (var reporter = new SentryReporter(Dsn(host)))
        {
            reporter.Report(() => Event("first"));
            reporter.Report(() => Event("second"));
        }

        Assert.Equal(2, received.Count);
    }

    [Fact]
    public async Task One_kind_of_event_is_sent_at_most_ten_times_a_minute()
    {
        (Peer server, string host, List<string> received) = Play("200 OK");
        using Peer open = server;
        await using (var reporter = new SentryReporter(Dsn(host)))
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
    public async Task A_server_that_is_not_there_or_a_fault_in_making_the_event_reaches_nobody()
    {
        string nobody;
        using (var peer = new Peer())
            nobody = peer.Address;
        await using var reporter = new SentryReporter(Dsn(nobody));
        reporter.Report(() => throw new InvalidOperationException("no event"));
        reporter.Report(() => Event("lost"));
    }
}
