namespace Bitflow.Domain

/// How loudly something is said, and from where on anything is.
[<RequireQualifiedAccess>]
type LogLevel =
    | Debug
    | Info
    | Warn
    | Error
