using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Linux;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Xunit;

namespace Bitflow.Tests.Transport;

/// <summary>A socket whose connection is over serves the next dial, and nothing of the one connection is seen in the other.</summary>
public sealed class SpareSocketTests : IDisposable
{
    private readonly LinuxEngine _engine = new(loops: 1);
    private readonly LinuxLoop _loop;

    public SpareSocketTests() => _loop = (LinuxLoop)_engine.Loops[0];

    public void Dispose() => _engine.Dispose();

    [Theory]
    [InlineData(Family.Tcp4, true)]
    [InlineData(Family.Tcp4, false)]
    [InlineData(Family.Tcp6, true)]
    [InlineData(Family.Tcp6, false)]
    public async Task A_socket_whose_connection_ended_in_order_serves_the_next(Family family, bool targetEndsFirst)
    {
        using Socket listener = Listener(family);
        int descriptor = -1;
        for (int i = 0; i < 5; i++)
        {
            using Wire wire = await DialAsync(listener);
            if (i > 0)
                Assert.Equal(descriptor, await wire.OnLoop(c => c.Descriptor));
            descriptor = await wire.OnLoop(c => c.Descriptor);
            Assert.Equal(0, await Kept());
            await TalkAsync(wire, i, targetEndsFirst);
            Assert.Equal(1, await Kept());
        }
    }

    [Fact]
    public async Task Several_at_a_time_have_a_socket_each()
    {
        using Socket listener = Listener(Family.Tcp4);
        for (int round = 0; round < 3; round++)
        {
            var wires = new List<Wire>();
            for (int i = 0; i < 8; i++)
                wires.Add(await DialAsync(listener));
            Assert.Equal(8, (await Task.WhenAll(wires.Select(wire => wire.OnLoop(c => c.Descriptor)))).Distinct().Count());
            await Task.WhenAll(wires.Select((wire, i) => TalkAsync(wire, 100 * round + i, i % 2 == 0)));
            Assert.Equal(8, await Kept());
            wires.ForEach(wire => wire.Dispose());
        }
    }

    /// <summary>What it is closed for the target sees as ever.</summary>
    [Theory]
    [InlineData(Leaving.ResetByTarget)]
    [InlineData(Leaving.ResetHere)]
    [InlineData(Leaving.TargetStillThere)]
    [InlineData(Leaving.SomethingUnread)]
    [InlineData(Leaving.ShortQueue)]
    [InlineData(Leaving.KeepAlive)]
    public async Task A_socket_of_which_anything_is_left_is_closed(Leaving leaving)
    {
        using Socket listener = Listener(Family.Tcp4);
        using Wire wire = await DialAsync(listener, keepAliveSeconds: leaving == Leaving.KeepAlive ? 7 : 0);
        await wire.SendAll("question"u8.ToArray());
        await wire.PeerReceive(8);
        await wire.Peer.SendAsync("answer"u8.ToArray());
        if (leaving == Leaving.ShortQueue)
            await wire.OnLoop(c =>
            {
                c.KeepQueueShort();
                return true;
            });
        if (leaving == Leaving.KeepAlive)
            await Wire.Eventually(() => wire.OnLoop(c => Libc.GetOption(c.Descriptor, Libc.SolSocket, Libc.SoKeepAlive, out int on) >= 0 && on == 1), "keep-alive is turned on");
        if (leaving == Leaving.ResetByTarget)
            wire.PeerAborts();
        else if (leaving is not (Leaving.ResetHere or Leaving.TargetStillThere))
            wire.Peer.Shutdown(SocketShutdown.Send);
        if (leaving is Leaving.ShortQueue or Leaving.KeepAlive)
            Assert.Equal(6, (await wire.ReceiveAll()).Bytes.Length);
        if (leaving == Leaving.ResetByTarget)
            Assert.Equal(IoFault.Reset, (await wire.ReceiveAll()).Ending);
        if (leaving == Leaving.ResetHere)
            wire.Connection.Abort();
        else
            wire.Connection.Close();
        Assert.Equal(0, await Kept());
        if (leaving is Leaving.ShortQueue or Leaving.KeepAlive)
            Assert.Equal(SocketError.Success, (await wire.PeerReceiveAll()).Ending);
        if (leaving is Leaving.ResetHere or Leaving.SomethingUnread)
            Assert.Equal(SocketError.ConnectionReset, (await wire.PeerReceiveAll()).Ending);
    }

    /// <summary>No fault of the connection before is left on it, nor is one of its own missed.</summary>
    [Fact]
    public async Task A_target_that_refuses_or_resets_is_told_as_ever_on_a_socket_that_was_used()
    {
        using Socket listener = Listener(Family.Tcp4);
        await TalkOnceAsync(listener);
        using (Wire reset = await DialAsync(listener))
        {
            Assert.Equal(0, await Kept());
            reset.PeerAborts();
            Assert.Equal(IoFault.Reset, (await reset.ReceiveAll()).Ending);
        }

        await TalkOnceAsync(listener);
        EndPoint gone = listener.LocalEndPoint!;
        listener.Dispose();
        Assert.Equal(1, await Kept());
        Assert.Equal(IoFault.Refused, await await Ask(() => _loop.ConnectAsync(gone, Wire.NoSettings, out _).AsTask()).WaitAsync(Wire.Patience));
        Assert.Equal(0, await Kept());
    }

