using System.Buffers.Binary;
using System.Security.Authentication;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Tls;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Bitflow.Tests.Fixtures;
using Bitflow.Tests.Transport;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Tls;

public sealed class ManagedSecuredConnectionContract() : SecuredConnectionContract(new ManagedEngine())
{
    [Theory]
    [MemberData(nameof(Everyone))]
    public Task The_platform_speaks_TLS(bool isServer, SslProtocols version) => IsMadeBy<TlsConnection>(isServer, version);
}

public sealed class LinuxSecuredConnectionContract() : SecuredConnectionContract(new LinuxEngine(loops: 2))
{
    private const int ReceiveBuffer = 8;

    /// <summary>Every record without data (here: one that changes the keys) costs work and brings nothing that would end a receive.</summary>
    [Fact]
    public async Task A_flood_of_records_without_data_does_not_keep_its_loop_from_other_work()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: true, SslProtocols.Tls13);
        const int count = 5_500;
        int made = wire.OfPeersLibrary(ssl =>
        {
            int done = 0;
            for (int i = 0; i < count; i++)
                done += PeerLibrary.KeyUpdate(ssl, PeerLibrary.NotRequested) & PeerLibrary.Handshake(ssl);
            return done;
        });
        Assert.Equal(count, made);
        wire.Beneath.Keep();
        await wire.PeerSend("data"u8.ToArray());
        byte[] flood = wire.Beneath.Take();
        Assert.InRange(flood.Length, count * (5 + 5 + 1 + 16), int.MaxValue);
        Assert.Equal(0, await wire.OnLoop(c => Libc.SetOption(c.Descriptor, Libc.SolSocket, ReceiveBuffer, flood.Length)));
        await wire.PeerSocket.SendAllAsync(flood).WaitAsync(Wire.Patience);
        await Wire.Eventually(async () => await wire.OnLoop(Waiting) == flood.Length, "all of it has come");

        // One receive goes through few of them, and gives the loop back, though the data is there.
        Assert.False(await wire.OnLoop(c => ((LoopConnection)c).TryReceive(new byte[4], out _)));
        Assert.InRange(await wire.OnLoop(Waiting), flood.Length - RecordPaceModule.SmallPiece, flood.Length - 1);
        Assert.Equal("data"u8.ToArray(), await wire.ReceiveExactly(4));

        int Waiting(Connection connection) => Libc.Receive(connection.Descriptor, new byte[flood.Length + 1], Libc.MsgPeek | Libc.MsgDontWait);
    }

    /// <summary>Each record of a byte costs as much work as one of 16 KB.</summary>
    [Fact]
    public async Task A_flood_of_records_of_a_byte_does_not_keep_its_loop_from_other_work()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: true, SslProtocols.Tls13);
        const int count = 8_000;
        wire.Beneath.Keep();
        for (int i = 0; i < count; i++)
            await wire.PeerSend("x"u8.ToArray());
        byte[] flood = wire.Beneath.Take();
        Assert.InRange(flood.Length, count * (5 + 1 + 1 + 16), int.MaxValue);
        Assert.Equal(0, await wire.OnLoop(c => Libc.SetOption(c.Descriptor, Libc.SolSocket, ReceiveBuffer, flood.Length)));
        await wire.PeerSocket.SendAllAsync(flood).WaitAsync(Wire.Patience);
        await Wire.Eventually(async () => await wire.OnLoop(Waiting) == flood.Length, "all of it has come");

        // One receive goes through few of them, and brings what they held.
        IoResult received = default;
        Assert.True(await wire.OnLoop(c => ((LoopConnection)c).TryReceive(new byte[count], out received)));
        Assert.InRange(received.Bytes, 1, RecordPaceModule.SmallPiece / (5 + 1 + 1 + 16));
        Assert.InRange(await wire.OnLoop(Waiting), flood.Length - RecordPaceModule.SmallPiece, flood.Length - 1);
        Assert.Equal(new string('x', count - received.Bytes), System.Text.Encoding.ASCII.GetString(await wire.ReceiveExactly(count - received.Bytes)));

        int Waiting(Connection connection) => Libc.Receive(connection.Descriptor, new byte[flood.Length + 1], Libc.MsgPeek | Libc.MsgDontWait);
    }

    /// <summary>Each time it is answered by an alert, four thousand times where it asks as often in one record (RFC 5246 section 7.2.2).</summary>
    [Fact]
    public async Task A_server_that_asks_for_another_handshake_is_declined_and_one_that_goes_on_is_given_up()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: false, SslProtocols.Tls12);
        for (int asked = 0; asked < 10; asked++)
        {
            // The peer does not read: its library ends where it hears that it was declined.
            Assert.Equal(1, wire.OfPeersLibrary(PeerLibrary.AskForHello));
            await wire.PeerSend("x"u8.ToArray());
            Assert.Equal("x"u8.ToArray(), await wire.ReceiveExactly(1));
        }

        for (int asked = 0; asked < 10; asked++)
            Assert.Equal(1, wire.OfPeersLibrary(PeerLibrary.AskForHello));
        await wire.PeerSend("behind it"u8.ToArray());
        Assert.Equal(IoFault.TlsProtocol, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal("it went on asking for another handshake", await wire.OnLoop(c => c.FaultDetail));
    }

    /// <summary>Each time it is given one, which is signed for.</summary>
    [Fact]
    public async Task A_server_that_asks_for_our_certificate_for_ever_is_given_up()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: false, SslProtocols.Tls13);
        const int inHandshake = 1;
        for (int asked = inHandshake; asked < CertificateRequests.most; asked++)
        {
            Assert.Equal(1, wire.OfPeersLibrary(ssl => PeerLibrary.AskForCertificate(ssl) & PeerLibrary.Handshake(ssl)));
            await GoesOn(wire);
        }

        Assert.Equal(1, wire.OfPeersLibrary(ssl => PeerLibrary.AskForCertificate(ssl) & PeerLibrary.Handshake(ssl)));
        await wire.PeerSend("behind it"u8.ToArray());
        Assert.Equal(IoFault.TlsProtocol, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal("it asked for a certificate more than 32 times", await wire.OnLoop(c => c.FaultDetail));
    }

    private protected override async Task FloodIsHeldBackAsync(SecuredWire wire, Task<byte[]> behind)
    {
        Assert.False(behind.IsCompleted);
        Assert.InRange(await wire.OnLoop(c => c.UnsentBytes) - await wire.OnLoop(_ => wire.Raw.UnsentBytes), 16_000, 32 * 1024);
    }

    /// <summary>The library sends nothing in the midst of a message of the handshake, and a ticket may come in several records.</summary>
    [Fact]
    public async Task A_send_that_half_a_ticket_holds_back_goes_on_when_the_other_half_has_come()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: false, SslProtocols.Tls13);
        byte[] rest = await HalfATicket(wire);
        Task<IoFault> sending = wire.SendAll("question"u8.ToArray());
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Assert.False(sending.IsCompleted);
        await wire.PeerSocket.SendAsync(rest);
        Assert.Equal(IoFault.None, await sending);
        Assert.Equal("question"u8.ToArray(), await wire.PeerReceiveExactly(8));
        Assert.Equal("x"u8.ToArray(), await wire.ReceiveExactly(1));
    }

    [Fact]
    public async Task An_end_that_half_a_ticket_holds_back_is_sent_when_the_other_half_has_come()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: false, SslProtocols.Tls13);
        byte[] rest = await HalfATicket(wire);
        Task<IoFault> ending = wire.End();
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Task<IoFault> again = wire.End();
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Assert.False(ending.IsCompleted || again.IsCompleted);
        await wire.PeerSocket.SendAsync(rest);
        Assert.Equal(IoFault.None, await ending);
        Assert.Equal(IoFault.None, await again);
        Assert.True((await wire.PeerReceiveAll()).IsEnd);
        Assert.Equal("x"u8.ToArray(), await wire.ReceiveExactly(1));
    }

    /// <summary>Whoever waits for the other half would wait for ever, and a loop that comes back to it would do nothing else.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_half_a_ticket_holds_back_is_over_when_the_peer_ends_without_the_other_half(bool sends)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(Engine, isServer: false, SslProtocols.Tls13);
        await HalfATicket(wire);
        Task<IoFault> held = sends ? wire.SendAll("question"u8.ToArray()) : wire.End();
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Assert.False(held.IsCompleted);
        wire.PeerSocket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        IoFault fault = await held;
        Assert.True(!sends || fault != IoFault.None, "what was to be sent cannot have been");
        Assert.Equal(IoFault.Truncated, (await wire.Receive(new byte[1])).Fault);
    }

    /// <summary>Sends the first record of a ticket that takes several, and answers the others, with one byte of data behind them.</summary>
    private static async Task<byte[]> HalfATicket(SecuredWire wire)
    {
        // What the peer says by itself is out of the way.
        await wire.PeerSend("first"u8.ToArray());
        Assert.Equal("first"u8.ToArray(), await wire.ReceiveExactly(5));
        Assert.Equal(1, wire.OfPeersLibrary(ssl => (int)PeerLibrary.LimitRecords(ssl, 512) & PeerLibrary.NewTicket(ssl)));
        wire.Beneath.Keep();
        await wire.PeerSend("x"u8.ToArray());
        byte[] records = wire.Beneath.Take();
        int first = 5 + BinaryPrimitives.ReadUInt16BigEndian(records.AsSpan(3));
        Assert.Equal(5 + 512 + 1 + 16, first);
        await wire.PeerSocket.SendAsync(records.AsMemory(0, first));
        await Wire.Eventually(
            () => wire.OnLoop(c => c.Look() == Readiness.Quiet && Bitflow.Net.Tls.OpenSsl.IsInInit(((LoopTlsConnection)c).Library)), "half a ticket was taken");
        return records[first..];
    }

    /// <summary>Everything works without it too, only slower: nothing else would tell.</summary>
    [Theory]
    [MemberData(nameof(Everyone))]
    public Task The_loop_speaks_TLS_itself(bool isServer, SslProtocols version) => IsMadeBy<LoopTlsConnection>(isServer, version);
}

