using System.Buffers.Binary;
using System.Diagnostics;
using System.Globalization;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;
using Xunit.Abstractions;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Clients and targets that do random things to each other for a while: send in odd pieces, pause, end early, half-close, reset. What every
/// one does follows from a printed seed. Memory and descriptors stay flat, every connection is logged, and every byte is accounted for.
/// BITFLOW_SOAK_SECONDS sets how long (60 in CI, 600 for the long run), BITFLOW_SOAK_SEED repeats a run.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private static readonly TimeSpan Length =
        TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("BITFLOW_SOAK_SECONDS") ?? "10", CultureInfo.InvariantCulture));

    private static readonly byte[] Noise = SocketWords.Noise(1_000_000);

    public static TheoryData<string> Engines => new("managed", "linux");

    /// <summary>What the target of one connection does, sent to it as the first eight bytes.</summary>
    private enum Manner
    {
        /// <summary>Sends everything back, then ends.</summary>
        Echo,

        /// <summary>Reads everything, then answers with as much and ends.</summary>
        Answer,

        /// <summary>Resets in the middle.</summary>
        Reset,

        /// <summary>Closes in the middle, whatever still comes.</summary>
        Leave,
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Random_faults_leave_nothing_behind_and_lose_no_byte(string engine)
    {
        int seed = int.Parse(
            Environment.GetEnvironmentVariable("BITFLOW_SOAK_SEED") ?? Random.Shared.Next(1_000_000).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        output.WriteLine($"BITFLOW_SOAK_SEED={seed} BITFLOW_SOAK_SECONDS={Length.TotalSeconds}");
        using Peer target = Peer.Serving(ServeAsync);
        string folder = Directory.CreateTempSubdirectory("bitflow-soak-").FullName;
        string log = Path.Combine(folder, "connections.json");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: orderly
              listener: { address: '127.0.0.1:0', read_timeout: 1m, write_timeout: 1m }
              targets: [ { name: a, address: '{{target.Address}}', write_timeout: 1m } ]
              options: { connection_log: '{{log}}' }
            - name: faulty
              listener: { address: '127.0.0.1:0', read_timeout: 1m, write_timeout: 1m }
              targets: [ { name: a, address: '{{target.Address}}', write_timeout: 1m } ]
              options: { connection_log: '{{log}}', connection_lifetime: 1m }
            """,
            engine: engine);
        var tally = new Tally();
        long began = Stopwatch.GetTimestamp();
        using var stop = new CancellationTokenSource();
        Task[] clients = [.. Enumerable.Range(0, 24).Select(i => Task.Run(() => LiveAsync(bitflow, new Random(seed + i), tally, stop.Token)))];
        await Task.WhenAny(Task.WhenAll(clients), Task.Delay(Length / 3));
        long resident = Resident(bitflow);
        await Task.WhenAny(Task.WhenAll(clients), Task.Delay(Length - Stopwatch.GetElapsedTime(began)));
        await stop.CancelAsync();
        await Task.WhenAll(clients);

        await Eventually.IsTrueAsync(() => bitflow.Descriptors() < 200, () => $"the sockets are closed; {bitflow.Descriptors()} descriptors are open");
        long grown = Resident(bitflow) - resident;

        // Nothing is open, so nothing holds up the end; by then everything is logged.
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        List<ConnectionLog.Line> lines = ConnectionLog.Read(log);
        Assert.Equal(tally.Connections, lines.Count);
        List<ConnectionLog.Line> orderly = [.. lines.Where(l => l.Name == "orderly")];
        Assert.All(orderly, l => Assert.EndsWith(".relay.ended", l.CloseReason, StringComparison.Ordinal));
        Assert.Equal(tally.Sent, orderly.Sum(l => l.FromClient));
        Assert.Equal(tally.Received, orderly.Sum(l => l.FromTarget));
        Assert.All(lines.Where(l => l.Name == "faulty"), l => Assert.DoesNotContain("bitflow.", l.CloseReason, StringComparison.Ordinal));
        Assert.DoesNotContain("fault of Bitflow", bitflow.Errors, StringComparison.Ordinal);
        Assert.True(grown < 60_000_000, $"{grown / 1e6:F0} MB more than after the first third");
        output.WriteLine($"{tally.Connections} connections, {tally.Sent / 1e6:F0} MB up, {tally.Received / 1e6:F0} MB down in order");
        Directory.Delete(folder, recursive: true);
    }

    private sealed class Tally
    {
        public int Connections;
        public long Sent;
        public long Received;
    }

    private static async Task LiveAsync(BitflowProcess bitflow, Random random, Tally tally, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            var manner = (Manner)random.Next(4);
            bool clientResets = random.Next(4) == 0;
            bool orderly = manner is Manner.Echo or Manner.Answer && !clientResets;
            int size = random.Next(3) switch { 0 => random.Next(200), 1 => random.Next(20_000), _ => random.Next(Noise.Length) };
            using Socket socket = await SocketWords.ConnectAsync(bitflow.EndPoint(orderly ? "orderly" : "faulty"));
            Interlocked.Increment(ref tally.Connections);
            byte[] order = new byte[8];
            BinaryPrimitives.WriteInt32LittleEndian(order, (int)manner);
            BinaryPrimitives.WriteInt32LittleEndian(order.AsSpan(4), size);
            int cutAt = clientResets ? random.Next(size + 1) : size;
            int pieceSeed = random.Next();
            try
            {
                Task sending = Task.Run(async () =>
                {
                    await socket.SendAllAsync(order);
                    await SendOddlyAsync(socket, Noise.AsMemory(0, cutAt), new Random(pieceSeed));
                    if (clientResets)
                        socket.Reset();
                    else
                        socket.Shutdown(SocketShutdown.Send);
                }, CancellationToken.None);
                byte[] back = await socket.ReadToEndAsync();
                await sending;
                Assert.True(back.AsSpan().SequenceEqual(Noise.AsSpan(0, back.Length)), "what came back is what was sent");
                if (!orderly)
                    continue;
                Assert.Equal(size, back.Length);
                Interlocked.Add(ref tally.Sent, size + 8);
                Interlocked.Add(ref tally.Received, back.Length);
            }
            catch (Exception e) when (!orderly && e is SocketException or ObjectDisposedException)
            {
                // Reset, by one or the other, as it was to be.
            }
        }
    }

    private static async Task ServeAsync(Socket socket)
    {
        byte[] order = await socket.ReadExactlyAsync(8);
        var manner = (Manner)BinaryPrimitives.ReadInt32LittleEndian(order);
        int size = BinaryPrimitives.ReadInt32LittleEndian(order.AsSpan(4));
        var random = new Random(size);
        int cutAt = manner is Manner.Reset or Manner.Leave ? random.Next(size + 1) : size;
        byte[] buffer = new byte[64 * 1024];
        int got = 0;
        while (got < cutAt || manner is Manner.Echo or Manner.Answer)
        {
            int bytes = await socket.ReceiveAsync(buffer.AsMemory(0, random.Next(1, buffer.Length)));
            if (bytes == 0)
                break;
            if (manner == Manner.Echo)
                await SendOddlyAsync(socket, buffer.AsMemory(0, bytes), random);
            got += bytes;
        }

        if (manner == Manner.Answer)
            await SendOddlyAsync(socket, Noise.AsMemory(0, got), random);
        if (manner == Manner.Reset)
            socket.Reset();
        else if (manner != Manner.Leave)
            socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task SendOddlyAsync(Socket socket, ReadOnlyMemory<byte> data, Random random)
    {
        while (!data.IsEmpty)
        {
            int piece = Math.Min(data.Length, random.Next(4) == 0 ? random.Next(1, 10) : random.Next(1, 100_000));
            await socket.SendAllAsync(data[..piece]);
            data = data[piece..];
            if (random.Next(8) == 0)
                await Task.Delay(random.Next(5));
        }
    }

    private static long Resident(BitflowProcess bitflow)
    {
        using var process = Process.GetProcessById(bitflow.Id);
        return process.WorkingSet64;
    }
}
