using System.Collections.Concurrent;
using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Transport;

public sealed class ManagedEngineContract() : EngineContract(new ManagedEngine());

public sealed class LinuxEngineContract() : LinuxEngineRules(new LinuxEngine(loops: 2));

public sealed class RingEngineContract() : LinuxEngineRules(RingEngine.Make(loops: 2));

/// <summary>What the loops owe besides.</summary>
public abstract class LinuxEngineRules : EngineContract
{
    private protected LinuxEngineRules(LinuxEngine engine)
        : base(engine)
    {
    }

    /// <summary>That of the portable engine runs on the thread pool, which keeps no order.</summary>
    [Fact]
    public async Task Work_posted_from_many_threads_all_runs_and_each_threads_in_its_order()
    {
        const int threads = 8;
        const int each = 5_000;
        EventLoop loop = Engine.Loops[0];
        int[] next = new int[threads];
        int ran = 0;
        bool inOrder = true;
        bool onLoop = true;
        await Task.WhenAll(Enumerable.Range(0, threads).Select(t => Task.Run(() =>
        {
            for (int i = 0; i < each; i++)
            {
                int number = i;
                loop.Post(() =>
                {
                    inOrder &= next[t]++ == number;
                    onLoop &= loop.IsCurrent;
                    Interlocked.Increment(ref ran);
                });
            }
        })));
        await Wire.Eventually(() => Task.FromResult(Volatile.Read(ref ran) == threads * each), "all posted work runs");
        Assert.True(inOrder);
        Assert.True(onLoop);
    }

    /// <summary>Nothing of the kernel's holds it open.</summary>
    [Fact]
    public async Task A_socket_that_is_no_longer_accepted_from_and_closed_is_gone()
    {
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        System.Net.EndPoint address = Wire.EndPointOf(listening);
        Acceptor acceptor = Engine.Accept(listening, new AcceptedConnections());
        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
        using Socket client = Wire.NewSocket(Family.Tcp4);
        SocketException refused = await Assert.ThrowsAsync<SocketException>(() => client.ConnectAsync(address));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    /// <summary>Whoever connects between the last accept and the close is reset.</summary>
    [Fact]
    public async Task A_socket_is_closed_behind_its_last_accept_and_waits_for_no_other_loop()
    {
        using var release = new ManualResetEventSlim();
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        System.Net.EndPoint address = Wire.EndPointOf(listening);
        var accepted = new AcceptedConnections { OnEach = _ => Engine.Loops[1].Post(() => release.Wait(Wire.Patience)) };
        Acceptor acceptor = Engine.Accept(listening, accepted);
        acceptor.Pause();
        await Task.Delay(100);
        using Socket queued = await Client(Family.Tcp4, address);
        Task closing = acceptor.CloseAsync();
        Connection last = await accepted.NextAsync();
        await Wire.Eventually(
            async () =>
            {
                try
                {
                    (await Client(Family.Tcp4, address)).Dispose();
                    return false;
                }
                catch (SocketException)
                {
                    return true;
                }
            },
            "nobody can connect any more");
        Assert.False(closing.IsCompleted, "the other loop has not been round yet");
        release.Set();
        await closing.WaitAsync(Wire.Patience);
        last.Abort();
    }

    [Fact]
    public async Task Connections_that_stay_are_shared_out_between_the_loops()
    {
        const int clients = 200;
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        var accepted = new AcceptedConnections();
        Acceptor acceptor = Engine.Accept(listening, accepted);
        var peers = new List<Socket>();
        var connections = new List<Connection>();
        for (int i = 0; i < clients; i++)
        {
            peers.Add(Wire.NewSocket(Family.Tcp4));
            await peers[^1].ConnectAsync(Wire.EndPointOf(listening));
            connections.Add(await accepted.NextAsync());
        }

        foreach (EventLoop loop in Engine.Loops)
            Assert.InRange(connections.Count(c => c.Loop == loop), clients / 4, clients * 3 / 4);
        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
        connections.ForEach(c => c.Abort());
        peers.ForEach(p => p.Dispose());
    }

    [Fact]
    public async Task A_callback_that_throws_takes_nothing_else_with_it()
    {
        EventLoop loop = Engine.Loops[0];
        for (int i = 0; i < 3; i++)
            loop.Post(() => throw new InvalidOperationException("thrown on purpose"));
        var timer = new CallbackTimer(_ => throw new InvalidOperationException("thrown on purpose"));
        loop.Arm(timer, loop.Now);
        var alive = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var last = new CallbackTimer(_ => alive.SetResult());
        loop.Arm(last, loop.Now + Duration.OfMilliseconds(5));
        await alive.Task.WaitAsync(Wire.Patience);
    }

    [Fact]
    public async Task An_engine_that_ends_resets_what_still_lives_on_it()
    {
        using Wire wire = await Wire.ConnectedAsync(Engine, Family.Tcp4);
        Task<IoResult> receiving = wire.Receive(new byte[1]);
        Engine.Dispose();
        Assert.Equal(IoFault.Aborted, (await receiving).Fault);
        Assert.Equal(SocketError.ConnectionReset, (await wire.PeerReceiveAll()).Ending);
    }
}

/// <summary>What every engine's loops and acceptors owe.</summary>
public abstract class EngineContract : IDisposable
{
    private protected EngineContract(Engine engine) => Engine = engine;

