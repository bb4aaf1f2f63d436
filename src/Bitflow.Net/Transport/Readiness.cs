namespace Bitflow.Net.Transport;

/// <summary>What a look at a connection's receiving side finds, without waiting and without consuming anything.</summary>
internal enum Readiness
{
    /// <summary>Nothing has come since the last receive.</summary>
    Quiet,

    /// <summary>At least one byte waits to be received, whatever comes after it.</summary>
    Data,

    /// <summary>The peer has ended its stream and no byte waits before that end.</summary>
    Ended,

    /// <summary>The peer has reset the connection or truncated TLS, the kernel has given up on it, or TLS broke; and no byte waits before that.</summary>
    Failed,
}
