using System.Net.Sockets;
using System.Security.Authentication;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// One contract for every way in which a connection can be made of plain text and TLS, on both engines: bytes, ends, truncations and resets
/// reach the other side for what they are, and are counted and named alike.
/// </summary>
public sealed class FourWaysTests
{
    public static TheoryData<Transport, Transport, string> Ways
    {
        get
        {
            var ways = new TheoryData<Transport, Transport, string>();
            foreach (string engine in new[] { "managed", "linux" })
            {
                ways.Add(Transport.Plain, Transport.Plain, engine);
                ways.Add(Transport.Tls13, Transport.Plain, engine);
                ways.Add(Transport.Plain, Transport.Tls13, engine);
                ways.Add(Transport.Tls13, Transport.Tls13, engine);
                ways.Add(Transport.Tls12, Transport.Tls12, engine);
            }

            return ways;
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task Every_byte_arrives_in_order_in_both_directions_at_once(Transport clientSide, Transport targetSide, string engine)
    {
        await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
        byte[] up = SocketWords.Noise(5_000_000, 1);
        byte[] down = SocketWords.Noise(4_000_000, 2);
        Task<(byte[] Data, StreamEnding Ending)> toTarget = way.Target.ReadToEndAsync();
        Task<(byte[] Data, StreamEnding Ending)> toClient = way.Client.ReadToEndAsync();
        await Task.WhenAll(SendThenEnd(way.Client, up), SendThenEnd(way.Target, down));
        (byte[] atTarget, StreamEnding targetEnding) = await toTarget;
        (byte[] atClient, StreamEnding clientEnding) = await toClient;
        Assert.Equal(SocketWords.Digest(up), SocketWords.Digest(atTarget));
        Assert.Equal(SocketWords.Digest(down), SocketWords.Digest(atClient));
        Assert.True((targetEnding, clientEnding) == (StreamEnding.Ended, StreamEnding.Ended), $"the target's stream: {targetEnding}, the client's: {clientEnding}\n{way.Bitflow.Errors}");
        await Eventually.IsTrueAsync(
            () => way.Bitflow.Errors.Contains($"({up.Length} bytes from the client, {down.Length} from the target)", StringComparison.Ordinal),
            $"both counts are logged:\n{way.Bitflow.Errors}");

        static async Task SendThenEnd(TestEnd end, byte[] data)
        {
            await end.SendAsync(data);
            await end.EndAsync();
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_client_that_half_closes_still_gets_its_answer(Transport clientSide, Transport targetSide, string engine)
    {
        await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
        await way.Client.SendAsync("request"u8.ToArray());
        await way.Client.EndAsync();
        (byte[] request, StreamEnding requestEnding) = await way.Target.ReadToEndAsync();
        Assert.Equal("request"u8.ToArray(), request);
        Assert.Equal(StreamEnding.Ended, requestEnding);
        byte[] answer = SocketWords.Noise(1_000_000);
        await way.Target.SendAsync(answer);
        await way.Target.EndAsync();
        (byte[] received, StreamEnding ending) = await way.Client.ReadToEndAsync();
        Assert.Equal(SocketWords.Digest(answer), SocketWords.Digest(received));
        Assert.Equal(StreamEnding.Ended, ending);
        await way.Bitflow.EndsWithAsync("client.relay.ended");
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_target_that_speaks_first_and_half_closes_still_hears_the_client(Transport clientSide, Transport targetSide, string engine)
    {
        await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
        await way.Target.SendAsync("220 hello"u8.ToArray());
        await way.Target.EndAsync();
        (byte[] banner, StreamEnding bannerEnding) = await way.Client.ReadToEndAsync();
        Assert.Equal("220 hello"u8.ToArray(), banner);
        Assert.Equal(StreamEnding.Ended, bannerEnding);
        await way.Client.SendAsync("still here"u8.ToArray());
        await way.Client.EndAsync();
        (byte[] heard, StreamEnding ending) = await way.Target.ReadToEndAsync();
        Assert.Equal("still here"u8.ToArray(), heard);
        Assert.Equal(StreamEnding.Ended, ending);
        await way.Bitflow.EndsWithAsync("target.relay.ended");
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_reset_of_either_side_reaches_the_other_which_has_read_everything_as_a_reset(Transport clientSide, Transport targetSide, string engine)
    {
        byte[] sent = SocketWords.Noise(20_000);
        await using (Way way = await Way.OpenAsync(clientSide, targetSide, engine))
        {
            await way.Client.SendAsync(sent);
            Assert.Equal(sent, await way.Target.ReadExactlyAsync(sent.Length));
            way.Client.Reset();
            Assert.Equal(StreamEnding.Reset, (await way.Target.ReadToEndAsync()).Ending);
            await way.Bitflow.EndsWithAsync("client.relay.reset");
        }

        await using (Way way = await Way.OpenAsync(clientSide, targetSide, engine))
        {
            await way.Target.SendAsync(sent);
            Assert.Equal(sent, await way.Client.ReadExactlyAsync(sent.Length));
            way.Target.Reset();
            Assert.Equal(StreamEnding.Reset, (await way.Client.ReadToEndAsync()).Ending);
            await way.Bitflow.EndsWithAsync("target.relay.reset");
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task TLS_that_ends_without_close_notify_is_truncated_and_looks_so_to_the_other_side(Transport clientSide, Transport targetSide, string engine)
    {
        byte[] sent = SocketWords.Noise(20_000);
        if (clientSide != Transport.Plain)
        {
            await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
            await way.Client.SendAsync(sent);
            way.Client.EndRaw();
            (byte[] received, StreamEnding ending) = await way.Target.ReadToEndAsync();
            Assert.Equal(sent, received);
            Assert.Equal(StreamEnding.Reset, ending);
            await way.Bitflow.EndsWithAsync("client.relay.truncated");
        }

        if (targetSide != Transport.Plain)
        {
            await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
            await way.Target.SendAsync(sent);
            way.Target.EndRaw();
            (byte[] received, StreamEnding ending) = await way.Client.ReadToEndAsync();
            Assert.Equal(sent, received);
            Assert.Equal(StreamEnding.Reset, ending);
            await way.Bitflow.EndsWithAsync("target.relay.truncated");
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_raw_end_after_the_other_side_has_said_everything_cuts_nothing_off(Transport clientSide, Transport targetSide, string engine)
    {
        if (clientSide == Transport.Plain)
            return;
        await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
        await way.Target.SendAsync("all of it"u8.ToArray());
        await way.Target.EndAsync();
        Assert.Equal(StreamEnding.Ended, (await way.Client.ReadToEndAsync()).Ending);
        way.Client.EndRaw();
        Assert.Equal(StreamEnding.Ended, (await way.Target.ReadToEndAsync()).Ending);
        await way.Bitflow.EndsWithAsync("target.relay.ended");
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_raw_end_in_the_midst_of_a_record_is_no_end_whoever_has_said_everything(Transport clientSide, Transport targetSide, string engine)
    {
        foreach (bool isClient in new[] { true, false })
        {
            if ((isClient ? clientSide : targetSide) == Transport.Plain)
                continue;
            await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
            (TestEnd cut, TestEnd other) = isClient ? (way.Client, way.Target) : (way.Target, way.Client);
            byte[] sent = SocketWords.Noise(100_000, 5);
            await cut.SendAsync(sent);
            await cut.SendPartOfARecordAsync();
            await other.EndAsync();
            Assert.Equal(StreamEnding.Ended, (await cut.ReadToEndAsync()).Ending);
            cut.EndRaw();
            (byte[] received, StreamEnding ending) = await other.ReadToEndAsync();
            Assert.Equal(sent, received);
            Assert.Equal(StreamEnding.Reset, ending);
            await way.Bitflow.EndsWithAsync(isClient ? "client.relay.truncated" : "target.relay.truncated");
        }
    }

    /// <summary>Session tickets of TLS 1.3 come behind the hands that were shaken, and are nothing that was said; and many servers never send close_notify.</summary>
    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_target_that_answers_or_not_behind_the_clients_end_and_goes_without_a_word_has_ended(Transport clientSide, Transport targetSide, string engine)
    {
        if (targetSide == Transport.Plain)
            return;
        foreach (byte[] answer in new[] { [], SocketWords.Noise(50_000, 6) })
        {
            await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
            await way.Client.SendAsync("a line\n"u8.ToArray());
            await way.Client.EndAsync();
            Assert.Equal("a line\n"u8.ToArray(), (await way.Target.ReadToEndAsync()).Data);
            if (answer.Length > 0)
                await way.Target.SendAsync(answer);
            way.Target.EndRaw();
            (byte[] received, StreamEnding ending) = await way.Client.ReadToEndAsync();
            Assert.Equal(answer, received);
            Assert.Equal(StreamEnding.Ended, ending);
            await way.Bitflow.EndsWithAsync("client.relay.ended");
        }
    }

    [Theory]
    [MemberData(nameof(Ways))]
    public async Task A_reader_that_is_slow_gets_everything_and_the_end_though_the_sender_has_gone(Transport clientSide, Transport targetSide, string engine)
    {
        await using Way way = await Way.OpenAsync(clientSide, targetSide, engine);
        byte[] down = SocketWords.Noise(8_000_000, 3);
        await way.Client.EndAsync();
        Task sending = Task.Run(async () =>
        {
            await way.Target.SendAsync(down);
            await way.Target.EndAsync();
        });

        // The client reads nothing until the kernel's buffers are full and the sender is held back, or has long finished.
        await Task.WhenAny(sending, Task.Delay(300));
        (byte[] received, StreamEnding ending) = await way.Client.ReadToEndAsync();
        await sending;
        Assert.Equal(SocketWords.Digest(down), SocketWords.Digest(received));
        Assert.Equal(StreamEnding.Ended, ending);
    }

    /// <summary>What carries a side.</summary>
    public enum Transport
    {
        Plain,
        Tls12,
        Tls13,
    }

    /// <summary>The program between a client and a target that the test holds.</summary>
    private sealed class Way(BitflowProcess bitflow, TestEnd client, TestEnd target) : IAsyncDisposable
    {
        private static readonly IssuedCertificate ServerCertificate = TestAuthority.Trusted.Issue("server.example");
        private static readonly IssuedCertificate TargetCertificate = TestAuthority.Trusted.Issue("target.example", rsa: true);

        public BitflowProcess Bitflow { get; } = bitflow;

        public TestEnd Client { get; } = client;

        public TestEnd Target { get; } = target;

        public static async Task<Way> OpenAsync(Transport clientSide, Transport targetSide, string engine)
        {
            using var peer = new Peer();
            string listenerTls = clientSide == Transport.Plain
                ? ""
                : $", tls_context: {{ min_version: '1.2', certificates: [ {ServerCertificate.Entry} ] }}";
            string targetTls = targetSide == Transport.Plain
                ? ""
                : $", tls_context: {{ min_version: '1.2', server_name: target.example, certificates: [ {{ authority: '{TestAuthority.Trusted.RootFile}' }} ] }}";
            BitflowProcess bitflow = await BitflowProcess.StartAsync(
                $"""
                - name: web
                  listener: {"{"} address: '127.0.0.1:0'{listenerTls} {"}"}
                  targets: [ {"{"} name: a, address: '{peer.Address}'{targetTls} {"}"} ]
                """,
                engine: engine);
            Socket socket = await SocketWords.ConnectAsync(bitflow.EndPoint());
            Task<TestEnd> connecting = clientSide == Transport.Plain
                ? Task.FromResult(TestEnd.Plain(socket))
                : TestEnd.ClientAsync(socket, "server.example", Version(clientSide));
            Socket accepted = await peer.AcceptAsync();
            TestEnd target = targetSide == Transport.Plain
                ? TestEnd.Plain(accepted)
                : await TestEnd.ServerAsync(accepted, TargetCertificate, Version(targetSide));
            return new Way(bitflow, await connecting, target);
        }

        public ValueTask DisposeAsync()
        {
            Client.Dispose();
            Target.Dispose();
            Bitflow.Dispose();
            return ValueTask.CompletedTask;
        }

        private static SslProtocols Version(Transport side) => side == Transport.Tls12 ? SslProtocols.Tls12 : SslProtocols.Tls13;
    }
}
