using System.Net.Sockets;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Relay;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Relay;

public sealed class ManagedPumpContract() : PumpContract(new ManagedEngine());

public sealed class LinuxPumpContract() : PumpContract(new LinuxEngine(loops: 1))
{
    /// <summary>As with a server that answers and closes: a segment less on its way to every client.</summary>
    [Fact]
    public async Task An_end_that_came_with_the_last_bytes_goes_on_with_them()
    {
        using var pumping = await BeginAsync();
        using var busy = new ManualResetEventSlim();
        using var mayGoOn = new ManualResetEventSlim();
        Task<bool> meanwhile = pumping.Client.OnLoop(_ =>
        {
            busy.Set();
            return mayGoOn.Wait(Wire.Patience);
        });

        // Otherwise the loop may see the bytes before the end has come.
        Assert.True(await Task.Run(() => busy.Wait(Wire.Patience)));
        await pumping.Client.Peer.SendAsync("all there is"u8.ToArray());
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        int before = Segments.ReceivedBy(pumping.Target.Peer);
        mayGoOn.Set();
        Assert.True(await meanwhile);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        (byte[] received, _) = await pumping.Target.PeerReceiveAll().WaitAsync(Wire.Patience);
        Assert.Equal("all there is"u8.ToArray(), received);
        Assert.Equal(1, Segments.ReceivedBy(pumping.Target.Peer) - before);
    }
}

/// <summary>What a direction of the relay owes, whichever pump carries it: its bytes, what it says happened, its stamps.</summary>
public abstract class PumpContract : IDisposable
{
    private readonly Engine _engine;

    private protected PumpContract(Engine engine) => _engine = engine;

