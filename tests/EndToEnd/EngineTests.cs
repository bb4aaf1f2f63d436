using System.Net.Sockets;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.EndToEnd;

/// <summary>A seccomp filter takes a call away that the Linux engine stands on.</summary>
public sealed class EngineTests
{
    [Fact]
    public async Task The_portable_engine_stands_in_where_the_other_cannot_run_and_says_so()
    {
        using Peer echo = Peer.Echo();
        using BitflowProcess bitflow = await BitflowProcess.StartAsync(PlainProxy.To(echo.Address), launcher: SystemCallFilter.Refusing("eventfd2", Errno.EPERM));
        await bitflow.SaysAsync("the Linux engine cannot run: eventfd2 is refused (Operation not permitted), by a seccomp filter perhaps; the portable engine");
        using Socket client = await SocketWords.ConnectAsync(bitflow.EndPoint());
        await client.SendAllAsync(new byte[] { 1, 2, 3 });
        Assert.Equal([1, 2, 3], await client.ReadExactlyAsync(3));
    }

    [Theory]
    [InlineData("eventfd2", "linux", "bitflow: application.engine: linux cannot run: eventfd2 is refused (Operation not permitted); allow the call, ")]
    [InlineData("epoll_create1", null, "bitflow: no engine can run: epoll_create1 is refused (Operation not permitted); allow the call, ")]
    [InlineData("epoll_ctl", null, "bitflow: no engine can run: epoll_ctl is refused (Operation not permitted); allow the call, ")]
    public async Task Where_no_engine_can_run_it_ends_with_one_sentence(string call, string? engine, string sentence)
    {
        using BitflowProcess bitflow = BitflowProcess.Launch(PlainProxy.To("127.0.0.1:9"), launcher: SystemCallFilter.Refusing(call, Errno.EPERM), engine: engine);
        Assert.Equal(1, await bitflow.ExitAsync());
        Assert.StartsWith(sentence, bitflow.Errors, StringComparison.Ordinal);
        Assert.Single(bitflow.Errors.TrimEnd().Split('\n'));
    }
}
