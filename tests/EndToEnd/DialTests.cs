using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport.Linux;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Reaching a target: which is tried, how often, after which wait, and what becomes of a client that does something meanwhile.
/// Targets are down, full (their SYNs go unanswered), late, or reset what they accepted.
/// </summary>
public sealed class DialTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static Task<BitflowProcess> StartAsync(string engine, string targets, string options = "", string listener = "") =>
        BitflowProcess.StartAsync(Proxy(targets, options, listener), engine: engine);

    private static string Proxy(string targets, string options = "", string listener = "") =>
        $$"""
        - name: web
          listener: { address: '127.0.0.1:0' {{listener}} }
          targets: {{targets}}
          options: { {{options}} }
        """;

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_is_down_closes_the_client_and_the_log_names_target_error_and_attempts(string engine)
    {
        int port = Ports.Next();
        using BitflowProcess bitflow = await StartAsync(engine, $"[ {{ name: ledger, address: '127.0.0.1:{port}', connect_attempts: 3, connect_backoff: 50ms }} ]");
        long began = Stopwatch.GetTimestamp();
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Empty(await client.ReadToEndAsync());

        // Waits of 50 and 100 ms between three attempts.
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 150, 3000);
        client.Shutdown(SocketShutdown.Send);
        string line = await bitflow.EndsWithAsync("target.dial.refused");
        Assert.Contains("ledger", line, StringComparison.Ordinal);
        Assert.Contains($"127.0.0.1:{port}", line, StringComparison.Ordinal);
        Assert.Contains("refused the connection", line, StringComparison.Ordinal);
        Assert.Contains("after 3 attempts", line, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_was_down_for_more_than_a_second_is_told_to_be_reached_again_once_though_a_reload_came_between(string engine)
    {
        var endpoint = new IPEndPoint(IPAddress.Loopback, Ports.Next());
        string targets = $"[ {{ name: ledger, address: '{endpoint}' }} ]";
        using BitflowProcess bitflow = await StartAsync(engine, targets);
        await AskAsync();
        await bitflow.EndsWithAsync("target.dial.refused");
        bitflow.Rewrite(Proxy(targets, "connection_limit: 7"), engine: engine);
        bitflow.Signal("HUP");
        await bitflow.SaysAsync("is in force");

        // How long it is down is what the line tells.
        await Task.Delay(TimeSpan.FromSeconds(1.2));
        using Peer back = Peer.Serving(s => s.SendAllAsync("here"u8.ToArray()), endpoint);
        for (int i = 0; i < 3; i++)
            Assert.Equal("here", await AskAsync());
        await Eventually.IsTrueAsync(() => Told().Length > 0, () => $"it is told; it said:\n{bitflow.Errors}");
        Assert.Contains($"proxy web: target ledger ({endpoint}) is reached again, after ", Assert.Single(Told()), StringComparison.Ordinal);

        string[] Told() => [.. bitflow.Errors.Split('\n').Where(static line => line.Contains("is reached again", StringComparison.Ordinal))];

        async Task<string> AskAsync()
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            return Encoding.ASCII.GetString(await client.ReadToEndAsync());
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_a_refused_client_sent_does_not_turn_its_end_into_a_reset(string engine)
    {
        using var down = new Refusal();
        using BitflowProcess bitflow = await StartAsync(engine, $"[ {{ name: a, address: '{down.Address}' }} ]");
        for (int i = 0; i < 20; i++)
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync(new byte[20_000]);
            Assert.Empty(await client.ReadToEndAsync());
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Failover_tries_the_targets_in_the_order_of_the_file(string engine)
    {
        using var down = new Refusal();
        using Peer second = Peer.Serving(s => s.SendAllAsync("second"u8.ToArray()));
        using Peer third = Peer.Serving(s => s.SendAllAsync("third"u8.ToArray()));
        using BitflowProcess bitflow = await StartAsync(
            engine,
            $"[ {{ name: a, address: '{down.Address}', connect_attempts: 2 }}, {{ name: b, address: '{second.Address}' }}, {{ name: c, address: '{third.Address}' }} ]",
            "connection_load_balancer: failover");
        for (int i = 0; i < 3; i++)
            Assert.Equal("second", await AnswerAsync(bitflow));
        await second.CloseAsync();
        Assert.Equal("third", await AnswerAsync(bitflow));
        await third.CloseAsync();
        Assert.Equal("", await AnswerAsync(bitflow));
        Assert.Contains("target c", await bitflow.EndsWithAsync("target.dial.refused"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Round_robin_starts_one_further_at_each_connection_and_passes_over_a_target_that_is_down(string engine)
    {
        using Peer a = Peer.Serving(s => s.SendAllAsync("a"u8.ToArray()));
        using Peer b = Peer.Serving(s => s.SendAllAsync("b"u8.ToArray()));
        using Peer c = Peer.Serving(s => s.SendAllAsync("c"u8.ToArray()));
        using BitflowProcess bitflow = await StartAsync(
            engine,
            $"[ {{ name: a, address: '{a.Address}' }}, {{ name: b, address: '{b.Address}' }}, {{ name: c, address: '{c.Address}' }} ]",
            "connection_load_balancer: round-robin");
        var order = new StringBuilder();
        for (int i = 0; i < 6; i++)
            order.Append(await AnswerAsync(bitflow));
        Assert.Equal("abcabc", order.ToString());

        // Exact however many come at once.
        string[] answers = await Task.WhenAll(Enumerable.Range(0, 90).Select(_ => AnswerAsync(bitflow)));
        Assert.All("abc", target => Assert.Equal(30, answers.Count(x => x[0] == target)));
        b.Dispose();
        order.Clear();
        for (int i = 0; i < 6; i++)
            order.Append(await AnswerAsync(bitflow));
        Assert.Equal("accacc", order.ToString());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_does_not_answer_costs_connect_timeout_an_attempt_and_the_waits_between(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '{blackhole.Address}', connect_timeout: 300ms, connect_attempts: 3, connect_backoff: 100ms }} ]");
        int descriptors = bitflow.Descriptors();
        long began = Stopwatch.GetTimestamp();
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Empty(await client.ReadToEndAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 1200, 4200);
        client.Dispose();
        Assert.Contains("after 3 attempts", await bitflow.EndsWithAsync("target.dial.connect_timeout"), StringComparison.Ordinal);
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "every attempt's descriptor is closed");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task No_dial_reaches_past_the_lifetime_of_the_connection(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '{blackhole.Address}', connect_timeout: 1m, connect_attempts: 3 }} ]", "connection_lifetime: 500ms");
        long began = Stopwatch.GetTimestamp();
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Empty(await client.ReadToEndAsync());
        Assert.InRange(Stopwatch.GetElapsedTime(began).TotalMilliseconds, 500, 3500);
        await bitflow.EndsWithAsync("bitflow.dial.lifetime");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_reset_from_the_client_cancels_the_dial(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await StartAsync(engine, $"[ {{ name: a, address: '{blackhole.Address}', connect_timeout: 1m }} ]");
        int descriptors = bitflow.Descriptors();
        Socket silent = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() >= descriptors + 2, "it dials");
        silent.Reset();
        await bitflow.EndsWithAsync("client.dial.probe");
        Socket talking = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await talking.SendAllAsync("GET /"u8.ToArray());
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() >= descriptors + 2, "it dials");
        talking.Reset();
        await bitflow.EndsWithAsync("client.dial.reset");
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "nothing is left of either");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_left_without_a_byte_begins_no_further_wait(string engine)
    {
        using var down = new Refusal();
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '{down.Address}', connect_attempts: 10, connect_backoff: 1m }} ]");
        int descriptors = bitflow.Descriptors();
        Socket gone = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await bitflow.SaysAsync("attempt 1: ");
        gone.Dispose();
        await bitflow.EndsWithAsync("client.dial.probe");
        Socket reset = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await reset.SendAllAsync("GET /"u8.ToArray());
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split("attempt 1: ").Length == 3, "the second waits too");
        reset.Reset();
        await bitflow.EndsWithAsync("client.dial.reset");
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "nothing is left of either");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Bytes_and_an_end_that_came_during_the_dial_are_delivered_when_the_target_is_there(string engine)
    {
        int port = Ports.Next();
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '127.0.0.1:{port}', connect_attempts: 20, connect_backoff: 100ms }} ]");
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        byte[] request = SocketWords.Noise(50_000);
        await client.SendAllAsync(request);
        client.Shutdown(SocketShutdown.Send);
        await bitflow.SaysAsync("attempt 2: ");
        using var peer = new Peer(new IPEndPoint(IPAddress.Loopback, port));
        using Socket target = await peer.AcceptAsync();
        Assert.Equal(request, await target.ReadToEndAsync());
        await target.SendAllAsync("late, but here"u8.ToArray());
        target.Dispose();
        Assert.Equal("late, but here", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
        await bitflow.EndsWithAsync("client.relay.ended");
    }

    /// <summary>Where the kernel's choice of a local port falls on the port that is dialled, a socket connects to itself, and a client would hear its own words.</summary>
    [NetworkTheory]
    [InlineData("managed", 5)]
    [InlineData("linux", 6)]
    public async Task A_port_of_this_machine_where_nobody_listens_is_refused_though_the_kernel_may_choose_it_for_us(string engine, int number)
    {
        using var network = new NetworkNamespace(number);
        using (ChildProcess narrowed = network.Start("sh", "-c", "echo 21150 21153 >/proc/sys/net/ipv4/ip_local_port_range"))
            Assert.Equal(0, await narrowed.ExitAsync());
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: loopback
              listener: { address: '{{network.There}}:7001' }
              targets: [ { name: a, address: '127.0.0.1:21152', connect_attempts: 30 } ]
            - name: own
              listener: { address: '{{network.There}}:7002' }
              targets: [ { name: a, address: '{{network.There}}:21152', connect_attempts: 30 } ]
            """,
            launcher: network.Inside,
            engine: engine);
        foreach (string proxy in new[] { "loopback", "own" })
        {
            using Socket client = await SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Parse(network.There), bitflow.Port(proxy)));
            await client.SendAllAsync("is anybody there?"u8.ToArray());
            Assert.Empty(await client.ReadToEndAsync());
            await bitflow.EndsWithAsync("target.dial.refused", $"proxy {proxy}:");
        }
    }

    /// <summary>As in many containers. The kernel has one answer (EADDRNOTAVAIL) for that and for a machine whose ports are used up, which would be our fault.</summary>
    [NetworkTheory]
    [InlineData("managed", 7)]
    [InlineData("linux", 8)]
    public async Task Without_IPv6_an_address_of_it_is_unreachable_and_hides_nothing_of_one_that_was_tried(string engine, int number)
    {
        using var network = new NetworkNamespace(number);
        using (ChildProcess turnedOff = network.Start("sh", "-c", "echo 1 >/proc/sys/net/ipv6/conf/all/disable_ipv6"))
            Assert.Equal(0, await turnedOff.ExitAsync());
        string hosts = TestAuthority.Trusted.Write($"hosts-{number}", "127.0.0.1 both.example\n::1 both.example");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: literal
              listener: { address: '{{network.There}}:7001' }
              targets: [ { name: a, address: '[::1]:9' } ]
            - name: both
              listener: { address: '{{network.There}}:7002' }
              targets: [ { name: a, address: 'both.example:9' } ]
            """,
            launcher: [.. network.Inside, "sh", "-c", $"mount --bind {hosts} /etc/hosts && exec \"$@\"", "sh"],
            engine: engine);
        foreach ((string proxy, string reason, string words) in new[]
        {
            ("literal", "target.dial.unreachable", "([::1]:9) is unreachable: this machine has no address to reach it from"),
            ("both", "target.dial.refused", "refused the connection: nothing listens there"),
        })
        {
            using Socket client = await SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Parse(network.There), bitflow.Port(proxy)));
            Assert.Empty(await client.ReadToEndAsync());
            Assert.Contains(words, await bitflow.EndsWithAsync(reason, $"proxy {proxy}:"), StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_accepts_and_resets_is_a_reset_to_the_client(string engine)
    {
        using Peer resetting = Peer.Serving(s =>
        {
            s.Reset();
            return Task.CompletedTask;
        });
        using BitflowProcess bitflow = await StartAsync(engine, $"[ {{ name: a, address: '{resetting.Address}', connect_attempts: 3 }} ]");
        int descriptors = bitflow.Descriptors();
        for (int i = 0; i < 30; i++)
            await SocketWords.IsResetAtOnceAsync(bitflow.EndPoint());

        await bitflow.EndsWithAsync("target.relay.reset");
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "nothing is left");
    }

    /// <summary>A PROXY header or not, it has been reached, and says why it will have nothing of the client.</summary>
    [Theory]
    [InlineData("linux", false)]
    [InlineData("linux", true)]
    [InlineData("managed", true)]
    public async Task What_a_target_says_before_it_resets_at_once_arrives(string engine, bool header)
    {
        byte[] words = SocketWords.Noise(400);
        using Peer resetting = Peer.Serving(async s =>
        {
            await s.SendAllAsync(words);
            s.Reset();
        });
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '{resetting.Address}' }} ]", options: header ? "enable_proxy_header: true" : "");
        for (int i = 0; i < 30; i++)
        {
            using Socket client = ConnectUnasked(bitflow.EndPoint());
            Assert.Equal(words, await client.ReadToResetAsync());
        }

        await bitflow.EndsWithAsync("target.relay.reset");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_a_client_sent_during_the_dial_arrives_before_the_reset_that_followed_it(string engine)
    {
        int port = Ports.Next();
        using BitflowProcess bitflow = await StartAsync(
            engine, $"[ {{ name: a, address: '127.0.0.1:{port}', connect_attempts: 20, connect_backoff: 100ms }} ]");
        Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        byte[] early = SocketWords.Noise(1000);
        await client.SendAllAsync(early);
        await bitflow.SaysAsync("attempt 1: ");
        using var peer = new Peer(new IPEndPoint(IPAddress.Loopback, port));
        using Socket target = await peer.AcceptAsync();

        // The target takes nothing for now: bytes pile up in Bitflow and in the client's queue there.
        byte[] late = SocketWords.Noise(3_000_000, seed: 2);
        await client.SendAllAsync(late);
        await Eventually.IsTrueAsync(() => Libc.IoctlInt((int)client.Handle, Libc.SiocOutq, out int unsent) == 0 && unsent == 0, "Bitflow's kernel has it all");
        client.Reset();

        // Time for either engine to see the reset (the portable one looks twice a second) and, wrongly, to act on it at once.
        await Task.Delay(700);
        byte[] received = await target.ReadToResetAsync();
        Assert.Equal(SocketWords.Digest([.. early, .. late]), SocketWords.Digest(received));
        await bitflow.EndsWithAsync("client.relay.reset");
    }

    /// <summary>The platform asks how a connect came out, and takes a reset that came by then for its answer: what had come before would be lost.</summary>
    private static Socket ConnectUnasked(EndPoint to)
    {
        Span<byte> address = stackalloc byte[SocketAddresses.MaxBytes];
        int descriptor = Libc.Socket(Libc.FamilyInet);
        _ = Libc.Connect(descriptor, address[..SocketAddresses.Write(to, address)]);
        return new Socket(new SafeSocketHandle(descriptor, ownsHandle: true));
    }

    private static async Task<string> AnswerAsync(BitflowProcess bitflow)
    {
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        return Encoding.ASCII.GetString(await client.ReadToEndAsync());
    }
}
