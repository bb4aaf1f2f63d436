using System.Net.Sockets;
using System.Threading.Channels;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Relay;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Relay;

public sealed class ManagedPumpContract() : PumpContract(new ManagedEngine());

public sealed class LinuxPumpContract() : PumpContract(new LinuxEngine(loops: 1))
{
    /// <summary>Without this the tests of small messages would say little of the ring.</summary>
    [Fact]
    public async Task Small_messages_are_moved_by_the_ring_and_what_is_not_small_ends_its_stay()
    {
        using var pumping = await BeginAsync();
        var loop = (LinuxLoop)pumping.Client.Connection.Loop;
        Assert.False(loop.IsRingBusy);
        await pumping.ChatAsync();
        Assert.True(loop.IsRingBusy);
        byte[] large = Wire.Pattern(200_000, 2);
        Task<byte[]> receiving = pumping.Target.PeerReceive(large.Length);
        await SendAll(pumping.Client.Peer, large);
        Assert.True((await receiving).AsSpan().SequenceEqual(large));
        await Wire.Eventually(() => Task.FromResult(!loop.IsRingBusy), "the stay is over");
        await pumping.ChatAsync();
        Assert.True(loop.IsRingBusy);
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        Assert.False(loop.IsRingBusy);
    }

    /// <summary>A seccomp filter forbids the loop's thread to splice, which says nothing of the connection.</summary>
    [Theory]
    [InlineData(Errno.EPERM, true)]
    [InlineData(Errno.ENOSYS, true)]
    [InlineData(Errno.EINVAL, true)]
    [InlineData(Errno.ENOMEM, false)]
    public async Task A_stream_that_may_not_be_spliced_is_copied_and_its_end_is_an_end(int errno, bool forGood)
    {
        using Pumping pumping = await BeginAsync();
        await pumping.Client.OnLoop(_ => SpliceFilter.Refuse(errno));
        byte[] sent = Wire.Pattern(4_000_000, 3);
        Task<byte[]> receiving = pumping.Target.PeerReceive(sent.Length);
        await SendAll(pumping.Client.Peer, sent);
        Assert.True((await receiving).AsSpan().SequenceEqual(sent));
        bool givesPipes = await pumping.Client.OnLoop(client =>
        {
            PipePool pipes = ((LinuxLoop)client.Loop).Pipes;
            if (pipes.TryRent(client.Loop.Now) is not { } pipe)
                return false;
            pipes.Return(pipe);
            return true;
        });
        Assert.Equal(forGood, !givesPipes);
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
    }

    /// <summary>What is in a pipe by then is read out of it again.</summary>
    [Theory]
    [InlineData(Errno.EPERM)]
    [InlineData(Errno.ENOMEM)]
    public async Task A_stream_that_may_be_spliced_into_a_pipe_and_not_out_of_it_loses_nothing(int errno)
    {
        using Pumping pumping = await BeginAsync();
        await pumping.Client.OnLoop(_ => SpliceFilter.Refuse(errno, butNotOf: PipePool.PipeBytes));
        byte[] sent = Wire.Pattern(4_000_000, 3);
        Task<byte[]> receiving = pumping.Target.PeerReceive(sent.Length);
        await SendAll(pumping.Client.Peer, sent);
        Assert.True((await receiving).AsSpan().SequenceEqual(sent));
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
    }

    /// <summary>The send that finds the reset takes the kernel's error with it, and what follows on the connection looks like an end.</summary>
    [Fact]
    public async Task A_reset_that_a_send_of_the_ring_finds_first_is_no_end()
    {
        using Pumping pumping = await BeginAsync();
        await pumping.ChatAsync();
        await pumping.Client.OnLoop(client => _ = Pump.RunAsync(
            pumping.Target.Connection, client, Side.Target, new SideStamps(), new SideStamps(), pumping.Told, default));
        await pumping.Client.OnLoop(_ =>
        {
            pumping.Client.Peer.Send("a message"u8);
            pumping.Target.PeerAborts();
            return true;
        });
        (Side Side, RelayEvent What)[] told = [await pumping.Told.NextAsync(), await pumping.Told.NextAsync()];
        Assert.Equal([(Side.Target, RelayEvent.Reset), (Side.Target, RelayEvent.WriteFailed)], told.OrderBy(static each => each.What.ToString()));
    }