    private protected Engine Engine { get; }

    public void Dispose()
    {
        Engine.Dispose();
        GC.SuppressFinalize(this);
    }

    [Fact]
    public async Task Timers_fire_in_their_order_never_early_and_soon_after()
    {
        EventLoop loop = Engine.Loops[0];
        var fired = new ConcurrentQueue<(int Milliseconds, Instant Due, Instant At)>();
        var done = new CountdownEvent(40);
        int[] delays = [.. Enumerable.Range(0, 40).Select(i => 5 + i * 7 % 40 * 5)];
        foreach (int delay in delays)
        {
            Instant due = loop.Now + Duration.OfMilliseconds(delay);
            loop.Arm(
                new CallbackTimer(now =>
                {
                    fired.Enqueue((delay, due, now));
                    done.Signal();
                }),
                due);
        }

        await Wire.Eventually(() => Task.FromResult(done.IsSet), "every timer fires");
        Assert.Equal(delays.Order(), fired.Select(f => f.Milliseconds));
        Assert.All(fired, f => Assert.True(f.At.Nanoseconds >= f.Due.Nanoseconds, "early"));

        // The machine may be busy, so the bound is on the best of them: a loop that rounds to 10 ms or polls has no good one.
        Assert.True(fired.Min(f => (f.At - f.Due).TotalMilliseconds) < 8, "late");
    }

    [Fact]
    public async Task A_timer_that_is_moved_or_disarmed_fires_once_or_not_at_all()
    {
        EventLoop loop = Engine.Loops[0];
        int moved = 0;
        int disarmed = 0;
        var mover = new CallbackTimer(_ => Interlocked.Increment(ref moved));
        var silent = new CallbackTimer(_ => Interlocked.Increment(ref disarmed));
        loop.Arm(mover, loop.Now + Duration.OfSeconds(100));
        loop.Arm(silent, loop.Now + Duration.OfMilliseconds(30));
        loop.Disarm(silent);
        loop.Arm(mover, loop.Now + Duration.OfMilliseconds(20));
        var after = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Arm(new CallbackTimer(_ => after.SetResult()), loop.Now + Duration.OfMilliseconds(60));
        await after.Task.WaitAsync(Wire.Patience);
        Assert.Equal(1, Volatile.Read(ref moved));
        Assert.Equal(0, Volatile.Read(ref disarmed));
    }

    [Fact]
    public async Task A_switch_brings_a_method_to_the_loop()
    {
        EventLoop loop = Engine.Loops[^1];
        await Task.Run(async () =>
        {
            await loop.SwitchAsync();
            Assert.True(loop.IsCurrent);
            await loop.SwitchAsync();
            Assert.True(loop.IsCurrent);
        }).WaitAsync(Wire.Patience);
    }

    [Theory]
    [InlineData(Family.Tcp4)]
    [InlineData(Family.Unix)]
    public async Task While_accepting_is_paused_clients_wait_in_the_backlog(Family family)
    {
        ListeningSocket listening = Wire.Listen(family);
        var accepted = new AcceptedConnections();
        Acceptor acceptor = Engine.Accept(listening, accepted);
        using Socket first = await Client(family, listening);
        (await accepted.NextAsync()).Abort();
        acceptor.Pause();
        acceptor.Pause();
        await Task.Delay(100);
        using Socket second = await Client(family, listening);
        await Task.Delay(100);
        Assert.Equal(1, accepted.Count);
        acceptor.Resume();
        acceptor.Resume();
        (await accepted.NextAsync()).Abort();
        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
    }

    [Theory]
    [InlineData(Family.Tcp4)]
    [InlineData(Family.Unix)]
    public async Task Closing_accepts_what_is_queued_and_then_nothing_more(Family family)
    {
        ListeningSocket listening = Wire.Listen(family);
        var accepted = new AcceptedConnections();
        Acceptor acceptor = Engine.Accept(listening, accepted);
        acceptor.Pause();
        await Task.Delay(100);
        var clients = new List<Socket>();
        for (int i = 0; i < 50; i++)
            clients.Add(await Client(family, listening));
        System.Net.EndPoint address = Wire.EndPointOf(listening);
        Assert.Equal(0, accepted.Count);
        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
        for (int i = 0; i < clients.Count; i++)
            (await accepted.NextAsync()).Abort();
        await Assert.ThrowsAsync<SocketException>(() => Client(family, address));
        Assert.Equal(50, accepted.Count);
        clients.ForEach(c => c.Dispose());
    }

