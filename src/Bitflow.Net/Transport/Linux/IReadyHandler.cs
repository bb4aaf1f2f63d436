namespace Bitflow.Net.Transport.Linux;

/// <summary>
/// Who moves bytes by callback instead of by waiting calls: no state machine and no completion for each step. Called on the loop.
/// </summary>
internal interface IReadyHandler
{
    /// <summary>The connection that it reads from may have something.</summary>
    void OnReadable();

    /// <summary>The connection that it writes to may have room.</summary>
    void OnWritable();

    /// <summary>One of the two has been closed here.</summary>
    void OnClosed(LoopConnection which);
}
