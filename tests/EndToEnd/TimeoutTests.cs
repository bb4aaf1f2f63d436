using System.Diagnostics;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// What each timeout of a relay means, to the letter: which silence it counts, which it does not, and what both sides see when it is over.
/// A peer stalls, trickles, never reads, or has ended its stream; the clock is real, and a timeout never comes early.
/// </summary>
public sealed class TimeoutTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static readonly TimeSpan Limit = TimeSpan.FromMilliseconds(800);

    private static readonly byte[] Noise = SocketWords.Noise(64 * 1024 * 1024);

    /// <summary>How late an end may be seen by a test on a machine that is busy with other tests.</summary>
    private static readonly TimeSpan Allowance = TimeSpan.FromSeconds(3);

    /// <param name="atOnce">What must not be late: it is done on the thread that connected, since a continuation may wait for longer than the limit.</param>
    private static async Task<Relayed> RelayAsync(
        string engine, string listener = "", string target = "", string options = "", int receiveBuffer = 0, Action<Relayed>? atOnce = null)
    {
        using var peer = new Peer();
        BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' {{listener}} }
              targets: [ { name: a, address: '{{peer.Address}}' {{target}} } ]
              options: { {{options}} }
            """,
            engine: engine);
        return await OnAThreadAsync(() =>
        {
            long began = Stopwatch.GetTimestamp();
            Socket client = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp).Patient();
            if (receiveBuffer > 0)
                client.ReceiveBufferSize = receiveBuffer;
            client.Connect(bitflow.EndPoint());
            var relayed = new Relayed(bitflow, client, peer.Accept(), began);
            atOnce?.Invoke(relayed);
            return relayed;
        });
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_idle_connection_ends_at_the_read_timeout_of_the_listener_with_a_reset_to_both(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms");
        Assert.Empty(await r.Client.ReadToResetAsync());
        EndedAfter(Limit, r.Began);
        Assert.Empty(await r.Target.ReadToResetAsync());
        await r.Bitflow.EndsWithAsync("client.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task An_idle_connection_ends_at_the_read_timeout_of_the_target_with_a_reset_to_both(string engine)
    {
        using Relayed r = await RelayAsync(engine, target: ", read_timeout: 800ms");
        Assert.Empty(await r.Target.ReadToResetAsync());
        EndedAfter(Limit, r.Began);
        Assert.Empty(await r.Client.ReadToResetAsync());
        await r.Bitflow.EndsWithAsync("target.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_long_download_is_not_cut_because_its_client_is_silent(string engine)
    {
        long last = 0;
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms", atOnce: r => last = Trickle(r.Target));
        Assert.Equal(Trickled, (await r.Client.ReadToResetAsync()).Length);
        EndedAfter(Limit, last);
        await r.Bitflow.EndsWithAsync("client.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_long_upload_is_not_cut_because_its_target_is_silent(string engine)
    {
        long last = 0;
        using Relayed r = await RelayAsync(engine, target: ", read_timeout: 800ms", atOnce: r => last = Trickle(r.Client));
        Assert.Equal(Trickled, (await r.Target.ReadToResetAsync()).Length);
        EndedAfter(Limit, last);
        await r.Bitflow.EndsWithAsync("target.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_clock_of_a_client_stands_still_while_its_bytes_wait_for_the_target(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms");
        (byte[] sent, _) = await FillAsync(r.Client);

        // The client is silent now, because nobody takes what it sends: two timeouts long that is not its doing.
        await Task.Delay(Limit * 2);
        Assert.False(r.HasEnded);
        byte[] received = await r.Target.ReadExactlyAsync(sent.Length);
        long last = Stopwatch.GetTimestamp();
        Assert.Equal(sent, received);
        Assert.Empty(await r.Client.ReadToResetAsync());
        Assert.True(Stopwatch.GetElapsedTime(last) < Limit + Allowance, "the clock went on when the write was over");
        await r.Bitflow.EndsWithAsync("client.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_half_closed_connection_in_which_nothing_moves_is_reaped(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms");
        long last = Stopwatch.GetTimestamp();
        await r.Client.SendAllAsync("bye"u8.ToArray());
        r.Client.Shutdown(SocketShutdown.Send);
        Assert.Equal(3, (await r.Target.ReadToEndAsync()).Length);
        Assert.Empty(await r.Client.ReadToResetAsync());
        EndedAfter(Limit, last);
        await r.Bitflow.EndsWithAsync("client.relay.read_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_half_closed_download_goes_on_for_as_long_as_bytes_move(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms", target: ", read_timeout: 800ms", atOnce: static r =>
        {
            r.Client.Shutdown(SocketShutdown.Send);
            Assert.Equal(0, r.Target.Receive(new byte[1]));
            Trickle(r.Target);
            r.Target.Shutdown(SocketShutdown.Send);
        });
        Assert.Equal(Trickled, (await r.Client.ReadToEndAsync()).Length);
        await r.Bitflow.EndsWithAsync("client.relay.ended");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_never_reads_ends_at_its_write_timeout(string engine)
    {
        using Relayed r = await RelayAsync(engine, target: ", write_timeout: 800ms");
        long begun = Stopwatch.GetTimestamp();
        (_, long full) = await FillAsync(r.Client);
        await r.Client.ReadToResetAsync();
        EndedAfter(Limit, earliest: begun, latest: full);
        await r.Target.ReadToResetAsync();
        await r.Bitflow.EndsWithAsync("target.relay.write_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_never_reads_ends_at_its_write_timeout(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", write_timeout: 800ms");
        long begun = Stopwatch.GetTimestamp();
        (_, long full) = await FillAsync(r.Target);
        await r.Target.ReadToResetAsync();
        EndedAfter(Limit, earliest: begun, latest: full);
        await r.Client.ReadToResetAsync();
        await r.Bitflow.EndsWithAsync("client.relay.write_timeout");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_slow_reader_that_moves_is_never_cut(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", write_timeout: 1s, read_timeout: 1s", receiveBuffer: 64 * 1024);

        // So slowly that the writes stay pending. The kernel tells the sender of room only when half of the receive buffer is free, so the reader must free
        // that much several times in each timeout to be seen moving.
        await ReadsSlowlyAndAllAsync(r, Noise[..8_000_000], pieceBytes: 16 * 1024, pause: 20, TimeSpan.FromSeconds(3));
    }

    /// <summary>Its window never opens for a whole segment, and the kernel takes new bytes no more than once in a timeout.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_slow_reader_with_a_small_buffer_is_never_cut(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", write_timeout: 800ms", receiveBuffer: 4096);
        await ReadsSlowlyAndAllAsync(r, Noise[..4_000_000], pieceBytes: 1024, pause: 50, 5 * Limit);
    }

    /// <summary>The kernel of a peer that has answered acknowledges the next byte when it has waited 40 ms for company.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_peer_whose_acknowledgement_may_be_under_way_has_not_vanished(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", write_timeout: 10ms", target: ", write_timeout: 10ms");
        for (int i = 0; i < 10; i++)
        {
            await r.Client.SendAllAsync("?"u8.ToArray());
            await r.Target.ReadExactlyAsync(1);
            if (i > 5)
                await Task.Delay(100);
            await r.Target.SendAllAsync("!"u8.ToArray());
            await r.Client.ReadExactlyAsync(1);

            // After some quick rounds nobody's acknowledgement has company.
            if (i > 5)
                await Task.Delay(100);
        }

        Assert.False(r.HasEnded);
    }

    /// <summary>All of it fits into the kernel's queue: no write is pending, and still it is not taken.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_reads_nothing_of_what_the_kernel_holds_for_it_ends_at_write_timeout(string engine)
    {
        using Relayed r = await RelayAsync(engine, listener: ", write_timeout: 800ms", receiveBuffer: 4096);
        long sent = Stopwatch.GetTimestamp();
        await r.Target.SendAllAsync(Noise[..20_000]);
        await r.Target.ReadToResetAsync();
        Assert.True(Stopwatch.GetElapsedTime(sent) >= Limit, "no limit comes early");
        await r.Bitflow.EndsWithAsync("client.relay.write_timeout");
    }

    /// <summary>The target resets while much of what it sent waits for a client that reads nothing.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_a_connection_still_owes_its_client_is_owed_no_longer_than_its_lifetime(string engine)
    {
        // Long enough for the target to have reset by then on a machine with other work, and over before the five seconds that hold without it.
        var lifetime = TimeSpan.FromSeconds(1.9);
        using Relayed r = await RelayAsync(engine, options: "connection_lifetime: 1.9s", receiveBuffer: 4096);
        await r.Target.SendAllAsync(Noise[..20_000]);
        r.Target.Reset();
        await r.Bitflow.EndsWithAsync("target.relay.reset");
        EndedAfter(lifetime, r.Began);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_connection_ends_at_its_lifetime_however_busy_it_is(string engine)
    {
        using Relayed r = await RelayAsync(engine, options: "connection_lifetime: 900ms");
        Task<byte[]> reading = r.Client.ReadToResetAsync();
        await Assert.ThrowsAsync<SocketException>(async () =>
        {
            while (true)
            {
                await r.Target.SendAllAsync(new byte[1000]);
                await Task.Delay(20);
            }
        });
        await reading;
        EndedAfter(TimeSpan.FromMilliseconds(900), r.Began);
        await r.Bitflow.EndsWithAsync("bitflow.relay.lifetime");
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_stalls_in_its_header_ends_at_the_handshake_timeout_and_only_there(string engine)
    {
        using var peer = new Peer();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', trusted_proxies: [ 127.0.0.0/8 ], handshake_timeout: 800ms }
              targets: [ { name: a, address: '{{peer.Address}}' } ]
            """,
            engine: engine);
        long began = Stopwatch.GetTimestamp();
        using Socket quick = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp).Patient();
        quick.Connect(bitflow.EndPoint());
        quick.Send("PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r\n"u8);
        using Socket silent = await SocketWords.ConnectAsync(bitflow.EndPoint());
        using Socket trickling = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Task trickle = Task.Run(async () =>
        {
            // A byte at a time must not stretch it: of 1,000, for longer than is waited for here.
            await trickling.SendAllAsync((byte[])[.. "\r\n\r\n\0\r\nQUIT\n"u8, 0x21, 0x11, 0x03, 0xE8]);
            while (true)
            {
                await trickling.SendAllAsync(new byte[1]);
                await Task.Delay(50);
            }
        });
        await silent.ReadToEndAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(began), Limit, Limit + Allowance);
        await trickling.ReadToEndAsync();
        Assert.InRange(Stopwatch.GetElapsedTime(began), Limit, Limit + Allowance);
        await bitflow.EndsWithAsync("client.proxy_header.handshake_timeout");
        using Socket target = await peer.AcceptAsync();
        await Task.Delay(Limit);
        await quick.SendAllAsync("hello"u8.ToArray());
        Assert.Equal(5, (await target.ReadExactlyAsync(5)).Length);
        await Task.WhenAny(trickle).Patiently();
    }

    /// <summary>Ended now, this long after an instant: never earlier, hardly later.</summary>
    private static void EndedAfter(TimeSpan limit, long since) => EndedAfter(limit, since, since);

    /// <summary>The same where that instant is only known to lie between two.</summary>
    private static void EndedAfter(TimeSpan limit, long earliest, long latest)
    {
        long now = Stopwatch.GetTimestamp();
        Assert.InRange(Stopwatch.GetElapsedTime(earliest, now), limit, TimeSpan.MaxValue);
        Assert.InRange(Stopwatch.GetElapsedTime(latest, now), TimeSpan.Zero, limit + Allowance);
    }

    private const int Trickled = 12;

    /// <summary>
    /// What must not be late, on a thread of its own: the pool, and its timers, can keep a continuation waiting for longer than the limit while other tests
    /// fill it.
    /// </summary>
    private static Task<T> OnAThreadAsync<T>(Func<T> work) =>
        Task.Factory.StartNew(work, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);

    /// <summary>The client reads a piece, pauses and so on for a while, then the rest at once.</summary>
    private static async Task ReadsSlowlyAndAllAsync(Relayed r, byte[] sent, int pieceBytes, int pause, TimeSpan slowly)
    {
        Task sending = Task.Run(() => r.Target.SendAllAsync(sent));
        byte[] received = new byte[sent.Length];
        int got = await OnAThreadAsync(() =>
        {
            int got = 0;
            for (long began = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(began) < slowly && got < sent.Length / 2;)
            {
                got += r.Client.Receive(received.AsSpan(got, pieceBytes));
                Thread.Sleep(pause);
            }

            return got;
        });
        Assert.False(r.HasEnded);
        (await r.Client.ReadExactlyAsync(sent.Length - got)).CopyTo(received, got);
        await sending;
        Assert.Equal(SocketWords.Digest(sent), SocketWords.Digest(received));
    }

    /// <summary>A byte each eighth of the limit; when the last was sent.</summary>
    private static long Trickle(Socket from)
    {
        long last = 0;
        for (int i = 0; i < Trickled; i++)
        {
            if (i > 0)
                Thread.Sleep(Limit / 8);
            last = Stopwatch.GetTimestamp();
            Assert.Equal(1, from.Send([(byte)i]));
        }

        return last;
    }

    /// <summary>How long no byte may be taken for a connection to count as full.</summary>
    private static readonly TimeSpan FillPatience = TimeSpan.FromMilliseconds(200);

    private static async Task<(byte[] Sent, long Full)> FillAsync(Socket from)
    {
        (int sent, long full) = await from.FillAsync(Noise, FillPatience);
        return (Noise[..sent], full);
    }

    /// <summary>A debugger, a freezer of containers or a suspended machine stops the process; what came meanwhile is looked at before the clocks.</summary>
    [Theory]
    [InlineData("managed", 1)]
    [InlineData("linux", 1)]
    [InlineData("linux", 100)] // Of small messages enough that the ring moves them.
    public async Task Bytes_that_came_while_the_process_was_stopped_count_before_any_timeout(string engine, int messages)
    {
        using Relayed r = await RelayAsync(engine, listener: ", read_timeout: 800ms");
        for (int i = 0; i < messages; i++)
        {
            await r.Client.SendAllAsync("a");
            Assert.Equal("a"u8.ToArray(), await r.Target.ReadExactlyAsync(1));
        }

        r.Bitflow.Signal("STOP");
        await r.Client.SendAllAsync("b");
        await Task.Delay(2 * Limit);
        r.Bitflow.Signal("CONT");
        Assert.Equal("b"u8.ToArray(), await r.Target.ReadExactlyAsync(1));
    }

    private sealed class Relayed(BitflowProcess bitflow, Socket client, Socket target, long began) : IDisposable
    {
        public BitflowProcess Bitflow { get; } = bitflow;

        public Socket Client { get; } = client;

        public Socket Target { get; } = target;

        public long Began { get; } = began;

        public bool HasEnded => Bitflow.Errors.Contains(" bytes from the client, ", StringComparison.Ordinal);

        public void Dispose()
        {
            Client.Dispose();
            Target.Dispose();
            Bitflow.Dispose();
        }
    }
}