/// <summary>What a connection with TLS owes on top of <see cref="ConnectionContract"/>, over each engine, as server and as client.</summary>
public abstract class SecuredConnectionContract : IDisposable
{
    private readonly Engine _engine;

    private protected SecuredConnectionContract(Engine engine) => _engine = engine;

    public static TheoryData<bool, SslProtocols> Everyone => new()
    {
        { true, SslProtocols.Tls12 }, { true, SslProtocols.Tls13 }, { false, SslProtocols.Tls12 }, { false, SslProtocols.Tls13 },
    };

    public void Dispose()
    {
        _engine.Dispose();
        GC.SuppressFinalize(this);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task Bytes_in_pieces_of_every_size_pass_unchanged_both_ways_and_so_do_both_ends(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        byte[] up = Wire.Pattern(5_000_000, 1);
        byte[] down = Wire.Pattern(4_000_000, 2);
        Task sending = SendThenEnd();
        Task peerSending = PeerSendThenEnd();
        Task<(byte[] Bytes, bool IsEnd)> peerReceiving = wire.PeerReceiveAll();
        (byte[] received, IoFault ending) = await wire.ReceiveAll(100_000);
        (byte[] peerReceived, bool isEnd) = await peerReceiving;
        await sending;
        await peerSending;
        Assert.Equal(IoFault.None, ending);
        Assert.True(isEnd);
        Assert.True(down.AsSpan().SequenceEqual(received));
        Assert.True(up.AsSpan().SequenceEqual(peerReceived));

        async Task SendThenEnd()
        {
            foreach (ReadOnlyMemory<byte> piece in Pieces(up))
                Assert.Equal(IoFault.None, await wire.SendAll(piece));
            Assert.Equal(IoFault.None, await wire.End());
        }

        async Task PeerSendThenEnd()
        {
            foreach (ReadOnlyMemory<byte> piece in Pieces(down))
                await wire.PeerSend(piece);
            await wire.PeerEnds();
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(5)]
    [InlineData(16_384)]
    [InlineData(1_000_000)]
    public async Task Whatever_the_size_of_the_buffer_all_is_received(int bufferBytes)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: true, SslProtocols.Tls13);
        byte[] sent = Wire.Pattern(bufferBytes == 1 ? 40_000 : 300_000);
        Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll(bufferBytes);
        await wire.PeerSend(sent);
        await wire.PeerEnds();
        (byte[] received, IoFault ending) = await receiving;
        Assert.Equal(IoFault.None, ending);
        Assert.True(sent.AsSpan().SequenceEqual(received));
    }

