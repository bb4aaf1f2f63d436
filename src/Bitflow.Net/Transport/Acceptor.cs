namespace Bitflow.Net.Transport;

/// <summary>A listening socket that is being accepted from.</summary>
internal abstract class Acceptor
{
    /// <summary>Stops asking for connections; those that arrive wait in the kernel's backlog.</summary>
    public abstract void Pause();

    public abstract void Resume();

    /// <summary>
    /// Stops for good: accepts what is queued at this moment, paused or not, and closes the socket right behind the last accept, since who connects
    /// in between is reset. The file of a Unix socket is gone, and everyone who was accepted is handed over, once the task is done.
    /// </summary>
    public abstract Task CloseAsync();
}
