using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>A client that must speak first stays with the kernel until it does, for a second at the most (TCP_DEFER_ACCEPT); everybody else is accepted at once.</summary>
public sealed class FirstBytesTests
{
    /// <summary>The name of a state of the kernel's, in /proc/net/tcp: the client's side is connected by then, whichever it is here.</summary>
    private const string SynReceived = "03";

    private static readonly string Certificate = $", tls_context: {{ certificates: [ {TestAuthority.Trusted.Issue("a.example").Entry} ] }}";

    private static string Proxy(string target, string listener = "", string balancer = "none") =>
        $"""
        - name: web
          listener: {"{"} address: '127.0.0.1:0'{listener} {"}"}
          targets: [ {"{"} name: '*', address: '{target}' {"}"} ]
          options: {"{"} connection_load_balancer: {balancer} {"}"}
        """;

    [Theory]
    [InlineData(true, "none", "linux")]
    [InlineData(true, "none", "managed")]
    [InlineData(false, "sni", "linux")]
    public async Task Who_must_speak_first_waits_in_the_kernel_and_one_that_leaves_without_a_word_is_a_probe_still(bool terminates, string balancer, string engine)
    {
        using Peer target = Peer.Echo();
        string proxy = Proxy(target.Address, terminates ? Certificate : "", balancer);
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(proxy, engine: engine);

        // One that is looked at only after its second is over has been handed over by then.
        await Eventually.HoldsAsync(() => WaitsAsync(bitflow.EndPoint()), () => "a silent client that waits in the kernel");
        await bitflow.EndsWithAsync("client.hello.probe");
    }

    [Fact]
    public async Task Once_nothing_needs_to_be_said_by_a_reload_nobody_waits_and_the_other_way_round()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target.Address));
        Assert.False(await WaitsAsync(bitflow.EndPoint()));
        await ReloadAsync(bitflow, Proxy(target.Address, Certificate), 1);
        await Eventually.HoldsAsync(() => WaitsAsync(bitflow.EndPoint()), () => "a silent client that waits in the kernel");
        await ReloadAsync(bitflow, Proxy(target.Address), 2);
        Assert.False(await WaitsAsync(bitflow.EndPoint()));
    }

    /// <summary>Those whom the trusted proxies' list leaves out say nothing about themselves, and their targets may speak first.</summary>
    [Fact]
    public async Task Where_some_clients_need_not_speak_first_nobody_waits()
    {
        using Peer target = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Proxy(target.Address, ", trusted_proxies: [ 10.0.0.0/8 ]"));
        Assert.False(await WaitsAsync(bitflow.EndPoint()));
    }

    private static async Task ReloadAsync(BitflowProcess bitflow, string proxy, int time)
    {
        bitflow.Rewrite(proxy);
        bitflow.Signal("HUP");
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split("is in force").Length == time + 1, () => bitflow.Errors);
    }

    /// <summary>Whether a client that has connected and says nothing is, here, no connection yet.</summary>
    private static async Task<bool> WaitsAsync(EndPoint at)
    {
        using Socket client = await SocketWords.ConnectAsync(at);
        string ours = Hexadecimal(client.RemoteEndPoint!), theirs = Hexadecimal(client.LocalEndPoint!);
        return File.ReadLines("/proc/net/tcp").Select(static line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Any(line => line[1] == ours && line[2] == theirs && line[3] == SynReceived);
    }

    /// <summary>As /proc/net/tcp writes an address: the bytes of IPv4 as a number of this machine's, the port as one.</summary>
    private static string Hexadecimal(EndPoint at) =>
        at is IPEndPoint ip
            ? string.Create(CultureInfo.InvariantCulture, $"{BitConverter.ToUInt32(ip.Address.GetAddressBytes()):X8}:{ip.Port:X4}")
            : throw new ArgumentException("no address of TCP", nameof(at));
}
