using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// Programs that people use, through Bitflow, byte for byte: curl to nginx, redis's own client and benchmark to redis, over TCP, Unix and
/// inherited sockets and between the families; and many connections at once.
/// </summary>
public sealed class TrafficTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Curl_fetches_from_nginx_through_every_pair_of_transports(string engine)
    {
        using var nginx = await Nginx.StartAsync();
        string front = Path.Combine(nginx.Folder, "front.sock");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: tcp-tcp
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: nginx, address: '127.0.0.1:{{nginx.Port}}' } ]
            - name: tcp-unix
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: nginx, address: 'unix:{{nginx.SocketPath}}' } ]
            - name: unix-tcp
              listener: { address: 'unix:{{front}}' }
              targets: [ { name: nginx, address: '127.0.0.1:{{nginx.Port}}' } ]
            - name: abstract-unix
              listener: { address: 'unix:@bitflow-test-{{Environment.ProcessId}}-{{engine}}' }
              targets: [ { name: nginx, address: 'unix:{{nginx.SocketPath}}' } ]
            """,
            engine: engine);
        foreach (string[] way in new string[][]
        {
            [$"http://127.0.0.1:{bitflow.Port("tcp-tcp")}/file"],
            [$"http://127.0.0.1:{bitflow.Port("tcp-unix")}/file"],
            ["--unix-socket", front, "http://localhost/file"],
            ["--abstract-unix-socket", $"bitflow-test-{Environment.ProcessId}-{engine}", "http://localhost/file"],
        })
        {
            string at = Path.Combine(nginx.Folder, "got");
            (int status, _, string errors) = await ChildProcess.RunAsync("curl", ["-sS", "--fail", "-m", "30", "-o", at, .. way]);
            Assert.True(status == 0, errors);
            Assert.Equal(nginx.Digest, Convert.ToHexString(SHA256.HashData(await File.ReadAllBytesAsync(at))));
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Redis_is_spoken_to_and_benchmarked_without_a_failed_request(string engine)
    {
        using var redis = new ChildProcess("redis-server", ["--port", "0", "--unixsocket", RedisPath(engine), "--save", "", "--appendonly", "no"]);
        await Eventually.IsTrueAsync(() => File.Exists(RedisPath(engine)), "redis listens");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: redis, address: 'unix:{{RedisPath(engine)}}' } ]
            """,
            engine: engine);
        string port = $"{bitflow.Port()}";
        Assert.Equal("OK", (await ChildProcess.RunAsync("redis-cli", ["-p", port, "SET", "name", "bitflow"])).Output.Trim());
        Assert.Equal("bitflow", (await ChildProcess.RunAsync("redis-cli", ["-p", port, "GET", "name"])).Output.Trim());
        (int status, string output, string errors) = await ChildProcess.RunAsync(
            "redis-benchmark", ["-p", port, "-c", "50", "-n", "20000", "-d", "1000", "-P", "4", "-q", "-t", "set,get,lpush"], patience: TimeSpan.FromMinutes(1));
        Assert.True(status == 0, output + errors);
        Assert.DoesNotContain("rror", output + errors, StringComparison.Ordinal);
        Assert.Equal("+OK\r\n", await QuitAsync(bitflow));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Clients_of_one_family_reach_targets_of_the_other(string engine)
    {
        using Peer four = Peer.Echo();
        using Peer six = Peer.Echo(new IPEndPoint(IPAddress.IPv6Loopback, 0));
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: six-four
              listener: { address: '[::1]:0' }
              targets: [ { name: a, address: '{{four.Address}}' } ]
            - name: four-six
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{six.Address}}' } ]
            - name: both
              listener: { address: ':0' }
              targets: [ { name: a, address: '{{six.Address}}' } ]
            - name: six-alone
              listener: { address: 'tcp6::0' }
              targets: [ { name: a, address: '{{six.Address}}' } ]
            """,
            engine: engine);
        await EchoesAsync(new IPEndPoint(IPAddress.IPv6Loopback, bitflow.Port("six-four")));
        await EchoesAsync(new IPEndPoint(IPAddress.Loopback, bitflow.Port("four-six")));
        await EchoesAsync(new IPEndPoint(IPAddress.Loopback, bitflow.Port("both")));
        await EchoesAsync(new IPEndPoint(IPAddress.IPv6Loopback, bitflow.Port("both")));
        await EchoesAsync(new IPEndPoint(IPAddress.IPv6Loopback, bitflow.Port("six-alone")));
        SocketException refused = await Assert.ThrowsAsync<SocketException>(
            () => SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Loopback, bitflow.Port("six-alone"))));
        Assert.Equal(SocketError.ConnectionRefused, refused.SocketErrorCode);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_listener_inherited_through_a_descriptor_serves_what_was_queued_before_the_start(string engine)
    {
        using Peer echo = Peer.Echo();
        int port = Ports.Next();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: 'fd:3' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            launcher: Inheriting(
                $"""
                s = socket.socket()
                s.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                s.bind(("127.0.0.1", {port}))
                s.listen(50)
                early = socket.create_connection(("127.0.0.1", {port}))
                early.sendall(b"early")
                os.dup2(early.fileno(), 9)
                os.dup2(s.fileno(), 3)
                os.set_inheritable(3, True)
                """));
        Assert.Contains($"127.0.0.1:{port}", bitflow.Errors, StringComparison.Ordinal);
        await bitflow.SaysAsync(" serves ");
        await Task.WhenAll(Enumerable.Range(0, 20).Select(_ => EchoesAsync(new IPEndPoint(IPAddress.Loopback, port))));
        await Eventually.IsTrueAsync(() => bitflow.Errors.Split("client.relay.ended").Length == 21, () => $"all twenty have ended: {bitflow.Errors}");
        bitflow.Signal("TERM");

        // The connection from before the start is still open: its other end is held by the process itself.
        await bitflow.SaysAsync("draining (connections: 1,");
        bitflow.Signal("TERM");
        Assert.Equal(1, await bitflow.ExitAsync());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_connected_socket_as_a_target_is_used_up_by_the_first_connection(string engine)
    {
        using var peer = new Peer();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            """
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: given, address: 'fd:4', connect_attempts: 5, connect_backoff: 1m } ]
            """,
            engine: engine,
            launcher: Inheriting($"given = socket.create_connection((\"127.0.0.1\", {peer.Port}))\nos.dup2(given.fileno(), 4)"));
        using Socket target = await peer.AcceptAsync();
        using (Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint()))
        {
            await client.SendAllAsync("to you"u8.ToArray());
            Assert.Equal(6, (await target.ReadExactlyAsync(6)).Length);
            await target.SendAllAsync("and back"u8.ToArray());
            Assert.Equal(8, (await client.ReadExactlyAsync(8)).Length);
            client.Shutdown(SocketShutdown.Send);
            Assert.Empty(await target.ReadToEndAsync());
            target.Dispose();
            Assert.Empty(await client.ReadToEndAsync());
        }

        using Socket second = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Empty(await second.ReadToEndAsync());
        Assert.Contains("used up", await bitflow.EndsWithAsync("target.dial.used_up"), StringComparison.Ordinal);
    }

    /// <summary>All of them carry bytes while all of them are open; then all end, and nothing is left.</summary>
    /// <summary>Its queue is never empty: whoever takes clients from it must leave time for those that are there, and for other proxies' above all.</summary>
    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Clients_that_are_there_are_served_while_others_come_and_leave_without_a_pause(string engine)
    {
        using Peer echo = Peer.Echo();
        (int crowded, int quiet) = (Ports.Next(), Ports.Next());
        using var bitflow = BitflowProcess.Launch(
            $$"""
            - name: crowded
              listener: { address: '127.0.0.1:{{crowded}}' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            - name: quiet
              listener: { address: '127.0.0.1:{{quiet}}' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine,
            level: "error");
        await Eventually.IsTrueAsync(() => Ports.Listens(crowded) && Ports.Listens(quiet), () => $"it listens; it said: {bitflow.Errors}");
        Socket[] clients = await Task.WhenAll(Enumerable.Range(0, 10).Select(_ => SocketWords.ConnectAsync(new IPEndPoint(IPAddress.Loopback, quiet))));
        using var crowd = new ChildProcess("python3", [Path.Combine(Repository.Root, "tests/Fixtures/a_crowd_that_leaves_again.py"), $"{crowded}"]);
        await crowd.SaysAsync("a crowd comes and goes");
        await Task.WhenAll(clients.Select(static async client =>
        {
            for (int i = 0; i < 100; i++)
            {
                await client.SendAllAsync("x"u8.ToArray());
                Assert.Single(await client.ReadExactlyAsync(1));
            }
        }));
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Five_thousand_connections_are_open_at_once(string engine)
    {
        // Four descriptors a connection, two of them here: as many as the limit of this machine lets us hold.
        int most = (int)Math.Min(5_000, (DescriptorLimit() - 1_000) / 3);
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine);
        await EchoesAsync(bitflow.EndPoint());
        await Eventually.IsTrueAsync(() => bitflow.Errors.Contains(".relay.ended:", StringComparison.Ordinal), "the first has ended");
        int descriptors = bitflow.Descriptors();
        var clients = new List<Socket>();
        try
        {
            // Each wave is served before the next one comes: a target on a busy machine whose queue overflows resets connections.
            while (clients.Count < most)
            {
                Socket[] wave = await Task.WhenAll(Enumerable.Range(0, Math.Min(250, most - clients.Count)).Select(_ => SocketWords.ConnectAsync(bitflow.EndPoint())));
                clients.AddRange(wave);
                await EachEchoesAsync(wave);
            }

            await EachEchoesAsync(clients);

            // The first may have left a socket for one of these.
            Assert.InRange(bitflow.Descriptors(), descriptors + 2 * most - 1, descriptors + 2 * most + 50);
        }
        finally
        {
            clients.ForEach(c => c.Dispose());
        }

        await Eventually.IsTrueAsync(() => bitflow.Descriptors() <= descriptors, "every descriptor is closed");
        Assert.DoesNotContain(" ERROR ", bitflow.Errors, StringComparison.Ordinal);
    }

    /// <summary>All send, and all get back what they sent.</summary>
    private static async Task EachEchoesAsync(IReadOnlyList<Socket> clients)
    {
        await Task.WhenAll(clients.Select((client, i) => client.SendAllAsync(BitConverter.GetBytes(i))));
        for (int i = 0; i < clients.Count; i++)
            Assert.Equal(i, BitConverter.ToInt32(await clients[i].ReadExactlyAsync(4)));
    }

    private static async Task EchoesAsync(EndPoint at)
    {
        using Socket client = await SocketWords.ConnectAsync(at);
        byte[] noise = SocketWords.Noise(20_000);
        await client.SendAllAsync(noise);
        client.Shutdown(SocketShutdown.Send);
        Assert.Equal(noise, await client.ReadToEndAsync());
    }

    private static async Task<string> QuitAsync(BitflowProcess bitflow)
    {
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync("QUIT\r\n"u8.ToArray());
        return System.Text.Encoding.ASCII.GetString(await client.ReadToEndAsync());
    }

    private static string RedisPath(string engine) => Path.Combine(Path.GetTempPath(), $"bitflow-redis-{Environment.ProcessId}-{engine}.sock");

    private static long DescriptorLimit() => Bitflow.Net.Linux.Libc.DescriptorLimit();

    /// <summary>A parent that prepares descriptors and becomes the program.</summary>
    private static string[] Inheriting(string preparation) =>
        ["python3", "-c", $"import os, socket, sys\n{preparation}\nos.execv(sys.argv[1], sys.argv[1:])"];
}
