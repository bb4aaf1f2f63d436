using System.Diagnostics;
using Bitflow.Domain;
using Bitflow.Net.Transport;
using Bitflow.Net.Transport.Linux;
using Bitflow.Net.Transport.Managed;
using Xunit;
using Engine = Bitflow.Net.Transport.Engine;

namespace Bitflow.Tests.Transport;

/// <summary>
/// What timers cost on the loops that connections live on: moving one allocates nothing however many are armed, those that are not due cause no
/// turn of the loop, and none comes early. How late they come is measured by `bench/timers`, not tested.
/// </summary>
public sealed class TimerCostTests
{
    private const int Armed = 100_000;

    public static TheoryData<string> Engines => new("managed", "linux");

    private static Engine Make(string engine) => engine == "linux" ? new LinuxEngine(loops: 1) : new ManagedEngine();

    private sealed class Timer(Action<Instant>? fired = null) : LoopTimer
    {
        public override void Fire(Instant now) => fired?.Invoke(now);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task Moving_a_timer_among_a_hundred_thousand_allocates_nothing(string name)
    {
        using Engine engine = Make(name);
        EventLoop loop = engine.Loops[0];
        var timers = Enumerable.Range(0, Armed).Select(_ => new Timer()).ToArray();
        (long allocated, TimeSpan took) = await OnLoopAsync(loop, () =>
        {
            Instant start = loop.Now + Duration.OfSeconds(1000);
            for (int i = 0; i < Armed; i++)
                loop.Arm(timers[i], start + Duration.OfMilliseconds(i * 7919 % Armed));

            // Once around before the count begins, so that everything is compiled.
            Move(start);
            long before = GC.GetAllocatedBytesForCurrentThread();
            long began = Stopwatch.GetTimestamp();
            Move(start + Duration.OfSeconds(1));
            return (GC.GetAllocatedBytesForCurrentThread() - before, Stopwatch.GetElapsedTime(began));

            void Move(Instant from)
            {
                for (int i = 0; i < Armed; i++)
                    loop.Arm(timers[i], from + Duration.OfMilliseconds(i * 104_729 % Armed));
            }
        });
        Assert.Equal(0, allocated);
        Assert.True(took < TimeSpan.FromSeconds(2), $"{took.TotalMicroseconds / Armed:F2} µs a move");
    }

    [Fact]
    public async Task A_hundred_thousand_timers_that_are_not_due_cause_no_turn_of_a_loop()
    {
        using Engine engine = Make("linux");
        var loop = (LinuxLoop)engine.Loops[0];
        await OnLoopAsync(loop, () =>
        {
            for (int i = 0; i < Armed; i++)
                loop.Arm(new Timer(), loop.Now + Duration.OfSeconds(3600 + i));
            return 0;
        });
        await Task.Delay(50);
        int turn = loop.TurnNumber;
        await Task.Delay(500);
        Assert.Equal(turn, loop.TurnNumber);
    }

    [Theory]
    [MemberData(nameof(Engines))]
    public async Task No_timer_comes_early_and_every_one_comes(string name)
    {
        const int Timers = 300;
        using Engine engine = Make(name);
        EventLoop loop = engine.Loops[0];
        var random = new Random(5);
        var late = new double[Timers];
        var all = new CountdownEvent(Timers);
        for (int i = 0; i < Timers; i++)
        {
            int at = i;
            Instant due = loop.Now + Duration.OfMilliseconds(20 + random.Next(500));
            loop.Arm(
                new Timer(_ =>
                {
                    late[at] = (loop.Now - due).TotalMilliseconds;
                    all.Signal();
                }),
                due);
        }

        Assert.True(await Task.Run(() => all.Wait(TimeSpan.FromSeconds(30))));
        double earliest = late.Min();
        Assert.True(earliest >= 0, $"{-earliest} ms early");
    }

    private static Task<T> OnLoopAsync<T>(EventLoop loop, Func<T> work)
    {
        var done = new TaskCompletionSource<T>(TaskCreationOptions.RunContinuationsAsynchronously);
        loop.Post(() =>
        {
            try
            {
                done.SetResult(work());
            }
            catch (Exception e)
            {
                done.SetException(e);
            }
        });
        return done.Task.WaitAsync(Wire.Patience);
    }
}
