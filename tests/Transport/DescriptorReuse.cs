using System.Net.Sockets;
using Bitflow.Domain;
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

    [Fact]
    public Task No_byte_goes_astray_on_the_linux_engine() => Run(new LinuxEngine(loops: 2));

    [Fact]
    public Task No_byte_goes_astray_on_the_managed_engine() => Run(new ManagedEngine());

    private static async Task Run(Engine engine)
    {
        using (engine)
        {
            ListeningSocket listening = Wire.Listen(Family.Tcp4);
            Acceptor acceptor = engine.Accept(listening, new Echo());
            using var time = new CancellationTokenSource(Length);
            long echoed = 0;
            long thrownAway = 0;
            await Task.WhenAll(
                [
                    .. Enumerable.Range(0, 8).Select(i => Task.Run(() => Talk(i))),
                    .. Enumerable.Range(0, 4).Select(i => Task.Run(() => Slam(i))),
                ]).WaitAsync(Length + Wire.Patience);
            await acceptor.StopAsync().WaitAsync(Wire.Patience);
            listening.Close();
            Assert.True(echoed > 0 && thrownAway > 0, "both kinds of clients came to something");

            // Honest clients: what comes back must be what was sent, to the byte, and then the end.
            async Task Talk(int seed)
            {
                var random = new Random(seed);
                while (!time.IsCancellationRequested)
                {
                    using Socket client = Wire.NewSocket(Family.Tcp4);
                    await client.ConnectAsync(Wire.EndPointOf(listening));
                    byte[] said = Wire.Pattern(random.Next(1, 100_000), random.Next());
                    byte[] heard = new byte[said.Length];
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