    /// <summary>In TLS 1.2 a client must have heard the server's last word before it sends.</summary>
    [Theory]
    [InlineData(true, SslProtocols.Tls13)]
    [InlineData(false, SslProtocols.Tls12)]
    [InlineData(false, SslProtocols.Tls13)]
    public async Task What_comes_in_the_same_segment_as_the_peers_last_word_of_the_handshake_is_not_lost(bool isServer, SslProtocols version)
    {
        byte[] data = Wire.Pattern(1000);
        using SecuredWire wire = await SecuredWire.MakeAsync(
            _engine,
            isServer,
            version,
            beneath => beneath.KeepsAfter = 1,
            async (peer, beneath) =>
            {
                Assert.NotEmpty(beneath.Held);
                await peer.WriteAsync(data);
                await beneath.LetGoAsync();
            });
        Assert.Equal(data, await wire.ReceiveExactly(data.Length));
        await GoesOn(wire);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task Records_that_come_byte_by_byte_all_arrive(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version, beneath => beneath.Dribbles = !isServer);
        wire.Beneath.Dribbles = true;
        byte[] sent = Wire.Pattern(700);
        Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll(77);
        foreach (byte[] piece in sent.Chunk(100))
            await wire.PeerSend(piece);
        await wire.PeerEnds();
        (byte[] received, IoFault ending) = await receiving;
        Assert.Equal(IoFault.None, ending);
        Assert.Equal(sent, received);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task Close_notify_is_an_end_and_stays_one(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerSend("last words"u8.ToArray());
        await wire.PeerEnds();
        wire.PeerSocket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("last words"u8.ToArray(), received);
        Assert.Equal(IoFault.None, ending);
        Assert.True((await wire.Receive(new byte[1])).IsEnd);
        Assert.Equal(IoFault.None, await wire.Readable());
        Assert.Equal(Readiness.Ended, await wire.OnLoop(c => c.Look()));
    }

    /// <summary>It is no data (RFC 8446 section 6.1), but the kernel turns a close over unread bytes into a reset, with all that is still to be sent.</summary>
    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task What_a_peer_sends_behind_its_close_notify_costs_it_nothing_of_the_answer(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerEnds();
        Assert.True((await wire.Receive(new byte[10])).IsEnd);
        await wire.PeerSocket.SendAllAsync(new byte[] { 23, 3, 3, 0, 3, 1, 2, 3 });
        await Wire.Eventually(
            async () => await wire.OnLoop(static c => Libc.Receive(c.Descriptor, new byte[8], Libc.MsgPeek | Libc.MsgDontWait)) == 8, "it has come");
        // More than the peer's kernel takes before the peer reads.
        const int SendBuffer = 7;
        byte[] answer = Wire.Pattern(1_000_000);
        Assert.Equal(0, await wire.OnLoop(c => Libc.SetOption(c.Descriptor, Libc.SolSocket, SendBuffer, 2 * answer.Length)));
        Assert.Equal(IoFault.None, await wire.SendAll(answer));
        Assert.Equal(IoFault.None, await wire.End());
        Assert.NotEqual(0, await wire.OnLoop(static c => c.UnsentBytes));
        await wire.OnLoop(static c =>
        {
            c.Close();
            return true;
        });
        (byte[] received, bool isEnd) = await wire.PeerReceiveAll();
        Assert.Equal(answer, received);
        Assert.True(isEnd);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task An_end_without_close_notify_is_truncation_after_what_came_before(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerSend("half a sen"u8.ToArray());
        wire.PeerSocket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("half a sen"u8.ToArray(), received);
        Assert.Equal(IoFault.Truncated, ending);
        Assert.Equal(IoFault.Truncated, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal((Readiness.Failed, IoFault.Truncated), await wire.OnLoop(c => (c.Look(), c.Fault)));
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task An_end_in_the_midst_of_a_record_is_truncation_too(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerSend("whole"u8.ToArray());
        wire.Beneath.Keep();
        await wire.PeerSend("cut short"u8.ToArray());
        byte[] record = wire.Beneath.Take();
        await wire.PeerSocket.SendAsync(record.AsMemory(0, record.Length - 1));
        wire.PeerSocket.Shutdown(System.Net.Sockets.SocketShutdown.Send);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("whole"u8.ToArray(), received);
        Assert.Equal(IoFault.Truncated, ending);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task A_reset_is_a_reset_after_what_came_before(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll();
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await wire.PeerSend("x"u8.ToArray());
        wire.PeerSocket.LingerState = new System.Net.Sockets.LingerOption(true, 0);
        wire.PeerSocket.Dispose();
        (byte[] received, IoFault ending) = await receiving;
        Assert.Equal(IoFault.Reset, ending);
        Assert.Equal(IoFault.Reset, await watching);

        // The platform's engine may lose them; the kernel does not.
        if (_engine is LinuxEngine)
            Assert.Equal("x"u8.ToArray(), received);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task After_we_end_our_stream_the_other_direction_goes_on(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        Assert.Equal(IoFault.None, await wire.SendAll("question"u8.ToArray()));
        Assert.Equal(IoFault.None, await wire.End());
        Assert.Equal(IoFault.None, await wire.End());
        (byte[] question, bool isEnd) = await wire.PeerReceiveAll();
        Assert.True(isEnd);
        Assert.Equal("question"u8.ToArray(), question);
        byte[] answer = Wire.Pattern(100_000);
        Task<(byte[] Bytes, IoFault Ending)> receiving = wire.ReceiveAll();
        await wire.PeerSend(answer);
        await wire.PeerEnds();
        (byte[] received, IoFault ending) = await receiving;
        Assert.Equal(answer, received);
        Assert.Equal(IoFault.None, ending);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task After_the_peer_ended_its_stream_we_can_still_send(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerEnds();
        Assert.True((await wire.Receive(new byte[10])).IsEnd);
        byte[] answer = Wire.Pattern(100_000);
        Task<(byte[] Bytes, bool IsEnd)> receiving = wire.PeerReceiveAll();
        Assert.Equal(IoFault.None, await wire.SendAll(answer));
        Assert.Equal(IoFault.None, await wire.End());
        (byte[] received, bool isEnd) = await receiving;
        Assert.Equal(answer, received);
        Assert.True(isEnd);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task A_record_that_was_changed_on_its_way_breaks_the_protocol_and_the_library_says_how(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        await wire.PeerSend("good"u8.ToArray());

        // SslStream decrypts ahead and loses what it has when the next record is bad.
        byte[] good = _engine is LinuxEngine ? [] : await wire.ReceiveExactly(4);
        wire.Beneath.Keep();
        await wire.PeerSend("bad"u8.ToArray());
        byte[] record = wire.Beneath.Take();
        record[^1] ^= 1;
        await wire.PeerSocket.SendAsync(record);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal("good"u8.ToArray(), (byte[])[.. good, .. received]);
        Assert.Equal(IoFault.TlsProtocol, ending);
        string words = wire.Connection.FaultDetail;
        Assert.Contains("bad record mac", words, StringComparison.Ordinal);
        Assert.Equal(IoFault.TlsProtocol, (await wire.Receive(new byte[1])).Fault);
    }

    [Fact]
    public async Task The_words_of_the_first_fault_are_not_lost_to_those_that_follow_from_it()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: true, SslProtocols.Tls13);
        await wire.PeerSocket.SendAsync((byte[])[23, 3, 3, 0, 32, .. new byte[32]]);
        Assert.Equal(IoFault.TlsProtocol, (await wire.Receive(new byte[1])).Fault);
        string words = wire.Connection.FaultDetail;
        Assert.NotEmpty(words);
        await wire.Send("x"u8.ToArray());
        await wire.End();
        Assert.Equal(words, wire.Connection.FaultDetail);
        await wire.OnLoop(c =>
        {
            c.Close();
            return 0;
        });
        Assert.Equal(words, wire.Connection.FaultDetail);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task A_peer_that_does_not_read_holds_a_send_back_until_it_reads_and_loses_nothing(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version, peerReceiveBuffer: 16 * 1024);
        byte[] data = Wire.Pattern(12_000_000);
        long taken = 0;
        Task sending = Task.Run(async () =>
        {
            foreach (ReadOnlyMemory<byte> piece in Pieces(data))
            {
                ReadOnlyMemory<byte> rest = piece;
                while (!rest.IsEmpty)
                {
                    IoResult sent = await wire.Connection.SendAsync(rest);
                    Assert.Equal(IoFault.None, sent.Fault);
                    Interlocked.Add(ref taken, sent.Bytes);
                    rest = rest[sent.Bytes..];
                }
            }

            Assert.Equal(IoFault.None, await wire.Connection.EndAsync());
        });
        await Stalls(() => Interlocked.Read(ref taken));
        Assert.False(sending.IsCompleted);

        // What comes the other way meanwhile is received, though a record of ours is half out.
        await wire.PeerSend("meanwhile"u8.ToArray());
        Assert.Equal("meanwhile"u8.ToArray(), await wire.ReceiveExactly(9));
        (byte[] received, bool isEnd) = await wire.PeerReceiveAll();
        await sending.WaitAsync(Wire.Patience);
        Assert.True(isEnd);
        Assert.True(data.AsSpan().SequenceEqual(received));
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(true, true)]
    [InlineData(false, true)]
    public async Task Whatever_is_pending_when_the_connection_is_closed_completes_as_aborted(bool abort, bool waits)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: false, SslProtocols.Tls13, peerReceiveBuffer: 4096);
        Task<IoFault> reading = waits ? wire.Readable() : Receive();
        long taken = 0;
        Task<IoResult> sending = Task.Run(async () =>
        {
            byte[] data = new byte[1 << 20];
            while (true)
            {
                IoResult sent = await wire.Send(data);
                if (sent.Fault != IoFault.None)
                    return sent;
                Interlocked.Add(ref taken, sent.Bytes);
            }
        });
        Task<IoFault> watching = wire.Connection.WaitResetAsync().AsTask().WaitAsync(Wire.Patience);
        await Stalls(() => Interlocked.Read(ref taken));
        Assert.False(reading.IsCompleted);

        // From a thread that is no loop's, more than once.
        await Task.Run(() =>
        {
            if (abort)
                wire.Connection.Abort();
            wire.Connection.Close();
            wire.Connection.Abort();
            wire.Connection.Close();
        });
        Assert.Equal(IoFault.Aborted, await reading);
        Assert.Equal(IoFault.Aborted, (await sending).Fault);
        Assert.Equal(IoFault.Aborted, await watching);
        Assert.Equal(IoFault.Aborted, (await wire.Receive(new byte[1])).Fault);
        Assert.Equal(IoFault.Aborted, (await wire.Send(new byte[1])).Fault);
        Assert.Equal(IoFault.Aborted, await wire.Connection.WaitResetAsync().Patiently());

        async Task<IoFault> Receive() => (await wire.Receive(new byte[10])).Fault;
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task Close_says_close_notify_after_what_was_sent_and_abort_says_nothing(bool isServer, SslProtocols version)
    {
        using (SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version))
        {
            Assert.Equal(IoFault.None, await wire.SendAll("goodbye"u8.ToArray()));
            wire.Connection.Close();
            (byte[] received, bool isEnd) = await wire.PeerReceiveAll();
            Assert.Equal("goodbye"u8.ToArray(), received);
            Assert.True(isEnd);
        }

        using (SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version))
        {
            wire.Connection.Abort();
            Assert.False((await wire.PeerReceiveAll()).IsEnd);
        }
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task When_the_connection_beneath_is_closed_what_is_pending_completes_as_aborted(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        Task<IoResult> receiving = wire.Receive(new byte[10]);
        wire.Raw.Abort();
        Assert.Equal(IoFault.Aborted, (await receiving).Fault);
        wire.Connection.Close();
        wire.Connection.Abort();
        Assert.Equal(IoFault.Aborted, (await wire.Receive(new byte[1])).Fault);
    }

    [Theory]
    [MemberData(nameof(Everyone))]
    public async Task A_look_tells_quiet_data_and_end_apart_and_consumes_nothing(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Task<IoFault> waiting = wire.Readable();
        await wire.PeerSend("ab"u8.ToArray());
        Assert.Equal(IoFault.None, await waiting);
        Assert.Equal(Readiness.Data, await wire.OnLoop(c => c.Look()));
        Assert.Equal(Readiness.Data, await wire.OnLoop(c => c.Look()));
        Assert.Equal(IoFault.None, await wire.Readable());
        byte[] buffer = new byte[10];
        Assert.Equal(2, (await wire.Receive(buffer)).Bytes);
        Assert.Equal("ab"u8.ToArray(), buffer[..2]);
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        waiting = wire.Readable();
        await wire.PeerEnds();
        Assert.Equal(IoFault.None, await waiting);
        Assert.Equal(Readiness.Ended, await wire.OnLoop(c => c.Look()));
        Assert.True((await wire.Receive(buffer)).IsEnd);
        Assert.Equal(Readiness.Ended, await wire.OnLoop(c => c.Look()));
    }

    [Fact]
    public async Task A_ticket_alone_is_neither_data_nor_an_end()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: false, SslProtocols.Tls13, beneath => beneath.KeepsAfter = 1);
        Assert.NotEmpty(wire.Beneath.Held);
        await wire.Beneath.LetGoAsync();
        await Wire.Eventually(async () => await wire.OnLoop(_ => wire.Raw.Look()) == Readiness.Data, "the ticket has come");
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Task<IoFault> waiting = wire.Readable();
        await Wire.Eventually(async () => await wire.OnLoop(_ => wire.Raw.Look()) == Readiness.Quiet, "the ticket was taken");
        Assert.Equal(Readiness.Quiet, await wire.OnLoop(c => c.Look()));
        Assert.False(waiting.IsCompleted);
        await wire.PeerSend("data"u8.ToArray());
        Assert.Equal(IoFault.None, await waiting);
        Assert.Equal(Readiness.Data, await wire.OnLoop(c => c.Look()));
        Assert.Equal("data"u8.ToArray(), await wire.ReceiveExactly(4));
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_that_changes_its_keys_and_asks_for_ours_to_change_is_answered(bool isServer)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, SslProtocols.Tls13);

        // A client has no use for its tickets; they are out of the way before bytes are counted.
        await GoesOn(wire);
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(1, wire.OfPeersLibrary(ssl => PeerLibrary.KeyUpdate(ssl, PeerLibrary.Requested)));
            byte[] sent = Wire.Pattern(50_000, round);
            await wire.PeerSend(sent);
            Assert.Equal(sent, await wire.ReceiveExactly(sent.Length));
            int before = wire.Beneath.BytesRead;
            Assert.Equal(IoFault.None, await wire.SendAll("back"u8.ToArray()));
            Assert.Equal("back"u8.ToArray(), await wire.PeerReceiveExactly(4));

            // Two records: the message that says so (5 bytes) and the data, each with its header, its type and its seal.
            Assert.Equal((5 + 5 + 1 + 16) + (5 + 4 + 1 + 16), wire.Beneath.BytesRead - before);
        }
    }

