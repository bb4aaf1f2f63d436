using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Peers that vanish: the cable is pulled, packets are lost, and neither an end nor a reset ever comes. What is left is time: `write_timeout` for bytes
/// that nobody acknowledges, keep-alive, and `read_timeout`.
/// </summary>
public sealed class VanishedPeerTests
{
    private static string Listener(NetworkNamespace network, string timeouts) => $"{{ address: '{network.Here}:0' {timeouts} }}";

    [NetworkTheory]
    [InlineData("managed", 1)]
    [InlineData("linux", 2)]
    public async Task A_vanished_client_is_given_up_at_write_timeout_or_by_its_silence_at_read_timeout(string engine, int number)
    {
        using var network = new NetworkNamespace(number);
        using var peer = new Peer();
        var flows = new TaskCompletionSource();
        using Peer flood = Peer.Serving(async s =>
        {
            for (int i = 0; ; i++)
            {
                await s.SendAllAsync(new byte[100_000]);
                if (i == 100)
                    flows.SetResult();
            }
        });
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: unanswered
              listener: {{Listener(network, ", write_timeout: 1s")}}
              targets: [ { name: a, address: '{{peer.Address}}' } ]
            - name: silent
              listener: {{Listener(network, ", read_timeout: 2s")}}
              targets: [ { name: a, address: '{{peer.Address}}' } ]
            - name: full
              listener: {{Listener(network, ", write_timeout: 1s")}}
              targets: [ { name: a, address: '{{flood.Address}}' } ]
            """,
            engine: engine);
        using ChildProcess first = network.Start("socat", "-", $"TCP:{network.Here}:{bitflow.Port("unanswered")}");
        await first.Input.WriteAsync("hello");
        await first.Input.FlushAsync();
        using Socket unanswered = await peer.AcceptAsync();
        Assert.Equal(5, (await unanswered.ReadExactlyAsync(5)).Length);
        using ChildProcess second = network.Start("socat", "-", $"TCP:{network.Here}:{bitflow.Port("silent")}");
        using Socket silent = await peer.AcceptAsync();
        using ChildProcess third = network.Start("sh", "-c", $"socat -u TCP:{network.Here}:{bitflow.Port("full")} - >/dev/null");
        await flows.Task.WaitAsync(Eventually.Patience);
        network.PullCable();

        // It fits into the kernel's queue: no write is pending, and still someone must notice.
        await unanswered.SendAllAsync("are you there?"u8.ToArray());
        Assert.Empty(await unanswered.ReadToResetAsync());
        await bitflow.EndsWithAsync("client.relay.vanished");
        Assert.Empty(await silent.ReadToResetAsync());
        await bitflow.EndsWithAsync("client.relay.read_timeout");

        // Here a write is pending.
        await bitflow.EndsWithAsync("client.relay.write_timeout");
    }

    [NetworkTheory]
    [InlineData("managed", 3)]
    [InlineData("linux", 4)]
    public async Task A_target_that_vanished_while_idle_is_found_by_keep_alive(string engine, int number)
    {
        using var network = new NetworkNamespace(number);
        using ChildProcess echo = network.Start("socat", "TCP-LISTEN:7000,fork,reuseaddr", "EXEC:cat");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{network.There}}:7000', keepalive_interval: 1s, connect_attempts: 50, connect_backoff: 50ms } ]
            """,
            engine: engine);
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("hello"u8.ToArray());
        Assert.Equal(5, (await client.ReadExactlyAsync(5)).Length);
        network.PullCable();
        Assert.Empty(await client.ReadToResetAsync());
        await bitflow.EndsWithAsync("target.relay.vanished");
    }
}
