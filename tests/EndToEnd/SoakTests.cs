using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;
using Xunit.Abstractions;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Clients and targets that do random things to each other for a while: send in odd pieces, pause, end early, half-close, reset, fall silent,
/// read nothing, cut TLS off, send no PROXY header; and targets that refuse. What every one does follows from a printed seed. Memory and
/// descriptors stay flat, every connection is logged once with a reason that is true, and every byte is accounted for: of each direction no end
/// has got more than the log says, and the log says no more than the other end sent; where both ended in good order all of them agree.
/// BITFLOW_SOAK_SECONDS sets how long (60 in CI, 600 for the long run), BITFLOW_SOAK_SEED repeats a run.
/// </summary>
public sealed class SoakTests(ITestOutputHelper output)
{
    private const int Clients = 24;
    private const int OrderBytes = 12;

    private static readonly TimeSpan Length =
        TimeSpan.FromSeconds(int.Parse(Environment.GetEnvironmentVariable("BITFLOW_SOAK_SECONDS") ?? "10", CultureInfo.InvariantCulture));

    private static readonly byte[] Noise = SocketWords.Noise(1_000_000);

    public static TheoryData<string> Engines => new("managed", "linux");

    /// <summary>What the target of one connection does, sent to it in the first bytes.</summary>
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

