using System.Net.Sockets;
using System.Text;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// What a relay owes both sides: every byte, in order, each end and each reset for what it is. Each scenario runs the built program
/// on both engines, between sockets that the test holds itself.
/// </summary>
public sealed class RelayTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    private static string To(Peer target) =>
        $"""
        - name: web
          listener: {"{ address: '127.0.0.1:0' }"}
          targets: [ {"{"} name: a, address: '{target.Address}' {"}"} ]
        """;

    private static async Task<(BitflowProcess Bitflow, Socket Client, Socket Target)> ConnectedAsync(string engine)
    {
        using var peer = new Peer();
        BitflowProcess bitflow = await BitflowProcess.StartAsync(To(peer), engine: engine);
        Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Socket target = await peer.AcceptAsync();
        return (bitflow, client, target);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_half_closes_still_gets_everything_the_target_sends_afterwards(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (client)
        using (target)
        {
            await client.SendAllAsync("request"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            Assert.Equal("request", Encoding.ASCII.GetString(await target.ReadToEndAsync()));
            byte[] answer = SocketWords.Noise(100_000_000);
            Task sending = Task.Run(async () =>
            {
                await target.SendAllAsync(answer);
                target.Shutdown(SocketShutdown.Send);
            });
            byte[] received = await client.ReadToEndAsync();
            await sending;
            Assert.Equal(SocketWords.Digest(answer), SocketWords.Digest(received));
            await bitflow.EndsWithAsync("client.relay.ended");
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_clients_reset_reaches_a_target_that_has_read_everything_as_a_reset(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (target)
        {
            byte[] sent = SocketWords.Noise(20_000);
            await client.SendAllAsync(sent);
            byte[] first = await target.ReadExactlyAsync(sent.Length);
            client.Reset();
            Assert.Empty(await target.ReadToResetAsync());
            Assert.Equal(sent, first);
            await bitflow.EndsWithAsync("client.relay.reset");
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_targets_reset_reaches_a_client_that_has_read_everything_as_a_reset(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (client)
        {
            byte[] sent = SocketWords.Noise(20_000);
            await target.SendAllAsync(sent);
            Assert.Equal(sent, await client.ReadExactlyAsync(sent.Length));
            target.Reset();
            Assert.Empty(await client.ReadToResetAsync());
            await bitflow.EndsWithAsync("target.relay.reset");
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_target_that_answers_early_and_resets_the_upload_has_its_answer_delivered(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (client)
        {
            byte[] answer = "413 too large, says the target"u8.ToArray();
            Task uploading = Task.Run(async () =>
            {
                try
                {
                    byte[] piece = SocketWords.Noise(256 * 1024);
                    for (int i = 0; i < 400; i++)
                        await client.SendAllAsync(piece);
                }
                catch (SocketException)
                {
                    // The reset of the upload reached us: that is its end.
                }
            });
            await target.ReadExactlyAsync(10_000);
            await target.SendAllAsync(answer);

            // Closing with unread data in the queue is a reset.
            target.Dispose();
            byte[] received = await client.ReadExactlyAsync(answer.Length);
            Assert.Equal(answer, received);
            await bitflow.EndsWithAsync("target.relay.reset");
            await uploading;
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Data_and_the_end_of_the_stream_in_one_wake_up_are_both_passed_on(string engine)
    {
        using var peer = new Peer();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(To(peer), engine: engine);
        for (int i = 0; i < 50; i++)
        {
            using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
            client.NoDelay = true;
            await client.SendAllAsync("all at once"u8.ToArray());
            client.Shutdown(SocketShutdown.Send);
            using Socket target = await peer.AcceptAsync();
            Assert.Equal("all at once", Encoding.ASCII.GetString(await target.ReadToEndAsync()));
            await target.SendAllAsync("and back"u8.ToArray());
            target.Dispose();
            Assert.Equal("and back", Encoding.ASCII.GetString(await client.ReadToEndAsync()));
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_gigabyte_passes_unchanged_both_ways_at_once(string engine)
    {
        const int Pieces = 1024;
        byte[] piece = SocketWords.Noise(1024 * 1024);
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (client)
        using (target)
        {
            Task<string> atTarget = DigestAllAsync(target);
            Task<string> atClient = DigestAllAsync(client);
            await Task.WhenAll(SendPiecesAsync(client), SendPiecesAsync(target));
            string expected = Expected();
            Assert.Equal(expected, await atTarget);
            Assert.Equal(expected, await atClient);
        }

        async Task SendPiecesAsync(Socket socket)
        {
            for (int i = 0; i < Pieces; i++)
                await socket.SendAllAsync(piece);
            socket.Shutdown(SocketShutdown.Send);
        }

        string Expected()
        {
            using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
            for (int i = 0; i < Pieces; i++)
                hash.AppendData(piece);
            return Convert.ToHexString(hash.GetHashAndReset());
        }

        static async Task<string> DigestAllAsync(Socket socket)
        {
            using var hash = System.Security.Cryptography.IncrementalHash.CreateHash(System.Security.Cryptography.HashAlgorithmName.SHA256);
            byte[] buffer = new byte[256 * 1024];
            int bytes;
            while ((bytes = await socket.ReceiveAsync(buffer).WaitAsync(Eventually.Patience)) > 0)
                hash.AppendData(buffer, 0, bytes);
            return Convert.ToHexString(hash.GetHashAndReset());
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_server_may_speak_first(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (client)
        using (target)
        {
            await target.SendAllAsync("220 ready"u8.ToArray());
            Assert.Equal("220 ready", Encoding.ASCII.GetString(await client.ReadExactlyAsync(9)));
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_leaves_without_a_byte_is_a_probe(string engine)
    {
        (BitflowProcess bitflow, Socket client, Socket target) = await ConnectedAsync(engine);
        using (bitflow)
        using (target)
        {
            client.Dispose();
            Assert.Empty(await target.ReadToEndAsync());
            target.Dispose();
            await bitflow.EndsWithAsync("client.relay.probe");
        }
    }
}