    /// <summary>Several messages are in hand when the target takes no more.</summary>
    [Fact]
    public async Task What_a_stay_in_the_ring_leaves_behind_is_held_with_the_rest()
    {
        const int SendBufferOption = 7;
        using Pumping pumping = await BeginAsync(targetReceiveBuffer: 4096);
        await pumping.ChatAsync();
        byte[] sent = Wire.Pattern(60_000, 8);
        await pumping.Target.OnLoop(target =>
        {
            Assert.Equal(0, Libc.SetOption(target.Descriptor, Libc.SolSocket, SendBufferOption, 4096));
            for (int at = 0; at < sent.Length;)
                at += pumping.Client.Peer.Send(sent.AsSpan(at, Math.Min(500, sent.Length - at)));
            return true;
        });
        await Wire.Eventually(() => Task.FromResult(pumping.ClientStamps.IsHeld), "the client is held");
        Assert.True((await pumping.Target.PeerReceive(sent.Length)).AsSpan().SequenceEqual(sent));
    }

    /// <summary>The kernel does what waits in a ring a piece at a time, and the end of the listener's watch is behind all that has come.</summary>
    [Fact]
    public async Task A_listener_is_gone_when_it_is_closed_however_much_waits_in_the_ring()
    {
        var streams = new List<Pumping>();
        for (int i = 0; i < 40; i++)
        {
            streams.Add(await BeginAsync());
            await streams[i].ChatAsync();
        }

        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        System.Net.EndPoint address = Wire.EndPointOf(listening);
        ulong number = await streams[0].Client.OnLoop(client =>
        {
            Assert.True(((LinuxLoop)client.Loop).RegisterListener(listening.Descriptor, new Told(static () => { }), out ulong given) >= 0);
            return given;
        });
        await streams[0].ChatAsync();
        SocketError answer = await streams[0].Client.OnLoop(client =>
        {
            streams.ForEach(static stream => stream.Client.Peer.Send("a message"u8));
            ((LinuxLoop)client.Loop).UnregisterListener(listening.Descriptor, number);
            listening.Close();
            using Socket late = Wire.NewSocket(Family.Tcp4);
            return Assert.Throws<SocketException>(() => late.Connect(address)).SocketErrorCode;
        });
        Assert.Equal(SocketError.ConnectionRefused, answer);
        streams.ForEach(static stream => stream.Dispose());
    }

    /// <summary>As when the limit of descriptors is met: there is no watch then that could be called off.</summary>
    [Fact]
    public async Task A_listener_may_go_while_it_is_told_of_a_connection()
    {
        using Pumping pumping = await BeginAsync();
        await pumping.ChatAsync();
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        var gone = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await pumping.Client.OnLoop(client =>
        {
            var loop = (LinuxLoop)client.Loop;
            ulong number = 0;
            return loop.RegisterListener(listening.Descriptor, new Told(() =>
            {
                loop.UnregisterListener(listening.Descriptor, number);
                gone.SetResult();
            }), out number);
        });
        using Socket client = Wire.NewSocket(Family.Tcp4);
        await client.ConnectAsync(Wire.EndPointOf(listening));
        await gone.Task.WaitAsync(Wire.Patience);
        await pumping.ChatAsync();
        listening.Close();
    }

    private sealed class Told(Action then) : IListenerSink
    {
        public void OnEvents(uint events) => then();

