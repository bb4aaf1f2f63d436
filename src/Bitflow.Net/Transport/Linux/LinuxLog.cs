using Microsoft.Extensions.Logging;

namespace Bitflow.Net.Transport.Linux;

internal static partial class LinuxLog
{
    [LoggerMessage(EventId = 3001, Level = LogLevel.Error, Message = "a callback on an engine thread failed; its connection may hang, the others go on")]
    public static partial void CallbackFailed(ILogger logger, Exception fault);

    [LoggerMessage(
        EventId = 3002,
        Level = LogLevel.Debug,
        Message = "loop {Loop} has no io_uring ({Reason}): kept connections of small messages cost more calls; see kernel.io_uring_disabled, and seccomp filters of containers")]
    public static partial void NoRing(ILogger logger, int loop, string reason);

    [LoggerMessage(EventId = 3003, Level = LogLevel.Debug, Message = "loop {Loop} may not splice ({Reason}): busy streams are copied; see seccomp filters of containers")]
    public static partial void NoSplice(ILogger logger, int loop, string reason);
}
