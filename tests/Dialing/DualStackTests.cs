using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>`enable_dual_stack`: a client gets the target's address of its own family. The resolver is the test's.</summary>
public sealed class DualStackTests
{
    private const string DualStack = "enable_dual_stack: true\n";

    private static readonly IPAddress[] Both = [IPAddress.IPv6Loopback, IPAddress.Loopback];

    public static TheoryData<EngineKind, string> Clients =>
        new()
        {
            { EngineKind.Linux, "127.0.0.1" },
            { EngineKind.Linux, "::1" },
            { EngineKind.Managed, "127.0.0.1" },
            { EngineKind.Managed, "::1" },
        };

    [Theory]
    [MemberData(nameof(Clients))]
    public async Task A_client_reaches_the_address_of_its_own_family_though_its_socket_serves_both(EngineKind engine, string from)
    {
        int port = Ports.Next();
        using var v6 = new Peer(IPAddress.IPv6Loopback, port);
        using var v4 = new Peer(IPAddress.Loopback, port);
        using RunningProxies bitflow = RunningProxies.One($"both.example:{port}", engine, options: DualStack, address: ":0", names: _ => Both);
        IPAddress address = IPAddress.Parse(from);
        using Socket client = await bitflow.ConnectAsync(address);
        using Socket target = await (address.AddressFamily == AddressFamily.InterNetworkV6 ? v6 : v4).AcceptAsync();
        await target.SendAllAsync("yours");
        Assert.Equal("yours", await client.ReadTextAsync(5));
        target.Dispose();
        client.Dispose();
        Assert.Equal(2, (await bitflow.EndedAsync()).Resolved[0].Addresses.Length);
    }

    [Fact]
    public async Task The_source_in_a_PROXY_header_decides_the_family()
    {
        using var v6 = new Peer(IPAddress.IPv6Loopback);
        using RunningProxies bitflow = RunningProxies.One(
            $"both.example:{v6.Port}", listener: "trusted_proxies: [\"127.0.0.1\"]\n", options: DualStack, names: _ => Both);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync("PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\nhello");
        using Socket target = await v6.AcceptAsync();
        Assert.Equal("hello", await target.ReadTextAsync(5));
    }

    [Fact]
    public async Task A_name_without_an_address_of_the_clients_family_is_a_failed_attempt_that_says_so()
    {
        using RunningProxies bitflow = RunningProxies.One(
            "six.example:1", targetKeys: "connect_attempts: 2\n", options: DualStack, names: _ => [IPAddress.IPv6Loopback]);
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.unresolved", record.CloseReason.Value.ToString());
        Assert.Contains("its one address is not IPv4", record.Error, StringComparison.Ordinal);
        Assert.Equal(2, record.DialAttempts);
    }

