namespace Bitflow.App.ConnectionLogs;

/// <summary>What happens to a connection log's file. Called from its own thread, and where the queue is full from whoever writes.</summary>
internal interface IConnectionLogEvents
{
    void Reopened(string path);

    /// <summary>The old file stays in use.</summary>
    void ReopenFailed(string path, string reason);

    /// <summary>Records are lost from now on; once an episode.</summary>
    void Unwritable(string path, string reason);

    /// <summary>The episode is over.</summary>
    void WritableAgain(string path);

    void WriterFailed(string path, Exception exception);
}
