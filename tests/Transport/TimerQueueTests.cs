using Bitflow.Domain;
using Bitflow.Net.Transport;
using Xunit;

namespace Bitflow.Tests.Transport;

public sealed class TimerQueueTests
{
    private sealed class Timer : LoopTimer
    {
        public override void Fire(Instant now)
        {
        }
    }

    /// <summary>A random history of arming, moving, disarming and taking, against the naive model: a list searched for its least.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public void Timers_come_out_in_the_order_in_which_they_are_due_whatever_happened_before(int seed)
    {
        var random = new Random(seed);
        var queue = new TimerQueue();
        var timers = Enumerable.Range(0, 300).Select(_ => new Timer()).ToArray();
        var model = new Dictionary<Timer, long>();
        for (int step = 0; step < 20_000; step++)
        {
            Timer timer = timers[random.Next(timers.Length)];
            switch (random.Next(4))
            {
                case 0 or 1:
                    long due = random.Next(1_000_000);
                    queue.Set(timer, Instant.OfNanoseconds(due));
                    model[timer] = due;
                    break;
                case 2:
                    queue.Set(timer, Instant.Never);
                    model.Remove(timer);
                    break;
                default:
                    long now = random.Next(1_000_000);
                    LoopTimer? taken = queue.TakeDue(Instant.OfNanoseconds(now));
                    if (taken is null)
                    {
                        Assert.True(model.Count == 0 || model.Values.Min() > now);
                    }
                    else
                    {
                        Assert.Equal(model.Values.Min(), model[(Timer)taken]);
                        Assert.True(model[(Timer)taken] <= now);
                        model.Remove((Timer)taken);
                    }

                    break;
            }

            Assert.Equal(model.Count, queue.Count);
            Assert.Equal(model.Count == 0 ? Instant.Never.Nanoseconds : model.Values.Min(), queue.Next.Nanoseconds);
        }
    }
}
