using System.Net.Security;
using System.Net.Sockets;
using System.Text.Json;
using Bitflow.Tests.Fixtures;
using Xunit;
using Xunit.Abstractions;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// A hundred reloads while redis-benchmark, with new connections, lasting ones and over TLS, and iperf3 in both directions work through the
/// program. Each reload changes a target's options and a timeout, adds or takes away a proxy, and replaces a certificate. No request fails,
/// no reload is lost, and every byte that iperf3 counts stands in the connection log.
/// </summary>
public sealed class ReloadUnderLoadTests(ITestOutputHelper output)
{
    private const int Reloads = 100;

    /// <summary>iperf3 begins each connection, that of its control too, with a cookie and adds its parameters and results.</summary>
    private const int IperfTalk = 64 * 1024;

    private static readonly TimeSpan RoundBound = TimeSpan.FromMinutes(2);

    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_hundred_reloads_under_redis_benchmark_and_iperf3_fail_no_request_and_lose_no_byte(string engine)
    {
        string folder = Directory.CreateTempSubdirectory("bitflow-reload-").FullName;
        string redisPath = Path.Combine(folder, "redis.sock");
        string log = Path.Combine(folder, "connections.json");
        using var redis = new ChildProcess("redis-server", ["--port", "0", "--unixsocket", redisPath, "--save", "", "--appendonly", "no"]);
        int iperfPort = Ports.Next();
        using var iperf = new ChildProcess("iperf3", ["-s", "-p", $"{iperfPort}", "-B", "127.0.0.1", "--forceflush"]);
        using Peer echo = Peer.Echo();
        IssuedCertificate[] certificates = [.. Enumerable.Range(0, 2).Select(_ => TestAuthority.Trusted.Issue("redis.test"))];
        string certificate = Path.Combine(folder, "certificate.pem");
        string key = Path.Combine(folder, "key.pem");
        Present(0);
        await Eventually.IsTrueAsync(() => File.Exists(redisPath), () => $"redis listens: {redis.Output}");
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(Configuration(0), engine: engine, level: "info");

        using var enough = new CancellationTokenSource();
        Task<int>[] loads =
        [
            RedisAsync("web", "-k", "0", "-c", "10", "-n", "2000", "-t", "set"),
            RedisAsync("web", "-c", "20", "-n", "60000", "-P", "4", "-d", "500", "-t", "get,set"),
            RedisAsync("secure", "-k", "0", "-c", "4", "-n", "100", "-t", "get", "--tls", "--sni", "redis.test", "--cacert", TestAuthority.Trusted.RootFile),
            LastAsync(),
        ];
        Task<(int Rounds, long Sent, long Received)> iperfLoad = IperfAsync();
        for (int i = 1; i <= Reloads; i++)
        {
            Present(i);
            bitflow.Rewrite(Configuration(i), engine: engine, level: "info");
            bitflow.Signal("HUP");
            int expected = i;
            await Eventually.IsTrueAsync(
                () => bitflow.Errors.Split("is in force").Length > expected || iperfLoad.IsFaulted || loads.Any(l => l.IsFaulted), () => $"reload {expected}; the log:\n{bitflow.Errors}");
            if (iperfLoad.IsFaulted || loads.Any(static l => l.IsFaulted))
                break;
            Assert.Equal(certificates[i % 2].Certificate.SerialNumber, await SerialAsync());
            if (HasExtra(i))
                await EchoAsync("extra");
        }

        await enough.CancelAsync();
        int[] rounds = await Task.WhenAll(loads);
        (int iperfRounds, long sent, long received) = await iperfLoad;
        output.WriteLine($"{rounds[0]} + {rounds[1]} + {rounds[2]} rounds of redis-benchmark, {rounds[3]} exchanges on one connection, {iperfRounds} rounds of iperf3 with {received / 1e6:F0} MB");

        Assert.DoesNotContain("everything is as it was", bitflow.Errors, StringComparison.Ordinal);
        Assert.DoesNotContain(" ERROR ", bitflow.Errors, StringComparison.Ordinal);
        bitflow.Signal("TERM");
        Assert.Equal(0, await bitflow.ExitAsync());
        List<ConnectionLog.Line> lines = ConnectionLog.Read(log);
        Assert.All(lines, l => Assert.Contains(".relay.", l.CloseReason, StringComparison.Ordinal));
        Assert.All(lines, l => Assert.DoesNotContain("bitflow.", l.CloseReason, StringComparison.Ordinal));
        Assert.True(lines.Count(static l => l.Name == "web") >= rounds[0] * 2_000, "every request had a connection");

        // iperf3 stops to read when the time is over: what was on its way then was sent and not received.
        long carried = lines.Where(static l => l.Name == "iperf").Sum(static l => l.FromClient + l.FromTarget);
        Assert.InRange(carried, received, sent + (long)iperfRounds * IperfTalk);
        Directory.Delete(folder, recursive: true);

        static bool HasExtra(int i) => i % 2 == 1;

        void Present(int i)
        {
            File.Copy(certificates[i % 2].File, certificate, overwrite: true);
            File.Copy(certificates[i % 2].Key, key, overwrite: true);
        }

        string Configuration(int i)
        {
            string configuration =
                $$"""
                - name: web
                  listener: { address: '127.0.0.1:0' }
                  targets:
                    - { name: redis, address: 'unix:{{redisPath}}', connect_timeout: {{5 + i % 7}}s, connect_attempts: {{1 + i % 2}} }
                  options: { connection_log: '{{log}}', connection_limit: {{1000 + i}}, connection_load_balancer: {{(i % 3 == 0 ? "round-robin" : "failover")}} }
                - name: secure
                  listener:
                    address: '127.0.0.1:0'
                    tls_context: { certificates: [ { key: '{{key}}', certificate: '{{certificate}}' } ] }
                  targets: [ { name: redis, address: 'unix:{{redisPath}}' } ]
                - name: iperf
                  listener: { address: '127.0.0.1:0', read_timeout: {{30 + i}}s, write_timeout: 1m }
                  targets: [ { name: iperf, address: '127.0.0.1:{{iperfPort}}', write_timeout: 1m } ]
                  options: { connection_log: '{{log}}' }
                - name: echo
                  listener: { address: '127.0.0.1:0' }
                  targets: [ { name: a, address: '{{echo.Address}}', read_timeout: {{60 + i}}s } ]

                """;
            return HasExtra(i)
                ? configuration + $"- name: extra\n  listener: {{ address: '127.0.0.1:0' }}\n  targets: [ {{ name: a, address: '{echo.Address}' }} ]\n"
                : configuration;
        }

        // Round after round until the reloads are over; each must end without an error.
        async Task<int> RedisAsync(string proxy, params string[] how)
        {
            int round = 0;
            for (; round == 0 || !enough.IsCancellationRequested; round++)
            {
                (int status, string said, string errors) = await ChildProcess.RunAsync(
                    "redis-benchmark", ["-p", $"{bitflow.Port(proxy)}", "-q", .. how], patience: RoundBound);
                Assert.True(status == 0, $"round {round} of {string.Join(' ', how)}: {said}{errors}");
                Assert.DoesNotContain("rror", said + errors, StringComparison.Ordinal);
            }

            return round;
        }

        async Task<(int Rounds, long Sent, long Received)> IperfAsync()
        {
            int round = 0;
            long sum = 0, got = 0;
            for (; round < 2 || !enough.IsCancellationRequested; round++)
            {
                // It closes its listening socket after each round, and says when it listens again.
                int expected = round + 1;
                await Eventually.IsTrueAsync(() => iperf.Output.Split("Server listening").Length > expected, () => $"iperf3 listens: {iperf.Output}{iperf.Errors}");
                (int status, string said, string errors) = await ChildProcess.RunAsync(
                    "iperf3",
                    ["-c", "127.0.0.1", "-p", $"{bitflow.Port("iperf")}", "-t", "4", "-P", "2", "--json", .. round % 2 == 0 ? Array.Empty<string>() : ["-R"]],
                    patience: RoundBound);
                Assert.True(status == 0, $"round {round} of iperf3: {said}{errors}");
                using var result = JsonDocument.Parse(said);
                JsonElement end = result.RootElement.GetProperty("end");
                sum += end.GetProperty("sum_sent").GetProperty("bytes").GetInt64();
                got += end.GetProperty("sum_received").GetProperty("bytes").GetInt64();
            }

            return (round, sum, got);
        }

        // One connection from before the first reload to after the last.
        async Task<int> LastAsync()
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint("echo"));
            byte[] noise = SocketWords.Noise(30_000);
            int exchanges = 0;
            for (; !enough.IsCancellationRequested; exchanges++)
            {
                await client.SendAllAsync(noise);
                Assert.Equal(noise, await client.ReadExactlyAsync(noise.Length));
                await Task.Delay(5);
            }

            client.Shutdown(SocketShutdown.Send);
            Assert.Empty(await client.ReadToEndAsync());
            return exchanges;
        }

        async Task EchoAsync(string proxy)
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint(proxy));
            await client.SendAllAsync("hello"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal(5, (await client.ReadToEndAsync()).Length);
        }

        // A new connection is shown the certificate that was in the files when the reload was asked for.
        async Task<string> SerialAsync()
        {
            using Socket socket = await SocketWords.ConnectAsync(bitflow.EndPoint("secure"));
            await using var tls = new SslStream(new NetworkStream(socket), leaveInnerStreamOpen: false);
            await tls.AuthenticateAsClientAsync(new SslClientAuthenticationOptions
            {
                TargetHost = "redis.test",
                RemoteCertificateValidationCallback = static (_, _, _, _) => true,
            }).WaitAsync(Eventually.Patience);
            return ((System.Security.Cryptography.X509Certificates.X509Certificate2)tls.RemoteCertificate!).SerialNumber;
        }
    }
}
