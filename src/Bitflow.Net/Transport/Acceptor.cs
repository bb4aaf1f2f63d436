namespace Bitflow.Net.Transport;

/// <summary>A listening socket that is being accepted from.</summary>
internal abstract class Acceptor
{
    /// <summary>Stops asking for connections; those that arrive wait in the kernel's backlog.</summary>
    public abstract void Pause();

    public abstract void Resume();

    /// <summary>
    /// Accepts what is queued at this moment, paused or not, then stops for good. The socket may be closed once the task is done: no call on it is
    /// pending and none will follow.
    /// </summary>
    public abstract Task StopAsync();
}