    /// <summary>In one answer of epoll: something for one connection, which dials, and behind it the end of the socket that the dial takes.</summary>
    [Fact]
    public async Task What_was_reported_of_the_old_connection_is_not_told_of_the_new()
    {
        using Socket listener = Listener(Family.Tcp4);
        using Wire asking = await DialAsync(listener);
        using Wire old = await DialAsync(listener);
        int descriptor = await old.OnLoop(c => c.Descriptor);
        old.Peer.Shutdown(SocketShutdown.Send);
        Assert.Empty((await old.ReceiveAll()).Bytes);
        Task<Socket> accepting = listener.AcceptAsync();
        Task<Connection> dialled = await Ask(DialWhenAskedAsync);
        await Ask(() =>
        {
            asking.Peer.Send("go"u8);
            old.Connection.Close();
            return true;
        });
        using var wire = new Wire(await dialled.WaitAsync(Wire.Patience), await accepting.WaitAsync(Wire.Patience));
        Assert.Equal(descriptor, await wire.OnLoop(c => c.Descriptor));
        Assert.True(await wire.OnLoop(c => ((LinuxConnection)c).MayReceiveByRing), "nothing was reported of it but bytes");
        await TalkAsync(wire, 5, targetEndsFirst: true);

        async Task<Connection> DialWhenAskedAsync()
        {
            Assert.Equal(2, (await asking.Connection.ReceiveAsync(new byte[2]).ConfigureAwait(false)).Bytes);
            Assert.True(_loop.IsCurrent);
            Assert.Equal(IoFault.None, await _loop.ConnectAsync(listener.LocalEndPoint!, Wire.NoSettings, out Connection connection).ConfigureAwait(false));
            return connection;
        }
    }

    [Fact]
    public async Task A_socket_serves_no_target_of_another_family()
    {
        using Socket four = Listener(Family.Tcp4);
        using Socket six = Listener(Family.Tcp6);
        await TalkOnceAsync(four);
        await TalkOnceAsync(six);
        Assert.Equal(2, await Kept());
        await TalkOnceAsync(four);
        await TalkOnceAsync(six);
    }

    [Fact]
    public async Task What_no_dial_needs_is_closed_after_a_while()
    {
        using Socket listener = Listener(Family.Tcp4);
        await TalkOnceAsync(listener);
        await Wire.Eventually(async () => await Kept() == 0, "what lies unused is closed");
        await TalkOnceAsync(listener);
    }

    /// <summary>Why a socket is not kept.</summary>
    public enum Leaving
    {
        ResetByTarget,
        ResetHere,
        TargetStillThere,
        SomethingUnread,
        ShortQueue,
        KeepAlive,
    }

    private Task<int> Kept() => Ask(() => _loop.Spares.Count);

    private Task<T> Ask<T>(Func<T> ask)
    {
        var answer = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        _loop.Post(() => answer.SetResult(ask()));
        return answer.Task.WaitAsync(Wire.Patience);
    }

    private static Socket Listener(Family family)
    {
        Socket listener = Wire.NewSocket(family);
        listener.Bind(new IPEndPoint(family == Family.Tcp4 ? IPAddress.Loopback : IPAddress.IPv6Loopback, 0));
        listener.Listen(16);
        return listener;
    }

    private async Task<Wire> DialAsync(Socket listener, int keepAliveSeconds = 0)
    {
        Task<Socket> accepting = listener.AcceptAsync();
        Connection? connection = null;
        Task<IoFault> dialling = await Ask(() => _loop.ConnectAsync(listener.LocalEndPoint!, new SocketSettings(keepAliveSeconds), out connection).AsTask());
        Assert.Equal(IoFault.None, await dialling.WaitAsync(Wire.Patience));
        return new Wire(connection!, await accepting.WaitAsync(Wire.Patience));
    }

    private async Task TalkOnceAsync(Socket listener)
    {
        using Wire wire = await DialAsync(listener);
        await TalkAsync(wire, 1, targetEndsFirst: true);
    }

    /// <summary>Bytes that are this connection's alone both ways, and both ends in order; then it is closed.</summary>
    private static async Task TalkAsync(Wire wire, int seed, bool targetEndsFirst)
    {
        byte[] up = Wire.Pattern(700, seed);
        byte[] down = Wire.Pattern(20_000, seed + 1);
        await wire.SendAll(up);
        Assert.Equal(up, await wire.PeerReceive(up.Length));
        if (!targetEndsFirst)
        {
            Assert.Equal(IoFault.None, await wire.End());
            Assert.Empty((await wire.PeerReceiveAll()).Bytes);
        }

        await wire.Peer.SendAsync(down);
        wire.Peer.Shutdown(SocketShutdown.Send);
        (byte[] received, IoFault ending) = await wire.ReceiveAll();
        Assert.Equal(down, received);
        Assert.Equal(IoFault.None, ending);
        wire.Connection.Close();
        if (targetEndsFirst)
            Assert.Equal(SocketError.Success, (await wire.PeerReceiveAll()).Ending);
    }
}
