using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>A side that fails while nothing is received from it, because the other takes nothing.</summary>
public sealed class HeldSideTests
{
    private static readonly TimeSpan Stuck = TimeSpan.FromSeconds(1);

    /// <summary>Of a side without a write_timeout.</summary>
    private static readonly TimeSpan Patience = Farewell.defaultPatience.ToTimerSpan();

    /// <summary>More than there is room for on any way.</summary>
    private static readonly byte[] Plenty = new byte[64 * 1024 * 1024];

    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Its_reset_is_passed_on_after_the_patience_with_the_other_and_its_place_is_free(string engine)
    {
        using var peer = new Peer();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(peer.Address) + "\n  options: { connection_limit: 2 }", engine: engine);
        using Socket sending = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket takingNothing = await peer.AcceptAsync();
        using Socket readingNothing = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket answering = await peer.AcceptAsync();
        await Task.WhenAll(sending.FillAsync(Plenty, Stuck), answering.FillAsync(Plenty, Stuck));
        long began = Stopwatch.GetTimestamp();
        sending.Reset();
        answering.Reset();
        await bitflow.EndsWithAsync("client.relay.reset");
        await bitflow.EndsWithAsync("target.relay.reset");
        Assert.True(Stopwatch.GetElapsedTime(began) >= Patience, "a reset waits for what came before it");
        await takingNothing.ReadToResetAsync();
        await readingNothing.ReadToResetAsync();
        using Socket next = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket served = await peer.AcceptAsync();
        await next.SendAllAsync(new byte[] { 1 });
        Assert.Equal([1], await served.ReadExactlyAsync(1));
    }
}
