using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Proxies;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Relay;

/// <summary>How long a reset waits for what came before it.</summary>
public sealed class ResetAfterFlushTests
{
    private static readonly TimeSpan Patience = TimeSpan.FromMilliseconds(600);

    public static TheoryData<EngineKind> Engines => [EngineKind.Linux, EngineKind.Managed];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_side_that_reads_slowly_and_without_a_pause_gets_everything_however_long_that_takes(EngineKind kind)
    {
        using Engine engine = kind.Start();
        using Wire wire = await Wire.ConnectedAsync(engine, Family.Tcp4, peerReceiveBuffer: 4096);
        byte[] sent = SocketWords.Noise(64 * 1024);
        await wire.SendAll(sent);
        long began = Stopwatch.GetTimestamp();
        Task passedOn = await wire.OnLoop(static c => ResetAfterFlush.ResetAsync(c, Duration.OfMilliseconds((long)Patience.TotalMilliseconds), Instant.Never));

        // On a thread of its own: nothing but its own pauses makes it slow.
        byte[] received = await Task.Factory.StartNew(() => ReadSlowly(wire.Peer, sent.Length), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
        Assert.True(Stopwatch.GetElapsedTime(began) > 2 * Patience, "it was read too fast to show anything");
        Assert.Equal(sent, received);
        await passedOn.WaitAsync(Wire.Patience);
        Assert.Equal(SocketError.ConnectionReset, await wire.Peer.EndingAsync());
    }

    private static byte[] ReadSlowly(Socket from, int count)
    {
        byte[] all = new byte[count];
        for (int got = 0; got < count;)
        {
            int bytes = from.Receive(all.AsSpan(got, Math.Min(2048, count - got)));
            if (bytes == 0)
                return all[..got];
            got += bytes;
            Thread.Sleep(50);
        }

        return all;
    }
}