    public void Dispose()
    {
        _engine.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [InlineData(Family.Tcp4, 0, 10_000_000)]
    [InlineData(Family.Tcp4, 5_000, 3_000_000)]
    [InlineData(Family.Tcp4, 2_000_000, 1)]
    [InlineData(Family.Unix, 100, 3_000_000)]
    public async Task Every_byte_arrives_then_the_end_is_told_and_nothing_else(Family family, int early, int length)
    {
        using var pumping = await Pumping.BeginAsync(_engine, family, Wire.Pattern(early, 7));
        byte[] sent = Wire.Pattern(length, 3);
        Task<(byte[] Bytes, SocketError Ending)> receiving = pumping.Target.PeerReceiveAll();
        var random = new Random(length);
        for (int at = 0; at < sent.Length;)
            at += await pumping.Client.Peer.SendAsync(sent.AsMemory(at, Math.Min(random.Next(1, 400_000), sent.Length - at)));
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        await pumping.Target.End();
        (byte[] received, _) = await receiving.WaitAsync(Wire.Patience);
        Assert.True(received.AsSpan(0, early).SequenceEqual(Wire.Pattern(early, 7)));
        Assert.True(received.AsSpan(early).SequenceEqual(sent));
        Assert.Equal(early + length, pumping.ClientStamps.BytesFrom);
        Assert.Equal(early + length, pumping.TargetStamps.BytesTo);
        Assert.False(pumping.ClientStamps.Held);
        Assert.False(pumping.TargetStamps.WritePending);
        Assert.True(pumping.Told.IsEmpty);
    }

    [Fact]
    public async Task A_target_that_does_not_read_holds_its_client_and_loses_nothing()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, [], targetReceiveBuffer: 64 * 1024);
        byte[] sent = Wire.Pattern(50_000_000, 3);
        Task sending = Send();
        await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref pumping.ClientStamps.Held)), "the client is held");
        long taken = -1;
        await Wire.Eventually(
            async () =>
            {
                long now = Volatile.Read(ref pumping.TargetStamps.BytesTo);
                await Task.Delay(100);
                (bool still, taken) = (now == taken, now);
                return still;
            },
            "nothing moves");
        Assert.True(pumping.TargetStamps.WritePending);
        Assert.True(pumping.Told.IsEmpty);
        Assert.False(sending.IsCompleted);
        (byte[] received, _) = await Receive();
        await sending.WaitAsync(Wire.Patience);
        Assert.True(received.AsSpan().SequenceEqual(sent));
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        Assert.False(pumping.ClientStamps.Held);
        Assert.False(pumping.TargetStamps.WritePending);

        async Task Send()
        {
            for (int at = 0; at < sent.Length;)
                at += await pumping.Client.Peer.SendAsync(sent.AsMemory(at));
            pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        }

        async Task<(byte[] Bytes, SocketError Ending)> Receive()
        {
            Task<(byte[] Bytes, SocketError Ending)> all = pumping.Target.PeerReceiveAll();
            await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref pumping.TargetStamps.BytesTo) == sent.Length), "everything is taken");
            await pumping.Target.End();
            return await all.WaitAsync(Wire.Patience);
        }
    }

    [Fact]
    public async Task What_a_client_sent_before_its_reset_is_handed_on_first()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        pumping.Client.Peer.Send("last words"u8);
        await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref pumping.TargetStamps.BytesTo) == 10), "they are handed on");
        pumping.Client.PeerAborts();
        Assert.Equal((Side.Client, RelayEvent.Reset), await pumping.Told.NextAsync());
        Assert.True(pumping.Told.IsEmpty);
    }

    [Fact]
    public async Task A_target_that_resets_fails_the_write()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        pumping.Target.PeerAborts();
        byte[] some = new byte[1000];
        Task sending = Task.Run(async () =>
        {
            while (pumping.Told.IsEmpty)
            {
                await pumping.Client.Peer.SendAsync(some);
                await Task.Delay(5);
            }
        });
        Assert.Equal((Side.Target, RelayEvent.WriteFailed), await pumping.Told.PeekAsync());
        await sending.WaitAsync(Wire.Patience);
    }

    [Fact]
    public async Task A_target_that_resets_while_a_write_waits_fails_the_write()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        Task sending = Task.Run(async () =>
        {
            byte[] some = new byte[1 << 20];
            while (!Volatile.Read(ref pumping.ClientStamps.Held))
                await pumping.Client.Peer.SendAsync(some).WaitAsync(Wire.Patience);
        });
        await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref pumping.ClientStamps.Held)), "the client is held");
        pumping.Target.PeerAborts();
        Assert.Equal((Side.Target, RelayEvent.WriteFailed), await pumping.Told.NextAsync());
        Assert.False(pumping.ClientStamps.Held);
        Assert.False(pumping.TargetStamps.WritePending);
        pumping.Client.Dispose();
        await sending.WaitAsync(Wire.Patience).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Fact]
    public async Task When_the_connections_are_closed_here_nothing_is_told()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        pumping.Client.Peer.Send("x"u8);
        await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref pumping.TargetStamps.BytesTo) == 1), "it pumps");
        pumping.Client.Connection.Abort();
        pumping.Target.Connection.Abort();
        await Task.Delay(100);
        Assert.True(pumping.Told.IsEmpty);
    }

    /// <summary>Passes an end on at once, as a session does.</summary>
    private protected Task<Pumping> BeginAsync() => Pumping.BeginAsync(_engine, Family.Tcp4, [], passesEndsOn: true);

    /// <summary>Two wires and one direction between them: from the client's to the target's.</summary>
    private protected sealed class Pumping : IDisposable
    {
        public required Wire Client { get; init; }

        public required Wire Target { get; init; }

        public SideStamps ClientStamps { get; } = new();

        public SideStamps TargetStamps { get; } = new();

        public Telling Told { get; } = new();

        public static async Task<Pumping> BeginAsync(
            Engine engine, Family family, byte[] early, int? targetReceiveBuffer = null, bool passesEndsOn = false)
        {
            var pumping = new Pumping
            {
                Client = await Wire.AcceptedAsync(engine, family),
                Target = await Wire.ConnectedAsync(engine, family, targetReceiveBuffer),
            };
            if (passesEndsOn)
                pumping.Told.EndsOn = pumping.Target.Connection;
            await pumping.Client.OnLoop(client => _ = Pump.RunAsync(
                client, pumping.Target.Connection, Side.Client, pumping.ClientStamps, pumping.TargetStamps, pumping.Told, early));
            return pumping;
        }

        public void Dispose()
        {
            Client.Dispose();
            Target.Dispose();
        }
    }

    private protected sealed class Telling : IRelayObserver
    {
        private readonly Channel<(Side Side, RelayEvent What)> _told = Channel.CreateUnbounded<(Side, RelayEvent)>();

        public bool IsEmpty => _told.Reader.Count == 0;

        /// <summary>The connection that an end is passed on to; null where the test does that.</summary>
        public Connection? EndsOn { get; set; }

        public void OnRelay(Side side, RelayEvent what)
        {
            if (what == RelayEvent.Ended)
                _ = EndsOn?.EndAsync().AsTask();
            _told.Writer.TryWrite((side, what));
        }

        public async Task<(Side Side, RelayEvent What)> NextAsync() => await _told.Reader.ReadAsync().AsTask().WaitAsync(Wire.Patience);

        public async Task<(Side Side, RelayEvent What)> PeekAsync()
        {
            await _told.Reader.WaitToReadAsync().AsTask().WaitAsync(Wire.Patience);
            Assert.True(_told.Reader.TryPeek(out (Side, RelayEvent) told));
            return told;
        }
    }
}
