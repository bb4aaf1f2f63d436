using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Fixtures;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Transport;

public sealed class ManagedConnectionContract() : ConnectionContract(new ManagedEngine());

public sealed class LinuxConnectionContract() : ConnectionContract(new LinuxEngine(loops: 2));

public sealed class RingConnectionContract() : ConnectionContract(RingEngine.Make(loops: 2));

/// <summary>What every maker of connections owes, the unkind cases first of all. Runs over each engine.</summary>
public abstract class ConnectionContract : IDisposable
{
    private readonly Engine _engine;

    private protected ConnectionContract(Engine engine) => _engine = engine;

    public static TheoryData<Family> Families => [Family.Tcp4, Family.Tcp6, Family.Unix];

    public static TheoryData<Family> TcpFamilies => [Family.Tcp4, Family.Tcp6];

    public void Dispose()
    {
        _engine.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Bytes_pass_unchanged_both_ways_and_so_do_both_ends(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        byte[] up = Wire.Pattern(3_000_000, 1);
        byte[] down = Wire.Pattern(2_000_000, 2);
        Task sending = SendThenEnd();
        Task peerSending = PeerSendThenEnd();
        Task<(byte[] Bytes, SocketError Ending)> peerReceiving = wire.PeerReceiveAll();
        (byte[] received, IoFault ending) = await wire.ReceiveAll(10_000);
        (byte[] peerReceived, SocketError peerEnding) = await peerReceiving;
        await sending;
        await peerSending;
        Assert.Equal(IoFault.None, ending);
        Assert.Equal(SocketError.Success, peerEnding);
        Assert.True(down.AsSpan().SequenceEqual(received));
        Assert.True(up.AsSpan().SequenceEqual(peerReceived));

        async Task SendThenEnd()
        {
            await wire.SendAll(up);
            Assert.Equal(IoFault.None, await wire.End());
        }

        async Task PeerSendThenEnd()
        {
            for (int sent = 0; sent < down.Length;)
                sent += await wire.Peer.SendAsync(down.AsMemory(sent)).Patiently();
            wire.Peer.Shutdown(SocketShutdown.Send);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task The_ends_of_an_accepted_connection_are_those_of_its_client(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        Assert.Equal(Endpoints.FromPlatform(wire.Peer.LocalEndPoint), await wire.OnLoop(c => c.Remote));
        Assert.Equal(Endpoints.FromPlatform(wire.Peer.RemoteEndPoint), await wire.OnLoop(c => c.Local));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task The_ends_of_a_made_connection_are_those_of_its_server(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Assert.Equal(Endpoints.FromPlatform(wire.Peer.LocalEndPoint), await wire.OnLoop(c => c.Remote));
        Assert.Equal(Endpoints.FromPlatform(wire.Peer.RemoteEndPoint), await wire.OnLoop(c => c.Local));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task A_server_that_resets_at_once_is_known_by_its_address(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Endpoint server = Endpoints.FromPlatform(wire.Peer.LocalEndPoint);
        wire.Peer.LingerState = new LingerOption(true, 0);
        wire.Peer.Close();
        Assert.Equal(server, await wire.OnLoop(c => c.Remote));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Bytes_and_an_end_that_came_before_the_first_wait_are_both_received(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        wire.Peer.Send("last words"u8);
        wire.Peer.Shutdown(SocketShutdown.Send);
        await Settled(wire, Readiness.Data);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("last words"u8.ToArray(), received);
        Assert.Equal(IoFault.None, ending);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Bytes_and_an_end_that_come_during_one_wait_are_both_received(Family family)
    {
        // Many rounds: bytes and end must sometimes come between two turns of the loop, in one event.
        for (int round = 0; round < 30; round++)
        {
            using Wire wire = await Wire.AcceptedAsync(_engine, family);
            Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll();
            wire.Peer.Send("x"u8);
            wire.Peer.Shutdown(SocketShutdown.Send);
            (byte[] received, IoFault ending) = await receiving;
            Assert.Equal("x"u8.ToArray(), received);
            Assert.Equal(IoFault.None, ending);
        }
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task Bytes_before_a_reset_are_received_and_then_the_reset_is_never_an_end(Family family)
    {
        for (int round = 0; round < 30; round++)
        {
            using Wire wire = await Wire.AcceptedAsync(_engine, family);
            Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll();
            wire.Peer.Send("x"u8);
            wire.PeerAborts();
            (byte[] received, IoFault ending) = await receiving;
            Assert.Equal(IoFault.Reset, ending);

            // The platform's engine may lose them; the kernel does not.
            if (_engine is LinuxEngine)
                Assert.Equal("x"u8.ToArray(), received);
        }
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task Bytes_before_a_reset_that_came_while_it_connected_are_received(Family family)
    {
        using Socket listener = Wire.NewSocket(family);
        listener.Bind(new IPEndPoint(family == Family.Tcp4 ? IPAddress.Loopback : IPAddress.IPv6Loopback, 0));
        listener.Listen(8);
        byte[] words = Wire.Pattern(10_000, 1);

        // On a thread that waits in accept: it comes between the engine's calls often.
        const int Rounds = 300;
        Task serving = Task.Factory.StartNew(
            () =>
            {
                for (int round = 0; round < Rounds; round++)
                {
                    using Socket peer = listener.Accept();
                    peer.Send(words);
                    peer.LingerState = new LingerOption(true, 0);
                }
            },
            TaskCreationOptions.LongRunning);
        for (int round = 0; round < Rounds; round++)
        {
            IoFault fault = await _engine.Loops[0].ConnectAsync(listener.LocalEndPoint!, Wire.NoSettings, out Connection connection).AsTask().WaitAsync(Wire.Patience);
            Assert.Equal(IoFault.None, fault);
            using var wire = new Wire(connection, Wire.NewSocket(family));
            (byte[] received, IoFault ending) = await wire.ReceiveAll();
            Assert.Equal(IoFault.Reset, ending);

            // The platform's engine may lose them; the kernel does not.
            if (_engine is LinuxEngine)
                Assert.Equal(words, received);
        }

        await serving.WaitAsync(Wire.Patience);
    }

    /// <summary>Whoever closes answers what still comes with a reset. Nothing of what it said was cut off.</summary>
    [Theory]
    [InlineData(Family.Tcp4, false)]
    [InlineData(Family.Tcp4, true)]
    [InlineData(Family.Tcp6, true)]
    public async Task What_our_own_words_bring_about_behind_an_orderly_end_is_no_reset(Family family, bool isOurEndWithThem)
    {
        for (int round = 0; round < 30; round++)
        {
            using Wire wire = await Wire.ConnectedAsync(_engine, family);
            await wire.OnLoop(c =>
            {
                wire.Peer.Send("last words"u8);
                wire.Peer.Close();

                // Its end has come: sent from another processor, our words could overtake it, and the reset with them.
                const int CloseWait = 8;
                Assert.True(SpinWait.SpinUntil(() => Net.Linux.Libc.GetOption(c.Descriptor, Net.Linux.Libc.IpProtoTcp, Net.Linux.Libc.TcpInfo, out int info) >= 0 && (info & 0xff) == CloseWait, Wire.Patience));
                if (isOurEndWithThem && c is LoopConnection own)
                    Assert.True(own.TrySendNow("unheard"u8, more: true, out _));
                else
                    _ = c.SendAsync("unheard"u8.ToArray()).AsTask();
                if (isOurEndWithThem)
                    _ = c.EndAsync().AsTask();
                return 0;
            });
            (byte[] received, IoFault ending) = await wire.ReceiveAll();
            Assert.Equal("last words"u8.ToArray(), received);
            Assert.Equal(IoFault.None, ending);
        }
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_reset_that_a_send_or_a_look_found_first_is_still_a_reset_to_the_receiver(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.PeerAborts();
        await Settled(wire, Readiness.Failed);
        IoResult sent = await wire.Send("x"u8.ToArray());
        Assert.Equal(IoFault.Reset, sent.Fault);
        Assert.Equal(IoFault.Reset, (await wire.Receive(new byte[10])).Fault);
        Assert.Equal(Readiness.Failed, await wire.OnLoop(c => c.Look()));
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task An_answer_that_came_before_our_upload_was_reset_is_received_to_its_orderly_end(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.Peer.Send("too large"u8);
        wire.Peer.Shutdown(SocketShutdown.Send);
        await Settled(wire, Readiness.Data);

        // Closing with our byte unread makes the peer's kernel answer with a reset.
        await wire.Send("body"u8.ToArray());
        await Wire.Eventually(() => Task.FromResult(wire.Peer.Available == 4), "the peer has our bytes");
        wire.Peer.Dispose();
        await Wire.Eventually(async () => (await wire.Send("more"u8.ToArray())).Fault == IoFault.Reset, "a send finds the reset");
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        if (_engine is LinuxEngine)
        {
            Assert.Equal("too large"u8.ToArray(), received);
            Assert.Equal(IoFault.None, ending);
        }
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task After_we_end_our_stream_the_other_direction_goes_on(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Assert.Equal(IoFault.None, await wire.End());
        Assert.Equal(0, await wire.Peer.ReceiveAsync(new byte[1]).WaitAsync(Wire.Patience));
        wire.Peer.Send("answer"u8);
        wire.Peer.Shutdown(SocketShutdown.Send);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("answer"u8.ToArray(), received);
        Assert.Equal(IoFault.None, ending);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task After_the_peer_ended_its_stream_we_can_still_send(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.Peer.Shutdown(SocketShutdown.Send);
        Assert.True((await wire.Receive(new byte[10])).IsEnd);
        await wire.SendAll("still here"u8.ToArray());
        Assert.Equal(IoFault.None, await wire.End());
        (byte[] received, SocketError ending) = await wire.PeerReceiveAll();
        Assert.Equal("still here"u8.ToArray(), received);
        Assert.Equal(SocketError.Success, ending);
    }

    [Fact]
    public async Task An_end_stays_one_for_a_receiver_while_ours_is_sent()
    {
        byte[] one = new byte[1];
        for (int round = 0; round < 300; round++)
        {
            using Wire wire = await Wire.ConnectedAsync(_engine, Family.Tcp4);
            wire.Peer.Shutdown(SocketShutdown.Send);
            Task<IoFault> ending = Task.Run(wire.End);
            do
                Assert.Equal(IoResult.Ok(0), await wire.Receive(one));
            while (!ending.IsCompleted);
            Assert.Equal(IoFault.None, await ending);
        }
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task Abort_is_a_reset_to_the_peer(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.Connection.Abort();
        (_, SocketError ending) = await wire.PeerReceiveAll();
        Assert.Equal(SocketError.ConnectionReset, ending);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Close_lets_queued_bytes_go_out_and_then_ends(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        await wire.SendAll("goodbye"u8.ToArray());
        wire.Connection.Close();
        (byte[] received, SocketError ending) = await wire.PeerReceiveAll();
        Assert.Equal("goodbye"u8.ToArray(), received);
        Assert.Equal(SocketError.Success, ending);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Whatever_is_pending_when_the_connection_is_closed_completes_as_aborted(bool abort)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, Family.Tcp4, peerReceiveBuffer: 4096);
        Task<IoResult> receiving = wire.Receive(new byte[10]);
        Task<IoResult> sending = FillUntilPending(wire);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await Wire.Eventually(async () => await wire.OnLoop(c => c.UnsentBytes) > 0, "bytes are queued");

        // From a thread that is no loop's, more than once.
        await Task.Run(() =>
        {
            if (abort)
                wire.Connection.Abort();
            wire.Connection.Close();
            wire.Connection.Abort();
        });
        Assert.Equal(IoFault.Aborted, (await receiving).Fault);
        Assert.Equal(IoFault.Aborted, (await sending).Fault);
        Assert.Equal(IoFault.Aborted, await watching);
        Assert.Equal(IoFault.Aborted, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal(IoFault.Aborted, (await wire.Send(new byte[1])).Fault);
        Assert.Equal(IoFault.Aborted, await wire.Readable());
        Assert.Equal(IoFault.Aborted, await wire.End());
        Assert.Equal(IoFault.Aborted, await wire.Connection.WaitResetAsync().Patiently());
        Assert.Equal(Readiness.Failed, await wire.OnLoop(c => c.Look()));
        Assert.Equal(0, await wire.OnLoop(c => c.UnsentBytes));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task A_look_tells_quiet_data_and_end_apart_and_consumes_nothing(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        wire.Peer.Send("ab"u8);
        await Settled(wire, Readiness.Data);
        Assert.Equal(Readiness.Data, await wire.OnLoop(c => c.Look()));
        byte[] buffer = new byte[10];
        Assert.Equal(2, (await wire.Receive(buffer)).Bytes);
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        wire.Peer.Shutdown(SocketShutdown.Send);
        await Settled(wire, Readiness.Ended);
        Assert.True((await wire.Receive(buffer)).IsEnd);
        Assert.Equal(Readiness.Ended, await wire.OnLoop(c => c.Look()));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task A_receive_that_does_not_wait_takes_what_is_there_and_leaves_the_rest(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        byte[] buffer = new byte[10];
        Assert.Null(await ReceiveNow(1));
        wire.Peer.Send("abc"u8);
        await Settled(wire, Readiness.Data);
        bool tells = await ReceiveNow(1) is { Bytes: 1, Fault: IoFault.None };
        Assert.Equal(_engine is LinuxEngine, tells);
        int taken = tells ? 1 : 0;
        Assert.Equal(3 - taken, (await wire.Receive(buffer)).Bytes);
        Assert.Equal("abc"[taken..], System.Text.Encoding.ASCII.GetString(buffer, 0, 3 - taken));
        Assert.Null(await ReceiveNow(1));
        wire.Peer.Shutdown(SocketShutdown.Send);
        await Settled(wire, Readiness.Ended);
        Assert.True(await ReceiveNow(1) is null or { IsEnd: true });
        Assert.True((await wire.Receive(buffer)).IsEnd);
        wire.Connection.Close();
        Assert.Null(await ReceiveNow(1));

        Task<IoResult?> ReceiveNow(int bytes) =>
            wire.OnLoop(c => c.TryReceiveNow(buffer.AsSpan(0, bytes), out IoResult result) ? result : (IoResult?)null);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Waiting_to_read_takes_nothing_and_may_be_repeated(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        Task<IoFault> waiting = wire.Readable();
        Assert.False(waiting.IsCompleted);
        wire.Peer.Send("a"u8);
        Assert.Equal(IoFault.None, await waiting);
        Assert.Equal(IoFault.None, await wire.Readable());
        byte[] buffer = new byte[10];
        Assert.Equal(1, (await wire.Receive(buffer)).Bytes);
        waiting = wire.Readable();
        wire.Peer.Shutdown(SocketShutdown.Send);
        Assert.Equal(IoFault.None, await waiting);
        Assert.True((await wire.Receive(buffer)).IsEnd);
        Assert.Equal(IoFault.None, await wire.Readable());
        Assert.True((await wire.Receive(buffer)).IsEnd);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Bytes_that_come_one_by_one_all_arrive(Family family)
    {
        using Wire wire = await Wire.AcceptedAsync(_engine, family);
        byte[] sent = Wire.Pattern(300);
        Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll(7);
        foreach (byte b in sent)
        {
            wire.Peer.Send([b]);
            if (b % 16 == 0)
                await Task.Yield();
        }

        wire.Peer.Shutdown(SocketShutdown.Send);
        (byte[] received, IoFault ending) = await receiving;
        Assert.Equal(IoFault.None, ending);
        Assert.Equal(sent, received);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task Urgent_data_in_the_midst_of_a_stream_stops_nothing_and_keeps_its_place(bool isAccepted)
    {
        using Wire wire = isAccepted ? await Wire.AcceptedAsync(_engine, Family.Tcp4) : await Wire.ConnectedAsync(_engine, Family.Tcp4);
        wire.Peer.Send("before"u8);
        wire.Peer.Send("!"u8, SocketFlags.OutOfBand);
        wire.Peer.Send("after"u8);
        wire.Peer.Send("!"u8, SocketFlags.OutOfBand);
        wire.Peer.Send("wards"u8);
        using var all = new MemoryStream();
        byte[] buffer = new byte[100];

        // No end is sent: an end would be an event of its own and hide a read that was given up too soon.
        while (!System.Text.Encoding.ASCII.GetString(all.ToArray()).EndsWith("wards", StringComparison.Ordinal))
        {
            IoResult got = await wire.Receive(buffer);
            Assert.Equal(IoFault.None, got.Fault);
            all.Write(buffer, 0, got.Bytes);
        }

        Assert.Equal("before!after!wards", System.Text.Encoding.ASCII.GetString(all.ToArray()));
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task A_peer_that_does_not_read_holds_a_send_back_until_it_reads(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family, peerReceiveBuffer: 4096);
        byte[] data = Wire.Pattern(8_000_000);
        long taken = 0;
        Task sending = Task.Run(async () =>
        {
            ReadOnlyMemory<byte> rest = data;
            while (!rest.IsEmpty)
            {
                IoResult sent = await wire.Connection.SendAsync(rest);
                Assert.Equal(IoFault.None, sent.Fault);
                Interlocked.Add(ref taken, sent.Bytes);
                rest = rest[sent.Bytes..];
            }

            await wire.End();
        });
        long before = -1;
        await Wire.Eventually(
            async () =>
            {
                long now = Interlocked.Read(ref taken);
                await Task.Delay(50);
                (bool still, before) = (now == before, now);
                return still && now > 0;
            },
            "the kernel takes no more");
        Assert.False(sending.IsCompleted);
        (byte[] received, _) = await wire.PeerReceiveAll();
        await sending.WaitAsync(Wire.Patience);
        Assert.True(data.AsSpan().SequenceEqual(received));
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_send_that_waits_fails_when_the_peer_resets(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family, peerReceiveBuffer: 4096);
        Task<IoResult> sending = FillUntilPending(wire);
        await Wire.Eventually(async () => await wire.OnLoop(c => c.UnsentBytes) > 0, "bytes are queued");
        wire.PeerAborts();
        Assert.Equal(IoFault.Reset, (await sending).Fault);
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_reset_is_noticed_though_nobody_receives(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        wire.Peer.Send("unread"u8);
        await Settled(wire, Readiness.Data);
        Assert.False(watching.IsCompleted);
        wire.PeerAborts();
        Assert.Equal(IoFault.Reset, await watching);
        Assert.False(await wire.OnLoop(c => c.FailedBehindItsEnd));
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_reset_after_an_orderly_end_is_noticed_though_nobody_receives_and_told_as_that(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        wire.Peer.Send("unread"u8);
        wire.Peer.Shutdown(SocketShutdown.Send);
        await Settled(wire, Readiness.Data);
        await wire.Send("x"u8.ToArray());
        wire.PeerAborts();
        Assert.Equal(IoFault.Reset, await watching);
        Assert.True(await wire.OnLoop(c => c.FailedBehindItsEnd));
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_reset_after_an_orderly_end_is_noticed(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.Peer.Shutdown(SocketShutdown.Send);
        Assert.True((await wire.Receive(new byte[1])).IsEnd);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await wire.Send("x"u8.ToArray());
        Assert.False(watching.IsCompleted);
        wire.PeerAborts();
        Assert.Equal(IoFault.Reset, await watching);
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_peer_that_the_kernel_gives_up_on_has_not_reset_whoever_asks_and_however_often(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family, peerReceiveBuffer: 4096);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await GiveUpSoonAsync(wire);
        Assert.Equal(IoFault.TimedOut, (await FillUntilPending(wire)).Fault);
        Assert.Equal(IoFault.TimedOut, await watching);
        Assert.Equal(Readiness.Failed, await wire.OnLoop(c => c.Look()));
        Assert.Equal(IoFault.TimedOut, await wire.OnLoop(c => c.Fault));
        Assert.Equal(IoFault.TimedOut, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal(IoFault.TimedOut, (await wire.Receive(new byte[1])).Fault);
    }

    [Theory]
    [MemberData(nameof(TcpFamilies))]
    public async Task A_peer_that_the_kernel_gives_up_on_after_its_orderly_end_has_not_reset(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family, peerReceiveBuffer: 4096);
        wire.Peer.Shutdown(SocketShutdown.Send);
        Assert.True((await wire.Receive(new byte[1])).IsEnd);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await GiveUpSoonAsync(wire);

        // More than the peer has room for, and less than the kernel takes: nobody waits for it.
        await wire.SendAll(new byte[8 * 1024]);
        Assert.Equal(IoFault.TimedOut, await watching);
    }

    [Theory]
    [MemberData(nameof(Families))]
    public async Task Orderly_ends_both_ways_are_no_reset(Family family)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask();
        await wire.End();
        wire.Peer.Shutdown(SocketShutdown.Send);
        Assert.True((await wire.Receive(new byte[1])).IsEnd);

        // The portable engine looks twice a second.
        await Task.Delay(_engine is LinuxEngine ? 100 : 700);
        Assert.False(watching.IsCompleted);
        wire.Connection.Close();
        Assert.Equal(IoFault.Aborted, await watching.WaitAsync(Wire.Patience));
    }

    [Fact]
    public async Task Nothing_listening_refuses_at_once()
    {
        using var taken = Wire.NewSocket(Family.Tcp4);
        taken.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        Assert.Equal(IoFault.Refused, await Connect(taken.LocalEndPoint!));
        Assert.Equal(IoFault.Refused, await Connect(new UnixDomainSocketEndPoint("\0" + Guid.NewGuid().ToString("N"))));
    }

    [Fact]
    public async Task A_unix_path_at_which_nothing_is_says_so()
    {
        string path = Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("N"));
        Assert.Equal(IoFault.NoSuchPath, await Connect(new UnixDomainSocketEndPoint(path)));
    }

    [Fact]
    public async Task A_full_backlog_of_a_unix_listener_says_so()
    {
        using var listener = Wire.NewSocket(Family.Unix);
        var at = new UnixDomainSocketEndPoint("\0" + Guid.NewGuid().ToString("N"));
        listener.Bind(at);
        listener.Listen(0);
        IoFault last = IoFault.None;
        var made = new List<Connection>();
        for (int i = 0; i < 10 && last == IoFault.None; i++)
        {
            last = await _engine.Loops[0].ConnectAsync(at, Wire.NoSettings, out Connection connection).AsTask().WaitAsync(Wire.Patience);
            made.Add(connection);
        }

        made.ForEach(c => c.Abort());
        Assert.Equal(IoFault.BacklogFull, last);
    }

    [Fact]
    public async Task An_address_without_a_route_is_unreachable()
    {
        // TCP has no way to a group (RFC 1112): the kernel says so by itself, whatever network this machine is on.
        Assert.Equal(IoFault.NetworkUnreachable, await Connect(new IPEndPoint(IPAddress.Parse("224.0.0.1"), 1)));
    }

    [Fact]
    public async Task An_attempt_that_nobody_answers_can_be_aborted()
    {
        // A listener whose backlog is full drops further SYNs.
        using var listener = Wire.NewSocket(Family.Tcp4);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(0);
        var attempts = new List<(Task<IoFault> Attempt, Connection Connection)>();
        await Wire.Eventually(
            async () =>
            {
                ValueTask<IoFault> attempt = _engine.Loops[0].ConnectAsync(listener.LocalEndPoint!, Wire.NoSettings, out Connection connection);
                attempts.Add((attempt.AsTask(), connection));
                await Task.WhenAny(attempts[^1].Attempt, Task.Delay(100));
                return !attempts[^1].Attempt.IsCompleted;
            },
            "an attempt hangs");
        (Task<IoFault> hanging, Connection pending) = attempts[^1];
        pending.Abort();
        Assert.Equal(IoFault.Aborted, await hanging.WaitAsync(Wire.Patience));
        attempts.ForEach(a => a.Connection.Abort());
    }

    [Fact]
    public async Task Settings_reach_the_sockets_of_both_sides()
    {
        using Wire accepted = await Wire.AcceptedAsync(_engine, Family.Tcp4);
        await Wire.Eventually(async () => await accepted.OnLoop(c => Options(c.Descriptor)) == (1, 1, 15, 15), "the accepted one has keep-alive");
        using var listener = Wire.NewSocket(Family.Tcp4);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1);
        var settings = new SocketSettings(7);
        Assert.Equal(IoFault.None, await _engine.Loops[0].ConnectAsync(listener.LocalEndPoint!, settings, out Connection connection).Patiently());
        int descriptor = connection.Descriptor;

        // A first segment is never held back; whatever comes after it must not be either.
        Assert.Equal(IoFault.None, await connection.SendAllAsync("a"u8.ToArray()).Patiently());
        Assert.Equal(IoFault.None, await connection.SendAllAsync("b"u8.ToArray()).Patiently());
        Assert.Equal(1, Option(descriptor, 6, 1));
        await Wire.Eventually(() => Task.FromResult(Options(descriptor) == (1, 1, 7, 7)), "the connected one has keep-alive");
        connection.Abort();
        Assert.Equal(IoFault.None, await _engine.Loops[0].ConnectAsync(listener.LocalEndPoint!, settings, out connection).Patiently());
        Assert.Equal(IoFault.None, await connection.SendAllAsync(new byte[3000]).Patiently());
        Assert.Equal(1, Option(connection.Descriptor, 6, 1));
        connection.Abort();
    }

    [Fact]
    public async Task Keep_alive_is_for_those_that_were_to_have_it_and_live()
    {
        using var listener = Wire.NewSocket(Family.Tcp4);
        listener.Bind(new IPEndPoint(IPAddress.Loopback, 0));
        listener.Listen(1000);
        var living = new List<(Connection Connection, bool KeepsAlive)>();
        for (int i = 0; i < 600; i++)
        {
            bool keepsAlive = i % 2 == 0;
            var settings = new SocketSettings(keepsAlive ? 7 : 0);
            Assert.Equal(IoFault.None, await _engine.Loops[0].ConnectAsync(listener.LocalEndPoint!, settings, out Connection connection).Patiently());

            // Every third is over at once, and its descriptor goes to the next.
            if (i % 3 == 0)
                connection.Abort();
            else
                living.Add((connection, keepsAlive));
        }

        await Wire.Eventually(
            () => Task.FromResult(living.TrueForAll(l => !l.KeepsAlive || Options(l.Connection.Descriptor).KeepAlive == 1)), "those that were to have it have it");
        Assert.All(living, l => Assert.Equal(l.KeepsAlive ? 1 : 0, Options(l.Connection.Descriptor).KeepAlive));
        living.ForEach(l => l.Connection.Abort());
    }

    /// <summary>Another holds the socket still, as a parent may: closing ours must not need it to be the last.</summary>
    [Theory]
    [InlineData(Family.Tcp4, false)]
    [InlineData(Family.Tcp4, true)]
    [InlineData(Family.Unix, false)]
    public async Task An_inherited_socket_is_taken_over_as_it_is_and_its_peer_hears_of_its_end_whoever_else_holds_it(Family family, bool isReset)
    {
        using Wire wire = await Wire.ConnectedAsync(_engine, family);
        wire.Peer.Send("already there"u8);
        const int DuplicateWithCloseOnExec = 1030;
        int duplicate = Net.Linux.Libc.Fcntl(await wire.OnLoop(c => c.Descriptor), DuplicateWithCloseOnExec, 0);
        Connection connection = await wire.OnLoop(c =>
        {
            Assert.Equal(IoFault.None, c.Loop.Adopt(duplicate, Wire.NoSettings, out Connection adopted));
            return adopted;
        });
        byte[] buffer = new byte[100];
        Assert.Equal(13, (await connection.ReceiveAsync(buffer).AsTask().WaitAsync(Wire.Patience)).Bytes);
        Task<IoResult> receiving = connection.ReceiveAsync(buffer).AsTask();
        if (isReset)
            connection.Abort();
        else
            connection.Close();
        Assert.Equal(IoFault.Aborted, (await receiving.WaitAsync(Wire.Patience)).Fault);
        (byte[] received, SocketError ending) = await wire.PeerReceiveAll();
        Assert.Empty(received);
        Assert.Equal(isReset ? SocketError.ConnectionReset : SocketError.Success, ending);
    }

    [Fact]
    public async Task A_fast_sender_does_not_keep_its_loop_from_other_work()
    {
        using Wire fast = await Wire.AcceptedAsync(_engine, Family.Tcp4);
        using var stop = new CancellationTokenSource();
        byte[] chunk = new byte[256 * 1024];
        Task flooding = Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
                await fast.Peer.SendAsync(chunk);
        });
        Task draining = Drain();
        for (int i = 0; i < 20; i++)
            await fast.OnLoop(c => 0);
        await stop.CancelAsync();
        await flooding.WaitAsync(Wire.Patience);
        fast.Connection.Abort();
        await draining.WaitAsync(Wire.Patience);

        async Task Drain()
        {
            byte[] buffer = new byte[4096];
            await fast.Connection.Loop.SwitchAsync();
            while (true)
            {
                IoResult got = await fast.Connection.ReceiveAsync(buffer).ConfigureAwait(false);
                if (got.Fault != IoFault.None)
                    return;
            }
        }
    }

    /// <summary>The kernel gives up a peer that takes nothing after so long (TCP_USER_TIMEOUT).</summary>
    private static async Task GiveUpSoonAsync(Wire wire)
    {
        const int userTimeout = 18;
        Assert.Equal(0, await wire.OnLoop(c => Net.Linux.Libc.SetOption(c.Descriptor, Net.Linux.Libc.IpProtoTcp, userTimeout, 200)));
    }

    /// <summary>Sends until the kernel takes no more; the task is the send that waits, or the one that failed.</summary>
    private static Task<IoResult> FillUntilPending(Wire wire) => Task.Run(async () =>
    {
        byte[] data = new byte[1 << 20];
        while (true)
        {
            IoResult sent = await wire.Send(data);
            if (sent.Fault != IoFault.None)
                return sent;
        }
    });

    private static async Task Settled(Wire wire, Readiness expected) =>
        await Wire.Eventually(async () => await wire.OnLoop(c => c.Look()) == expected, $"a look finds {expected}");

    private Task<IoFault> Connect(EndPoint to) =>
        _engine.Loops[0].ConnectAsync(to, Wire.NoSettings, out _).AsTask().WaitAsync(Wire.Patience);

    private static (int NoDelay, int KeepAlive, int Idle, int Interval) Options(int descriptor) =>
        (Option(descriptor, 6, 1), Option(descriptor, 1, 9), Option(descriptor, 6, 4), Option(descriptor, 6, 5));

    private static int Option(int descriptor, int level, int option)
    {
        Assert.True(Net.Linux.Libc.GetOption(descriptor, level, option, out int value) >= 0);
        return value;
    }
}
