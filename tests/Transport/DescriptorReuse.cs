using System.Net;
using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Net.Relay;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Transport;

/// <summary>
/// Connections are opened and closed by the hundred while others carry bytes, so that every number of a descriptor has many owners, some
/// closed at the very moment in which an event for them waits. Every byte of the others is checked.
/// </summary>
public sealed class DescriptorReuse
{
    /// <summary>BITFLOW_STRESS_SECONDS=60 is the full size.</summary>
    private static readonly TimeSpan Length =
        TimeSpan.FromSeconds(int.TryParse(Environment.GetEnvironmentVariable("BITFLOW_STRESS_SECONDS"), out int seconds) ? seconds : 2);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task No_byte_goes_astray_on_the_linux_engine(bool relayed) => Run(new LinuxEngine(loops: 2), relayed);

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public Task No_byte_goes_astray_on_the_managed_engine(bool relayed) => Run(new ManagedEngine(), relayed);

    /// <param name="relayed">Whether the two pumps of a relay stand between the clients and what sends their bytes back.</param>
    private static async Task Run(Engine engine, bool relayed)
    {
        using (engine)
        {
            ListeningSocket echoing = Wire.Listen(Family.Tcp4);
            Acceptor echo = engine.Accept(echoing, new Echo());
            ListeningSocket listening = relayed ? Wire.Listen(Family.Tcp4) : echoing;
            Acceptor acceptor = relayed ? engine.Accept(listening, new Relayed(Wire.EndPointOf(echoing))) : echo;
            using var time = new CancellationTokenSource(Length);
            long echoed = 0;
            long thrownAway = 0;
            await Task.WhenAll(
                [
                    .. Enumerable.Range(0, 8).Select(i => Task.Run(() => Talk(i))),
                    .. Enumerable.Range(0, 4).Select(i => Task.Run(() => Slam(i))),
                ]).WaitAsync(Length + Wire.Patience);
            await acceptor.CloseAsync().WaitAsync(Wire.Patience);
            if (relayed)
                await echo.CloseAsync().WaitAsync(Wire.Patience);

            Assert.True(echoed > 0 && thrownAway > 0, "both kinds of clients came to something");

            // Honest clients: what comes back must be what was sent, to the byte, and then the end.
            async Task Talk(int seed)
            {
                var random = new Random(seed);
                while (!time.IsCancellationRequested)
                {
                    using Socket client = Wire.NewSocket(Family.Tcp4);
                    await client.ConnectAsync(Wire.EndPointOf(listening));

                    // Some say little at a time and wait for the answer first.
                    byte[] heard = new byte[100_000];
                    for (int messages = random.Next(2) * random.Next(100); messages > 0; messages--)
                    {
                        byte[] message = Wire.Pattern(random.Next(1, 1_000), random.Next());
                        Assert.Equal(message.Length, await client.SendAsync(message));
                        for (int at = 0; at < message.Length;)
                        {
                            int read = await client.ReceiveAsync(heard.AsMemory(at, message.Length - at)).AsTask().WaitAsync(Wire.Patience);
                            Assert.True(read > 0, "an honest client is never cut");
                            at += read;
                        }

                        Assert.True(message.AsSpan().SequenceEqual(heard.AsSpan(0, message.Length)), "every message comes back as it was");
                    }

                    byte[] said = Wire.Pattern(random.Next(1, 100_000), random.Next());
                    heard = new byte[said.Length];
                    Task sending = Say();
                    int got = 0;
                    while (got < heard.Length)
                    {
                        int read = await client.ReceiveAsync(heard.AsMemory(got)).AsTask().WaitAsync(Wire.Patience);
                        Assert.True(read > 0, "an honest client is never cut");
                        got += read;
                    }

                    await sending;
                    Assert.True(said.AsSpan().SequenceEqual(heard), "every byte comes back in its place");
                    Assert.Equal(0, await client.ReceiveAsync(new byte[1]).WaitAsync(Wire.Patience));
                    Interlocked.Add(ref echoed, got);

                    async Task Say()
                    {
                        for (int sent = 0; sent < said.Length;)
                            sent += await client.SendAsync(said.AsMemory(sent, Math.Min(random.Next(1, 20_000), said.Length - sent)));
                        client.Shutdown(SocketShutdown.Send);
                    }
                }
            }

            // Others reset in the midst of everything.
            async Task Slam(int seed)
            {
                var random = new Random(1_000 + seed);
                while (!time.IsCancellationRequested)
                {
                    var clients = new List<Socket>();
                    for (int i = random.Next(1, 10); i > 0; i--)
                    {
                        Socket client = Wire.NewSocket(Family.Tcp4);
                        clients.Add(client);
                        await client.ConnectAsync(Wire.EndPointOf(listening));
                        if (random.Next(2) == 0)
                            await client.SendAsync(new byte[random.Next(1, 5_000)]);
                    }

                    foreach (Socket client in clients)
                    {
                        if (random.Next(4) > 0)
                            client.LingerState = new LingerOption(true, 0);
                        client.Dispose();
                        Interlocked.Increment(ref thrownAway);
                    }
                }
            }
        }
    }

