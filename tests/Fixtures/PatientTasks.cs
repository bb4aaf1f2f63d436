namespace Bitflow.Tests.Fixtures;

/// <summary>Waiting for a task, with the bound of <see cref="Eventually"/>.</summary>
internal static class PatientTasks
{
    public static Task<T> Patiently<T>(this Task<T> task) => task.WaitAsync(Eventually.Patience);

    public static Task Patiently(this Task task) => task.WaitAsync(Eventually.Patience);

    public static Task<T> Patiently<T>(this ValueTask<T> task) => task.AsTask().WaitAsync(Eventually.Patience);
}
