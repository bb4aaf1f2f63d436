using System.Net.Sockets;
using System.Text;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Dialing;

/// <summary>
/// Targets behind a SOCKS5 proxy. The proxy of these tests says whatever a test wants; real ones are in <see cref="SocksPeerTests"/>.
/// </summary>
public sealed class SocksTests
{
    public static TheoryData<EngineKind> Engines => [EngineKind.Linux, EngineKind.Managed];

    [Theory]
    [InlineData("example.com:443", "03 0b 6578616d706c652e636f6d 01bb")]
    [InlineData("192.0.2.1:443", "01 c0000201 01bb")]
    [InlineData("[2001:db8::1]:443", "04 20010db8000000000000000000000001 01bb")]
    public async Task A_name_is_sent_unresolved_and_a_literal_as_such(string target, string address)
    {
        byte[] asked = [];
        using var proxy = new SocksServer(SocksServer.Willing(request => asked = request, s => s.SendAllAsync("made it")));
        using RunningProxies bitflow = RunningProxies.One(
            target, targetKeys: $"proxy: \"{proxy.Address}\"\n", names: name => throw new InvalidOperationException($"{name} was looked up"));
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("made it", await client.ReadTextAsync(7));
        Assert.Equal(Convert.FromHexString("050100" + address.Replace(" ", "", StringComparison.Ordinal)), asked);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task What_the_target_says_in_the_segment_of_the_reply_arrives_whole(EngineKind engine)
    {
        using var proxy = new SocksServer(async s =>
        {
            await s.ReadUpToAsync(3);
            await s.SendAllAsync(SocksServer.NoAuthentication);
            await SocksServer.RequestAsync(s);
            byte[] reply = [5, 0, 0, 3, 9, .. Encoding.ASCII.GetBytes("localhost"), 0x1f, 0x90];
            await s.SendAllAsync([.. reply, .. Encoding.ASCII.GetBytes("220 ready")]);
            Assert.Equal("QUIT", await s.ReadTextAsync(4));
        });
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("220 ready", await client.ReadTextAsync(9));
        await client.SendAllAsync("QUIT");
        Assert.Equal("", await client.ReadTextToEndAsync());
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_proxy_that_answers_a_byte_at_a_time_is_understood(EngineKind engine)
    {
        using var proxy = new SocksServer(async s =>
        {
            s.NoDelay = true;
            await s.ReadUpToAsync(4);
            await SlowlyAsync(s, SocksServer.AskForPassword);
            await s.ReadUpToAsync(1 + 1 + 4 + 1 + 4);
            await SlowlyAsync(s, SocksServer.PasswordAccepted);
            await SocksServer.RequestAsync(s);
            await SlowlyAsync(s, SocksServer.Succeeded);
            await s.SendAllAsync("through");
        });
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"user:pass@{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("through", await client.ReadTextAsync(7));

        static async Task SlowlyAsync(Socket s, byte[] bytes)
        {
            foreach (byte b in bytes)
            {
                await s.SendAllAsync([b]);
                await Task.Delay(2);
            }
        }
    }

    [Fact]
    public async Task Credentials_are_percent_decoded_and_sent_only_where_they_are_asked_for()
    {
        byte[] greeting = [];
        byte[] words = [];
        using var proxy = new SocksServer(async s =>
        {
            greeting = await s.ReadUpToAsync(4);
            await s.SendAllAsync(SocksServer.AskForPassword);
            words = await s.ReadOnceAsync();
            await s.SendAllAsync(SocksServer.PasswordAccepted);
            await SocksServer.RequestAsync(s);
            await s.SendAllAsync([.. SocksServer.Succeeded, (byte)'!']);
        });
        using RunningProxies bitflow = RunningProxies.One("example.com:25", targetKeys: $"proxy: \"us%3Aer:p%40s@s@{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("!", await client.ReadTextAsync(1));
        Assert.Equal([5, 2, 0, 2], greeting);
        Assert.Equal([1, 5, .. "us:er"u8.ToArray(), 5, .. "p@s@s"u8.ToArray()], words);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task The_PROXY_header_goes_to_the_target_not_to_the_proxy(EngineKind engine)
    {
        string heard = "";
        using var proxy = new SocksServer(SocksServer.Willing(_ => { }, async s =>
        {
            // All of it: closing before what is unread would be a reset.
            heard = Encoding.ASCII.GetString(await s.ReadOnceAsync());
            await s.SendAllAsync("ok");
        }));
        using RunningProxies bitflow = RunningProxies.One(
            "example.com:25", engine, targetKeys: $"proxy: \"{proxy.Address}\"\n", options: "enable_proxy_header: true\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("ok", await client.ReadTextAsync(2));
        Assert.StartsWith("PROXY ", heard, StringComparison.Ordinal);
    }

    public static TheoryData<string, string, string> Refusals
    {
        get
        {
            var data = new TheoryData<string, string, string>
            {
                { "HTTP/1.1 400 Bad Request\r\n", "target.dial.protocol", "version 72 instead of 5" },
                { "\x04\x5a", "target.dial.protocol", "version 4 instead of 5" },
                { "\x05\xff", "target.dial.refused", "none of the authentication methods" },
                { "\x05\x01", "target.dial.protocol", "authentication method 1, which was not offered" },
                { "\x05\x02", "target.dial.protocol", "authentication method 2, which was not offered" },
                { "\x05", "target.dial.ended", "closed the connection during the greeting" },
                { "", "target.dial.ended", "closed the connection during the greeting" },
                { "\x05\x00|\x05\x00\x00\x02", "target.dial.protocol", "address type 2" },
                { "\x05\x00|\x05\x00\x00\x03\x00", "target.dial.protocol", "an empty name" },
                { "\x05\x00|\x05\x00\x00\x01\x00\x00", "target.dial.ended", "closed the connection during the request" },
                { "\x05\x00|\x05\x09", "target.dial.protocol", "unassigned reply code 9" },
            };
            (string Words, string Cause)[] replies =
            [
                ("said no: general SOCKS server failure", "refused"), ("not allowed by its ruleset", "refused"), ("network unreachable", "unreachable"),
                ("host unreachable", "unreachable"), ("connection refused", "refused"), ("TTL expired", "vanished"),
                ("command not supported", "refused"), ("address type not supported", "refused"),
            ];
            for (int code = 1; code <= replies.Length; code++)
                data.Add($"\x05\x00|\x05{(char)code}", $"target.dial.{replies[code - 1].Cause}", replies[code - 1].Words);
            return data;
        }
    }

    [Theory]
    [MemberData(nameof(Refusals))]
    public async Task What_the_proxy_gets_wrong_or_refuses_is_a_dial_error_that_says_so(string answers, string reason, string words)
    {
        byte[][] parts = [.. answers.Split('|').Select(Encoding.Latin1.GetBytes)];
        using var proxy = new SocksServer(SocksServer.AnsweringThenGone(parts));
        using RunningProxies bitflow = RunningProxies.One("example.com:25", targetKeys: $"proxy: \"{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal(SocketError.Success, await client.EndingAsync());
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal(reason, record.CloseReason.Value.ToString());
        Assert.Contains(words, record.Error, StringComparison.Ordinal);
        Assert.Equal(1, proxy.Served);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_refused_password_is_told_without_the_password(EngineKind engine)
    {
        using var proxy = new SocksServer(SocksServer.AnsweringThenGone(SocksServer.AskForPassword, [1, 7]));
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"u5er:s3cret@{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Contains("refused the user and password (status 7)", record.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("s3cret", record.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("u5er", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Each_failed_exchange_counts_against_the_attempts_and_the_last_may_succeed(EngineKind engine)
    {
        using var proxy = new SocksServer(
            SocksServer.AnsweringThenGone([4]),
            SocksServer.AnsweringThenGone(SocksServer.NoAuthentication, [5, 5]),
            SocksServer.Willing(_ => { }, s => s.SendAllAsync("third time")));
        using RunningProxies bitflow = RunningProxies.One(
            "example.com:25", engine, targetKeys: $"proxy: \"{proxy.Address}\"\nconnect_attempts: 3\nconnect_backoff: 1ms\n");
        using Socket client = await bitflow.ConnectAsync();
        Assert.Equal("third time", await client.ReadTextAsync(10));
        Assert.Equal(3, proxy.Served);
        Assert.Equal(2, bitflow.FailedAttempts.Count);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Silence_in_any_state_ends_with_the_attempts_deadline_however_many_bytes_came_before(EngineKind engine)
    {
        (Func<Socket, Task> Silence, string During)[] silences =
        [
            (s => s.EndingAsync(), "the greeting"),
            (SocksServer.Answering([5]), "the greeting"),
            (SocksServer.Answering(SocksServer.AskForPassword), "the authentication"),
            (SocksServer.Answering(SocksServer.AskForPassword, SocksServer.PasswordAccepted), "the request"),
            (SocksServer.Answering(SocksServer.NoAuthentication, [5, 0, 0, 1, 0]), "the request"),
            (async s =>
            {
                // Never quite silent: a byte now and then must not stretch the deadline.
                await s.ReadOnceAsync();
                await s.SendAllAsync(SocksServer.NoAuthentication);
                await s.ReadOnceAsync();
                await s.SendAllAsync([5, 0, 0, 3, 255]);
                for (int i = 0; i < 255; i++)
                {
                    await s.SendAllAsync("x");
                    await Task.Delay(50);
                }
            }, "the request"),
        ];
        foreach ((Func<Socket, Task> silence, string during) in silences)
        {
            using var proxy = new SocksServer(silence);
            using RunningProxies bitflow = RunningProxies.One(
                "example.com:25", engine, targetKeys: $"proxy: \"user:pass@{proxy.Address}\"\nconnect_timeout: 300ms\n");
            using Socket client = await bitflow.ConnectAsync();
            await client.EndingAsync();
            client.Dispose();
            ConnectionRecord record = await bitflow.EndedAsync();
            Assert.Equal("target.dial.connect_timeout", record.CloseReason.Value.ToString());
            Assert.Equal($"cannot be reached: its SOCKS5 proxy did not answer {during} within connect_timeout", record.Error);
            Assert.InRange(record.DialDuration.TotalMilliseconds, 290, 3_000);
        }
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_proxy_that_is_not_there_is_named_as_what_is_not_there(EngineKind engine)
    {
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"127.0.0.1:{Ports.Next()}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.refused", record.CloseReason.Value.ToString());
        Assert.Contains("its SOCKS5 proxy refused the connection", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(EngineKind.Linux, 0, "during the greeting")]
    [InlineData(EngineKind.Linux, 1, "during the authentication")]
    [InlineData(EngineKind.Linux, 2, "during the request")]
    [InlineData(EngineKind.Managed, 0, "during the greeting")]
    [InlineData(EngineKind.Managed, 1, "during the authentication")]
    [InlineData(EngineKind.Managed, 2, "during the request")]
    public async Task A_proxy_that_resets_is_named_as_who_did_it(EngineKind engine, int answers, string when)
    {
        byte[][] said = [SocksServer.AskForPassword, SocksServer.PasswordAccepted];
        using var proxy = new SocksServer(async s =>
        {
            foreach (byte[] answer in said.Take(answers))
            {
                await s.ReadOnceAsync();
                await s.SendAllAsync(answer);
            }

            await s.ReadOnceAsync();
            s.Reset();
        });
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"user:pass@{proxy.Address}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        await client.EndingAsync();
        client.Dispose();
        ConnectionRecord record = await bitflow.EndedAsync();
        Assert.Equal("target.dial.reset", record.CloseReason.Value.ToString());
        Assert.Contains($"its SOCKS5 proxy reset the connection {when}", record.Error, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task A_client_that_resets_gives_up_the_exchange(EngineKind engine)
    {
        var gone = new TaskCompletionSource<SocketError>(TaskCreationOptions.RunContinuationsAsynchronously);
        var asked = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        using var proxy = new SocksServer(async s =>
        {
            await s.ReadUpToAsync(3);
            asked.SetResult();
            gone.SetResult(await s.EndingAsync());
        });
        using RunningProxies bitflow = RunningProxies.One("example.com:25", engine, targetKeys: $"proxy: \"{proxy.Address}\"\n");
        Socket client = await bitflow.ConnectAsync();
        await asked.Task.Patiently();
        client.LingerState = new LingerOption(true, 0);
        client.Dispose();
        Assert.Equal(SocketError.ConnectionReset, await gone.Task.Patiently());
        Assert.Equal("client.dial.probe", (await bitflow.EndedAsync()).CloseReason.Value.ToString());
    }

    [Fact]
    public async Task The_proxy_may_be_a_Unix_socket()
    {
        string path = Path.Combine(PeerProcess.NewHome(), "socks.sock");
        using var listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        listener.Bind(new UnixDomainSocketEndPoint(path));
        listener.Listen(8);
        using RunningProxies bitflow = RunningProxies.One("example.com:25", targetKeys: $"proxy: \"unix:{path}\"\n");
        using Socket client = await bitflow.ConnectAsync();
        using Socket proxy = await listener.AcceptAsync().Patiently();
        await SocksServer.Willing(_ => { }, s => s.SendAllAsync("by path"))(proxy);
        Assert.Equal("by path", await client.ReadTextAsync(7));
    }
}