    /// <summary>Nothing comes behind close_notify (RFC 8446 section 6.1): unread at a peer that closes, it would make its kernel reset the connection.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_that_asks_for_new_keys_behind_our_end_gets_no_answer_and_loses_nothing(bool isServer)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, SslProtocols.Tls13);
        await GoesOn(wire);
        Assert.Equal(IoFault.None, await wire.End());
        Assert.Equal(0, await wire.Peer.ReadAsync(new byte[1]).AsTask().WaitAsync(Wire.Patience));
        int before = wire.Beneath.BytesRead;
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(1, wire.OfPeersLibrary(ssl => PeerLibrary.KeyUpdate(ssl, PeerLibrary.Requested)));
            byte[] sent = Wire.Pattern(50_000, round);
            await wire.PeerSend(sent);
            Assert.Equal(sent, await wire.ReceiveExactly(sent.Length));
        }

        Assert.Equal(0, wire.PeerSocket.Available);
        Assert.Equal(before, wire.Beneath.BytesRead);
    }

    /// <summary>Nobody answers that, and what follows it counts all the same.</summary>
    [Fact]
    public async Task A_server_that_asks_for_a_hello_behind_our_end_loses_nothing_of_its_answer()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: false, SslProtocols.Tls12);
        await GoesOn(wire);
        Assert.Equal(IoFault.None, await wire.End());
        byte[] answer = Wire.Pattern(1_000);
        wire.Beneath.Keep();
        await wire.PeerSend(answer.AsMemory(0, 10));
        Assert.Equal(1, wire.OfPeersLibrary(PeerLibrary.AskForHello));
        await wire.PeerSend(answer.AsMemory(10));
        await wire.PeerSocket.SendAllAsync(wire.Beneath.Take()).WaitAsync(Wire.Patience);
        Assert.Equal(answer, await wire.ReceiveExactly(answer.Length));
    }

    /// <summary>Half a record is out, and the peer says what it wants said back, and more after it.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_peer_may_change_its_keys_and_give_tickets_while_a_send_to_it_is_pending(bool isServer)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, SslProtocols.Tls13, peerReceiveBuffer: 16 * 1024);
        byte[] data = Wire.Pattern(12_000_000);
        Task<IoFault> sending = await PendingSend(wire, data);
        for (int round = 0; round < 3; round++)
        {
            Assert.Equal(1, wire.OfPeersLibrary(ssl => PeerLibrary.KeyUpdate(ssl, PeerLibrary.Requested)));
            await wire.PeerSend("keys"u8.ToArray());
            Assert.Equal("keys"u8.ToArray(), await wire.ReceiveExactly(4));
            if (isServer)
                continue;
            Assert.Equal(1, wire.OfPeersLibrary(PeerLibrary.NewTicket));
            await wire.PeerSend("ticket"u8.ToArray());
            Assert.Equal("ticket"u8.ToArray(), await wire.ReceiveExactly(6));
        }

        Assert.False(sending.IsCompleted);
        byte[] received = await wire.PeerReceiveExactly(data.Length);
        Assert.Equal(IoFault.None, await sending);
        Assert.True(data.AsSpan().SequenceEqual(received));
        await GoesOn(wire);
    }

    /// <summary>Each asks for an answer, which cannot go out: there is a bound to how many are kept, and none to how often a peer asks.</summary>
    [Fact]
    public async Task A_peer_that_changes_its_keys_for_ever_and_does_not_read_is_not_read_from_for_ever_and_loses_nothing()
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer: true, SslProtocols.Tls13);
        byte[] data = Wire.Pattern(12_000_000);
        Task<IoFault> sending = await PendingSend(wire, data);
        const int count = 5_000;
        int made = wire.OfPeersLibrary(ssl =>
        {
            int done = 0;
            for (int i = 0; i < count; i++)
                done += PeerLibrary.KeyUpdate(ssl, PeerLibrary.Requested) & PeerLibrary.Handshake(ssl);
            return done;
        });
        Assert.Equal(count, made);
        await wire.PeerSend("behind them"u8.ToArray());
        Task<byte[]> behind = wire.ReceiveExactly(11);
        await Task.Delay(100);
        await FloodIsHeldBackAsync(wire, behind);
        byte[] received = await wire.PeerReceiveExactly(data.Length);
        Assert.Equal(IoFault.None, await sending);
        Assert.True(data.AsSpan().SequenceEqual(received));
        Assert.Equal("behind them"u8.ToArray(), await behind);
        await GoesOn(wire);
    }

    private protected virtual Task FloodIsHeldBackAsync(SecuredWire wire, Task<byte[]> behind) => Task.CompletedTask;

    private protected async Task IsMadeBy<T>(bool isServer, SslProtocols version)
    {
        using SecuredWire wire = await SecuredWire.MakeAsync(_engine, isServer, version);
        Assert.IsType<T>(wire.Connection);
    }

    private protected Engine Engine => _engine;

    /// <summary>Bytes still pass both ways.</summary>
    private protected static async Task GoesOn(SecuredWire wire)
    {
        await wire.PeerSend("there"u8.ToArray());
        Assert.Equal("there"u8.ToArray(), await wire.ReceiveExactly(5));
        Assert.Equal(IoFault.None, await wire.SendAll("back"u8.ToArray()));
        Assert.Equal("back"u8.ToArray(), await wire.PeerReceiveExactly(4));
    }

    /// <summary>One byte, sizes about a record's, more than the kernel takes at once, and the rest at random.</summary>
    private static IEnumerable<ReadOnlyMemory<byte>> Pieces(byte[] all)
    {
        var random = new Random(all.Length);
        var sizes = new Queue<int>([1, 2, 100, 16_383, 16_384, 16_385, 32_768, 65_537, 1_000_000]);
        for (int at = 0; at < all.Length;)
        {
            int size = Math.Min(sizes.Count > 0 ? sizes.Dequeue() : random.Next(1, 1 << random.Next(1, 20)), all.Length - at);
            yield return all.AsMemory(at, size);
            at += size;
        }
    }

    /// <summary>One that waits for a peer that does not read.</summary>
    private static async Task<Task<IoFault>> PendingSend(SecuredWire wire, byte[] data)
    {
        await GoesOn(wire);
        long taken = 0;
        Task<IoFault> sending = Task.Run(async () =>
        {
            ReadOnlyMemory<byte> rest = data;
            while (!rest.IsEmpty)
            {
                IoResult sent = await wire.Connection.SendAsync(rest);
                if (sent.Fault != IoFault.None)
                    return sent.Fault;
                Interlocked.Add(ref taken, sent.Bytes);
                rest = rest[sent.Bytes..];
            }

            return IoFault.None;
        });
        await Stalls(() => Interlocked.Read(ref taken));
        Assert.False(sending.IsCompleted);
        return sending;
    }

    /// <summary>Something has moved, and nothing moves any more.</summary>
    private static async Task Stalls(Func<long> moved)
    {
        long before = -1;
        await Wire.Eventually(
            async () =>
            {
                long now = moved();
                await Task.Delay(50);
                (bool still, before) = (now == before, now);
                return still && now > 0;
            },
            "the kernel takes no more");
    }
}
