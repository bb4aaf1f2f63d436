using System.Net;
using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Headers;

/// <summary>
/// A connection from `trusted_proxies` begins with a PROXY header, whose addresses then stand for the client's. The peer of these tests is
/// the test itself, so that headers can be as wrong as they like; real senders are in <see cref="ProxyHeaderPeerTests"/>.
/// </summary>
public sealed class InboundProxyHeaderTests
{
    private const string Trusted = "trusted_proxies: [\"127.0.0.1\"]\n";
    private const string V1 = "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\r\n";

    public static TheoryData<EngineKind> Engines => [EngineKind.Linux, EngineKind.Managed];

    public static TheoryData<EngineKind, string> Forms
    {
        get
        {
            var data = new TheoryData<EngineKind, string>();
            foreach (EngineKind engine in Enum.GetValues<EngineKind>())
            {
                data.Add(engine, V1);
                data.Add(engine, Binary("21 11 000c c0000201 c6336402 dc04 01bb"));
                data.Add(engine, Binary("21 11 0013 c0000201 c6336402 dc04 01bb 03 0004 20ec9549"));
                data.Add(engine, Binary("21 21 0024 00000000000000000000ffffc0000201 00000000000000000000ffffc6336402 dc04 01bb"));
            }

            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task What_follows_the_header_is_delivered_untouched_though_it_came_in_the_same_segment(EngineKind engine, string header)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(header + "GET / \0\r\n");
        using Socket target = await backend.AcceptAsync();
        Assert.Equal("GET / \0\r\n", await target.ReadTextAsync(9));
        await client.SendAllAsync("more");
        Assert.Equal("more", await target.ReadTextAsync(4));
        await target.SendAllAsync("answer");
        Assert.Equal("answer", await client.ReadTextAsync(6));
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal("", await target.ReadTextToEndAsync());
        target.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("192.0.2.1:56324", record.Source.ToString());
        Assert.Equal(client.Here().ToString(), record.Peer.ToString());
        Assert.Equal(13, record.SourceSentBytes);
        Assert.Equal("client.relay.ended", record.CloseReason.Value.ToString());
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public async Task A_header_may_come_a_byte_at_a_time(EngineKind engine, string header)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted);
        using Socket client = await bitflow.ConnectAsync();
        client.NoDelay = true;
        foreach (char c in header + "hello")
        {
            await client.SendAllAsync(c.ToString());
            await Task.Yield();
        }

        using Socket target = await backend.AcceptAsync();
        Assert.Equal("hello", await target.ReadTextAsync(5));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_server_may_speak_first_behind_the_header(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1);
        using Socket target = await backend.AcceptAsync();
        await target.SendAllAsync("220 ready");
        Assert.Equal("220 ready", await client.ReadTextAsync(9));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task From_anyone_else_a_header_is_plain_data(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, "trusted_proxies: [\"127.0.0.9\"]\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1);
        using Socket target = await backend.AcceptAsync();
        Assert.Equal(V1, await target.ReadTextAsync(V1.Length));
        client.Dispose();
        target.Dispose();
        Assert.Equal("127.0.0.1", ((Endpoint.Ip)(await bitflow.EndedAsync()).Source).address.ToString());
    }

    public static TheoryData<string> Malformed =>
    [
        "GET / HTTP/1.1\r\n",
        "PROXY TCP4  192.0.2.1 198.51.100.2 56324 443\r\n",
        "PROXY TCP4 192.0.2.1 198.51.100.2 56324 443\n",
        "PROXY TCP6 ::ffff:192.0.2.1%lo ::1 1 2\r\n",
        "PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n",
        "PROXY UNKNOWN " + new string('x', 94),
        Binary("31 11 000c"),
        Binary("21 11 000b"),
        Binary("21 11 0013 c0000201 c6336402 dc04 01bb 03 0004 00000000"),
        "\x16\x03\x01\x02\x00",
    ];

    [Theory]
    [MemberData(nameof(Malformed))]
    public async Task What_is_no_header_ends_the_connection_before_anything_is_dialled(string bytes)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(bytes);
        Assert.Equal(SocketError.Success, await client.EndingAsync());
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("client.proxy_header.protocol", record.CloseReason.Value.ToString());
        Assert.Equal(0, record.DialAttempts);
        Assert.Contains("PROXY", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_header_that_the_client_leaves_unfinished_ends_the_connection_and_is_told(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted);
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1[..20]);
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(SocketError.Success, await client.EndingAsync());
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("client.proxy_header.protocol", record.CloseReason.Value.ToString());
        Assert.Contains("after 20 bytes", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_header_that_a_reset_breaks_off_is_no_probe(EngineKind engine)
    {
        using RunningProxies bitflow = RunningProxies.One("127.0.0.1:1", engine, Trusted);
        Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync("PROXY TCP4 192.0.");

        // A reset may overtake what was not read yet; what was read is what this is about.
        await Eventually.IsTrueAsync(() => HasRead(client.Here()), "the beginning of the header is read");
        client.Reset();
        Assert.Equal("client.proxy_header.reset", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_peer_that_leaves_without_a_byte_is_a_probe(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted);
        (await bitflow.ConnectAsync()).Dispose();
        Assert.Equal("client.proxy_header.probe", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_header_that_comes_late_ends_the_connection(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted + "handshake_timeout: 200ms\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1[..10]);
        Assert.Equal(SocketError.Success, await client.EndingAsync());
        client.Dispose();
        Assert.Equal("client.proxy_header.handshake_timeout", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_deadline_of_the_header_is_gone_once_the_header_is_read(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted + "handshake_timeout: 1s\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1);
        using Socket target = await backend.AcceptAsync();

        // Long past the deadline, nothing having been said.
        await Task.Delay(1_500);
        await client.SendAllAsync("still here");
        Assert.Equal("still here", await target.ReadTextAsync(10));
    }

    [Theory]
    [InlineData("192.0.2.0/24", V1, true)]
    [InlineData("127.0.0.0/8", V1, false)]
    [InlineData("127.0.0.0/8", "PROXY UNKNOWN\r\n", true)]
    [InlineData("192.0.2.0/24", "PROXY UNKNOWN\r\n", false)]
    [InlineData("192.0.2.0/24", "local", true)]
    [InlineData("192.0.2.0/24", "PROXY TCP6 ::ffff:192.0.2.7 ::1 1 2\r\n", true)]
    public async Task The_source_in_the_header_is_what_must_be_authorised(string authorized, string header, bool admitted)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted + $"authorized_sources: [\"{authorized}\"]\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync((header == "local" ? Binary("20 00 0000") : header) + "x");
        if (admitted)
        {
            using Socket target = await backend.AcceptAsync();
            Assert.Equal("x", await target.ReadTextAsync(1));
            Assert.Equal(1, bitflow.Admitted);
            return;
        }

        Assert.Equal(SocketError.ConnectionReset, await client.EndingAsync());
        Assert.Equal("bitflow.admission.refused", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
        Assert.Equal(0, bitflow.Admitted);
    }

    [Fact]
    public async Task A_peer_that_is_neither_trusted_nor_authorised_is_reset_at_once()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            backend.Address, listener: "trusted_proxies: [\"127.0.0.9\"]\nauthorized_sources: [\"192.0.2.0/24\"]\n");
        Assert.Equal(SocketError.ConnectionReset, await RefusalAsync(bitflow));
        Assert.Equal("bitflow.admission.refused", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    [Fact]
    public async Task A_connection_counts_against_the_limit_while_its_header_is_awaited()
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, listener: Trusted, options: "connection_limit: 1\n");
        using Socket first = await bitflow.ConnectAsync();
        await first.SendAllAsync(V1[..5]);
        await Transport.Wire.Eventually(() => Task.FromResult(bitflow.OpenConnections == 1), "the first connection is open");
        Assert.Equal(SocketError.ConnectionReset, await RefusalAsync(bitflow));
        Assert.Equal("bitflow.admission.limit", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    /// <summary>The reset may come before connecting is seen to be done.</summary>
    private static async Task<SocketError> RefusalAsync(RunningProxies bitflow)
    {
        try
        {
            using Socket client = await bitflow.ConnectAsync();
            return await client.EndingAsync();
        }
        catch (SocketException e)
        {
            return e.SocketErrorCode;
        }
    }

    private static string Binary(string rest) =>
        Encoding.Latin1.GetString(Convert.FromHexString(("0d0a0d0a000d0a515549540a" + rest).Replace(" ", "", StringComparison.Ordinal)));

    /// <summary>Whether nothing of what this end has sent waits in the queue of the other (proc(5), /proc/net/tcp).</summary>
    private static bool HasRead(IPEndPoint from) =>
        File.ReadLines("/proc/net/tcp").Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(fields => fields[2].EndsWith($":{from.Port:X4}", StringComparison.Ordinal) && fields[4].EndsWith(":00000000", StringComparison.Ordinal));

    /// <summary>What a client sends while it is sent away is none of its reasons.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_header_that_is_finished_when_the_time_is_over_is_not_recorded(EngineKind engine)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(backend.Address, engine, Trusted + "handshake_timeout: 100ms\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.SendAllAsync(V1[..20]);
        Assert.Equal("", await client.ReadTextToEndAsync());
        await client.SendAllAsync(V1[20..] + "and more");
        client.Shutdown(SocketShutdown.Send);
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("client.proxy_header.handshake_timeout", record.CloseReason.Value.ToString());
        Assert.True(record.Header.IsNone);
        Assert.Equal("", record.Error);
    }
}