    [Fact]
    public async Task A_literal_target_fails_for_clients_of_the_other_family()
    {
        using var v4 = new Peer();
        using RunningProxies bitflow = RunningProxies.One(v4.Address, options: DualStack, address: ":0");
        using Socket fits = await bitflow.ConnectAsync(IPAddress.Loopback);
        using Socket target = await v4.AcceptAsync();
        using Socket client = await bitflow.ConnectAsync(IPAddress.IPv6Loopback);
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Contains("its address is IPv4, and the client came over IPv6", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(EngineKind.Linux)]
    [InlineData(EngineKind.Managed)]
    public async Task A_name_server_that_takes_longer_than_resolve_timeout_is_a_failed_attempt_that_says_so(EngineKind engine)
    {
        using var answer = new ManualResetEventSlim();
        using RunningProxies bitflow = RunningProxies.One(
            "slow.example:1",
            engine,
            targetKeys: "resolve_timeout: 200ms\n",
            options: DualStack,
            names: _ =>
            {
                answer.Wait(Eventually.Patience);
                return Both;
            });
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        answer.Set();
        Assert.Equal("target.dial.resolve_timeout", record.CloseReason.Value.ToString());
        Assert.InRange(record.DialDuration.TotalMilliseconds, 190, 3_000);
    }

    [Fact]
    public async Task Without_dual_stack_a_dial_stops_waiting_for_a_name_at_its_own_deadline()
    {
        using var answer = new ManualResetEventSlim();
        using RunningProxies bitflow = RunningProxies.One(
            "slow.example:1",
            targetKeys: "connect_timeout: 200ms\n",
            names: _ =>
            {
                answer.Wait(Eventually.Patience);
                return Both;
            });
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        answer.Set();
        Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
    }

    [Fact]
    public async Task An_address_that_a_SOCKS5_proxy_cannot_reach_is_followed_by_the_next()
    {
        var asked = new ConcurrentQueue<byte>();
        byte[] hostUnreachable = [5, 4, 0, 1, 0, 0, 0, 0, 0, 0];
        using var proxy = new SocksServer(
            async s =>
            {
                await s.ReadUpToAsync(3);
                await s.SendAllAsync(SocksServer.NoAuthentication);
                asked.Enqueue((await SocksServer.RequestAsync(s))[7]);
                await s.SendAllAsync(hostUnreachable);
            },
            SocksServer.Willing(request => asked.Enqueue(request[7]), s => s.SendAllAsync("through")));
        using RunningProxies bitflow = RunningProxies.One(
            "many.example:443",
            targetKeys: $"proxy: \"{proxy.Address}\"\n",
            options: DualStack,
            names: _ => [IPAddress.Parse("192.0.2.1"), IPAddress.IPv6Loopback, IPAddress.Parse("192.0.2.2"), IPAddress.Parse("192.0.2.3")]);
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("through", await client.ReadTextAsync(7));
        Assert.Equal([(byte)1, (byte)2], asked.ToArray());
        client.Dispose();
        Assert.Equal(1, (await bitflow.EndedAsync()).DialAttempts);
    }

    [Fact]
    public async Task A_SOCKS5_proxy_that_reaches_no_address_is_asked_for_each_once()
    {
        using var proxy = new SocksServer(SocksServer.AnsweringThenGone(SocksServer.NoAuthentication, [5, 5, 0, 1, 0, 0, 0, 0, 0, 0]));
        using RunningProxies bitflow = RunningProxies.One(
            "many.example:443",
            targetKeys: $"proxy: \"{proxy.Address}\"\nconnect_attempts: 1\n",
            options: DualStack,
            names: _ => [IPAddress.Parse("192.0.2.1"), IPAddress.Parse("192.0.2.2")]);
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.refused", record.CloseReason.Value.ToString());
        Assert.Equal(2, proxy.Served);
    }

    [Theory]
    [InlineData("127.0.0.1", "01 7f000001")]
    [InlineData("::1", "04 00000000000000000000000000000001")]
    public async Task With_a_SOCKS5_proxy_both_names_follow_the_client_and_the_target_is_sent_as_a_literal(string from, string sent)
    {
        byte[] asked = [];
        IPAddress family = IPAddress.Parse(from);
        using var proxy = new SocksServer(family, SocksServer.Willing(request => asked = request, s => s.SendAllAsync("through")));
        int port = IPEndPoint.Parse(proxy.Address).Port;
        var names = new ConcurrentBag<string>();
        using RunningProxies bitflow = RunningProxies.One(
            "both.example:443",
            targetKeys: $"proxy: \"proxy.example:{port}\"\n",
            options: DualStack,
            address: ":0",
            names: name =>
            {
                names.Add(name);
                return Both;
            });
        using Socket client = await bitflow.ConnectAsync(family);
        Assert.Equal("through", await client.ReadTextAsync(7));
        Assert.Equal(Convert.FromHexString("050100" + sent.Replace(" ", "", StringComparison.Ordinal) + "01bb"), asked);
        Assert.Equal(["both.example", "proxy.example"], names.Order());
    }
}
