using Bitflow.Domain;
using Bitflow.Net.Observing;
using Xunit;

namespace Bitflow.Tests.Observing;

/// <summary>What counting costs a connection while nobody listens to the meter.</summary>
public sealed class MeterCostTests
{
    [Fact]
    public void Counting_a_connection_allocates_nothing_while_nobody_listens()
    {
        var meter = new ProxyMeter("web", "127.0.0.1:80", ["a", "b"]);
        CloseReason reason = CloseReasonModule.make(Who.Client, Phase.Relay, Cause.Ended);
        Count(1_000);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Count(10_000);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);

        void Count(int connections)
        {
            for (int i = 0; i < connections; i++)
            {
                meter.Dialled(1, Duration.OfMilliseconds(3));
                meter.Relayed(1, Duration.OfMilliseconds(30), 1_000, 2_000);
                meter.Closed(reason);
                meter.AcceptFailed();
                Instruments.AcceptSuccess.Add(1, meter.Tags);
                Instruments.PipeSuccess.Add(1, meter.Tags);
            }
        }
    }
}
