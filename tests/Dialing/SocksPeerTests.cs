using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>Through real SOCKS5 proxies: microsocks and Dante.</summary>
public sealed class SocksPeerTests
{
    [Theory]
    [InlineData("", "")]
    [InlineData("user:pass@", "user:pass")]
    public async Task Through_microsocks(string credentials, string wanted)
    {
        int port = Ports.Next();
        string[] authentication = wanted.Length == 0 ? [] : ["-u", "user", "-P", "pass"];
        using PeerProcess microsocks = await PeerProcess.StartAsync(
            PeerProcess.NewHome(), "microsocks", ["-i", "127.0.0.1", "-p", $"{port}", .. authentication], port);
        await ReachesAsync($"{credentials}127.0.0.1:{port}");
    }

    [Fact]
    public async Task Microsocks_refuses_a_wrong_password_and_we_say_so()
    {
        int port = Ports.Next();
        using PeerProcess microsocks = await PeerProcess.StartAsync(
            PeerProcess.NewHome(), "microsocks", ["-i", "127.0.0.1", "-p", $"{port}", "-u", "user", "-P", "pass"], port);
        using RunningProxies bitflow = RunningProxies.One("localhost:1", targetKeys: $"proxy: \"user:wrong@127.0.0.1:{port}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        Assert.Contains("refused the user and password", (await bitflow.EndedAsync()).Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Microsocks_finds_nobody_there_and_we_say_what_it_said()
    {
        int port = Ports.Next();
        using PeerProcess microsocks = await PeerProcess.StartAsync(PeerProcess.NewHome(), "microsocks", ["-i", "127.0.0.1", "-p", $"{port}"], port);
        using RunningProxies bitflow = RunningProxies.One($"127.0.0.1:{Ports.Next()}", targetKeys: $"proxy: \"127.0.0.1:{port}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Contains("connection refused", record.Error, StringComparison.Ordinal);
        Assert.Equal("target.dial.refused", record.CloseReason.Value.ToString());
    }

    [Fact]
    public async Task Through_Dante()
    {
        int port = Ports.Next();
        string home = PeerProcess.NewHome();
        string file = Path.Combine(home, "danted.conf");
        await File.WriteAllTextAsync(
            file,
            $$"""
            logoutput: stderr
            internal: 127.0.0.1 port = {{port}}
            external: 127.0.0.1
            clientmethod: none
            socksmethod: none
            client pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }
            socks pass { from: 127.0.0.0/8 to: 0.0.0.0/0 }

            """);
        using PeerProcess dante = await PeerProcess.StartAsync(home, "danted", ["-f", file, "-p", Path.Combine(home, "pid")], port);
        await ReachesAsync($"127.0.0.1:{port}");
    }

    /// <summary>A target by name and one by address, with half-closes, each through the proxy.</summary>
    private static async Task ReachesAsync(string proxy)
    {
        using var backend = new Peer();
        foreach (string target in new[] { $"localhost:{backend.Port}", $"127.0.0.1:{backend.Port}" })
        {
            using RunningProxies bitflow = RunningProxies.One(target, targetKeys: $"proxy: \"{proxy}\"\n");
            using Socket client = await bitflow.ConnectAsync();
            using Socket there = await backend.AcceptAsync();
            await there.SendAllAsync("welcome");
            Assert.Equal("welcome", await client.ReadTextAsync(7));
            await client.SendAllAsync("thanks");
            Assert.Equal("thanks", await there.ReadTextAsync(6));
        }
    }
}
