using Microsoft.Extensions.Logging;

namespace Bitflow.Net.Transport.Linux;

internal static partial class LinuxLog
{
    [LoggerMessage(EventId = 3001, Level = LogLevel.Error, Message = "a callback on an engine thread failed; its connection may hang, the others go on")]
    public static partial void CallbackFailed(ILogger logger, Exception fault);
}