    private sealed class Relayed(EndPoint target) : IAcceptHandler
    {
        public void OnAccepted(Connection connection) => _ = Serve(connection);

        public void OnAcceptFault(IoFault fault)
        {
        }

        private async Task Serve(Connection client)
        {
            if (await client.Loop.ConnectAsync(target, Wire.NoSettings, out Connection server).ConfigureAwait(false) != IoFault.None)
            {
                client.Abort();
                return;
            }

            var between = new Between(client, server);
            var clientStamps = new SideStamps();
            var serverStamps = new SideStamps();
            _ = Pump.RunAsync(client, server, Side.Client, clientStamps, serverStamps, between, default);
            _ = Pump.RunAsync(server, client, Side.Target, serverStamps, clientStamps, between, default);
        }
    }

    /// <summary>Passes ends on, and resets both where one did.</summary>
    private sealed class Between(Connection client, Connection server) : IRelayObserver
    {
        private int _ended;

        public void OnRelay(Side side, RelayEvent what)
        {
            if (what != RelayEvent.Ended)
            {
                client.Abort();
                server.Abort();
                return;
            }

            _ = EndAsync(side == Side.Client ? server : client);
        }

        public void OnHeld(Side side)
        {
            // Nobody here leaves another waiting.
        }

        private async Task EndAsync(Connection other)
        {
            await other.EndAsync().ConfigureAwait(false);
            if (Interlocked.Increment(ref _ended) < 2)
                return;
            client.Close();
            server.Close();
        }
    }

    private sealed class Echo : IAcceptHandler
    {
        public void OnAccepted(Connection connection) => _ = Serve(connection);

        public void OnAcceptFault(IoFault fault)
        {
        }

        private static async Task Serve(Connection connection)
        {
            byte[] buffer = new byte[3_000];
            while (true)
            {
                if (await connection.WaitReadableAsync().ConfigureAwait(false) != IoFault.None)
                    break;
                IoResult got = await connection.ReceiveAsync(buffer).ConfigureAwait(false);
                if (got.IsEnd)
                {
                    await connection.EndAsync().ConfigureAwait(false);
                    connection.Close();
                    return;
                }

                if (got.Fault != IoFault.None || !await SendAll(connection, buffer.AsMemory(0, got.Bytes)).ConfigureAwait(false))
                    break;
            }

            connection.Abort();
        }

        private static async Task<bool> SendAll(Connection connection, ReadOnlyMemory<byte> data)
        {
            while (!data.IsEmpty)
            {
                IoResult sent = await connection.SendAsync(data).ConfigureAwait(false);
                if (sent.Fault != IoFault.None)
                    return false;
                data = data[sent.Bytes..];
            }

            return true;
        }
    }
}