        /// <summary>Reads nothing more, for as long as it may.</summary>
        Stall,
    }

    /// <summary>What the two ends of one connection know of it; a client has an address to itself, which finds its line in the log.</summary>
    private sealed class Account(string proxy, string[] reasons)
    {
        public readonly string Proxy = proxy;
        public readonly string[] Reasons = reasons;
        public bool InOrder;
        public long ClientSent;
        public long ClientGot;
        public long TargetSent;
        public long TargetGot;

        /// <summary>What was to be and was not; null where all is well.</summary>
        public volatile string? Wrong;
    }

    private static readonly string[] Ended = ["client.relay.ended", "target.relay.ended"];
    private static readonly string[] TargetLeft = ["client.relay.ended", "target.relay.ended", "target.relay.reset", "client.relay.reset"];
    private static readonly string[] ClientReset = ["client.relay.reset", "client.relay.probe", "client.dial.reset", "client.dial.probe"];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Random_faults_leave_nothing_behind_and_lose_no_byte(string engine)
    {
        int seed = int.Parse(
            Environment.GetEnvironmentVariable("BITFLOW_SOAK_SEED") ?? Random.Shared.Next(1_000_000).ToString(CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
        output.WriteLine($"BITFLOW_SOAK_SEED={seed} BITFLOW_SOAK_SECONDS={Length.TotalSeconds}");
        var accounts = new ConcurrentDictionary<int, Account>();
        using Peer target = Peer.Serving(socket => ServeAsync(socket, accounts));
        using var down = new Refusal();
        IssuedCertificate certificate = TestAuthority.Trusted.Issue("soak.test");
        string folder = Directory.CreateTempSubdirectory("bitflow-soak-").FullName;
        string log = Path.Combine(folder, "connections.json");
        string Proxy(string name, string address, string listener, string dial) =>
            $$"""
            - name: {{name}}
              listener: { address: '127.0.0.1:0', {{listener}} }
              targets: [ { name: a, address: '{{address}}', {{dial}} } ]
              options: { connection_log: '{{log}}' }

            """;
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            Proxy("plain", target.Address, "read_timeout: 5m, write_timeout: 5m", "write_timeout: 5m")
            + Proxy("secure", target.Address, $"read_timeout: 5m, write_timeout: 5m, tls_context: {{ certificates: [ {certificate.Entry} ] }}", "write_timeout: 5m")
            + Proxy("down", down.Address, "read_timeout: 5m, write_timeout: 5m", "connect_attempts: 2, write_timeout: 5m")
            + Proxy("silent", target.Address, "read_timeout: 300ms, write_timeout: 5m", "write_timeout: 5m")
            + Proxy("stuck", target.Address, "read_timeout: 5m, write_timeout: 5m", "write_timeout: 300ms")
            + Proxy("headed", target.Address, "read_timeout: 5m, write_timeout: 5m, trusted_proxies: [ 127.0.0.0/8 ]", "write_timeout: 5m"),
            // What the collector may let lie before it collects depends on the machine; here it is what is held that counts.
            environment: new Dictionary<string, string> { ["DOTNET_GCgen0size"] = "1000000" },
            engine: engine,
            level: "info");
        Dictionary<string, IPEndPoint> at = new[] { "plain", "secure", "down", "silent", "stuck", "headed" }.ToDictionary(static p => p, bitflow.EndPoint);
        int idle = bitflow.Descriptors();
        var resident = new List<long>();
        int number = 0;
        long began = Stopwatch.GetTimestamp();
        using var stop = new CancellationTokenSource();
        Task clients = Task.WhenAll(Enumerable.Range(0, Clients).Select(i => Task.Run(() => LiveAsync(new Random(seed + i)))));
        while (!clients.IsCompleted && Stopwatch.GetElapsedTime(began) < Length)
        {
            await Task.WhenAny(clients, Task.Delay(Length / 60));
            resident.Add(Resident(bitflow));
        }

        await stop.CancelAsync();
        await clients;
        int most = idle + 8 + (engine == "linux" ? 2 * 64 * Environment.ProcessorCount : 0);
        await Eventually.IsTrueAsync(
            () => bitflow.Descriptors() <= most, () => $"the sockets are closed: {idle} descriptors at the start, {bitflow.Descriptors()} now, pipes among them");
        int left = bitflow.Descriptors();

        // Nothing is open, so nothing holds up the end; by then everything is logged.
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        List<ConnectionLog.Line> lines = ConnectionLog.Read(log);
        long third = (long)resident.Take(resident.Count / 3).DefaultIfEmpty().Average();
        long last = (long)resident.Skip(resident.Count * 2 / 3).DefaultIfEmpty().Average();
        output.WriteLine(
            $"{lines.Count} connections, {accounts.Values.Count(static a => a.InOrder)} of them in order; {lines.Sum(static l => l.FromClient) / 1e6:F0} MB up, "
            + $"{lines.Sum(static l => l.FromTarget) / 1e6:F0} MB down; resident {third / 1e6:F1} MB in the first third, {last / 1e6:F1} MB in the last; "
            + $"descriptors {idle} at the start, {left} at the end");
        foreach (IGrouping<string, ConnectionLog.Line> way in lines.GroupBy(static l => $"{l.Name} {l.CloseReason}").OrderBy(static g => g.Key))
            output.WriteLine($"{way.Count(),8} {way.Key}");

        Assert.Equal(accounts.Count, lines.Count);
        Dictionary<string, ConnectionLog.Line> byAddress = lines.ToDictionary(static l => l.SourceIp);
        foreach ((int id, Account account) in accounts)
        {
            ConnectionLog.Line line = byAddress[AddressOf(id).ToString()];
            string what = $"connection {id} from {line.SourceIp}, {line.Name} {line.CloseReason}: client sent {account.ClientSent} and got {account.ClientGot}, "
                + $"target got {account.TargetGot} and sent {account.TargetSent}, logged {line.FromClient} and {line.FromTarget}: {account.Wrong}";
            Assert.True(account.Wrong is null, what);
            Assert.True(account.Proxy == line.Name && account.Reasons.Contains(line.CloseReason), what);
            Assert.True(account.TargetGot <= line.FromClient && line.FromClient <= account.ClientSent, what);
            Assert.True(account.ClientGot <= line.FromTarget && line.FromTarget <= account.TargetSent, what);
            if (account.InOrder)
                Assert.True(account.TargetGot == account.ClientSent && account.ClientGot == account.TargetSent, what);
        }

        Assert.DoesNotContain("fault of Bitflow", bitflow.Errors, StringComparison.Ordinal);
        Assert.True(last - third < 40_000_000, $"{(last - third) / 1e6:F0} MB more than in the first third");
        Directory.Delete(folder, recursive: true);

        async Task LiveAsync(Random random)
        {
            while (!stop.IsCancellationRequested)
            {
                int id = Interlocked.Increment(ref number);
                await (random.Next(50) switch
                {
                    < 2 => RefusedAsync(id),
                    < 4 => SilentAsync(id, random),
                    4 => StuckAsync(id),
                    5 => HeaderlessAsync(id, random),
                    < 10 => SecureAsync(id, random),
                    _ => ExchangeAsync(id, random),
                });
            }
        }

        Account Open(int id, string proxy, params string[] reasons) => accounts[id] = new Account(proxy, reasons);

        async Task ExchangeAsync(int id, Random random)
        {
            var manner = (Manner)random.Next(4);
            bool resets = random.Next(4) == 0;
            int size = SizeOf(random);
            int sends = resets ? random.Next(size + 1) : size;
            bool inOrder = manner is Manner.Echo or Manner.Answer && !resets;
            Account account = Open(id, "plain", [.. manner switch
            {
                Manner.Reset => ["target.relay.reset", .. resets ? ClientReset : []],
                Manner.Leave => [.. TargetLeft, .. resets ? ClientReset : []],
                _ => resets ? ClientReset : Ended,
            }]);
            account.InOrder = inOrder;
            using Socket socket = await ConnectAsync(id, at["plain"]);
            int pieces = random.Next();
            Task sending = Task.Run(async () =>
            {
                await SendAsync(socket, Order(manner, size, id), account);
                await SendOddlyAsync(socket, Noise.AsMemory(0, sends), new Random(pieces), data => SendAsync(socket, data, account));
                if (resets)
                    socket.Reset();
                else
                    socket.Shutdown(SocketShutdown.Send);
            });
            try
            {
                bool ended = await ReadAsync(socket, account);

                // A reset is told once: a send that heard of it leaves an end to the receive.
                await sending;
                if (ended && manner == Manner.Reset && !resets)
                    account.Wrong = "the target's reset came as an end";
                if (inOrder && (!ended || account.ClientGot != size))
                    account.Wrong = $"{size} bytes were to come back";
            }
            catch (Exception e) when (e is SocketException or ObjectDisposedException)
            {
                await sending.ContinueWith(static _ => { }, TaskScheduler.Default);
                if (inOrder)
                    account.Wrong = e.Message;
            }
        }

        async Task SecureAsync(int id, Random random)
        {
            bool cut = random.Next(3) == 0;
            int size = SizeOf(random);
            Account account = Open(id, "secure", cut ? ["client.relay.truncated", "client.relay.reset", "client.dial.reset", "client.handshake.reset"] : Ended);
            account.InOrder = !cut;
            using Socket socket = await ConnectAsync(id, at["secure"]);
            using TestEnd tls = await TestEnd.ClientAsync(socket, "soak.test");
            byte[] all = [.. Order(Manner.Answer, size, id), .. Noise.AsSpan(0, size)];
            account.ClientSent = all.Length;
            if (cut)
            {
                await tls.SendAsync(all);
                socket.Shutdown(SocketShutdown.Both);
                return;
            }

            await tls.SendAsync(all);
            await tls.EndAsync();
            (byte[] back, StreamEnding how) = await tls.ReadToEndAsync();
            account.ClientGot = back.Length;
            if (how != StreamEnding.Ended || !back.AsSpan().SequenceEqual(Noise.AsSpan(0, size)))
                account.Wrong = $"{size} bytes and an end were to come back; it was {how} after {back.Length}";
        }

        async Task RefusedAsync(int id)
        {
            Account account = Open(id, "down", "target.dial.refused");
            using Socket socket = await ConnectAsync(id, at["down"]);
            if (!await ReadAsync(socket, account) || account.ClientGot > 0)
                account.Wrong = "an end was to come, and nothing before it";
        }

        async Task SilentAsync(int id, Random random)
        {
            Account account = Open(id, "silent", "client.relay.read_timeout");
            using Socket socket = await ConnectAsync(id, at["silent"]);
            int size = random.Next(20_000);
            try
            {
                await SendAsync(socket, Order(Manner.Echo, size, id), account);
                await SendAsync(socket, Noise.AsMemory(0, size), account);
                if (await ReadAsync(socket, account))
                    account.Wrong = "a timeout came as an end";
            }
            catch (SocketException)
            {
                // As it was to be; or so late that the time was up before a word.
            }
        }

        async Task StuckAsync(int id)
        {
            Account account = Open(id, "stuck", "target.relay.write_timeout");
            using Socket socket = await ConnectAsync(id, at["stuck"]);
            try
            {
                await SendAsync(socket, Order(Manner.Stall, 0, id), account);
                while (true)
                    await SendAsync(socket, Noise, account).WaitAsync(TimeSpan.FromMinutes(2));
            }
            catch (SocketException)
            {
                // The target took nothing.
            }
        }

        async Task HeaderlessAsync(int id, Random random)
        {
            Account account = Open(id, "headed", "client.proxy_header.protocol");
            using Socket socket = await ConnectAsync(id, at["headed"]);
            try
            {
                await SendAsync(socket, Noise.AsMemory(0, 1 + random.Next(1_000)), account);
                await ReadAsync(socket, account);
            }
            catch (SocketException)
            {
                // A client slower than a second finds the connection closed.
            }

            if (account.ClientGot > 0)
                account.Wrong = "bytes came from nowhere";
        }
    }

    private static int SizeOf(Random random) => random.Next(3) switch { 0 => random.Next(200), 1 => random.Next(20_000), _ => random.Next(Noise.Length) };

    private static IPAddress AddressOf(int id) => new([127, (byte)(1 + (id >> 16)), (byte)(id >> 8), (byte)id]);

    private static async Task<Socket> ConnectAsync(int id, IPEndPoint to)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        socket.Bind(new IPEndPoint(AddressOf(id), 0));
        await socket.ConnectAsync(to).WaitAsync(Eventually.Patience);
        return socket;
    }

    private static byte[] Order(Manner manner, int size, int id)
    {
        byte[] order = new byte[OrderBytes];
        BinaryPrimitives.WriteInt32LittleEndian(order, (int)manner);
        BinaryPrimitives.WriteInt32LittleEndian(order.AsSpan(4), size);
        BinaryPrimitives.WriteInt32LittleEndian(order.AsSpan(8), id);
        return order;
    }

    /// <summary>Counted before they are sent: of a failed send nobody knows how much went.</summary>
    private static Task SendAsync(Socket socket, ReadOnlyMemory<byte> data, Account account)
    {
        account.ClientSent += data.Length;
        return socket.SendAllAsync(data);
    }

    /// <summary>Reads to the end, compares as it reads, and counts. False for a reset.</summary>
    private static async Task<bool> ReadAsync(Socket socket, Account account)
    {
        byte[] buffer = new byte[64 * 1024];
        try
        {
            while (true)
            {
                int bytes = await socket.ReceiveAsync(buffer).WaitAsync(TimeSpan.FromMinutes(2));
                if (bytes == 0)
                    return true;
                if (account.ClientGot + bytes > Noise.Length || !buffer.AsSpan(0, bytes).SequenceEqual(Noise.AsSpan((int)account.ClientGot, bytes)))
                    account.Wrong = $"other bytes came back than were sent, after {account.ClientGot}";
                account.ClientGot += bytes;
            }
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            return false;
        }
    }

    private static async Task ServeAsync(Socket socket, ConcurrentDictionary<int, Account> accounts)
    {
        byte[] order = await socket.ReadExactlyAsync(OrderBytes);
        var manner = (Manner)BinaryPrimitives.ReadInt32LittleEndian(order);
        int size = BinaryPrimitives.ReadInt32LittleEndian(order.AsSpan(4));
        Account account = accounts[BinaryPrimitives.ReadInt32LittleEndian(order.AsSpan(8))];
        account.TargetGot = OrderBytes;
        var random = new Random(size);
        int cutAt = manner is Manner.Reset or Manner.Leave ? random.Next(size + 1) : size;
        byte[] buffer = new byte[64 * 1024];
        int got = 0;
        Func<ReadOnlyMemory<byte>, Task> send = data =>
        {
            account.TargetSent += data.Length;
            return socket.SendAllAsync(data);
        };
        if (manner == Manner.Stall)
        {
            // Reads nothing until the reset has come: what is looked for is an error, and none is read away.
            await Eventually.IsTrueAsync(() => socket.Poll(0, SelectMode.SelectError), "the stalled connection is reset", TimeSpan.FromMinutes(2));
            return;
        }

        while (got < cutAt || manner is Manner.Echo or Manner.Answer)
        {
            int bytes = await socket.ReceiveAsync(buffer.AsMemory(0, random.Next(1, buffer.Length)));
            if (bytes == 0)
            {
                if (manner is Manner.Echo or Manner.Answer && (!account.InOrder || got < size))
                    account.Wrong = $"the target met an end after {got} of {size} bytes";
                break;
            }

            account.TargetGot += bytes;
            if (!buffer.AsSpan(0, bytes).SequenceEqual(Noise.AsSpan(got, bytes)))
                account.Wrong = $"other bytes reached the target than were sent, after {got}";
            if (manner == Manner.Echo)
                await SendOddlyAsync(socket, buffer.AsMemory(0, bytes), random, send);
            got += bytes;
        }

        if (manner == Manner.Answer)
            await SendOddlyAsync(socket, Noise.AsMemory(0, got), random, send);
        if (manner == Manner.Reset)
            socket.Reset();
        else if (manner != Manner.Leave)
            socket.Shutdown(SocketShutdown.Send);
    }

    private static async Task SendOddlyAsync(Socket socket, ReadOnlyMemory<byte> data, Random random, Func<ReadOnlyMemory<byte>, Task> send)
    {
        while (!data.IsEmpty)
        {
            int piece = Math.Min(data.Length, random.Next(4) == 0 ? random.Next(1, 10) : random.Next(1, 100_000));
            await send(data[..piece]);
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
