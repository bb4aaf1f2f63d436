using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport.Linux;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>What limits an attempt, and what does not.</summary>
public sealed class AttemptTests
{
    private const string AnyCertificate = "tls_context: { verify_mode: none }\n";

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

    [Theory]
    [InlineData(EngineKind.Linux, false)]
    [InlineData(EngineKind.Linux, true)]
    [InlineData(EngineKind.Managed, false)]
    [InlineData(EngineKind.Managed, true)]
    public async Task A_targets_write_timeout_is_the_kernels_as_well_once_the_relay_begins(EngineKind engine, bool secured)
    {
        using var backend = new Peer();
        using RunningProxies bitflow = RunningProxies.One(
            backend.Address, engine, targetKeys: "write_timeout: 1500ms\n" + (secured ? AnyCertificate : ""));
        using Socket client = await bitflow.ConnectAsync();
        using Socket socket = await backend.AcceptAsync();
        using TestEnd target = secured ? await TestEnd.ServerAsync(socket, TestAuthority.Trusted.Issue("127.0.0.1")) : TestEnd.Plain(socket);
        await client.SendAllAsync("relayed");
        await target.ReadExactlyAsync(7);
        Assert.Equal(1500, UserTimeout(OursTo(socket)));
    }

    private static int UserTimeout(int descriptor)
    {
        Assert.Equal(0, Libc.GetOption(descriptor, Libc.IpProtoTcp, Libc.TcpUserTimeout, out int milliseconds));
        return milliseconds;
    }

    private static int OursTo(Socket peer)
    {
        var local = Endpoint.OfIp(peer.There().Address, peer.There().Port);
        byte[] address = new byte[SocketAddresses.MaxBytes];
        return Directory.GetFiles("/proc/self/fd").Select(path => int.Parse(Path.GetFileName(path), System.Globalization.CultureInfo.InvariantCulture))
            .Single(descriptor => Libc.LocalAddress(descriptor, address) is > 0 and int bytes && SocketAddresses.Read(address.AsSpan(0, bytes)).Equals(local));
    }
}
