namespace Bitflow.Domain

/// How often the log tells how something stands that goes on.
[<RequireQualifiedAccess>]
module ReminderWait =
    /// The wait before the n-th line (1 is the first): a second, two, four, at most a minute.
    [<CompiledName "Before">]
    let before (times: int) : Duration =
        let doublings = max 1 (min times 7) - 1
        Duration.OfSeconds(min 60L (1L <<< doublings))
