namespace Bitflow.App;

/// <summary>What a signal asks for.</summary>
internal enum Signal
{
    /// <summary>SIGINT or SIGTERM.</summary>
    Stop,

    /// <summary>SIGHUP.</summary>
    Reload,

    /// <summary>SIGUSR1.</summary>
    ReopenLogs,

    /// <summary>SIGUSR2.</summary>
    DumpState,
}
