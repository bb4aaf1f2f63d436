using System.Net;
using Bitflow.App.Metering;
using Bitflow.Domain;
using Bitflow.Tests.Fixtures;
using Xunit;

namespace Bitflow.Tests.Observing;

public sealed class StatsdSocketTests
{
    /// <summary>No datagram over UDP holds 64 KB: to wait with it would keep everything behind it waiting.</summary>
    [Fact]
    public async Task A_datagram_that_is_too_long_is_lost_and_those_behind_it_are_sent()
    {
        using var receiver = new StatsdReceiver();
        IPEndPoint at = IPEndPoint.Parse(receiver.Address);
        using var socket = new StatsdSocket(MetricsAddress.NewUdp(at.Address.ToString(), at.Port));
        Assert.True(socket.TryBegin());
        Assert.True(socket.TrySend(new byte[64 * 1024], out int lost));
        Assert.Equal(1, lost);
        Assert.NotNull(socket.Problem);
        Assert.True(socket.TrySend("a:1|c"u8, out lost));
        Assert.Equal(0, lost);
        await receiver.HearsAsync("a:1|c");
    }
}
