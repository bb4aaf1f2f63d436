using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>What limits an attempt, how its time is shared out among the addresses of a name, and what is recorded of one that is cut off.</summary>
public sealed class AttemptTests
{
    private const string AnyCertificate = "tls_context: { verify_mode: none }\n";

    private static readonly IPAddress First = IPAddress.Parse("127.0.0.11");
    private static readonly IPAddress Second = IPAddress.Parse("127.0.0.12");

    /// <summary>One proxy whose targets are tried in their order.</summary>
    private static RunningProxies InOrder(EngineKind engine, string targets, string options = "", Func<string, IPAddress[]>? names = null) =>
        RunningProxies.Start(
            $$"""
            server:
              proxies:
                - name: p
                  listener: { address: "127.0.0.1:0" }
                  targets: [ {{targets}} ]
                  options: { connection_load_balancer: failover, {{options}} }
            """,
            engine,
            names);

    public static TheoryData<EngineKind> Engines => [EngineKind.Linux, EngineKind.Managed];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_targets_write_timeout_does_not_cut_its_dial(EngineKind engine)
    {
        using var blackhole = new Blackhole();
        using RunningProxies bitflow = RunningProxies.One(blackhole.Address, engine, targetKeys: "connect_timeout: 2500ms\nwrite_timeout: 300ms\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
        Assert.InRange(record.DialDuration.TotalMilliseconds, 2_490, 10_000);
    }

    /// <summary>It has no descriptor then, and nobody counts one for it any more.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_dial_that_was_given_up_while_its_name_was_looked_up_connects_to_nobody(EngineKind engine)
    {
        using var found = new ManualResetEventSlim();
        int accepted = 0;
        using Peer target = Peer.Serving(async socket =>
        {
            Interlocked.Increment(ref accepted);
            await socket.SendAllAsync("served"u8.ToArray());
        });
        using RunningProxies bitflow = RunningProxies.One(
            $"late.example:{target.Port}",
            engine,
            names: _ =>
            {
                found.Wait(Eventually.Patience);
                return [IPAddress.Loopback];
            });
        Socket first = await bitflow.ConnectAsync();
        first.Close(0);
        Assert.Equal("client.dial.probe", (await bitflow.EndedAsync()).CloseReason.Value.ToString());

        // One lookup serves both, in their order: who left would be connected first.
        using Socket second = await bitflow.ConnectAsync();
        await Eventually.IsTrueAsync(() => bitflow.OpenConnections == 1 && bitflow.Admitted == 2, "the second waits too");
        found.Set();
        Assert.Equal("served"u8.ToArray(), await second.ReadExactlyAsync(6));
        Assert.Equal(1, accepted);
    }

    /// <summary>The wait for the next attempt belongs to no attempt.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_dial_of_a_connection_that_ends_between_attempts_lasted_until_the_last_had_failed(EngineKind engine)
    {
        string nobody;
        using (var peer = new Peer())
            nobody = peer.Address;
        using RunningProxies bitflow = RunningProxies.One(nobody, engine, targetKeys: "connect_attempts: 3\nconnect_backoff: 1h\n", options: "connection_lifetime: 2s\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("bitflow.dial.lifetime", record.CloseReason.Value.ToString());
        Assert.Equal(1, record.DialAttempts);
        Assert.InRange(record.DialDuration.TotalMilliseconds, 0, 1_500);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_dial_that_runs_into_its_timeout_is_recorded_with_the_address_that_did_not_answer(EngineKind engine)
    {
        using var blackhole = new Blackhole();
        var silent = IPEndPoint.Parse(blackhole.Address);
        using RunningProxies bitflow = RunningProxies.One(
            $"silent.example:{silent.Port}", engine, targetKeys: "connect_timeout: 100ms\n", names: _ => [silent.Address]);
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
        Assert.Equal(Endpoint.OfIp(silent.Address, silent.Port), record.Destination);
        Assert.Equal([silent.Address], Assert.Single(record.Resolved).Addresses);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_dial_that_its_client_cuts_off_is_recorded_with_the_address_that_it_was_at(EngineKind engine)
    {
        using var down = new Refusal();
        using var blackhole = new Blackhole();
        using RunningProxies bitflow = InOrder(
            engine,
            $$"""{ name: down, address: "down.example:{{IPEndPoint.Parse(down.Address).Port}}" }, { name: silent, address: "{{blackhole.Address}}" }""",
            names: _ => [IPAddress.Loopback]);
        Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync("GET /");
        await Eventually.IsTrueAsync(() => bitflow.FailedAttempts.Count == 1, "the second target is dialled");
        client.Reset();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("client.dial.reset", record.CloseReason.Value.ToString());
        Assert.Equal("silent", record.Target);
        Assert.Equal(blackhole.Address, record.Destination.ToString());

        // What was looked up for the target before it is not forgotten, nor said to be this one's.
        Assert.Equal("down.example", Assert.Single(record.Resolved).Host);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Every_name_that_was_resolved_is_recorded_with_its_own_addresses(EngineKind engine)
    {
        int port = Ports.Next();
        using Peer proxy = Peer.Serving(SocksServer.Willing(_ => { }, s => s.SendAllAsync("through")), new IPEndPoint(First, port));
        string keys = $"proxy: \"proxy.example:{port}\"\n";
        IPAddress[] theTargets = [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2")];
        IPAddress[] Names(string name) => name == "proxy.example" ? [First] : theTargets;
        using (RunningProxies plain = RunningProxies.One("app.example:443", engine, targetKeys: keys, names: Names))
        {
            Resolved only = Assert.Single((await RecordAsync(plain)).Resolved);
            Assert.Equal("proxy.example", only.Host);
            Assert.Equal([First], only.Addresses);
        }

        using RunningProxies dual = RunningProxies.One("app.example:443", engine, targetKeys: keys, options: "enable_dual_stack: true\n", names: Names);
        Dictionary<string, IPAddress[]> resolved = (await RecordAsync(dual)).Resolved.ToDictionary(r => r.Host, r => r.Addresses.ToArray());
        Assert.Equal(["app.example", "proxy.example"], resolved.Keys.Order());
        Assert.Equal([First], resolved["proxy.example"]);
        Assert.Equal(theTargets, resolved["app.example"]);

        static async Task<ConnectionRecord> RecordAsync(RunningProxies bitflow)
        {
            using Socket client = await bitflow.ConnectAsync();
            Assert.Equal("through", await client.ReadTextToEndAsync());
            client.Dispose();
            return await bitflow.EndedAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_address_at_which_a_SOCKS5_proxy_hangs_is_followed_by_the_next_within_the_attempt(EngineKind engine)
    {
        var asked = new List<byte>();
        using var proxy = new SocksServer(
            SocksServer.Silent(request => asked.Add(request[7])),
            SocksServer.Willing(request => asked.Add(request[7]), s => s.SendAllAsync("through")));
        using RunningProxies bitflow = RunningProxies.One(
            "many.example:443",
            engine,
            targetKeys: $"proxy: \"{proxy.Address}\"\nconnect_timeout: 4s\n",
            options: "enable_dual_stack: true\n",
            names: _ => [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2")]);
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("through", await client.ReadTextAsync(7));
        Assert.Equal([(byte)1, (byte)2], asked);
        client.Dispose();
        Assert.Equal(1, (await bitflow.EndedAsync()).DialAttempts);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_address_at_which_the_SOCKS5_proxy_itself_hangs_is_followed_by_its_next(EngineKind engine)
    {
        int port = Ports.Next();
        using var hanging = new Peer(First, port);
        using Peer willing = Peer.Serving(SocksServer.Willing(_ => { }, s => s.SendAllAsync("through")), new IPEndPoint(Second, port));
        using RunningProxies bitflow = RunningProxies.One(
            "app.example:443", engine, targetKeys: $"proxy: \"proxy.example:{port}\"\nconnect_timeout: 4s\n", names: _ => [First, Second]);
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("through", await client.ReadTextAsync(7));
        client.Dispose();
        Assert.Equal(1, (await bitflow.EndedAsync()).DialAttempts);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_SOCKS5_proxy_that_hangs_at_all_of_its_addresses_is_told_as_what_hung(EngineKind engine)
    {
        int port = Ports.Next();
        using var first = new Peer(First, port);
        using var second = new Peer(Second, port);
        using RunningProxies bitflow = RunningProxies.One(
            "app.example:443", engine, targetKeys: $"proxy: \"proxy.example:{port}\"\nconnect_timeout: 400ms\n", names: _ => [First, Second]);
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        Assert.Equal("cannot be reached: its SOCKS5 proxy did not answer the greeting within connect_timeout", (await bitflow.EndedAsync()).Error);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_address_that_hangs_in_its_TLS_handshake_is_followed_by_the_next_within_the_attempt(EngineKind engine)
    {
        int port = Ports.Next();
        using var hanging = new Peer(First, port);
        using var serving = new Peer(Second, port);
        using RunningProxies bitflow = RunningProxies.One(
            $"app.example:{port}", engine, targetKeys: AnyCertificate + "connect_timeout: 4s\n", names: _ => [First, Second]);
        using Socket client = await bitflow.ConnectAsync();
        using Socket silent = await hanging.AcceptAsync();
        using TestEnd target = await TestEnd.ServerAsync(await serving.AcceptAsync(), TestAuthority.Trusted.Issue("app.example"));
        await target.SendAsync("secured"u8.ToArray());
        Assert.Equal("secured", await client.ReadTextAsync(7));
        Assert.Equal(SocketError.ConnectionReset, await silent.EndingAsync());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_attempt_that_runs_into_its_time_is_told_of_like_every_other(EngineKind engine)
    {
        using var blackhole = new Blackhole();
        using var down = new Refusal();
        using RunningProxies bitflow = InOrder(
            engine,
            $$"""{ name: silent, address: "{{blackhole.Address}}", connect_timeout: 100ms }, { name: down, address: "{{down.Address}}" }""");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        Assert.Equal("target.dial.refused", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
        Assert.Equal(["did not answer within connect_timeout", "refused the connection: nothing listens there"], bitflow.FailedAttempts);
    }

    [Theory]
    [InlineData(EngineKind.Linux, "slow.example:80", "", "was not asked: connect_timeout was over before its name was resolved")]
    [InlineData(EngineKind.Managed, "slow.example:80", "", "was not asked: connect_timeout was over before its name was resolved")]
    [InlineData(EngineKind.Linux, "app.example:80", "slow.example:1080", "was not asked: connect_timeout was over before the name of its SOCKS5 proxy was resolved")]
    [InlineData(EngineKind.Managed, "app.example:80", "slow.example:1080", "was not asked: connect_timeout was over before the name of its SOCKS5 proxy was resolved")]
    public async Task A_name_that_is_not_resolved_in_time_is_told_as_whose_it_is_and_nobody_is_said_to_have_been_silent(
        EngineKind engine, string target, string proxy, string error)
    {
        using var answer = new ManualResetEventSlim();
        using RunningProxies bitflow = RunningProxies.One(
            target,
            engine,
            targetKeys: (proxy == "" ? "" : $"proxy: \"{proxy}\"\n") + "connect_timeout: 100ms\n",
            names: host =>
            {
                if (host == "slow.example")
                    answer.Wait(Eventually.Patience);
                return [IPAddress.Loopback];
            });
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        answer.Set();
        Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
        Assert.Equal(error, record.Error);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_speaks_TLS_1_2_alone_is_told_with_the_setting_that_lets_it_in(EngineKind engine)
    {
        IssuedCertificate shown = TestAuthority.Trusted.Issue("app.example");
        using Peer old = Peer.Serving(async socket =>
        {
            using var tls = new SslStream(new NetworkStream(socket));
            await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = shown.Certificate, EnabledSslProtocols = SslProtocols.Tls12 });
        });
        using RunningProxies bitflow = RunningProxies.One(old.Address, engine, targetKeys: AnyCertificate);
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.protocol", record.CloseReason.Value.ToString());
        Assert.EndsWith("; if it speaks TLS 1.2 alone, set min_version: \"1.2\"", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_takes_the_connection_and_says_nothing_to_the_handshake_is_told_so(EngineKind engine)
    {
        int port = Ports.Next();
        using var mute = new Peer(First, port);
        using RunningProxies bitflow = RunningProxies.One($"{First}:{port}", engine, targetKeys: AnyCertificate + "connect_timeout: 300ms\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
        Assert.Equal("did not complete the TLS handshake within connect_timeout", record.Error);
    }

    /// <summary>A target nearby refuses at once: thousands of attempts must leave the clock, and everybody else on the loop, their turns.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_lifetime_is_kept_however_fast_attempts_fail(EngineKind engine)
    {
        using var down = new Refusal();
        string targets = string.Join(", ", Enumerable.Range(0, 20).Select(i => $$"""{ name: t{{i}}, address: "{{down.Address}}", connect_attempts: 1000 }"""));
        using RunningProxies bitflow = InOrder(
            engine,
            targets,
            options: "connection_lifetime: 50ms");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("bitflow.dial.lifetime", record.CloseReason.Value.ToString());
        Assert.InRange(record.Duration.TotalMilliseconds, 50, 10_000);
        Assert.Equal("", record.Error);
    }
}
