namespace Bitflow.App;

/// <summary>
/// The way back to the thread pool. With the portable engine a socket's completions run on the very threads that wait for every client's socket, and TLS and HTTP do
/// not belong there: what takes long on one would keep all of them waiting.
/// </summary>
internal static class PoolThread
{
    /// <summary>To be awaited after anything that a socket may have completed.</summary>
    public static async ValueTask EnterAsync()
    {
        if (!Thread.CurrentThread.IsThreadPoolThread)
            await Task.Yield();
    }
}
