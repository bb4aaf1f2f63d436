using System.Diagnostics;
using System.Globalization;
using System.Net;
using System.Net.Sockets;
using System.Text.RegularExpressions;
using Bitflow.Tests.Fixtures;
using Xunit;
using Xunit.Abstractions;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Thousands of connections that end in every way there is, side by side. Each leaves one line in the connection log, with the reason that
/// was to be, and nothing else: no descriptor, no memory. BITFLOW_ENDINGS sets how many (100000 for the long run).
/// </summary>
public sealed partial class EndingsTests(ITestOutputHelper output)
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static readonly int Connections =
        int.Parse(Environment.GetEnvironmentVariable("BITFLOW_ENDINGS") ?? "6000", CultureInfo.InvariantCulture);

    /// <summary>
    /// What a client does in one way of ending, and the reasons that may be logged for it: one, and where the machine may be slower than the
    /// client or a clock, what is true then.
    /// </summary>
    private sealed record Way(string Proxy, Func<Socket, Task> Act, params string[] Reasons)
    {
        /// <summary>Where the client may meet a reset: that it was to meet, while it connects still; or after the second for which its bytes are read.</summary>
        public bool MayBeReset { get; init; }
    }

    private static readonly Way[] Ways =
    [
        new("echo", async s =>
        {
            await s.SendAllAsync("hello"u8.ToArray());
            s.Shutdown(SocketShutdown.Send);
            Assert.Equal(5, (await s.ReadToEndAsync()).Length);
        }, "client.relay.ended"),
        new("greeting", async s => Assert.Equal(2, (await s.ReadToEndAsync()).Length), "target.relay.ended"),
        new("probed", s =>
        {
            s.Dispose();
            return Task.CompletedTask;
        }, "client.relay.probe", "client.dial.probe"),
        new("reset", s =>
        {
            s.Reset();
            return Task.CompletedTask;
        }, "client.relay.probe", "client.dial.probe"),
        new("talked", async s =>
        {
            await s.SendAllAsync("hello"u8.ToArray());
            await s.ReadExactlyAsync(5);
            s.Reset();
        }, "client.relay.reset"),

        // A target that resets so soon may be heard while it is connected to: it is a target that is down then.
        new("resetting", async s =>
        {
            int got = (await ReadToAnyEndAsync(s)).Length;
            Assert.True(got is 0 or 2, $"{got} bytes");
        }, "target.relay.reset", "target.dial.reset") { MayBeReset = true },
        new("full", async s => Assert.Empty(await s.ReadToResetAsync()), "bitflow.admission.limit") { MayBeReset = true },
        new("closed", async s => Assert.Empty(await s.ReadToResetAsync()), "bitflow.admission.refused") { MayBeReset = true },
        new("down", async s =>
        {
            await s.SendAllAsync(new byte[1000]);
            Assert.Empty(await ReadToAnyEndAsync(s));
        }, "target.dial.refused") { MayBeReset = true },
        new("hole", async s => Assert.Empty(await s.ReadToEndAsync()), "target.dial.connect_timeout"),

        // A reset takes bytes that were not read yet with it: then nobody ever spoke.
        new("left", async s =>
        {
            await s.SendAllAsync("GET /"u8.ToArray());
            await Task.Delay(20);
            s.Reset();
        }, "client.dial.reset", "client.dial.probe"),
        new("idle", async s => Assert.Empty(await s.ReadToResetAsync()), "client.relay.read_timeout") { MayBeReset = true },
        new("old", async s => Assert.Empty(await ReadToAnyEndAsync(s)), "bitflow.relay.lifetime", "bitflow.dial.lifetime") { MayBeReset = true },
        new("headed", async s =>
        {
            await s.SendAllAsync("GET / HTTP/1.0\r\n\r\n"u8.ToArray());
            Assert.Empty(await ReadToAnyEndAsync(s));
        }, "client.proxy_header.protocol") { MayBeReset = true },
        new("stalled", async s =>
        {
            await s.SendAllAsync("PROXY "u8.ToArray());
            Assert.Empty(await ReadToAnyEndAsync(s));
        }, "client.proxy_header.handshake_timeout") { MayBeReset = true },
    ];

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Whatever_way_connections_end_each_is_logged_once_for_what_it_was_and_nothing_of_it_is_left(string engine)
    {
        using Stage stage = await Stage.SetAsync(engine, level: "info");
        BitflowProcess bitflow = stage.Bitflow;
        string log = stage.Log;

        // What is loaded and pooled at the first use of each way is there before the count begins.
        int each = Math.Max(1, Connections / Ways.Length);
        int warmUp = Math.Max(1, each / 4);
        long began = Stopwatch.GetTimestamp();
        await EndAllAsync(bitflow, warmUp);
        await LoggedAsync(log, warmUp);
        int descriptors = bitflow.Descriptors();
        long resident = Resident(bitflow);
        await EndAllAsync(bitflow, each);
        List<ConnectionLog.Line> lines = await LoggedAsync(log, warmUp + each);
        foreach (Way way in Ways)
        {
            Assert.All(lines.Where(l => l.Name == way.Proxy), l => Assert.Contains(l.CloseReason, way.Reasons));
            Assert.Equal(warmUp + each, lines.Count(l => l.Name == way.Proxy));
        }

        // A way that left one behind would have left hundreds; the runtime may have come to need a few of its own.
        await Eventually.IsTrueAsync(
            () => bitflow.Descriptors() <= descriptors + 8, () => $"no descriptor is left behind: {descriptors} were open, and {bitflow.Descriptors()} are");
        long grown = Resident(bitflow) - resident;
        output.WriteLine(
            $"{(warmUp + each) * Ways.Length} connections in {Stopwatch.GetElapsedTime(began).TotalSeconds:F0} s; descriptors {descriptors} before, {bitflow.Descriptors()} after; "
            + $"resident {resident / 1e6:F1} MB before, {grown / 1e6:+0.0;-0.0} MB after");
        Assert.True(grown < 60_000_000, $"{grown / 1e6:F0} MB more than before {each * Ways.Length} connections");
        Assert.DoesNotContain("fault of Bitflow", bitflow.Errors, StringComparison.Ordinal);

        // Nothing keeps the program but the connection that is open.
        bitflow.Signal("TERM");
        await bitflow.SaysAsync("draining (connections: 1,");
        stage.Holder.Dispose();
        Assert.Equal(0, await bitflow.ExitAsync());
    }

    /// <summary>The reason of a connection is one: in the log, in the connection log, in what Prometheus is shown and in what statsd is sent.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Whatever_way_connections_end_every_place_gives_the_same_reason(string engine)
    {
        const int Each = 4;
        using var receiver = new StatsdReceiver();
        using Stage stage = await Stage.SetAsync(
            engine, level: "debug", $"  admin: {{ address: '127.0.0.1:0' }}\n  metrics: {{ address: '{receiver.Address}' }}\n");
        BitflowProcess bitflow = stage.Bitflow;
        await bitflow.SaysAsync("admin server: listening on ");
        await EndAllAsync(bitflow, Each);
        List<ConnectionLog.Line> lines = await LoggedAsync(stage.Log, Each);
        await bitflow.EndsWithAsync("client.relay.ended");
        var counts = lines.GroupBy(static l => (l.Name, l.CloseReason)).ToDictionary(static g => g.Key, static g => (long)g.Count());

        // Each line by its connection's number.
        var logged = new Dictionary<long, (string, string)>();
        await Eventually.IsTrueAsync(
            () => (logged = EndLine().Matches(bitflow.Errors).ToDictionary(
                static m => long.Parse(m.Groups["id"].Value, CultureInfo.InvariantCulture), static m => (m.Groups["proxy"].Value, m.Groups["reason"].Value))).Count >= lines.Count,
            () => $"{lines.Count} connections have a line in the log; {logged.Count} have");
        Assert.All(lines, l => Assert.Equal((l.Name, l.CloseReason), logged[l.Id]));

        using var http = new HttpClient { BaseAddress = new Uri($"http://{bitflow.AdminAddress()}") };
        Dictionary<(string, string), long> shown = Sums(ShownClose().Matches(await http.GetStringAsync("/metrics")));
        Assert.Equal(counts.OrderBy(static c => c.Key), shown.OrderBy(static c => c.Key));

        Dictionary<(string, string), long> sent = [];
        await receiver.HearsAsync(told => (sent = Sums(SentClose().Matches(string.Join('\n', told)))).Values.Sum() >= lines.Count, $"{lines.Count} ends");
        Assert.Equal(counts.OrderBy(static c => c.Key), sent.OrderBy(static c => c.Key));

        static Dictionary<(string, string), long> Sums(MatchCollection matches) => matches
            .GroupBy(static m => (m.Groups["proxy"].Value, m.Groups["reason"].Value))
            .ToDictionary(static g => g.Key, static g => g.Sum(static m => long.Parse(m.Groups["count"].Value, CultureInfo.InvariantCulture)));
    }

    [GeneratedRegex(@"proxy (?<proxy>\S+): connection (?<id>\d+) from [^\n]*? to \S+: (?<reason>[a-z]+\.[a-z_]+\.[a-z_]+): ")]
    private static partial Regex EndLine();

    [GeneratedRegex(@"bitflow_proxy_close_total\{proxy=""(?<proxy>[^""]+)"",listener=""[^""]*"",reason=""(?<reason>[^""]+)""\} (?<count>\d+)")]
    private static partial Regex ShownClose();

    [GeneratedRegex(@"proxy\.close:(?<count>\d+)\|c\|#proxy:(?<proxy>[^,\n]+),listener:[^,\n]+,reason:(?<reason>\S+)")]
    private static partial Regex SentClose();

    /// <summary>The program with a proxy for each way, their targets, and the one connection that fills the proxy with a limit of one.</summary>
    private sealed class Stage : IDisposable
    {
        private readonly Peer _echo = Peer.Echo();
        private readonly Peer _greeting = Peer.Serving(s => s.SendAllAsync("hi"u8.ToArray()));
        private readonly Peer _resetting = Peer.Serving(async s =>
        {
            await s.SendAllAsync("hi"u8.ToArray());
            await Task.Delay(1);
            s.Reset();
        });

        private readonly Blackhole _blackhole = new();
        private readonly Refusal _down = new();
        private readonly string _folder = Directory.CreateTempSubdirectory("bitflow-endings-").FullName;

        public string Log => Path.Combine(_folder, "connections.json");

        public BitflowProcess Bitflow { get; private set; } = null!;

        public Socket Holder { get; private set; } = null!;

        public static async Task<Stage> SetAsync(string engine, string level, string application = "")
        {
            var stage = new Stage();
            stage.Bitflow = await BitflowProcess.StartAsync(
                stage.Proxies(),
                application,

                // What the collector may let lie before it collects depends on the machine; here it is what is held that counts.
                environment: new Dictionary<string, string> { ["DOTNET_GCgen0size"] = "1000000" },
                engine: engine,
                level: level);
            stage.Holder = await SocketWords.ConnectAsync(stage.Bitflow.EndPoint("full"));
            await stage.Holder.SendAllAsync("x"u8.ToArray());
            Assert.Single(await stage.Holder.ReadExactlyAsync(1));
            return stage;
        }

        public void Dispose()
        {
            Holder.Dispose();
            Bitflow.Dispose();
            _echo.Dispose();
            _greeting.Dispose();
            _resetting.Dispose();
            _blackhole.Dispose();
            _down.Dispose();
            Directory.Delete(_folder, recursive: true);
        }

        private string Proxies() =>
            Proxy("echo", _echo.Address)
            + Proxy("greeting", _greeting.Address)
            + Proxy("probed", _echo.Address)
            + Proxy("reset", _echo.Address)
            + Proxy("talked", _echo.Address)
            + Proxy("resetting", _resetting.Address)
            + Proxy("full", _echo.Address, options: ", connection_limit: 1")
            + Proxy("closed", _echo.Address, listener: ", authorized_sources: [ 10.0.0.1 ]")
            + Proxy("down", _down.Address)
            + Proxy("hole", _blackhole.Address, dial: ", connect_timeout: 50ms")
            + Proxy("left", _down.Address, dial: ", connect_attempts: 9, connect_backoff: 1m")
            + Proxy("idle", _echo.Address, listener: ", read_timeout: 200ms")
            + Proxy("old", _echo.Address, options: ", connection_lifetime: 600ms")
            + Proxy("headed", _echo.Address, listener: ", trusted_proxies: [ 127.0.0.1 ]")
            + Proxy("stalled", _echo.Address, listener: ", trusted_proxies: [ 127.0.0.1 ], handshake_timeout: 50ms");

        private string Proxy(string name, string target, string listener = "", string dial = "", string options = "") =>
            $$"""
            - name: {{name}}
              listener: { address: '127.0.0.1:0' {{listener}} }
              targets: [ { name: a, address: '{{target}}' {{dial}} } ]
              options: { connection_log: '{{Log}}' {{options}} }

            """;
    }

    private static async Task EndAllAsync(BitflowProcess bitflow, int each)
    {
        Dictionary<string, IPEndPoint> at = Ways.ToDictionary(static w => w.Proxy, w => bitflow.EndPoint(w.Proxy));
        using var atOnce = new SemaphoreSlim(120);
        await Task.WhenAll(Enumerable.Range(0, each).SelectMany(_ => Ways).Select(async way =>
        {
            await atOnce.WaitAsync();
            try
            {
                using Socket socket = await SocketWords.ConnectAsync(at[way.Proxy]);
                await way.Act(socket);
            }
            catch (SocketException e) when (way.MayBeReset && e.SocketErrorCode is SocketError.ConnectionReset or SocketError.Shutdown)
            {
                // A reset that came while connecting, or before the first bytes were sent.
            }
            catch (Exception e)
            {
                throw new InvalidOperationException($"{way.Proxy}: {e.Message}", e);
            }
            finally
            {
                atOnce.Release();
            }
        }));
    }

    private static async Task<List<ConnectionLog.Line>> LoggedAsync(string log, int each)
    {
        List<ConnectionLog.Line> lines = [];
        long looked = 0;
        await Eventually.IsTrueAsync(
            () =>
            {
                if (Stopwatch.GetElapsedTime(looked).TotalMilliseconds < 200)
                    return false;
                lines = ConnectionLog.Read(log);
                looked = Stopwatch.GetTimestamp();
                return lines.Count >= each * Ways.Length;
            },
            $"{each * Ways.Length} connections are logged");
        return lines;
    }

    /// <summary>What came before the end, or before a reset.</summary>
    private static async Task<byte[]> ReadToAnyEndAsync(Socket socket)
    {
        using var all = new MemoryStream();
        byte[] buffer = new byte[1024];
        try
        {
            int bytes;
            while ((bytes = await socket.ReceiveAsync(buffer).WaitAsync(Eventually.Patience)) > 0)
                all.Write(buffer, 0, bytes);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
        }

        return all.ToArray();
    }

    private static long Resident(BitflowProcess bitflow)
    {
        using var process = Process.GetProcessById(bitflow.Id);
        return process.WorkingSet64;
    }
}
