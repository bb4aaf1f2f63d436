using System.Net.Sockets;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>
/// `connection_limit` and authorised sources: exactly as many as the limit are let in, however many come at once, and whoever is not let in
/// is reset at once.
/// </summary>
public sealed class LimitTests
{
    public static TheoryData<string> Engines => new("managed", "linux");

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Exactly_as_many_as_the_limit_are_let_in_however_many_come_at_once(string engine)
    {
        const int Limit = 37;
        using Peer greeting = Peer.Serving(async socket =>
        {
            await socket.SendAllAsync("in"u8.ToArray());
            await socket.ReceiveAsync(new byte[1]);
        });
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{greeting.Address}}' } ]
              options: { connection_limit: {{Limit}} }
            """,
            engine: engine);
        for (int round = 1; round <= 3; round++)
        {
            (Socket Socket, bool In)[] clients = await Task.WhenAll(Enumerable.Range(0, 200).Select(_ => TryAsync(bitflow)));
            Assert.Equal(Limit, clients.Count(c => c.In));

            // A place that becomes free is a place for exactly one more.
            (Socket Socket, bool) leaving = clients.First(c => c.In);
            leaving.Socket.Dispose();
            int expected = round;
            await Eventually.IsTrueAsync(() => Ended(bitflow) >= (expected - 1) * (Limit + 1) + 1, "its place is free");
            (Socket next, bool nextIsIn) = await TryAsync(bitflow);
            Assert.True(nextIsIn);
            Assert.False((await TryAsync(bitflow)).In);
            next.Dispose();
            foreach ((Socket socket, _) in clients)
                socket.Dispose();
            await Eventually.IsTrueAsync(() => Ended(bitflow) >= expected * (Limit + 1), "all have ended");
        }

        Assert.Contains("connection_limit", await bitflow.EndsWithAsync("bitflow.admission.limit"), StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_dial_counts_against_the_limit_and_a_failed_one_no_longer(string engine)
    {
        using var blackhole = new Blackhole();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0' }
              targets: [ { name: a, address: '{{blackhole.Address}}', connect_timeout: 3s } ]
              options: { connection_limit: 1 }
            """,
            engine: engine);
        int idle = bitflow.Descriptors();
        using Socket dialling = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await Eventually.IsTrueAsync(() => bitflow.Descriptors() >= idle + 2, "the client is in, and its target is dialled");
        Assert.False((await TryAsync(bitflow)).In);
        Assert.Empty(await dialling.ReadToEndAsync());
        dialling.Dispose();
        await bitflow.EndsWithAsync("target.dial.connect_timeout");
        using Socket next = await SocketWords.ConnectAsync(bitflow.EndPoint());
        Assert.Empty(await next.ReadToEndAsync());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_source_that_is_not_authorised_is_reset_at_once(string engine)
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(
            $$"""
            - name: web
              listener: { address: '127.0.0.1:0', authorized_sources: [ 10.0.0.0/8 ] }
              targets: [ { name: a, address: '{{echo.Address}}' } ]
            """,
            engine: engine);
        for (int i = 0; i < 20; i++)
            Assert.False((await TryAsync(bitflow)).In);
        await bitflow.EndsWithAsync("bitflow.admission.refused");
    }

    private static int Ended(BitflowProcess bitflow) => bitflow.Errors.Split(".relay.").Length - 1;

    /// <summary>In where it is greeted; not in where it is reset, and nothing else is allowed.</summary>
    private static async Task<(Socket Socket, bool In)> TryAsync(BitflowProcess bitflow)
    {
        var socket = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            await socket.ConnectAsync(bitflow.EndPoint());
            byte[] two = new byte[2];
            int bytes = await socket.ReceiveAsync(two).WaitAsync(Eventually.Patience);
            Assert.Equal("in"u8.ToArray(), two[..bytes]);
            return (socket, true);
        }
        catch (SocketException e) when (e.SocketErrorCode == SocketError.ConnectionReset)
        {
            socket.Dispose();
            return (socket, false);
        }
    }
}
