namespace Bitflow.Net.Linux;

/// <summary>
/// Those of the kernel's error numbers that something is decided by, as Linux has them on x86-64 and arm64 (asm-generic/errno.h). A call of the data path answers
/// with the negative number.
/// </summary>
internal static class Errno
{
    /// <summary>EPERM.</summary>
    public const int NotPermitted = 1;

    /// <summary>ENOENT.</summary>
    public const int NoEntry = 2;

    /// <summary>EINTR.</summary>
    public const int Interrupted = 4;

    /// <summary>EAGAIN, EWOULDBLOCK.</summary>
    public const int WouldBlock = 11;

    /// <summary>ENOMEM.</summary>
    public const int NoMemory = 12;

    /// <summary>EACCES.</summary>
    public const int NoAccess = 13;

    /// <summary>EBUSY.</summary>
    public const int Busy = 16;

    /// <summary>ENOTDIR.</summary>
    public const int NotADirectory = 20;

    /// <summary>EINVAL.</summary>
    public const int Invalid = 22;

    /// <summary>EPIPE.</summary>
    public const int BrokenPipe = 32;

    /// <summary>ENOSYS.</summary>
    public const int NoSuchCall = 38;

    /// <summary>ETIME: a wait of the ring's is over.</summary>
    public const int TimedOut = 62;

    /// <summary>EPROTO.</summary>
    public const int ProtocolFault = 71;

    /// <summary>ECONNABORTED.</summary>
    public const int ConnectionAborted = 103;

    /// <summary>ECONNRESET.</summary>
    public const int ConnectionReset = 104;

    /// <summary>ENOBUFS.</summary>
    public const int NoBuffers = 105;

    /// <summary>EALREADY.</summary>
    public const int AlreadyInProgress = 114;

    /// <summary>EINPROGRESS.</summary>
    public const int InProgress = 115;

    /// <summary>ECANCELED.</summary>
    public const int Canceled = 125;
}
