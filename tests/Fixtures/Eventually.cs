using System.Diagnostics;

namespace Bitflow.Tests.Fixtures;

/// <summary>Waiting for a condition, never for time: as short as it can be, with a bound that only a failure reaches.</summary>
internal static class Eventually
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static async Task IsTrueAsync(Func<bool> condition, string what, TimeSpan? patience = null)
    {
        long began = Stopwatch.GetTimestamp();
        while (!condition())
        {
            if (Stopwatch.GetElapsedTime(began) > (patience ?? Patience))
                throw new TimeoutException($"never came true: {what}");
            await Task.Delay(5);
        }
    }
}
