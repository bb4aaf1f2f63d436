using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>The kernel has no memory for a relay, or no watch for a client: whoever reads the log learns that it is this machine, and not a peer.</summary>
public sealed class WantTests
{
    [Fact]
    public async Task A_relay_that_the_kernel_has_no_buffers_for_is_nobodys_reset()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address), engine: "linux", launcher: SystemCallFilter.Refusing("recvfrom", Errno.ENOBUFS));
        await SocketWords.IsResetAtOnceAsync(bitflow.EndPoint());
        string line = await bitflow.EndsWithAsync("bitflow.relay.exhausted");
        Assert.Contains("memory", line, StringComparison.Ordinal);
    }

    /// <summary>
    /// As with fs.epoll.max_user_watches used up, from a descriptor on. A connection takes two, so that of two bounds side by side one meets a client, and the other
    /// the way to its target.
    /// </summary>
    [Fact]
    public async Task A_client_that_cannot_be_watched_is_named_and_a_target_is_not_blamed()
    {
        const int Bound = 200;
        var said = new List<string>();
        foreach (int from in new[] { Bound, Bound + 1 })
        {
            using Peer echo = Peer.Echo();
            using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address), engine: "linux", launcher: SystemCallFilter.Refusing("epoll_ctl", Errno.ENOSPC, from));
            var served = new List<Socket>();
            while (await IsServedAsync(bitflow, served))
                Assert.InRange(served.Count, 1, Bound);
            string? line = null;
            await Eventually.IsTrueAsync(() => (line = bitflow.Errors.Split('\n').FirstOrDefault(IsAboutWatches)) is not null, () => bitflow.Errors);
            said.Add(line!);

            // Those that are served are served on.
            await served[0].SendAllAsync(new byte[] { 1, 2, 3 });
            Assert.Equal([1, 2, 3], await served[0].ReadExactlyAsync(3));
            served.ForEach(static client => client.Dispose());
        }

        Assert.Single(said, static line => line.Contains(" was accepted on ", StringComparison.Ordinal) && line.Contains("and reset: the user's epoll watches", StringComparison.Ordinal));
        Assert.Single(said, static line => line.Contains("bitflow.dial.exhausted", StringComparison.Ordinal));
    }

    /// <summary>A failed attempt is told of once more, at the end of its connection.</summary>
    private static bool IsAboutWatches(string line) =>
        line.Contains("epoll watches are used up", StringComparison.Ordinal) && !line.Contains(" DEBUG ", StringComparison.Ordinal);

    /// <summary>Whether one client more gets an answer; it stays where it does.</summary>
    private static async Task<bool> IsServedAsync(BitflowProcess bitflow, List<Socket> served)
    {
        try
        {
            // So soon may the reset come that connecting meets it.
            Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            await client.SendAllAsync(new byte[] { 7 });
            if (await client.ReceiveAsync(new byte[1]).Patiently() == 1)
            {
                served.Add(client);
                return true;
            }

            client.Dispose();
        }
        catch (SocketException)
        {
            // It was reset.
        }

        return false;
    }
}
