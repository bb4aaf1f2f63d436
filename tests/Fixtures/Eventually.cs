using System.Diagnostics;

namespace Bitflow.Tests.Fixtures;

/// <summary>Waiting for a condition, never for time: as short as it can be, with a bound that only a failure reaches.</summary>
internal static class Eventually
{
    public static readonly TimeSpan Patience = TimeSpan.FromSeconds(30);

    public static Task IsTrueAsync(Func<bool> condition, string what, TimeSpan? patience = null) => IsTrueAsync(condition, () => what, patience);

    /// <param name="condition">Asked again and again.</param>
    /// <param name="what">What was to come true, and what is true instead: told at the end of the wait.</param>
    /// <param name="patience">The bound.</param>
    public static Task IsTrueAsync(Func<bool> condition, Func<string> what, TimeSpan? patience = null) =>
        HoldsAsync(() => Task.FromResult(condition()), what, patience);

    /// <inheritdoc cref="IsTrueAsync(Func{bool}, Func{string}, TimeSpan?)"/>
    public static async Task HoldsAsync(Func<Task<bool>> condition, Func<string> what, TimeSpan? patience = null)
    {
        long began = Stopwatch.GetTimestamp();
        while (!await condition())
        {
            if (Stopwatch.GetElapsedTime(began) > (patience ?? Patience))
                throw new TimeoutException($"never came true: {what()}");
            await Task.Delay(5);
        }
    }
}
