using Bitflow.Net.Transport.Linux;
using Xunit;

namespace Bitflow.Tests.Transport;

/// <summary>A Linux engine as it is once streams of small messages have been there: every loop waits in its ring, and for epoll through it.</summary>
internal static class RingEngine
{
    public static LinuxEngine Make(int loops)
    {
        var engine = new LinuxEngine(loops: loops);
        foreach (LinuxLoop loop in engine.Loops.Cast<LinuxLoop>())
        {
            var made = new TaskCompletionSource<bool>(TaskCreationOptions.RunContinuationsAsynchronously);
            loop.Post(() => made.SetResult(loop.TryRing() is not null));
            Assert.True(made.Task.WaitAsync(Wire.Patience).GetAwaiter().GetResult(), "the kernel has rings");
        }

        return engine;
    }
}
