namespace Bitflow.Domain

/// How large a file that a configuration or a command names may be: nothing that is read whole is larger.
[<RequireQualifiedAccess>]
module FileLimit =
    let maxBytes = 4 * 1024 * 1024

    /// What is said of a larger one.
    [<CompiledName "Excess">]
    let excess = $"the file has more than {maxBytes} bytes (4 MiB); write a smaller one"
