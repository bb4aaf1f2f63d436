namespace Bitflow.Tests.Support;

/// <summary>How long a test waits for what must come true: far longer than it takes, so that only a hang fails.</summary>
internal static class Patience
{
    public static readonly TimeSpan Bound = TimeSpan.FromSeconds(20);

    public static Task<T> Patiently<T>(this Task<T> task) => task.WaitAsync(Bound);

    public static Task Patiently(this Task task) => task.WaitAsync(Bound);

    public static Task<T> Patiently<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Bound);
}