    /// <summary>Its own name, not the listener's, says how long it is: a path fills what the kernel has room for to the last byte, without a zero behind it.</summary>
    [Theory]
    [InlineData(true, "/tmp/b", 20)]
    [InlineData(true, "/tmp/b", 107)]
    [InlineData(true, "/tmp/b", 108)]
    [InlineData(true, "\0", 1)]
    [InlineData(true, "\0b", 108)]
    [InlineData(false, "/tmp/b", 20)]
    [InlineData(false, "/tmp/b", 107)]
    [InlineData(false, "/tmp/b", 108)]
    [InlineData(false, "\0", 1)]
    [InlineData(false, "\0b", 108)]
    public async Task A_Unix_client_may_have_a_longer_name_than_the_listener(bool isAwaited, string start, int bytes)
    {
        string name = bytes == 1 ? "" : (start + Guid.NewGuid().ToString("N")).PadRight(bytes, 'x')[..bytes];
        ListeningSocket listening = ListeningSocket.Open(Address.NewUnixAbstract(Guid.NewGuid().ToString("N")[..8]))[0];
        var accepted = new AcceptedConnections();
        Acceptor? acceptor = null;
        if (isAwaited)
        {
            acceptor = Engine.Accept(listening, accepted);
            using Socket before = await Client(Family.Unix, listening);
            (await accepted.NextAsync()).Abort();
        }

        using Socket client = Wire.NewSocket(Family.Unix);
        if (name.Length > 0)
            Assert.Equal(0, Libc.Bind((int)client.Handle, [1, 0, .. Encoding.UTF8.GetBytes(name)]));
        await client.ConnectAsync(Wire.EndPointOf(listening)).WaitAsync(Wire.Patience);
        acceptor ??= Engine.Accept(listening, accepted);
        Connection connection = await accepted.NextAsync();
        Assert.Equal(Endpoint.NewUnix(name.Replace('\0', '@')), await new Wire(connection, client).OnLoop(c => c.Remote));
        connection.Abort();
        using Socket next = await Client(Family.Unix, listening);
        (await accepted.NextAsync()).Abort();
        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
        if (name.StartsWith('/'))
            File.Delete(name);
    }

    [Fact]
    public async Task A_pause_from_within_the_accept_handler_holds_at_once()
    {
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        Acceptor? acceptor = null;
        var accepted = new AcceptedConnections
        {
            OnEach = _ =>
            {
                // The first may come before Accept has returned.
                SpinWait.SpinUntil(() => Volatile.Read(ref acceptor) is not null, Wire.Patience);
                acceptor!.Pause();
            },
        };
        var clients = new List<Socket>();
        for (int i = 0; i < 20; i++)
            clients.Add(await Client(Family.Tcp4, listening));
        Acceptor made = Engine.Accept(listening, accepted);
        Volatile.Write(ref acceptor, made);
        await accepted.NextAsync();
        await Task.Delay(100);

        // Each loop may have been inside one accept.
        Assert.InRange(accepted.Count, 1, Engine.Loops.Count);
        await made.CloseAsync().WaitAsync(Wire.Patience);
        Assert.Equal(20, accepted.Count);
        clients.ForEach(c => c.Dispose());
    }

    [Fact]
    public async Task A_client_that_resets_while_it_waits_in_the_queue_harms_nobody()
    {
        ListeningSocket listening = Wire.Listen(Family.Tcp4);
        using (Socket hasty = await Client(Family.Tcp4, listening))
            hasty.LingerState = new LingerOption(true, 0);
        var accepted = new AcceptedConnections();
        Acceptor acceptor = Engine.Accept(listening, accepted);
        using Socket patient = await Client(Family.Tcp4, listening);
        patient.Send("x"u8);
        bool heard = false;
        while (!heard)
        {
            Connection connection = await accepted.NextAsync();
            IoResult got = await connection.ReceiveAsync(new byte[1]).AsTask().WaitAsync(Wire.Patience);
            heard = got.Bytes == 1;
            connection.Abort();
        }

        await acceptor.CloseAsync().WaitAsync(Wire.Patience);
    }

    private protected static Task<Socket> Client(Family family, ListeningSocket listening) => Client(family, Wire.EndPointOf(listening));

    private protected static async Task<Socket> Client(Family family, System.Net.EndPoint address)
    {
        Socket client = Wire.NewSocket(family);
        await client.ConnectAsync(address);
        return client;
    }

    private protected sealed class CallbackTimer(Action<Instant> callback) : LoopTimer
    {
        public override void Fire(Instant now) => callback(now);
    }
}