        public void OnUnwatched(IoFault fault) => then();
    }

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

public sealed class ShortOfBuffersPumpContract() : PumpContract(new LinuxEngine(loops: 1, ringBuffers: 2));

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
            at += await pumping.Client.Peer.SendAsync(sent.AsMemory(at, Math.Min(random.Next(1, 400_000), sent.Length - at))).Patiently();
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        await pumping.Target.End();
        (byte[] received, _) = await receiving.WaitAsync(Wire.Patience);
        Assert.True(received.AsSpan(0, early).SequenceEqual(Wire.Pattern(early, 7)));
        Assert.True(received.AsSpan(early).SequenceEqual(sent));
        Assert.Equal(early + length, pumping.ClientStamps.BytesFrom);
        Assert.Equal(early + length, pumping.TargetStamps.BytesTo);
        Assert.False(pumping.ClientStamps.IsHeld);
        Assert.False(pumping.TargetStamps.IsWritePending);
        Assert.True(pumping.Told.IsEmpty);
    }

    /// <summary>Small messages keep what they are kept with: one after the other, beside large ones, in their order, to the last.</summary>
    [Theory]
    [InlineData(Family.Tcp4)]
    [InlineData(Family.Unix)]
    public async Task Small_messages_and_large_ones_between_them_arrive_as_they_are_sent(Family family)
    {
        using var pumping = await Pumping.BeginAsync(_engine, family, []);
        var random = new Random(11);
        long all = 0;
        for (int i = 0; i < 3_000; i++)
        {
            byte[] message = Wire.Pattern(random.Next(400) == 0 ? random.Next(8_000, 300_000) : random.Next(1, 2_000), i);
            Task<byte[]> receiving = pumping.Target.PeerReceive(message.Length);
            await SendAll(pumping.Client.Peer, message);
            Assert.True((await receiving).AsSpan().SequenceEqual(message));
            all += message.Length;
        }

        byte[] last = Wire.Pattern(1_000, 5);
        await SendAll(pumping.Client.Peer, last);
        pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        Assert.True((await pumping.Target.PeerReceive(last.Length)).AsSpan().SequenceEqual(last));
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        Assert.Equal(all + last.Length, pumping.ClientStamps.BytesFrom);
        Assert.Equal(all + last.Length, pumping.TargetStamps.BytesTo);
        Assert.True(pumping.Told.IsEmpty);
    }

    /// <summary>Messages that nobody waits for, so that many are under way at once.</summary>
    [Fact]
    public async Task Small_messages_on_the_heels_of_each_other_keep_their_order()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        await pumping.ChatAsync();
        Task<IoFault> reset = pumping.Client.Connection.WaitResetAsync().AsTask();
        byte[] sent = Wire.Pattern(3_000_000, 4);
        Task<byte[]> receiving = pumping.Target.PeerReceive(sent.Length);
        var random = new Random(4);
        for (int at = 0; at < sent.Length;)
        {
            at += await pumping.Client.Peer.SendAsync(sent.AsMemory(at, Math.Min(random.Next(1, 3_000), sent.Length - at))).Patiently();
            if (random.Next(50) == 0)
                await Task.Delay(1);
        }

        Assert.True((await receiving).AsSpan().SequenceEqual(sent));
        Assert.False(reset.IsCompleted);
        Assert.True(pumping.Told.IsEmpty);
    }

    /// <summary>A message and the end behind it that are found together are both handed on, although nothing more happens.</summary>
    [Fact]
    public async Task The_last_of_many_small_messages_is_followed_by_its_end()
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        await pumping.ChatAsync();
        await pumping.Client.OnLoop(_ =>
        {
            pumping.Client.Peer.Send("the last"u8);
            pumping.Client.Peer.Shutdown(SocketShutdown.Send);
            return true;
        });
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        Assert.Equal("the last"u8.ToArray(), await pumping.Target.PeerReceive(8));
    }

    /// <summary>All of it comes in one segment, of which a receive takes what is before the mark.</summary>
    [Fact]
    public async Task Urgent_data_among_small_messages_stops_nothing()
    {
        const int SolSocket = 1;
        const int MaxPacingRate = 47;
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        await pumping.ChatAsync();

        // What follows these within half a second is sent after it, together.
        pumping.Client.Peer.SetRawSocketOption(SolSocket, MaxPacingRate, BitConverter.GetBytes(2_000));
        pumping.Client.Peer.Send(new byte[1_000]);
        pumping.Client.Peer.Send("before"u8);
        pumping.Client.Peer.Send("!"u8, SocketFlags.OutOfBand);
        pumping.Client.Peer.Send("after"u8);
        using var all = new MemoryStream();
        byte[] buffer = new byte[2_000];
        while (!System.Text.Encoding.ASCII.GetString(all.ToArray()).EndsWith("after", StringComparison.Ordinal))
        {
            int got = await pumping.Target.Peer.ReceiveAsync(buffer).WaitAsync(Wire.Patience);
            Assert.True(got > 0);
            all.Write(buffer, 0, got);
        }

        Assert.EndsWith("before!after", System.Text.Encoding.ASCII.GetString(all.ToArray()), StringComparison.Ordinal);
    }

    /// <summary>A busy stream is moved in another way, which stops at the mark and takes what is queued behind it for the end.</summary>
    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public async Task Urgent_data_in_a_busy_stream_stops_nothing(bool comesLater, bool ends)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        byte[] bulk = Wire.Pattern(2_000_000, 5);
        byte[] tail = Wire.Pattern(300_000, 6);
        Task sending = SendAsync();
        byte[] received = await pumping.Target.PeerReceive(bulk.Length + 1 + tail.Length);
        await sending.WaitAsync(Wire.Patience);
        Assert.True(received.AsSpan(0, bulk.Length).SequenceEqual(bulk));
        Assert.Equal((byte)'!', received[bulk.Length]);
        Assert.True(received.AsSpan(bulk.Length + 1).SequenceEqual(tail));
        if (ends)
            Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());

        async Task SendAsync()
        {
            await SendAll(pumping.Client.Peer, bulk);
            if (comesLater)
                await Wire.Eventually(() => Task.FromResult(pumping.TargetStamps.BytesTo == bulk.Length), "the bulk is through");
            pumping.Client.Peer.Send("!"u8, SocketFlags.OutOfBand);
            await SendAll(pumping.Client.Peer, tail);
            if (ends)
                pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_target_that_does_not_read_holds_its_client_and_loses_nothing(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, [], targetReceiveBuffer: 64 * 1024);
        int before = chatty ? await pumping.ChatAsync() : 0;
        byte[] sent = Wire.Pattern(50_000_000, 3);
        Task sending = Send();
        await Wire.Eventually(() => Task.FromResult(pumping.ClientStamps.IsHeld), "the client is held");
        long taken = -1;
        await Wire.Eventually(
            async () =>
            {
                long now = pumping.TargetStamps.BytesTo;
                await Task.Delay(100);
                (bool still, taken) = (now == taken, now);
                return still;
            },
            "nothing moves");
        Assert.True(pumping.TargetStamps.IsWritePending);
        Assert.True(pumping.Told.IsEmpty);
        Assert.False(sending.IsCompleted);
        (byte[] received, _) = await Receive();
        await sending.WaitAsync(Wire.Patience);
        Assert.True(received.AsSpan().SequenceEqual(sent));
        Assert.Equal((Side.Client, RelayEvent.Ended), await pumping.Told.NextAsync());
        Assert.False(pumping.ClientStamps.IsHeld);
        Assert.False(pumping.TargetStamps.IsWritePending);

        async Task Send()
        {
            int most = chatty ? 1_000 : sent.Length;
            for (int at = 0; at < sent.Length;)
                at += await pumping.Client.Peer.SendAsync(sent.AsMemory(at, Math.Min(most, sent.Length - at)));
            pumping.Client.Peer.Shutdown(SocketShutdown.Send);
        }

        async Task<(byte[] Bytes, SocketError Ending)> Receive()
        {
            Task<(byte[] Bytes, SocketError Ending)> all = pumping.Target.PeerReceiveAll();
            await Wire.Eventually(() => Task.FromResult(pumping.TargetStamps.BytesTo == before + sent.Length), "everything is taken");
            await pumping.Target.End();
            return await all.WaitAsync(Wire.Patience);
        }
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task What_a_client_sent_before_its_reset_is_handed_on_first(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        int before = chatty ? await pumping.ChatAsync() : 0;
        pumping.Client.Peer.Send("last words"u8);
        await Wire.Eventually(() => Task.FromResult(pumping.TargetStamps.BytesTo == before + 10), "they are handed on");
        pumping.Client.PeerAborts();
        Assert.Equal((Side.Client, RelayEvent.Reset), await pumping.Told.NextAsync());
        Assert.True(pumping.Told.IsEmpty);
    }

    /// <summary>Nothing more happens behind them that anyone could be woken by.</summary>
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_reset_that_comes_together_with_last_words_is_told(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        if (chatty)
            await pumping.ChatAsync();
        await pumping.Client.OnLoop(_ =>
        {
            pumping.Client.Peer.Send("last words"u8);
            pumping.Client.PeerAborts();
            return true;
        });
        Assert.Equal((Side.Client, RelayEvent.Reset), await pumping.Told.NextAsync());
        Assert.True(pumping.Told.IsEmpty);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_target_that_resets_fails_the_write(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        if (chatty)
            await pumping.ChatAsync();
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

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_target_that_resets_while_a_write_waits_fails_the_write(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        if (chatty)
            await pumping.ChatAsync();
        Task sending = Task.Run(async () =>
        {
            byte[] some = new byte[1 << 20];
            while (!pumping.ClientStamps.IsHeld)
                await pumping.Client.Peer.SendAsync(some).WaitAsync(Wire.Patience);
        });
        await Wire.Eventually(() => Task.FromResult(pumping.ClientStamps.IsHeld), "the client is held");
        pumping.Target.PeerAborts();
        Assert.Equal((Side.Target, RelayEvent.WriteFailed), await pumping.Told.NextAsync());
        Assert.False(pumping.ClientStamps.IsHeld);
        Assert.False(pumping.TargetStamps.IsWritePending);
        pumping.Client.Dispose();
        await sending.WaitAsync(Wire.Patience).ContinueWith(_ => { }, TaskScheduler.Default);
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_the_connections_are_closed_here_nothing_is_told(bool chatty)
    {
        using var pumping = await Pumping.BeginAsync(_engine, Family.Tcp4, []);
        int before = chatty ? await pumping.ChatAsync() : 0;
        pumping.Client.Peer.Send("x"u8);
        await Wire.Eventually(() => Task.FromResult(pumping.TargetStamps.BytesTo == before + 1), "it pumps");
        pumping.Client.Connection.Abort();
        pumping.Target.Connection.Abort();
        await Task.Delay(100);
        Assert.True(pumping.Told.IsEmpty);
    }

    private protected static async Task SendAll(Socket socket, byte[] data)
    {
        for (int at = 0; at < data.Length;)
            at += await socket.SendAsync(data.AsMemory(at)).Patiently();
    }

    /// <summary>Passes an end on at once, as a session does.</summary>
    private protected Task<Pumping> BeginAsync(int? targetReceiveBuffer = null) =>
        Pumping.BeginAsync(_engine, Family.Tcp4, [], targetReceiveBuffer, passesEndsOn: true);

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

        /// <summary>Small messages, each waited for at the other end, until a pump that has a way of its own for such has taken it. Answers their bytes.</summary>
        public async Task<int> ChatAsync()
        {
            const int Messages = 100;
            byte[] message = Wire.Pattern(100, 1);
            long before = TargetStamps.BytesTo;
            for (int i = 0; i < Messages; i++)
            {
                await SendAll(Client.Peer, message);
                Assert.Equal(message, await Target.PeerReceive(message.Length));
            }

            await Wire.Eventually(
                () => Task.FromResult(TargetStamps.BytesTo == before + Messages * message.Length), "all of them are counted");
            return Messages * message.Length;
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

        public void OnHeld(Side side)
        {
            // The pump meets a failure itself in the end; only a session has clocks.
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
